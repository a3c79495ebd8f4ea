//! An SQLite file opened for reading only, checked before SQLite sees it.
//!
//! The header of an SQLite file (<https://www.sqlite.org/fileformat.html> §1.3): 16 bytes of magic,
//! page size at 16 (big-endian u16, 1 means 65,536), file change counter at 24, size in pages at
//! 28, the change counter the size is valid for at 92.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::ImportError;
use crate::input::InputFile;

/// How an SQLite file starts.
pub(super) const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const HEADER_BYTES: usize = 100;
/// Longest text or row SQLite may build for us. Demangled kernel names reach tens of kilobytes.
const LONGEST_VALUE_BYTES: i32 = 64 << 20;
/// Bytes a row of events takes at least in real exports.
const USUAL_ROW_BYTES: u64 = 24;
/// Most characters of SQLite's own words in a message.
const LONGEST_QUOTE: usize = 200;

/// The tables of an SQLite file that hold rows of their own, and a connection to read them.
#[derive(Debug)]
pub(super) struct Database {
    connection: Connection,
    file_bytes: u64,
    tables: BTreeMap<String, Vec<Column>>,
}

/// A column as the schema declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) is_row_id: bool,
}

impl Database {
    /// Opens the file without ever writing to it, its folder or a journal.
    pub(super) fn open(input: &InputFile) -> Result<Self, ImportError> {
        let path = input.path();
        check_header(path, input.head(), input.file_bytes())?;
        let connection = connect(path)?;
        let tables = tables(&connection).map_err(|e| unreadable(path, e))?;
        Ok(Self { connection, file_bytes: input.file_bytes(), tables })
    }

    /// The connection.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The columns of a table; `None` when there is no such table.
    pub(super) fn columns(&self, table: &str) -> Option<&[Column]> {
        self.tables.get(table).map(Vec::as_slice)
    }

    /// Whether a table has a column.
    pub(super) fn has_column(&self, table: &str, column: &str) -> bool {
        self.columns(table).is_some_and(|all| all.iter().any(|c| c.name == column))
    }

    /// Names of all tables, in order.
    pub(super) fn table_names(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().map(String::as_str)
    }

    /// Whether a table has a row.
    pub(super) fn has_rows(&self, table: &str) -> bool {
        let sql = format!("SELECT 1 FROM {} LIMIT 1", quoted(table));
        self.columns(table).is_some() && self.connection.query_row(&sql, [], |_| Ok(())).is_ok()
    }

    /// How many rows to make room for: never more than the file has room for.
    pub(super) fn rows_to_reserve(&self, table: &str) -> usize {
        let bound = self.row_bound(table).min(self.file_bytes / USUAL_ROW_BYTES);
        usize::try_from(bound).unwrap_or(0)
    }

    /// How many rows a table has at most, as far as that is cheap to tell.
    pub(super) fn row_bound(&self, table: &str) -> u64 {
        let sql = format!("SELECT max(rowid) FROM {}", quoted(table));
        let bound = self.connection.query_row(&sql, [], |row| row.get::<_, Option<i64>>(0));
        bound.ok().flatten().and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
    }
}

/// A table's or column's name as SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// SQLite's refusal as an import error.
pub(super) fn unreadable(path: &Path, error: rusqlite::Error) -> ImportError {
    let said = match &error {
        rusqlite::Error::SqliteFailure(_, Some(said)) => said.clone(),
        // What was asked is ours; only what SQLite said about it helps the user.
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    };
    // It may quote the file's own schema.
    let said: String =
        said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_QUOTE).collect();
    ImportError::Database {
        path: path.to_owned(),
        problem: format!("the database cannot be read: {said}"),
    }
}

fn connect(path: &Path) -> Result<Connection, ImportError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(immutable_uri(path), flags)?;
        connection.set_limit(rusqlite::limits::Limit::SQLITE_LIMIT_LENGTH, LONGEST_VALUE_BYTES)?;
        // Views, triggers and functions of a stranger's schema are never run.
        connection.execute_batch(
            "PRAGMA trusted_schema = OFF; PRAGMA query_only = ON; PRAGMA cell_size_check = ON;
             PRAGMA mmap_size = 1099511627776; PRAGMA cache_size = -16384;",
        )?;
        Ok(connection)
    };
    open().map_err(|e| unreadable(path, e))
}

/// `file:` URI with which SQLite neither locks, nor writes, nor looks for a journal.
fn immutable_uri(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut uri = String::from("file://");
    for byte in path_bytes(&absolute) {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'~' => uri.push(byte as char),
            _ if byte.is_ascii_alphanumeric() => uri.push(byte as char),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    uri
}

#[cfg(unix)]
fn path_bytes(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes().to_vec()
}

#[cfg(not(unix))]
fn path_bytes(path: &Path) -> Vec<u8> {
    let text = path.to_string_lossy().replace('\\', "/");
    if text.starts_with('/') { text.into_bytes() } else { format!("/{text}").into_bytes() }
}

/// Tables with rows of their own: no views, no virtual tables, no generated columns.
fn tables(connection: &Connection) -> rusqlite::Result<BTreeMap<String, Vec<Column>>> {
    let mut statement = connection.prepare(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0
         AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
    )?;
    let mut tables = BTreeMap::new();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let Ok(name) = row.get_ref(0)?.as_str().map(str::to_owned) else { continue };
        let columns = columns(connection, &name)?;
        tables.insert(name, columns);
    }
    Ok(tables)
}

fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Column>> {
    let mut statement = connection.prepare(&format!("PRAGMA table_info({})", quoted(table)))?;
    let mut columns = Vec::new();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let Ok(name) = row.get::<_, String>(1) else { continue };
        let declared = row.get::<_, String>(2).unwrap_or_default();
        let is_key = row.get::<_, i64>(5).unwrap_or(0) == 1;
        let is_row_id = is_key && declared.eq_ignore_ascii_case("INTEGER");
        columns.push(Column { name, is_row_id });
    }
    Ok(columns)
}

/// Refuses what SQLite would report badly: a header never written, and a file that was cut off.
fn check_header(path: &Path, head: &[u8], file_bytes: u64) -> Result<(), ImportError> {
    let refuse = |problem: String| Err(ImportError::Database { path: path.to_owned(), problem });
    let Some(header) = head.get(..HEADER_BYTES) else {
        return refuse(format!(
            "expected a database header of {HEADER_BYTES} bytes, found a file of {file_bytes}; \
             the export was interrupted"
        ));
    };
    let page_bytes = match u64::from(u16::from_be_bytes([header[16], header[17]])) {
        1 => 65_536,
        bytes => bytes,
    };
    if page_bytes < 512 || !page_bytes.is_power_of_two() {
        return refuse(format!(
            "at byte 16: expected a page size that is a power of two from 512 to 65536, \
             found {page_bytes}"
        ));
    }
    let word = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let (change_counter, pages, pages_valid_for) = (word(24), u64::from(word(28)), word(92));
    if pages > 0 && change_counter == pages_valid_for && pages * page_bytes > file_bytes {
        return refuse(format!(
            "the database is cut off: expected {pages} pages of {page_bytes} bytes = {} bytes, \
             found {file_bytes}; the export was interrupted or the copy is incomplete",
            pages * page_bytes
        ));
    }
    Ok(())
}

/// Whether the content starts with what an interrupted export leaves: pages of zeros where the
/// header belongs.
pub(super) fn is_unwritten(head: &[u8]) -> bool {
    head.len() >= HEADER_BYTES && head[..HEADER_BYTES].iter().all(|byte| *byte == 0)
}
