//! Arithmetic coding of single bits whose probability is known on both sides.

/// Bits of a probability: it is a part of `1 << PROBABILITY_BITS`, never zero and never all.
pub(super) const PROBABILITY_BITS: u32 = 16;

/// Where modelled bits go to or come from. The models are the same code for both directions: they
/// hand over the bit and go on with the one they get back.
pub(super) trait BitCoder {
    /// Codes one bit that is 1 with the probability `one`; returns the bit.
    fn code(&mut self, one: u32, bit: u32) -> u32;
}

/// Writes bits.
#[derive(Debug)]
pub(super) struct Encoder {
    low: u32,
    high: u32,
    out: Vec<u8>,
}

impl Encoder {
    /// Appends to `out`.
    pub(super) fn new(out: Vec<u8>) -> Self {
        Self { low: 0, high: u32::MAX, out }
    }

    /// Completes the stream. A reader goes on with zeros behind its end.
    pub(super) fn finish(mut self) -> Vec<u8> {
        // The ends differ in the first byte, so that the high one's alone lies between them.
        if self.low > 0 {
            self.out.push((self.high >> 24) as u8);
        }
        self.out
    }
}

impl BitCoder for Encoder {
    #[inline]
    fn code(&mut self, one: u32, bit: u32) -> u32 {
        let middle = split(self.low, self.high, one);
        if bit == 1 {
            self.high = middle;
        } else {
            self.low = middle + 1;
        }
        while (self.low ^ self.high) >> 24 == 0 {
            self.out.push((self.high >> 24) as u8);
            self.low <<= 8;
            self.high = self.high << 8 | 0xff;
        }
        bit
    }
}

/// Reads bits. Behind the end of its bytes it reads zeros: what comes out is then wrong, and
/// checksums say so.
#[derive(Debug)]
pub(super) struct Decoder<'a> {
    low: u32,
    high: u32,
    value: u32,
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let mut decoder = Self { low: 0, high: u32::MAX, value: 0, rest: bytes };
        for _ in 0..4 {
            decoder.value = decoder.value << 8 | decoder.next_byte();
        }
        decoder
    }

    /// Bytes not read yet.
    pub(super) fn remaining(&self) -> usize {
        self.rest.len()
    }

    fn next_byte(&mut self) -> u32 {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        (*first).into()
    }
}

impl BitCoder for Decoder<'_> {
    #[inline]
    fn code(&mut self, one: u32, _: u32) -> u32 {
        let middle = split(self.low, self.high, one);
        let bit = u32::from(self.value <= middle);
        if bit == 1 {
            self.high = middle;
        } else {
            self.low = middle + 1;
        }
        while (self.low ^ self.high) >> 24 == 0 {
            self.low <<= 8;
            self.high = self.high << 8 | 0xff;
            self.value = self.value << 8 | self.next_byte();
        }
        bit
    }
}

/// Adds up how many bits a stream would have, in 1/65536 bit, and writes nothing.
#[derive(Debug, Default)]
pub(super) struct Meter {
    pub(super) cost: u64,
}

impl BitCoder for Meter {
    #[inline]
    fn code(&mut self, one: u32, bit: u32) -> u32 {
        let part = if bit == 1 { one } else { (1 << PROBABILITY_BITS) - one };
        // The logarithm, straight between powers of two.
        let whole = part.max(1).ilog2();
        let fraction = (u64::from(part) << 16 >> whole) - (1 << 16);
        self.cost += (u64::from(PROBABILITY_BITS) << 16) - ((u64::from(whole) << 16) + fraction);
        bit
    }
}

/// Last position of the part that stands for 1.
#[inline]
fn split(low: u32, high: u32, one: u32) -> u32 {
    low + ((u64::from(high - low) * u64::from(one)) >> PROBABILITY_BITS) as u32
}
