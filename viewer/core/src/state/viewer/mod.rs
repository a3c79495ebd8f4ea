//! The whole viewer: what is open, which panels there are, and what every command does.

mod answers;
mod opening;
mod selecting;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use underspan_model::tables::TableKind;

use self::selecting::exact_pattern;
use super::jobs::{Jobs, Wake};
use super::session::{Place, Search, Session};
use super::{Command, EventRef, Link, Note};
use crate::document::{Document, OpenProgress};
use crate::paint::GalleyCache;
use crate::panels::Layout;
use crate::query::{Direction, longest_in};
use crate::timeline::TimeRange;

/// Files that are remembered.
const MAX_RECENT: usize = 12;
/// Commands that are remembered, for the report of a crash.
const MAX_COMMANDS: usize = 200;

/// What only the window around the viewer can do.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Effect {
    /// Put this text on the clipboard.
    CopyText(String),
    /// Ask the user for files; answer with [`Command::Open`] or, to compare, with
    /// [`Command::CompareWith`].
    AskForFiles {
        /// Whether they are to be compared with what is open.
        to_compare: bool,
    },
    /// Save a picture of the window.
    SaveScreenshot(PathBuf),
    /// Ask where to save; answer with the same command and a path.
    AskWhereToSave {
        /// Name to propose.
        name: String,
        /// Whether it is a picture; statistics otherwise.
        is_image: bool,
    },
}

/// Something that went wrong, for the user to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) title: String,
    pub(crate) what: String,
    pub(crate) advice: String,
}

/// An opening that is under way.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) id: u64,
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) progress: Arc<OpenProgress>,
}

/// The whole viewer without its window.
#[derive(Debug)]
pub struct Viewer {
    pub(crate) jobs: Jobs,
    pub(crate) session: Option<Session>,
    pub(crate) opening: Option<Opening>,
    reloading: Option<u64>,
    pub(crate) trouble: Option<Trouble>,
    /// A short word at the bottom.
    pub(crate) status: String,
    pub(crate) layout: Layout,
    pub(crate) palette: Option<String>,
    pub(crate) is_help_open: bool,
    /// Path typed into the welcome screen.
    pub(crate) typed_path: String,
    pub(crate) is_search_focused: bool,
    pub(crate) recent: Vec<PathBuf>,
    pub(crate) is_dark: bool,
    pub(crate) scale: f32,
    pub(crate) has_overlay: bool,
    pub(crate) has_fonts: bool,
    pub(crate) frames: VecDeque<f32>,
    pub(crate) galleys: GalleyCache,
    effects: Vec<Effect>,
    commands: VecDeque<Command>,
    next_id: u64,
    /// Where to go once the capture is open.
    link: Link,
    pending_request: Option<(String, Option<TimeRange>)>,
    /// Commands to do once the capture is analyzed.
    script: Vec<Command>,
}

