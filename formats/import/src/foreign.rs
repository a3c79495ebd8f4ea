//! Files that are not imported, named so that the user is told what they hold.
//!
//! Recognised by content wherever content can tell; a name decides only between binary formats
//! without a signature, and only about the wording of a refusal.

use std::path::Path;

use crate::ProbeInput;

/// Content that is recognised, but is not something to import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Foreign {
    /// What it is, with its article.
    pub(crate) found: &'static str,
    /// What the user can do.
    pub(crate) hint: &'static str,
}

const NOT_YET: &str = "it cannot be imported yet";
const UNPACK: &str = "unpack it and give the files or the folder";
const NO_TIMELINE: &str = "it holds no timeline; give the trace itself";

/// Signatures at the start of binary and text formats.
const SIGNATURES: &[(&[u8], &str, &str)] = &[
    (b"PK\x03\x04", "a zip archive", UNPACK),
    (b"\xfd7zXZ\0", "an xz-compressed file", "decompress it with xz -d"),
    (b"BZh", "a bzip2-compressed file", "decompress it with bzip2 -d"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"QDSTRM", "a raw Nsight Systems stream", "convert it: nsys export --type sqlite FILE"),
    (b"NVR\0", "an Nsight Compute report", "it holds counters, not a timeline; use Nsight Systems"),
    (b"PAR1", "a Parquet file", NOT_YET),
    (b"ARROW1", "an Arrow file", "export the report again with: nsys export --type sqlite"),
    (b"\x89HDF\r\n", "an HDF5 file", "export the report again with: nsys export --type sqlite"),
    (b"\x7fELF", "an executable", "give the trace it wrote; to record one: underspan record"),
    (b"%PDF", "a PDF document", NO_TIMELINE),
    (b"\x89PNG", "an image", NO_TIMELINE),
    (b"version https://git-lfs", "a Git LFS pointer", "fetch the file it stands for: git lfs pull"),
    (b"<!DOCTYPE html", "a web page", "perhaps a download that failed; download the file itself"),
    (b"<html", "a web page", "perhaps a download that failed; download the file itself"),
];

/// JSON documents by their first key (of the document, or of the first object in its array).
/// `("", …)` keys are never used; a second text must occur near the start where one is given.
const DOCUMENTS: &[(Shape, &str, &str, &str, &str)] = &[
    (
        Shape::Object,
        "schema",
        "\"nodes\"",
        "a PyTorch execution trace",
        "it holds operators and no times of GPU work; give the Kineto trace of the same run",
    ),
    (Shape::Object, "resourceMetrics", "", "OpenTelemetry metrics (OTLP)", NOT_YET),
    (Shape::Object, "timestamp", "\"input_length\"", "a list of requests", NO_TIMELINE),
    (Shape::Object, "$schema", "speedscope", "a speedscope profile", NOT_YET),
];

/// Binary formats without a signature, by the end of the name.
const NAMES: &[(&str, &str, &str)] = &[
    (".nsys-rep", "an Nsight Systems report", "convert it: nsys export --type sqlite FILE"),
    (".qdrep", "an Nsight Systems report", "convert it: nsys export --type sqlite FILE"),
    (".xplane.pb", "an XPlane profile", NOT_YET),
    (".pftrace", "a Perfetto trace", NOT_YET),
    (".perfetto-trace", "a Perfetto trace", NOT_YET),
];

/// Where `ustar` stands in a tar archive.
const TAR_MAGIC_AT: usize = 257;
/// How much of the start is searched for a second text.
const NEAR_BYTES: usize = 8 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Object,
    Array,
}

/// Names the content when it is of a known other kind.
pub(crate) fn recognise(probe: &ProbeInput<'_>) -> Option<Foreign> {
    let head = probe.head;
    let start = head.trim_ascii_start();
    let signed = SIGNATURES
        .iter()
        .find(|(signature, ..)| {
            start.get(..signature.len()).is_some_and(|s| s.eq_ignore_ascii_case(signature))
        })
        .map(|&(_, found, hint)| Foreign { found, hint });
    if signed.is_some() {
        return signed;
    }
    if head.get(TAR_MAGIC_AT..TAR_MAGIC_AT + 5) == Some(b"ustar") {
        return Some(Foreign { found: "a tar archive", hint: UNPACK });
    }
    if let Some((shape, key)) = first_key(start) {
        let near = &start[..start.len().min(NEAR_BYTES)];
        return DOCUMENTS
            .iter()
            .find(|(wanted, first, second, ..)| {
                *wanted == shape && *first == key && contains(near, second.as_bytes())
            })
            .map(|&(_, _, _, found, hint)| Foreign { found, hint });
    }
    named(probe.path)
}

