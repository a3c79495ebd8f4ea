//! What all parts of the import share: the timeline being filled, identities, names, the ledger
//! with the row it is about, and progress.

use std::path::Path;

use hashbrown::HashMap;
use underspan_model::{NONE_U32, ProblemKind, Timeline};

use super::identity::{GlobalPid, Identity};
use super::names::{Name, Names};
use super::owners::Owners;
use crate::{ImportError, Progress};

/// Rows between two looks at progress and cancellation.
const ROWS_PER_REPORT: u64 = 16_384;
/// Least bytes a row takes: a cell pointer of two, lengths and row number of one byte each.
const SMALLEST_ROW_BYTES: u64 = 5;

/// The state of one import.
pub(super) struct Context<'a> {
    pub(super) path: &'a Path,
    pub(super) timeline: Timeline,
    pub(super) identity: Identity,
    names: Names<'a>,
    file_name: String,
    table: &'static str,
    row: u64,
    failure: Option<rusqlite::Error>,
    correlations: Correlations,
    owners: Option<Owners>,
    meter: Meter<'a>,
}

impl<'a> Context<'a> {
    pub(super) fn new(
        path: &'a Path,
        file_name: String,
        timeline: Timeline,
        identity: Identity,
        names: Names<'a>,
        meter: Meter<'a>,
    ) -> Self {
        Self {
            path,
            timeline,
            identity,
            names,
            file_name,
            table: "",
            row: 0,
            failure: None,
            correlations: Correlations::default(),
            owners: None,
            meter,
        }
    }

    /// Begins a table: problems are located in it from now on.
    pub(super) fn begin_table(&mut self, table: &'static str) {
        self.table = table;
        self.row = 0;
    }

    /// Begins a row.
    ///
    /// # Errors
    /// When the caller cancels, or there are more rows than the file has room for.
    #[inline]
    pub(super) fn next_row(&mut self) -> Result<(), ImportError> {
        self.row += 1;
        self.meter.rows += 1;
        if self.meter.rows.is_multiple_of(ROWS_PER_REPORT) { self.report() } else { Ok(()) }
    }

    fn report(&mut self) -> Result<(), ImportError> {
        // Pages that a damaged or hostile file refers to again and again yield rows without end.
        let limit = self.meter.file_bytes / SMALLEST_ROW_BYTES;
        if self.meter.rows > limit {
            return Err(ImportError::Database {
                path: self.path.to_owned(),
                problem: format!(
                    "expected at most {limit} rows in {} bytes, found more: pages are used twice",
                    self.meter.file_bytes
                ),
            });
        }
        if self.meter.report() {
            Ok(())
        } else {
            Err(ImportError::Cancelled { path: self.path.to_owned() })
        }
    }

    /// Counts a problem of the current row.
    #[cold]
    pub(super) fn note(&mut self, kind: ProblemKind) {
        let (table, row) = (self.table, self.row);
        self.count(kind, 1, || format!("{table}, row {row}"));
    }

    /// Counts a problem of the file.
    pub(super) fn count(
        &mut self,
        kind: ProblemKind,
        count: u64,
        example: impl FnOnce() -> String,
    ) {
        self.timeline.problems.record(kind, &self.file_name, count, example);
    }

    /// The name with a number of `StringIds`.
    #[inline]
    pub(super) fn name(&mut self, number: i64) -> Name {
        match self.names.name(number, &mut self.timeline.strings) {
            Ok(name) => {
                self.note_name(name);
                name
            }
            Err(error) => {
                self.failure = Some(error);
                Name::NONE
            }
        }
    }

    /// Counts what is wrong with a name.
    #[inline]
    pub(super) fn note_name(&mut self, name: Name) {
        if name.is_invalid_utf8 {
            self.note(ProblemKind::InvalidUtf8);
        }
        if name.is_unresolved {
            self.note(ProblemKind::UnresolvedString);
        }
    }

    /// What SQLite said when a name was looked up, if it failed.
    pub(super) fn take_failure(&mut self) -> Option<rusqlite::Error> {
        self.failure.take()
    }

    /// The process of device work that does not name it: the one that made the API call with its
    /// correlation id. API calls must have been read before.
    #[cold]
    pub(super) fn owner(&mut self, correlation_id: u32) -> Option<GlobalPid> {
        let owners = self.owners.get_or_insert_with(|| Owners::of(&self.timeline, &self.identity));
        owners.owner(correlation_id)
    }

    /// A correlation id as a column holds it. Zero and NULL mean none; ids wider than 32 bits get
    /// a new number, the same for the same id.
    #[inline]
    pub(super) fn correlation(&mut self, raw: Option<i64>) -> u32 {
        match raw {
            None | Some(0 | -1) => NONE_U32,
            Some(id) => match u32::try_from(id) {
                Ok(id) => id,
                Err(_) => {
                    self.note(ProblemKind::RenumberedCorrelation);
                    self.correlations.renumbered(id)
                }
            },
        }
    }
}

/// Correlation ids that do not fit a column. New numbers come from the top, where the driver's own
/// ids, which count up from 1, do not reach.
#[derive(Debug, Default)]
struct Correlations {
    wide: HashMap<i64, u32, foldhash::fast::FixedState>,
}

impl Correlations {
    fn renumbered(&mut self, id: i64) -> u32 {
        let next = (NONE_U32 - 1).saturating_sub(self.wide.len() as u32);
        *self.wide.entry(id).or_insert(next)
    }
}

/// Turns rows read into the bytes a caller is told of.
pub(super) struct Meter<'a> {
    progress: &'a dyn Progress,
    file_bytes: u64,
    rows_expected: u64,
    rows: u64,
}

impl<'a> Meter<'a> {
    pub(super) fn new(progress: &'a dyn Progress, file_bytes: u64, rows_expected: u64) -> Self {
        Self { progress, file_bytes, rows_expected: rows_expected.max(1), rows: 0 }
    }

    /// Reports, and says whether to go on.
    fn report(&self) -> bool {
        let share = self.rows.min(self.rows_expected) as f64 / self.rows_expected as f64;
        self.progress.advance((self.file_bytes as f64 * share) as u64, self.file_bytes);
        !self.progress.is_cancelled()
    }
}
