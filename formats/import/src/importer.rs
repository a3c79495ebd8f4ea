//! What an importer is.

use std::path::Path;

use underspan_model::{SourceId, Timeline, tables::Source};

use crate::input::InputFile;
use crate::{ImportError, ImportOptions, Progress};

/// A reader of one source format. One file per importer, one line in the registry.
pub trait Importer: Sync {
    /// The format's name in reports and files, such as `kineto_json`.
    fn format(&self) -> &'static str;

    /// What a person calls the format, for messages: "a PyTorch (Kineto) trace".
    fn title(&self) -> &'static str;

    /// Whether the content is of this format, judged by its beginning.
    fn probe(&self, head: &ProbeInput<'_>) -> Probe;

    /// Reads the whole file into a sorted timeline.
    ///
    /// # Errors
    /// When nothing sensible can be read. Damage that leaves something readable is counted in the
    /// timeline's ledger instead.
    fn import(
        &self,
        input: &InputFile,
        options: &ImportOptions,
        progress: &dyn Progress,
    ) -> Result<Timeline, ImportError>;
}

/// The beginning of a file, after decompression.
#[derive(Debug, Clone, Copy)]
pub struct ProbeInput<'a> {
    /// The file. Its name is a hint, never a proof.
    pub path: &'a Path,
    /// The first bytes of the content, decompressed.
    pub head: &'a [u8],
    /// Whether `head` is the whole content.
    pub is_whole: bool,
}

/// An importer's judgement of a file's beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Probe {
    /// Not this format.
    No,
    /// Could be: chosen when no other importer is sure.
    Maybe,
    /// This format without doubt.
    Yes,
}

/// A timeline that holds nothing but the source it will be read from.
pub(crate) fn timeline_of(input: &InputFile, format: &str) -> (Timeline, SourceId) {
    let mut timeline = Timeline::new();
    format.clone_into(&mut timeline.info.format);
    let source = Source {
        name: timeline.strings.intern(&input.name()).raw(),
        format: timeline.strings.intern(format).raw(),
        file_bytes: input.file_bytes(),
        ..Source::default()
    };
    let source = timeline.dimensions.add_source(source);
    (timeline, source)
}
