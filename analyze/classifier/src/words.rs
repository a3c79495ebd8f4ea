//! Turns an identifier into the words people read in it.
//!
//! `fusedQKNormRopeKernel`, `fused_qk_norm_rope_kernel` and `FusedQkNormRope` all give
//! `fused qk norm rope`; spellings that mean one thing (`RMSNorm`, `rms_norm`, `rmsnorm`) become
//! one word, so that the function table is written once.

use std::collections::HashMap;
use std::sync::OnceLock;

/// The words of an identifier: lower case, canonical, in order, without `kernel`.
#[derive(Debug, Default)]
pub(crate) struct Words {
    list: Vec<String>,
}

impl Words {
    /// Splits at underscores and at changes of case, then joins what belongs together.
    pub(crate) fn of(identifier: &str) -> Self {
        let mut list = Vec::with_capacity(8);
        for part in identifier.split(['_', '.', '$']) {
            split_camel(part, &mut list);
        }
        let mut words = Self { list };
        words.join_compounds();
        words.canonicalize();
        words
    }

    /// The words in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(String::as_str)
    }

    /// Whether the canonical word is there.
    pub(crate) fn has(&self, word: &str) -> bool {
        self.list.iter().any(|found| found == word)
    }

    /// Whether any of the canonical words is there.
    pub(crate) fn has_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.has(word))
    }

    /// Adds the words of another identifier.
    pub(crate) fn extend(&mut self, other: Self) {
        self.list.extend(other.list);
    }

    fn join_compounds(&mut self) {
        let mut joined = Vec::with_capacity(self.list.len());
        let mut at = 0;
        while let Some(first) = self.list.get_mut(at) {
            let first = std::mem::take(first);
            let rest = &self.list[at + 1..];
            let found = compounds_from(&first).iter().find(|(parts, _)| {
                parts.len() <= rest.len() + 1
                    && parts[1..].iter().zip(rest).all(|(part, word)| part == word)
            });
            match found {
                Some((parts, whole)) => {
                    joined.push((*whole).to_owned());
                    at += parts.len();
                }
                None => {
                    joined.push(first);
                    at += 1;
                }
            }
        }
        self.list = joined;
    }

    fn canonicalize(&mut self) {
        for word in &mut self.list {
            let stem =
                word.find(|c: char| c.is_ascii_digit()).map_or(word.as_str(), |at| &word[..at]);
            // `backward1`, `quant4`: the number only tells variants apart.
            let found = canonical(word).or_else(|| canonical(stem).filter(|_| stem.len() > 3));
            if let Some(canonical) = found {
                canonical.clone_into(word);
            }
        }
        self.list.retain(|word| !matches!(word.as_str(), "" | "kernel" | "kernels"));
    }
}

/// Splits one underscore-free part at its changes of case.
///
/// `RMSNorm` → `rms norm`; digits stay with the letters before them (`gemv2T` → `gemv2 t`,
/// `Sm90Fused` → `sm90 fused`) and `2D` stays whole.
fn split_camel(part: &str, out: &mut Vec<String>) {
    let bytes = part.as_bytes();
    let mut start = 0;
    for at in 1..bytes.len() {
        let (before, here) = (bytes[at - 1], bytes[at]);
        let next = bytes.get(at + 1).copied().unwrap_or(0);
        let boundary = if here.is_ascii_uppercase() {
            let dimension = before.is_ascii_digit() && here == b'D' && !next.is_ascii_lowercase();
            !dimension
                && (!before.is_ascii_uppercase()
                    || (next.is_ascii_lowercase() && !plural_acronym(bytes, at)))
        } else {
            false
        };
        if boundary && part.is_char_boundary(at) {
            out.push(part[start..at].to_ascii_lowercase());
            start = at;
        }
    }
    if start < part.len() {
        out.push(part[start..].to_ascii_lowercase());
    }
}

/// `GEMMs`, `QKs`: an acronym with a plural `s`, not a new word.
fn plural_acronym(bytes: &[u8], at: usize) -> bool {
    bytes.get(at + 1) == Some(&b's')
        && bytes.get(at + 2).is_none_or(|byte| !byte.is_ascii_lowercase())
}

type Compound = (&'static [&'static str], &'static str);

/// The compounds that begin with a word.
fn compounds_from(word: &str) -> &'static [Compound] {
    static BY_FIRST_WORD: OnceLock<HashMap<&'static str, Vec<Compound>>> = OnceLock::new();
    let index = BY_FIRST_WORD.get_or_init(|| {
        let mut index: HashMap<&'static str, Vec<Compound>> = HashMap::new();
        for (parts, whole) in COMPOUNDS {
            if let Some(first) = parts.first() {
                index.entry(first).or_default().push((parts, whole));
            }
        }
        index
    });
    index.get(word).map_or(&[], Vec::as_slice)
}

