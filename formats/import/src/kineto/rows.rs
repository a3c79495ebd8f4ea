//! From events to rows: what each category means, and what is wrong with an event.

use underspan_model::tables::{ApiDomain, Counter, CpuOpKind};
use underspan_model::{NONE_U32, NONE_U64, ProblemKind};

use super::category::Category;
use super::counters::{memory_counters, named_counters};
use super::event::Event;
use super::lane::Lane;
use super::number::{Time, Unusable, Whole};
use super::part::{CensusClass, Label, MarkKind, Part, Place, RangeMark, WideCorrelation};
use super::text::plain;

/// Why an event does not become a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused(pub(super) ProblemKind);

impl From<Unusable> for Refused {
    fn from(unusable: Unusable) -> Self {
        Self(match unusable {
            Unusable::NotFinite => ProblemKind::NonFiniteNumber,
            Unusable::OutOfRange => ProblemKind::NumberOutOfRange,
            Unusable::WrongType => ProblemKind::MalformedEvent,
        })
    }
}

pub(super) type Accepted<T> = Result<T, Refused>;

/// Writes events into a part.
pub(super) struct RowWriter<'w> {
    pub(super) lane: &'w mut Lane,
    pub(super) part: &'w mut Part,
}

impl RowWriter<'_> {
    /// Writes one event; `offset` is where it stands in the content.
    #[inline]
    pub(super) fn write(&mut self, event: &Event<'_>, offset: u64) {
        self.part.n_events += 1;
        if event.n_duplicate_keys + event.n_unusable_fields > 0 {
            self.tally(ProblemKind::DuplicateKey, event.n_duplicate_keys, event, offset);
            self.tally(ProblemKind::UnusableField, event.n_unusable_fields, event, offset);
        }
        let outcome = if event.is_malformed {
            Err(Refused(ProblemKind::MalformedEvent))
        } else if event.phase == b'X' {
            self.complete(event, offset).map(|_| ())
        } else {
            self.other_phase(event, offset)
        };
        if let Err(Refused(kind)) = outcome {
            self.tally(kind, 1, event, offset);
        }
    }

    pub(super) fn tally(&mut self, kind: ProblemKind, count: u32, event: &Event<'_>, offset: u64) {
        if count > 0 {
            self.part.tallies.add(kind, u64::from(count), || describe(event, offset));
        }
    }

    fn other_phase(&mut self, event: &Event<'_>, offset: u64) -> Accepted<()> {
        match event.phase {
            b's' | b't' | b'f' => self.count(CensusClass::Flow, event),
            b'M' => self.label(event),
            b'C' => named_counters(self, event, offset)?,
            b'i' | b'I' if event.args.total_allocated != Whole::Absent => {
                memory_counters(self, event, offset)?;
            }
            b'B' => {
                let instant = Event { duration: Time::Ns(0), ..event.clone() };
                // A range that is refused still has an end, which must find its beginning.
                let placed = self.complete(&instant, offset);
                self.mark(event, MarkKind::Begin(placed.unwrap_or(None)), offset)?;
                placed?;
            }
            b'E' => self.mark(event, MarkKind::End, offset)?,
            0 => return Err(Refused(ProblemKind::MalformedEvent)),
            _ => self.count(CensusClass::Phase, event),
        }
        Ok(())
    }

    fn count(&mut self, class: CensusClass, event: &Event<'_>) {
        let text = self.lane.text(event.category_text);
        self.part.count(class, event.phase, text);
    }

    fn mark(&mut self, event: &Event<'_>, kind: MarkKind, offset: u64) -> Accepted<()> {
        let time_ns = self.start(event, offset)?;
        let thread = self.lane.thread(event.pid, event.tid);
        self.part.marks.push(RangeMark { thread, time_ns, kind });
        Ok(())
    }

    fn label(&mut self, event: &Event<'_>) {
        let tid = match &*plain(event.name.unwrap_or_default()) {
            b"process_name" => None,
            b"thread_name" => Some(self.lane.id(event.tid)),
            _ => return,
        };
        let Some(label) = event.args.label.filter(|label| !label.bytes.is_empty()) else { return };
        let (pid, text) = (self.lane.id(event.pid), self.lane.text(label));
        self.part.labels.push(Label { pid, tid, text });
    }

    /// Writes an event that has a length; where its row lies, unless it is only counted.
    #[inline]
    fn complete(&mut self, event: &Event<'_>, offset: u64) -> Accepted<Option<Place>> {
        let table = match event.category {
            Category::Kernel => self.kernel(event, offset)?,
            Category::Memcpy => self.memcpy(event, offset)?,
            Category::Memset => self.memset(event, offset)?,
            Category::Runtime => self.api_call(event, offset, ApiDomain::Runtime)?,
            Category::Driver => self.api_call(event, offset, ApiDomain::Driver)?,
            Category::CpuOp => self.cpu_op(event, offset, CpuOpKind::Operator)?,
            Category::PythonFunction => self.cpu_op(event, offset, CpuOpKind::PythonFunction)?,
            Category::UserAnnotation => self.annotation(event, offset)?,
            Category::GpuUserAnnotation => self.gpu_annotation(event, offset)?,
            Category::Sync => self.sync(event, offset)?,
            Category::Overhead => self.overhead(event, offset)?,
            Category::Recording => {
                let span = self.span(event, offset)?;
                self.part.recordings.push(span);
                return Ok(None);
            }
            Category::Absent | Category::Other => {
                self.count(CensusClass::Category, event);
                return Ok(None);
            }
        };
        Ok(Some(table))
    }

    pub(super) fn sample(&mut self, time_ns: i64, track: u32, value: f64) {
        self.part.counters.push(Counter { time_ns, track, value });
    }

    #[inline]
    pub(super) fn placed(&mut self, place: Place, wide: Option<u64>) -> Place {
        if let Some(value) = wide {
            self.part.wide_correlations.push(WideCorrelation { place, value });
        }
        place
    }

    #[inline]
    pub(super) fn span(&mut self, event: &Event<'_>, offset: u64) -> Accepted<(i64, u64)> {
        let start_ns = self.start(event, offset)?;
        let duration_ns = match event.duration {
            Time::Ns(ns) => ns,
            Time::RoundedNs(ns) => {
                self.tally(ProblemKind::RoundedTime, 1, event, offset);
                ns
            }
            Time::Absent => return Err(Refused(ProblemKind::MissingDuration)),
            Time::Unusable(fault) => return Err(fault.into()),
        };
        if duration_ns < 0 {
            self.tally(ProblemKind::NegativeDuration, 1, event, offset);
        }
        Ok((start_ns, duration_ns.max(0).unsigned_abs()))
    }

    #[inline]
    pub(super) fn start(&mut self, event: &Event<'_>, offset: u64) -> Accepted<i64> {
        match event.start {
            Time::Ns(ns) => Ok(ns),
            Time::RoundedNs(ns) => {
                self.tally(ProblemKind::RoundedTime, 1, event, offset);
                Ok(ns)
            }
            Time::Absent => Err(Refused(ProblemKind::MissingTimestamp)),
            Time::Unusable(fault) => Err(fault.into()),
        }
    }
}

