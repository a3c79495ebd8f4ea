//! A deterministic writer of Kineto traces: an inference server's decode steps, operator by
//! operator, in the layout libkineto writes. Sizes of records and names, the share of each
//! category and the order of events follow real traces; all values are made up.
#![allow(dead_code, reason = "each test file uses its part")]

use std::fmt::Write;

/// Layouts that real files come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// As libkineto writes it: an event over several lines.
    Kineto,
    /// As `json.dump` writes it: one line, a space after colons and commas.
    OneLine,
    /// One line without a space.
    Minified,
    /// As `json.dump(indent=4)` writes it.
    Indented,
}

struct Names {
    operators: Vec<String>,
    kernels: Vec<String>,
    functions: Vec<String>,
}

/// Writes a trace of about `n_operators` operators, each with its launches and kernels.
pub(crate) fn trace(n_operators: usize, layout: Layout) -> String {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let names = names(&mut random);
    let mut writer = Writer { text: String::new(), layout, n_events: 0 };
    writer.head();
    let mut now = 1_428_625_731_896_179_u64;
    let mut correlation = 682_747_u64;
    for operator in 0..n_operators {
        let external = 18_433 + operator as u64;
        if operator % 400 == 0 {
            writer.annotation(
                &format!("execute_{}_context_0(0)_generation_{0}({0})", 1 + operator / 400 % 64),
                now,
                external,
            );
        }
        for depth in 0..random.below(4) {
            let name = &names.functions[random.below(names.functions.len() as u64) as usize];
            writer.python_function(name, now + depth * 700, 90_000 - depth * 9_000, external);
        }
        let name = &names.operators[random.below(names.operators.len() as u64) as usize];
        writer.operator(name, now, 40_000 + random.below(30_000), external, &mut random);
        for _ in 0..random.below(3) {
            let kernel = &names.kernels[random.below(names.kernels.len() as u64) as usize];
            writer.launch(
                "cudaLaunchKernel",
                now + 9_000,
                3_000 + random.below(4_000),
                correlation,
                external,
            );
            writer.kernel(
                kernel,
                now + 90_000,
                1_500 + random.below(80_000),
                correlation,
                external,
                &mut random,
            );
            writer.flow('s', now + 9_000, correlation);
            writer.flow('f', now + 90_000, correlation);
            correlation += 1 + random.below(4);
            now += 12_000;
        }
        if operator % 16 == 5 {
            writer.launch("cudaMemcpyAsync", now + 9_000, 5_000, correlation, external);
            writer.memcpy(
                now + 90_000,
                2_000 + random.below(3_000),
                correlation,
                external,
                &mut random,
            );
            correlation += 1;
        }
        now += 30_000 + random.below(25_000);
    }
    writer.tail();
    writer.text
}

fn names(random: &mut Random) -> Names {
    let word = |random: &mut Random, length: u64| -> String {
        (0..3 + random.below(length)).map(|_| char::from(b'a' + random.below(26) as u8)).collect()
    };
    let kernels = (0..70)
        .map(|_| {
            let mut name = format!("void {}::{}_kernel<", word(random, 8), word(random, 12));
            while name.len() < 120 + random.below(360) as usize {
                write!(name, "{}::{}<{}>, ", word(random, 9), word(random, 14), random.below(256))
                    .expect("a string");
            }
            name.push_str("float>(int, float*)");
            name
        })
        .collect();
    let operators = (0..120).map(|_| format!("aten::{}", word(random, 18))).collect();
    let functions = (0..2_000)
        .map(|_| {
            format!(
                "site-packages/{}/{}.py({}): {}",
                word(random, 9),
                word(random, 14),
                random.below(3_000),
                word(random, 16)
            )
        })
        .collect();
    Names { operators, kernels, functions }
}

struct Writer {
    text: String,
    layout: Layout,
    n_events: u64,
}

