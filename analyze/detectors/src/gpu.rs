//! What a GPU can do at most, from its data sheet.

use underspan_classifier::Dtype;

use crate::Case;

/// Peak rates of one product.
///
/// Sources: NVIDIA's data sheets of the products (dense rates, without sparsity) and, for clocks,
/// the maximum SM clock that `nvidia-smi -q -d CLOCK` prints. Host links are PCIe with 16 lanes of the
/// product's generation at the nine tenths that large pinned copies reach (`bandwidthTest`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Gpu {
    /// Memory bandwidth in GB/s.
    pub(crate) memory_gb_s: f64,
    /// fp32 on CUDA cores, in TFLOP/s.
    pub(crate) fp32: f64,
    /// TF32 on tensor cores; zero where there is none.
    pub(crate) tf32: f64,
    /// fp16 and bf16 on tensor cores.
    pub(crate) half: f64,
    /// fp8 and int8 on tensor cores.
    pub(crate) eight: f64,
    /// Highest SM clock in MHz.
    pub(crate) sm_mhz: f64,
    /// What a copy from pinned memory reaches over its host link, in GB/s.
    pub(crate) link_gb_s: f64,
}

/// Words of a product's name, most special first, and its rates.
const PRODUCTS: &[(&str, Gpu)] = &[
    ("b200", gpu(8000.0, 80.0, 1125.0, 2250.0, 4500.0, 1965.0, 55.0)),
    ("gb200", gpu(8000.0, 80.0, 1125.0, 2250.0, 4500.0, 1965.0, 55.0)),
    ("h200", gpu(4800.0, 67.0, 495.0, 989.0, 1979.0, 1980.0, 55.0)),
    ("h100 pcie", gpu(2000.0, 51.0, 378.0, 756.0, 1513.0, 1755.0, 55.0)),
    ("h100", gpu(3350.0, 67.0, 495.0, 989.0, 1979.0, 1980.0, 55.0)),
    ("h800", gpu(3350.0, 67.0, 495.0, 989.0, 1979.0, 1980.0, 55.0)),
    ("gh200", gpu(4000.0, 67.0, 495.0, 989.0, 1979.0, 1980.0, 55.0)),
    ("a100", gpu(1935.0, 19.5, 156.0, 312.0, 624.0, 1410.0, 25.0)),
    ("a800", gpu(1935.0, 19.5, 156.0, 312.0, 624.0, 1410.0, 25.0)),
    ("a30", gpu(933.0, 10.3, 82.0, 165.0, 330.0, 1440.0, 25.0)),
    ("a40", gpu(696.0, 37.4, 74.8, 149.7, 299.3, 1740.0, 25.0)),
    ("a10g", gpu(600.0, 31.5, 35.0, 70.0, 140.0, 1710.0, 25.0)),
    ("a10", gpu(600.0, 31.2, 62.5, 125.0, 250.0, 1695.0, 25.0)),
    ("l40", gpu(864.0, 91.6, 183.0, 362.0, 733.0, 2520.0, 25.0)),
    ("l4", gpu(300.0, 30.3, 60.0, 121.0, 242.0, 2040.0, 25.0)),
    ("t4", gpu(320.0, 8.1, 0.0, 65.0, 130.0, 1590.0, 12.0)),
    ("v100", gpu(900.0, 15.7, 0.0, 125.0, 62.8, 1530.0, 12.0)),
    ("rtx 6000 ada", gpu(960.0, 91.1, 182.0, 364.0, 728.0, 2505.0, 25.0)),
    ("4090", gpu(1008.0, 82.6, 82.6, 165.2, 330.3, 2520.0, 25.0)),
    ("3090", gpu(936.0, 35.6, 35.6, 71.0, 284.0, 1695.0, 25.0)),
];

/// What is assumed of a product that is not listed: the proportions of recent ones.
const UNKNOWN: Gpu = gpu(1500.0, 30.0, 120.0, 240.0, 480.0, 0.0, 25.0);

