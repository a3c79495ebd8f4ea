//! Transformers as lists of kernels: decoders for language models, encoders for the rest.

use crate::device::Number;
use crate::kernels::{Heads, Kernels, Streaming};
use crate::rank::{Part, Work};

/// Sizes of a model and what it was declared to compute in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Model {
    pub(crate) name: &'static str,
    pub(crate) declared: Number,
    pub(crate) quantization: Option<&'static str>,
    pub(crate) layers: u64,
    pub(crate) hidden: u64,
    pub(crate) intermediate: u64,
    pub(crate) heads: u64,
    pub(crate) key_value_heads: u64,
    pub(crate) vocabulary: u64,
    pub(crate) note: Option<&'static str>,
}

/// A multiply's place in a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    QueryKeyValue,
    Output,
    Up,
    Down,
    Head,
}

impl Role {
    /// The multiplies of a layer.
    pub(crate) const OF_A_LAYER: [Self; 4] =
        [Self::QueryKeyValue, Self::Output, Self::Up, Self::Down];
}

/// How the multiplies are really computed.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Precision {
    /// Multiplies that run in something else than declared.
    pub(crate) other: Vec<(Role, Number)>,
    /// Kernels that turn weights or activations from one type or layout into another.
    pub(crate) conversions: Vec<(Role, Conversion)>,
}

/// What is converted before a multiply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conversion {
    /// 4-bit weights to 16 bit, into memory.
    DequantizeWeights,
    /// Activations, back and forth.
    CastActivations,
    /// The layout of the activations.
    ReformatActivations,
}

/// One forward pass.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pass {
    /// Rows through the linear layers, padding included.
    pub(crate) rows: u64,
    /// Query and context tokens of every sequence.
    pub(crate) sequences: Vec<(u64, u64)>,
    /// Sequences that produce a token.
    pub(crate) outputs: u64,
}

impl Model {
    /// Width of one head.
    pub(crate) fn head_width(&self) -> u64 {
        self.hidden / self.heads
    }

    /// Weights, without embeddings that are only looked up.
    pub(crate) fn parameters(&self) -> u64 {
        let of = |role| {
            let (n, k) = self.shape(role, 1);
            n * k
        };
        let layer: u64 = Role::OF_A_LAYER.iter().map(|&role| of(role)).sum();
        self.layers * layer + of(Role::Head)
    }

    fn is_decoder(&self) -> bool {
        self.vocabulary > 0
    }

    /// Columns and depth of a multiply when split over `ranks`.
    fn shape(&self, role: Role, ranks: u64) -> (u64, u64) {
        let (hidden, intermediate) = (self.hidden, self.intermediate);
        let key_value = self.key_value_heads * self.head_width();
        let gates = if self.is_decoder() { 2 } else { 1 };
        match role {
            Role::QueryKeyValue => ((hidden + 2 * key_value) / ranks, hidden),
            Role::Output => (hidden, hidden / ranks),
            Role::Up => (gates * intermediate / ranks, hidden),
            Role::Down => (hidden, intermediate / ranks),
            Role::Head => (self.vocabulary / ranks, hidden),
        }
    }

    pub(crate) fn heads(&self, ranks: u64) -> Heads {
        Heads {
            query: self.heads / ranks,
            key_value: (self.key_value_heads / ranks).max(1),
            width: self.head_width(),
        }
    }

