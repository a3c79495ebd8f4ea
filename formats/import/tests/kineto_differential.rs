//! The fast path and the general parser give the same tables, and so does any number of threads,
//! any compression, and any place at which the content is cut into parts.

#[path = "support/kineto_json.rs"]
mod kineto_json;
#[path = "support/kineto_text.rs"]
mod kineto_text;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use kineto_json::Layout;
use kineto_text::{Packing, import_bytes, import_file, pack, show};
use proptest::prelude::*;
use underspan_import::{ImportError, ImportOptions, KinetoImporter};
use underspan_model::Timeline;

fn with_threads<T: Send>(n: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(n).build().expect("a pool").install(work)
}

fn read(bytes: &[u8], importer: KinetoImporter, threads: usize) -> Result<Timeline, ImportError> {
    let options = ImportOptions::default();
    with_threads(threads, || import_bytes(bytes, importer, &options))
}

/// Imports in every way and asserts that all come to the same; what that is.
fn same_in_every_way(text: &[u8]) -> Result<Timeline, String> {
    let outcome = |bytes: &[u8], importer, threads| {
        // The folder of the file differs from one to the next.
        read(bytes, importer, threads).map_err(|error| {
            error
                .to_string()
                .rsplit_once("trace.json")
                .map_or(String::new(), |(_, tail)| tail.into())
        })
    };
    let reference = outcome(text, KinetoImporter::without_fast_path(), 1);
    for threads in [1, 2, 3] {
        let fast = outcome(text, KinetoImporter::new(), threads);
        assert_same(&reference, &fast, &format!("the fast path on {threads} threads"), text);
    }
    reference
}

fn assert_same(
    reference: &Result<Timeline, String>,
    other: &Result<Timeline, String>,
    way: &str,
    text: &[u8],
) {
    if reference == other {
        return;
    }
    let shown = |outcome: &Result<Timeline, String>| match outcome {
        Ok(timeline) => show(timeline),
        Err(error) => error.clone(),
    };
    let (reference, other) = (shown(reference), shown(other));
    let line = reference.lines().zip(other.lines()).find(|(a, b)| a != b);
    let text = String::from_utf8_lossy(&text[..text.len().min(2_000)]);
    panic!("{way} differs at {line:?}\nin {text}");
}

#[test]
fn the_corpus_reads_the_same() {
    let shared = std::env::var_os("UNDERSPAN_SHARED")
        .map(PathBuf::from)
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let Ok(files) = std::fs::read_dir(shared.join("corpus/kineto")) else {
        println!("skipped: ../shared absent");
        return;
    };
    let options = ImportOptions::default();
    for file in files {
        let path = file.expect("an entry").path();
        let general = import_file(&path, KinetoImporter::without_fast_path(), &options);
        let Ok(general) = general else { continue };
        for threads in [1, 2] {
            let fast =
                with_threads(threads, || import_file(&path, KinetoImporter::new(), &options));
            assert!(fast.expect("it was read before") == general, "{}", path.display());
        }
    }
}

#[test]
fn every_layout_reads_the_same_and_says_the_same() {
    let mut shown: Vec<(Layout, String)> = Vec::new();
    for layout in [Layout::Kineto, Layout::OneLine, Layout::Minified, Layout::Indented] {
        // Large enough for many parts and two windows.
        let n = if layout == Layout::Kineto { 10_000 } else { 400 };
        let text = kineto_json::trace(n, layout);
        let timeline = same_in_every_way(text.as_bytes()).expect("sound");
        assert!(timeline.kernels.len() > n / 2, "{} kernels", timeline.kernels.len());
        assert_eq!(timeline.problems.trust(), underspan_model::Trust::Full);
        if n == 400 {
            let rows = show(&timeline);
            shown.push((layout, rows));
        }
    }
    for pair in shown.windows(2) {
        assert_eq!(pair[0].1, pair[1].1, "{:?} and {:?}", pair[0].0, pair[1].0);
    }
}

