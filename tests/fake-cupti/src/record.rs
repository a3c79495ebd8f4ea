//! Records to be emitted, written in the newest layout; a profile keeps their beginning.

use cupti_sys::{ActivityKind, Field, RECORDS, Record};

/// Long enough for every record of every release.
const CANNED_BYTES: usize = 512;

/// One record in the newest layout.
#[derive(Clone, Copy, Debug)]
pub struct CannedRecord {
    kind: ActivityKind,
    bytes: [u8; CANNED_BYTES],
}

impl CannedRecord {
    /// All zeros but the kind.
    pub fn new(kind: ActivityKind) -> Self {
        let mut bytes = [0; CANNED_BYTES];
        bytes[..4].copy_from_slice(&kind.0.to_ne_bytes());
        Self { kind, bytes }
    }

    /// Sets a field. Only the bytes that the field has are kept of `value`.
    pub fn with(mut self, field: &Field, value: u64) -> Self {
        self.set(field, value);
        self
    }

    /// Sets a field in place.
    pub fn set(&mut self, field: &Field, value: u64) {
        let n_bytes = usize::from(field.size).min(8);
        let at = usize::from(field.offset);
        // Little-endian, as every machine CUDA runs on.
        self.bytes[at..at + n_bytes].copy_from_slice(&value.to_le_bytes()[..n_bytes]);
    }

    /// Fills every field that the ledger has with a value of its own, so that no two fields can be
    /// mistaken for each other. The values depend on `seed` only.
    pub fn filled(kind: ActivityKind, seed: u64) -> Self {
        let mut record = Self::new(kind);
        if let Some(facts) = RECORDS.iter().find(|record| record.kinds.contains(&kind)) {
            record.fill(facts, seed);
        }
        record
    }

    fn fill(&mut self, facts: &Record, seed: u64) {
        for (index, field) in (1_u64..).zip(facts.fields) {
            let value = seed
                .wrapping_add(index)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(index as u32);
            self.set(field, value);
            if field.size == 16 {
                let at = usize::from(field.offset) + 8;
                self.bytes[at..at + 8].copy_from_slice(&(!value).to_le_bytes());
            }
        }
    }

    /// The kind.
    pub fn kind(&self) -> ActivityKind {
        self.kind
    }

    /// The whole record.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
