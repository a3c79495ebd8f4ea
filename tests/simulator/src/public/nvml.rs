//! What `nvidia-smi` prints about the GPUs: `--query-gpu=… --format=csv -lms 100` and
//! `pmon -s um -o DT`, local time being UTC.

use std::fmt::Write;

use crate::conditions::{
    Conditions, REASON_APPLICATION_CLOCKS, REASON_IDLE, REASON_SOFTWARE_POWER_CAP,
};
use crate::device::Gpu;
use crate::public::calendar::Date;
use crate::random::Random;
use crate::recording::Recording;

/// Time between samples, ns.
const EVERY_NS: u64 = 101_000_000;
/// Sampling goes on for so long before and after the run, ns.
const MARGIN_NS: u64 = 350_000_000;

/// Device time used by one GPU's work, as disjoint intervals in time order.
pub(crate) struct Busy(Vec<(u64, u64)>);

impl Busy {
    pub(crate) fn of(recordings: &[&Recording]) -> Self {
        let mut spans: Vec<(u64, u64)> = recordings
            .iter()
            .flat_map(|r| &r.kernels)
            .map(|k| (k.start_ns, k.start_ns + k.duration_ns))
            .chain(
                recordings
                    .iter()
                    .flat_map(|r| &r.copies)
                    .map(|c| (c.start_ns, c.start_ns + c.duration_ns)),
            )
            .collect();
        spans.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::new();
        for (start_ns, end_ns) in spans {
            match merged.last_mut() {
                Some(last) if start_ns <= last.1 => last.1 = last.1.max(end_ns),
                _ => merged.push((start_ns, end_ns)),
            }
        }
        Self(merged)
    }

    /// Share of `[start_ns, end_ns)` that is busy.
    pub(crate) fn share(&self, start_ns: u64, end_ns: u64) -> f64 {
        let from = self.0.partition_point(|span| span.1 <= start_ns);
        let inside = self.0[from..].iter().take_while(|span| span.0 < end_ns);
        let busy: u64 = inside.map(|s| s.1.min(end_ns) - s.0.max(start_ns)).sum();
        busy as f64 / (end_ns - start_ns).max(1) as f64
    }
}

/// One GPU of the run.
pub(crate) struct Board<'a> {
    pub(crate) gpu: Gpu,
    pub(crate) index: u32,
    pub(crate) conditions: &'a Conditions,
    pub(crate) busy: Busy,
    pub(crate) pid: u32,
    pub(crate) command: &'static str,
}

