//! JSON documents that are small by nature: read whole.

use std::borrow::Cow;

use crate::input::InputFile;
use crate::json::{Json, JsonStream, Stop, parse};
use crate::{ImportError, ImportOptions, Progress};

/// Longest document.
const LIMIT_BYTES: u64 = 4 << 20;

/// Calls `take` for each value of a document: the items of lists, or objects after each other.
/// Its second argument is where the value begins.
///
/// # Errors
/// When the document is no JSON, is cut off or too large, or `take` fails.
pub(crate) fn each_value(
    input: &InputFile,
    options: &ImportOptions,
    progress: &dyn Progress,
    mut take: impl FnMut(&Json<'_>, u64) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let mut stream = JsonStream::open(input, options, progress)?;
    match walk(&mut stream, input, &mut take) {
        Ok(()) => Ok(()),
        Err(Stop::Failed(error)) => Err(error),
        Err(Stop::Truncated { offset }) => Err(ImportError::Malformed {
            path: input.path().to_owned(),
            offset,
            expected: "the rest of the document".to_owned(),
            found: "the end of the file".to_owned(),
        }),
    }
}

fn walk(
    stream: &mut JsonStream<'_>,
    input: &InputFile,
    take: &mut dyn FnMut(&Json<'_>, u64) -> Result<(), ImportError>,
) -> Result<(), Stop> {
    while let Some(byte) = stream.peek()? {
        let offset = stream.offset();
        if offset > LIMIT_BYTES {
            let (path, what, limit) = (input.path().to_owned(), "the document", LIMIT_BYTES);
            return Err(Stop::Failed(ImportError::TooLarge { path, offset, what, limit }));
        }
        if byte != b'[' && byte != b'{' {
            return stream.unexpected("an object");
        }
        let text = stream.value()?;
        let fault = match parse(&text) {
            Ok(parsed) => {
                match &parsed.value {
                    Json::List(items) => {
                        for item in items {
                            take(item, offset)?;
                        }
                    }
                    value => take(value, offset)?,
                }
                continue;
            }
            Err(fault) => fault,
        };
        let found = crate::foreign::describe(text.as_bytes().get(fault.at..).unwrap_or_default());
        let offset = offset + fault.at as u64;
        drop::<Cow<'_, str>>(text);
        return stream.malformed(offset, fault.expected, found);
    }
    Ok(())
}
