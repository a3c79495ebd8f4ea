//! JSON of spans, stamps and small documents: values in memory, documents of any size as a
//! stream of such values, and a look at the first keys of a document to know it by.

mod items;
mod outline;
mod stream;
mod text;
mod value;

pub(crate) use items::each_item;
pub(crate) use outline::outline;
pub(crate) use stream::{Content, JsonStream, Stop};
pub(crate) use value::{Json, parse};
