//! Precision census: what the kernels of a capture are, what they computed in, and which multiplies
//! ran wider than the model was declared to.
//!
//! A claim of a fallback needs a declared type. Without one the census still shows what ran, and the
//! verdict is [`PrecisionVerdict::CannotTell`].

mod declared;
mod kernel_classes;
mod layers;
mod neighbours;
mod operands;
mod wide;

use std::collections::BTreeMap;

use underspan_classifier::{Dtype, KernelClass, Role, TensorCore};
use underspan_model::{DurationNs, StringId, Timeline};

use crate::KernelStats;
pub use declared::Declared;
pub use kernel_classes::KernelClasses;
pub use wide::{PrecisionVerdict, WideMultiply, WideReason};
pub(crate) use wide::{multiplies, width};

/// A verdict of a fallback needs this share of the multiplies' time to be wider than declared
/// (detector D4).
pub const FALLBACK_SHARE: f64 = 0.10;

/// GPU time of the kernels of one role, type and kind of core, multiplies apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassTime {
    /// Part they play.
    pub role: Role,
    /// Type computed in.
    pub dtype: Dtype,
    /// Whether on tensor cores.
    pub tensor_core: TensorCore,
    /// Whether they multiply matrices themselves. What adds up the partial results of a multiply
    /// plays its part without being one.
    pub is_multiply: bool,
    /// Kernels.
    pub count: u64,
    /// Sum of their durations.
    pub total: DurationNs,
}

/// The kernels of one name and class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassifiedKernel {
    /// Name; none for kernels without one.
    pub name: StringId,
    /// What they are.
    pub class: KernelClass,
    /// Kernels.
    pub count: u64,
    /// Sum of their durations.
    pub total: DurationNs,
}

/// What a capture's kernels are and computed in.
#[derive(Debug, Clone, PartialEq)]
pub struct PrecisionCensus {
    /// The type the model is declared to compute in, if it is known.
    pub declared: Option<Declared>,
    /// Time of all kernels.
    pub total: DurationNs,
    /// Time of matrix multiplies: GEMM, convolution, attention. Tails, which add up partial
    /// results in fp32 by design, are not among them.
    pub matmul: DurationNs,
    /// Time of matrix multiplies whose type is unknown.
    pub matmul_unknown: DurationNs,
    /// Time of multiplies in TF32: fp32 in memory, rounded on the way into tensor cores.
    pub tf32: DurationNs,
    /// Time of GEMMs and convolutions in fp32 on ordinary cores.
    pub fp32_simt: DurationNs,
    /// By role, type and kind of core, most time first.
    pub classes: Vec<ClassTime>,
    /// By name, most time first.
    pub kernels: Vec<ClassifiedKernel>,
    /// Multiplies in a wide type, most time first, each with the reason why it counts or not.
    pub wide: Vec<WideMultiply>,
    /// Time of multiplies that ran wider than declared without an excuse; zero without a
    /// declaration.
    pub wider_than_declared: DurationNs,
    /// What follows.
    pub verdict: PrecisionVerdict,
}

impl PrecisionCensus {
    /// Takes the census. `declared` overrides what the capture itself declares.
    pub fn of(timeline: &Timeline, kernels: &KernelStats, declared: Option<Declared>) -> Self {
        let declared = declared.or_else(|| Declared::of_capture(timeline));
        let classes = KernelClasses::of(timeline);
        let mut by_class: BTreeMap<(Role, Dtype, TensorCore, bool), (u64, u64)> = BTreeMap::new();
        let mut by_name: Vec<ClassifiedKernel> = Vec::new();
        for row in &kernels.by_shape {
            let class = classes.of_shape(row.shape);
            let key = (
                class.role.value,
                class.compute_dtype.value,
                class.tensor_core.value,
                wide::multiplies(class),
            );
            let sum = by_class.entry(key).or_default();
            sum.0 += row.stats.count;
            sum.1 = sum.1.saturating_add(row.stats.total.as_ns());
            // Shapes of one name stand together; launch evidence may have parted their classes.
            match by_name.last_mut().filter(|last| last.name == row.name && last.class == *class) {
                Some(last) => {
                    last.count += row.stats.count;
                    last.total = sum_of(last.total, row.stats.total);
                }
                None => by_name.push(ClassifiedKernel {
                    name: row.name,
                    class: class.clone(),
                    count: row.stats.count,
                    total: row.stats.total,
                }),
            }
        }
        by_name.sort_by_key(|row| std::cmp::Reverse(row.total));
        let mut class_times: Vec<ClassTime> = by_class
            .into_iter()
            .map(|((role, dtype, tensor_core, is_multiply), (count, total))| ClassTime {
                role,
                dtype,
                tensor_core,
                is_multiply,
                count,
                total: DurationNs::from_ns(total),
            })
            .collect();
        class_times.sort_by_key(|row| std::cmp::Reverse(row.total));
        let wide = wide::find(timeline, &classes, &by_name, declared.as_ref());
        let multiply_time = |wanted: &dyn Fn(&KernelClass) -> bool| -> DurationNs {
            let multiplies = by_name.iter().filter(|row| wide::multiplies(&row.class));
            multiplies.filter(|row| wanted(&row.class)).map(|row| row.total).sum()
        };
        let mut census = Self {
            total: class_times.iter().map(|row| row.total).sum(),
            matmul: multiply_time(&|_| true),
            matmul_unknown: multiply_time(&|class| class.compute_dtype.value == Dtype::Unknown),
            tf32: multiply_time(&|class| class.compute_dtype.value == Dtype::Tf32),
            fp32_simt: multiply_time(&|class| {
                matches!(class.role.value, Role::Gemm | Role::Conv)
                    && class.compute_dtype.value == Dtype::Fp32
                    && class.tensor_core.value == TensorCore::No
            }),
            wider_than_declared: wide
                .iter()
                .filter(|row| row.reason.is_fallback())
                .map(|row| row.total)
                .sum(),
            verdict: PrecisionVerdict::CannotTell,
            classes: class_times,
            kernels: by_name,
            wide,
            declared,
        };
        census.verdict = PrecisionVerdict::of(&census);
        census
    }

    /// `part` as a share of all multiplies; zero without any.
    pub fn share_of_matmul(&self, part: DurationNs) -> f64 {
        part.as_ns() as f64 / self.matmul.as_ns().max(1) as f64
    }
}

fn sum_of(a: DurationNs, b: DurationNs) -> DurationNs {
    DurationNs::from_ns(a.as_ns().saturating_add(b.as_ns()))
}