/// A number that is none when it is absent or negative.
#[inline]
pub(super) fn number32(number: Whole) -> Accepted<u32> {
    match number {
        Whole::Natural(value) => {
            u32::try_from(value).map_err(|_| Refused(ProblemKind::NumberOutOfRange))
        }
        Whole::Absent | Whole::Negative(_) => Ok(NONE_U32),
        Whole::Unusable(fault) => Err(fault.into()),
    }
}

#[inline]
pub(super) fn number64(number: Whole) -> Accepted<u64> {
    match number {
        Whole::Natural(value) => Ok(value),
        Whole::Absent | Whole::Negative(_) => Ok(NONE_U64),
        Whole::Unusable(fault) => Err(fault.into()),
    }
}

/// A correlation id, or the value that does not fit the column.
#[inline]
pub(super) fn correlation(number: Whole) -> Accepted<(u32, Option<u64>)> {
    Ok(match number64(number)? {
        NONE_U64 => (NONE_U32, None),
        value if value < u64::from(NONE_U32) => (value as u32, None),
        value => (NONE_U32, Some(value)),
    })
}

#[cold]
fn describe(event: &Event<'_>, offset: u64) -> String {
    let text = event.name.unwrap_or(event.category_text).bytes;
    let shown = String::from_utf8_lossy(&text[..text.len().min(60)]).into_owned();
    match text.len() {
        0 => format!("at byte {offset}"),
        1..=60 => format!("at byte {offset}: {shown}"),
        _ => format!("at byte {offset}: {shown}…"),
    }
}
