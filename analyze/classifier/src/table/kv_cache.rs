//! Cache writes, alone or fused, and cache reads.

use super::{Rule, Types, Unit, rule};
use crate::role::Role::{Cast, Copy, KvCacheRead, KvCacheWrite, Metadata};

pub(super) const RULES: &[Rule] = &[
    // Reads.
    rule("gather kvcache|cache", "kvcache_gather", KvCacheRead),
    rule("gather|load|fetch|flatten kvcache|kv !gemm|index", "kvcache_gather", KvCacheRead),
    rule("flatten kv", "kvcache_gather", KvCacheRead),
    rule("dequant kvcache|cache", "kvcache_gather", KvCacheRead),
    rule("dequant kv|page|paged", "kvcache_gather", KvCacheRead),
    // Bookkeeping that only mentions the cache.
    rule(
        "kv|kvcache index|metadata|length|lens|offsets create|compute|build|prepare|get|update",
        "attention_metadata",
        Metadata,
    ),
    rule("token pool req", "page_table_copy", Metadata),
    rule("page index|table|indptr", "page_table_copy", Metadata),
    // Fusions with norm and rope.
    rule(
        "rope kv|kvcache|cache quant insert norm|qknorm",
        "qnorm_rope_kvwrite_quant",
        KvCacheWrite,
    ),
    rule(
        "norm|qknorm|rmsnorm rope insert|kvcache|write|store|append !cos|fwd|bwd",
        "qknorm_rope_kvwrite",
        KvCacheWrite,
    ),
    rule("norm|qknorm|rmsnorm rope cache !cos|fwd|bwd|sin", "qknorm_rope_kvwrite", KvCacheWrite),
    rule("mla rope cache|kvcache|insert", "rope_kvwrite_mla", KvCacheWrite),
    rule("mla decode concat cache|kvcache", "rope_kvwrite_mla", KvCacheWrite),
    rule(
        "mla concat|insert|append|store|set|write cache|kvcache|insert|buffer",
        "kvwrite_mla",
        KvCacheWrite,
    ),
    rule("concat cache", "kvwrite_mla", KvCacheWrite),
    rule("rope kvcache|append|store|insert !cos|fwd|bwd", "rope_kvwrite", KvCacheWrite),
    rule("rope cache reshape|write", "rope_kvwrite", KvCacheWrite),
    rule("rope qkv varseq", "rope_kvwrite", KvCacheWrite),
    rule("qkv varseq", "kvwrite", KvCacheWrite),
    // Quantising writes.
    rule("indexer cache|kvcache", "kvwrite_quant", KvCacheWrite),
    rule("quant cache|kvcache", "kvwrite_quant", KvCacheWrite),
    // Plain writes.
    rule("reshape cache", "kvwrite", KvCacheWrite),
    rule("store|append|write|insert|set|update kv|kvcache", "kvwrite", KvCacheWrite),
    rule("copy to kvcache", "kvwrite", KvCacheWrite),
    rule("concat kv place|past|present|new", "kvwrite", KvCacheWrite).types(Types::Real),
    rule("fill kvcache", "kvwrite", KvCacheWrite),
    rule("transpose kvcache", "kvwrite", KvCacheWrite),
    rule("fused full cache", "kvwrite", KvCacheWrite),
    // Moves between caches.
    rule("transfer", "kvcache_transfer", Copy).types(Types::Storage),
    rule("swap|copy block !expert|quant", "kvcache_copy", Copy).types(Types::Storage),
    rule("kvcache cast|downcast", "kvcache_downcast", Cast).unit(Unit::No),
    rule("fused downcast", "kvcache_downcast", Cast),
    rule("kvcache copy|move|expansion|compact", "kvcache_copy", Copy),
];

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn names_of_libraries_not_listed() {
        assert_eq!(
            line("void acme::store_kv_cache_kernel<__nv_bfloat16>(__nv_bfloat16*)"),
            "kvwrite kv_cache_write bf16 no unknown"
        );
        assert_eq!(
            line("void acme::gather_paged_kv_cache<__half>(__half*)"),
            "kvcache_gather kv_cache_read fp16 no unknown"
        );
        assert_eq!(
            line("void acme::rope_append_paged_kv<__half>(__half*)"),
            "rope_kvwrite kv_cache_write fp16 no unknown"
        );
        assert_eq!(
            line(
                "void flashinfer::BatchQKApplyRotaryPosIdsCosSinCacheKernel<true, __half>(__half*)"
            ),
            "rope rope fp16 no flashinfer"
        );
    }
}
