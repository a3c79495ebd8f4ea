//! What a toolkit's headers say about the facts of `cupti-sys`, asked from a C compiler.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use cupti_sys::{CUDA_13_2, CUDA_13_3, RECORDS, SYMBOLS, facts, user_since};

use crate::InstalledToolkit;

/// Exported functions that no header declares.
const UNDECLARED: &[&str] = &["cuptiNvtxInitialize2"];

/// The outcome of comparing one toolkit.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Facts compared.
    pub n_facts: usize,
    /// Facts that the headers contradict, one line each.
    pub mismatches: Vec<String>,
    /// What a newer release has that the ledger does not know, one line each.
    pub news: Vec<String>,
}

/// Compiles a program that prints each fact as `toolkit`'s headers have it, runs it, and compares.
///
/// # Errors
/// When there is no C compiler, or the program does not compile: a name or a function's signature
/// is not what `cupti-sys` says.
pub fn compare(toolkit: &InstalledToolkit, work_dir: &Path) -> Result<Comparison> {
    let questions = questions(toolkit);
    let answers = ask(toolkit, &questions, work_dir)?;
    let mut comparison = Comparison { n_facts: questions.len(), ..Comparison::default() };
    for (question, answer) in questions.iter().zip(&answers) {
        if question.expected != *answer {
            comparison.mismatches.push(format!(
                "{}: {} is {}, headers say {}",
                toolkit.version, question.what, question.expected, answer
            ));
        }
    }
    ensure!(answers.len() == questions.len(), "{}: program stopped early", toolkit.version);
    for unseen in newer_records(toolkit)? {
        let line = format!("{}: {unseen}", toolkit.version);
        if toolkit.compared {
            comparison.mismatches.push(line);
        } else {
            comparison.news.push(line);
        }
    }
    Ok(comparison)
}

/// One number to ask for, as a C expression.
struct Question {
    what: String,
    expression: String,
    expected: u64,
}

fn questions(toolkit: &InstalledToolkit) -> Vec<Question> {
    let release = toolkit.toolkit;
    let mut questions = Vec::new();
    let mut question = |what: String, expression: String, expected: u64| {
        questions.push(Question { what, expression, expected });
    };
    for constant in facts::CONSTANTS.iter().copied().flatten() {
        if release.at_least(constant.since) {
            question(constant.c_name.to_owned(), constant.c_name.to_owned(), constant.value);
        }
    }
    for record in RECORDS {
        let Some(size) = record.size_in(release) else { continue };
        question(
            format!("sizeof {}", size.c_type),
            format!("sizeof({})", size.c_type),
            u64::from(size.bytes),
        );
        for field in record.fields.iter().filter(|field| release.at_least(field.since)) {
            question_member(
                &mut question,
                size.c_type,
                field.c_path,
                u64::from(field.offset),
                u64::from(field.size),
            );
            if let Some(user) = field.user
                && release.at_least(user_since(field))
            {
                question(user.c_name.to_owned(), user.c_name.to_owned(), user.id as u64);
            }
        }
        if release.at_least(CUDA_13_3) {
            let user = record.user_kind;
            question(user.c_name.to_owned(), user.c_name.to_owned(), user.id as u64);
        }
    }
    for structure in facts::STRUCTURES.iter().filter(|s| release.at_least(s.since)) {
        let known = structure.sizes.iter().rfind(|(since, _)| release.at_least(*since));
        if let Some((_, bytes)) = known {
            let expression = format!("sizeof({})", structure.c_type);
            question(format!("sizeof {}", structure.c_type), expression, *bytes as u64);
        }
        for (path, offset, size, since) in structure.members {
            if release.at_least(*since) {
                question_member(&mut question, structure.c_type, path, *offset as u64, *size);
            }
        }
    }
    questions
}

fn question_member(
    question: &mut impl FnMut(String, String, u64),
    c_type: &str,
    path: &str,
    offset: u64,
    size: impl TryInto<u64>,
) {
    question(format!("offsetof {c_type}.{path}"), format!("offsetof({c_type}, {path})"), offset);
    question(
        format!("sizeof {c_type}.{path}"),
        format!("sizeof((({c_type} *)0)->{path})"),
        size.try_into().unwrap_or(u64::MAX),
    );
}

