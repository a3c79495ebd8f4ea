//! What kernels took longer than they would without a known fault.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use underspan_classifier::{Dtype, KernelClass};
use underspan_model::{NONE_U32, StringId, Timeline};

use crate::Analysis;
use crate::precision::width;

/// How much of the time of multiplies their type costs that is wider than declared.
///
/// A type twice as wide moves twice the bytes and, on tensor cores, multiplies at half the rate:
/// of its time the share `1 - narrow / wide` is excess. Where the wide type runs on ordinary cores
/// it costs more than that; the share is a lower bound.
#[derive(Debug, Default)]
pub(super) struct PrecisionCost {
    declared_bits: Option<u32>,
    fallbacks: HashMap<StringId, (), FixedState>,
}

impl PrecisionCost {
    pub(super) fn of(analysis: &Analysis) -> Self {
        let census = &analysis.precision;
        let declared = census.declared.as_ref().and_then(|declared| width(declared.dtype));
        let fallbacks = census.wide.iter().filter(|wide| wide.reason.is_fallback());
        Self { declared_bits: declared, fallbacks: fallbacks.map(|wide| (wide.name, ())).collect() }
    }

    /// The share of the time of kernels of a name and class that is excess, of 256.
    pub(super) fn share_of(&self, name: StringId, class: &KernelClass) -> u64 {
        let Some(narrow) = self.declared_bits else { return 0 };
        if !self.fallbacks.contains_key(&name) {
            return 0;
        }
        // TF32 is stored in 32 bits and multiplies at the rate of those.
        let wide = match class.compute_dtype.value {
            Dtype::Tf32 => Some(32),
            other => width(other),
        };
        match wide {
            Some(wide) if wide > narrow => 256 - u64::from(narrow) * 256 / u64::from(wide),
            _ => 0,
        }
    }
}

/// Clocks below this share of the highest that was seen are down.
const DOWN: f64 = 0.95;
/// Reasons that are no fault: idle, and clocks that somebody set.
const HARMLESS: u64 = 0x1 | 0x2;
/// Fewest kernels of a shape at full clocks that a median is taken of.
const FEWEST: usize = 5;

/// How much longer kernels took while the clocks were down, against the median of the same shape
/// at full clocks. What memory paces did not take longer, and shows none.
#[derive(Debug, Default)]
pub(super) struct ClockCost {
    /// Stretches in which the clocks of any device were down for a reason, in order and apart.
    down: Vec<(i64, i64)>,
    /// By launch shape: median duration at full clocks; zero when not known.
    usual: Vec<u64>,
}

impl ClockCost {
    pub(super) fn of(timeline: &Timeline) -> Self {
        let down = down_stretches(timeline);
        if down.is_empty() {
            return Self::default();
        }
        let mut cost = Self { down, usual: Vec::new() };
        let kernels = &timeline.kernels;
        let mut durations: Vec<Vec<u64>> = vec![Vec::new(); timeline.shapes.as_slice().len()];
        for row in 0..kernels.len() {
            if !cost.is_down(kernels.start_ns[row])
                && let Some(of_shape) = durations.get_mut(kernels.shape[row] as usize)
            {
                of_shape.push(kernels.duration_ns[row]);
            }
        }
        let median = |mut durations: Vec<u64>| {
            durations.sort_unstable();
            let middle = durations.get(durations.len() / 2).copied();
            middle.filter(|_| durations.len() >= FEWEST).unwrap_or(0)
        };
        cost.usual = durations.into_iter().map(median).collect();
        cost
    }

    fn is_down(&self, at: i64) -> bool {
        let next = self.down.partition_point(|(_, end)| *end <= at);
        self.down.get(next).is_some_and(|(start, _)| *start <= at)
    }

    /// How much of `ns` of a kernel the clocks cost.
    pub(super) fn of_kernel(&self, shape: u32, start: i64, duration: u64, ns: u64) -> u64 {
        let usual = self.usual.get(shape as usize).copied().unwrap_or(0);
        // What lies within the spread of one kernel's durations is none of it.
        if usual == 0 || duration <= usual + usual / 32 || !self.is_down(start) {
            return 0;
        }
        (u128::from(ns) * u128::from(duration - usual) / u128::from(duration)) as u64
    }
}

/// When the clocks of any device were down for a reason that is a fault.
fn down_stretches(timeline: &Timeline) -> Vec<(i64, i64)> {
    let tracks = &timeline.dimensions.counter_tracks;
    let name = |track: u32| {
        let name = tracks.name.get(track as usize).copied().map(StringId::from_raw);
        name.map_or("", |name| timeline.strings.resolve_or_empty(name))
    };
    let device = |track: u32| tracks.device.get(track as usize).copied().unwrap_or(NONE_U32);
    let is_clock = |track: u32| {
        matches!(name(track), "clocks.current.sm" | "clocks.sm" | "clocks.current.graphics")
    };
    let is_reason = |track: u32| name(track) == "clocks_event_reasons.active";
    let mut clocks: Vec<(u32, i64, f64)> = Vec::new();
    let mut reasons: HashMap<(u32, i64), u64, FixedState> = HashMap::default();
    for sample in timeline.counters.iter() {
        if is_clock(sample.track) {
            clocks.push((device(sample.track), sample.time_ns, sample.value));
        } else if is_reason(sample.track) {
            reasons.insert((device(sample.track), sample.time_ns), sample.value as u64);
        }
    }
    clocks.sort_by_key(|(device, time, _)| (*device, *time));
    let mut found: Vec<(i64, i64)> = Vec::new();
    for samples in clocks.chunk_by(|a, b| a.0 == b.0) {
        let highest = samples.iter().map(|sample| sample.2).fold(0.0, f64::max);
        for pair in samples.windows(2) {
            let (device, at, mhz) = pair[0];
            let has_reason = reasons.get(&(device, at)).is_some_and(|bits| bits & !HARMLESS != 0);
            if has_reason && mhz < highest * DOWN {
                found.push((at, pair[1].1));
            }
        }
    }
    found.sort_unstable();
    let mut apart: Vec<(i64, i64)> = Vec::new();
    for (start, end) in found {
        match apart.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => apart.push((start, end)),
        }
    }
    apart
}
