//! Compression contexts that are kept from call to call, and output that cannot grow.

use std::io;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

/// Compresses, one context for many calls.
pub(crate) struct Packer {
    compressor: Compressor<'static>,
    staging: Vec<u8>,
    /// Planes of the column that is being written.
    pub(super) planes: Vec<u8>,
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Packer")
    }
}

impl Packer {
    pub(crate) fn new(level: i32) -> io::Result<Self> {
        let mut compressor = Compressor::new(level)?;
        // Lengths stand in the chunk and checksums cover it as a whole.
        compressor.set_parameter(CParameter::ContentSizeFlag(false))?;
        compressor.set_parameter(CParameter::ChecksumFlag(false))?;
        compressor.set_parameter(CParameter::DictIdFlag(false))?;
        Ok(Self { compressor, staging: Vec::new(), planes: Vec::new() })
    }

    /// Appends the compressed form of `bytes` to `out` when it is smaller by a thirty-second at
    /// least, and says how long it is; otherwise leaves `out` alone.
    ///
    /// What gains less is not worth the time to decompress.
    pub(crate) fn pack(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Option<u32> {
        self.staging.clear();
        self.staging.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
        let packed_len = self.compressor.compress_to_buffer(bytes, &mut self.staging).ok()?;
        if packed_len + bytes.len() / 32 >= bytes.len() {
            return None;
        }
        out.extend_from_slice(&self.staging);
        u32::try_from(packed_len).ok()
    }
}

/// Decompresses, one context for many calls.
pub(crate) struct Unpacker {
    decompressor: Decompressor<'static>,
}

impl std::fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Unpacker")
    }
}

impl Unpacker {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { decompressor: Decompressor::new()? })
    }

    /// Fills `out` with exactly what `packed` decompresses to; an error when it is more or less.
    pub(crate) fn unpack(&mut self, packed: &[u8], out: &mut [u8]) -> Result<(), String> {
        match self.decompressor.decompress_to_buffer(packed, out) {
            Ok(len) if len == out.len() => Ok(()),
            Ok(len) => Err(format!("{len} bytes")),
            Err(error) => Err(error.to_string()),
        }
    }
}