fn ask(toolkit: &InstalledToolkit, questions: &[Question], work_dir: &Path) -> Result<Vec<u64>> {
    let source = work_dir.join(format!("facts-{}.c", toolkit.version));
    let program = work_dir.join(format!("facts-{}", toolkit.version));
    fs::write(&source, program_text(toolkit, questions)?)
        .with_context(|| format!("{}", source.display()))?;
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut compile = Command::new(&compiler);
    // The pragmas of the program turn the errors on for its own part only.
    compile.args(["-w", "-o"]).arg(&program).arg(&source);
    for dir in &toolkit.include_dirs {
        compile.arg("-isystem").arg(dir);
    }
    let output = compile.output().with_context(|| format!("{}", compiler.display()))?;
    ensure!(
        output.status.success(),
        "{}: {} does not compile:\n{}",
        toolkit.version,
        source.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    let output = Command::new(&program).output()?;
    let text = String::from_utf8(output.stdout)?;
    text.lines().map(|line| line.parse().with_context(|| line.to_owned())).collect()
}

fn program_text(toolkit: &InstalledToolkit, questions: &[Question]) -> Result<String> {
    let mut text = String::from(
        "#include <stddef.h>\n#include <stdint.h>\n#include <stdio.h>\n#include <cupti.h>\n\
         #pragma GCC diagnostic error \"-Wincompatible-pointer-types\"\n\
         #pragma GCC diagnostic error \"-Wint-conversion\"\n\
         #pragma GCC diagnostic error \"-Wimplicit-function-declaration\"\n\
         #pragma GCC diagnostic error \"-Wconversion\"\n",
    );
    let release = toolkit.toolkit;
    let c_types = c_types();
    // Never called, never linked: compiling it checks that each function exists and takes these.
    text.push_str("static inline void signatures(void) {\n");
    for symbol in SYMBOLS.iter().filter(|symbol| release.at_least(symbol.since)) {
        if UNDECLARED.contains(&symbol.name) {
            continue;
        }
        let mut arguments = Vec::new();
        for argument in symbol.arguments {
            let c_type = c_types
                .get(argument)
                .with_context(|| format!("{}: no C type for {argument}", symbol.name))?;
            arguments.push(format!("({c_type})0"));
        }
        writeln!(text, "  CUptiResult r_{0} = {0}({1});", symbol.name, arguments.join(", "))?;
    }
    text.push_str("}\n");
    text.push_str(CALLBACK_TYPES);
    if release.at_least(CUDA_13_2) {
        text.push_str(CALLBACK_TYPES_V2);
    }
    text.push_str("int main(void) {\n");
    for question in questions {
        writeln!(text, "  printf(\"%llu\\n\", (unsigned long long)({}));", question.expression)?;
    }
    text.push_str("  return 0;\n}\n");
    Ok(text)
}

/// The callback types of `cupti-sys`, written out, assigned to those of the headers.
const CALLBACK_TYPES: &str = "\
extern void on_callback(void *, CUpti_CallbackDomain, uint32_t, const void *);
extern void on_requested(uint8_t **, size_t *, size_t *);
extern void on_completed(CUcontext, uint32_t, uint8_t *, size_t, size_t);
static inline void callbacks(void) {
  CUpti_CallbackFunc a = on_callback; (void)a;
  CUpti_BuffersCallbackRequestFunc b = on_requested; (void)b;
  CUpti_BuffersCallbackCompleteFunc c = on_completed; (void)c;
}
";
const CALLBACK_TYPES_V2: &str = "\
extern void on_requested_v2(uint8_t **, size_t *, size_t *, CUpti_BufferCallbackRequestInfo *);
extern void on_completed_v2(uint8_t *, size_t, size_t, CUpti_BufferCallbackCompleteInfo *);
static inline void callbacks_v2(void) {
  CUpti_BuffersCallbackRequestFunc_v2 a = on_requested_v2; (void)a;
  CUpti_BuffersCallbackCompleteFunc_v2 b = on_completed_v2; (void)b;
}
";

/// Rust argument types of `cupti-sys`, and what the headers call them.
fn c_types() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([
        ("u8", "uint8_t"),
        ("u32", "uint32_t"),
        ("u64", "uint64_t"),
        ("usize", "size_t"),
        ("*mut u8", "uint8_t *"),
        ("*mut u32", "uint32_t *"),
        ("*mut u64", "uint64_t *"),
        ("*mut usize", "size_t *"),
        ("*mut c_void", "void *"),
        ("*mut *mut u8", "CUpti_Activity **"),
        ("*mut *const c_char", "const char **"),
        ("CUptiResult", "CUptiResult"),
        ("ActivityKind", "CUpti_ActivityKind"),
        ("*mut ActivityKind", "CUpti_ActivityKind *"),
        ("ActivityAttribute", "CUpti_ActivityAttribute"),
        ("*mut ActivityConfig", "CUpti_ActivityConfig *"),
        ("ExternalCorrelationKind", "CUpti_ExternalCorrelationKind"),
        ("ThreadIdType", "CUpti_ActivityThreadIdType"),
        ("CallbackDomain", "CUpti_CallbackDomain"),
        ("CallbackFn", "CUpti_CallbackFunc"),
        ("SubscriberHandle", "CUpti_SubscriberHandle"),
        ("*mut SubscriberHandle", "CUpti_SubscriberHandle *"),
        ("*mut SubscriberParams", "CUpti_SubscriberParams *"),
        ("BufferRequestedFn", "CUpti_BuffersCallbackRequestFunc"),
        ("BufferCompletedFn", "CUpti_BuffersCallbackCompleteFunc"),
        ("BufferRequestedV2Fn", "CUpti_BuffersCallbackRequestFunc_v2"),
        ("BufferCompletedV2Fn", "CUpti_BuffersCallbackCompleteFunc_v2"),
    ])
}

/// Record structures that are newer than the ones the ledger names for this release.
///
/// The library fills the newest structure of its headers, so one that is missed here would make
/// the expected record lengths wrong.
fn newer_records(toolkit: &InstalledToolkit) -> Result<Vec<String>> {
    let mut newer = Vec::new();
    let path = toolkit
        .include_dirs
        .iter()
        .map(|dir| dir.join("cupti_activity.h"))
        .find(|path| path.is_file())
        .with_context(|| format!("{}: no cupti_activity.h", toolkit.version))?;
    let text = fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
    for record in RECORDS {
        let Some(size) = record.size_in(toolkit.toolkit) else { continue };
        let base = size.c_type.trim_end_matches(|c: char| c.is_ascii_digit());
        let ours: u32 = size.c_type[base.len()..].parse().unwrap_or(1);
        for suffix in ours + 1..ours + 8 {
            if text.contains(&format!("}} {base}{suffix};")) {
                newer.push(format!("{base}{suffix} is newer than {}", size.c_type));
            }
        }
    }
    Ok(newer)
}