fn named(path: &Path) -> Option<Foreign> {
    let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
    NAMES
        .iter()
        .find(|(end, ..)| name.ends_with(end))
        .map(|&(_, found, hint)| Foreign { found, hint })
}

/// The first key of a JSON object, or of the first object in a JSON array.
fn first_key(text: &[u8]) -> Option<(Shape, &str)> {
    let (shape, rest) = match text.split_first()? {
        (b'{', rest) => (Shape::Object, rest),
        (b'[', rest) => (Shape::Array, rest.trim_ascii_start().strip_prefix(b"{")?),
        _ => return None,
    };
    let rest = rest.trim_ascii_start().strip_prefix(b"\"")?;
    let end = memchr::memchr(b'"', rest)?;
    Some((shape, std::str::from_utf8(&rest[..end]).ok()?))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}

/// Describes unknown content: JSON by its first key, other text by its start, the rest by its
/// bytes.
pub(crate) fn describe(head: &[u8]) -> String {
    if head.trim_ascii_start().is_empty() {
        return "nothing but white space".to_owned();
    }
    if let Some((_, key)) = first_key(head.trim_ascii_start()) {
        return format!("a JSON document whose first key is {key:.40?}");
    }
    let start = &head[..head.len().min(24)];
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        // A character may be cut by the limit.
        Err(error) if error.valid_up_to() + 4 > start.len() => {
            std::str::from_utf8(&start[..error.valid_up_to()]).unwrap_or("")
        }
        Err(_) => "",
    };
    if text.is_empty() || text.chars().any(|c| c.is_control() && !c.is_whitespace()) {
        let hex: Vec<_> = start.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        return format!("bytes starting with {}", hex.join(" "));
    }
    format!("text starting with {text:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, head: &[u8]) -> Option<&'static str> {
        let probe = ProbeInput { path: Path::new(name), head, is_whole: true };
        recognise(&probe).map(|foreign| foreign.found)
    }

    #[test]
    fn documents_are_told_by_their_first_key() {
        let execution = br#" {"schema": "1.1.0-chakra.0.0.4", "pid": 7, "nodes": []}"#;
        assert_eq!(found("a.json", execution), Some("a PyTorch execution trace"));
        assert_eq!(found("a.json", br#"{"schemaVersion": 1, "nodes": []}"#), None);
        assert_eq!(found("a", b"{\"resourceMetrics\":[]}"), Some("OpenTelemetry metrics (OTLP)"));
        assert_eq!(found("a", br#"[{"ph":"X"}]"#), None);
        assert_eq!(found("a", br#"{"name": "resourceMetrics"}"#), None);
    }

    #[test]
    fn binary_formats_are_told_by_signature_before_name() {
        assert_eq!(found("a.nsys-rep", b"PK\x03\x04"), Some("a zip archive"));
        assert_eq!(found("a.nsys-rep", b"\x01\x02"), Some("an Nsight Systems report"));
        assert_eq!(found("a.json", b"\x01\x02"), None);
        let mut tar = vec![b'x'; 512];
        tar[TAR_MAGIC_AT..TAR_MAGIC_AT + 5].copy_from_slice(b"ustar");
        assert_eq!(found("a", &tar), Some("a tar archive"));
    }

    #[test]
    fn unknown_content_is_described_on_one_line() {
        assert_eq!(describe(b"\n \n"), "nothing but white space");
        assert_eq!(describe(b"hello\nworld"), r#"text starting with "hello\nworld""#);
        assert_eq!(describe(b"\x00\x01\xff"), "bytes starting with 00 01 ff");
        assert_eq!(describe(b"{\"a\":1}"), "a JSON document whose first key is \"a\"");
        let cut = "ääääääääääääää";
        assert_eq!(describe(cut.as_bytes()), r#"text starting with "ääääääääääää""#);
    }
}
