//! Rows of a table, read column by column with what is missing or wrong made plain.

use rusqlite::Row;
use rusqlite::types::ValueRef;
use underspan_model::{NONE_U32, NONE_U64, ProblemKind};

use super::context::Context;
use super::database::{Database, quoted, unreadable};
use super::names::{Name, intern};
use crate::ImportError;

/// Why a row is left out: the kind of problem it is counted as.
pub(super) type Fault = ProblemKind;

/// `SELECT` of columns by name. A column that the table does not have reads as NULL, so that rows
/// of every schema version have the same positions.
pub(super) fn select(database: &Database, table: &str, columns: &[&str]) -> String {
    let listed: Vec<_> = columns
        .iter()
        .map(|column| match database.has_column(table, column) {
            true => quoted(column),
            false => "NULL".to_owned(),
        })
        .collect();
    format!("SELECT {} FROM {}", listed.join(", "), quoted(table))
}

/// Gives every row of a table to `store`, in the order of the file. A row that `store` refuses is
/// counted and left out. Columns that the table lacks are counted once.
///
/// # Errors
/// When SQLite cannot read on, or the caller cancels.
pub(super) fn for_each_row(
    database: &Database,
    context: &mut Context<'_>,
    table: &'static str,
    columns: &[&'static str],
    mut store: impl FnMut(&mut Context<'_>, &Cells<'_, '_>) -> Result<(), Fault>,
) -> Result<(), ImportError> {
    if database.columns(table).is_none() {
        return Ok(());
    }
    let missing: Vec<_> =
        columns.iter().copied().filter(|c| !database.has_column(table, c)).collect();
    context.count(ProblemKind::MissingColumn, missing.len() as u64, || {
        format!("{table}.{}", missing.join(", "))
    });

    let fail = |context: &Context<'_>, error| unreadable(context.path, error);
    let sql = select(database, table, columns);
    let mut statement =
        database.connection().prepare(&sql).map_err(|error| fail(context, error))?;
    let mut rows = statement.query([]).map_err(|error| fail(context, error))?;
    context.begin_table(table);
    while let Some(row) = rows.next().map_err(|error| fail(context, error))? {
        context.next_row()?;
        if let Err(fault) = store(context, &Cells { row }) {
            context.note(fault);
        }
        if let Some(error) = context.take_failure() {
            return Err(fail(context, error));
        }
    }
    Ok(())
}

/// The values of one row, by position in the list of columns.
pub(super) struct Cells<'row, 'stmt> {
    row: &'row Row<'stmt>,
}

impl Cells<'_, '_> {
    /// The value at a position.
    #[inline]
    pub(super) fn value(&self, at: usize) -> ValueRef<'_> {
        self.row.get_ref(at).unwrap_or(ValueRef::Null)
    }

    /// An integer, `None` for NULL.
    ///
    /// # Errors
    /// When something else stands there.
    #[inline]
    pub(super) fn integer(&self, at: usize) -> Result<Option<i64>, Fault> {
        match self.value(at) {
            ValueRef::Integer(value) => Ok(Some(value)),
            ValueRef::Null => Ok(None),
            ValueRef::Real(value) if value.is_infinite() => Err(ProblemKind::NonFiniteNumber),
            // Other tools rewrite exports with real columns; whole numbers stay what they are.
            ValueRef::Real(value) if value.fract() == 0.0 && value.abs() < 9e15 => {
                Ok(Some(value as i64))
            }
            _ => Err(ProblemKind::MalformedEvent),
        }
    }

    /// A 32-bit number, [`NONE_U32`] for NULL and for -1.
    ///
    /// # Errors
    /// When something else stands there.
    #[inline]
    pub(super) fn u32(&self, at: usize) -> Result<u32, Fault> {
        match self.integer(at)? {
            None | Some(-1) => Ok(NONE_U32),
            Some(value) => u32::try_from(value).map_err(|_| ProblemKind::NumberOutOfRange),
        }
    }

    /// A 32-bit number, zero for NULL.
    ///
    /// # Errors
    /// When something else stands there.
    #[inline]
    pub(super) fn u32_or_zero(&self, at: usize) -> Result<u32, Fault> {
        self.u32(at).map(|value| if value == NONE_U32 { 0 } else { value })
    }

    /// A 64-bit number, [`NONE_U64`] for NULL and for -1.
    ///
    /// # Errors
    /// When something else stands there.
    #[inline]
    pub(super) fn u64(&self, at: usize) -> Result<u64, Fault> {
        Ok(self.integer(at)?.map_or(NONE_U64, |value| value as u64))
    }

    /// Start and length of what happened from the column at `at` to the one after it.
    ///
    /// # Errors
    /// When either is missing or no number.
    #[inline]
    pub(super) fn span(&self, at: usize, context: &mut Context<'_>) -> Result<(i64, u64), Fault> {
        let start = self.integer(at)?.ok_or(ProblemKind::MissingTimestamp)?;
        let end = self.integer(at + 1)?.ok_or(ProblemKind::MissingDuration)?;
        if end < start {
            context.note(ProblemKind::NegativeDuration);
        }
        Ok((start, end.max(start).abs_diff(start)))
    }

    /// A name: a number of `StringIds`, or text as some exporters write it. `None` for NULL.
    ///
    /// # Errors
    /// When neither stands there.
    #[inline]
    pub(super) fn name(&self, at: usize, context: &mut Context<'_>) -> Result<Option<Name>, Fault> {
        match self.value(at) {
            ValueRef::Integer(number) => Ok(Some(context.name(number))),
            ValueRef::Text(text) => {
                let name = intern(text, &mut context.timeline.strings);
                context.note_name(name);
                Ok(Some(name))
            }
            ValueRef::Null => Ok(None),
            _ => Err(ProblemKind::MalformedEvent),
        }
    }
}
