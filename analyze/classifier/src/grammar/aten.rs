//! PyTorch's own kernels: generic launchers whose meaning is in their functor.
//!
//! `at::native::{vectorized|unrolled|…}_elementwise_kernel<width, functor, data, …>`: the functor
//! is a class (`BinaryFunctor<T, T, T, MulFunctor<T>>`, `CUDAFunctor_add<T>`) or the lambda of a
//! named function (`direct_copy_kernel_cuda(..)::{lambda()#3}::…::{lambda(float)#1}`), whose last
//! argument list gives the type. `bfloat16_copy_kernel_cuda` casts to bf16;
//! `direct_copy_kernel_cuda` with
//! `LoadWithCast`/`StoreWithCast` casts between types the name does not state. `reduce_kernel`
//! names its reduction as `…Ops<T>`. Source: pytorch `aten/src/ATen/native/cuda`.

use crate::class::{Confidence, KernelClass};
use crate::dtype::Dtype;
use crate::lexer::Kind;
use crate::name::{Name, Span};
use crate::query::KernelQuery;
use crate::role::Role;
use crate::words::Words;

pub(crate) fn parse(name: &Name<'_>, _query: &KernelQuery<'_>) -> Option<KernelClass> {
    let function = name.function();
    let list = name.template();
    if function == "reduce_kernel" && name.has_word(list, "ReduceOp") {
        return Some(reduction(name, list));
    }
    if is_launcher(function) {
        let functor = name
            .args(list)
            .find(|arg| name.number(*arg).is_none() && name.integer(*arg).is_none())?;
        return Some(pointwise(name, list, functor));
    }
    if function.starts_with("multi_tensor_apply_kernel") {
        return Some(multi_tensor(name, list));
    }
    if function.starts_with("distribution_") {
        return Some(random(name, list));
    }
    if function.starts_with("_scatter_gather_elementwise") || function.starts_with("scatter_gather")
    {
        return Some(make("scatter_gather", Role::Index));
    }
    if function.starts_with("index_elementwise_kernel") || function == "vectorized_gather_kernel" {
        return Some(make("index", Role::Index));
    }
    if function.starts_with("CatArrayBatchedCopy") {
        let element = name.args(list).next().and_then(|arg| name.dtype(arg));
        let class = make("cat", Role::Copy);
        return Some(match element {
            Some(dtype) => class.computes(dtype, "element type argument"),
            None => class.computes(Dtype::Unknown, "opaque elements"),
        });
    }
    None
}

fn make(operation: &'static str, role: Role) -> KernelClass {
    KernelClass::new("aten", operation, role, "ATen functor")
}

fn is_launcher(function: &str) -> bool {
    matches!(
        function,
        "vectorized_elementwise_kernel"
            | "unrolled_elementwise_kernel"
            | "elementwise_kernel"
            | "elementwise_kernel_manual_unroll"
            | "legacy_elementwise_kernel"
            | "elementwise_kernel_with_index"
            | "unrolled_elementwise_kernel_for_multi_outputs"
            | "vectorized_templated_elementwise_kernel"
            | "kernelPointwiseApply1"
            | "kernelPointwiseApply2"
            | "kernelPointwiseApply3"
    )
}

/// What a functor does: the first of its names that the table knows.
fn pointwise(name: &Name<'_>, list: Span, functor: Span) -> KernelClass {
    let mut found = None;
    for (_, word) in name.words(functor) {
        if is_plumbing(word) {
            continue;
        }
        if let Some(hit) = operation(word) {
            found = Some((hit, word.to_owned()));
            break;
        }
    }
    let dtype = functor_type(name, functor);
    let Some(((operation, role), word)) = found else {
        return typed(make("elementwise", Role::Elementwise), dtype);
    };
    let why = format!("functor \"{word}\"");
    let casts = name.has_word(list, "LoadWithCast") || name.has_word(list, "StoreWithCast");
    if let Some(target) = word.strip_suffix("_copy_kernel_cuda").and_then(Dtype::parse) {
        return KernelClass::new("aten", "cast_copy", Role::Cast, why)
            .computes(Dtype::Unknown, "a cast computes in neither type")
            .stores(target, "target of the cast");
    }
    if operation == "copy" {
        let class = KernelClass::new(
            "aten",
            if casts { "cast_copy" } else { "copy" },
            if casts { Role::Cast } else { Role::Copy },
            why,
        );
        if casts {
            let class =
                class.computes(Dtype::Unknown, "casts between types the name does not state");
            return match dtype {
                Some(dtype) => class.stores(dtype, "one side of the cast"),
                None => class,
            };
        }
        return typed(class, dtype);
    }
    typed(KernelClass::new("aten", operation, role, why), dtype)
}

