//! The annotations around a moment of a thread.

use underspan_model::StringId;
use underspan_model::tables::{AnnotationKind, TableKind};

use super::Cancel;
use crate::document::Document;
use crate::timeline::TimeRange;

/// The ranges that the program had open on a thread at `at_ns`, outermost first, with ` > `
/// between them; `None` when there were none.
///
/// # Errors
/// In words, when the file is damaged.
pub(crate) fn annotations_around(
    document: &Document,
    thread: u32,
    at_ns: i64,
    cancel: &Cancel,
) -> Result<Option<String>, String> {
    let columns = ["thread", "name", "kind", "start_ns", "duration_ns"];
    let range = TimeRange::from_ns(at_ns, at_ns);
    let found = document.events.scan(TableKind::Annotation, range, &columns, cancel, |block| {
        let (threads, names, kinds) =
            (block.u32s("thread"), block.u32s("name"), block.codes("kind"));
        let (starts, lengths) = (block.starts(), block.durations());
        let open = block.rows().filter_map(|row| {
            let kind = AnnotationKind::from_code(kinds.get(row)? as u8);
            let is_of_program = matches!(kind, AnnotationKind::NvtxPushPop | AnnotationKind::User);
            let start = *starts.get(row)?;
            let end = start.saturating_add_unsigned(*lengths.get(row)?);
            let is_open = *threads.get(row)? == thread && start <= at_ns && at_ns < end;
            (is_of_program && is_open).then_some((start, std::cmp::Reverse(end), *names.get(row)?))
        });
        open.collect::<Vec<_>>()
    })?;
    let mut open: Vec<_> = found.into_iter().flatten().collect();
    open.sort_unstable();
    let strings = &document.timeline().strings;
    let names: Vec<&str> =
        open.iter().map(|(.., name)| strings.resolve_or_empty(StringId::from_raw(*name))).collect();
    Ok((!names.is_empty()).then(|| names.join(" > ")))
}
