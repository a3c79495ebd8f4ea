//! The answer: what a kernel is, field by field, each with its reason.

use std::borrow::Cow;

use crate::dtype::Dtype;
use crate::role::Role;

/// Whether a kernel's multiplies run on tensor (or matrix) cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TensorCore {
    /// They do.
    Yes,
    /// They run on the ordinary cores, or the kernel multiplies no matrices.
    No,
    /// The evidence does not tell.
    Unknown,
}

impl TensorCore {
    /// The stable spelling: `yes`, `no` or `unknown`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

impl std::fmt::Display for TensorCore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far a field can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Confidence {
    /// A guess from words or launch shape.
    Low,
    /// A convention with known exceptions.
    Medium,
    /// The naming convention states it.
    High,
}

impl Confidence {
    /// The stable spelling: `low`, `medium` or `high`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl std::fmt::Display for Confidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A value, how far to trust it, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact<T> {
    /// The value.
    pub value: T,
    /// How far it can be trusted.
    pub confidence: Confidence,
    /// What in the name, the launch or the operands says so.
    pub why: Cow<'static, str>,
}

impl<T> Fact<T> {
    pub(crate) fn new(value: T, confidence: Confidence, why: impl Into<Cow<'static, str>>) -> Self {
        Self { value, confidence, why: why.into() }
    }
}

/// What a variant fact describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum VariantKind {
    /// Architecture the code was generated for, such as `sm90` or `ampere`.
    Arch,
    /// Output tile, such as `128x256` or `128x256x64`.
    Tile,
    /// Software pipeline stages.
    Stages,
    /// Thread-block cluster shape.
    Cluster,
    /// The K dimension is split over thread blocks.
    SplitK,
    /// Operand layouts, such as `TNT` or `nhwc`.
    Layout,
    /// What the epilogue adds: bias, activation, scaling.
    Epilogue,
    /// Tile schedule: raster order, cooperative or ping-pong, persistent.
    Schedule,
    /// Matrix instruction shape, such as `16816`.
    Instruction,
    /// Type the products are accumulated in.
    Accumulator,
    /// Attention head dimension.
    HeadDim,
    /// Collective algorithm and protocol the name states.
    Algorithm,
}

impl VariantKind {
    /// The stable spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Arch => "arch",
            Self::Tile => "tile",
            Self::Stages => "stages",
            Self::Cluster => "cluster",
            Self::SplitK => "split_k",
            Self::Layout => "layout",
            Self::Epilogue => "epilogue",
            Self::Schedule => "schedule",
            Self::Instruction => "instruction",
            Self::Accumulator => "accumulator",
            Self::HeadDim => "head_dim",
            Self::Algorithm => "algorithm",
        }
    }
}

/// One implementation detail the name states, in the name's own spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// What it describes.
    pub kind: VariantKind,
    /// As the name spells it.
    pub value: String,
}

/// What a kernel is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelClass {
    /// What it computes: `gemm`, `attention_fwd_splitkv`, `rmsnorm_quant`, … An open vocabulary.
    pub operation: Fact<&'static str>,
    /// The part it plays in a model: a closed vocabulary.
    pub role: Fact<Role>,
    /// For matrix multiplies the type the multiply runs in, elsewhere the type computed in.
    pub compute_dtype: Fact<Dtype>,
    /// The type of the main operand in memory, where it differs or is all that is known.
    pub storage_dtype: Fact<Dtype>,
    /// Whether tensor cores do the multiplies.
    pub tensor_core: Fact<TensorCore>,
    /// The library or generator the kernel comes from; `unknown` where the name does not tell.
    pub library: Fact<&'static str>,
    /// Tile, stages, cluster, architecture and the like, as far as the name states them.
    pub variants: Vec<Variant>,
}

impl KernelClass {
    /// The lowest confidence among role, compute type and tensor core, leaving out the fields
    /// whose answer is "unknown".
    pub fn confidence(&self) -> Confidence {
        let mut lowest = self.role.confidence;
        if self.compute_dtype.value != Dtype::Unknown {
            lowest = lowest.min(self.compute_dtype.confidence);
        }
        if self.tensor_core.value != TensorCore::Unknown {
            lowest = lowest.min(self.tensor_core.confidence);
        }
        lowest
    }

    /// The reasons of every field in one line.
    pub fn why(&self) -> String {
        let mut parts: Vec<&str> = Vec::with_capacity(3);
        for why in [&self.role.why, &self.compute_dtype.why, &self.tensor_core.why] {
            if !why.is_empty() && !parts.contains(&why.as_ref()) {
                parts.push(why);
            }
        }
        parts.join("; ")
    }