fn typed(class: KernelClass, dtype: Option<Dtype>) -> KernelClass {
    match dtype {
        Some(dtype) => class.computes(dtype, "type of the functor or its last lambda"),
        None => class.computes(Dtype::Unknown, "opaque elements"),
    }
}

/// The functor's type: its first type argument, else the first parameter of its last lambda.
fn functor_type(name: &Name<'_>, functor: Span) -> Option<Dtype> {
    // The launcher's own `gpu_kernel_impl<F>(..)::{lambda(int)#1}` is a loop index, not a type.
    let inner = ["gpu_kernel_impl", "gpu_kernel_impl_nocast"]
        .into_iter()
        .find_map(|wrapper| name.list_of(functor, wrapper))
        .unwrap_or(functor);
    let head = name.words(inner).find(|(index, word)| {
        !is_plumbing_space(word) && name.kind(index + 1) != Some(Kind::Scope)
    });
    let first_argument = head
        .and_then(|(index, _)| name.list_after(index))
        .and_then(|list| name.args(list).next())
        .and_then(|arg| name.dtype(arg));
    if first_argument.is_some() {
        return first_argument;
    }
    let mut last = None;
    for (index, word) in name.words(inner) {
        let open = index + 1;
        if word == "lambda" && name.kind(open) == Some(Kind::Open(b'(')) {
            let params = name.group(open);
            if let Some(first) = name.args(params).next() {
                let pointer = (first.start..first.end.min(first.start + MAX_TYPE_TOKENS))
                    .any(|at| name.kind(at) == Some(Kind::Symbol(b'*')));
                if !pointer {
                    last = name.dtype(first).or(last);
                }
            }
        }
    }
    last
}

/// How far into a lambda's parameter a pointer is looked for, so that nested lambdas stay cheap.
const MAX_TYPE_TOKENS: u32 = 16;

fn is_plumbing_space(word: &str) -> bool {
    matches!(
        word,
        "at" | "native"
            | "c10"
            | "cuda"
            | "void"
            | "const"
            | "binary_internal"
            | "templates"
            | "detail"
    )
}

fn is_plumbing(word: &str) -> bool {
    is_plumbing_space(word)
        || matches!(
            word,
            "gpu_kernel_impl"
                | "gpu_kernel_impl_nocast"
                | "BinaryFunctor"
                | "AUnaryFunctor"
                | "BUnaryFunctor"
                | "UnaryFunctor"
                | "lambda"
                | "instance"
                | "TensorIteratorBase"
                | "TensorIterator"
                | "Scalar"
                | "operator()"
                | "operator ()"
                | "opmath_gpu_kernel_with_scalars"
                | "opmath_symmetric_gpu_kernel_with_scalars"
        )
}

