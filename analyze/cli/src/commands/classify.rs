//! `underspan classify`.

use std::io::{self, BufRead, BufWriter, Read, Write};

use anyhow::{Context, Result};
use underspan_classifier::{KernelClass, KernelQuery, classify, short_name};
use underspan_report::{Document, ReportTable};

use crate::args::{ClassifyArgs, ClassifyFormat, Global};
use crate::exit::Outcome;
use crate::terminal;

/// A longer line is no kernel name: what follows is not read.
const MAX_LINE_BYTES: u64 = 1 << 20;

pub(super) fn run(args: &ClassifyArgs, global: &Global) -> Result<Outcome> {
    match args.format {
        ClassifyFormat::Json => {
            let mut out = BufWriter::new(io::stdout().lock());
            for_each_name(&args.names, |name| {
                let class = classify(&KernelQuery::named(name));
                writeln!(out, "{}", class.to_json_line(&String::from_utf8_lossy(name)))
            })?;
            out.flush()?;
        }
        ClassifyFormat::Text => {
            let mut table = ReportTable::new(&[
                "role<",
                "operation<",
                "computes in<",
                "tensor cores<",
                "library<",
                "sure<",
                "name<",
            ]);
            for_each_name(&args.names, |name| {
                table.row(row(name, &classify(&KernelQuery::named(name))));
                Ok(())
            })?;
            let mut document = Document::default();
            document.table(table);
            let text = underspan_report::to_text(&document, terminal::text_style(global));
            terminal::write_data(&text, None)?;
        }
    }
    Ok(Outcome::Done)
}

fn row(name: &[u8], class: &KernelClass) -> [String; 7] {
    [
        class.role.value.as_str().to_owned(),
        class.operation.value.to_owned(),
        class.compute_dtype.value.as_str().to_owned(),
        class.tensor_core.value.as_str().to_owned(),
        class.library.value.to_owned(),
        class.confidence().as_str().to_owned(),
        short_name(&String::from_utf8_lossy(name)),
    ]
}

/// Visits the names given, or the lines of standard input. Empty lines name nothing.
fn for_each_name(names: &[String], mut visit: impl FnMut(&[u8]) -> io::Result<()>) -> Result<()> {
    if !names.is_empty() {
        for name in names {
            visit(name.as_bytes())?;
        }
        return Ok(());
    }
    let mut input = io::stdin().lock();
    let mut line = Vec::new();
    loop {
        line.clear();
        let n = input
            .by_ref()
            .take(MAX_LINE_BYTES)
            .read_until(b'\n', &mut line)
            .context("standard input cannot be read")?;
        if n == 0 {
            return Ok(());
        }
        if n as u64 == MAX_LINE_BYTES && !line.ends_with(b"\n") {
            skip_line(&mut input).context("standard input cannot be read")?;
        }
        while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            line.pop();
        }
        if !line.is_empty() {
            visit(&line)?;
        }
    }
}

/// Reads on to the end of a line without keeping it.
fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        let (n, is_end) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        input.consume(n);
        if is_end {
            return Ok(());
        }
    }
}