#[test]
fn every_packing_reads_the_same() {
    let text = kineto_json::trace(8_000, Layout::Kineto);
    let plain = read(text.as_bytes(), KinetoImporter::new(), 2).expect("sound");
    for packing in [Packing::Gzip, Packing::GzipMembers(700_001), Packing::Zstd] {
        let mut packed =
            read(&pack(text.as_bytes(), packing), KinetoImporter::new(), 2).expect("sound");
        packed.dimensions.sources.file_bytes.clone_from(&plain.dimensions.sources.file_bytes);
        assert!(packed == plain, "{packing:?}");
    }
}

/// Text that looks like the beginning of an event, in names and nested values, where the content
/// may be cut into parts.
#[test]
fn what_only_looks_like_an_event_cuts_nothing() {
    let mut text = String::from("{\"traceEvents\": [");
    let n = 30_000_u64;
    for i in 0..n {
        let comma = if i == 0 { "" } else { "," };
        write!(
            text,
            "{comma}\n  {{\"ph\": \"X\", \"cat\": \"cpu_op\", \"name\": \"{{lambda()#1}}, {{ \", \"pid\": 1, \
             \"tid\": 1, \"ts\": {i}, \"dur\": 1, \"args\": {{\"list\": [{{\"a\": 1}}, {{\"ph\": \"X\", \
             \"cat\": \"cpu_op\", \"name\": \"no event\", \"pid\": 1, \"tid\": 1, \"ts\": 5, \"dur\": 1000}}, \
             {{\"b\": \"}},\\n  {{\\\"ph\\\": \"}}]}}}}"
        )
        .expect("a string");
    }
    text.push_str("]}");
    assert!(text.len() > 5 << 20);
    let timeline = same_in_every_way(text.as_bytes()).expect("sound");
    assert_eq!(timeline.cpu_ops.len() as u64, n);
    assert_eq!(timeline.cpu_ops.duration_ns.iter().sum::<u64>(), n * 1000);
    assert_eq!(timeline.problems.trust(), underspan_model::Trust::Full);
}

/// One choice after another, from a list that proptest made and can shrink.
struct Choices<'c> {
    rest: &'c [u16],
}

impl Choices<'_> {
    fn below(&mut self, bound: usize) -> usize {
        let (first, rest) = self.rest.split_first().unwrap_or((&0, &[]));
        self.rest = rest;
        usize::from(*first) % bound
    }

    fn pick<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len())]
    }

    /// A plain value mostly, now and then a strange one.
    fn value<'t>(&mut self, plain: &[&'t str], strange: &[&'t str]) -> &'t str {
        if self.below(8) == 7 { self.pick(strange) } else { self.pick(plain) }
    }
}

const PHASES: &[&str] = &["\"X\"", "\"X\"", "\"X\"", "\"X\"", "\"s\"", "\"f\"", "\"i\""];
const STRANGE_PHASES: &[&str] =
    &["\"B\"", "\"E\"", "\"M\"", "\"C\"", "\"b\"", "\"\"", "7", "\"\\u0058\"", "null"];
const CATEGORIES: &[&str] = &[
    "\"kernel\"",
    "\"gpu_memcpy\"",
    "\"gpu_memset\"",
    "\"cuda_runtime\"",
    "\"cuda_driver\"",
    "\"cpu_op\"",
    "\"user_annotation\"",
    "\"gpu_user_annotation\"",
    "\"python_function\"",
    "\"cuda_sync\"",
    "\"overhead\"",
    "\"Kernel\"",
    "\"ac2g\"",
];
const STRANGE_CATEGORIES: &[&str] =
    &["\"\"", "\"mtia\"", "null", "3", "\"ker\\u006eel\"", "{\"a\": 1}", "\"Trace\""];
