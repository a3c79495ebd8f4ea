//! The model of text: kernel names, operator names, shapes of tensors.

use super::coder::{BitCoder, Meter};
use super::mixing::{Contexts, Counters, MAX_INPUTS, Predictor, hash};

/// Names that are common in traces, read before the first text. Files are written against it: it
/// is never changed.
const PRIMER: &[u8] = include_bytes!("primer.txt");
const RATE: i32 = 18;
/// A match from this length on is coded by whether it goes on.
const SURE_MATCH: usize = 28;
const MIN_MATCH: usize = 5;
const MATCH_BITS: u32 = 16;
const ORDERS: usize = 7;

/// Models a run of bytes.
#[derive(Debug)]
pub(super) struct Text {
    predictor: Predictor,
    history: Vec<u8>,
    /// Where a hash of [`MIN_MATCH`] bytes was last seen: the position behind them.
    seen: Vec<u32>,
    match_at: usize,
    match_len: usize,
    /// Probabilities that a long match goes on, by its length.
    goes_on: [u16; 16],
    word: u32,
    last_word: u32,
}

impl Text {
    fn new() -> Self {
        Self {
            predictor: Predictor::new(256, 32, RATE),
            history: Vec::new(),
            seen: vec![0; 1 << MATCH_BITS],
            match_at: 0,
            match_len: 0,
            goes_on: [0xf000; 16],
            word: 0,
            last_word: 0,
        }
    }

    /// A model that has read what is common in traces.
    pub(super) fn primed() -> (Self, Counters) {
        let (mut text, mut counters) = (Self::new(), Counters::new());
        let mut nowhere = Meter::default();
        for byte in PRIMER {
            text.code(&mut nowhere, &mut counters, *byte);
        }
        (text, counters)
    }

    /// Codes one byte.
    pub(super) fn code<C: BitCoder>(
        &mut self,
        coder: &mut C,
        counters: &mut Counters,
        byte: u8,
    ) -> u8 {
        let expected = self.history.get(self.match_at).copied().filter(|_| self.match_len > 0);
        if self.match_len >= SURE_MATCH
            && let Some(expected) = expected
        {
            // Most of what is repeated is repeated to its end: one bit a byte says so.
            let slot = &mut self.goes_on[(self.match_len / 16).min(15)];
            let is_right = coder.code((*slot).into(), u32::from(byte == expected));
            let target = if is_right == 1 { 0xffc0 } else { 0x40 };
            *slot = (i32::from(*slot) + ((target - i32::from(*slot)) >> 5)) as u16;
            if is_right == 1 {
                self.push(expected);
                return expected;
            }
        }
        let mut contexts: Contexts = [0; MAX_INPUTS];
        let mut running = 0x7465_7874;
        contexts[0] = running;
        for (order, context) in contexts.iter_mut().enumerate().take(ORDERS).skip(1) {
            let back = self.history.len().checked_sub(order).and_then(|at| self.history.get(at));
            running = hash(running, u32::from(back.copied().unwrap_or_default()) + 1);
            *context = hash(running, order as u32);
        }
        contexts[ORDERS] = hash(self.word, 0x776f_7264);
        contexts[ORDERS + 1] = hash(self.word, self.last_word);
        let match_class = match self.match_len {
            0 => 0,
            len @ 1..16 => len as u32,
            len @ 16..32 => 16 + (len as u32 - 16) / 4,
            _ => 20,
        };
        let mut node = 1_u32;
        for position in (0..8).rev() {
            // The bit the match goes on with, as long as it was right in this byte.
            let expected_bit = expected
                .filter(|byte| (u32::from(*byte) | 256) >> (position + 1) == node)
                .map(|byte| u32::from(byte >> position & 1));
            let (match_context, set) = match expected_bit {
                Some(bit) => (hash(match_class << 1 | bit, 0x6d61_7463), 1 + match_class as usize),
                None => (0x6e6f_6e65, 0),
            };
            contexts[ORDERS + 2] = match_context;
            // A match says the same wherever in the byte it is.
            let last = self.history.last().copied().unwrap_or_default();
            contexts[ORDERS + 3] = hash(match_context, u32::from(last));
            let bit = u32::from(byte >> position & 1);
            let sets = [node as usize, set];
            let bit = self.predictor.code(coder, counters, &contexts, node, sets, bit);
            node = node << 1 | bit;
        }
        let byte = node as u8;
        self.push(byte);
        byte
    }

    fn push(&mut self, byte: u8) {
        if self.match_len > 0 && self.history.get(self.match_at) == Some(&byte) {
            self.match_at += 1;
            self.match_len = (self.match_len + 1).min(1 << 16);
        } else {
            self.match_len = 0;
        }
        self.history.push(byte);
        if byte.is_ascii_alphanumeric() {
            self.word = hash(self.word, byte.to_ascii_lowercase().into());
        } else if self.word != 0 {
            self.last_word = self.word;
            self.word = 0;
        }
        let Some(tail) = self.history.len().checked_sub(MIN_MATCH) else { return };
        let tail = self.history[tail..].iter().fold(0, |all, byte| hash(all, (*byte).into()));
        let slot = &mut self.seen[(tail >> (32 - MATCH_BITS)) as usize];
        if self.match_len == 0 && *slot > 0 {
            self.match_at = *slot as usize;
            let before = self.history[..self.match_at].iter().rev();
            let same = before.zip(self.history.iter().rev()).take_while(|(a, b)| a == b);
            self.match_len = same.take(32).count();
        }
        *slot = self.history.len() as u32;
    }
}
