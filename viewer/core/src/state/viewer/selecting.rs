//! Selecting and finding events, requests and ranges.

use underspan_model::tables::TableKind;

use super::Viewer;
use crate::analysis::{Culprit, FindingItem, Shown};
use crate::document::{Document, Fact, LAYER, event_facts};
use crate::query::{
    Awaited, Cancel, Direction, NameMatch, Wanted, annotations_around, culprit_in, event_at,
    find_event, launch_partner, matching_names, range_statistics,
};
use crate::state::jobs::{EventDetails, Message};
use crate::state::session::Search;
use crate::state::{Command, EventRef, Panel};
use crate::timeline::TimeRange;

impl Viewer {
    pub(super) fn select(&mut self, event: EventRef) {
        if let Some(session) = &mut self.session {
            session.reveal_event(&event);
        }
        self.set_event(event);
        self.layout.show(Panel::Details);
    }

    pub(super) fn set_event(&mut self, event: EventRef) {
        let Some(session) = &mut self.session else { return };
        session.event = Some(event);
        session.details = None;
        let document = session.document.clone();
        session.detailing = Awaited::default();
        let cancel = session.detailing.cancel();
        self.jobs.spawn(move || {
            let details = event_facts(
                &document,
                event.kind().unwrap_or(TableKind::Kernel),
                event.row,
                event.range(),
                &cancel,
            )
            .and_then(|mut facts| {
                let partner = launch_partner(&document, &event, &cancel)?;
                let call = partner.filter(|of| of.kind() == Some(TableKind::ApiCall));
                // What was around the launch of a graph says nothing of the layers in it.
                let is_known = facts.iter().any(|fact| fact.name == LAYER);
                if let Some(call) = call.filter(|_| !is_known)
                    && let Some(layer) =
                        annotations_around(&document, call.key, call.start_ns, &cancel)?
                {
                    facts.push(Fact::new(LAYER, layer));
                }
                Ok(EventDetails { facts, partner })
            });
            Message::Details(event, details)
        });
    }

    pub(super) fn select_request(&mut self, at: usize) {
        let Some(session) = &mut self.session else { return };
        let range = session
            .analyses
            .as_ref()
            .and_then(|analyses| analyses.requests.get(at))
            .map(|request| request.range);
        let Some(range) = range else { return };
        session.requests.selected = Some(at);
        session.refresh_highlight();
        session.view = range.padded(0.08);
        session.reveal_row(session.document.busiest_device_row());
        if let Some(reveal) = &mut session.reveal {
            reveal.is_from_top = true;
        }
        self.layout.show(Panel::Verdict);
    }

    pub(super) fn select_request_by_id(&mut self, id: &str) {
        let requests = self
            .session
            .as_ref()
            .and_then(|session| session.analyses.as_ref())
            .map_or(&[][..], |analyses| &analyses.requests);
        let wanted = id.to_lowercase();
        let found = requests.iter().position(|request| {
            request.id == id
                || request.trace_id.is_some_and(|of| format!("{of:032x}") == wanted)
                || request.span_id.is_some_and(|of| format!("{of:016x}") == wanted)
        });
        match found {
            Some(at) => self.apply(Command::SelectRequest(at)),
            None => self.status = format!("there is no request {id}"),
        }
    }

    pub(super) fn show_finding(&mut self, at: usize) {
        let Some(session) = &self.session else { return };
        let Some(analyses) = &session.analyses else { return };
        let finding = session
            .requests
            .selected
            .and_then(|request| analyses.findings_of(request).into_iter().nth(at));
        let Some(FindingItem { evidence, culprit, .. }) = finding else {
            self.status = "select a request with findings first".to_owned();
            return;
        };
        self.show_evidence(&evidence, culprit);
    }

    pub(super) fn show_cause(&mut self, at: usize) {
        let verdict = self
            .session
            .as_ref()
            .and_then(|session| session.analyses.as_ref())
            .and_then(|analyses| analyses.verdict.as_ref());
        let Some(cause) = verdict.and_then(|verdict| verdict.causes.get(at)) else {
            self.status = "the verdict names no such cause".to_owned();
            return;
        };
        let (evidence, culprit, request) = (cause.evidence.clone(), cause.culprit, cause.request);
        if let Some(request) = request {
            self.apply(Command::SelectRequest(request));
        }
        self.show_evidence(&evidence, culprit);
    }

