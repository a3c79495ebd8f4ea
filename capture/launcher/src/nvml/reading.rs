//! One device, as NVML tells of it.

use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};
use underspan_model::{ProblemKind, ProblemLedger};

use super::piece::{Rows, now_ns};

/// What is sampled of a device: the track, its unit, and how to read it.
type Counter = (&'static str, &'static str, fn(&Device<'_>) -> Result<f64, NvmlError>);

/// The fields of `nvidia-smi --query-gpu`, in its names and units.
const COUNTERS: [Counter; 10] = [
    ("clocks.current.sm", "MHz", |device| device.clock_info(Clock::SM).map(f64::from)),
    ("clocks.current.memory", "MHz", |device| device.clock_info(Clock::Memory).map(f64::from)),
    ("clocks_event_reasons.active", "", |device| {
        device.current_throttle_reasons().map(|reasons| reasons.bits() as f64)
    }),
    ("power.draw", "W", |device| device.power_usage().map(watts)),
    ("enforced.power.limit", "W", |device| device.enforced_power_limit().map(watts)),
    ("temperature.gpu", "", |device| device.temperature(TemperatureSensor::Gpu).map(f64::from)),
    ("utilization.gpu", "%", |device| device.utilization_rates().map(|rates| rates.gpu.into())),
    ("utilization.memory", "%", |device| {
        device.utilization_rates().map(|rates| rates.memory.into())
    }),
    ("memory.used", "MiB", |device| device.memory_info().map(|memory| mib(memory.used))),
    ("memory.free", "MiB", |device| device.memory_info().map(|memory| mib(memory.free))),
];

fn watts(milliwatts: u32) -> f64 {
    f64::from(milliwatts) / 1000.0
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// A device that is sampled.
pub(crate) struct Card<'a> {
    device: Device<'a>,
    /// NVML's number of it.
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) uuid: String,
    /// In tenths: 9.0 is 90.
    pub(crate) compute_capability: u32,
    pub(crate) memory_bytes: u64,
    /// What does not change: key and value, as `nvidia-smi` prints them.
    pub(crate) facts: Vec<(&'static str, String)>,
    /// Why a counter cannot be read. It is not asked for again when the device does not have it.
    failures: [Option<NvmlError>; COUNTERS.len()],
    process_failure: Option<NvmlError>,
    /// Microseconds since the epoch of the last sample of a process.
    last_seen: u64,
}

impl<'a> Card<'a> {
    /// All devices that may be looked at.
    ///
    /// # Errors
    /// A line for a person when there is none.
    pub(crate) fn all(nvml: &'a Nvml) -> Result<Vec<Self>, String> {
        let n_devices = nvml.device_count().map_err(|error| error.to_string())?;
        let mut reason = "no device is there".to_owned();
        let mut cards = Vec::new();
        for index in 0..n_devices {
            match nvml.device_by_index(index) {
                Ok(device) => cards.push(Self::of(device, index, nvml)),
                Err(error) => reason = format!("device {index}: {error}"),
            }
        }
        if cards.is_empty() { Err(reason) } else { Ok(cards) }
    }

    fn of(device: Device<'a>, index: u32, nvml: &Nvml) -> Self {
        let mut facts = Vec::new();
        let mut fact = |key, value: Result<String, NvmlError>| {
            if let Ok(value) = value {
                facts.push((key, value));
            }
        };
        let mhz = |clock: u32| format!("{clock} MHz");
        fact("driver_version", nvml.sys_driver_version());
        fact("clocks.max.sm", device.max_clock_info(Clock::SM).map(mhz));
        fact("clocks.max.memory", device.max_clock_info(Clock::Memory).map(mhz));
        let limit = device.power_management_limit();
        fact("power.limit", limit.map(|limit| format!("{:.2} W", watts(limit))));
        let is_on = |on: bool| if on { "Enabled" } else { "Disabled" }.to_owned();
        fact("persistence_mode", device.is_in_persistent_mode().map(is_on));
        fact("mig.mode.current", device.mig_mode().map(|mode| is_on(mode.current != 0)));
        let capability = device.cuda_compute_capability();
        Self {
            index,
            name: device.name().unwrap_or_default(),
            uuid: device.uuid().unwrap_or_default(),
            compute_capability: capability
                .map_or(0, |version| (version.major * 10 + version.minor).unsigned_abs()),
            memory_bytes: device.memory_info().map_or(0, |memory| memory.total),
            facts,
            failures: [const { None }; COUNTERS.len()],
            process_failure: None,
            last_seen: 0,
            device,
        }
    }

    /// Names of the counters that cannot be read.
    pub(crate) fn missing_counters(&self) -> Vec<&'static str> {
        let fails = COUNTERS.iter().filter(|(_, _, read)| read(&self.device).is_err());
        fails.map(|(name, ..)| *name).collect()
    }

    /// How the device is virtual, where NVML tells: `bare`, `passthrough`, `vgpu`, …
    pub(crate) fn virtualization(&self) -> Option<String> {
        let mode = self.device.virtualization_mode().ok()?;
        Some(format!("{mode:?}").to_lowercase())
    }

    /// Reads everything that changes.
    pub(super) fn sample(&mut self, rows: &mut Rows) {
        for ((name, unit, read), failure) in COUNTERS.iter().zip(&mut self.failures) {
            if matches!(failure, Some(NvmlError::NotSupported | NvmlError::NoPermission)) {
                continue;
            }
            match read(&self.device) {
                Ok(value) => rows.push(now_ns(), (name, unit), self.index, None, value),
                Err(error) => *failure = Some(error),
            }
        }
    }

    /// Reads who is on the device: memory of each process now, and its load since the last look.
    pub(super) fn sample_processes(&mut self, rows: &mut Rows) {
        match self.device.running_compute_processes() {
            Ok(processes) => {
                for process in processes {
                    if let UsedGpuMemory::Used(bytes) = process.used_gpu_memory {
                        let track = ("used_gpu_memory", "MiB");
                        rows.push(now_ns(), track, self.index, Some(process.pid), mib(bytes));
                    }
                }
            }
            Err(error) => self.process_failure = Some(error),
        }
        // That nobody did anything is an error to NVML.
        let Ok(samples) = self.device.process_utilization_stats(self.last_seen) else { return };
        for sample in samples {
            // The driver hands out slots that it never filled.
            let Some(time_ns) =
                i64::try_from(sample.timestamp).ok().and_then(|us| us.checked_mul(1000))
            else {
                continue;
            };
            if sample.timestamp <= self.last_seen || sample.sm_util > 100 || sample.mem_util > 100 {
                continue;
            }
            for (name, value) in [("pmon.sm", sample.sm_util), ("pmon.mem", sample.mem_util)] {
                rows.push(time_ns, (name, "%"), self.index, Some(sample.pid), value.into());
            }
            self.last_seen = self.last_seen.max(sample.timestamp);
        }
    }

    /// Writes down what could not be read.
    pub(super) fn note_missing(&self, problems: &mut ProblemLedger, source: &str) {
        let counters = COUNTERS.iter().map(|(name, ..)| *name).zip(&self.failures);
        let processes = [("processes", &self.process_failure)];
        for (name, failure) in counters.chain(processes) {
            let Some(error) = failure else { continue };
            let example = || format!("{name} of device {}: {error}", self.index);
            problems.record(ProblemKind::MissingEvidence, source, 1, example);
        }
    }
}
