//! Multiplies in a wide type, and which of them are fallbacks.

use underspan_classifier::{Dtype, KernelClass, Role, TensorCore};
use underspan_model::{DurationNs, StringId, Timeline};

use super::declared::has_no_vocabulary;
use super::neighbours::{Neighbours, neighbours};
use super::{ClassifiedKernel, Declared, FALLBACK_SHARE, KernelClasses, PrecisionCensus};

/// Head and router run at most once while the layers' multiplies run this often.
const OCCASIONAL: u64 = 8;

/// Most of the multiplies' time that the head of a model without a vocabulary takes: a few classes.
const SMALL_HEAD: f64 = 0.10;

/// Multiplies of one kernel name in a wide type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WideMultiply {
    /// Kernel.
    pub name: StringId,
    /// Part it plays.
    pub role: Role,
    /// Type it computes in.
    pub dtype: Dtype,
    /// Whether on tensor cores.
    pub tensor_core: TensorCore,
    /// Kernels.
    pub count: u64,
    /// Their time.
    pub total: DurationNs,
    /// Why it counts as a fallback, or does not.
    pub reason: WideReason,
}

/// Why a wide multiply counts as a fallback, or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WideReason {
    /// Wider than declared.
    WiderThanDeclared,
    /// Wider than declared, with a cast before and after: the operands are narrow and are widened
    /// for this multiply.
    BetweenCasts,
    /// Between two casts, with nothing declared: the pattern of a fallback.
    BetweenCastsUndeclared,
    /// In fp32 on ordinary cores, with nothing declared.
    Fp32Undeclared,
    /// In TF32: reported apart, since frameworks choose it for fp32 models.
    Tf32,
    /// A router before expert selection, which models keep in fp32.
    Router,
    /// A head before sampling, which models keep in fp32.
    Head,
    /// Runs once, behind a narrow multiply, where the layers' multiplies run many times, as a head
    /// does.
    Occasional,
    /// A matrix-vector product of narrow operands: memory sets its pace, not the type.
    MemoryBound,
    /// The operand in memory is as narrow as declared: weights are widened on the way in.
    NarrowInMemory,
}

impl WideReason {
    /// The stable name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WiderThanDeclared => "wider_than_declared",
            Self::BetweenCasts => "between_casts",
            Self::BetweenCastsUndeclared => "between_casts_undeclared",
            Self::Fp32Undeclared => "fp32_undeclared",
            Self::Tf32 => "tf32",
            Self::Router => "router",
            Self::Head => "head",
            Self::Occasional => "occasional",
            Self::MemoryBound => "memory_bound",
            Self::NarrowInMemory => "narrow_in_memory",
        }
    }

    /// Whether its time counts towards a fallback.
    pub fn is_fallback(self) -> bool {
        matches!(self, Self::WiderThanDeclared | Self::BetweenCasts)
    }

    /// What it means, for people.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::WiderThanDeclared => "wider than declared",
            Self::BetweenCasts => "wider than declared, between two casts",
            Self::BetweenCastsUndeclared => "between two casts: the pattern of a fallback",
            Self::Fp32Undeclared => "fp32; nothing declared to compare with",
            Self::Tf32 => "TF32: fp32 data, rounded on tensor cores",
            Self::Router => "router, kept in fp32 by design",
            Self::Head => "head, kept in fp32 by design",
            Self::Occasional => "runs once where the layers run many times",
            Self::MemoryBound => "matrix-vector product, bound by memory",
            Self::NarrowInMemory => "weights are as narrow as declared",
        }
    }
}

/// What the census says about precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrecisionVerdict {
    /// A tenth or more of the multiplies' time ran wider than declared.
    Fallback,
    /// The multiplies ran as declared.
    AsDeclared,
    /// Nothing declared, no multiplies, or too many of unknown type.
    CannotTell,
}

impl PrecisionVerdict {
    /// The stable name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fallback => "fallback",
            Self::AsDeclared => "as_declared",
            Self::CannotTell => "cannot_tell",
        }
    }

    pub(super) fn of(census: &PrecisionCensus) -> Self {
        if census.declared.is_none() || census.matmul == DurationNs::ZERO {
            return Self::CannotTell;
        }
        if census.share_of_matmul(census.wider_than_declared) >= FALLBACK_SHARE {
            return Self::Fallback;
        }
        // What is unknown could change the answer.
        let could_be = census.wider_than_declared.as_ns() + census.matmul_unknown.as_ns();
        if census.share_of_matmul(DurationNs::from_ns(could_be)) >= FALLBACK_SHARE {
            return Self::CannotTell;
        }
        Self::AsDeclared
    }
}

