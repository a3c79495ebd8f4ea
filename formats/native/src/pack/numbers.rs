//! The model of a column: numbers, most of them small or seen before.
//!
//! A number is coded as how many bits it has and then those bits from the top. The contexts are the
//! numbers before it in its column, and what other columns say in its row.

use super::coder::{BitCoder, PROBABILITY_BITS};
use super::mixing::{Contexts, Counters, Predictor, hash};

/// Bits below the top one that contexts help to predict. Further ones are noise.
const MODELLED_BITS: u32 = 12;
const CLASS_BITS: u32 = 7;
/// Sets of weights: one for each bit of the class and each modelled bit.
const SETS: usize = CLASS_BITS as usize + MODELLED_BITS as usize;
const RATE: i32 = 24;

/// Models one column.
#[derive(Debug)]
pub(super) struct Numbers {
    predictor: Predictor,
    /// Probabilities of the bits that are not modelled, by class and position.
    low_bits: Vec<u16>,
    seed: u32,
}

impl Numbers {
    /// A model whose counters are those of no column with another seed.
    pub(super) fn new(seed: u32) -> Self {
        Self { predictor: Predictor::new(SETS, 2, RATE), low_bits: vec![1 << 15; 65 * 64], seed }
    }

    /// Codes one number.
    pub(super) fn code<C: BitCoder>(
        &mut self,
        coder: &mut C,
        counters: &mut Counters,
        contexts: &Contexts,
        value: u64,
    ) -> u64 {
        let mut seeded = *contexts;
        for (index, context) in seeded.iter_mut().enumerate() {
            *context = hash(*context, self.seed + index as u32);
        }
        let mut bit = |coder: &mut C, sets: [usize; 2], node: u32, bit: u32| {
            self.predictor.code(coder, counters, &seeded, node, sets, bit)
        };
        let class = u64::BITS - value.leading_zeros();
        let mut node = 1;
        for position in (0..CLASS_BITS).rev() {
            let set = (CLASS_BITS - 1 - position) as usize;
            node = node << 1 | bit(coder, [set, 0], node, class >> position & 1);
        }
        let class = (node & ((1 << CLASS_BITS) - 1)).min(u64::BITS);
        if class < 2 {
            return class.into();
        }
        let mut decoded = 1_u64;
        for position in (0..class - 1).rev() {
            let next = (value >> position & 1) as u32;
            let below_top = class - 2 - position;
            let next = if below_top < MODELLED_BITS {
                let node = hash(decoded as u32, 128 + class);
                bit(coder, [CLASS_BITS as usize + below_top as usize, 1], node, next)
            } else {
                let one = &mut self.low_bits[class as usize * 64 + position as usize];
                low_bit(coder, one, next)
            };
            decoded = decoded << 1 | u64::from(next);
        }
        decoded
    }
}

fn low_bit<C: BitCoder>(coder: &mut C, one: &mut u16, bit: u32) -> u32 {
    let bit = coder.code(u32::from(*one).clamp(64, (1 << PROBABILITY_BITS) - 64), bit);
    let target = if bit == 1 { i32::from(u16::MAX) } else { 0 };
    *one = (i32::from(*one) + ((target - i32::from(*one)) >> 6)) as u16;
    bit
}