/// Operation of a functor or function name.
fn operation(word: &str) -> Option<(&'static str, Role)> {
    let words = Words::of(word);
    let has = |word: &str| words.has(word);
    let any = |list: &[&str]| words.has_any(list);
    use Role::{Activation, Cast, Copy, Elementwise, Fill, Index, Loss, Rng};
    if any(&["float", "float8"]) && has("quant") {
        return Some(("quantize", Role::Quantize));
    }
    Some(if has("copy") {
        ("copy", Copy)
    } else if any(&["dequant"]) {
        ("dequantize", Role::Dequantize)
    } else if any(&["quant", "hfp8"]) {
        ("quantize", Role::Quantize)
    } else if any(&["fill"]) && any(&["masked"]) {
        ("masked_fill", Elementwise)
    } else if any(&["fill"]) {
        ("fill", Fill)
    } else if any(&["arange", "range", "linspace", "logspace"]) {
        ("arange", Fill)
    } else if any(&["mse", "bce", "smooth", "huber", "nll"]) || has("binary") && has("crossentropy")
    {
        (if has("mse") { "mse" } else { "loss" }, Loss)
    } else if has("functor") && has("add") && any(&["on"]) || word.starts_with("CUDAFunctorOn") {
        ("add_scalar", Elementwise)
    } else if any(&["addcmul"]) {
        ("addcmul", Elementwise)
    } else if any(&["addcdiv"]) {
        ("addcdiv", Elementwise)
    } else if has("softplus")
        || any(&[
            "elu",
            "selu",
            "celu",
            "mish",
            "prelu",
            "silu",
            "hardsigmoid",
            "hardtanh",
            "glu",
            "leaky",
            "softshrink",
            "hardshrink",
        ])
    {
        ("activation", Activation)
    } else if has("hardswish") {
        ("hardswish", Activation)
    } else if has("gelu") {
        ("gelu", Activation)
    } else if has("sigmoid") {
        ("sigmoid", Activation)
    } else if has("tanh") {
        ("tanh", Activation)
    } else if any(&["threshold", "relu"]) {
        ("relu_threshold", Activation)
    } else if any(&["logical"]) {
        (
            if has("or") {
                "logical_or"
            } else if has("not") {
                "logical_not"
            } else if has("xor") {
                "logical_xor"
            } else {
                "logical_and"
            },
            Elementwise,
        )
    } else if any(&["bitwise"]) {
        ("bitwise", Elementwise)
    } else if any(&[
        "compare", "isnan", "isinf", "eq", "ne", "lt", "gt", "le", "ge", "isposinf", "isneginf",
    ]) {
        ("compare", Elementwise)
    } else if has("where") {
        ("where", Elementwise)
    } else if any(&["clamp"]) {
        ("clamp", Elementwise)
    } else if any(&["nan"]) {
        ("nan_to_num", Elementwise)
    } else if any(&["cat"]) {
        ("cat", Copy)
    } else if any(&["dropout"]) {
        ("dropout", Elementwise)
    } else if any(&["bernoulli", "uniform", "normal", "random", "exponential", "philox"]) {
        ("uniform_rng", Rng)
    } else if any(&["cast"]) {
        ("cast", Cast)
    } else if any(&["index", "gather", "take", "put"]) {
        ("index", Index)
    } else if any(&["batchnorm"]) || has("batch") && has("norm") {
        ("batch_norm", Role::Norm)
    } else {
        const PLAIN: [(&str, &str); 42] = [
            ("mul", "mul"),
            ("div", "div"),
            ("true", "div"),
            ("remainder", "remainder"),
            ("fmod", "remainder"),
            ("pow", "pow"),
            ("rsqrt", "rsqrt"),
            ("sqrt", "sqrt"),
            ("reciprocal", "reciprocal"),
            ("exp", "exp"),
            ("exp2", "exp"),
            ("expm1", "exp"),
            ("log", "log"),
            ("log2", "log"),
            ("log1p", "log"),
            ("log10", "log"),
            ("sin", "sin"),
            ("cos", "cos"),
            ("tan", "tan"),
            ("asin", "asin"),
            ("acos", "acos"),
            ("atan", "atan"),
            ("atan2", "atan"),
            ("sinh", "sinh"),
            ("cosh", "cosh"),
            ("erf", "erf"),
            ("erfc", "erf"),
            ("erfinv", "erf"),
            ("neg", "neg"),
            ("abs", "abs"),
            ("sign", "sign"),
            ("floor", "floor"),
            ("ceil", "ceil"),
            ("round", "round"),
            ("trunc", "trunc"),
            ("max", "maximum"),
            ("maximum", "maximum"),
            ("min", "minimum"),
            ("minimum", "minimum"),
            ("lerp", "lerp"),
            ("sub", "sub"),
            ("add", "add"),
        ];
        let hit = words.iter().find_map(|word| PLAIN.iter().find(|(key, _)| *key == word));
        (hit?.1, Elementwise)
    })
}

fn reduction(name: &Name<'_>, list: Span) -> KernelClass {
    let op_list = name.list_of(list, "ReduceOp").unwrap_or(list);
    let dtype = name.args(op_list).next().and_then(|arg| name.dtype(arg));
    let word = name.find_word(op_list, |word| reduction_operation(word).is_some()).unwrap_or("");
    let (operation, role) = reduction_operation(word).unwrap_or(("reduce", Role::Reduce));
    typed(KernelClass::new("aten", operation, role, format!("reduction \"{word}\"")), dtype)
}

fn reduction_operation(word: &str) -> Option<(&'static str, Role)> {
    let lower = word.to_ascii_lowercase();
    let has = |part: &str| lower.contains(part);
    Some(if has("argmax") {
        ("reduce_argmax", Role::Sampling)
    } else if has("argmin") {
        ("reduce_argmin", Role::Reduce)
    } else if has("meanops") || has("mean_kernel") {
        ("reduce_mean", Role::Reduce)
    } else if has("sum_functor") || has("sum_kernel") || has("nansum") || has("sumops") {
        ("reduce_sum", Role::Reduce)
    } else if has("welford") || has("stdops") || has("std_var") {
        ("reduce_var", Role::Reduce)
    } else if has("normtwo") {
        ("reduce_norm2", Role::Reduce)
    } else if has("normops") || has("absmax") || has("absmin") || has("normone") || has("normzero")
    {
        ("reduce_norm", Role::Reduce)
    } else if has("minmax") {
        ("reduce_minmax", Role::Reduce)
    } else if has("maxops")
        || has("maxnan")
        || has("max_values")
        || has("max_functor")
        || has("max_kernel")
    {
        ("reduce_max", Role::Reduce)
    } else if has("minops") || has("minnan") || has("min_values") || has("min_functor") {
        ("reduce_min", Role::Reduce)
    } else if has("prod_functor") || has("prod_kernel") {
        ("reduce_prod", Role::Reduce)
    } else if has("or_kernel") {
        ("reduce_any", Role::Reduce)
    } else if has("and_kernel") {
        ("reduce_all", Role::Reduce)
    } else if has("xor_sum") {
        ("reduce", Role::Reduce)
    } else {
        return None;
    })
}

