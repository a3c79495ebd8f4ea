//! Opening, reading again and comparing captures, and going where a link leads.

use std::path::PathBuf;
use std::sync::Arc;

use super::{MAX_RECENT, Opening, Trouble, Viewer};
use crate::analysis::{Analyses, Comparison};
use crate::document::{Document, OpenError, OpenProgress};
use crate::query::{Awaited, event_at};
use crate::state::jobs::Message;
use crate::state::{Link, Panel, Session};
use crate::timeline::TimeRange;

impl Viewer {
    pub(super) fn open(&mut self, paths: Vec<PathBuf>) {
        if let Some(before) = self.opening.take() {
            before.progress.cancel();
        }
        let id = self.id();
        let progress = Arc::new(OpenProgress::default());
        self.trouble = None;
        self.opening = Some(Opening { id, paths: paths.clone(), progress: progress.clone() });
        self.jobs.spawn(move || {
            Message::Opened(id, crate::document::open(&paths, &progress).map(Arc::new))
        });
    }

    pub(super) fn reload(&mut self) {
        let Some(session) = &self.session else { return };
        // One reading at a time: a file that grows fast is read as fast as it can be.
        if self.opening.is_some() || self.reloading.is_some() {
            return;
        }
        let paths = session.document.paths().to_vec();
        let id = self.id();
        self.reloading = Some(id);
        self.jobs.spawn(move || {
            let document = crate::document::open(&paths, &OpenProgress::default());
            Message::Reloaded(id, document.map(Arc::new))
        });
    }

    pub(super) fn take_reloaded(&mut self, id: u64, result: Result<Arc<Document>, OpenError>) {
        if self.reloading != Some(id) {
            return;
        }
        self.reloading = None;
        let Some(before) = self.session.take() else { return };
        match result {
            Ok(document) => {
                self.show(document);
                if let Some(session) = &mut self.session {
                    let search = before.search.text.clone();
                    session.resume(before);
                    self.search(search);
                }
            }
            // While it is being written a file may be unreadable for a moment.
            Err(error) => {
                self.session = Some(before);
                self.status = error.to_string();
            }
        }
    }

    pub(super) fn compare(&mut self, paths: Vec<PathBuf>) {
        let id = self.id();
        let Some(session) = &mut self.session else { return };
        let document = session.document.clone();
        let awaited = Awaited::default();
        let cancel = awaited.cancel();
        session.comparing = Some((id, awaited));
        self.status = "comparing …".to_owned();
        self.layout.show(Panel::Compare);
        self.layout.enlarge(Panel::Compare);
        self.jobs.spawn(move || {
            let before = crate::document::open(&paths, &OpenProgress::until(cancel.clone()));
            let compared = match before {
                Ok(before) => Ok(Arc::new(Comparison::of(Arc::new(before), &document, &cancel))),
                Err(error) => Err((paths, error)),
            };
            Message::Compared(id, compared)
        });
    }

    /// Shows a document that is already there.
    pub fn show(&mut self, document: Arc<Document>) {
        for path in document.paths().iter().rev() {
            self.remember(path.clone());
        }
        self.session = Some(Session::new(document.clone()));
        self.trouble = None;
        let id = self.id();
        if let Some(session) = &mut self.session {
            session.id = id;
            let cancel = session.analysing.cancel();
            self.jobs
                .spawn(move || Message::Analysed(id, Arc::new(Analyses::of(&document, &cancel))));
        }
        self.follow_link();
    }

    pub(super) fn remember(&mut self, path: PathBuf) {
        self.recent.retain(|of| *of != path);
        self.recent.insert(0, path);
        self.recent.truncate(MAX_RECENT);
    }

    pub(super) fn follow_link(&mut self) {
        let link = std::mem::take(&mut self.link);
        let Some(session) = &mut self.session else { return };
        let origin = session.document.bounds().start_ns();
        if let Some(view) = link.view {
            session.view = TimeRange::from_ns(
                origin.saturating_add(view.start_ns()),
                origin.saturating_add(view.end_ns()),
            )
            .clamped(session.document.bounds().padded(0.5));
        }
        let view = link.view.map(|_| session.view);
        self.pending_request = link.request.map(|id| (id, view));
        if let Some(search) = link.search {
            self.search(search);
        }
        if let Some((table, row)) = link.selected {
            self.look_for(move |document, cancel| event_at(document, table, row, None, cancel));
        }
    }

    /// The link to what is in view; `None` when nothing is open.
    pub fn link_here(&self) -> Option<String> {
        let session = self.session.as_ref()?;
        let origin = session.document.bounds().start_ns();
        let since = |ns: i64| ns.saturating_sub(origin);
        let link = Link {
            view: Some(TimeRange::from_ns(
                since(session.view.start_ns()),
                since(session.view.end_ns()),
            )),
            selected: session.event.and_then(|event| Some((event.kind()?, event.row))),
            request: session.request().map(|request| request.id.clone()),
            search: Some(session.search.text.clone()).filter(|text| !text.is_empty()),
        };
        let path = session.document.paths().first()?;
        let path = path.display().to_string();
        // What a shell would take apart is quoted.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%=,".contains(c);
        Some(match path.chars().all(is_plain) {
            true => format!("underspan view {path}'#{link}'"),
            false => format!("underspan view '{}#{link}'", path.replace('\'', r"'\''")),
        })
    }

    pub(super) fn take_opened(&mut self, id: u64, result: Result<Arc<Document>, OpenError>) {
        if self.opening.as_ref().is_none_or(|opening| opening.id != id) {
            return;
        }
        let paths = self.opening.take().map(|opening| opening.paths).unwrap_or_default();
        match result {
            Ok(document) => self.show(document),
            Err(error) => self.report(&paths, &error),
        }
    }

    pub(super) fn report(&mut self, paths: &[PathBuf], error: &OpenError) {
        let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        self.trouble = Some(Trouble {
            title: format!("Cannot open {}", names.join(", ")),
            what: error.to_string(),
            advice: error.advice().to_owned(),
        });
    }
}
