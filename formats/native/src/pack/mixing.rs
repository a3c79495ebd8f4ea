//! Predicting a bit from several contexts at once: each context has a counter, and a small neural
//! network learns which of them to believe (the method of PAQ). Integer arithmetic alone, so that
//! every machine predicts the same.

use super::coder::{BitCoder, PROBABILITY_BITS};

/// Contexts that are mixed at most.
pub(super) const MAX_INPUTS: usize = 12;
const TABLE_BITS: u32 = 21;
const TRIAL_TABLE_BITS: u32 = 16;
/// Weights are parts of this.
/// How slowly a counter that is used often still learns.
const COUNT_LIMIT: u32 = 60;
const HISTORY_LIMIT: u32 = 120;
/// How far a counter moves after so many bits, in parts of 1/32768.
const COUNTER_RATES: [i32; 256] = rates(1 << 16, 2, 3);
/// The same of [`Histories`], in parts of 1/65536.
const HISTORY_RATES: [i32; 256] = rates(1 << 16, 1, 8);

/// `one / (factor * n + first)` for n from 0.
const fn rates(one: i32, factor: i32, first: i32) -> [i32; 256] {
    let mut rates = [0; 256];
    let mut n = 0;
    while n < 256 {
        rates[n] = one / (factor * n as i32 + first);
        n += 1;
    }
    rates
}
const ONE: i32 = 1 << 16;

/// Logistic units of [`stretch`]: parts of 1/256, up to 8.
const MAX_STRETCH: i32 = 2047;

/// Counters by hash of context, shared by all models of a stream.
#[derive(Debug)]
pub(super) struct Counters {
    slots: Vec<u32>,
    shift: u32,
    stretch: Vec<i16>,
}

impl Counters {
    /// As many as a stream needs.
    pub(super) fn new() -> Self {
        Self::with_bits(TABLE_BITS)
    }

    /// Few of them, quickly reset: for trials.
    pub(super) fn few() -> Self {
        Self::with_bits(TRIAL_TABLE_BITS)
    }

    fn with_bits(bits: u32) -> Self {
        Self { slots: vec![UNUSED; 1 << bits], shift: u32::BITS - bits, stretch: stretch_table() }
    }

    pub(super) fn reset(&mut self) {
        self.slots.fill(UNUSED);
    }
}

/// A counter: 16 bits of probability, 8 of how often it was used, and the last up to seven bits
/// behind a leading one.
const UNUSED: u32 = 1 << 31 | 1;

#[inline]
fn update(slot: &mut u32, bit: u32) {
    let count = *slot >> 8 & 0xff;
    let history = *slot & 0xff;
    let probability = (*slot >> 16) as i32;
    let target = if bit == 1 { 0xffff } else { 0 };
    let moved = probability + (((target - probability) * COUNTER_RATES[count as usize]) >> 15);
    let history = if history < 128 { history << 1 | bit } else { 128 | (history << 1 | bit) & 127 };
    *slot = (moved as u32) << 16 | (count + 1).min(COUNT_LIMIT) << 8 | history;
}

/// What follows after the last bits in a context, whatever the context: 16 bits of probability.
#[derive(Debug)]
pub(super) struct Histories {
    probabilities: Vec<u32>,
}

impl Histories {
    pub(super) fn new() -> Self {
        let mut probabilities = vec![1 << 31; 256 * MAX_INPUTS];
        for (at, probability) in probabilities.iter_mut().enumerate() {
            let history = (at % 256) as u32;
            let Some(len) = history.checked_ilog2() else { continue };
            let ones = history.count_ones() - 1;
            *probability = (((ones * 2 + 1) << 16) / (len * 2 + 2)) << 16;
        }
        Self { probabilities }
    }

    #[inline]
    fn learn(&mut self, at: usize, bit: u32) {
        let history = &mut self.probabilities[at];
        let count = *history & 0x3ff;
        let probability = (*history >> 10) as i32;
        let target = if bit == 1 { (1 << 22) - 1 } else { 0 };
        let step = i64::from(target - probability) * i64::from(HISTORY_RATES[count as usize]);
        let moved = probability + (step >> 16) as i32;
        *history = (moved as u32) << 10 | (count + 1).min(HISTORY_LIMIT);
    }
}

/// Inputs of a mixer: for each context its counter and what usually follows its last bits.
const INPUTS: usize = 2 * MAX_INPUTS;
/// Weights stay within this, so that a sum of products fits 32 bits.
const MAX_WEIGHT: i32 = (1 << 19) - 1;

/// Mixes predictions; one set of weights for each of several situations.
#[derive(Debug)]
pub(super) struct Mixer {
    weights: Vec<[i32; INPUTS]>,
    rate: i32,
}

impl Mixer {
    pub(super) fn new(n_sets: usize, rate: i32) -> Self {
        Self { weights: vec![[ONE / 14; INPUTS]; n_sets], rate }
    }

