//! Kernels written in CuTe DSL (Python), as FlashInfer, FlashAttention 4 and CUTLASS examples ship.
//!
//! `kernel_cutlass_{function}_{module path without dots}{Class}_object_at__{arguments}`, where a
//! tensor argument reads `tensorptr{type}{space}align…o{shape}_…`: `tensorptrbf16gmemalign16…`. The
//! first tensor's type is the operand; the class is read like any function name.

use crate::class::{Confidence, KernelClass, TensorCore};
use crate::dtype::{self, Dtype};
use crate::name::Name;
use crate::query::KernelQuery;
use crate::table;
use crate::words::Words;

pub(crate) fn parse(name: &Name<'_>, query: &KernelQuery<'_>) -> Option<KernelClass> {
    let symbol = name.function();
    let rest = symbol.strip_prefix("kernel_cutlass_")?;
    let (identity, arguments) = rest.split_once("_object_at_").unwrap_or((rest, rest));
    // Module names run together: from the class on there is camel case again.
    let class_at = identity.find(|c: char| c.is_ascii_uppercase()).unwrap_or(0);
    let class_name = &identity[class_at..];
    let library = if identity.contains("flashinfer") {
        "flashinfer"
    } else if identity.contains("flash_attn") || identity.contains("flashattn") {
        "flash_attn4"
    } else {
        "cute_dsl"
    };
    let operand = tensor_types(arguments).next();
    let mut class = table::by_words(&Words::of(class_name), name, query)
        .or_else(|| table::by_words(&Words::of(identity), name, query))?;
    class.library.value = library;
    class = match operand {
        Some(dtype) => class.computes(dtype, "type of the first tensor argument"),
        None => class.computes(Dtype::Unknown, "no tensor argument in the name"),
    };
    if class.role.value.is_matmul() && operand.is_some_and(Dtype::is_narrow_real) {
        let combines = class.operation.value == "attention_combine"
            || class.tensor_core.value == TensorCore::No;
        if !combines {
            class = class.on_tensor_cores(
                TensorCore::Yes,
                Confidence::Medium,
                "CuTe DSL multiply of narrow operands",
            );
        }
    }
    Some(class)
}

/// `tensorptrbf16gmem…`, `TensorptrFloat16…`
fn tensor_types(arguments: &str) -> impl Iterator<Item = Dtype> {
    arguments.match_indices("ptr").filter_map(|(at, _)| {
        let rest = &arguments[at + 3..];
        let end = ["gmem", "smem", "tmem", "rmem", "generic"]
            .iter()
            .filter_map(|space| rest.find(space))
            .min()?;
        dtype::from_tag(&rest.get(..end)?.to_ascii_lowercase())
    })
}

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn class_and_first_tensor() {
        assert_eq!(
            line(
                "kernel_cutlass_kernel_flashinfernormkernelsrmsnormRMSNormKernel_object_at__tensorptrbf16gmemalign128o204820481_tensorptrbf16gmemalign16o20481_0"
            ),
            "rmsnorm norm bf16 no flashinfer"
        );
        assert_eq!(
            line(
                "kernel_cutlass_kernel_flash_attncuteflash_fwd_sm100FlashAttentionForwardSm100_object_at__tensorptrf16gmemalign16o_0"
            ),
            "attention_fwd attention fp16 yes flash_attn4"
        );
    }
}
