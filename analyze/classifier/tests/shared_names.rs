//! Scores the classifier on the shared sample of labelled kernel names, when it lies beside the
//! checkout, and prints what it gets wrong and how well it does without what it knows of each
//! library.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a damaged sample fails the test, and the figures are its output"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use underspan_classifier::{
    Ablation, KernelClass, KernelQuery, TensorCore, classify, classify_without,
};

/// One labelled name.
struct Row {
    name: String,
    compute_dtype: String,
    tensor_core: String,
    library: String,
    role: String,
}

fn shared() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let path = std::env::var_os("UNDERSPAN_SHARED").map_or_else(beside, PathBuf::from);
    let path = path.join("kernels/shared.tsv");
    if path.exists() {
        return Some(path);
    }
    println!("skipped: ../shared absent");
    None
}

fn rows() -> Option<Vec<Row>> {
    let text = std::fs::read_to_string(shared()?).unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let column = |title: &str| header.iter().position(|found| *found == title).unwrap();
    let columns = ["name", "compute_dtype", "tensor_core", "library", "role"].map(column);
    Some(
        lines
            .map(|line| {
                let fields: Vec<&str> = line.split('\t').collect();
                let [name, compute_dtype, tensor_core, library, role] =
                    columns.map(|column| fields[column].to_owned());
                Row { name, compute_dtype, tensor_core, library, role }
            })
            .collect(),
    )
}

/// Counts over a set of rows.
#[derive(Default)]
struct Score {
    true_yes: usize,
    false_yes: usize,
    missed_yes: usize,
    known: usize,
    known_right: usize,
    unknown: usize,
    unknown_right: usize,
    rows: usize,
    role_right: usize,
}

impl Score {
    fn add(&mut self, row: &Row, class: &KernelClass) {
        let yes = class.tensor_core.value == TensorCore::Yes;
        match (yes, row.tensor_core == "yes") {
            (true, true) => self.true_yes += 1,
            (true, false) => self.false_yes += 1,
            (false, true) => self.missed_yes += 1,
            (false, false) => {}
        }
        let right = class.compute_dtype.value.as_str() == row.compute_dtype;
        if row.compute_dtype == "unknown" {
            self.unknown += 1;
            self.unknown_right += usize::from(right);
        } else {
            self.known += 1;
            self.known_right += usize::from(right);
        }
        self.rows += 1;
        self.role_right += usize::from(class.role.value.as_str() == row.role);
    }

    fn f1(&self) -> f64 {
        ratio(2 * self.true_yes, 2 * self.true_yes + self.false_yes + self.missed_yes)
    }

    fn dtype(&self) -> f64 {
        ratio(self.known_right, self.known)
    }

    fn unknown(&self) -> f64 {
        ratio(self.unknown_right, self.unknown)
    }

    fn role(&self) -> f64 {
        ratio(self.role_right, self.rows)
    }

