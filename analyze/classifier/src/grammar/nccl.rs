//! NCCL, RCCL and MSCCL collectives.
//!
//! Old `ncclKernel_{op}_{algorithm}_{protocol}_{reduction}_{type}`, then
//! `ncclDevKernel_{op}_{reduction}_{type}_{algorithm}_{protocol}`, 2.32
//! `ncclDevKernel_{op}_{type}_{algorithm}` and symmetric
//! `ncclSymkDevKernel_{op}_{variant}_{reduction}_{type}`. NCCL runs every reduction and protocol of
//! a type in one kernel (NVIDIA/nccl
//! `src/device/generate.py`, `best_kernel`), so reduction, protocol and algorithm in the name are
//! not necessarily what ran. AllGather, Broadcast and SendRecv carry no type.

use crate::class::{Confidence, KernelClass, VariantKind};
use crate::dtype::{self, Dtype};
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;

pub(crate) fn parse(name: &Name<'_>, _query: &KernelQuery<'_>) -> Option<KernelClass> {
    let symbol = name.function();
    let lower_prefix = symbol.get(..4)?.to_ascii_lowercase();
    if !matches!(lower_prefix.as_str(), "nccl" | "rccl") && !symbol.starts_with("msccl") {
        return None;
    }
    let library = match lower_prefix.as_str() {
        "rccl" => "rccl",
        "nccl" => "nccl",
        _ => "msccl",
    };
    let fields: Vec<&str> = symbol.split('_').skip(1).collect();
    let joined = symbol.to_ascii_lowercase();
    let operation = OPERATIONS
        .into_iter()
        .find(|(tag, _)| joined.contains(tag))
        .map_or("collective", |(_, op)| op);
    let dtype = fields.iter().rev().find_map(|field| element(field));
    let class = KernelClass::new(
        library,
        operation,
        Role::Collective,
        format!("prefix \"{lower_prefix}\""),
    );
    let class = match dtype {
        Some(dtype) => class.computes(dtype, "type field of the NCCL name"),
        None => class.computes(Dtype::Unknown, "this collective moves bytes"),
    };
    let class = class.with(VariantKind::Algorithm, fields.join("_"));
    Some(if operation == "collective" { class.role_confidence(Confidence::Medium) } else { class })
}

const OPERATIONS: [(&str, &str); 9] = [
    ("allreduce", "allreduce"),
    ("allgather", "allgather"),
    ("reducescatter", "reduce_scatter"),
    ("sendrecv", "sendrecv"),
    ("broadcast", "broadcast"),
    ("alltoall", "alltoall"),
    ("scatter", "scatter"),
    ("gather", "gather"),
    ("reduce", "reduce_collective"),
];

fn element(field: &str) -> Option<Dtype> {
    match field {
        "int8" => Some(Dtype::Int8),
        "uint32" | "u32" => Some(Dtype::Int32),
        "uint64" | "u64" => Some(Dtype::Int64),
        _ => dtype::from_tag(field),
    }
}

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn three_generations_of_names() {
        assert_eq!(
            line("ncclKernel_AllReduce_RING_LL_Sum_float(ncclDevComm*, unsigned long, ncclWork*)"),
            "allreduce collective fp32 no nccl"
        );
        assert_eq!(
            line("ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096ul>)"),
            "allreduce collective bf16 no nccl"
        );
        assert_eq!(
            line("ncclSymkDevKernel_AllReduce_AGxLLMC_R_sum_f16"),
            "allreduce collective fp16 no nccl"
        );
        assert_eq!(
            line("ncclDevKernel_ReduceScatter_Sum_f32_RING_LL"),
            "reduce_scatter collective fp32 no nccl"
        );
    }

    #[test]
    fn byte_movers_have_no_type() {
        assert_eq!(line("ncclDevKernel_AllGather_RING_LL"), "allgather collective unknown no nccl");
        assert_eq!(
            line("ncclDevKernel_SendRecv(ncclDevKernelArgsStorage<4096ul>)"),
            "sendrecv collective unknown no nccl"
        );
    }
}