impl Writer {
    fn head(&mut self) {
        let head = "\n{\n  \"schemaVersion\": 1,\n  \"deviceProperties\": [\n    {\n      \"id\": 0, \
            \"name\": \"NVIDIA Example\", \"totalGlobalMem\": 85018279936,\n      \"computeMajor\": 9, \
            \"computeMinor\": 0, \"numSms\": 132\n    }\n  ],\n  \"cuda_runtime_version\": 12040,\n  \
            \"displayTimeUnit\": \"ms\",\n  \"baseTimeNanoseconds\": 1751410836000000000,\n  \"traceEvents\": [";
        self.text.push_str(head);
    }

    fn tail(&mut self) {
        self.text.push_str("\n  ],\n  \"traceName\": \"example.json\"\n}\n");
    }

    /// Writes an event in the layout; `fields` and `args` are key and value text.
    fn event(&mut self, fields: &[(&str, &str)], args: &[(&str, &str)]) {
        let text = &mut self.text;
        self.n_events += 1;
        let is_first = self.n_events == 1;
        let put = |text: &mut String, members: &[(&str, &str)], comma: &str, colon: &str| {
            for (at, (key, value)) in members.iter().enumerate() {
                let comma = if at == 0 { "" } else { comma };
                write!(text, "{comma}\"{key}\"{colon}{value}").expect("a string");
            }
        };
        match self.layout {
            Layout::Kineto => {
                text.push_str(if is_first { "\n  {\n    " } else { ",\n  {\n    " });
                let times = fields.iter().position(|(key, _)| *key == "ts").unwrap_or(fields.len());
                put(text, &fields[..times], ", ", ": ");
                text.push_str(",\n    ");
                put(text, &fields[times..], ", ", ": ");
                if !args.is_empty() {
                    text.push_str(",\n    \"args\": {\n      ");
                    for (at, line) in args.chunks(3).enumerate() {
                        text.push_str(if at == 0 { "" } else { ",\n      " });
                        put(text, line, ", ", ": ");
                    }
                    text.push_str("\n    }");
                }
                text.push_str("\n  }");
            }
            Layout::OneLine | Layout::Minified => {
                let (comma, colon) =
                    if self.layout == Layout::OneLine { (", ", ": ") } else { (",", ":") };
                text.push_str(if is_first { "" } else { comma });
                text.push('{');
                put(text, fields, comma, colon);
                if !args.is_empty() {
                    write!(text, "{comma}\"args\"{colon}{{").expect("a string");
                    put(text, args, comma, colon);
                    text.push('}');
                }
                text.push('}');
            }
            Layout::Indented => {
                text.push_str(if is_first {
                    "\n        {\n            "
                } else {
                    ",\n        {\n            "
                });
                put(text, fields, ",\n            ", ": ");
                if !args.is_empty() {
                    text.push_str(",\n            \"args\": {\n                ");
                    put(text, args, ",\n                ", ": ");
                    text.push_str("\n            }");
                }
                text.push_str("\n        }");
            }
        }
    }

    fn complete(
        &mut self,
        category: &str,
        name: &str,
        place: (&str, &str),
        time: (u64, u64),
        args: &[(&str, &str)],
    ) {
        let (category, name) = (format!("\"{category}\""), format!("\"{name}\""));
        let fields = [
            ("ph", "\"X\""),
            ("cat", &*category),
            ("name", &*name),
            ("pid", place.0),
            ("tid", place.1),
            ("ts", &*micros(time.0)),
            ("dur", &*micros(time.1)),
        ];
        self.event(&fields, args);
    }

    fn annotation(&mut self, name: &str, start: u64, external: u64) {
        let external = external.to_string();
        let args = [("External id", &*external), ("Record function id", "0"), ("Ev Idx", "0")];
        self.complete("user_annotation", name, HOST, (start, 9_000_000), &args);
    }

