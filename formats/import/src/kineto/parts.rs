//! A window of events in parts, parsed at the same time.
//!
//! A part begins where an event seems to begin. That guess needs no proof: parts are parsed past
//! their end to the end of an event, and a part counts only when the one before it ended exactly
//! where it began; otherwise its stretch is parsed again from where it really begins. So the
//! result is that of one pass from front to back.

use std::sync::Mutex;

use rayon::prelude::*;

use super::assembly::Assembly;
use super::cursor::{Cursor, Fault, Step};
use super::event::Event;
use super::general;
use super::lane::Lane;
use super::part::Part;
use super::rows::RowWriter;

/// Bytes in a part. Fixed, so that results do not depend on the number of threads.
const PART_BYTES: usize = 1 << 20;

/// How events are read. The result is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// By what was learned from events before, by the general parser where that does not fit.
    Fast,
    /// By the general parser alone.
    General,
}

/// Where a stretch of events ended, and why there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stop {
    pub(super) at: usize,
    pub(super) reason: StopReason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopReason {
    /// The next event begins at or after the part's end.
    Limit,
    /// The array was closed.
    ArrayEnd,
    /// The window ends here; `after_event` tells what comes next.
    WindowEnd { after_event: bool },
    /// The text is wrong.
    Fault(Fault),
}

/// Lanes and emptied parts to use again.
#[derive(Default)]
pub(super) struct Workshop {
    lanes: Mutex<Vec<Option<Box<Lane>>>>,
    parts: Mutex<Vec<Part>>,
}

struct Parsed {
    begin: usize,
    stop: Stop,
    lane: usize,
    part: Part,
}

impl Workshop {
    /// Parses the events of a window from its beginning, which lies `base` bytes into the content,
    /// and hands their rows to `assembly`. `after_event` says whether an event ended in front of
    /// the window.
    pub(super) fn parse(
        &self,
        reading: Reading,
        window: &[u8],
        base: u64,
        after_event: bool,
    ) -> (Vec<Stretch>, Stop) {
        let begins: Vec<usize> = std::iter::once(0).chain(split(window)).collect();
        let limit_of = |index: usize| begins.get(index + 1).copied().unwrap_or(window.len());
        let parse = |begin: usize, limit: usize, after_event: bool| {
            self.parse_part(reading, window, base, begin, limit, after_event)
        };
        let parsed: Vec<Parsed> = (0..begins.len())
            .into_par_iter()
            .map(|index| parse(begins[index], limit_of(index), after_event && index == 0))
            .collect();

        let mut stretches = Vec::with_capacity(parsed.len());
        let mut stop = Stop { at: 0, reason: StopReason::Limit };
        for (index, candidate) in parsed.into_iter().enumerate() {
            if stop.reason != StopReason::Limit || stop.at >= limit_of(index) && index > 0 {
                self.recycle(candidate.part);
                continue;
            }
            let parsed = if candidate.begin == stop.at {
                candidate
            } else {
                self.recycle(candidate.part);
                parse(stop.at, limit_of(index), false)
            };
            stop = parsed.stop;
            stretches.push(Stretch { lane: parsed.lane, part: parsed.part });
        }
        (stretches, stop)
    }

    /// Adds parsed rows to the assembly, in order.
    pub(super) fn assemble(&mut self, stretches: Vec<Stretch>, assembly: &mut Assembly) {
        let lanes = self.lanes.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner());
        let parts = self.parts.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner());
        for mut stretch in stretches {
            if let Some(Some(lane)) = lanes.get(stretch.lane) {
                assembly.absorb(stretch.lane, lane, &mut stretch.part);
            }
            stretch.part.clear();
            parts.push(stretch.part);
        }
    }

    fn parse_part(
        &self,
        reading: Reading,
        window: &[u8],
        base: u64,
        begin: usize,
        limit: usize,
        after_event: bool,
    ) -> Parsed {
        let (index, mut lane) = self.take_lane();
        let mut part = lock(&self.parts).pop().unwrap_or_default();
        let mut writer = RowWriter { lane: &mut lane, part: &mut part };
        let stop = parse_events(reading, &mut writer, window, base, begin, limit, after_event);
        if let Some(slot) = lock(&self.lanes).get_mut(index) {
            *slot = Some(lane);
        }
        Parsed { begin, stop, lane: index, part }
    }

    /// A lane nobody uses, and its number.
    fn take_lane(&self) -> (usize, Box<Lane>) {
        let mut lanes = lock(&self.lanes);
        let free = lanes.iter_mut().enumerate().find_map(|(at, lane)| Some((at, lane.take()?)));
        free.unwrap_or_else(|| {
            lanes.push(None);
            (lanes.len() - 1, Box::default())
        })
    }

    fn recycle(&self, mut part: Part) {
        part.clear();
        lock(&self.parts).push(part);
    }
}

/// Rows of a part that counts, and the lane whose numbers they hold.
pub(super) struct Stretch {
    lane: usize,
    part: Part,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn parse_events(
    reading: Reading,
    writer: &mut RowWriter<'_>,
    window: &[u8],
    base: u64,
    begin: usize,
    limit: usize,
    mut after_event: bool,
) -> Stop {
    let mut cursor = Cursor::new(window, begin);
    loop {
        let reason = match cursor.peek() {
            Err(_) => StopReason::WindowEnd { after_event },
            Ok(b']') => {
                cursor.at += 1;
                StopReason::ArrayEnd
            }
            Ok(b',') if after_event => {
                cursor.at += 1;
                after_event = false;
                continue;
            }
            Ok(_) if after_event => {
                StopReason::Fault(Fault::Unexpected { at: cursor.at, expected: "',' or ']'" })
            }
            Ok(_) if cursor.at >= limit => StopReason::Limit,
            Ok(_) => {
                let at = cursor.at;
                match read_event(reading, writer.lane, &mut cursor) {
                    Ok(event) => {
                        writer.write(&event, base + at as u64);
                        after_event = true;
                        continue;
                    }
                    Err(Fault::Incomplete) => {
                        cursor.at = at;
                        StopReason::WindowEnd { after_event }
                    }
                    Err(fault) => StopReason::Fault(fault),
                }
            }
        };
        return Stop { at: cursor.at, reason };
    }
}

#[inline]
fn read_event<'a>(reading: Reading, lane: &mut Lane, cursor: &mut Cursor<'a>) -> Step<Event<'a>> {
    if reading == Reading::General {
        return general::parse(cursor);
    }
    let mut event = Event::default();
    if lane.skeletons.read(cursor, &mut event) {
        return Ok(event);
    }
    let begin = cursor.at;
    let event = general::parse(cursor)?;
    lane.skeletons.learn(&cursor.text[begin..cursor.at], &event);
    Ok(event)
}

/// Where parts after the first may begin.
fn split(window: &[u8]) -> impl Iterator<Item = usize> + '_ {
    (1..window.len() / PART_BYTES).filter_map(|index| {
        let from = index * PART_BYTES;
        let to = from + PART_BYTES;
        memchr::memchr_iter(b'{', &window[from..to])
            .map(|at| from + at)
            .find(|at| begins(window, *at))
    })
}

/// Whether the brace at `at` looks like the beginning of an event: `} , { "`.
fn begins(window: &[u8], at: usize) -> bool {
    let after = window[at + 1..].trim_ascii_start();
    let Some(before) = window[..at].trim_ascii_end().strip_suffix(b",") else { return false };
    after.first() == Some(&b'"') && before.trim_ascii_end().ends_with(b"}")
}