impl Viewer {
    /// A viewer with nothing open. `wake` is called from other threads when there is something new
    /// to draw.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self::with_jobs(Jobs::on_threads(Arc::new(wake) as Wake))
    }

    /// A viewer that does everything at once instead of on other threads: for tests and pictures.
    pub fn inline() -> Self {
        Self::with_jobs(Jobs::inline())
    }

    fn with_jobs(jobs: Jobs) -> Self {
        Self {
            jobs,
            session: None,
            opening: None,
            reloading: None,
            trouble: None,
            status: String::new(),
            layout: Layout::default(),
            palette: None,
            is_help_open: false,
            typed_path: String::new(),
            is_search_focused: false,
            recent: Vec::new(),
            is_dark: true,
            scale: 1.0,
            has_overlay: false,
            has_fonts: false,
            frames: VecDeque::new(),
            galleys: GalleyCache::default(),
            effects: Vec::new(),
            commands: VecDeque::new(),
            next_id: 0,
            link: Link::default(),
            pending_request: None,
            script: Vec::new(),
        }
    }

    /// Where to go once what is being opened is open.
    pub fn go_to_when_open(&mut self, link: Link) {
        self.link = link;
    }

    /// What to do once what is being opened is analyzed.
    pub fn run_when_open(&mut self, commands: Vec<Command>) {
        self.script = commands;
    }

    /// What the window has to do since it was last asked.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// The capture that is open.
    pub fn document(&self) -> Option<&Document> {
        self.session.as_ref().map(|session| &*session.document)
    }

    /// The selected event.
    pub fn selected_event(&self) -> Option<EventRef> {
        self.session.as_ref()?.event
    }

    /// The part of the time in view.
    pub fn view(&self) -> Option<TimeRange> {
        self.session.as_ref().map(|session| session.view)
    }

    /// Position of the selected request.
    pub fn selected_request(&self) -> Option<usize> {
        self.session.as_ref()?.requests.selected
    }

    /// The time that the selected request took.
    pub fn selected_request_range(&self) -> Option<TimeRange> {
        Some(self.session.as_ref()?.request()?.range)
    }

    /// Statistics of the selected range, once they are there.
    pub fn range_statistics(&self) -> Option<&crate::query::RangeStatistics> {
        self.session.as_ref()?.statistics.result.as_ref()
    }

    /// What could not be analyzed or joined, in words.
    pub fn analysis_notes(&self) -> &[String] {
        let analyses = self.session.as_ref().and_then(|session| session.analyses.as_ref());
        analyses.map_or(&[], |analyses| &analyses.notes)
    }

    /// What the error panel says; `None` when there is no error.
    pub fn trouble_text(&self) -> Option<String> {
        self.trouble.as_ref().map(|of| format!("{}: {}", of.title, of.what))
    }

    /// Whether anything is still being opened, computed or drawn more finely.
    pub fn is_busy(&self) -> bool {
        self.opening.is_some()
            || self.session.as_ref().is_some_and(|session| {
                session.analyses.is_none()
                    || session.comparing.is_some()
                    || session.finding.is_some()
                    || session.statistics.pending.is_some()
                    || !session.has_all_tiles
            })
    }

    /// Whether everything in view has been drawn, if coarsely.
    pub fn has_drawn_view(&self) -> bool {
        self.session.as_ref().is_some_and(|session| {
            session.generation > 0 && session.tiles_generation == session.generation
        })
    }

    /// Whether everything in view has been drawn as finely as it will be.
    pub fn has_drawn_finest(&self) -> bool {
        let is_finest = self.session.as_ref().is_some_and(|session| session.has_all_tiles);
        self.has_drawn_view() && is_finest
    }

    /// Jobs that run on other threads, those cancelled that have not ended yet among them; the
    /// drawing of tiles is none.
    pub fn n_jobs(&self) -> usize {
        self.jobs.n_running()
    }

    /// Whether the colours are dark.
    pub fn is_dark(&self) -> bool {
        self.is_dark
    }

    /// The latest commands, for the report of a crash. They name files.
    pub fn recent_commands(&self) -> impl Iterator<Item = &Command> {
        self.commands.iter()
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Does one thing.
    pub fn apply(&mut self, command: Command) {
        if self.commands.len() >= MAX_COMMANDS {
            self.commands.pop_front();
        }
        self.commands.push_back(command.clone());
        if command.is_jump()
            && let Some(session) = &mut self.session
        {
            let place = session.place();
            session.history.leave(place);
        }
        match command {
            Command::Open(paths) => self.open(paths),
            Command::AskForFiles => self.effects.push(Effect::AskForFiles { to_compare: false }),
            Command::AskForComparison => {
                self.effects.push(Effect::AskForFiles { to_compare: true });
            }
            Command::CompareWith(paths) => self.compare(paths),
            Command::CompareStep(at) => {
                if let Some(session) = &mut self.session {
                    session.step_pair = at;
                }
            }
            Command::CancelOpening => {
                if let Some(opening) = self.opening.take() {
                    opening.progress.cancel();
                    self.status = "opening was cancelled".to_owned();
                }
            }
            Command::Reload => self.reload(),
            Command::Close => self.session = None,
            Command::Say(text) => self.status = text,
            Command::TogglePalette => {
                self.palette = if self.palette.is_some() { None } else { Some(String::new()) };
            }
            Command::ToggleHelp => self.is_help_open = !self.is_help_open,
            Command::ShowPanel(panel) => self.layout.show(panel),
            Command::ResetPanels => self.layout = Layout::default(),
            Command::SetDark(is_dark) => self.is_dark = is_dark,
            Command::SetScale(scale) => self.scale = scale.clamp(0.5, 4.0),
            Command::ToggleOverlay => self.has_overlay = !self.has_overlay,
            Command::FocusSearch => self.is_search_focused = true,
            Command::ExportImage(None) => self.ask_where_to_save("view.png", true),
            Command::ExportImage(Some(path)) => self.effects.push(Effect::SaveScreenshot(path)),
            Command::ExportSelection(None) => self.ask_where_to_save("selection.csv", false),
            Command::ExportSelection(Some(path)) => self.export_selection(path),
            Command::CopyLink => {
                if let Some(link) = self.link_here() {
                    self.status = "link copied".to_owned();
                    self.effects.push(Effect::CopyText(link));
                }
            }
            Command::Escape => self.escape(),
            command => self.apply_to_session(command),
        }
    }

    fn apply_to_session(&mut self, command: Command) {
        let Some(session) = &mut self.session else { return };
        let bounds = session.document.bounds();
        match command {
            Command::Pan(by) => session.view = session.view.panned(by, bounds),
            Command::Scroll(by) => {
                session.scroll = (session.scroll + by).max(0.0);
                session.reveal = None;
            }
            Command::Zoom { factor, anchor_ns } => {
                let anchor = anchor_ns.unwrap_or_else(|| session.view.at_fraction(0.5));
                session.view = session.view.zoomed(factor, anchor, bounds);
            }
            Command::Show(range) => session.view = range.clamped(bounds.padded(0.5)),
            Command::ShowAll => session.view = bounds.padded(0.005),
            Command::ZoomToSelection => {
                let event = session.event.map(|event| event.range());
                let request = session.request().map(|request| request.range);
                if let Some(range) = session.range.or(event).or(request) {
                    session.view = range.padded(0.1);
                }
            }
            Command::Back => self.go_back(true),
            Command::Forward => self.go_back(false),
            Command::Select(event) => self.select(event),
            Command::SelectRange(range) => {
                session.range = Some(range);
                self.ask_for_statistics(range);
            }
            Command::ClearSelection => self.clear_selection(),
            Command::NextInRow => self.find_on_track(Direction::Forward),
            Command::PreviousInRow => self.find_on_track(Direction::Backward),
            Command::NextOccurrence => self.find_named(Direction::Forward),
            Command::PreviousOccurrence => self.find_named(Direction::Backward),
            Command::FollowLaunch => {
                let partner = session.details.as_ref().and_then(|of| of.as_ref().ok()?.partner);
                match partner {
                    Some(partner) => self.apply(Command::Select(partner)),
                    None => self.status = "no launch is known of what is selected".to_owned(),
                }
            }
            Command::SelectRequest(at) => self.select_request(at),
            Command::SelectRequestById(id) => self.select_request_by_id(&id),
            Command::NextRequest | Command::PreviousRequest => {
                let by = if command == Command::NextRequest { 1 } else { -1 };
                if let Some(at) = session.requests.neighbour(by) {
                    self.apply(Command::SelectRequest(at));
                }
            }
            Command::SelectSlowest => {
                let requests = session.analyses.as_ref().map_or(&[][..], |of| &of.requests);
                let slowest = (0..requests.len()).max_by_key(|at| requests[*at].range.len_ns());
                if let Some(at) = slowest {
                    self.apply(Command::SelectRequest(at));
                }
            }
            Command::SortRequests { by, is_descending } => {
                (session.requests.by, session.requests.is_descending) = (by, is_descending);
                self.arrange_requests();
            }
            Command::FilterRequests(text) => {
                session.requests.filter = text;
                self.arrange_requests();
            }
            Command::BrushRequests(brush) => {
                session.requests.brush = brush;
                self.arrange_requests();
            }
            Command::ShowFinding(at) => self.show_finding(at),
            Command::ShowCause(at) => self.show_cause(at),
            Command::Search(text) => self.search(text),
            Command::SearchExactly(name) => self.search(exact_pattern(&name)),
            Command::SelectLongest { table, key, range } => {
                if let Some(table) = TableKind::from_code(table) {
                    self.look_for(move |document, cancel| {
                        longest_in(document, table, key, range, cancel)
                    });
                }
            }
            Command::ColourBy(by) => session.colour_by = by,
            Command::ToggleCollapsed(id) => {
                if !session.collapsed.remove(&id) {
                    session.collapsed.insert(id);
                }
                self.save_view();
            }
            Command::Hide(id) => {
                session.pinned.retain(|of| *of != id);
                session.hidden.insert(id);
                self.save_view();
            }
            Command::ShowHidden => {
                session.hidden.clear();
                self.save_view();
            }
            Command::TogglePinned(id) => {
                let n_pinned = session.pinned.len();
                session.pinned.retain(|of| *of != id);
                if session.pinned.len() == n_pinned {
                    session.pinned.push(id);
                }
                self.save_view();
            }
            Command::MoveRow { row, by } => {
                session.move_row(&row, by);
                self.save_view();
            }
            Command::FilterRows(text) => session.row_filter = text,
            Command::AddNote { at_ns, text } => {
                let at_ns = at_ns
                    .or(session.event.map(|event| event.start_ns))
                    .unwrap_or_else(|| session.view.at_fraction(0.5));
                session.notes.push(Note { at_ns, text });
                session.notes.sort_by_key(|note| note.at_ns);
                self.save_view();
            }
            Command::RemoveNote(at) if at < session.notes.len() => {
                session.notes.remove(at);
                self.save_view();
            }
            Command::NextNote => {
                let middle = session.view.at_fraction(0.5);
                let next = session.notes.iter().find(|note| note.at_ns > middle);
                if let Some(note) = next.or(session.notes.first()) {
                    let by = session.view.fraction_of(note.at_ns) - 0.5;
                    session.view = session.view.panned(by, bounds);
                }
            }
            _ => {}
        }
    }

    fn go_back(&mut self, is_back: bool) {
        let Some(session) = &mut self.session else { return };
        let here = session.place();
        let place =
            if is_back { session.history.back(here) } else { session.history.forward(here) };
        let Some(Place { view, event, request }) = place else { return };
        session.view = view;
        session.requests.selected = request;
        session.refresh_highlight();
        match event {
            Some(event) if session.event != Some(event) => self.set_event(event),
            Some(_) => {}
            None => (session.event, session.details) = (None, None),
        }
    }

    fn clear_selection(&mut self) {
        let Some(session) = &mut self.session else { return };
        (session.event, session.details, session.range) = (None, None, None);
        session.finding = None;
        session.statistics.pending = None;
        session.requests.selected = None;
        session.refresh_highlight();
    }

    fn escape(&mut self) {
        if self.palette.take().is_some() || self.trouble.take().is_some() {
            return;
        }
        if std::mem::take(&mut self.is_help_open) {
            return;
        }
        let Some(session) = &mut self.session else { return };
        if !session.search.text.is_empty() {
            session.search = Search::default();
            session.refresh_highlight();
        } else if session.range.take().is_some() {
            session.statistics.pending = None;
        } else {
            self.clear_selection();
        }
    }

    fn save_view(&mut self) {
        let Some(session) = &self.session else { return };
        let Some(path) = session.document.paths().first() else { return };
        if let Err(error) = session.saved_view().save(path) {
            self.status = error;
        }
    }

    fn ask_where_to_save(&mut self, name: &str, is_image: bool) {
        self.effects.push(Effect::AskWhereToSave { name: name.to_owned(), is_image });
    }

    fn export_selection(&mut self, path: PathBuf) {
        let Some(statistics) = self.range_statistics() else {
            self.status = "select a range of time first (drag with Shift)".to_owned();
            return;
        };
        let is_json = path.extension().is_some_and(|ending| ending == "json");
        let text = match is_json {
            true => format!("{:#}\n", statistics.to_json()),
            false => statistics.to_csv(),
        };
        self.status = match std::fs::write(&path, text) {
            Ok(()) => format!("saved as {}", path.display()),
            Err(error) => format!("cannot write {}: {error}", path.display()),
        };
    }
}