    fn python_function(&mut self, name: &str, start: u64, duration: u64, id: u64) {
        let id = id.to_string();
        let args = [("Python parent id", &*id), ("Python id", &*id), ("Ev Idx", &*id)];
        self.complete("python_function", name, HOST, (start, duration), &args);
    }

    fn operator(
        &mut self,
        name: &str,
        start: u64,
        duration: u64,
        external: u64,
        random: &mut Random,
    ) {
        let external = external.to_string();
        let rows = 1 << random.below(8);
        let dims = format!("[[{rows}, 4096], [4096, 4096], []]");
        let args = [
            ("External id", &*external),
            ("Record function id", "0"),
            ("Concrete Inputs", "[\"\", \"\", \"False\"]"),
            ("Input type", "[\"c10::BFloat16\", \"c10::BFloat16\", \"Scalar\"]"),
            ("Input Strides", "[[4096, 1], [4096, 1], []]"),
            ("Input Dims", &*dims),
            ("Ev Idx", &*external),
        ];
        self.complete("cpu_op", name, HOST, (start, duration), &args);
    }

    fn launch(&mut self, name: &str, start: u64, duration: u64, correlation: u64, external: u64) {
        let (correlation, external) = (correlation.to_string(), external.to_string());
        let args = [("External id", &*external), ("cbid", "211"), ("correlation", &*correlation)];
        self.complete("cuda_runtime", name, HOST, (start, duration), &args);
    }

    fn kernel(
        &mut self,
        name: &str,
        start: u64,
        duration: u64,
        correlation: u64,
        external: u64,
        random: &mut Random,
    ) {
        let (correlation, external) = (correlation.to_string(), external.to_string());
        let blocks = 1 + random.below(16) * 64;
        let (grid, per_sm) = (format!("[{blocks}, 1, 1]"), format!("{:.6}", blocks as f64 / 132.0));
        let args = [
            ("External id", &*external),
            ("queued", "0"),
            ("device", "0"),
            ("context", "1"),
            ("stream", "7"),
            ("correlation", &*correlation),
            ("registers per thread", "40"),
            ("shared memory", "49152"),
            ("blocks per SM", &*per_sm),
            ("warps per SM", &*per_sm),
            ("grid", &*grid),
            ("block", "[128, 1, 1]"),
            ("est. achieved occupancy %", "37"),
        ];
        self.complete("kernel", name, ("0", "7"), (start, duration), &args);
    }

    fn memcpy(
        &mut self,
        start: u64,
        duration: u64,
        correlation: u64,
        external: u64,
        random: &mut Random,
    ) {
        let (correlation, external) = (correlation.to_string(), external.to_string());
        let bytes = (4 + random.below(1 << 20)).to_string();
        let args = [
            ("External id", &*external),
            ("device", "0"),
            ("context", "1"),
            ("stream", "7"),
            ("correlation", &*correlation),
            ("bytes", &*bytes),
            ("memory bandwidth (GB/s)", "0.4096"),
        ];
        self.complete(
            "gpu_memcpy",
            "Memcpy HtoD (Pinned -> Device)",
            ("0", "7"),
            (start, duration),
            &args,
        );
    }

    fn flow(&mut self, phase: char, time: u64, id: u64) {
        let (phase, id, time) = (format!("\"{phase}\""), id.to_string(), micros(time));
        let place = if phase == "\"s\"" { HOST } else { ("0", "7") };
        let mut fields = vec![
            ("ph", &*phase),
            ("id", &*id),
            ("pid", place.0),
            ("tid", place.1),
            ("ts", &*time),
            ("cat", "\"ac2g\""),
            ("name", "\"ac2g\""),
        ];
        if phase == "\"f\"" {
            fields.push(("bp", "\"e\""));
        }
        self.event(&fields, &[]);
    }
}

const HOST: (&str, &str) = ("25286", "25286");

fn micros(ns: u64) -> String {
    format!("{}.{:03}", ns / 1000, ns % 1000)
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(z ^ (z >> 31)) * u128::from(bound)) >> 64) as u64
    }
}
