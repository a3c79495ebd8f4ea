//! One stream of bits and the models that all of its parts share.

use super::coder::{BitCoder, Decoder, Encoder};
use super::columns::{Surroundings, code_residuals};
use super::mixing::{Contexts, Counters, MAX_INPUTS, hash};
use super::numbers::Numbers;
use super::text::Text;

/// Ends a text; within one it is escaped, as the escape is.
const TEXT_END: u8 = b'\n';
const TEXT_ESCAPE: u8 = 1;
/// Values after which counters begin anew.
const MAX_COUNTED: usize = 4096;

/// A stream being written or read.
#[derive(Debug)]
pub(super) struct Session<C> {
    pub(super) coder: C,
    counters: Counters,
    fields: Numbers,
    last_fields: [u32; 2],
    text: Option<Box<(Text, Counters)>>,
    next_seed: u32,
    /// First start of the table before.
    pub(super) last_first: u64,
    /// Values that the counters were used for since they were reset.
    n_counted: usize,
    /// Symbols that may still be coded.
    budget: usize,
}

impl<C: BitCoder> Session<C> {
    /// A stream of at most `budget` symbols: values, bytes of text, and parts of lists.
    pub(super) fn new(coder: C, budget: usize) -> Self {
        Self {
            budget,
            coder,
            counters: Counters::new(),
            fields: Numbers::new(0),
            last_fields: [0; 2],
            text: None,
            next_seed: 1 << 16,
            last_first: 0,
            n_counted: 0,
        }
    }

    /// Codes one number that stands alone. `tag` says which.
    pub(super) fn field(&mut self, tag: u32, value: u64) -> u64 {
        let [last, before] = self.last_fields;
        let mut contexts: Contexts = [0; MAX_INPUTS];
        contexts[0] = tag;
        contexts[1] = hash(tag, last);
        contexts[2] = hash(hash(tag, last), before);
        let value = self.fields.code(&mut self.coder, &mut self.counters, &contexts, value);
        self.last_fields = [hash(tag, value as u32), last];
        value
    }

    /// Symbols that may still be coded.
    pub(super) fn budget(&self) -> usize {
        self.budget
    }

    /// Takes leave to code `n_symbols` more; `None` when that is too many.
    pub(super) fn spend(&mut self, n_symbols: usize) -> Option<()> {
        self.budget = self.budget.checked_sub(n_symbols)?;
        Some(())
    }

    /// Codes a column's residuals in place.
    pub(super) fn residuals(&mut self, around: Surroundings<'_>, residuals: &mut [u64]) {
        self.next_seed = self.next_seed.wrapping_add(MAX_INPUTS as u32);
        let seed = self.next_seed;
        // Counters of columns before are of no use, and in the way of others with the same hash.
        self.n_counted += residuals.len();
        if self.n_counted > MAX_COUNTED {
            self.counters.reset();
            self.n_counted = residuals.len();
        }
        code_residuals(&mut self.coder, &mut self.counters, seed, around, residuals);
    }

    fn byte(&mut self, byte: u8) -> u8 {
        let (text, counters) = &mut **self.text.get_or_insert_with(|| Box::new(Text::primed()));
        text.code(&mut self.coder, counters, byte)
    }
}

impl Session<Encoder> {
    pub(super) fn put_text(&mut self, text: &[u8]) {
        self.spend(text.len());
        for byte in text {
            if matches!(*byte, TEXT_END | TEXT_ESCAPE) {
                self.byte(TEXT_ESCAPE);
            }
            self.byte(*byte);
        }
        self.byte(TEXT_END);
    }
}

impl Session<Decoder<'_>> {
    /// The next text that is UTF-8; `None` when it is not, or longer than may be read.
    pub(super) fn take_string(&mut self) -> Option<String> {
        String::from_utf8(self.take_text()?).ok()
    }

    /// The next text; `None` when it is longer than may be read.
    pub(super) fn take_text(&mut self) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        loop {
            let byte = match self.byte(0) {
                TEXT_END => return Some(text),
                TEXT_ESCAPE => self.byte(0),
                byte => byte,
            };
            self.spend(1)?;
            text.push(byte);
        }
    }
}
