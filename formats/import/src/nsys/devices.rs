//! Which GPU a device number means, and what is known about it.

use hashbrown::HashMap;
use rusqlite::types::ValueRef;
use underspan_model::{NONE_U32, NONE_U64, ProblemKind};

use super::context::Context;
use super::database::Database;
use super::names::intern;
use super::rows::select;

type Map<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

/// From device numbers of processes to device numbers of the capture.
///
/// `deviceId` counts within a process: two processes started with different
/// `CUDA_VISIBLE_DEVICES` both call their GPU 0. Where `TARGET_INFO_CUDA_DEVICE` shows that one
/// number means several GPUs, GPUs are told apart by their number in the machine instead.
#[derive(Debug, Default)]
pub(super) struct DeviceMap {
    gpu_of: Map<(i64, u32), u32>,
    gpu_of_any_process: Map<u32, u32>,
    is_ambiguous: bool,
}

impl DeviceMap {
    pub(super) fn read(database: &Database) -> rusqlite::Result<Self> {
        let mut map = Self::default();
        let table = "TARGET_INFO_CUDA_DEVICE";
        if database.columns(table).is_none() {
            return Ok(map);
        }
        let sql = select(database, table, &["pid", "cudaId", "gpuId"]);
        let mut statement = database.connection().prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let pid = integer(row.get_ref(0)?);
            let (cuda, gpu) = (number(row.get_ref(1)?), number(row.get_ref(2)?));
            if let (Some(pid), Some(cuda), Some(gpu)) = (pid, cuda, gpu) {
                map.gpu_of.insert((pid, cuda), gpu);
                let other = map.gpu_of_any_process.insert(cuda, gpu);
                map.is_ambiguous |= other.is_some_and(|other| other != gpu);
            }
        }
        Ok(map)
    }

    /// The capture's number for the device a process calls `device`.
    pub(super) fn ordinal(&self, pid: Option<i64>, device: u32) -> u32 {
        if !self.is_ambiguous {
            return device;
        }
        pid.and_then(|pid| self.gpu_of.get(&(pid, device)).copied()).unwrap_or(device)
    }

    /// The capture's number for the GPU the machine calls `gpu`.
    pub(super) fn ordinal_of_gpu(&self, gpu: u32) -> u32 {
        if self.is_ambiguous {
            return gpu;
        }
        let mut pairs = self.gpu_of_any_process.iter();
        pairs.find(|(_, listed)| **listed == gpu).map_or(gpu, |(cuda, _)| *cuda)
    }

    /// Whether a listed GPU is the one the capture calls `ordinal`.
    fn is_listed_as(&self, gpu: &Gpu, ordinal: u32) -> bool {
        let wanted = if self.is_ambiguous {
            Some(ordinal)
        } else {
            self.gpu_of_any_process.get(&ordinal).copied()
        };
        match (wanted, gpu.gpu, gpu.cuda) {
            (Some(wanted), Some(gpu), _) => wanted == gpu,
            (_, _, Some(cuda)) => !self.is_ambiguous && cuda == ordinal,
            (_, gpu, None) => gpu == Some(ordinal),
        }
    }
}

/// One GPU as `TARGET_INFO_GPU` or `TARGET_INFO_CUDA_GPU` describes it.
#[derive(Debug, Clone, Default)]
struct Gpu {
    gpu: Option<u32>,
    cuda: Option<u32>,
    name: Vec<u8>,
    uuid: Vec<u8>,
    major: Option<u32>,
    minor: Option<u32>,
    sm_count: Option<u32>,
    memory_bytes: Option<u64>,
}

impl Gpu {
    /// Display adapters without CUDA are listed too, with zeros where CUDA's facts belong.
    fn runs_cuda(&self) -> bool {
        self.major != Some(0) && self.sm_count != Some(0)
    }
}

