//! What the classifier is asked.

use crate::dtype::Dtype;

/// How a kernel was launched, as the trace records it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Launch {
    /// Registers a thread; `None` where the trace does not carry it.
    pub registers: Option<u32>,
    /// Static and dynamic shared memory of a block together, in bytes.
    pub shared_memory_bytes: Option<u32>,
    /// Grid size in blocks.
    pub grid: Option<[u32; 3]>,
    /// Block size in threads.
    pub block: Option<[u32; 3]>,
}

/// CUDA compute capability of the device a kernel ran on, such as 9.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ComputeCapability {
    /// Before the dot.
    pub major: u32,
    /// After the dot.
    pub minor: u32,
}

impl ComputeCapability {
    /// From the two numbers CUDA reports.
    pub fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }
}

/// Everything known about one kernel. Only the name is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelQuery<'a> {
    /// The name as the trace spells it: demangled, mangled, nsys's or ncu's spelling. Any bytes.
    pub name: &'a [u8],
    /// How it was launched.
    pub launch: Option<Launch>,
    /// What it ran on.
    pub compute_capability: Option<ComputeCapability>,
    /// Types of the framework operator's tensor inputs, in order, from the trace's
    /// `Input type`; empty where not known.
    pub operand_types: &'a [Dtype],
    /// The type the model is declared to run in. It explains storage where nothing else does; it
    /// is never taken as the type computed in, which is what a precision check must find out.
    pub declared: Option<Dtype>,
}

impl<'a> KernelQuery<'a> {
    /// A query by name alone.
    pub fn named(name: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { name: name.as_ref(), ..Self::default() }
    }
}
