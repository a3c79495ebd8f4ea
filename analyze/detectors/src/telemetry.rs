//! What counters say beside the trace: clocks of the GPU and why they were down, other processes
//! on it, gauges of the engine.

use hashbrown::HashMap;
use underspan_model::{NONE_U32, StringId, Timeline};

/// Reasons for a lowered clock that are a fault or a limit of the machine, as bits of
/// `clocks_event_reasons.active` (NVML `nvmlClocksEventReason*`): power cap in software 0x4,
/// slow-down in hardware 0x8, heat in software 0x20, heat in hardware 0x40, power brake 0x80.
///
/// Not among them: idle 0x1, clocks set by the operator 0x2, sync boost 0x10, display 0x100.
pub(crate) const SLOWDOWN_REASONS: u64 = 0x4 | 0x8 | 0x20 | 0x40 | 0x80;

/// The bit of a GPU that idles.
pub(crate) const IDLE_REASON: u64 = 0x1;

/// The bit of clocks that the operator set.
pub(crate) const SET_CLOCKS_REASON: u64 = 0x2;

/// Endings of the gauges of KV-cache use: vLLM's two, SGLang's.
pub(crate) const KV_USE: &[&str] = &["kv_cache_usage_perc", "gpu_cache_usage_perc", "token_usage"];

/// Length from which on a sampled name may be the beginning of a longer one.
const SHORTEST_CUT_NAME: usize = 14;

/// Use of the KV cache from which on nothing more is admitted.
pub(crate) const KV_FULL: f64 = 0.90;

/// One series of samples, in order of time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    /// When each was taken.
    pub time_ns: Vec<i64>,
    /// The values.
    pub value: Vec<f64>,
}

impl Series {
    /// The last value at or before an instant.
    pub fn at(&self, time_ns: i64) -> Option<f64> {
        let next = self.time_ns.partition_point(|time| *time <= time_ns);
        Some(self.value[next.checked_sub(1)?])
    }

    /// The values of samples within a span of time.
    pub fn within(&self, from_ns: i64, to_ns: i64) -> &[f64] {
        let from = self.time_ns.partition_point(|time| *time < from_ns);
        let to = self.time_ns.partition_point(|time| *time < to_ns);
        &self.value[from.min(to)..to]
    }

    /// How much a counter rose over the series, a fall being a restart.
    pub fn rise(&self) -> f64 {
        self.value.windows(2).map(|pair| (pair[1] - pair[0]).max(0.0)).sum()
    }

    /// The typical distance of samples; `None` for less than two.
    pub fn period_ns(&self) -> Option<i64> {
        let mut apart: Vec<i64> = self.time_ns.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let middle = apart.len().checked_sub(1)? / 2;
        Some(*apart.select_nth_unstable(middle).1)
    }
}

/// SM clock and reasons of one GPU, sampled together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Clocks {
    /// SM clock in MHz.
    pub sm_mhz: Series,
    /// Bits of the reasons for it; empty when they were not sampled.
    pub reasons: Series,
}

/// One process that used a GPU.
#[derive(Debug, Clone, PartialEq)]
pub struct GpuProcess {
    /// Process id.
    pub pid: i64,
    /// Name as the sampler cut it.
    pub name: String,
    /// Share of time in which it used SMs, in percent.
    pub sm_percent: Series,
    /// Whether the capture's own trace holds work of it, or it is one of the server's processes.
    pub is_own: bool,
}

/// Counters in the form in which detectors ask.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Telemetry {
    /// Clocks by GPU.
    pub clocks: Vec<Clocks>,
    /// Processes on the GPUs.
    pub processes: Vec<GpuProcess>,
    /// Every other series by its name without labels; of one name all its label sets.
    pub gauges: HashMap<String, Vec<Series>>,
}

impl Telemetry {
    /// Sorts the counters of a capture.
    pub fn of(timeline: &Timeline) -> Self {
        let mut series: Vec<Series> =
            vec![Series::default(); timeline.dimensions.counter_tracks.len()];
        for counter in timeline.counters.iter() {
            if let Some(series) = series.get_mut(counter.track as usize) {
                series.time_ns.push(counter.time_ns);
                series.value.push(counter.value);
            }
        }
        let text = |id: u32| timeline.strings.resolve_or_empty(StringId::from_raw(id));
        let own = own_processes(timeline);
        let mut found = Self::default();
        let mut clock_of_device: HashMap<u32, usize> = HashMap::new();
        for (track, series) in timeline.dimensions.counter_tracks.iter().zip(series) {
            let name = text(track.name);
            let field = name.split(['{', ' ']).next().unwrap_or(name);
            match field {
                "clocks.current.sm"
                | "clocks.sm"
                | "clocks_event_reasons.active"
                | "clocks_throttle_reasons.active" => {
                    let clocks = *clock_of_device.entry(track.device).or_insert_with(|| {
                        found.clocks.push(Clocks::default());
                        found.clocks.len() - 1
                    });
                    let clocks = &mut found.clocks[clocks];
                    if field.ends_with(".sm") {
                        clocks.sm_mhz = series;
                    } else {
                        clocks.reasons = series;
                    }
                }
                "pmon.sm" if track.process != NONE_U32 => {
                    let processes = &timeline.dimensions.processes;
                    let Some(row) = processes.iter().nth(track.process as usize) else { continue };
                    let name = text(row.name).to_owned();
                    let is_own =
                        own.iter().any(|(pid, own)| *pid == row.pid || same_program(own, &name));
                    found.processes.push(GpuProcess {
                        pid: row.pid,
                        name,
                        sm_percent: series,
                        is_own,
                    });
                }
                _ => found.gauges.entry(field.to_owned()).or_default().push(series),
            }
        }
        found.clocks.retain(|clocks| !clocks.sm_mhz.value.is_empty());
        found
    }