    #[inline]
    fn dot(&self, set: usize, inputs: &[i32; INPUTS]) -> i32 {
        let products = self.weights[set].iter().zip(inputs).map(|(w, input)| (w >> 4) * input);
        (products.sum::<i32>() >> 12).clamp(-MAX_STRETCH, MAX_STRETCH)
    }

    #[inline]
    fn learn(&mut self, set: usize, inputs: &[i32; INPUTS], error: i32) {
        let step = (error * self.rate) >> 10;
        for (weight, input) in self.weights[set].iter_mut().zip(inputs) {
            let moved = *weight + ((input * step + (1 << 9)) >> 10);
            *weight = moved.clamp(-MAX_WEIGHT, MAX_WEIGHT);
        }
    }
}

/// The contexts of the next symbol, hashed.
pub(super) type Contexts = [u32; MAX_INPUTS];

/// What predicts the bits of one kind of symbol.
#[derive(Debug)]
pub(super) struct Predictor {
    mixers: [Mixer; 2],
    histories: Histories,
}

impl Predictor {
    /// A predictor whose bits are of `n_sets` kinds by their place in a symbol, and of
    /// `n_situations` by what is known besides.
    pub(super) fn new(n_sets: usize, n_situations: usize, rate: i32) -> Self {
        let situations = Mixer::new(n_situations * (MAX_INPUTS + 1), rate);
        Self { mixers: [Mixer::new(n_sets, rate), situations], histories: Histories::new() }
    }

    /// Codes one bit. `node` says which bit of its symbol it is, given the bits before; `sets`
    /// choose the weights.
    #[inline]
    pub(super) fn code<C: BitCoder>(
        &mut self,
        coder: &mut C,
        counters: &mut Counters,
        contexts: &Contexts,
        node: u32,
        sets: [usize; 2],
        bit: u32,
    ) -> u32 {
        let mut at = [0_usize; MAX_INPUTS];
        let mut inputs = [0_i32; INPUTS];
        let mut n_sure = 0;
        let spread = node.wrapping_mul(0x9e37_79b1);
        for (index, context) in contexts.iter().enumerate() {
            let mixed = (*context ^ spread).wrapping_mul(0x85eb_ca6b);
            let slot = (mixed >> counters.shift) as usize;
            at[index] = slot;
            let value = counters.slots[slot];
            let count = value >> 8 & 0xff;
            // A counter that has seen nothing says nothing.
            if count > 0 {
                let history = self.histories.probabilities[index << 8 | (value & 0xff) as usize];
                inputs[2 * index] = counters.stretch[(value >> 20) as usize].into();
                inputs[2 * index + 1] = counters.stretch[(history >> 20) as usize].into();
            }
            n_sure += usize::from(count > 1);
        }
        let sets = [sets[0], sets[1] * (MAX_INPUTS + 1) + n_sure];
        let dots = [0, 1].map(|mixer| self.mixers[mixer].dot(sets[mixer], &inputs));
        let one = squash((dots[0] + dots[1]) / 2).clamp(24, (1 << PROBABILITY_BITS) - 24);
        let bit = coder.code(one as u32, bit);
        for mixer in [0, 1] {
            let error = ((bit as i32) << PROBABILITY_BITS) - squash(dots[mixer]);
            self.mixers[mixer].learn(sets[mixer], &inputs, error);
        }
        for (index, slot) in at.iter().enumerate() {
            let value = &mut counters.slots[*slot];
            self.histories.learn(index << 8 | (*value & 0xff) as usize, bit);
            update(value, bit);
        }
        bit
    }
}

#[inline]
pub(super) fn hash(a: u32, b: u32) -> u32 {
    let mixed = (u64::from(a) << 32 | u64::from(b)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32) as u32
}

/// `1 / (1 + e^-x)`, of [`PROBABILITY_BITS`], for x in parts of 1/256.
#[inline]
fn squash(x: i32) -> i32 {
    let x = x.clamp(-MAX_STRETCH, MAX_STRETCH) + MAX_STRETCH + 1;
    let (at, part) = ((x >> 7) as usize, x & 127);
    let (low, high) = (SQUASH[at], SQUASH[at + 1]);
    low + (((high - low) * part) >> 7)
}

/// [`squash`] at -8, -7.5, …, 8.
const SQUASH: [i32; 33] = [
    22, 36, 60, 98, 162, 267, 439, 719, 1179, 1921, 3108, 4972, 7812, 11953, 17625, 24743, 32768,
    40793, 47911, 53583, 57724, 60564, 62428, 63615, 64357, 64817, 65097, 65269, 65374, 65438,
    65476, 65500, 65514,
];

/// The inverse of [`squash`], for probabilities of 12 bits.
fn stretch_table() -> Vec<i16> {
    let mut table = Vec::with_capacity(4096);
    let mut x = -MAX_STRETCH;
    for probability in 0..4096 {
        while x < MAX_STRETCH && squash(x) < probability * 16 + 8 {
            x += 1;
        }
        table.push(x as i16);
    }
    table
}