    fn line(&self) -> String {
        format!(
            "tensor core F1 {:.3} (yes {}, false {}, missed {}), dtype {:.3} of {}, unknown {:.3} of {}, role {:.3} of {}",
            self.f1(),
            self.true_yes,
            self.false_yes,
            self.missed_yes,
            self.dtype(),
            self.known,
            self.unknown(),
            self.unknown,
            self.role(),
            self.rows
        )
    }
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

fn print_confusion(title: &str, cells: &BTreeMap<(String, String), usize>) {
    println!("\n{title}: label → answer, wrong cells only");
    for ((label, answer), count) in cells {
        if label != answer {
            println!("  {label:18} → {answer:18} {count}");
        }
    }
}

#[test]
fn shared_names_meet_the_bar() {
    let Some(rows) = rows() else { return };
    let mut score = Score::default();
    let mut confusion = [BTreeMap::new(), BTreeMap::new(), BTreeMap::new()];
    let mut simt_as_tensor = Vec::new();
    for row in &rows {
        let class = classify(&KernelQuery::named(&row.name));
        score.add(row, &class);
        let pairs = [
            (&row.role, class.role.value.as_str()),
            (&row.compute_dtype, class.compute_dtype.value.as_str()),
            (&row.tensor_core, class.tensor_core.value.as_str()),
        ];
        for (cells, (label, answer)) in confusion.iter_mut().zip(pairs) {
            *cells.entry((label.clone(), answer.to_owned())).or_insert(0) += 1;
        }
        let is_simt = row.tensor_core == "no" && matches!(row.role.as_str(), "gemm" | "conv");
        if is_simt && class.tensor_core.value == TensorCore::Yes {
            simt_as_tensor.push(row.name.clone());
        }
    }
    println!("{} names: {}", rows.len(), score.line());
    let [roles, dtypes, units] = &confusion;
    print_confusion("role", roles);
    print_confusion("compute dtype", dtypes);
    print_confusion("tensor core", units);
    assert!(simt_as_tensor.is_empty(), "called tensor core: {simt_as_tensor:?}");
    assert!(score.f1() >= 0.97, "{}", score.line());
    assert!(score.dtype() >= 0.96, "{}", score.line());
    assert!(score.unknown() >= 0.9, "{}", score.line());
    assert!(score.role() >= 0.9, "{}", score.line());
}

/// The function-table pattern an answer came from.
fn pattern(class: &KernelClass) -> Option<&str> {
    class.role.why.strip_prefix("function table \"")?.strip_suffix('"')
}

fn same(a: &KernelClass, b: &KernelClass) -> bool {
    a.role.value == b.role.value
        && a.compute_dtype.value == b.compute_dtype.value
        && a.tensor_core.value == b.tensor_core.value
}

/// How well a library is read by what was not written for it: every grammar and every table rule
/// that decides only this library's rows is left out, and the library's rows are scored.
///
/// Vendors' coded names (nvjet, trtllm-gen, NCCL) cannot be read without their grammar, and the
/// figure shows it; libraries named in words should hold up.
#[test]
fn without_what_is_known_of_a_library() {
    let Some(rows) = rows() else { return };
    let full: Vec<KernelClass> =
        rows.iter().map(|row| classify(&KernelQuery::named(&row.name))).collect();
    let mut grammar_users: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for grammar in Ablation::grammar_names() {
        let ablation = Ablation { grammars: &[grammar], patterns: &[] };
        let users = grammar_users.entry(grammar).or_default();
        for (row, class) in rows.iter().zip(&full) {
            if !users.contains(row.library.as_str())
                && !same(class, &classify_without(&KernelQuery::named(&row.name), &ablation))
            {
                users.insert(&row.library);
            }
        }
    }
    let mut pattern_users: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (row, class) in rows.iter().zip(&full) {
        if let Some(pattern) = pattern(class) {
            pattern_users.entry(pattern).or_default().insert(&row.library);
        }
    }
    let libraries: BTreeSet<&str> = rows.iter().map(|row| row.library.as_str()).collect();
    let (mut all, mut worded) = (Score::default(), Score::default());
    for library in libraries {
        let only = |users: &BTreeMap<&'_ str, BTreeSet<&str>>| -> Vec<String> {
            users
                .iter()
                .filter(|(_, used_by)| used_by.len() == 1 && used_by.contains(library))
                .map(|(key, _)| (*key).to_owned())
                .collect()
        };
        let (grammars, patterns) = (only(&grammar_users), only(&pattern_users));
        let grammars: Vec<&str> = grammars.iter().map(String::as_str).collect();
        let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
        let ablation = Ablation { grammars: &grammars, patterns: &patterns };
        let mut score = Score::default();
        for row in rows.iter().filter(|row| row.library == library) {
            let class = classify_without(&KernelQuery::named(&row.name), &ablation);
            score.add(row, &class);
            all.add(row, &class);
            if grammars.is_empty() {
                worded.add(row, &class);
            }
        }
        println!(
            "without {library} ({} grammars, {} rules): {}",
            grammars.len(),
            patterns.len(),
            score.line()
        );
    }
    println!("\nleave one library out, all: {}", all.line());
    println!("leave one library out, those without a grammar of their own: {}", worded.line());
    assert!(worded.role() >= 0.7, "{}", worded.line());
    assert_eq!(worded.false_yes, 0, "{}", worded.line());
}
