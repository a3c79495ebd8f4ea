//! Device-wide primitives: CUB, Thrust, rocPRIM, hipCUB.
//!
//! `cub::DeviceRadixSortOnesweepKernel<Policy, …>` and friends, inside whatever namespace the host
//! library wrapped CUB in; Thrust's `cuda_cub::core::_kernel_agent<Agent<…>>`; rocPRIM's
//! `detail::trampoline_kernel<wrapped_scan_config<…>>`. They move and compare keys: the element
//! type is a storage type, and no compute type is claimed.

use crate::class::KernelClass;
use crate::dtype::Dtype;
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;

pub(crate) fn parse(name: &Name<'_>, _query: &KernelQuery<'_>) -> Option<KernelClass> {
    let function = name.function();
    let library = if name.within("rocprim") || name.within("hipcub") {
        "rocprim"
    } else if name.within("cub") || function.starts_with("Device") && function.ends_with("Kernel") {
        "cub"
    } else if name.within("thrust") || name.within("cuda_cub") {
        "thrust"
    } else {
        return None;
    };
    // The primitive is the function itself, or the agent a trampoline runs.
    let (operation, role) = primitive(function).or_else(|| {
        let agent = matches!(
            function,
            "_kernel_agent"
                | "trampoline_kernel"
                | "transform_kernel"
                | "kernel"
                | "static_kernel"
                | "for_each_kernel"
                | "agent_launcher"
        );
        agent.then(|| name.words(name.template()).find_map(|(_, word)| primitive(word))).flatten()
    })?;
    let class = KernelClass::new(library, operation, role, "device-wide primitive");
    let key = name
        .args(name.template())
        .find_map(|arg| name.dtype(arg))
        .or_else(|| name.first_real(name.template()));
    let class = class.computes(Dtype::Unknown, "moves and compares keys of any type");
    Some(match key {
        Some(key) => class.stores(key, "key type argument"),
        None => class,
    })
}

fn primitive(word: &str) -> Option<(&'static str, Role)> {
    let lower = word.to_ascii_lowercase();
    let has = |part: &str| lower.contains(part);
    Some(if has("radixsort") || has("radix_sort") || has("onesweep") {
        ("radix_sort", Role::Sort)
    } else if has("merge_sort")
        || has("mergesort")
        || has("blocksort")
        || has("segmentedsort")
        || has("block_sort")
        || has("segmented_sort")
    {
        ("sort", Role::Sort)
    } else if has("histogram") {
        ("histogram", Role::Other)
    } else if has("compactinit")
        || has("select")
        || has("partition")
        || has("unique")
        || has("copy_if")
        || has("three_way")
    {
        ("select", Role::Index)
    } else if has("reducebykey") || has("reduce_by_key") || has("reduce") && !has("policy") {
        ("reduce", Role::Reduce)
    } else if has("scan") && !has("policy") {
        ("scan", Role::Scan)
    } else if has("runlength") || has("rle") {
        ("run_length_encode", Role::Other)
    } else if has("uninitialized_fill") || has("fill") {
        ("fill", Role::Fill)
    } else if has("batchmemcpy")
        || has("uninitialized_copy")
        || has("batched_copy")
        || has("batch_memcpy")
    {
        ("copy", Role::Copy)
    } else if has("parallel_for")
        || has("parallelfor")
        || has("transform")
        || has("for_each")
        || has("foreach")
    {
        ("elementwise", Role::Elementwise)
    } else if has("spmv") {
        ("spmv", Role::Gemm)
    } else if has("merge") {
        ("sort", Role::Sort)
    } else if has("topk") || has("nth_element") {
        ("topk", Role::Sampling)
    } else {
        return None;
    })
}

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn primitives_claim_no_compute_type() {
        assert_eq!(
            line(
                "void at_cuda_detail::cub::DeviceRadixSortUpsweepKernel<at_cuda_detail::cub::DeviceRadixSortPolicy<__half, long, int>::Policy900, true, false, __half, int>(__half const*)"
            ),
            "radix_sort sort unknown no cub"
        );
        assert_eq!(
            line(
                "void cub::CUB_200200_800_NS::DeviceScanKernel<cub::DeviceScanPolicy<int>::Policy600, int*, int*>(int*)"
            ),
            "scan scan unknown no cub"
        );
        assert_eq!(
            line(
                "void thrust::cuda_cub::core::_kernel_agent<thrust::cuda_cub::__parallel_for::ParallelForAgent<thrust::cuda_cub::__transform::unary_transform_f<float>, long>>(long)"
            ),
            "elementwise elementwise unknown no thrust"
        );
        assert_eq!(
            line(
                "void rocprim::detail::trampoline_kernel<rocprim::detail::wrapped_scan_config<rocprim::default_config, long>>(T1)"
            ),
            "scan scan unknown no rocprim"
        );
    }
}