/// The table of `--query-gpu`; all boards are sampled together.
pub(crate) fn query_table(boards: &[Board<'_>], end_ns: u64, base_ns: u64, seed: u64) -> String {
    let mut random = Random::for_purpose(seed, "nvml");
    let mut out = String::from(
        "timestamp, index, uuid, clocks.current.sm [MHz], clocks_event_reasons.active, power.draw [W], temperature.gpu, utilization.gpu [%]\n",
    );
    let mut at_ns = 0_i64 - MARGIN_NS as i64;
    while at_ns < (end_ns + MARGIN_NS) as i64 {
        for board in boards {
            let _ = writeln!(out, "{}", query_row(board, at_ns, base_ns, seed, &mut random));
        }
        at_ns += random.jitter(EVERY_NS as f64, 0.01) as i64;
    }
    out
}

fn query_row(
    board: &Board<'_>,
    at_ns: i64,
    base_ns: u64,
    seed: u64,
    random: &mut Random,
) -> String {
    let now_ns = at_ns.max(0) as u64;
    let from_ns = now_ns.saturating_sub(EVERY_NS);
    // The driver's utilisation also counts other processes.
    let others = board.conditions.tenancy_share(from_ns, now_ns.max(1));
    let has_others = !board.conditions.others.is_empty();
    let own = if now_ns > 0 { board.busy.share(from_ns, now_ns) } else { 0.0 };
    let share = if has_others { own.max(others) } else { own };
    let is_idle = share < 0.01;
    let spell = board.conditions.clock(now_ns);
    let locked = spell.reasons == REASON_APPLICATION_CLOCKS;
    let (mhz, reasons) = if is_idle && !locked {
        let deep = own == 0.0 && random.unit() < 0.3;
        let mhz = if deep { board.gpu.idle_clock_mhz } else { board.gpu.max_clock_mhz };
        // A slow-down holds while idle too; a power limit does not bind then.
        let held = spell.reasons & !REASON_SOFTWARE_POWER_CAP;
        let most = if held == 0 { mhz } else { spell.mhz(&board.gpu) };
        (mhz.min(most), REASON_IDLE | held)
    } else {
        let steps = if locked { 0 } else { random.between(0, 3) as u32 };
        (spell.mhz(&board.gpu) - 15 * steps.min(1), spell.reasons)
    };
    let (limit, idle) = board.gpu.power_w;
    let power = idle + (limit * 0.78 - idle) * share * spell.ratio.powf(1.6);
    let power = power.min(limit) * random.within(0.97, 1.03);
    let date = Date::at(base_ns.saturating_add_signed(at_ns));
    format!(
        "{:04}/{:02}/{:02} {:02}:{:02}:{:02}.{:03}, {}, {}, {mhz} MHz, 0x{reasons:016x}, {power:.2} W, {}, {} %",
        date.year,
        date.month,
        date.day,
        date.hour,
        date.minute,
        date.second,
        date.millisecond,
        board.index,
        uuid(seed, board.index),
        spell.temperature + (share * 3.0) as u32,
        (share * 100.0).round() as u32,
    )
}

/// The table of `pmon`, one row per process and second.
pub(crate) fn process_table(boards: &[Board<'_>], end_ns: u64, base_ns: u64) -> String {
    let mut out = String::from(
        "#Date       Time        gpu         pid   type     sm    mem    enc    dec    jpg    ofa     fb   ccpm    command \n#YYYYMMDD   HH:MM:SS    Idx           #    C/G      %      %      %      %      %      %     MB     MB    name \n",
    );
    let second = 1_000_000_000;
    let mut at_ns = second - base_ns % second;
    while at_ns < end_ns + second {
        let from_ns = at_ns.saturating_sub(second);
        for board in boards {
            let own = board.busy.share(from_ns, at_ns) * 100.0;
            let row = (board.pid, own.round() as u32, 41_230, board.command);
            process_row(&mut out, base_ns + at_ns, board.index, row);
            for other in &board.conditions.others {
                let share = if board.conditions.tenancies.is_empty() {
                    1.0
                } else {
                    board.conditions.tenancy_share(from_ns, at_ns)
                };
                let percent = (f64::from(other.sm_percent) * share).round() as u32;
                let row = (other.pid, percent, other.memory_mb, other.command);
                process_row(&mut out, base_ns + at_ns, board.index, row);
            }
        }
        at_ns += second;
    }
    out
}

fn process_row(
    out: &mut String,
    at_ns: u64,
    index: u32,
    (pid, sm, memory_mb, command): (u32, u32, u32, &str),
) {
    let d = Date::at(at_ns);
    let _ = writeln!(
        out,
        " {:04}{:02}{:02}   {:02}:{:02}:{:02}    {index:>5}  {pid:>10}      C  {sm:>5}  {:>5}      -      -      -      -  {memory_mb:>5}      0    {command:.16} ",
        d.year,
        d.month,
        d.day,
        d.hour,
        d.minute,
        d.second,
        sm * 2 / 5,
    );
}

fn uuid(seed: u64, index: u32) -> String {
    let mut random = Random::for_purpose(seed, &format!("uuid {index}"));
    let (a, b) = (random.next_u64(), random.next_u64());
    format!(
        "GPU-{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        a >> 32,
        a >> 16 & 0xffff,
        a & 0xffff,
        b >> 48,
        b & 0xffff_ffff_ffff
    )
}