/// Words that belong together, longest first where one begins another.
const COMPOUNDS: &[(&[&str], &str)] = &[
    (&["all", "to", "all"], "alltoall"),
    (&["all", "2", "all"], "alltoall"),
    (&["all", "to", "allv"], "alltoall"),
    (&["all", "reduce"], "allreduce"),
    (&["all", "gather"], "allgather"),
    (&["reduce", "scatter"], "reducescatter"),
    (&["cross", "entropy"], "crossentropy"),
    (&["x", "entropy"], "crossentropy"),
    (&["rms", "norm"], "rmsnorm"),
    (&["rms", "norm2d"], "rmsnorm"),
    (&["rm", "snorm"], "rmsnorm"),
    (&["rmsnorm2d"], "rmsnorm"),
    (&["layer", "norm"], "layernorm"),
    (&["layer", "normalization"], "layernorm"),
    (&["layernorm2d"], "layernorm"),
    (&["group", "norm"], "groupnorm"),
    (&["batch", "norm"], "batchnorm"),
    (&["batch", "normalization"], "batchnorm"),
    (&["instance", "norm"], "instancenorm"),
    (&["l2", "norm"], "l2norm"),
    (&["qk", "norm"], "qknorm"),
    (&["soft", "max"], "softmax"),
    (&["log", "soft", "max"], "softmax"),
    (&["top", "k"], "topk"),
    (&["top", "p"], "topp"),
    (&["min", "p"], "minp"),
    (&["arg", "max"], "argmax"),
    (&["arg", "min"], "argmin"),
    (&["arg", "sort"], "argsort"),
    (&["arg", "sorts"], "argsort"),
    (&["abs", "max"], "absmax"),
    (&["amax"], "absmax"),
    (&["split", "k"], "splitk"),
    (&["split", "kv"], "splitkv"),
    (&["stream", "k"], "streamk"),
    (&["mat", "mul"], "matmul"),
    (&["mul", "mat"], "matmul"),
    (&["matrix", "mul"], "matmul"),
    (&["matrix", "multiply"], "matmul"),
    (&["mul", "mm"], "matmul"),
    (&["multi", "head", "attention"], "attn"),
    (&["multihead", "attention"], "attn"),
    (&["flash", "attention"], "flashattn"),
    (&["flash", "attn"], "flashattn"),
    (&["paged", "attention"], "pagedattn"),
    (&["paged", "attn"], "pagedattn"),
    (&["kv", "cache"], "kvcache"),
    (&["k", "cache"], "kvcache"),
    (&["v", "cache"], "kvcache"),
    (&["key", "value", "cache"], "kvcache"),
    (&["key", "cache"], "kvcache"),
    (&["paged", "kv"], "kvcache"),
    (&["im", "2", "col"], "im2col"),
    (&["im2", "col"], "im2col"),
    (&["causal", "conv1d"], "causalconv1d"),
    (&["causal", "conv", "1d"], "causalconv1d"),
    (&["short", "conv"], "causalconv1d"),
    (&["rotary", "pos", "emb"], "rope"),
    (&["rotary", "pos"], "rope"),
    (&["rotary", "embedding"], "rope"),
    (&["rotary", "emb"], "rope"),
    (&["pos", "emb"], "posemb"),
    (&["q", "mo", "e"], "moe"),
    (&["mo", "e"], "moe"),
    (&["delta", "net"], "deltarule"),
    (&["tiny", "gemm"], "tinygemm"),
    (&["tiny", "gemm2"], "tinygemm"),
    (&["one", "hot"], "onehot"),
    (&["mix", "of", "experts"], "moe"),
    (&["mixture", "of", "experts"], "moe"),
    (&["fused", "moe"], "fusedmoe"),
    (&["log", "sum", "exp"], "logsumexp"),
    (&["cum", "sum"], "cumsum"),
    (&["prefix", "sum"], "cumsum"),
    (&["bit", "mask"], "bitmask"),
    (&["mem", "cpy"], "memcpy"),
    (&["mem", "set"], "memset"),
    (&["up", "sample"], "upsample"),
    (&["drop", "out"], "dropout"),
    (&["ro", "pe"], "rope"),
    (&["re", "lu"], "relu"),
    (&["ge", "lu"], "gelu"),
    (&["si", "lu"], "silu"),
    (&["swi", "glu"], "swiglu"),
    (&["ge", "glu"], "geglu"),
    (&["re", "pack"], "repack"),
    (&["de", "quantize"], "dequant"),
    (&["de", "quant"], "dequant"),
    (&["h", "gemm"], "hgemm"),
    (&["s", "gemm"], "sgemm"),
    (&["x", "attention"], "attn"),
    (&["delta", "rule"], "deltarule"),
    (&["selective", "scan"], "selectivescan"),
    (&["selective", "state", "update"], "selectivestateupdate"),
    (&["tree", "speculative"], "speculative"),
    (&["router", "gemm"], "routergemm"),
    (&["weight", "only"], "weightonly"),
    (&["non", "zero"], "nonzero"),
    (&["index", "select"], "indexselect"),
    (&["multi", "tensor"], "multitensor"),
    (&["zero", "fill"], "fill"),
];

