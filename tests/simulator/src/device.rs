//! The GPUs that simulated servers run on: public data-sheet figures, and how much of them
//! kernels reach in practice.

/// One GPU model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gpu {
    /// Name as the driver prints it.
    pub name: &'static str,
    /// Compute capability, major and minor.
    pub capability: (u32, u32),
    /// Streaming multiprocessors.
    pub sms: u32,
    /// Memory, bytes.
    pub memory_bytes: u64,
    /// Dense 16-bit tensor-core rate, flop per ns.
    pub half_rate: f64,
    /// FP32 rate of the CUDA cores, flop per ns.
    pub single_rate: f64,
    /// Memory rate, bytes per ns.
    pub memory_rate: f64,
    /// Host link, bytes per ns, page-locked memory.
    pub link_rate: f64,
    /// Highest SM clock, MHz.
    pub max_clock_mhz: u32,
    /// SM clock while idle, MHz.
    pub idle_clock_mhz: u32,
    /// Power limit and idle power, W.
    pub power_w: (f64, f64),
    /// Shared memory per multiprocessor, bytes.
    pub shared_bytes: u32,
}

/// Hopper, SXM board.
pub(crate) const H100: Gpu = Gpu {
    name: "NVIDIA H100 80GB HBM3",
    capability: (9, 0),
    sms: 132,
    memory_bytes: 85_018_279_936,
    half_rate: 989_000.0,
    single_rate: 66_900.0,
    memory_rate: 3_350.0,
    link_rate: 55.0,
    max_clock_mhz: 1_980,
    idle_clock_mhz: 1_980,
    power_w: (700.0, 125.0),
    shared_bytes: 233_472,
};

/// Ampere, SXM board.
pub(crate) const A100: Gpu = Gpu {
    name: "NVIDIA A100-SXM4-80GB",
    capability: (8, 0),
    sms: 108,
    memory_bytes: 85_098_233_856,
    half_rate: 312_000.0,
    single_rate: 19_500.0,
    memory_rate: 2_039.0,
    link_rate: 25.0,
    max_clock_mhz: 1_410,
    idle_clock_mhz: 1_410,
    power_w: (400.0, 85.0),
    shared_bytes: 167_936,
};

/// Ampere, 150 W inference board.
pub(crate) const A10: Gpu = Gpu {
    name: "NVIDIA A10",
    capability: (8, 6),
    sms: 72,
    memory_bytes: 23_609_475_072,
    half_rate: 125_000.0,
    single_rate: 31_200.0,
    memory_rate: 600.0,
    link_rate: 24.0,
    max_clock_mhz: 1_695,
    idle_clock_mhz: 840,
    power_w: (150.0, 27.0),
    shared_bytes: 102_400,
};

/// Ada, 72 W inference board.
pub(crate) const L4: Gpu = Gpu {
    name: "NVIDIA L4",
    capability: (8, 9),
    sms: 58,
    memory_bytes: 23_797_760_000,
    half_rate: 121_000.0,
    single_rate: 30_300.0,
    memory_rate: 300.0,
    link_rate: 24.0,
    max_clock_mhz: 2_040,
    idle_clock_mhz: 210,
    power_w: (72.0, 12.0),
    shared_bytes: 102_400,
};

impl Gpu {
    /// Whether kernels are built for Hopper.
    pub(crate) fn is_hopper(&self) -> bool {
        self.capability.0 == 9
    }

    /// Rate of a multiply whose operands have this type, flop per ns: dense peak.
    pub(crate) fn rate(&self, number: Number) -> f64 {
        match number {
            Number::Bf16 | Number::Fp16 => self.half_rate,
            Number::Int8 => 2.0 * self.half_rate,
            Number::Tf32 => 0.5 * self.half_rate,
            Number::Fp32 => self.single_rate,
        }
    }
}

/// What a multiply runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    Bf16,
    Fp16,
    Int8,
    /// Stored as FP32, multiplied on tensor cores.
    Tf32,
    /// CUDA cores.
    Fp32,
}

impl Number {
    /// Bytes per stored element.
    pub(crate) fn bytes(self) -> f64 {
        match self {
            Self::Int8 => 1.0,
            Self::Bf16 | Self::Fp16 => 2.0,
            Self::Tf32 | Self::Fp32 => 4.0,
        }
    }

    /// As model cards spell it.
    pub(crate) fn declared(self) -> &'static str {
        match self {
            Self::Bf16 => "bfloat16",
            Self::Fp16 => "float16",
            Self::Int8 => "int8",
            Self::Tf32 | Self::Fp32 => "float32",
        }
    }
}