/// What large multiplies reach of the data sheet's rates.
const REACHED_OF_MEMORY: f64 = 0.9;
const REACHED_OF_ARITHMETIC: f64 = 0.7;

const fn gpu(
    memory_gb_s: f64,
    fp32: f64,
    tf32: f64,
    half: f64,
    eight: f64,
    sm_mhz: f64,
    link_gb_s: f64,
) -> Gpu {
    Gpu { memory_gb_s, fp32, tf32, half, eight, sm_mhz, link_gb_s }
}

impl Gpu {
    /// The GPU of a case, by the name of its device or its declaration.
    pub(crate) fn of(case: &Case<'_>) -> Self {
        Self::known(case).unwrap_or(UNKNOWN)
    }

    /// The same, when it is a product that is listed.
    pub(crate) fn known(case: &Case<'_>) -> Option<Self> {
        let devices = &case.timeline.dimensions.devices;
        let names = devices.iter().map(|device| {
            let name = underspan_model::StringId::from_raw(device.name);
            case.timeline.strings.resolve_or_empty(name)
        });
        let mut names = names.chain(case.settings.text("gpu"));
        names.find_map(Self::named)
    }

    fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase().replace('-', " ");
        let words: Vec<&str> = name.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        let holds = |product: &str| {
            if product.contains(' ') {
                name.contains(product)
            } else {
                words.iter().any(|word| *word == product || word.strip_suffix('s') == Some(product))
            }
        };
        PRODUCTS.iter().find(|(product, _)| holds(product)).map(|(_, gpu)| *gpu)
    }

    /// The rate of multiplies in a type, in TFLOP/s.
    pub(crate) fn rate(&self, dtype: Dtype) -> f64 {
        let rate = match bytes(dtype) {
            8.. => self.fp32 / 2.0,
            4.. if dtype == Dtype::Tf32 => self.tf32,
            4.. => self.fp32,
            2.. => self.half,
            _ => self.eight,
        };
        if rate > 0.0 { rate } else { self.fp32 }
    }

    /// How long a multiply of so many rows by a weight takes for each element of the weight, in
    /// picoseconds: bound by reading the weight while there are few rows, by arithmetic with many.
    pub(crate) fn time_per_weight(&self, dtype: Dtype, rows: u64) -> f64 {
        let read = bytes(dtype) as f64 * 1e3 / self.memory_gb_s / REACHED_OF_MEMORY;
        let compute = 2.0 * rows.max(1) as f64 / self.rate(dtype) / REACHED_OF_ARITHMETIC;
        read.max(compute)
    }
}

/// Size of a value in memory, in bytes; half ones count as one.
fn bytes(dtype: Dtype) -> u64 {
    match dtype {
        Dtype::Fp64 | Dtype::Int64 => 8,
        Dtype::Fp32 | Dtype::Tf32 | Dtype::Int32 => 4,
        Dtype::Fp16 | Dtype::Bf16 | Dtype::Unknown => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_told_by_name() {
        assert_eq!(Gpu::named("NVIDIA H100 80GB HBM3").map(|g| g.memory_gb_s), Some(3350.0));
        assert_eq!(Gpu::named("NVIDIA H100-PCIE-80GB").map(|g| g.memory_gb_s), Some(2000.0));
        assert_eq!(Gpu::named("NVIDIA A10G").map(|g| g.half), Some(70.0));
        assert_eq!(Gpu::named("NVIDIA L40S").map(|g| g.sm_mhz), Some(2520.0));
        assert_eq!(Gpu::named("Radeon"), None);
    }

    #[test]
    fn narrow_types_save_bytes_with_few_rows_and_arithmetic_with_many() {
        let h100 = Gpu::named("H100").expect("listed");
        let times_faster =
            |from, to, rows| h100.time_per_weight(from, rows) / h100.time_per_weight(to, rows);
        assert_eq!(times_faster(Dtype::Tf32, Dtype::Bf16, 1), 2.0);
        let many = times_faster(Dtype::Fp32, Dtype::Bf16, 8192);
        assert!((14.0..15.0).contains(&many), "{many}");
    }
}
