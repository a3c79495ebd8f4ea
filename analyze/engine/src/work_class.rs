//! Compute, data movement or communication: the three things whose overlap matters.

use underspan_classifier::{KernelQuery, Role, classify};
use underspan_model::{ShapeId, StringId, Timeline};

/// What an item of device work is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkClass {
    /// A kernel that computes.
    Compute,
    /// A copy or a fill.
    Copy,
    /// A kernel that exchanges data with other devices.
    Collective,
}

impl WorkClass {
    /// Every class, in the order of arrays indexed by class.
    pub const ALL: [Self; 3] = [Self::Compute, Self::Copy, Self::Collective];

    /// The name reports and JSON use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Compute => "compute",
            Self::Copy => "copy",
            Self::Collective => "collective",
        }
    }

    /// Position in arrays indexed by class.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

/// The class of every launch shape of a capture.
#[derive(Debug, Clone)]
pub struct WorkClasses {
    by_shape: Vec<WorkClass>,
}

impl WorkClasses {
    /// Classifies the launch shapes of a timeline by name.
    pub fn of(timeline: &Timeline) -> Self {
        let mut by_name: Vec<Option<WorkClass>> = vec![None; timeline.strings.len()];
        let mut class_of = |name: StringId| match by_name.get_mut(name.index()) {
            Some(known) => *known.get_or_insert_with(|| Self::of_name(timeline, name)),
            None => WorkClass::Compute,
        };
        let shapes = timeline.shapes.as_slice();
        Self { by_shape: shapes.iter().map(|shape| class_of(shape.name)).collect() }
    }

    fn of_name(timeline: &Timeline, name: StringId) -> WorkClass {
        let name = timeline.strings.resolve_or_empty(name).as_bytes();
        match classify(&KernelQuery::named(name)).role.value {
            Role::Collective => WorkClass::Collective,
            _ => WorkClass::Compute,
        }
    }

    /// The class of a launch shape; that of an unknown one is compute.
    #[inline]
    pub fn of_shape(&self, shape: ShapeId) -> WorkClass {
        self.by_shape.get(shape.index()).copied().unwrap_or(WorkClass::Compute)
    }

    /// The class of a kernel with this shape column value.
    #[inline]
    pub(crate) fn of_kernel(&self, shape: u32) -> WorkClass {
        self.of_shape(ShapeId::from_raw(shape))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace_builder::TraceBuilder;
    use underspan_model::NONE_U32;

    fn class(name: &str) -> WorkClass {
        let mut trace = TraceBuilder::new();
        trace.kernel(name, 0..1, NONE_U32);
        WorkClasses::of(&trace.build()).of_shape(ShapeId::from_raw(0))
    }

    #[test]
    fn communication_is_told_from_reductions() {
        for name in [
            "ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096ul>)",
            "ncclKernel_SendRecv_RING_SIMPLE_Sum_int8_t(ncclWorkElem)",
            "ncclDevKernel_Generic_1(ncclDevKernelArgsStorage<4096ul>)",
            "void vllm::cross_device_reduce_1stage<__hip_bfloat16, 8>(vllm::RankData*)",
            "_ZN4vllm26cross_device_reduce_2stageI13__nv_bfloat16Li8EEEvPNS_8RankDataE",
            "void sglang::cross_device_reduce_1stage<half, 2>(int)",
            "void flashinfer::trtllm_allreduce_fusion::allreduce_fusion_kernel_oneshot_lamport<x>()",
            "void tensorrt_llm::kernels::twoShotAllReduceKernel<half, 8>(AllReduceParams)",
            "void deep_ep::intranode::dispatch<8, 768, 8192>(int4*, float*)",
            "void one_shot_all_reduce_kernel<float, 4>(float**)",
        ] {
            assert_eq!(class(name), WorkClass::Collective, "{name}");
        }
        for name in [
            "void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float, AllReduce>>()",
            "void cub::DeviceReduceSingleTileKernel<x>()",
            "void at::native::vectorized_gather_kernel<16, long>(char*)",
            "sm90_xmma_gemm_bf16bf16_bf16f32_f32_tn_n",
            "",
        ] {
            assert_eq!(class(name), WorkClass::Compute, "{name}");
        }
    }
}