const NAMES: &[&str] = &[
    "\"a\"",
    "\"aten::mm\"",
    "\"Memcpy HtoD (Pinned -> Device)\"",
    "\"Memset (Device)\"",
    "\"void f<int, 3>(float*)\"",
    "\"[memory]\"",
    "\"process_name\"",
    "\"thread_name\"",
];
const STRANGE_NAMES: &[&str] = &[
    "\"\\\"q\\\"\"",
    "\"\\u00e9\"",
    "\"\\ud800\"",
    "\"}, {\\\"ph\\\"\"",
    "null",
    "5",
    "[]",
    "\"\u{e9}\"",
    "\"\\q\"",
];
const NUMBERS: &[&str] = &["0", "1", "7", "12", "4096", "77"];
const STRANGE_NUMBERS: &[&str] = &[
    "\"7\"",
    "\"stream 7\"",
    "-1",
    "7.0",
    "7.5",
    "4294967295",
    "4294967296",
    "18446744073709551616",
    "NaN",
    "null",
    "\"\"",
    "\"0x1f\"",
    "true",
    "[7]",
    "{}",
    "N/A",
    "1e2",
    "\"x\"",
];
const TIMES: &[&str] = &["1", "2.5", "10.125", "1700000000000000.123", "3"];
const STRANGE_TIMES: &[&str] = &[
    "-4",
    "1.23456",
    "\"12.5\"",
    "1e3",
    "NaN",
    "-Infinity",
    "1e300",
    "null",
    "\"\"",
    "[1]",
    "nan",
];
const SIZES: &[&str] = &["[1, 1, 1]", "[64,2,1]"];
const STRANGE_SIZES: &[&str] = &[
    "[1]",
    "[]",
    "null",
    "\"grid(1,)\"",
    "[1, 2, 3, 4]",
    "[99999999999, 1, 1]",
    "{\"x\": 1}",
    "[\"3\", 1]",
    "[NaN]",
];
const OTHERS: &[&str] = &["1", "0.5", "\"text\"", "[1, 2]", "null", "true"];
const STRANGE_OTHERS: &[&str] =
    &["NaN", "inf", "\"\\\"\"", "[[{\"a\": \"]\"}]]", "{\"ts\": 5}", "1.2.3", "-", "N/A"];
const OPERANDS: &[&str] = &["[[1, 2], []]", "[\"float\", \"\"]"];
const STRANGE_OPERANDS: &[&str] = &["\"x\"", "[ [1,\n2] ]", "null", "5", "[\"]\"]"];

fn arg(choices: &mut Choices<'_>) -> (&'static str, &'static str) {
    let key = choices.pick(&[
        "External id",
        "external id",
        "device",
        "context",
        "stream",
        "correlation",
        "bytes",
        "registers per thread",
        "shared memory",
        "grid",
        "block",
        "graph id",
        "graph node id",
        "kind",
        "cuda_sync_kind",
        "wait_on_cuda_event_id",
        "Input type",
        "Input Dims",
        "Total Allocated",
        "Total Reserved",
        "Device Id",
        "name",
        "cbid",
        "Ev Idx",
        "str\\u0065am",
    ]);
    let value = match key {
        "grid" | "block" => choices.value(SIZES, STRANGE_SIZES),
        "Input type" | "Input Dims" => choices.value(OPERANDS, STRANGE_OPERANDS),
        "kind" | "cuda_sync_kind" | "name" => choices.value(NAMES, STRANGE_NAMES),
        "cbid" | "Ev Idx" => choices.value(OTHERS, STRANGE_OTHERS),
        _ => choices.value(NUMBERS, STRANGE_NUMBERS),
    };
    (key, value)
}

/// How events of a kind look: their keys in order, their arguments, the space between tokens.
struct Look<'t> {
    keys: Vec<&'t str>,
    args: Vec<(&'t str, &'t str)>,
    space: &'t str,
}

