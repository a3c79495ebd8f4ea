//! The document around the events: an object with `traceEvents` somewhere in it, or the bare array.

use std::path::Path;

use super::assembly::Assembly;
use super::content::Content;
use super::cursor::{Cursor, Fault, Step};
use super::facts::Facts;
use super::finish::finish;
use super::parts::{Reading, StopReason, Workshop};
use super::skipper::Skipper;
use crate::importer::timeline_of;
use crate::input::{Ending, InputFile};
use crate::registry::supported;
use crate::{ImportError, ImportOptions, Progress};
use underspan_model::{ProblemKind, Timeline};

pub(super) const FORMAT: &str = "kineto_json";

/// Reads a whole trace.
pub(super) fn read(
    input: &InputFile,
    options: &ImportOptions,
    progress: &dyn Progress,
    reading: Reading,
) -> Result<Timeline, ImportError> {
    let (timeline, source) = timeline_of(input, FORMAT);
    let mut document = Document {
        path: input.path(),
        file_bytes: input.file_bytes(),
        content: Content::open(input, options)?,
        assembly: Assembly::new(timeline, source),
        facts: Facts::default(),
        workshop: Workshop::default(),
        reading,
        progress,
    };
    match document.read() {
        Ok(()) => {}
        Err(Cut::Error(error)) => return Err(error),
        Err(Cut::Truncated) if options.accept_truncated && document.facts.has_events => {
            let offset = document.content.offset();
            document.assembly.tallies.add(ProblemKind::TruncatedInput, 1, || {
                format!("the content ends at byte {offset}")
            });
        }
        Err(Cut::Truncated) => return Err(document.truncated()),
    }
    let name = input.name();
    Ok(finish(document.assembly, document.facts, &name))
}

struct Document<'d> {
    path: &'d Path,
    file_bytes: u64,
    content: Content,
    assembly: Assembly,
    facts: Facts,
    workshop: Workshop,
    reading: Reading,
    progress: &'d dyn Progress,
}

/// Why reading stopped.
enum Cut {
    /// The content ends before the document does.
    Truncated,
    Error(ImportError),
}

impl From<ImportError> for Cut {
    fn from(error: ImportError) -> Self {
        Self::Error(error)
    }
}

/// What stands next in the outermost object.
enum Member {
    /// A key, its colon passed.
    Key(String),
    /// The closing bracket, passed.
    End,
}

