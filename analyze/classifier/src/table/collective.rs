//! Communication kernels outside NCCL.

use super::{Rule, Types, rule};
use crate::role::Role::Collective;

pub(super) const RULES: &[Rule] = &[
    rule("lamport norm|rmsnorm|rms|layernorm", "allreduce_fused_norm", Collective),
    rule("allreduce norm|rmsnorm|rms|layernorm|prenorm", "allreduce_fused_norm", Collective),
    rule("allreduce fusion", "allreduce_fused_norm", Collective),
    rule("reduce one|oneshot|twoshot|two residual|rms|rmsnorm", "allreduce_fused_norm", Collective),
    rule("multimem !barrier|allreduce|reduce|mnnvl", "collective", Collective)
        .types(Types::Storage),
    rule("mnnvl", "collective_mnnvl", Collective),
    rule("cross device allgather", "allgather_custom", Collective).types(Types::Storage),
    rule("cross device reduce|reducescatter|allreduce", "allreduce_custom", Collective),
    rule("userbuffers sum|reduce", "allreduce_userbuffers", Collective).types(Types::Storage),
    rule("userbuffers|kuserbuffers", "p2p_userbuffers", Collective).types(Types::Storage),
    rule("reducescatter", "reduce_scatter", Collective),
    rule("alltoall", "alltoall", Collective),
    rule("allreduce ll|1node|2node|1stage|2stage", "allreduce_custom", Collective),
    rule("allreduce !add|check", "allreduce", Collective),
    rule("allreduce", "allreduce", Collective),
    rule("reduce mc|multimem|ipc|nvls", "allreduce", Collective),
    rule("allgather|allgather2d", "allgather", Collective).types(Types::Storage),
    rule("lamport", "collective_mnnvl", Collective),
    rule("broadcast nvls|ring|comm|ipc", "broadcast", Collective).types(Types::Storage),
    rule("@comm broadcast", "broadcast", Collective).types(Types::Storage),
    rule("sendrecv", "sendrecv", Collective).types(Types::Storage),
    rule("@deep_ep|@intranode|@internode|@internode_ll dispatch", "moe_dispatch", Collective)
        .types(Types::Storage),
    rule("@deep_ep|@intranode|@internode|@internode_ll combine", "moe_combine", Collective),
    rule("@deep_ep|@intranode|@internode|@internode_ll", "barrier", Collective)
        .types(Types::Storage),
    rule("nvshmem|nvshmemi|nvshmemx|mscclpp", "collective", Collective).types(Types::Storage),
    rule("dispatch a2|ep|internode|intranode", "moe_dispatch", Collective).types(Types::Storage),
    rule("combine a2|ep|internode|intranode", "moe_combine", Collective),
    rule("barrier", "barrier", Collective).types(Types::Storage),
    rule("push|pull halos|peer|remote", "p2p", Collective).types(Types::Storage),
    rule("push|pull recv|send|pushrecv", "p2p", Collective).types(Types::Storage),
];

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn names_of_libraries_not_listed() {
        assert_eq!(
            line("void acme::all_reduce_one_shot<__half, 8>(__half*)"),
            "allreduce collective fp16 no unknown"
        );
        assert_eq!(
            line("void mscclpp::executionKernel<__half>(int)"),
            "collective collective unknown no mscclpp"
        );
        assert_eq!(
            line("void deep_ep::intranode::dispatch<8, 768>(int4*)"),
            "moe_dispatch collective unknown no deepep"
        );
    }
}