/// A document of events that mostly share a few shapes, as real ones do, and sometimes are
/// strange or broken.
fn document(choices: &mut Choices<'_>) -> String {
    let shapes: Vec<Look<'_>> = (0..1 + choices.below(4))
        .map(|_| {
            let mut keys = vec!["ph", "cat", "name", "pid", "tid", "ts", "dur", "args"];
            for at in (1..keys.len()).rev() {
                if choices.below(4) == 3 {
                    keys.swap(at, choices.below(at + 1));
                }
            }
            if choices.below(6) == 5 {
                keys.remove(choices.below(keys.len()));
            }
            if choices.below(6) == 5 {
                keys.push(choices.pick(&["id", "bp", "ts", "name", "s", "args"]));
            }
            let args = (0..choices.below(9)).map(|_| arg(choices)).collect();
            Look { keys, args, space: choices.pick(&["", " ", "\n    ", "\t"]) }
        })
        .collect();
    let mut text = String::from(choices.pick(&[
        "{\"traceEvents\": [",
        "[",
        " {\"baseTimeNanoseconds\": 5, \"traceEvents\":\n[",
    ]));
    let is_bare = text == "[";
    for i in 0..choices.below(60) {
        if i > 0 {
            text.push_str(choices.pick(&[",", ",\n  ", " , "]));
        }
        if choices.below(300) == 299 {
            text.push_str(choices.pick(&["null", "[]", "5", "{}", "\"x\"", "{\"ph\" \"X\"}", "]"]));
            continue;
        }
        let Look { keys, args, space } = &shapes[choices.below(shapes.len())];
        text.push('{');
        for (at, key) in keys.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(text, "{comma}{space}\"{key}\":{space}").expect("a string");
            let value = match *key {
                "ph" => choices.value(PHASES, STRANGE_PHASES),
                "cat" => choices.value(CATEGORIES, STRANGE_CATEGORIES),
                "name" => choices.value(NAMES, STRANGE_NAMES),
                "pid" | "tid" => choices.value(NUMBERS, STRANGE_NUMBERS),
                "ts" | "dur" => choices.value(TIMES, STRANGE_TIMES),
                "args" => {
                    if choices.below(20) == 19 {
                        text.push_str(choices.pick(&["null", "5", "[]", "{}"]));
                        continue;
                    }
                    text.push('{');
                    for (at, (key, value)) in args.iter().enumerate() {
                        let comma = if at == 0 { "" } else { "," };
                        let value =
                            if choices.below(4) == 3 { arg_value(key, choices) } else { value };
                        write!(text, "{comma}{space}\"{key}\":{space}{value}").expect("a string");
                    }
                    text.push_str(space);
                    "}"
                }
                _ => choices.value(OTHERS, STRANGE_OTHERS),
            };
            text.push_str(value);
        }
        text.push_str(space);
        text.push('}');
    }
    text.push(']');
    if !is_bare {
        text.push_str(choices.pick(&[
            "}",
            ", \"baseTimeNanoseconds\": 1000}",
            ",\"x\": [{}]}\n",
            "} x",
            "",
        ]));
    }
    text
}

fn arg_value(key: &str, choices: &mut Choices<'_>) -> &'static str {
    match key {
        "grid" | "block" => choices.value(SIZES, STRANGE_SIZES),
        "Input type" | "Input Dims" => choices.value(OPERANDS, STRANGE_OPERANDS),
        "kind" | "cuda_sync_kind" | "name" => choices.value(NAMES, STRANGE_NAMES),
        "cbid" | "Ev Idx" => choices.value(OTHERS, STRANGE_OTHERS),
        _ => choices.value(NUMBERS, STRANGE_NUMBERS),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_document_reads_the_same(choices in prop::collection::vec(any::<u16>(), 0..2_500)) {
        let text = document(&mut Choices { rest: &choices });
        let _ = same_in_every_way(text.as_bytes());
    }

    #[test]
    fn any_cut_and_any_flipped_byte_reads_the_same(cut in 0_usize..60_000, byte in any::<u8>()) {
        static WHOLE: OnceLock<String> = OnceLock::new();
        let whole = WHOLE.get_or_init(|| kineto_json::trace(40, Layout::Kineto));
        let mut text = whole.clone().into_bytes();
        let at = cut % text.len();
        let _ = same_in_every_way(&text[..at]);
        text[at] = byte;
        let _ = same_in_every_way(&text);
    }
}
