//! NVTX ranges and marks.
//!
//! `NVTX_EVENTS.eventType` (`ENUM_NSYS_EVENT_TYPE`): 34 mark, 59 push/pop range, 60 start/end
//! range; 65, 70 and 71 are the same read from an NVTXT file. 75 names a domain. 33 (category
//! name), 39 (thread name), 76 (domain destroyed) and 97 to 99 (device, context, stream name) are
//! names for things, not events. 35 to 38 are halves of ranges whose other half is missing.
//! The text stands in `text`, or its number in `textId`.

use hashbrown::HashMap;
use underspan_model::tables::{Annotation, AnnotationKind};
use underspan_model::{NONE_U32, NONE_U64, ProblemKind, StreamId, StringId};

use super::context::Context;
use super::database::Database;
use super::host::thread;
use super::identity::GlobalPid;
use super::rows::{Cells, Fault, for_each_row};
use crate::ImportError;

/// The table read here.
pub(super) const TABLE: &str = "NVTX_EVENTS";

const MARK: i64 = 34;
const PUSH_POP: i64 = 59;
const START_END: i64 = 60;
const DOMAIN: i64 = 75;

/// Reads ranges and marks. Domains are named anywhere in the table, so rows first hold a number
/// for their domain, which is turned into its name at the end.
pub(super) fn read(database: &Database, context: &mut Context<'_>) -> Result<(), ImportError> {
    let columns = ["start", "end", "eventType", "text", "textId", "globalTid", "domainId"];
    let mut domains = Domains::default();
    context.timeline.annotations.reserve(database.rows_to_reserve(TABLE));
    for_each_row(database, context, TABLE, &columns, |context, cells| {
        let kind = match cells.integer(2)? {
            Some(DOMAIN) => {
                let name = text(cells, context)?;
                let number = domains.number(process(cells)?, cells.integer(6)?);
                domains.set_name(number, name);
                return Ok(());
            }
            Some(MARK | 65) => AnnotationKind::NvtxMark,
            Some(PUSH_POP | 70) | None => AnnotationKind::NvtxPushPop,
            Some(START_END | 71) => AnnotationKind::NvtxStartEnd,
            Some(32 | 33 | 39 | 64 | 72..=74 | 76 | 97..=99) => return Ok(()),
            Some(35..=38 | 66..=69) => return Err(ProblemKind::OpenRange),
            Some(_) => return Err(ProblemKind::UnknownCategory),
        };
        let (start_ns, duration_ns) = if kind == AnnotationKind::NvtxMark {
            (cells.integer(0)?.ok_or(ProblemKind::MissingTimestamp)?, 0)
        } else if cells.integer(1)?.is_none() {
            return Err(ProblemKind::OpenRange);
        } else {
            cells.span(0, context)?
        };
        let row = Annotation {
            start_ns,
            duration_ns,
            thread: thread(cells, 5, context)?.raw(),
            stream: StreamId::NONE.raw(),
            name: text(cells, context)?.raw(),
            domain: domains.number(process(cells)?, cells.integer(6)?),
            kind: kind.code(),
            external_id: NONE_U64,
        };
        context.timeline.annotations.push(row);
        Ok(())
    })?;
    for domain in &mut context.timeline.annotations.domain {
        *domain = domains.name(*domain);
    }
    Ok(())
}

fn text(cells: &Cells<'_, '_>, context: &mut Context<'_>) -> Result<StringId, Fault> {
    let name = match cells.name(3, context)? {
        Some(name) => Some(name),
        None => cells.name(4, context)?,
    };
    Ok(name.map_or(StringId::NONE, |name| name.id))
}

fn process(cells: &Cells<'_, '_>) -> Result<Option<GlobalPid>, Fault> {
    Ok(cells.integer(5)?.map(GlobalPid::of))
}

/// Domains of all processes, numbered as they are met.
#[derive(Default)]
struct Domains {
    numbers: HashMap<(Option<GlobalPid>, i64), u32>,
    names: Vec<StringId>,
    last: Option<((Option<GlobalPid>, i64), u32)>,
}

impl Domains {
    /// The number of a domain; [`NONE_U32`] for the default domain.
    fn number(&mut self, process: Option<GlobalPid>, domain: Option<i64>) -> u32 {
        let Some(domain) = domain.filter(|domain| *domain != 0) else { return NONE_U32 };
        let key = (process, domain);
        if let Some((last, number)) = self.last
            && last == key
        {
            return number;
        }
        let next = self.names.len() as u32;
        let number = *self.numbers.entry(key).or_insert(next);
        if number == next {
            self.names.push(StringId::NONE);
        }
        self.last = Some((key, number));
        number
    }

    fn set_name(&mut self, number: u32, name: StringId) {
        if let Some(known) = self.names.get_mut(number as usize) {
            *known = name;
        }
    }

    fn name(&self, number: u32) -> u32 {
        self.names.get(number as usize).copied().unwrap_or_default().raw()
    }
}
