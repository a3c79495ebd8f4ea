//! OpenTelemetry spans (OTLP): files of `ExportTraceServiceRequest` or `TracesData` messages.
//!
//! # The bytes
//!
//! JSON or protobuf, plain or compressed as a whole (gzip, zstd).
//!
//! *JSON* (the protobuf JSON mapping of OTLP): one object with `resourceSpans`, a list of such
//! objects, or such objects one after the other (the OpenTelemetry Collector's file exporter, one
//! on each line). Ids are hexadecimal or, as plain protobuf JSON writes them, base64; 64-bit
//! numbers are text or numbers; kinds and codes are numbers or names. Tempo's answers call the
//! list `batches` or put it into a `trace`, Jaeger's (v3) into a `result`; before OTLP 0.15 `scopeSpans` was `instrumentationLibrarySpans`.
//!
//! *Protobuf*: one message or several after each other (which protobuf reads as one), each bare
//! or with its length in front: four bytes, highest first (the Collector's file exporter, which
//! may compress each message on its own), or a varint (`writeDelimitedTo`).
//!
//! Times are nanoseconds of the wall clock.

mod frames;
mod json;
mod message;
mod protobuf;

use underspan_model::Timeline;

use crate::input::InputFile;
use crate::json::outline;
use crate::{ImportError, ImportOptions, Importer, Probe, ProbeInput, Progress};

/// Reads OpenTelemetry spans in JSON.
#[derive(Debug, Clone, Copy, Default)]
pub struct OtlpJsonImporter;

/// Reads OpenTelemetry spans in protobuf.
#[derive(Debug, Clone, Copy, Default)]
pub struct OtlpProtobufImporter;

impl Importer for OtlpJsonImporter {
    fn format(&self) -> &'static str {
        json::FORMAT
    }

    fn title(&self) -> &'static str {
        "OpenTelemetry spans (OTLP) in JSON"
    }

    fn probe(&self, head: &ProbeInput<'_>) -> Probe {
        let Some(outline) = outline(head.head) else {
            let is_framed = frames::framing_of(head.head).is_some_and(|framing| framing.is_json);
            return if is_framed { Probe::Yes } else { Probe::No };
        };
        let has_spans = outline.has("resourceSpans") || outline.has("resource_spans");
        let is_tempo = ["batches", "trace", "result"].iter().any(|key| {
            outline.value(key).is_some_and(|value| {
                memchr::memmem::find(value, b"\"resource").is_some()
                    || memchr::memmem::find(value, b"\"scopeSpans\"").is_some()
                    || memchr::memmem::find(value, b"\"instrumentationLibrarySpans\"").is_some()
            })
        });
        if has_spans || is_tempo { Probe::Yes } else { Probe::No }
    }

    fn import(
        &self,
        input: &InputFile,
        options: &ImportOptions,
        progress: &dyn Progress,
    ) -> Result<Timeline, ImportError> {
        json::read(input, options, progress)
    }
}

impl Importer for OtlpProtobufImporter {
    fn format(&self) -> &'static str {
        protobuf::FORMAT
    }

    fn title(&self) -> &'static str {
        "OpenTelemetry spans (OTLP) in protobuf"
    }

    fn probe(&self, head: &ProbeInput<'_>) -> Probe {
        match frames::framing_of(head.head) {
            Some(framing) if !framing.is_json => Probe::Yes,
            _ => Probe::No,
        }
    }

    fn import(
        &self,
        input: &InputFile,
        options: &ImportOptions,
        progress: &dyn Progress,
    ) -> Result<Timeline, ImportError> {
        protobuf::read(input, options, progress)
    }
}
