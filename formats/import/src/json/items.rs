//! The items of a document, wherever its outer lists and objects hold them.

use super::{Json, JsonStream, Stop, parse};

/// Most lists in each other.
const LIST_LIMIT: u32 = 3;

/// Calls `take` for each object of a document: those in its lists (and lists in those), those in
/// the list at `path` where the document is an object, or the document itself when there is no
/// path. Several documents may follow each other. The second argument of `take` is where the object
/// begins.
pub(crate) fn each_item(
    stream: &mut JsonStream<'_>,
    path: &[&str],
    take: &mut dyn FnMut(&Json<'_>, u64),
) -> Result<(), Stop> {
    while let Some(byte) = stream.peek()? {
        match byte {
            b'[' => list(stream, 0, take)?,
            b'{' => inside(stream, path, take)?,
            _ => return stream.unexpected("an object or a list of objects"),
        }
    }
    if stream.is_cut_off() {
        return Err(Stop::Truncated { offset: stream.offset() });
    }
    Ok(())
}

fn inside(
    stream: &mut JsonStream<'_>,
    path: &[&str],
    take: &mut dyn FnMut(&Json<'_>, u64),
) -> Result<(), Stop> {
    let Some((wanted, rest)) = path.split_first() else { return item(stream, take) };
    stream.open_bracket(b'{')?;
    let mut is_first = true;
    while let Some(key) = stream.next_key(&mut is_first)? {
        match stream.peek()? {
            Some(b'[') if key == *wanted => list(stream, 0, take)?,
            Some(b'{') if key == *wanted => inside(stream, rest, take)?,
            _ => stream.skip_value()?,
        }
    }
    Ok(())
}

fn list(
    stream: &mut JsonStream<'_>,
    depth: u32,
    take: &mut dyn FnMut(&Json<'_>, u64),
) -> Result<(), Stop> {
    stream.open_bracket(b'[')?;
    let mut is_first = true;
    while stream.next_item(&mut is_first)? {
        match stream.peek()? {
            Some(b'[') if depth < LIST_LIMIT => list(stream, depth + 1, take)?,
            Some(b'{') => item(stream, take)?,
            _ => return stream.unexpected("an object"),
        }
    }
    Ok(())
}

fn item(stream: &mut JsonStream<'_>, take: &mut dyn FnMut(&Json<'_>, u64)) -> Result<(), Stop> {
    stream.peek()?;
    let offset = stream.offset();
    let text = stream.value()?;
    let fault = match parse(&text) {
        Ok(parsed) => {
            take(&parsed.value, offset);
            return Ok(());
        }
        Err(fault) => fault,
    };
    let found = crate::foreign::describe(text.as_bytes().get(fault.at..).unwrap_or_default());
    let (at, expected) = (offset + fault.at as u64, fault.expected);
    drop(text);
    stream.malformed(at, expected, found)
}