fn multi_tensor(name: &Name<'_>, list: Span) -> KernelClass {
    let functor = name.args(list).nth(1).unwrap_or(list);
    let head = name.head(functor).to_owned();
    let dtype = name.first_real(functor).or_else(|| name.first_real(list));
    let lower = head.to_ascii_lowercase();
    let optimizer = ["adam", "sgd", "lamb", "adagrad", "novograd", "lion", "muon", "rmsprop"]
        .iter()
        .any(|step| lower.contains(step));
    let (operation, role) = if optimizer {
        ("optimizer", Role::Optimizer)
    } else if lower.contains("l2norm") || lower.contains("lpnorm") || lower.contains("lpmax") {
        ("reduce_norm2", Role::Reduce)
    } else if lower.contains("copy") {
        ("copy", Role::Copy)
    } else {
        ("elementwise", Role::Elementwise)
    };
    typed(
        KernelClass::new("aten", operation, role, format!("multi-tensor functor \"{head}\"")),
        dtype,
    )
}

fn random(name: &Name<'_>, list: Span) -> KernelClass {
    let class = make("uniform_rng", Role::Rng);
    let class = if name.find_word(list, |word| word.starts_with("normal")).is_some() {
        make("normal_rng", Role::Rng)
    } else {
        class
    };
    typed(class, name.args(list).next().and_then(|arg| name.dtype(arg)))
        .role_confidence(Confidence::High)
}

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn functors_by_class() {
        assert_eq!(
            line(
                "void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<c10::Half>, std::array<char*, 3ul>>(int)"
            ),
            "add elementwise fp16 no aten"
        );
        assert_eq!(
            line(
                "void at::native::elementwise_kernel<128, 4, at::native::gpu_kernel_impl_nocast<at::native::BinaryFunctor<long, long, bool, at::native::(anonymous namespace)::CompareEqFunctor<long>>>(at::TensorIteratorBase&)::{lambda(int)#1}>(int)"
            ),
            "compare elementwise int64 no aten"
        );
        assert_eq!(
            line(
                "void at::native::vectorized_elementwise_kernel<(int)4, at::native::FillFunctor<long>, std::array<char *, (unsigned long)1>>(int, T2, T3)"
            ),
            "fill fill int64 no aten"
        );
    }

    #[test]
    fn functors_by_lambda() {
        assert_eq!(
            line(
                "void at::native::elementwise_kernel<128, 2, at::native::gpu_kernel_impl<at::native::direct_copy_kernel_cuda(at::TensorIteratorBase&)::{lambda()#2}::operator()() const::{lambda()#14}::operator()() const::{lambda(float)#1}>(at::TensorIteratorBase&)::{lambda(int)#1}>(int)"
            ),
            "copy copy fp32 no aten"
        );
        assert_eq!(
            line(
                "void at::native::vectorized_elementwise_kernel<4, at::native::tanh_kernel_cuda(at::TensorIteratorBase&)::{lambda()#2}::operator()() const::{lambda()#4}::operator()() const::{lambda(c10::BFloat16)#1}, std::array<char*, 2ul>>(int)"
            ),
            "tanh activation bf16 no aten"
        );
        assert_eq!(
            line(
                "void at::native::vectorized_elementwise_kernel<4, at::native::bfloat16_copy_kernel_cuda(at::TensorIteratorBase&)::{lambda(float)#1}, std::array<char*, 2ul>>(int)"
            ),
            "cast_copy cast unknown no aten"
        );
    }

    #[test]
    fn reductions() {
        assert_eq!(
            line(
                "void at::native::reduce_kernel<512, 1, at::native::ReduceOp<c10::Half, at::native::MeanOps<c10::Half, float, float, c10::Half>, unsigned int, c10::Half, 4>>(T1)"
            ),
            "reduce_mean reduce fp16 no aten"
        );
        assert_eq!(
            line(
                "void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float, at::native::ArgMaxOps<float>, unsigned int, long, 4>>(T1)"
            ),
            "reduce_argmax sampling fp32 no aten"
        );
    }
}
