//! From logits to tokens.

use super::{Rule, Types, rule};
use crate::role::Role::Sampling;

pub(super) const RULES: &[Rule] = &[
    rule("topk topp", "topk_topp", Sampling),
    rule("topk sampling", "sampling", Sampling).types(Types::Template),
    rule("topp|minp sampling", "sampling", Sampling),
    rule("topk mask", "topk_mask", Sampling),
    rule("topk renorm", "topk_renorm", Sampling),
    rule("topp renorm", "topp_renorm", Sampling),
    rule("penalty repetition|presence|frequency", "repetition_penalty", Sampling),
    rule("penalty previous|token|length|min", "repetition_penalty", Sampling),
    rule("penalty temperature", "temperature", Sampling),
    rule("penalty", "repetition_penalty", Sampling),
    rule("temperature", "temperature", Sampling),
    rule("minp", "minp", Sampling),
    rule("topp", "topp", Sampling),
    rule("multinomial", "multinomial", Sampling),
    rule("speculative|rejection|eagle|medusa|draft|ngram", "sampling", Sampling),
    rule("tree verify|build|efficient|greedy|mask", "spec_tree", Sampling).types(Types::Storage),
    rule("verify", "sampling", Sampling),
    rule("beam|@beam", "beam_search", Sampling),
    rule("bitmask token|apply|logits", "grammar_bitmask", Sampling),
    rule("ban bad", "ban_words", Sampling),
    rule("stop|length words|criterion", "sampling_bookkeeping", Sampling),
    rule("softmax sampling|online map|reduce|fused|local", "softmax_sampling", Sampling),
    rule("sampling token|logits|fill|gumbel|greedy|recovered|prob", "sampling", Sampling),
    rule("sampling !grid|bilinear|up|down|curand|embedding|affine|roi", "sampling", Sampling),
    rule("topk", "topk", Sampling).types(Types::Template),
    rule("kth", "topk", Sampling),
    rule("argmax", "argmax", Sampling),
    rule("gumbel", "sampling", Sampling),
    rule("logits prob|logprob|logprobs", "sampling_bookkeeping", Sampling),
    rule("logprob|logprobs|ranks", "sampling_bookkeeping", Sampling),
    rule("greedy search", "argmax", Sampling),
    rule("logits anomaly|fix|nan|process", "logits", Sampling),
    rule("logits softcap|soft|cap|bias|temperature|processor|adjust|vocab", "logits", Sampling),
];

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn names_of_libraries_not_listed() {
        assert_eq!(
            line("void acme::top_p_sampling<float>(float*)"),
            "sampling sampling fp32 no unknown"
        );
        assert_eq!(
            line("void acme::apply_repetition_penalty<float>(float*)"),
            "repetition_penalty sampling fp32 no unknown"
        );
        assert_eq!(line("void acme::radix_topk<__half>(__half*)"), "topk sampling fp16 no unknown");
    }
}
