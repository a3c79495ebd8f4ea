//! One-off preparation of weights.

use super::{Rule, Types, rule};
use crate::role::Role::WeightPrep;

pub(super) const RULES: &[Rule] = &[
    rule("repack|prepack", "weight_repack", WeightPrep),
    rule("permute proj", "weight_repack", WeightPrep),
    rule("preprocess weight|weights|awq|gptq|zp|marlin", "weight_repack", WeightPrep),
    rule("interleave|permute|pack|unpack weight|weights|b|qweight", "weight_repack", WeightPrep),
    rule("marlin pack|permute|reorder", "weight_repack", WeightPrep),
    rule("make sequential", "weight_shuffle", WeightPrep),
    rule(
        "shuffle 2bit|3bit|4bit|8bit|exllama|gptq|weights|weight|qweight",
        "weight_shuffle",
        WeightPrep,
    ),
    rule("sequential|rearrange weight|weights|kn|qweight", "weight_shuffle", WeightPrep),
    rule("sparse24|sparsify|sparsify24|sparsifier", "sparsify24", WeightPrep)
        .types(Types::Template),
    rule("sparsenm", "sparsify24", WeightPrep).types(Types::Template),
    rule("sparse nm dense", "sparsify24", WeightPrep).types(Types::Template),
    rule("compress sparse", "sparse_compress", WeightPrep),
    rule("prune", "sparsify24", WeightPrep).types(Types::Template),
];

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn names_of_libraries_not_listed() {
        assert_eq!(
            line("void acme::gptq_repack_kernel<4>(unsigned int*)"),
            "weight_repack weight_prep unknown no unknown"
        );
        assert_eq!(
            line("void acme::make_sequential_kernel(unsigned int*)"),
            "weight_shuffle weight_prep unknown no unknown"
        );
    }
}
