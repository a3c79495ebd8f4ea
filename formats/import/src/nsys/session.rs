//! What the export says about itself, and the names of processes and threads that have rows.

use underspan_model::tables::{ClockAnchor, Property};
use underspan_model::{NONE_I64, NONE_U32, ProblemKind, SourceId, StringId};

use super::context::Context;
use super::database::Database;
use super::identity::GlobalPid;
use super::rows::for_each_row;
use crate::ImportError;

const START: &str = "TARGET_INFO_SESSION_START_TIME";
const PROCESSES: &str = "PROCESSES";
const THREADS: &str = "ThreadNames";
/// The export's own facts; the second name is that of schema 2.
const ABOUT: [&str; 2] = ["META_DATA_EXPORT", "EXPORT_META_DATA"];

/// Tables read here.
pub(super) const TABLES: &[&str] = &[START, PROCESSES, THREADS, "StringIds", ABOUT[0], ABOUT[1]];

/// Facts that are taken, and what they are called. Everything else in those tables may name
/// people, hosts or folders.
const FACTS: &[(&str, &str)] = &[
    ("EXPORT_PRODUCT_NAME", "exporter"),
    ("EXPORT_PRODUCT_VERSION", "exporter_version"),
    ("EXPORT_SCHEMA_VERSION", "schema_version"),
];

/// Reads facts, session start and names.
pub(super) fn read(
    database: &Database,
    context: &mut Context<'_>,
    source: SourceId,
) -> Result<(), ImportError> {
    facts(database, context, source)?;
    session_start(database, context, source)?;
    process_names(database, context)?;
    thread_names(database, context)
}

fn facts(
    database: &Database,
    context: &mut Context<'_>,
    source: SourceId,
) -> Result<(), ImportError> {
    let Some(table) = ABOUT.into_iter().find(|table| database.columns(table).is_some()) else {
        context.count(ProblemKind::MissingTable, 1, || ABOUT[0].to_owned());
        return Ok(());
    };
    for_each_row(database, context, table, &["name", "value"], |context, cells| {
        let (Ok(name), Ok(value)) = (cells.value(0).as_str(), cells.value(1).as_str()) else {
            return Ok(());
        };
        let Some((_, key)) = FACTS.iter().find(|(fact, _)| *fact == name) else { return Ok(()) };
        let value: String = value.chars().filter(|c| !c.is_control()).take(64).collect();
        let strings = &mut context.timeline.strings;
        let row = Property {
            source: source.raw(),
            key: strings.intern(key).raw(),
            value: strings.intern(&value).raw(),
        };
        context.timeline.dimensions.properties.push(row);
        Ok(())
    })
}

/// Times count from the session's start; where its wall-clock time is given it is kept as a
/// reading of two clocks at time zero.
fn session_start(
    database: &Database,
    context: &mut Context<'_>,
    source: SourceId,
) -> Result<(), ImportError> {
    if !database.has_column(START, "utcEpochNs") {
        return Ok(());
    }
    for_each_row(database, context, START, &["utcEpochNs"], |context, cells| {
        let Some(realtime_ns) = cells.integer(0)?.filter(|ns| *ns > 0) else { return Ok(()) };
        let anchors = &mut context.timeline.dimensions.clock_anchors;
        if anchors.is_empty() {
            anchors.push(ClockAnchor {
                realtime_ns,
                monotonic_ns: NONE_I64,
                activity_ns: 0,
                source: source.raw(),
                ..ClockAnchor::default()
            });
        }
        Ok(())
    })
}

fn process_names(database: &Database, context: &mut Context<'_>) -> Result<(), ImportError> {
    let known: Vec<_> = context.identity.processes().collect();
    for_each_row(database, context, PROCESSES, &["globalPid", "name"], |context, cells| {
        let Some(global) = cells.integer(0)?.map(GlobalPid::of) else { return Ok(()) };
        let Some((_, process)) = known.iter().find(|(known, _)| *known == global) else {
            return Ok(());
        };
        let Ok(name) = cells.value(1).as_bytes() else { return Ok(()) };
        let name = String::from_utf8_lossy(name);
        let name = context.timeline.strings.intern(program(&name));
        // A process that ran another program is listed again: the last name is current.
        context.timeline.dimensions.processes.name[process.index()] = name.raw();
        Ok(())
    })
}

fn thread_names(database: &Database, context: &mut Context<'_>) -> Result<(), ImportError> {
    let mut priorities = vec![i64::MIN; context.timeline.dimensions.threads.len()];
    let columns = ["globalTid", "nameId", "priority"];
    for_each_row(database, context, THREADS, &columns, |context, cells| {
        let Some(thread) = cells.integer(0)?.and_then(|tid| context.identity.known_thread(tid))
        else {
            return Ok(());
        };
        let priority = cells.integer(2)?.unwrap_or(0);
        let best = &mut priorities[thread.index()];
        if priority < *best {
            return Ok(());
        }
        *best = priority;
        let name = cells.name(1, context)?.map_or(StringId::NONE, |name| name.id);
        if name.raw() != NONE_U32 {
            context.timeline.dimensions.threads.name[thread.index()] = name.raw();
        }
        Ok(())
    })
}

/// The program's name without the folder it lies in, which may be a person's.
fn program(path: &str) -> &str {
    path.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::program;

    #[test]
    fn a_program_is_named_without_its_folder() {
        assert_eq!(program("/home/someone/.venv/bin/python"), "python");
        assert_eq!(program(r"C:\Users\someone\a.exe"), "a.exe");
        assert_eq!(program("torchrun"), "torchrun");
        assert_eq!(program(""), "");
    }
}
