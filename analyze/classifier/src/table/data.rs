//! Data movement, reductions, indexing and what is left.

use super::{Rule, Types, Unit, rule};
use crate::role::Role::{
    Cast, Copy, Elementwise, Embedding, Fill, Gemm, Index, Metadata, Other, Reduce, Scan, Sort,
};

pub(super) const RULES: &[Rule] = &[
    // Bookkeeping.
    rule("prepare pos|seq|input|inputs|batch|lens|decode|prefill", "input_prep", Metadata),
    rule("metadata|plan|scheduler|indptr", "metadata", Metadata),
    rule("advance|update step|input|state|seqlen|seqlens", "input_prep", Metadata),
    rule("slot mapping|table", "input_prep", Metadata),
    rule("seq lens", "input_prep", Metadata),
    rule("alloc|allocate|future|req", "input_prep", Metadata),
    rule("position compute|clamp|index", "position_ids", Other).types(Types::Storage),
    // Layout and copies.
    rule("pixel shuffle", "layout_transform", Copy),
    rule("window reverse|reorder|partition|shift", "layout_transform", Copy),
    rule("prepare qkv", "split", Copy),
    rule("interleave|deinterleave|collect", "copy", Copy),
    rule("nchw|nhwc to", "layout_transform", Copy),
    rule("layout|reformat|reorder", "layout_transform", Copy),
    rule("transpose", "transpose", Copy),
    rule("transform|transform4d", "transpose", Copy),
    rule("permute|permute2d", "permute", Copy).types(Types::Storage),
    rule("cat", "cat", Copy),
    rule("concat|concatenate|stack", "concat", Copy).types(Types::Storage),
    rule("split|chunk|unbind|splitqkv !radix|scan", "split", Copy),
    rule("slice", "slice", Copy).types(Types::Storage),
    rule("pad|padding|unpad|repad", "pad", Copy).types(Types::Any),
    rule("roll|flip|tile|repeat", "roll", Copy).types(Types::Any),
    rule("expand|broadcast", "expand", Copy).types(Types::Storage),
    rule("crop|reverse|ungroup|diagonal|diag", "copy", Copy),
    rule("pack|unpack|packunpack", "pack", Copy),
    rule("reshape|view|contiguous", "copy", Copy),
    rule("cast", "cast", Cast),
    rule("cast|upcast", "cast", Cast),
    rule("copy|move|d2d|clone", "copy", Copy).types(Types::Storage),
    rule("swap", "copy", Copy).types(Types::Storage),
    rule("memset|fill|zero|zeros|zeroing|ones|set|reset|clear|clean|cleanup", "fill", Fill),
    rule("init|iota|arange|range|eye|identity|constant", "fill", Fill),
    // Order and prefix sums.
    rule("radix sort|fill", "sort", Sort),
    rule("sort|argsort|bitonic", "sort", Sort).types(Types::Any),
    rule("index segment fill", "sort", Sort),
    rule("cumsum|cumprod|cummax|cummin|scan|logcumsumexp", "cumsum", Scan).types(Types::Any),
    // Index.
    rule("index add|func|reduce|put", "index_add", Index).types(Types::Any),
    rule("scatter gather", "scatter_gather", Index).types(Types::Storage),
    rule("scatter", "scatter_gather", Index).types(Types::Storage),
    rule("gather", "gather", Index).types(Types::Storage),
    rule("nonzero|select|take|unique|compact|filter|flag|partition", "select", Index)
        .types(Types::Storage),
    rule("linearize index", "index_prep", Index).types(Types::Storage),
    rule("index", "index", Index).types(Types::Any),
    rule("searchsorted|bucketize|bucket|histc", "index", Index).types(Types::Storage),
    // Reductions.
    rule("reduce mean", "reduce_mean", Reduce),
    rule("mean", "mean", Reduce),
    rule("sum rows|row|dim|reduce", "reduce_sum", Reduce),
    rule("sum", "reduce_sum", Reduce),
    rule("histogram|histogram1d|bincount", "histogram", Other).types(Types::Storage),
    rule("lpnorm|l2", "reduce_norm2", Reduce),
    rule("norm", "reduce_norm2", Reduce),
    rule("max|min|amin reduce|rows|dim|values", "reduce_max", Reduce),
    rule("argmin", "reduce_argmin", Reduce),
    rule("var|std|variance|stddev", "reduce_var", Reduce),
    rule("reduce|dot|nrm2|asum|any|all !scatter", "reduce", Reduce),
    // Pointwise.
    rule("where", "where", Elementwise).types(Types::Storage),
    rule("tenary|ternary", "where", Elementwise).types(Types::Storage),
    rule("onehot", "elementwise", Elementwise),
    rule("triu|tril|trilu|mask|masked", "mask", Elementwise),
    rule("clamp|clip", "clamp", Elementwise),
    rule("add|residual|bias|plus", "add", Elementwise),
    rule("mul|multiply|scale|scal", "mul", Elementwise),
    rule("sub|div|divide|exp|log|pow|sqrt|abs|neg|sin|cos|axpy|lerp", "elementwise", Elementwise),
    rule("compare|equal|check|isfinite|finite|isnan", "compare", Elementwise).types(Types::Storage),
    rule(
        "elementwise|unary|binary|vectorized|foreach|multitensor|broadcasted",
        "elementwise",
        Elementwise,
    ),
    rule("complex|fft|rfft|irfft|dft|butterfly", "fft", Other),
    rule("nms|iou|deform", "detection", Other).unit(Unit::No),
    rule("mhc|bcast|sinkhorn", "elementwise", Elementwise),
    rule("@fbgemm_gpu", "embedding_other", Embedding).types(Types::Storage),
    rule("beta g compute", "linear_attention_gate", Elementwise),
    rule(
        "getrf|getf2|potrf|potf2|geqr2|geqrf|sytrd|gesvd|syevd|larf|laswp",
        "linear_algebra",
        Other,
    ),
    rule("gramian|outer", "gemm", Gemm),
];

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn names_of_libraries_not_listed() {
        assert_eq!(
            line("void acme::transpose0213<__half>(__half*)"),
            "transpose copy fp16 no unknown"
        );
        assert_eq!(
            line("void acme::cast_kernel<float, __half>(float*)"),
            "cast cast mixed no unknown"
        );
        assert_eq!(line("void acme::fill_kernel<int>(int*)"), "fill fill unknown no unknown");
        assert_eq!(
            line("void acme::segment_reduce_mean<float>(float*)"),
            "reduce_mean reduce fp32 no unknown"
        );
    }
}
