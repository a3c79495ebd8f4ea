//! Compression of a whole file, found by its first bytes.

use std::fs::File;
use std::io::Read;

use super::blocks::decoder_for;

/// How a file's content is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip (RFC 1952), one member or several.
    Gzip,
    /// Zstandard (RFC 8878), one frame or several.
    Zstd,
}

impl Compression {
    /// The compression whose magic number `raw` starts with.
    pub fn of(raw: &[u8]) -> Self {
        match raw {
            [0x1f, 0x8b, 0x08, ..] => Self::Gzip,
            // A frame, or a skippable frame in front of one.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }

    /// What a person calls it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// Up to `limit` bytes of the content, and whether that is all of it. Damage ends the head.
    pub(super) fn head_of(self, file: File, limit: usize) -> (Vec<u8>, bool) {
        let mut head = vec![0; limit];
        let mut filled = 0;
        let mut is_whole = false;
        if let Ok(mut decoder) = decoder_for(file, self) {
            while filled < limit {
                match decoder.read(&mut head[filled..]) {
                    Ok(0) => {
                        is_whole = true;
                        break;
                    }
                    Ok(n) => filled += n,
                    Err(_) => break,
                }
            }
        }
        head.truncate(filled);
        (head, is_whole)
    }
}
