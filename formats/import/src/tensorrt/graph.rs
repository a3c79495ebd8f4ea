//! `trtexec --exportLayerInfo`, or `IEngineInspector` in JSON.
//!
//! # The bytes
//!
//! ```json
//! {"Layers": [{"Name": "Conv_0 + Relu_1", "LayerType": "CaskConvolution",
//!   "Inputs": [{"Name": "x", "Dimensions": [1,3,8,8], "Format/Datatype": "Row major linear FP32"}],
//!   "Outputs": […], "Weights": {"Type": "Half", "Count": 9408}, "TacticName": "sm80_xmma_…"}],
//!  "Bindings": ["x", "y"]}
//! ```
//!
//! Engines built without detail list names in place of layer objects.

use underspan_model::tables::{CpuOp, CpuOpKind};
use underspan_model::{NONE_U32, ProblemKind, Timeline};

use super::{Capture, each_item, end};
use crate::input::InputFile;
use crate::json::{Json, JsonStream, Stop, outline};
use crate::{ImportError, ImportOptions, Importer, Probe, ProbeInput, Progress};

const FORMAT: &str = "tensorrt_engine_graph_json";

/// Reads the layers of an engine.
#[derive(Debug, Clone, Copy, Default)]
pub struct TensorRtGraphImporter;

impl Importer for TensorRtGraphImporter {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn title(&self) -> &'static str {
        "a TensorRT engine's layers in JSON"
    }

    fn probe(&self, head: &ProbeInput<'_>) -> Probe {
        let Some(outline) = outline(head.head).filter(|outline| outline.n_lists == 0) else {
            return Probe::No;
        };
        let Some(layers) = outline.value("Layers") else { return Probe::No };
        let has = |word: &[u8]| memchr::memmem::find(layers, word).is_some();
        if has(b"\"LayerType\"") || outline.has("Bindings") {
            Probe::Yes
        } else if has(b"\"Name\"") {
            Probe::Maybe
        } else {
            Probe::No
        }
    }

    fn import(
        &self,
        input: &InputFile,
        options: &ImportOptions,
        progress: &dyn Progress,
    ) -> Result<Timeline, ImportError> {
        let mut capture = Capture::new(input, FORMAT);
        let mut stream = JsonStream::open(input, options, progress)?;
        let read = read(&mut stream, &mut capture);
        capture.finish(read, input, options)
    }
}

fn read(stream: &mut JsonStream<'_>, capture: &mut Capture) -> Result<(), Stop> {
    stream.open_bracket(b'{')?;
    let mut is_first = true;
    let mut n_layers = 0;
    while let Some(key) = stream.next_key(&mut is_first)? {
        if key != "Layers" {
            stream.skip_value()?;
            continue;
        }
        each_item(stream, |layer, offset| {
            add_layer(layer, offset, n_layers, capture);
            n_layers += 1;
        })?;
    }
    end(stream, capture)
}

fn add_layer(layer: &Json<'_>, offset: u64, at: u64, capture: &mut Capture) {
    let name = layer.as_text().or_else(|| layer.get("Name").and_then(Json::as_text));
    let Some(name) = name else {
        let example = || format!("at byte {offset}: a layer without a name");
        return capture.problem(ProblemKind::MalformedEvent, example);
    };
    let tensors = |key: &str| layer.get(key).map_or(&[][..], Json::items);
    let both = || tensors("Inputs").iter().chain(tensors("Outputs"));
    let formats: Vec<&str> = both().filter_map(format_of).collect();
    let dims: Vec<String> = tensors("Inputs").iter().map(dims_of).collect();
    let dims = format!("[{}]", dims.join(","));
    let strings = &mut capture.timeline.strings;
    let named = CpuOp {
        start_ns: at as i64,
        thread: capture.thread.raw(),
        name: strings.intern(name).raw(),
        kind: CpuOpKind::Operator.code(),
        external_id: at,
        input_types: strings.intern(&json_list(&formats)).raw(),
        input_dims: strings.intern(&dims).raw(),
        ..CpuOp::default()
    };
    capture.timeline.cpu_ops.push(named);
    let Some(kind) = layer.get("LayerType").and_then(Json::as_text) else { return };
    // Myelin's kernels have no tactic: their name is the layer's.
    let own_name = Some(name).filter(|name| name.starts_with("__myl"));
    let tactic = layer.get("TacticName").and_then(Json::as_text).or(own_name).unwrap_or("");
    let weights = layer.get("Weights").and_then(|weights| weights.get("Type"));
    let types: Vec<&str> = tensors("Inputs")
        .iter()
        .filter_map(format_of)
        .chain(weights.and_then(Json::as_text))
        .chain(tensors("Outputs").iter().filter_map(format_of))
        .filter_map(element_type)
        .collect();
    let strings = &mut capture.timeline.strings;
    let implementation = CpuOp {
        name: strings.intern(&format!("tensorrt::{kind}/{tactic}")).raw(),
        input_types: strings.intern(&json_list(&types)).raw(),
        input_dims: NONE_U32,
        ..named
    };
    capture.timeline.cpu_ops.push(implementation);
}

fn format_of<'a>(tensor: &'a Json<'_>) -> Option<&'a str> {
    tensor.get_any(&["Format/Datatype", "Datatype", "Format"]).and_then(Json::as_text)
}

fn dims_of(tensor: &Json<'_>) -> String {
    let dims = tensor.get("Dimensions").map_or(&[][..], Json::items);
    let dims: Vec<&str> = dims.iter().filter_map(Json::as_token).collect();
    format!("[{}]", dims.join(","))
}

/// The element type in a format's description, such as "Channel major FP16 format where
/// channel % 8 == 0".
fn element_type(format: &str) -> Option<&'static str> {
    format.split(|c: char| !c.is_ascii_alphanumeric()).find_map(|word| {
        Some(match word.to_ascii_lowercase().as_str() {
            "fp32" | "float" | "float32" => "fp32",
            "fp16" | "half" | "float16" => "fp16",
            "bf16" | "bfloat16" => "bf16",
            "fp8" | "e4m3" => "fp8",
            "fp4" | "e2m1" => "fp4",
            "int8" => "int8",
            "int4" => "int4",
            "int32" => "int32",
            "int64" => "int64",
            "uint8" => "uint8",
            "bool" => "bool",
            _ => return None,
        })
    })
}

fn json_list(texts: &[&str]) -> String {
    serde_json::to_string(texts).unwrap_or_default()
}