/// Significant width for comparison: TF32 stands between fp32 and 16 bits.
pub(crate) fn width(dtype: Dtype) -> Option<u32> {
    match dtype {
        Dtype::Tf32 => Some(19),
        Dtype::MixedFp8Fp4 => Some(8),
        other => other.bits(),
    }
}

/// Kernels that belong to a multiply without being one: they add up partial results or rearrange
/// operands, in fp32 by design.
const TAILS: [&str; 8] = [
    "splitk_reduce",
    "attention_combine",
    "gemm_epilogue",
    "im2col",
    "mamba_scan",
    "conv1d_causal",
    "conv_winograd",
    "conv_fft",
];

/// Whether kernels of a class multiply matrices themselves.
pub(crate) fn multiplies(class: &KernelClass) -> bool {
    class.role.value.is_matmul() && !TAILS.contains(&class.operation.value)
}

/// Lists the wide multiplies, most time first.
pub(super) fn find(
    timeline: &Timeline,
    classes: &KernelClasses,
    kernels: &[ClassifiedKernel],
    declared: Option<&Declared>,
) -> Vec<WideMultiply> {
    let limit = declared.and_then(|declared| width(declared.dtype));
    let is_wide = |row: &&ClassifiedKernel| {
        let dtype = row.class.compute_dtype.value;
        multiplies(&row.class)
            && match (width(dtype), limit) {
                (Some(width), Some(limit)) => width > limit,
                (Some(_), None) => matches!(dtype, Dtype::Fp32 | Dtype::Tf32),
                (None, _) => false,
            }
    };
    let wide: Vec<&ClassifiedKernel> = kernels.iter().filter(is_wide).collect();
    let names: Vec<StringId> = wide.iter().map(|row| row.name).collect();
    let around = neighbours(timeline, classes, &names);
    let most_often = kernels
        .iter()
        .filter(|row| multiplies(&row.class) && !is_wide(row))
        .map(|row| row.count)
        .max()
        .unwrap_or(0);
    let all = kernels.iter().filter(|row| multiplies(&row.class)).map(|row| row.total);
    let small_head = match has_no_vocabulary(timeline) {
        true => all.sum::<DurationNs>().as_ns() as f64 * SMALL_HEAD,
        false => f64::INFINITY,
    };
    wide.into_iter()
        .map(|row| {
            let may_be_head = row.total.as_ns() as f64 <= small_head;
            let around = around.get(&row.name).copied().unwrap_or_default();
            WideMultiply {
                name: row.name,
                role: row.class.role.value,
                dtype: row.class.compute_dtype.value,
                tensor_core: row.class.tensor_core.value,
                count: row.count,
                total: row.total,
                reason: reason(row, &around, limit, if may_be_head { most_often } else { 0 }),
            }
        })
        .collect()
}

fn reason(
    row: &ClassifiedKernel,
    around: &Neighbours,
    limit: Option<u32>,
    most_often: u64,
) -> WideReason {
    let class = &row.class;
    let dtype = class.compute_dtype.value;
    let mostly = |count: u64| around.seen > 0 && count * 2 >= around.seen;
    let storage = width(class.storage_dtype.value);
    let is_narrow_in_memory = match limit {
        Some(limit) => storage.is_some_and(|storage| storage <= limit),
        None => storage.is_some_and(|storage| storage <= 16),
    };
    let is_vector = class.operation.value.contains("gemv");
    let is_between_casts = mostly(around.cast_before) && mostly(around.cast_after);
    // A head is one multiply behind the layers, and what it yields stays wide; a pass that fell
    // back is many in a row.
    let is_occasional = row.count.saturating_mul(OCCASIONAL) <= most_often
        && !mostly(around.wanted_multiply_before)
        && !is_between_casts;
    if is_vector && (is_narrow_in_memory || width(dtype).is_some_and(|width| width <= 16)) {
        WideReason::MemoryBound
    } else if class.operation.value == "router_gemm" || mostly(around.routing_after) {
        WideReason::Router
    } else if mostly(around.sampling_after) {
        WideReason::Head
    } else if dtype == Dtype::Tf32 && limit.is_none() {
        WideReason::Tf32
    } else if is_occasional {
        WideReason::Occasional
    } else if is_narrow_in_memory && dtype != Dtype::Fp32 {
        WideReason::NarrowInMemory
    } else {
        match (limit.is_some(), is_between_casts) {
            (true, true) => WideReason::BetweenCasts,
            (true, false) => WideReason::WiderThanDeclared,
            (false, true) => WideReason::BetweenCastsUndeclared,
            (false, false) => WideReason::Fp32Undeclared,
        }
    }
}