    /// Goes to the most telling of the evidence. An event says more than a range of time.
    fn show_evidence(&mut self, evidence: &[Shown], culprit: Culprit) {
        let Some(session) = &self.session else { return };
        let row = evidence.iter().find(|of| matches!(of, Shown::Row(..)));
        match row.or(evidence.first()) {
            Some(Shown::Row(table, row)) => {
                let (table, row) = (*table, *row);
                let near = session.request().map(|request| request.range.padded(1.0));
                self.look_for(move |document, cancel| event_at(document, table, row, near, cancel));
            }
            Some(Shown::Range(range)) if culprit == Culprit::Nothing => {
                self.apply(Command::Show(range.padded(0.2)));
            }
            Some(Shown::Range(range)) => {
                let range = *range;
                self.look_for(move |document, cancel| culprit_in(document, culprit, range, cancel));
            }
            None => self.status = "no row of the capture shows it".to_owned(),
        }
    }

    pub(super) fn arrange_requests(&mut self) {
        let Some(session) = &mut self.session else { return };
        if let Some(analyses) = &session.analyses {
            session.requests.arrange(&analyses.requests);
        }
    }

    pub(super) fn search(&mut self, text: String) {
        let Some(session) = &mut self.session else { return };
        let (matches, error) = match matching_names(&session.document, &text) {
            _ if text.is_empty() => (Vec::new(), None),
            Ok(matches) => (matches, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        session.search = Search { text, matches, error };
        session.refresh_highlight();
    }

    pub(super) fn find_on_track(&mut self, direction: Direction) {
        let Some(event) = self.session.as_ref().and_then(|session| session.event) else {
            self.status = "select an event first".to_owned();
            return;
        };
        let Some(table) = event.kind() else { return };
        let wanted = Wanted::OnTrack(table, event.key);
        self.find(wanted, event.start_ns, Some((table, event.row)), direction);
    }

    pub(super) fn find_named(&mut self, direction: Direction) {
        let Some(session) = &self.session else { return };
        let from = session.event.and_then(|event| Some((event.kind()?, event)));
        let matches = match (&session.search.matches[..], from) {
            ([], Some((table, event))) => {
                let name = session.document.labels_of(table, event.name);
                vec![NameMatch { table, names: name }]
            }
            ([], None) => {
                self.status = "search for something, or select an event, first".to_owned();
                return;
            }
            (matches, _) => matches.to_vec(),
        };
        let start = from.map_or_else(|| session.view.start_ns(), |(_, event)| event.start_ns);
        let row = from.map(|(table, event)| (table, event.row));
        self.find(Wanted::Named(matches), start, row, direction);
    }

    pub(super) fn find(
        &mut self,
        wanted: Wanted,
        from_ns: i64,
        row: Option<(TableKind, u64)>,
        direction: Direction,
    ) {
        self.look_for(move |document, cancel| {
            find_event(document, &wanted, from_ns, row, direction, cancel)
        });
    }

    pub(super) fn look_for(
        &mut self,
        job: impl FnOnce(&Document, &Cancel) -> Result<Option<EventRef>, String> + Send + 'static,
    ) {
        let id = self.id();
        let Some(session) = &mut self.session else { return };
        let awaited = Awaited::default();
        let cancel = awaited.cancel();
        session.finding = Some((id, awaited));
        let document = session.document.clone();
        self.jobs.spawn(move || Message::Found(id, job(&document, &cancel)));
    }

    pub(super) fn ask_for_statistics(&mut self, range: TimeRange) {
        let id = self.id();
        let Some(session) = &mut self.session else { return };
        let awaited = Awaited::default();
        let cancel = awaited.cancel();
        session.statistics.pending = Some((id, range, awaited));
        let document = session.document.clone();
        self.jobs
            .spawn(move || Message::Statistics(id, range_statistics(&document, range, &cancel)));
    }
}

/// A text as a regular expression that matches it alone.
pub(super) fn exact_pattern(text: &str) -> String {
    let mut pattern = String::from("^");
    for c in text.chars() {
        if c.is_ascii() && !c.is_ascii_alphanumeric() && c != '_' && c != ' ' {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('$');
    pattern
}
