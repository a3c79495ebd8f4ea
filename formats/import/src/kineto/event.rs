//! One event as it stands in the file: every field that is imported, borrowed from the text.

use super::category::Category;
use super::cursor::{RawText, Value};
use super::number::{self, Time, Unusable, Whole};

/// One element of `traceEvents`.
#[derive(Debug, Clone, Default)]
pub(super) struct Event<'a> {
    /// The phase's first letter; zero when there is none.
    pub(super) phase: u8,
    pub(super) category: Category,
    pub(super) category_text: RawText<'a>,
    pub(super) name: Option<RawText<'a>>,
    pub(super) pid: Id<'a>,
    pub(super) tid: Id<'a>,
    pub(super) start: Time,
    pub(super) duration: Time,
    pub(super) args: Args<'a>,
    /// The text of `args`, for events whose arguments have names of their own (counters).
    pub(super) args_text: &'a [u8],
    /// Imported keys named twice. The last value counts.
    pub(super) n_duplicate_keys: u32,
    /// Values of fields that are not imported which are no JSON.
    pub(super) n_unusable_fields: u32,
    /// The element is no object, or a field that every event has is of the wrong type.
    pub(super) is_malformed: bool,
}

/// The arguments that are imported.
#[derive(Debug, Clone, Default)]
pub(super) struct Args<'a> {
    pub(super) device: Whole,
    pub(super) context: Whole,
    pub(super) stream: Whole,
    pub(super) correlation: Whole,
    pub(super) external_id: Whole,
    pub(super) bytes: Whole,
    pub(super) registers: Whole,
    pub(super) shared_memory: Whole,
    pub(super) grid: Dim3,
    pub(super) block: Dim3,
    pub(super) graph_id: Whole,
    pub(super) graph_node_id: Whole,
    pub(super) kind: RawText<'a>,
    pub(super) sync_kind: RawText<'a>,
    pub(super) event_id: Whole,
    pub(super) input_types: Option<&'a [u8]>,
    pub(super) input_dims: Option<&'a [u8]>,
    pub(super) total_allocated: Whole,
    pub(super) total_reserved: Whole,
    pub(super) memory_device: Whole,
    pub(super) label: Option<RawText<'a>>,
}

/// A process or thread id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Id<'a> {
    #[default]
    Absent,
    Number(i64),
    /// Text that is no number, such as `Spans` or `stream 7`.
    Text(RawText<'a>),
}

/// A grid or block size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Dim3 {
    #[default]
    Absent,
    Size([u32; 3]),
    Unusable(Unusable),
}

impl<'a> Id<'a> {
    /// The id a scalar stands for; `None` when it can be none.
    pub(super) fn of(value: Value<'a>) -> Option<Self> {
        let number = match value {
            Value::Token(token) => number::whole(token),
            Value::Text(text) => match number::whole(text.bytes) {
                Whole::Unusable(_) => return Some(Self::Text(text)),
                Whole::Absent => return Some(Self::Text(text)),
                number => number,
            },
            Value::Nested(_) => return None,
        };
        match number {
            Whole::Absent => Some(Self::Absent),
            Whole::Natural(value) => i64::try_from(value).ok().map(Self::Number),
            Whole::Negative(value) => Some(Self::Number(value)),
            Whole::Unusable(_) => None,
        }
    }

    /// The number the id is or ends in: 7 for `stream 7`.
    pub(super) fn trailing_number(&self) -> Option<u64> {
        match self {
            Self::Absent => None,
            Self::Number(value) => u64::try_from(*value).ok(),
            Self::Text(text) => {
                let digits = text.bytes.iter().rev().take_while(|b| b.is_ascii_digit()).count();
                match number::whole(&text.bytes[text.bytes.len() - digits..]) {
                    Whole::Natural(value) => Some(value),
                    _ => None,
                }
            }
        }
    }
}

impl Whole {
    /// The number a scalar stands for. ROCm writes some of them as text.
    pub(super) fn of(value: Value<'_>) -> Self {
        match value {
            Value::Token(token) => number::whole(token),
            Value::Text(text) => number::whole(text.bytes.trim_ascii()),
            Value::Nested(_) => Self::Unusable(Unusable::WrongType),
        }
    }
}

impl Time {
    /// The time a scalar stands for, in microseconds as a number or as text.
    pub(super) fn of(value: Value<'_>) -> Self {
        match value {
            Value::Token(token) => number::micros(token),
            Value::Text(text) => number::micros(text.bytes.trim_ascii()),
            Value::Nested(_) => Self::Unusable(Unusable::WrongType),
        }
    }
}
