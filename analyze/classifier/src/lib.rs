//! What a GPU kernel is and what precision it ran in, from its name and launch.
//!
//! [`classify`] reads a kernel name as any profiler spells it and answers, field by field, with a
//! reason and a confidence: operation, role, the type it computes in, whether that runs on tensor
//! cores, and the library it comes from. **"Unknown" is an answer**: Inductor, Myelin and most
//! Triton names carry no type, and a wrong type is worse than none.
//!
//! ```
//! use underspan_classifier::{Dtype, KernelQuery, Role, TensorCore, classify};
//!
//! let class = classify(&KernelQuery::named("volta_fp16_sgemm_fp16_32x128_nn"));
//! assert_eq!(class.role.value, Role::Gemm);
//! assert_eq!(class.compute_dtype.value, Dtype::Fp32); // fp16 in memory, fp32 on CUDA cores
//! assert_eq!(class.storage_dtype.value, Dtype::Fp16);
//! assert_eq!(class.tensor_core.value, TensorCore::No);
//! ```
//!
//! # How a name is read
//!
//! 1. Mangled names are demangled, the four spellings become one token stream, brackets are paired
//!    once. Names come from strangers' files: at most 64 KiB are read, in linear time, without
//!    recursion.
//! 2. The grammars of the registry are tried in order: prefix conventions first (`nvjet_`, `xmma`,
//!    `cutlass_80_`, …), then template walks (`device_kernel<..>`), then ATen functors.
//! 3. Names no grammar claims go to the function table, which reads the words of the function's own
//!    name.
//! 4. Launch shape, compute capability and operand types fill what is still unknown.
//!
//! # Adding a library
//!
//! One file in `src/grammar/` with a `parse` function, its convention and source in the file's
//! comment, its tests below, and one line in the registry in `src/grammar/mod.rs`. Open-source
//! kernels whose names are plain words usually need only a line in `src/table/`.

mod cache;
mod class;
mod classify;
mod demangle;
mod dtype;
mod evidence;
mod grammar;
mod lexer;
mod library;
mod name;
mod query;
mod role;
mod short_name;
mod table;
mod words;

pub use cache::ClassCache;
pub use class::{Confidence, Fact, KernelClass, TensorCore, Variant, VariantKind};
pub use classify::{Ablation, classify, classify_without};
pub use dtype::Dtype;
pub use query::{ComputeCapability, KernelQuery, Launch};
pub use role::Role;
pub use short_name::short_name;
