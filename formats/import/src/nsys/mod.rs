//! Nsight Systems reports exported to SQLite (`nsys export --type sqlite`), schema 2.9 to 3.25.
//!
//! One table per kind of record; times are nanoseconds since the session began; names are numbers
//! of `StringIds`. Tables exist only when they have rows, and columns come and go with versions, so
//! whatever is missing reads as "none" and is counted. Runtime and driver calls share one table.
//!
//! Read: kernels, copies, fills, waits, graph launches, API calls, the profiler's overhead, NVTX,
//! GPU metrics, and the devices, processes and threads these refer to. Never read: environment,
//! user and host names, command lines, captured output.

mod activity;
mod catalog;
mod context;
mod database;
mod devices;
mod diagnostics;
mod host;
mod identity;
mod metrics;
mod names;
mod nvtx;
mod owners;
mod rows;
mod session;

use underspan_model::{ProblemKind, Timeline};

use self::context::{Context, Meter};
use self::database::{Database, MAGIC, is_unwritten, unreadable};
use self::devices::DeviceMap;
use self::identity::Identity;
use self::names::Names;
use crate::importer::timeline_of;
use crate::input::{Compression, InputFile};
use crate::registry::supported;
use crate::{ImportError, ImportOptions, Importer, Probe, ProbeInput, Progress};

/// Reads Nsight Systems SQLite exports.
pub(crate) struct NsysSqlite;

impl Importer for NsysSqlite {
    fn format(&self) -> &'static str {
        "nsys_sqlite"
    }

    fn title(&self) -> &'static str {
        "an Nsight Systems SQLite export"
    }

    fn probe(&self, head: &ProbeInput<'_>) -> Probe {
        if head.head.starts_with(MAGIC) {
            return Probe::Yes;
        }
        let named_sqlite = head.path.extension().is_some_and(|extension| {
            ["sqlite", "sqlite3", "db"].iter().any(|known| extension.eq_ignore_ascii_case(known))
        });
        // An interrupted export has its pages, but zeros for a header.
        if named_sqlite && is_unwritten(head.head) { Probe::Maybe } else { Probe::No }
    }

    fn import(
        &self,
        input: &InputFile,
        _options: &ImportOptions,
        progress: &dyn Progress,
    ) -> Result<Timeline, ImportError> {
        let path = input.path();
        let refuse = |problem: &str| ImportError::Database {
            path: path.to_owned(),
            problem: problem.to_owned(),
        };
        if input.compression() != Compression::None {
            return Err(ImportError::Foreign {
                path: path.to_owned(),
                found: "a compressed Nsight Systems export",
                hint: "a database cannot be read that way; decompress it first",
            });
        }
        if is_unwritten(input.head()) {
            return Err(refuse(
                "at byte 0: expected a database header, found zeros; the export was interrupted",
            ));
        }
        if !input.head().starts_with(MAGIC) {
            return Err(refuse("at byte 0: expected a database header"));
        }
        let database = Database::open(input)?;
        if let Some(found) = other_content(&database) {
            let path = path.to_owned();
            return Err(ImportError::Unrecognised { path, found, supported: supported() });
        }

        let failed = |error| unreadable(path, error);
        let (timeline, source) = timeline_of(input, self.format());
        let identity = Identity::new(source, DeviceMap::read(&database).map_err(failed)?);
        let names = Names::open(&database).map_err(failed)?;
        let rows_expected = tables_read().map(|table| database.row_bound(table)).sum();
        let meter = Meter::new(progress, input.file_bytes(), rows_expected);
        let file_name = input.name().into_owned();
        let mut context = Context::new(path, file_name, timeline, identity, names, meter);

        host::read_api_calls(&database, &mut context)?;
        activity::read(&database, &mut context)?;
        nvtx::read(&database, &mut context)?;
        host::read_overheads(&database, &mut context)?;
        metrics::read(&database, &mut context)?;
        devices::describe(&database, &mut context).map_err(failed)?;
        session::read(&database, &mut context, source)?;
        diagnostics::read(&database, &mut context)?;
        count_other_tables(&database, &mut context);
        count_unfinished_writes(&mut context);

        let mut timeline = context.timeline;
        for (kind, rows) in timeline.sort() {
            let name = kind.name();
            timeline
                .problems
                .record(ProblemKind::OutOfOrder, &input.name(), rows, || format!("table {name}"));
        }
        progress.advance(input.file_bytes(), input.file_bytes());
        Ok(timeline)
    }
}

fn tables_read() -> impl Iterator<Item = &'static str> {
    let lists = [activity::TABLES, host::TABLES, metrics::TABLES, &[nvtx::TABLE]];
    lists.into_iter().flatten().copied()
}

/// What a database is that is not an export.
fn other_content(database: &Database) -> Option<String> {
    let tables: Vec<_> = database.table_names().collect();
    if tables.contains(&"StringIds") || tables_read().any(|table| tables.contains(&table)) {
        return None;
    }
    if tables.is_empty() {
        return Some("an SQLite database without tables".to_owned());
    }
    let shown: Vec<_> = tables.iter().take(4).map(|name| shown(name)).collect();
    let more = if tables.len() > shown.len() { ", …" } else { "" };
    Some(format!("an SQLite database with tables {}{more}", shown.join(", ")))
}

/// A table's name as fit for a message: on one line and not too long.
fn shown(table: &str) -> String {
    table.chars().map(|c| if c.is_control() { ' ' } else { c }).take(60).collect()
}

/// Counts tables of other tools, and tables with records that are not imported.
fn count_other_tables(database: &Database, context: &mut Context<'_>) {
    let read: Vec<_> =
        tables_read().chain(session::TABLES.iter().copied()).chain([diagnostics::TABLE]).collect();
    let (own, foreign): (Vec<_>, Vec<_>) = database
        .table_names()
        .filter(|table| !read.contains(table))
        .partition(|table| catalog::is_own(table));
    let unread: Vec<_> = own
        .into_iter()
        .filter(|table| catalog::is_record(table) && database.has_rows(table))
        .collect();
    for (kind, tables) in
        [(ProblemKind::ForeignTable, foreign), (ProblemKind::UnimportedTable, unread)]
    {
        context.count(kind, tables.len() as u64, || {
            let shown: Vec<_> = tables.iter().take(6).map(|name| shown(name)).collect();
            shown.join(", ")
        });
    }
}

/// Counts a journal beside the file that holds something: whoever wrote the file did not finish.
/// The file is read as it is, as SQLite would need to write to it to take the journal in.
fn count_unfinished_writes(context: &mut Context<'_>) {
    for suffix in ["-journal", "-wal"] {
        let mut beside = context.path.as_os_str().to_owned();
        beside.push(suffix);
        if std::fs::metadata(&beside).is_ok_and(|journal| journal.is_file() && journal.len() > 0) {
            context.count(ProblemKind::TruncatedInput, 1, || {
                format!("a journal (…{suffix}) lies beside the file: the export did not finish")
            });
        }
    }
}
