//! underspan's own capture files, read back.

use underspan_model::Timeline;

use crate::input::{Compression, InputFile};
use crate::{ImportError, ImportOptions, Importer, Probe, ProbeInput, Progress};

/// How a `.uspan` file starts (see the README of `underspan-native`).
const MAGIC: &[u8] = b"\x89USPAN\r\n";

/// Reads `.uspan` files.
pub(crate) struct Native;

impl Importer for Native {
    fn format(&self) -> &'static str {
        "uspan"
    }

    fn title(&self) -> &'static str {
        "an underspan capture (.uspan)"
    }

    fn probe(&self, head: &ProbeInput<'_>) -> Probe {
        if head.head.starts_with(MAGIC) { Probe::Yes } else { Probe::No }
    }

    fn import(
        &self,
        input: &InputFile,
        _options: &ImportOptions,
        progress: &dyn Progress,
    ) -> Result<Timeline, ImportError> {
        if input.compression() != Compression::None {
            return Err(ImportError::Foreign {
                path: input.path().to_owned(),
                found: "a compressed underspan capture",
                hint: "it is compressed inside already; decompress it first",
            });
        }
        let mut timeline = underspan_native::read_timeline(input.path())
            .map_err(|refusal| ImportError::Native { path: input.path().to_owned(), refusal })?;
        timeline.sort();
        progress.advance(input.file_bytes(), input.file_bytes());
        Ok(timeline)
    }
}
