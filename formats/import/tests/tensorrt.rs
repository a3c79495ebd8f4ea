//! TensorRT's layers, layer times and run times.

mod support;

use serde_json::Value;
use support::{corpus, import, message_in};
use underspan_import::{ImportOptions, NoProgress, import_paths};
use underspan_model::{ShapeId, StringId, Timeline};

const GRAPH: &str = r#"{"Layers": [
 {"Name": "Conv_0 + Relu_1", "LayerType": "CaskConvolution",
  "Inputs": [{"Name": "x", "Dimensions": [1,3,8,8], "Format/Datatype": "Row major linear FP32"}],
  "Outputs": [{"Name": "y", "Dimensions": [1,8,8,8],
               "Format/Datatype": "Channel major FP16 format where channel % 8 == 0"}],
  "Weights": {"Type": "Half", "Count": 216}, "TacticName": "sm80_xmma_fprop_x"},
 {"LayerType": "NoOp"}, "only a name"],
 "Bindings": ["x", "y"]}"#;
const PROFILE: &str = r#"[{"count": 2}
, {"name": "Conv_0 + Relu_1", "timeMs": 0.25, "averageMs": 0.125, "percentage": 80}
, {"name": "lost", "averageMs": "soon"}
, {"name": "Gemm_1", "timeMs": 0.05, "averageMs": 0.025, "percentage": 20}]"#;
const TIMING: &str = r#"[{"startEnqMs": 1, "endEnqMs": 1.5, "startH2dMs": 2, "endH2dMs": 2.25,
 "startComputeMs": 2.25, "endComputeMs": 3, "startD2hMs": 3, "endD2hMs": 3}, {"computeMs": 4}]"#;

fn read(content: &str, name: &str) -> Timeline {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, content).expect("a file");
    import(&path).expect(name)
}

fn text(t: &Timeline, id: u32) -> &str {
    t.strings.resolve_or_empty(StringId::from_raw(id))
}

fn problems(t: &Timeline) -> Vec<String> {
    let line = |p: underspan_model::Problem| format!("{} {}", p.kind.name(), p.example);
    t.problems.iter().map(line).collect()
}

