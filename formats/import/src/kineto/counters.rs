//! Counter events, and the allocator's totals that come with memory events.

use underspan_model::{NONE_U32, ProblemKind};

use super::cursor::{Cursor, Value};
use super::event::Event;
use super::lane::{IdKey, TrackKey, TrackName};
use super::number::{Unusable, Whole, real};
use super::rows::{Accepted, Refused, RowWriter, number32};

/// The totals in a `[memory]` event.
pub(super) fn memory_counters(
    writer: &mut RowWriter<'_>,
    event: &Event<'_>,
    offset: u64,
) -> Accepted<()> {
    let time_ns = writer.start(event, offset)?;
    let args = &event.args;
    let device = number32(args.memory_device)?;
    let pid = writer.lane.id(event.pid);
    for (name, total) in [
        (TrackName::MemoryAllocated, args.total_allocated),
        (TrackName::MemoryReserved, args.total_reserved),
    ] {
        let value = match total {
            Whole::Natural(value) => value as f64,
            Whole::Negative(value) => value as f64,
            Whole::Absent => continue,
            Whole::Unusable(fault) => return Err(fault.into()),
        };
        let track = writer.lane.tracks.intern(TrackKey { name, device, pid });
        writer.sample(time_ns, track, value);
    }
    Ok(())
}

/// The series of a counter event: its arguments, by name.
pub(super) fn named_counters(
    writer: &mut RowWriter<'_>,
    event: &Event<'_>,
    offset: u64,
) -> Accepted<()> {
    let time_ns = writer.start(event, offset)?;
    let name = writer.lane.optional_text(event.name);
    let pid = writer.lane.id(event.pid);
    let Some(args) = event.args_text.get(1..).filter(|args| !args.is_empty()) else {
        return Err(Refused(ProblemKind::MalformedEvent));
    };
    // The text was parsed once: a fault cannot occur, and would only end the series early.
    let mut cursor = Cursor::new(args, 0);
    let mut is_first = true;
    while let Ok(Some(key)) = cursor.key(&mut is_first) {
        let value = match cursor.value() {
            Ok(Value::Token(token)) => real(token),
            Ok(Value::Text(text)) => real(text.bytes),
            Ok(Value::Nested(_)) => {
                cursor.skip_nested().map_or(Err(Unusable::WrongType), |_| Err(Unusable::WrongType))
            }
            Err(_) => break,
        };
        match value {
            Ok(value) => {
                let series = writer.lane.text(key);
                let name = TrackName::Named { name, series };
                let key = TrackKey { name, device: NONE_U32, pid };
                let track = writer.lane.tracks.intern(key);
                writer.sample(time_ns, track, value);
            }
            Err(fault) => writer.tally(Refused::from(fault).0, 1, event, offset),
        }
    }
    Ok(())
}

/// Whether a track belongs to a process rather than to a device.
pub(super) fn is_of_process(key: &TrackKey) -> bool {
    key.device == NONE_U32 && matches!(key.pid, IdKey::Number(_) | IdKey::Text(_))
}
