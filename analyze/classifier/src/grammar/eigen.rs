//! Eigen's tensor expressions, as TensorFlow launches them.
//!
//! `Eigen::internal::EigenMetaKernel<TensorEvaluator<TensorAssignOp<destination, expression> …>>`: the
//! first operation inside the assignment that is more than a frame names the kernel (`TensorCwiseBinaryOp<scalar_sum_op<float, …>>`,
//! `TensorConversionOp<half, …>`, `TensorBroadcastingOp`). Reductions have kernels of their own
//! (`FullReductionKernel`, `InnerMostDimReducer…`). Source: Eigen `unsupported/Eigen/CXX11/src/Tensor`.

use crate::class::KernelClass;
use crate::dtype::Dtype;
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;

pub(crate) fn parse(name: &Name<'_>, _query: &KernelQuery<'_>) -> Option<KernelClass> {
    if !name.within("Eigen") {
        return None;
    }
    let span = name.template();
    let function = name.function();
    let dtype = name.first_real(span).unwrap_or(Dtype::Unknown);
    if function.contains("Reduction") {
        return Some(
            make("reduce", Role::Reduce, function).computes(dtype, "scalar type of the expression"),
        );
    }
    if function != "EigenMetaKernel" {
        return None;
    }
    let (word, operation, role) = name
        .words(span)
        .find_map(|(_, word)| OPERATIONS.iter().find(|(key, ..)| word.starts_with(key)))
        .map_or(("TensorAssignOp", "copy", Role::Copy), |(key, operation, role)| {
            (*key, *operation, *role)
        });
    let class = make(operation, role, word);
    Some(match role {
        Role::Cast => class.computes(Dtype::Mixed, "converts between two types"),
        Role::Copy => class.computes(Dtype::Unknown, "moves data").stores(dtype, "scalar type"),
        _ => class.computes(dtype, "scalar type of the expression"),
    })
}

fn make(operation: &'static str, role: Role, word: &str) -> KernelClass {
    KernelClass::new("tensorflow", operation, role, format!("Eigen expression \"{word}\""))
}

const OPERATIONS: &[(&str, &str, Role)] = &[
    ("scalar_sum_op", "add", Role::Elementwise),
    ("scalar_product_op", "mul", Role::Elementwise),
    ("scalar_difference_op", "sub", Role::Elementwise),
    ("scalar_quotient_op", "div", Role::Elementwise),
    ("scalar_logistic_op", "sigmoid", Role::Activation),
    ("scalar_tanh_op", "tanh", Role::Activation),
    ("scalar_max_op", "maximum", Role::Elementwise),
    ("scalar_min_op", "minimum", Role::Elementwise),
    ("scalar_cmp_op", "compare", Role::Elementwise),
    ("scalar_boolean", "logical_and", Role::Elementwise),
    ("scalar_constant_op", "fill", Role::Fill),
    ("scalar_", "elementwise", Role::Elementwise),
    ("TensorConversionOp", "cast", Role::Cast),
    ("TensorSelectOp", "where", Role::Elementwise),
    ("TensorReductionOp", "reduce", Role::Reduce),
    ("TensorScanOp", "cumsum", Role::Scan),
    ("TensorBroadcastingOp", "expand", Role::Copy),
    ("TensorShufflingOp", "transpose", Role::Copy),
    ("TensorPaddingOp", "pad", Role::Copy),
    ("TensorSlicingOp", "slice", Role::Copy),
    ("TensorStridingSlicingOp", "slice", Role::Copy),
    ("TensorConcatenationOp", "concat", Role::Copy),
    ("TensorGeneratorOp", "elementwise", Role::Elementwise),
];

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn the_first_operation_names_the_kernel() {
        assert_eq!(
            line(
                "void Eigen::internal::EigenMetaKernel<Eigen::TensorEvaluator<Eigen::TensorAssignOp<Eigen::TensorMap<Eigen::Tensor<float, 1>>, Eigen::TensorCwiseBinaryOp<Eigen::internal::scalar_sum_op<float const, float const>, int>>>, long>(long)"
            ),
            "add elementwise fp32 no tensorflow"
        );
        assert_eq!(
            line(
                "void Eigen::internal::EigenMetaKernel<Eigen::TensorEvaluator<Eigen::TensorAssignOp<Eigen::TensorMap<Eigen::Tensor<Eigen::half, 1>>, Eigen::TensorConversionOp<Eigen::half, int>>>, long>(long)"
            ),
            "cast cast mixed no tensorflow"
        );
    }
}
