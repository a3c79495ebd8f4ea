//! `StringIds`: names by number.
//!
//! Only names that rows refer to are taken. The table also holds what must not be: the output of
//! the profiled program, paths, environment.

use std::borrow::Cow;

use hashbrown::HashMap;
use rusqlite::Statement;
use rusqlite::types::ValueRef;
use underspan_model::{StringId, StringTable};

use super::database::Database;

const TABLE: &str = "StringIds";

/// Names by number, read when first asked for.
pub(super) struct Names<'db> {
    lookup: Option<Statement<'db>>,
    whole: HashMap<i64, Vec<u8>, foldhash::fast::FixedState>,
    known: HashMap<i64, Name, foldhash::fast::FixedState>,
    last: Option<(i64, Name)>,
}

/// A name in the string table, and what was wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) id: StringId,
    pub(super) is_invalid_utf8: bool,
    pub(super) is_unresolved: bool,
}

impl Name {
    /// No name.
    pub(super) const NONE: Self =
        Self { id: StringId::NONE, is_invalid_utf8: false, is_unresolved: false };
}

impl<'db> Names<'db> {
    /// Prepares the look-up. A table whose `id` is the row number is asked name by name; any other
    /// is read once, as asking it would scan it each time.
    pub(super) fn open(database: &'db Database) -> rusqlite::Result<Self> {
        let mut names =
            Self { lookup: None, whole: HashMap::default(), known: HashMap::default(), last: None };
        let has_columns = database.has_column(TABLE, "id") && database.has_column(TABLE, "value");
        if !has_columns {
            return Ok(names);
        }
        let columns = database.columns(TABLE).unwrap_or_default();
        if columns.iter().any(|c| c.name == "id" && c.is_row_id) {
            let sql = "SELECT value FROM StringIds WHERE id = ?1";
            names.lookup = Some(database.connection().prepare(sql)?);
        } else {
            let mut all = database.connection().prepare("SELECT id, value FROM StringIds")?;
            let mut rows = all.query([])?;
            while let Some(row) = rows.next()? {
                if let (ValueRef::Integer(id), ValueRef::Text(text)) =
                    (row.get_ref(0)?, row.get_ref(1)?)
                {
                    names.whole.entry(id).or_insert_with(|| text.to_vec());
                }
            }
        }
        Ok(names)
    }

    /// The name with this number. One that the file does not define reads as `<string N>`, so that
    /// different names stay different.
    pub(super) fn name(
        &mut self,
        number: i64,
        strings: &mut StringTable,
    ) -> rusqlite::Result<Name> {
        if let Some((last, name)) = self.last
            && last == number
        {
            return Ok(name);
        }
        let name = match self.known.get(&number) {
            Some(name) => *name,
            None => {
                let name = self.read(number, strings)?;
                self.known.insert(number, name);
                name
            }
        };
        self.last = Some((number, name));
        Ok(name)
    }

    fn read(&mut self, number: i64, strings: &mut StringTable) -> rusqlite::Result<Name> {
        if let Some(statement) = &mut self.lookup {
            let mut rows = statement.query([number])?;
            if let Some(row) = rows.next()?
                && let ValueRef::Text(text) = row.get_ref(0)?
            {
                return Ok(intern(text, strings));
            }
        } else if let Some(text) = self.whole.get(&number) {
            return Ok(intern(text, strings));
        }
        let id = strings.intern(&format!("<string {number}>"));
        Ok(Name { id, is_invalid_utf8: false, is_unresolved: true })
    }
}

/// The name for text as it lies in the file, which may not be UTF-8.
pub(super) fn intern(text: &[u8], strings: &mut StringTable) -> Name {
    let text = String::from_utf8_lossy(text);
    Name {
        id: strings.intern(&text),
        is_invalid_utf8: matches!(text, Cow::Owned(_)),
        is_unresolved: false,
    }
}