    /// Whether the operator had set the clocks of a GPU for most of the samples.
    pub(crate) fn clocks_are_set(&self) -> bool {
        self.clocks.iter().any(|clocks| {
            let reasons = &clocks.reasons.value;
            let n_set =
                reasons.iter().filter(|bits| **bits as u64 & SET_CLOCKS_REASON != 0).count();
            n_set * 2 > reasons.len()
        })
    }

    /// The highest value of the series whose names end in one of `endings`; `None` without any.
    pub(crate) fn highest(&self, endings: &[&str]) -> Option<f64> {
        let named =
            self.gauges.iter().filter(|(name, _)| endings.iter().any(|e| name.ends_with(e)));
        let values = named.flat_map(|(_, series)| series).flat_map(|series| &series.value);
        values.copied().reduce(f64::max)
    }

    /// The series of a gauge or counter whose name ends in one of `endings`, summed over label
    /// sets that were sampled together.
    pub fn gauge(&self, endings: &[&str]) -> Option<Series> {
        let mut names: Vec<&String> = self
            .gauges
            .keys()
            .filter(|name| endings.iter().any(|ending| name.ends_with(ending)))
            .collect();
        names.sort();
        let mut all = names.into_iter().flat_map(|name| &self.gauges[name]);
        let mut sum = all.next()?.clone();
        for series in all {
            if series.time_ns == sum.time_ns {
                sum.value.iter_mut().zip(&series.value).for_each(|(sum, value)| *sum += value);
            }
        }
        Some(sum)
    }
}

/// Processes of the trace itself: those with device work, API calls or spans of their own.
fn own_processes(timeline: &Timeline) -> Vec<(i64, String)> {
    let sampler = |source: u32| {
        let source = timeline.dimensions.sources.iter().nth(source as usize);
        source.is_some_and(|source| {
            let format = timeline.strings.resolve_or_empty(StringId::from_raw(source.format));
            format.starts_with("nvidia_smi")
        })
    };
    timeline
        .dimensions
        .processes
        .iter()
        .filter(|process| !sampler(process.source))
        .map(|process| {
            let name = timeline.strings.resolve_or_empty(StringId::from_raw(process.name));
            (process.pid, name.to_owned())
        })
        .collect()
}

/// Whether two names can be of workers of one server: samplers cut names short, and engines number
/// their workers (`VLLM::Worker_TP1`).
fn same_program(own: &str, sampled: &str) -> bool {
    let stem = |name: &str| -> String {
        let name = name.rsplit('/').next().unwrap_or(name);
        name.split("::").next().unwrap_or(name).to_ascii_lowercase()
    };
    let is_general = |name: &str| name.starts_with("python") || name.is_empty();
    if own.contains("::") && sampled.contains("::") {
        return stem(own) == stem(sampled);
    }
    let (own, sampled) = (stem(own), stem(sampled));
    // The kernel keeps 15 characters of a name, samplers print 16.
    let is_cut = sampled.len() >= SHORTEST_CUT_NAME && own.starts_with(&sampled);
    !is_general(&own) && !is_general(&sampled) && (own == sampled || is_cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_answer_by_time() {
        let series = Series { time_ns: vec![10, 20, 30], value: vec![1.0, 5.0, 2.0] };
        assert_eq!((series.at(9), series.at(10), series.at(29)), (None, Some(1.0), Some(5.0)));
        assert_eq!(series.within(10, 30), [1.0, 5.0]);
        assert_eq!(series.within(40, 30), [0.0; 0]);
        assert_eq!(series.rise(), 4.0);
        assert_eq!(series.period_ns(), Some(10));
    }

    #[test]
    fn workers_of_the_server_are_no_neighbours() {
        assert!(same_program("VLLM::Worker_TP0", "VLLM::Worker_TP"));
        assert!(same_program("VLLM::EngineCore", "VLLM::Worker_TP1"));
        assert!(same_program("tritonserver", "/opt/tritonserver/bin/tritonserver"));
        assert!(same_program("triton_python_backend_stub", "triton_python_ba"));
        assert!(!same_program("triton_python_backend_stub", "triton"));
        assert!(!same_program("python3", "python3"));
        assert!(!same_program("VLLM::EngineCore", "train.py"));
    }
}
