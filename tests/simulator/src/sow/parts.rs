//! What several plants are made of.

use crate::conditions::{
    ClockSpell, Conditions, OtherProcess, REASON_HARDWARE_SLOWDOWN, REASON_HARDWARE_THERMAL,
    REASON_SOFTWARE_POWER_CAP, REASON_SOFTWARE_THERMAL, Tenancy,
};
use crate::device::Number;
use crate::encoder::Encoder;
use crate::load::{Length, Load, Place, WayFault};
use crate::model::{Conversion, Model, Role};
use crate::random::Random;

/// One of three, by severity.
pub(super) fn by_severity<T: Copy>(severity: f64, of: [T; 3]) -> T {
    of[(severity as usize).clamp(1, 3) - 1]
}

/// Multiplies of a decoder that run in another type: more with severity.
pub(super) fn wide_roles(severity: f64, number: Number) -> Vec<(Role, Number)> {
    growing_roles(severity).iter().map(|&role| (role, number)).collect()
}

/// Multiplies of a decoder that are afflicted: more with severity.
pub(super) fn growing_roles(severity: f64) -> &'static [Role] {
    match severity as u32 {
        0 | 1 => &[Role::Down],
        2 => &[Role::Down, Role::QueryKeyValue, Role::Output],
        _ => &Role::OF_A_LAYER,
    }
}

/// The same for encoders, whose large batches of rows feel FP32 much more.
pub(super) fn encoder_roles(severity: f64, number: Number) -> Vec<(Role, Number)> {
    let roles: &[Role] = match severity as u32 {
        0 | 1 => &[Role::Output],
        2 => &[Role::Output, Role::QueryKeyValue],
        _ => &Role::OF_A_LAYER,
    };
    roles.iter().map(|&role| (role, number)).collect()
}

/// Every multiply's operands are converted so many times.
pub(super) fn conversions(times: usize, conversion: Conversion) -> Vec<(Role, Conversion)> {
    (0..times).flat_map(|_| Role::OF_A_LAYER.map(|role| (role, conversion))).collect()
}

/// A larger model of the same kind.
pub(super) fn grow(model: &mut Model, severity: f64) {
    let factor = 1.0 + 0.8 * severity;
    model.intermediate = (model.intermediate as f64 * factor / 256.0) as u64 * 256;
}

/// Small towers that could run side by side.
pub(super) fn branch(encoder: &mut Encoder, load: &mut Load, severity: f64) {
    encoder.model.hidden = 1_024;
    encoder.model.heads = 8;
    encoder.model.key_value_heads = 8;
    encoder.model.intermediate = 2_048;
    // A small model keeps its number of layers small.
    encoder.model.layers = if encoder.model.layers == 1 { 3 } else { 6 };
    encoder.branches = 1 + severity as u32;
    encoder.branches_overlap = true;
    encoder.uses_graphs = true;
    load.prompt = Length { median: 96.0, spread: 0.0, most: 128 };
}

/// The clock drops for most or all of the run.
pub(super) fn clock_drop(severity: f64, variant: u64, run_ns: f64) -> Conditions {
    let ratio = by_severity(severity, [0.78, 0.62, 0.48]);
    let (reasons, temperature) = [
        (REASON_SOFTWARE_THERMAL, 84),
        (REASON_HARDWARE_SLOWDOWN | REASON_HARDWARE_THERMAL, 91),
        (REASON_SOFTWARE_POWER_CAP, 66),
    ][(variant % 3) as usize];
    let slow = ClockSpell { from_ns: 0, ratio, reasons, temperature };
    let mut conditions = Conditions::quiet();
    if variant < 3 {
        // Sets in after a while and stays.
        conditions.clocks.push(ClockSpell { from_ns: (0.4 * run_ns) as u64, ..slow });
    } else {
        conditions.clocks = vec![slow];
    }
    conditions
}

/// Another process works on the GPU: for some long spells, or all the time.
pub(super) fn neighbour(
    severity: f64,
    variant: u64,
    run_ns: f64,
    random: &mut Random,
) -> Conditions {
    let mut conditions = Conditions::quiet();
    let slowdown = 1.0 + 0.45 * severity;
    if variant == 5 {
        conditions.tenancies = vec![Tenancy { start_ns: 0, end_ns: u64::MAX, slowdown }];
    }
    let mut at_ns = run_ns * random.within(0.1, 0.2);
    while variant != 5 && at_ns < 0.9 * run_ns {
        let on_ns = run_ns * random.within(0.16, 0.24);
        let (start_ns, end_ns) = (at_ns as u64, (at_ns + on_ns) as u64);
        conditions.tenancies.push(Tenancy { start_ns, end_ns, slowdown });
        at_ns += on_ns + run_ns * random.within(0.16, 0.24);
    }
    conditions.others.push(OtherProcess {
        pid: random.between(20_000, 60_000) as u32,
        command: random.pick(&["python", "ffmpeg", "train.py"]),
        sm_percent: (25.0 + 18.0 * severity) as u32,
        memory_mb: random.between(2_000, 16_000) as u32,
    });
    conditions
}

/// `delay_ns` holds for delays that everybody has; rarer ones are longer.
pub(super) fn way_fault(variant: u64, delay_ns: f64, seed: u64) -> WayFault {
    let places = [Place::Gateway, Place::Network, Place::FarReplica, Place::Frontend];
    let place = places[(variant % 4) as usize];
    // Some routes or all of them.
    let share = if seed.is_multiple_of(2) && place != Place::FarReplica { 1.0 } else { 0.35 };
    WayFault { place, share, delay_ns: delay_ns * if share < 1.0 { 1.7 } else { 1.0 } }
}