/// Describes every device that has work.
pub(super) fn describe(database: &Database, context: &mut Context<'_>) -> rusqlite::Result<()> {
    let machine_number =
        if database.has_column("TARGET_INFO_GPU", "id") { "id" } else { "deviceId" };
    let mut listed = gpus(
        database,
        "TARGET_INFO_GPU",
        &[
            machine_number,
            "cuDevice",
            "name",
            "uuid",
            "computeMajor",
            "computeMinor",
            "smCount",
            "totalMemory",
        ],
    )?;
    listed.extend(gpus(
        database,
        "TARGET_INFO_CUDA_GPU",
        &[
            "gpuId",
            "deviceId",
            "name",
            "uuid",
            "computeCapabilityMajor",
            "computeCapabilityMinor",
            "numMultiprocessors",
            "globalMemorySize",
        ],
    )?);

    let (usable, foreign): (Vec<_>, Vec<_>) = listed.into_iter().partition(Gpu::runs_cuda);
    if let Some(first) = foreign.first() {
        let name = String::from_utf8_lossy(&first.name).into_owned();
        context.count(ProblemKind::ForeignDevice, foreign.len() as u64, || name);
    }
    for at in 0..context.timeline.dimensions.devices.len() {
        let ordinal = context.timeline.dimensions.devices.ordinal[at];
        let devices = context.identity.devices();
        let described: Vec<_> =
            usable.iter().filter(|gpu| devices.is_listed_as(gpu, ordinal)).collect();
        if described.is_empty() {
            context.count(ProblemKind::MissingDeviceProperties, 1, || format!("device {ordinal}"));
        }
        for gpu in described {
            set(context, at, gpu);
        }
    }
    Ok(())
}

fn gpus(database: &Database, table: &str, columns: &[&str]) -> rusqlite::Result<Vec<Gpu>> {
    if database.columns(table).is_none() {
        return Ok(Vec::new());
    }
    let mut statement = database.connection().prepare(&select(database, table, columns))?;
    let mut rows = statement.query([])?;
    let mut gpus = Vec::new();
    while let Some(row) = rows.next()? {
        let text = |value: ValueRef<'_>| value.as_bytes().map(<[u8]>::to_vec).unwrap_or_default();
        gpus.push(Gpu {
            gpu: number(row.get_ref(0)?),
            cuda: number(row.get_ref(1)?),
            name: text(row.get_ref(2)?),
            uuid: text(row.get_ref(3)?),
            major: number(row.get_ref(4)?),
            minor: number(row.get_ref(5)?),
            sm_count: number(row.get_ref(6)?),
            memory_bytes: integer(row.get_ref(7)?).and_then(|bytes| u64::try_from(bytes).ok()),
        });
    }
    Ok(gpus)
}

/// Fills what the device at `at` does not have yet.
fn set(context: &mut Context<'_>, at: usize, gpu: &Gpu) {
    let timeline = &mut context.timeline;
    let devices = &mut timeline.dimensions.devices;
    for (text, column) in [(&gpu.name, &mut devices.name), (&gpu.uuid, &mut devices.uuid)] {
        if !text.is_empty() && column[at] == NONE_U32 {
            column[at] = intern(text, &mut timeline.strings).id.raw();
        }
    }
    if let (Some(major), Some(minor)) = (gpu.major, gpu.minor) {
        devices.compute_capability[at] = major.saturating_mul(10).saturating_add(minor);
    }
    if let Some(sm_count) = gpu.sm_count {
        devices.sm_count[at] = sm_count;
    }
    if let Some(bytes) = gpu.memory_bytes
        && devices.memory_bytes[at] == NONE_U64
    {
        devices.memory_bytes[at] = bytes;
    }
}

fn integer(value: ValueRef<'_>) -> Option<i64> {
    match value {
        ValueRef::Integer(value) => Some(value),
        _ => None,
    }
}

fn number(value: ValueRef<'_>) -> Option<u32> {
    integer(value).and_then(|value| u32::try_from(value).ok()).filter(|value| *value != NONE_U32)
}
