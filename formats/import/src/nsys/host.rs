//! What the host did: API calls and the profiler's own cost.

use underspan_model::tables::{ApiCall, ApiDomain, Overhead};
use underspan_model::{NONE_U64, StringId, StringTable, ThreadId};

use super::context::Context;
use super::database::Database;
use super::rows::{Cells, Fault, for_each_row};
use crate::ImportError;

const RUNTIME: &str = "CUPTI_ACTIVITY_KIND_RUNTIME";
const OVERHEAD: &str = "CUPTI_ACTIVITY_KIND_OVERHEAD";
const PROFILER_OVERHEAD: &str = "PROFILER_OVERHEAD";

/// Tables read here.
pub(super) const TABLES: &[&str] = &[RUNTIME, OVERHEAD, PROFILER_OVERHEAD];

/// Event classes of `ENUM_NSYS_EVENT_CLASS`. Class 67 (CUDA backtrace) is the same call seen
/// around the runtime's own record, with the same correlation id: its library is left unknown.
const CLASS_RUNTIME: i64 = 0;
const CLASS_DRIVER: i64 = 1;

/// Reads runtime and driver API calls; both are in one table.
pub(super) fn read_api_calls(
    database: &Database,
    context: &mut Context<'_>,
) -> Result<(), ImportError> {
    let columns =
        ["start", "end", "globalTid", "correlationId", "nameId", "eventClass", "returnValue"];
    let mut last: Option<(StringId, StringId)> = None;
    context.timeline.api_calls.reserve(database.rows_to_reserve(RUNTIME));
    for_each_row(database, context, RUNTIME, &columns, |context, cells| {
        let (start_ns, duration_ns) = cells.span(0, context)?;
        let thread = thread(cells, 2, context)?;
        let correlation = cells.integer(3)?;
        let raw_name = cells.name(4, context)?.map_or(StringId::NONE, |name| name.id);
        let name = match last {
            Some((raw, name)) if raw == raw_name => name,
            _ => unversioned(raw_name, &mut context.timeline.strings),
        };
        last = Some((raw_name, name));
        let domain = match cells.integer(5)? {
            Some(CLASS_RUNTIME) => ApiDomain::Runtime,
            Some(CLASS_DRIVER) => ApiDomain::Driver,
            Some(_) => ApiDomain::Unknown,
            None => domain_of(context.timeline.strings.resolve_or_empty(name)),
        };
        let row = ApiCall {
            start_ns,
            duration_ns,
            thread: thread.raw(),
            name: name.raw(),
            correlation_id: context.correlation(correlation),
            external_id: NONE_U64,
            domain: domain.code(),
            return_value: cells.integer(6)?.map_or(underspan_model::NONE_U32, |value| value as u32),
        };
        context.timeline.api_calls.push(row);
        Ok(())
    })
}

/// Reads both tables of the profiler's own cost.
pub(super) fn read_overheads(
    database: &Database,
    context: &mut Context<'_>,
) -> Result<(), ImportError> {
    for table in [OVERHEAD, PROFILER_OVERHEAD] {
        let columns = ["start", "end", "globalTid", "nameId"];
        for_each_row(database, context, table, &columns, |context, cells| {
            let (start_ns, duration_ns) = cells.span(0, context)?;
            let thread = thread(cells, 2, context)?;
            let name = cells.name(3, context)?.map_or(StringId::NONE, |name| name.id);
            let row = Overhead { start_ns, duration_ns, thread: thread.raw(), name: name.raw() };
            context.timeline.overheads.push(row);
            Ok(())
        })?;
    }
    Ok(())
}

/// The thread with the global id at a position; none for NULL.
#[inline]
pub(super) fn thread(
    cells: &Cells<'_, '_>,
    at: usize,
    context: &mut Context<'_>,
) -> Result<ThreadId, Fault> {
    Ok(match cells.integer(at)? {
        Some(global) => context.identity.thread(&mut context.timeline.dimensions, global),
        None => ThreadId::NONE,
    })
}

/// The name without the interface version that CUPTI adds: `cudaLaunchKernel_v7000` is
/// `cudaLaunchKernel`. Versions of the function itself stay: `cuMemcpyHtoD_v2`.
fn unversioned(name: StringId, strings: &mut StringTable) -> StringId {
    let text = strings.resolve_or_empty(name);
    let Some((stem, version)) = text.rsplit_once("_v") else { return name };
    let is_interface = (4..=5).contains(&version.len())
        && version.bytes().all(|byte| byte.is_ascii_digit())
        && !stem.is_empty();
    if !is_interface {
        return name;
    }
    let stem = stem.to_owned();
    strings.intern(&stem)
}

/// The library of a function, by its prefix, for exports without event classes.
fn domain_of(name: &str) -> ApiDomain {
    if name.starts_with("cuda") {
        ApiDomain::Runtime
    } else if name.starts_with("cu") {
        ApiDomain::Driver
    } else {
        ApiDomain::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_interface_version_is_cut_from_a_name() {
        let mut strings = StringTable::new();
        for (given, expected) in [
            ("cudaLaunchKernel_v7000", "cudaLaunchKernel"),
            ("cudaGraphLaunch_v10000", "cudaGraphLaunch"),
            ("cuMemcpyHtoD_v2", "cuMemcpyHtoD_v2"),
            ("cudaFoo_vabcd", "cudaFoo_vabcd"),
            ("_v7000", "_v7000"),
            ("cuLaunchKernel", "cuLaunchKernel"),
        ] {
            let id = strings.intern(given);
            let id = unversioned(id, &mut strings);
            assert_eq!(strings.resolve(id), Some(expected));
        }
    }
}