    /// The first variant fact of a kind.
    pub fn variant(&self, kind: VariantKind) -> Option<&str> {
        self.variants.iter().find(|variant| variant.kind == kind).map(|v| v.value.as_str())
    }

    /// One line of JSON without a line end:
    /// `{name, operation, role, compute_dtype, storage_dtype, tensor_core, library, confidence,
    /// why}`.
    pub fn to_json_line(&self, name: &str) -> String {
        let mut out = String::with_capacity(name.len() + 256);
        let fields = [
            ("name", Cow::Borrowed(name)),
            ("operation", Cow::Borrowed(self.operation.value)),
            ("role", Cow::Borrowed(self.role.value.as_str())),
            ("compute_dtype", Cow::Borrowed(self.compute_dtype.value.as_str())),
            ("storage_dtype", Cow::Borrowed(self.storage_dtype.value.as_str())),
            ("tensor_core", Cow::Borrowed(self.tensor_core.value.as_str())),
            ("library", Cow::Borrowed(self.library.value)),
            ("confidence", Cow::Borrowed(self.confidence().as_str())),
            ("why", Cow::Owned(self.why())),
        ];
        out.push('{');
        for (index, (key, value)) in fields.iter().enumerate() {
            if index > 0 {
                out.push_str(", ");
            }
            push_json_string(&mut out, key);
            out.push_str(": ");
            push_json_string(&mut out, value);
        }
        out.push('}');
        out
    }
}

/// Building an answer; every grammar ends in one of these chains.
impl KernelClass {
    /// An operation of a library. Matrix-multiply roles start with tensor cores unknown, every
    /// other role starts without tensor cores.
    pub(crate) fn new(
        library: &'static str,
        operation: &'static str,
        role: Role,
        why: impl Into<Cow<'static, str>>,
    ) -> Self {
        let tensor_core = if role.is_matmul() {
            Fact::new(TensorCore::Unknown, Confidence::Low, "")
        } else {
            Fact::new(TensorCore::No, Confidence::High, "multiplies no matrices")
        };
        let why = why.into();
        Self {
            operation: Fact::new(operation, Confidence::High, why.clone()),
            role: Fact::new(role, Confidence::High, why),
            compute_dtype: Fact::new(Dtype::Unknown, Confidence::Low, ""),
            storage_dtype: Fact::new(Dtype::Unknown, Confidence::Low, ""),
            tensor_core,
            library: Fact::new(library, Confidence::High, "name"),
            variants: Vec::new(),
        }
    }

    /// Sets the type computed in; [`Dtype::Unknown`] is accepted and explained.
    pub(crate) fn computes(mut self, dtype: Dtype, why: impl Into<Cow<'static, str>>) -> Self {
        self.compute_dtype = Fact::new(dtype, Confidence::High, why);
        if self.storage_dtype.value == Dtype::Unknown && dtype != Dtype::Unknown {
            self.storage_dtype = self.compute_dtype.clone();
        }
        self
    }

    /// Sets the operand type in memory.
    pub(crate) fn stores(mut self, dtype: Dtype, why: impl Into<Cow<'static, str>>) -> Self {
        self.storage_dtype = Fact::new(dtype, Confidence::High, why);
        self
    }

    /// Sets the tensor-core answer.
    pub(crate) fn on_tensor_cores(
        mut self,
        answer: TensorCore,
        confidence: Confidence,
        why: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.tensor_core = Fact::new(answer, confidence, why);
        self
    }

    /// Lowers the confidence of role and operation.
    pub(crate) fn role_confidence(mut self, confidence: Confidence) -> Self {
        self.role.confidence = confidence;
        self.operation.confidence = confidence;
        self
    }

    /// Lowers the confidence of the type computed in.
    pub(crate) fn dtype_confidence(mut self, confidence: Confidence) -> Self {
        self.compute_dtype.confidence = confidence;
        self
    }

    /// Adds an implementation detail.
    pub(crate) fn with(mut self, kind: VariantKind, value: impl Into<String>) -> Self {
        self.variants.push(Variant { kind, value: value.into() });
        self
    }
}

fn push_json_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => {
                out.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_line_is_one_escaped_object() {
        let class = KernelClass::new("nccl", "allreduce", Role::Collective, "prefix \"nccl\"");
        assert_eq!(
            class.to_json_line("a\"b\n"),
            "{\"name\": \"a\\\"b\\n\", \"operation\": \"allreduce\", \"role\": \"collective\", \
             \"compute_dtype\": \"unknown\", \"storage_dtype\": \"unknown\", \
             \"tensor_core\": \"no\", \"library\": \"nccl\", \"confidence\": \"high\", \
             \"why\": \"prefix \\\"nccl\\\"; multiplies no matrices\"}"
        );
    }
}
