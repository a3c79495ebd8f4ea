//! Bodies that are compressed.

use std::io::Read;

use bytes::Bytes;

use super::Refusal;
use super::budget::Share;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Identity,
    Gzip,
    /// With the head and checksum of zlib.
    Deflate,
    Zstd,
}

const STEP_BYTES: usize = 64 << 10;
/// zstd data that asks for a larger window is refused: 2^27 is what the format recommends.
const WINDOW_LOG_MAX: u32 = 27;

impl Compression {
    /// The compression that a `Content-Encoding` or `grpc-encoding` names.
    pub(super) fn named(name: &[u8]) -> Result<Self, Refusal> {
        [Self::Identity, Self::Gzip, Self::Deflate, Self::Zstd]
            .into_iter()
            .find(|compression| {
                name.trim_ascii().eq_ignore_ascii_case(compression.name().as_bytes())
            })
            .ok_or(Refusal::ContentEncoding)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Zstd => "zstd",
        }
    }

    /// The bytes that `body` stands for, at most `limit` of them.
    pub(super) fn inflate(
        self,
        body: &Bytes,
        limit: usize,
        share: &mut Share,
    ) -> Result<Bytes, Refusal> {
        let body_bytes = body.as_ref();
        match self {
            Self::Identity => Ok(body.clone()),
            Self::Gzip => read(flate2::bufread::MultiGzDecoder::new(body_bytes), limit, share),
            Self::Deflate => read(flate2::bufread::ZlibDecoder::new(body_bytes), limit, share),
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(body_bytes)
                    .map_err(|error| malformed(&error))?;
                decoder.window_log_max(WINDOW_LOG_MAX).map_err(|error| malformed(&error))?;
                read(decoder, limit, share)
            }
        }
    }
}

fn read(mut inflating: impl Read, limit: usize, share: &mut Share) -> Result<Bytes, Refusal> {
    let mut whole = Vec::new();
    let mut step = vec![0; STEP_BYTES];
    loop {
        let n = match inflating.read(&mut step) {
            Ok(0) => return Ok(whole.into()),
            Ok(n) => n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(malformed(&error)),
        };
        if n > limit - whole.len() {
            return Err(Refusal::TooLarge { limit });
        }
        share.grow(n)?;
        whole.extend_from_slice(&step[..n]);
    }
}

fn malformed(error: &std::io::Error) -> Refusal {
    Refusal::Malformed(format!("the compressed body is damaged ({error})"))
}

/// Inflates what was accepted before.
pub(crate) fn inflate_again(compression: Compression, body: &Bytes, limit: usize) -> Option<Bytes> {
    let budget = std::sync::Arc::new(super::budget::Budget::new(limit));
    compression.inflate(body, limit, &mut budget.share()).ok()
}
