//! What else happens to a GPU while it serves: its clock and other tenants.

use crate::device::Gpu;

/// Reason bits of `clocks_event_reasons.active` (NVML, nvml.h).
pub(crate) const REASON_IDLE: u64 = 0x1;
pub(crate) const REASON_APPLICATION_CLOCKS: u64 = 0x2;
pub(crate) const REASON_SOFTWARE_POWER_CAP: u64 = 0x4;
pub(crate) const REASON_HARDWARE_SLOWDOWN: u64 = 0x8;
pub(crate) const REASON_SOFTWARE_THERMAL: u64 = 0x20;
pub(crate) const REASON_HARDWARE_THERMAL: u64 = 0x40;

/// A clock that holds from `from_ns` on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ClockSpell {
    pub(crate) from_ns: u64,
    /// Share of the highest SM clock.
    pub(crate) ratio: f64,
    /// Reason bits while busy.
    pub(crate) reasons: u64,
    /// GPU temperature, °C.
    pub(crate) temperature: u32,
}

/// A spell in which another process uses the same GPU.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tenancy {
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
    /// How many times longer kernels take.
    pub(crate) slowdown: f64,
}

/// Another process that `nvidia-smi pmon` lists.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OtherProcess {
    pub(crate) pid: u32,
    pub(crate) command: &'static str,
    /// SM share while a tenancy is on, per cent; of all the time when there is no tenancy.
    pub(crate) sm_percent: u32,
    pub(crate) memory_mb: u32,
}

/// Everything that holds for one GPU over a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Conditions {
    /// In time order; the first starts at 0.
    pub(crate) clocks: Vec<ClockSpell>,
    /// In time order, disjoint.
    pub(crate) tenancies: Vec<Tenancy>,
    pub(crate) others: Vec<OtherProcess>,
}

impl Conditions {
    /// Full clock, nobody else.
    pub(crate) fn quiet() -> Self {
        Self { clocks: vec![ClockSpell::full()], tenancies: Vec::new(), others: Vec::new() }
    }

    /// The clock at `at_ns`.
    pub(crate) fn clock(&self, at_ns: u64) -> ClockSpell {
        let after = self.clocks.partition_point(|spell| spell.from_ns <= at_ns);
        self.clocks.get(after.wrapping_sub(1)).copied().unwrap_or_else(ClockSpell::full)
    }

    /// How many times longer kernels that start at `at_ns` take because of other tenants.
    pub(crate) fn slowdown(&self, at_ns: u64) -> f64 {
        let after = self.tenancies.partition_point(|spell| spell.start_ns <= at_ns);
        match self.tenancies.get(after.wrapping_sub(1)) {
            Some(spell) if at_ns < spell.end_ns => spell.slowdown,
            _ => 1.0,
        }
    }

    /// Share of `[start_ns, end_ns)` in which another tenant was on.
    pub(crate) fn tenancy_share(&self, start_ns: u64, end_ns: u64) -> f64 {
        let overlap = |t: &Tenancy| t.end_ns.min(end_ns).saturating_sub(t.start_ns.max(start_ns));
        let total: u64 = self.tenancies.iter().map(overlap).sum();
        total as f64 / (end_ns - start_ns).max(1) as f64
    }
}

impl ClockSpell {
    pub(crate) fn full() -> Self {
        Self { from_ns: 0, ratio: 1.0, reasons: 0, temperature: 55 }
    }

    /// The clock in MHz, in the driver's steps of 15.
    pub(crate) fn mhz(&self, gpu: &Gpu) -> u32 {
        (f64::from(gpu.max_clock_mhz) * self.ratio / 15.0).round() as u32 * 15
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spells_hold_from_their_start() {
        let mut conditions = Conditions::quiet();
        let slow = ClockSpell { from_ns: 100, ratio: 0.5, ..ClockSpell::full() };
        conditions.clocks.push(slow);
        conditions.tenancies.push(Tenancy { start_ns: 50, end_ns: 60, slowdown: 2.0 });
        assert_eq!(conditions.clock(99).ratio, 1.0);
        assert_eq!(conditions.clock(100).ratio, 0.5);
        assert_eq!(conditions.slowdown(59), 2.0);
        assert_eq!(conditions.slowdown(60), 1.0);
        assert_eq!(conditions.slowdown(10), 1.0);
        assert_eq!(conditions.tenancy_share(0, 100), 0.1);
    }
}
