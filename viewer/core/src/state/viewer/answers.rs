//! What other threads have to say.

use std::sync::Arc;

use super::Viewer;
use crate::analysis::Analyses;
use crate::state::jobs::Message;
use crate::state::tile_worker::TileRequest;
use crate::state::{Command, Session};

impl Viewer {
    /// Takes over what other threads have to say. Returns whether there was anything.
    pub fn receive(&mut self) -> bool {
        let mut is_new = false;
        while let Some(message) = self.jobs.receive() {
            is_new = true;
            self.take(message);
        }
        is_new
    }

    pub(super) fn take(&mut self, message: Message) {
        match message {
            Message::Opened(id, result) => self.take_opened(id, result),
            Message::Reloaded(id, result) => self.take_reloaded(id, result),
            Message::Compared(id, compared) => {
                let is_awaited = |session: &&mut Session| {
                    session.comparing.as_ref().is_some_and(|(awaited, _)| *awaited == id)
                };
                let Some(session) = self.session.as_mut().filter(is_awaited) else { return };
                session.comparing = None;
                match compared {
                    Ok(comparison) => {
                        session.comparison = Some(comparison);
                        self.status = String::new();
                    }
                    Err((paths, error)) => self.report(&paths, &error),
                }
            }
            Message::Tiles(answer) => {
                if let Some(session) = &mut self.session {
                    session.take_tiles(answer);
                }
            }
            Message::Analysed(id, analyses) => {
                if self.session.as_ref().is_some_and(|session| session.id == id) {
                    self.take_analyses(analyses);
                }
            }
            Message::Statistics(id, result) => {
                let Some(session) = &mut self.session else { return };
                let statistics = &mut session.statistics;
                if statistics.pending.as_ref().is_none_or(|(pending, ..)| *pending != id) {
                    return;
                }
                statistics.pending = None;
                match result {
                    Ok(result) => (statistics.result, statistics.error) = (result, None),
                    Err(error) => (statistics.result, statistics.error) = (None, Some(error)),
                }
            }
            Message::Details(event, details) => {
                if let Some(session) = &mut self.session
                    && session.event == Some(event)
                {
                    session.details = Some(details);
                }
            }
            Message::Found(id, result) => {
                let Some(session) = &mut self.session else { return };
                if session.finding.as_ref().is_none_or(|(finding, _)| *finding != id) {
                    return;
                }
                session.finding = None;
                match result {
                    Ok(Some(event)) => self.apply(Command::Select(event)),
                    Ok(None) => self.status = "there is none".to_owned(),
                    Err(error) => self.status = error,
                }
            }
        }
    }

    pub(super) fn take_analyses(&mut self, analyses: Arc<Analyses>) {
        let Some(session) = &mut self.session else { return };
        session.requests.arrange(&analyses.requests);
        session.analyses = Some(analyses);
        if let Some((id, view)) = self.pending_request.take() {
            self.select_request_by_id(&id);
            // A link that says both means its own view.
            if let (Some(view), Some(session)) = (view, &mut self.session) {
                session.view = view;
            }
        }
        for command in std::mem::take(&mut self.script) {
            self.apply(command);
        }
    }

    /// Asks for the tiles of the rows in sight, unless those that are there do.
    pub(crate) fn ask_for_tiles(&mut self, rows: Vec<usize>, n_pixels: u32) {
        let id = self.id();
        let Some(session) = &mut self.session else { return };
        if let Some((asked, window, pixels)) = &session.asked {
            let view_pixels = session.view.len_ns() as f64 / window.len_ns() as f64;
            let is_fine = (f64::from(*pixels) * view_pixels - f64::from(n_pixels)).abs() < 0.5;
            let has_rows = rows.iter().all(|row| asked.contains(row));
            if has_rows && is_fine && window.encloses(session.view) {
                return;
            }
        }
        // Half a view on both sides, so that moving shows no edges.
        let window = session.view.padded(0.5);
        let n_pixels = n_pixels.saturating_mul(2);
        session.generation = id;
        session.has_all_tiles = false;
        session.asked = Some((rows.clone(), window, n_pixels));
        let document = session.document.clone();
        self.jobs.ask_for_tiles(TileRequest { document, rows, window, n_pixels, generation: id });
    }
}
