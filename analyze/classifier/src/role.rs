//! What part of a model a kernel plays.

macro_rules! roles {
    ($($(#[doc = $doc:literal])+ $variant:ident = $text:literal,)+) => {
        /// The part a kernel plays in a model; [`Role::as_str`] is its stable name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Role {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Role {
            /// Every role, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable name used in JSON, reports and gates.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }
    };
}

roles! {
    /// Matrix multiply, dense, batched, grouped, quantised or matrix-vector, and its split-K tail.
    Gemm = "gemm",
    /// Convolution in any direction and the transforms it is made of.
    Conv = "conv",
    /// Attention whose phase the name does not tell.
    Attention = "attention",
    /// Attention (or its linear substitute) over a whole prompt.
    AttentionPrefill = "attention_prefill",
    /// Attention (or its linear substitute) for one or a few new tokens, and split-KV combines.
    AttentionDecode = "attention_decode",
    /// Writes keys and values into a cache, alone or fused with rope or norm.
    KvCacheWrite = "kv_cache_write",
    /// Gathers keys and values out of a cache.
    KvCacheRead = "kv_cache_read",
    /// Layer, RMS, batch, group norm and their fusions.
    Norm = "norm",
    /// Pointwise non-linearity, gated or not.
    Activation = "activation",
    /// Rotary position embedding without a cache write.
    Rope = "rope",
    /// Table lookup of token or feature embeddings.
    Embedding = "embedding",
    /// Top-k, top-p, penalties, multinomial, speculative acceptance.
    Sampling = "sampling",
    /// Mixture-of-experts gate, permute, align, finalize.
    MoeRouting = "moe_routing",
    /// Real to narrow type with scales.
    Quantize = "quantize",
    /// Narrow type with scales to real.
    Dequantize = "dequantize",
    /// Plain type conversion.
    Cast = "cast",
    /// Moves bytes: copy, cat, pad, transpose, layout change.
    Copy = "copy",
    /// Pointwise arithmetic.
    Elementwise = "elementwise",
    /// Reduction over a dimension.
    Reduce = "reduce",
    /// Softmax outside attention, routing and sampling.
    Softmax = "softmax",
    /// Prefix sums.
    Scan = "scan",
    /// Sorting.
    Sort = "sort",
    /// Gather, scatter, masked select.
    Index = "index",
    /// Writes a constant or a range.
    Fill = "fill",
    /// Random numbers.
    Rng = "rng",
    /// Pooling.
    Pooling = "pooling",
    /// Loss and its gradient.
    Loss = "loss",
    /// Optimizer step.
    Optimizer = "optimizer",
    /// One-off reshaping of weights: repack, shuffle, sparsify.
    WeightPrep = "weight_prep",
    /// Offsets, problem sizes, page tables: bookkeeping for another kernel.
    Metadata = "metadata",
    /// Communication between devices.
    Collective = "collective",
    /// Anything else, or the name does not tell.
    Other = "other",
}

impl Role {
    /// Reads the stable name back.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|role| role.as_str() == text)
    }

    /// Whether the kernel multiplies matrices, so that its precision matters to speed.
    pub fn is_matmul(self) -> bool {
        matches!(
            self,
            Self::Gemm
                | Self::Conv
                | Self::Attention
                | Self::AttentionPrefill
                | Self::AttentionDecode
        )
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stable_name_reads_back() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(*role));
        }
    }
}