    fn gemm(
        &self,
        kernels: &Kernels,
        precision: &Precision,
        role: Role,
        rows: u64,
        ranks: u64,
        out: &mut Vec<Work>,
    ) {
        let (n, k) = self.shape(role, ranks);
        for (of, conversion) in &precision.conversions {
            if *of == role {
                out.extend(conversion.kernels(kernels, rows, n, k));
            }
        }
        let other = precision.other.iter().find(|(of, _)| *of == role).map(|(_, number)| *number);
        let number = other.unwrap_or(self.declared);
        let is_wider = number.bytes() > self.declared.bytes();
        let cast = |columns: u64| {
            let bytes = 6.0 * (rows * columns) as f64;
            kernels.stream(Streaming::Cast, rows, bytes)
        };
        if is_wider && kernels.library != crate::kernels::Library::TensorRt {
            out.push(cast(k));
        }
        let work = kernels.gemm(number, rows, n, k);
        let part = if role == Role::Head { Part::Sampling } else { Part::Tokens };
        out.push(Work { part, ..work });
        if is_wider && kernels.library != crate::kernels::Library::TensorRt {
            out.push(cast(n));
        }
    }

    /// The layers of a decoder as stretches between attention kernels: what lies before, and the
    /// attention kernel that follows it; the last stretch has none.
    pub(crate) fn decoder_stretches(
        &self,
        kernels: &Kernels,
        precision: &Precision,
        pass: &Pass,
        ranks: u64,
    ) -> Vec<(Vec<Work>, Option<Work>)> {
        let rows = pass.rows;
        let stream = |kind, bytes: u64| kernels.stream(kind, rows, bytes as f64);
        let norm = || stream(Streaming::Norm, 8 * rows * self.hidden);
        let key_value = self.key_value_heads * self.head_width() / ranks.min(self.key_value_heads);
        let mut stretches = Vec::new();
        let mut current = vec![norm()];
        for layer in 0..self.layers {
            self.gemm(kernels, precision, Role::QueryKeyValue, rows, ranks, &mut current);
            current.push(stream(Streaming::Rope, 4 * rows * self.hidden / ranks));
            current.push(stream(Streaming::CacheWrite, 8 * rows * key_value));
            let attention = kernels.attention(self.heads(ranks), &pass.sequences);
            stretches.push((std::mem::take(&mut current), Some(attention)));
            self.gemm(kernels, precision, Role::Output, rows, ranks, &mut current);
            self.reduce(kernels, rows, ranks, &mut current);
            current.push(norm());
            self.gemm(kernels, precision, Role::Up, rows, ranks, &mut current);
            current.push(stream(Streaming::Activation, 6 * rows * self.intermediate / ranks));
            self.gemm(kernels, precision, Role::Down, rows, ranks, &mut current);
            self.reduce(kernels, rows, ranks, &mut current);
            if layer + 1 < self.layers {
                current.push(norm());
            }
        }
        stretches.push((current, None));
        stretches
    }

    /// The kernels that turn hidden states into tokens.
    pub(crate) fn sampling(
        &self,
        kernels: &Kernels,
        precision: &Precision,
        outputs: u64,
        ranks: u64,
    ) -> Vec<Work> {
        let logits = outputs * self.vocabulary;
        let mut works = Vec::new();
        works.push(kernels.stream(Streaming::Gather, 8, (4 * outputs * self.hidden) as f64));
        self.gemm(kernels, precision, Role::Head, outputs, ranks, &mut works);
        if ranks > 1 {
            works.push(kernels.all_reduce((2 * logits) as f64, ranks as u32));
        }
        works.push(kernels.stream(Streaming::Softmax, outputs, (8 * logits) as f64));
        works.push(kernels.stream(Streaming::ArgMax, outputs, (4 * logits) as f64));
        works
    }

    /// The kernels of an encoder, in order.
    pub(crate) fn encoder(
        &self,
        kernels: &Kernels,
        precision: &Precision,
        pass: &Pass,
    ) -> Vec<Work> {
        let rows = pass.rows;
        let norm = |factor: u64| {
            kernels.stream(Streaming::Norm, rows, (factor * rows * self.hidden) as f64)
        };
        let mut works = Vec::new();
        for _ in 0..self.layers {
            self.gemm(kernels, precision, Role::QueryKeyValue, rows, 1, &mut works);
            works.push(kernels.attention(self.heads(1), &pass.sequences));
            self.gemm(kernels, precision, Role::Output, rows, 1, &mut works);
            works.push(norm(6));
            self.gemm(kernels, precision, Role::Up, rows, 1, &mut works);
            let bytes = (4 * rows * self.intermediate) as f64;
            works.push(kernels.stream(Streaming::Activation, rows, bytes));
            self.gemm(kernels, precision, Role::Down, rows, 1, &mut works);
            works.push(norm(4));
        }
        works
    }