impl Document<'_> {
    fn read(&mut self) -> Result<(), Cut> {
        self.step(|cursor| {
            if cursor.text[cursor.at..].starts_with(b"\xef\xbb\xbf") {
                cursor.at += 3;
            }
            cursor.peek()
        })?;
        match self.content.window().first() {
            Some(b'{') => {
                self.content.consume(1);
                self.members()?;
            }
            Some(b'[') => {
                self.events()?;
                self.check_is_trace()?;
            }
            _ => return Err(self.unexpected(0, "'{' or '['").into()),
        }
        self.trailing()
    }

    /// The members of the outermost object.
    fn members(&mut self) -> Result<(), Cut> {
        let mut is_first = true;
        loop {
            let first = is_first;
            let member = self.step(|cursor| {
                let mut is_first = first;
                let key = cursor.key(&mut is_first)?;
                // The value must be in sight, for what is done next depends on it.
                Ok(match key {
                    Some(key) => {
                        cursor.peek()?;
                        Member::Key(super::text::decode(key).0.into_owned())
                    }
                    None => Member::End,
                })
            })?;
            is_first = false;
            match member {
                Member::End => break,
                Member::Key(key) if key == "traceEvents" => {
                    if self.content.window().first() != Some(&b'[') {
                        return Err(self.unexpected(0, "the array of trace events").into());
                    }
                    self.begin_events();
                    self.events()?;
                }
                Member::Key(key) if Facts::is_kept(&key) => self.keep(&key)?,
                Member::Key(key) => {
                    self.facts.see_key(&key);
                    self.skip()?;
                }
            }
        }
        if !self.facts.has_events {
            return Err(self.no_events().into());
        }
        Ok(())
    }

    /// A second array of events replaces the first, as a repeated key does.
    fn begin_events(&mut self) {
        if !self.facts.has_events {
            return;
        }
        let source = self.assembly.source;
        let mut timeline = Timeline::new();
        timeline.info = self.assembly.timeline.info.clone();
        timeline.strings = std::mem::take(&mut self.assembly.timeline.strings);
        timeline.dimensions = std::mem::take(&mut self.assembly.timeline.dimensions);
        self.workshop = Workshop::default();
        self.assembly = Assembly::new(timeline, source);
        let offset = self.content.offset();
        self.assembly
            .tallies
            .add(ProblemKind::DuplicateKey, 1, || format!("at byte {offset}: traceEvents"));
    }

    /// The array of events; the window begins with its bracket.
    fn events(&mut self) -> Result<(), Cut> {
        self.facts.has_events = true;
        self.content.consume(1);
        let mut after_event = false;
        loop {
            if self.progress.is_cancelled() {
                return Err(ImportError::Cancelled { path: self.path.to_owned() }.into());
            }
            let base = self.content.offset();
            let (window, feed) = self.content.window_and_feed();
            let ((stretches, stop), ()) = rayon::join(
                || self.workshop.parse(self.reading, window, base, after_event),
                || feed.fill(),
            );
            self.workshop.assemble(stretches, &mut self.assembly);
            self.progress.advance(self.content.file_bytes_read(), self.file_bytes);
            match stop.reason {
                StopReason::ArrayEnd => {
                    self.content.consume(stop.at);
                    return Ok(());
                }
                StopReason::Fault(fault) => return Err(self.fault(fault).into()),
                StopReason::WindowEnd { after_event: after } => after_event = after,
                // A part that ends at its limit is followed by another.
                StopReason::Limit => {}
            }
            self.content.consume(stop.at);
            self.grow()?;
        }
    }

    /// Keeps the value that stands next as a fact.
    fn keep(&mut self, key: &str) -> Result<(), Cut> {
        let offset = self.content.offset();
        let value = self.step(|cursor| cursor.skip_value().map(<[u8]>::to_vec))?;
        self.facts.keep(key, &value, offset);
        Ok(())
    }

    /// Passes over the value that stands next, of any length.
    fn skip(&mut self) -> Result<(), Cut> {
        let mut skipper = Skipper::default();
        loop {
            match skipper.feed(self.content.window()) {
                Ok(Some(end)) => {
                    self.content.consume(end);
                    return Ok(());
                }
                Ok(None) => {
                    let length = self.content.window().len();
                    self.content.consume(length);
                    self.grow()?;
                }
                Err(fault) => return Err(self.fault(fault).into()),
            }
        }
    }

    /// What follows the document.
    fn trailing(&mut self) -> Result<(), Cut> {
        loop {
            let window = self.content.window();
            let blank = window.len() - window.trim_ascii_start().len();
            let is_blank = blank == window.len();
            self.content.consume(blank);
            if !is_blank {
                let offset = self.content.offset();
                self.assembly
                    .tallies
                    .add(ProblemKind::TrailingText, 1, || format!("from byte {offset}"));
                return Ok(());
            }
            if !self.content.grow(self.path)? {
                break;
            }
        }
        match self.content.ending() {
            Some(Ending::Truncated) => Err(Cut::Truncated),
            Some(Ending::Whole { trailing_bytes: 1.. }) => {
                self.assembly
                    .tallies
                    .add(ProblemKind::TrailingText, 1, || "after the compressed data".to_owned());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Takes one step of the parser, with as much of the content as it needs.
    fn step<T>(&mut self, step: impl Fn(&mut Cursor<'_>) -> Step<T>) -> Result<T, Cut> {
        loop {
            let mut cursor = Cursor::new(self.content.window(), 0);
            match step(&mut cursor) {
                Ok(value) => {
                    let at = cursor.at;
                    self.content.consume(at);
                    return Ok(value);
                }
                Err(Fault::Incomplete) => self.grow()?,
                Err(fault) => return Err(self.fault(fault).into()),
            }
        }
    }

    fn grow(&mut self) -> Result<(), Cut> {
        if self.content.grow(self.path)? { Ok(()) } else { Err(Cut::Truncated) }
    }

    /// A bare array is a trace when something in it is an event.
    fn check_is_trace(&self) -> Result<(), ImportError> {
        let malformed = self
            .assembly
            .tallies
            .iter()
            .find(|tally| tally.kind == ProblemKind::MalformedEvent)
            .map_or(0, |tally| tally.count);
        if self.assembly.n_events > malformed {
            return Ok(());
        }
        let found = format!(
            "a JSON array without a trace event among {n} values",
            n = self.assembly.n_events
        );
        Err(self.unrecognised(found))
    }

    fn unrecognised(&self, found: String) -> ImportError {
        ImportError::Unrecognised { path: self.path.to_owned(), found, supported: supported() }
    }

    fn no_events(&self) -> ImportError {
        if self.facts.has_schema && self.facts.has_nodes {
            return ImportError::Foreign {
                path: self.path.to_owned(),
                found: "a PyTorch execution trace (a graph of operators without GPU activity)",
                hint: "import the Kineto trace that was recorded with it",
            };
        }
        self.unrecognised("a JSON object without \"traceEvents\"".to_owned())
    }

    fn fault(&self, fault: Fault) -> ImportError {
        match fault {
            Fault::Unexpected { at, expected } => self.unexpected(at, expected),
            Fault::TooDeep { at } => ImportError::TooLarge {
                path: self.path.to_owned(),
                offset: self.content.offset() + at as u64,
                what: "the depth of nested values",
                limit: u64::from(super::cursor::DEPTH_LIMIT),
            },
            Fault::Incomplete => self.truncated(),
        }
    }

    fn unexpected(&self, at: usize, expected: &str) -> ImportError {
        let rest = self.content.window().get(at..).unwrap_or_default();
        let shown = String::from_utf8_lossy(&rest[..rest.len().min(24)]).into_owned();
        ImportError::Malformed {
            path: self.path.to_owned(),
            offset: self.content.offset() + at as u64,
            expected: expected.to_owned(),
            found: if rest.is_empty() { "nothing".to_owned() } else { format!("{shown:?}") },
        }
    }

    fn truncated(&self) -> ImportError {
        let what = match self.content.ending() {
            Some(Ending::Truncated) => "the end of the compressed data: the file is cut off",
            _ => "the end of the file: it is cut off",
        };
        ImportError::Malformed {
            path: self.path.to_owned(),
            offset: self.content.offset() + self.content.window().len() as u64,
            expected: "more of the trace".to_owned(),
            found: what.to_owned(),
        }
    }
}
