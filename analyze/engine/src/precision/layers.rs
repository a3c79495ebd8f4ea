//! Kernels that are layers of a TensorRT engine: their class is that of the layer's tactic.
//!
//! The engine's graph is imported as operators: one named by the layer, and one of the same external
//! id named `tensorrt::<layer type>/<tactic>` with the types of inputs and weights. Kernels of a
//! layer profile carry the layer's name.

use std::borrow::Cow;

use hashbrown::HashMap;
use underspan_classifier::{
    Confidence, Dtype, Fact, KernelClass, KernelQuery, Role, TensorCore, classify,
};
use underspan_model::{NONE_U64, StringId, Timeline};

use super::operands::parse_types;

/// What the name of a layer's implementation begins with.
const PREFIX: &str = "tensorrt::";

/// The class of every layer by its name.
pub(super) fn layer_classes(timeline: &Timeline) -> HashMap<StringId, KernelClass> {
    let ops = &timeline.cpu_ops;
    let text = |id: u32| timeline.strings.resolve_or_empty(StringId::from_raw(id));
    let mut implementations: HashMap<(u32, u64), KernelClass> = HashMap::new();
    let prefixed: hashbrown::HashSet<u32> = {
        let names: hashbrown::HashSet<u32> = ops.name.iter().copied().collect();
        names.into_iter().filter(|name| text(*name).starts_with(PREFIX)).collect()
    };
    if prefixed.is_empty() {
        return HashMap::new();
    }
    for op in ops.iter().filter(|op| prefixed.contains(&op.name) && op.external_id != NONE_U64) {
        let types = parse_types(text(op.input_types));
        if let Some(rest) = text(op.name).strip_prefix(PREFIX) {
            let (kind, tactic) = rest.split_once('/').unwrap_or((rest, ""));
            implementations.insert((op.thread, op.external_id), layer_class(kind, tactic, &types));
        }
    }
    let mut classes: HashMap<StringId, KernelClass> = HashMap::new();
    for op in ops.iter().filter(|op| !prefixed.contains(&op.name)) {
        if let Some(class) = implementations.get(&(op.thread, op.external_id)) {
            classes.entry(StringId::from_raw(op.name)).or_insert_with(|| class.clone());
        }
    }
    classes
}

/// The class of a layer from its type, its tactic and the types of input, output and weights.
fn layer_class(kind: &str, tactic: &str, types: &[Dtype]) -> KernelClass {
    let mut class = classify(&KernelQuery { operand_types: types, ..KernelQuery::named(tactic) });
    let (operation, role) = layer_role(kind, types);
    let why = || Cow::Owned(format!("TensorRT layer type {kind}"));
    if role != Role::Other || class.role.value == Role::Other {
        class.operation = Fact { value: operation, confidence: Confidence::High, why: why() };
        class.role = Fact { value: role, confidence: Confidence::High, why: why() };
    }
    if !class.role.value.is_matmul() {
        class.tensor_core =
            Fact { value: TensorCore::No, confidence: Confidence::High, why: why() };
    } else if tactic.is_empty() {
        class.tensor_core =
            Fact { value: TensorCore::Unknown, confidence: Confidence::Low, why: "".into() };
    }
    if class.compute_dtype.value == Dtype::Unknown
        && let Some(first) = types.first()
    {
        let why = Cow::Borrowed("format of the layer's first input");
        // fp32 in memory may be multiplied as TF32: only the tactic tells.
        if !(class.role.value.is_matmul() && *first == Dtype::Fp32) {
            class.compute_dtype = Fact { value: *first, confidence: Confidence::Medium, why };
        }
    }
    class.library = Fact { value: "tensorrt", confidence: Confidence::High, why: why() };
    class
}

/// Layer types as `IEngineInspector` prints them.
fn layer_role(kind: &str, types: &[Dtype]) -> (&'static str, Role) {
    let lower = kind.to_ascii_lowercase();
    let has = |word: &str| lower.contains(word);
    let is_conversion = types.len() > 1 && types.first() != types.last();
    if has("conv") {
        ("conv", Role::Conv)
    } else if has("gemm") || has("matrixmultiply") || has("fullyconnected") || has("matmul") {
        ("gemm", Role::Gemm)
    } else if has("pooling") {
        ("pooling", Role::Pooling)
    } else if has("reformat") && is_conversion && types.last() == Some(&Dtype::Int8) {
        ("quantize", Role::Quantize)
    } else if has("reformat") && is_conversion && types.first() == Some(&Dtype::Int8) {
        ("dequantize", Role::Dequantize)
    } else if has("reformat") && is_conversion {
        ("cast", Role::Cast)
    } else if has("reformat") || has("shuffle") || has("noop") || has("concat") || has("slice") {
        ("copy", Role::Copy)
    } else if has("softmax") {
        ("softmax", Role::Softmax)
    } else if has("norm") {
        ("norm", Role::Norm)
    } else if has("reduce") {
        ("reduce", Role::Reduce)
    } else if has("gather") || has("scatter") {
        ("index", Role::Index)
    } else if has("pointwise") || has("elementwise") || has("scale") || has("activation") {
        ("elementwise", Role::Elementwise)
    } else if has("mha") || has("attention") {
        ("attention", Role::Attention)
    } else {
        ("unknown", Role::Other)
    }
}