#[test]
fn layers_become_operators_with_types_and_formats() {
    let t = read(GRAPH, "anything.json");
    let rows: Vec<_> = t
        .cpu_ops
        .iter()
        .map(|op| (text(&t, op.name), op.external_id, text(&t, op.input_types)))
        .collect();
    assert_eq!(
        rows,
        [
            (
                "Conv_0 + Relu_1",
                0,
                r#"["Row major linear FP32","Channel major FP16 format where channel % 8 == 0"]"#
            ),
            ("tensorrt::CaskConvolution/sm80_xmma_fprop_x", 0, r#"["fp32","fp16","fp16"]"#),
            ("only a name", 2, "[]"),
        ]
    );
    assert_eq!(text(&t, t.cpu_ops.input_dims[0]), "[[1,3,8,8]]");
    assert_eq!(problems(&t).len(), 1, "a layer without a name is counted");
}

#[test]
fn a_profile_becomes_one_kernel_a_layer() {
    let t = read(PROFILE, "anything.json");
    let name = |shape: u32| {
        let shape = t.shapes.resolve(ShapeId::from_raw(shape)).expect("a shape");
        t.strings.resolve_or_empty(shape.name)
    };
    let rows: Vec<_> =
        t.kernels.iter().map(|k| (name(k.shape), k.start_ns, k.duration_ns)).collect();
    assert_eq!(rows, [("Conv_0 + Relu_1", 0, 125_000), ("Gemm_1", 125_000, 25_000)]);
    assert!(problems(&t)[0].starts_with("missing_duration"), "{:?}", problems(&t));
    let property = t.dimensions.properties.get(0).expect("the number of runs");
    assert_eq!((text(&t, property.key), text(&t, property.value)), ("tensorrt.profile.count", "2"));
}

#[test]
fn runs_become_annotations_and_their_copies_copies() {
    let t = read(TIMING, "anything.json");
    assert_eq!((t.annotations.start_ns[0], t.annotations.duration_ns[0]), (2_250_000, 750_000));
    assert_eq!(t.memcpys.duration_ns, [250_000], "a copy of no length is none");
    assert_eq!(t.cpu_ops.duration_ns, [500_000]);
    assert!(problems(&t)[0].starts_with("missing_timestamp"), "{:?}", problems(&t));
}

#[test]
fn a_broken_document_is_an_error_that_names_the_place() {
    let folder = tempfile::tempdir().expect("a folder");
    for (content, expected) in [
        (&PROFILE[..120], "the end of the file"),
        ("{\"Layers\": [{\"LayerType\": \"x\", ]}", "at byte"),
    ] {
        let path = folder.path().join("broken.json");
        std::fs::write(&path, content).expect("a file");
        let error = import(&path).expect_err("broken");
        let message = message_in(folder.path(), &error);
        assert!(message.starts_with("broken.json") && message.contains(expected), "{message}");
    }
}

#[test]
fn real_documents_hold_what_was_counted_independently() {
    let Some(corpus) = corpus() else { return };
    let facts = std::fs::read_to_string(corpus.join("facts.json")).expect("facts");
    let facts: Value = serde_json::from_str(&facts).expect("facts are JSON");
    let mut n_checked = 0;
    for (file, facts) in facts.as_object().expect("an object") {
        if !file.starts_with("trt/") {
            continue;
        }
        let t = import(&corpus.join(file)).expect(file);
        assert_eq!(problems(&t), [""; 0], "{file}");
        match facts["format"].as_str().expect("a format") {
            "trt_engine_graph_json" => {
                let implementations = facts["layers"].as_u64().expect("layers");
                assert_eq!(t.cpu_ops.len() as u64, 2 * implementations, "{file}");
                for (kind, n) in facts["layer_types"].as_object().expect("types") {
                    let prefix = format!("tensorrt::{kind}/");
                    let found =
                        t.cpu_ops.name.iter().filter(|id| text(&t, **id).starts_with(&prefix));
                    assert_eq!(found.count() as u64, n.as_u64().expect("a count"), "{file} {kind}");
                }
            }
            "trtexec_profile_json" => {
                assert_eq!(t.kernels.len() as u64, facts["layers"].as_u64().expect("layers"));
                let total: u64 = t.kernels.duration_ns.iter().sum();
                let expected = facts["total_average_ms"].as_f64().expect("a total") * 1e6;
                assert!((total as f64 - expected).abs() <= 100.0, "{file}: {total} {expected}");
            }
            "trtexec_timing_json" => {
                let runs = facts["iterations"].as_u64().expect("iterations");
                assert_eq!(t.annotations.len() as u64, runs, "{file}");
                let sum: u64 = t.annotations.duration_ns.iter().sum();
                let mean = facts["computeMs"]["mean"].as_f64().expect("a mean") * 1e6;
                let found = sum as f64 / runs as f64;
                assert!((found / mean - 1.0).abs() < 1e-3, "{file}: {found} {mean}");
            }
            other => panic!("{file}: {other} is not read"),
        }
        n_checked += 1;
    }
    assert!(n_checked >= 12, "{n_checked} documents");
}

#[test]
fn layers_and_their_times_join_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in [("g.json", GRAPH), ("p.json", PROFILE), ("t.json", TIMING)] {
        std::fs::write(folder.path().join(name), content).expect("a file");
    }
    let paths = [folder.path().to_owned()];
    let joined = import_paths(&paths, &ImportOptions::default(), &NoProgress).expect("a capture");
    let t = joined.timeline;
    let layer = t.strings.find("Conv_0 + Relu_1").expect("one name").raw();
    assert!(t.cpu_ops.name.contains(&layer));
    assert_eq!((t.kernels.len(), t.annotations.len(), joined.skipped.len()), (2, 1, 0));
}