    fn reduce(&self, kernels: &Kernels, rows: u64, ranks: u64, out: &mut Vec<Work>) {
        if ranks > 1 {
            out.push(kernels.all_reduce((2 * rows * self.hidden) as f64, ranks as u32));
        }
    }
}

impl Conversion {
    fn kernels(self, kernels: &Kernels, rows: u64, n: u64, k: u64) -> Vec<Work> {
        let (kind, bytes, count) = match self {
            Self::DequantizeWeights => (Streaming::Dequantize, 2.5 * (n * k) as f64, 1),
            Self::CastActivations => (Streaming::Cast, 6.0 * (rows * (n + k)) as f64, 2),
            Self::ReformatActivations => (Streaming::Reformat, 4.0 * (rows * (n + k)) as f64, 2),
        };
        vec![kernels.stream(kind, rows, bytes); count]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{A10, H100};
    use crate::kernels::Library;

    fn decoder() -> Model {
        Model {
            name: "test",
            declared: Number::Bf16,
            quantization: None,
            layers: 2,
            hidden: 8_192,
            intermediate: 24_576,
            heads: 64,
            key_value_heads: 8,
            vocabulary: 32_000,
            note: None,
        }
    }

    fn time(model: &Model, precision: &Precision, rows: u64) -> f64 {
        let kernels = Kernels { gpu: H100, library: Library::Vllm };
        let pass = Pass { rows, sequences: vec![(1, 500); rows as usize], outputs: rows };
        let stretches = model.decoder_stretches(&kernels, precision, &pass, 1);
        stretches.iter().flat_map(|(works, _)| works).map(|w| w.time_ns(1.0)).sum()
    }

    #[test]
    fn decoding_is_bound_by_memory_and_prefill_by_arithmetic() {
        let model = decoder();
        let plain = Precision::default();
        let (one, eight, many) =
            (time(&model, &plain, 1), time(&model, &plain, 8), time(&model, &plain, 4_096));
        assert!(eight < 1.05 * one, "{one} {eight}");
        assert!(many > 10.0 * one, "{one} {many}");
        // 2 × parameters × tokens at about 70 % of the peak.
        let layers = model.parameters() - model.vocabulary * model.hidden;
        let ideal = 2.0 * (layers * 4_096) as f64 / H100.half_rate;
        assert!((1.2..2.0).contains(&(many / ideal)), "{}", many / ideal);
    }

    #[test]
    fn wider_multiplies_take_longer_and_are_named_so() {
        let model = decoder();
        let wide = Precision {
            other: Role::OF_A_LAYER.map(|role| (role, Number::Fp32)).to_vec(),
            conversions: Vec::new(),
        };
        let (plain, slow) = (time(&model, &Precision::default(), 8), time(&model, &wide, 8));
        assert!((1.7..2.6).contains(&(slow / plain)), "{}", slow / plain);
        let kernels = Kernels { gpu: A10, library: Library::Torch };
        assert!(kernels.gemm(Number::Fp32, 512, 4_096, 4_096).launch.name.contains("sgemm"));
    }

    #[test]
    fn ranks_share_the_work_and_meet() {
        let model = decoder();
        let kernels = Kernels { gpu: H100, library: Library::Vllm };
        let pass = Pass { rows: 8, sequences: vec![(1, 100); 8], outputs: 8 };
        let stretches = model.decoder_stretches(&kernels, &Precision::default(), &pass, 2);
        let meetings =
            stretches.iter().flat_map(|(works, _)| works).filter(|w| w.is_collective).count();
        assert_eq!(meetings, 4);
    }
}