/// The one spelling of words that mean the same.
fn canonical(word: &str) -> Option<&'static str> {
    Some(match word {
        "quantize" | "quantized" | "quantization" | "quantizer" | "quantise" | "quantising"
        | "quantizing" | "quants" | "quantizelinear" => "quant",
        "dequantize" | "dequantized" | "dequantization" | "dequantise" | "dequantizer"
        | "unquantize" | "dequantizelinear" | "dequantizing" => "dequant",
        "backward" | "grad" | "gradient" | "bprop" | "bw" => "bwd",
        "forward" | "fprop" | "fw" => "fwd",
        "embedding" | "embeddings" | "embed" | "emb" | "embs" => "embedding",
        "rotary" | "rotate" | "ropes" | "roped" => "rope",
        "attention" | "mha" | "fmha" | "mqa" | "gqa" | "sdpa" | "selfattn" | "selfattention"
        | "attn" | "xqa" | "multihead" => "attn",
        "flashattention" => "flashattn",
        "pagedattention" => "pagedattn",
        "transposed" | "transposes" | "transposing" | "transpose01" => "transpose",
        "permutation" | "permuted" | "permutes" | "permut" => "permute",
        "shuffled" | "shuffles" => "shuffle",
        "normalization" | "normalize" | "normalized" | "normed" | "norms" => "norm",
        "activations" | "act" => "activation",
        "copies" | "copied" | "batchedcopy" | "memcpy" | "copy2d" | "dcpy" | "cpy" => "copy",
        "casting" | "casts" | "convert" | "cvt" | "conversion" | "converts" => "cast",
        "elemwise" | "pointwise" | "elementwise" | "element" | "eltwise" => "elementwise",
        "experts" => "expert",
        "tokens" => "token",
        "offset" => "offsets",
        "indices" | "indexes" | "idx" | "ids" => "index",
        "reduction" | "reduces" | "reducer" | "reducing" => "reduce",
        "summation" => "sum",
        "samples" | "sampler" | "sampled" | "sample" => "sampling",
        "logit" => "logits",
        "routing" | "routed" | "route" => "router",
        "gated" | "gates" | "gating" => "gate",
        "scaled" | "scaling" | "scales" => "scale",
        "biases" => "bias",
        "matmuls" | "mm" | "matrixmul" | "matmul4bit" => "matmul",
        "bmm" => "bmm",
        "gemms" => "gemm",
        "convolution" | "convolve" | "conv2d" | "conv3d" | "convolutional" | "conv" => "conv",
        // Not the stem's "conv": a 1-d convolution is mostly a state-space model's.
        "conv1d" => "conv1d",
        "allreduced" => "allreduce",
        "a2a" | "all2all" | "alltoallv" => "alltoall",
        "gathers" | "gathered" => "gather",
        "scatters" | "scattered" => "scatter",
        "states" => "state",
        "penalties" | "penalize" => "penalty",
        "probs" | "prob" | "probability" | "probabilities" => "prob",
        "pages" => "page",
        "blocks" => "block",
        "cached" | "caches" => "cache",
        "kvcaches" => "kvcache",
        "lstm" | "gru" => "rnn",
        "optimizer" | "optim" => "optimizer",
        "adamw" => "adam",
        "initialize" | "initialise" | "initialization" => "init",
        "dropouts" => "dropout",
        "lookups" => "lookup",
        "losses" => "loss",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(identifier: &str) -> String {
        Words::of(identifier).list.join(" ")
    }

    #[test]
    fn spellings_of_one_thing_agree() {
        for name in ["fusedAddRMSNormKernel", "fused_add_rms_norm_kernel", "FusedAddRmsnorm"] {
            assert_eq!(joined(name), "fused add rmsnorm", "{name}");
        }
        for name in ["topKSoftMax", "topk_softmax", "top_k_softmax", "TopKSoftmax"] {
            assert_eq!(joined(name), "topk softmax", "{name}");
        }
        assert_eq!(joined("reshape_and_cache_flash_kernel"), "reshape and cache flash");
    }

    #[test]
    fn digits_and_acronyms() {
        assert_eq!(joined("gemv2T_kernel_val"), "gemv2 t val");
        assert_eq!(joined("Sm90FusedGdrFwdKernel"), "sm90 fused gdr fwd");
        assert_eq!(joined("Allgather2D_NVLS_V2"), "allgather2d nvls v2");
        assert_eq!(joined("kInt8VectorQuant"), "k int8 vector quant");
        assert_eq!(
            joined("fusedDeepseekV4QNormRopeKVRopeQuantInsertKernel"),
            "fused deepseek v4 q norm rope kv rope quant insert"
        );
    }

    #[test]
    fn non_ascii_is_kept_whole() {
        assert_eq!(joined("käse_Kernel"), "käse");
    }
}
