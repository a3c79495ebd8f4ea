//! The general event parser: any key order, any white space, escapes, numbers inside strings,
//! bare words, nested values anywhere. It decides what an event means; the fast parser only ever
//! agrees with it.

use super::category::Category;
use super::cursor::{Cursor, RawText, Step, Value};
use super::event::{Args, Dim3, Event, Id};
use super::number::{self, Time, Unusable, Whole};
use super::text::plain;

/// Keys of an event or of its arguments that were seen, one bit each.
#[derive(Default)]
struct SeenKeys(u64);

impl SeenKeys {
    /// Marks a key; whether it was marked before.
    fn mark(&mut self, key: u32) -> bool {
        let was = self.0 & (1 << key) != 0;
        self.0 |= 1 << key;
        was
    }
}

/// Reads the element that stands next. Only text that is not JSON at all is a fault: a strange
/// event is described as such.
pub(super) fn parse<'a>(cursor: &mut Cursor<'a>) -> Step<Event<'a>> {
    let mut event = Event::default();
    if cursor.peek()? != b'{' {
        cursor.skip_value()?;
        event.is_malformed = true;
        return Ok(event);
    }
    cursor.at += 1;
    let mut is_first = true;
    let mut seen = SeenKeys::default();
    while let Some(key) = cursor.key(&mut is_first)? {
        let key = plain(key);
        let Some(bit) = field_bit(&key) else {
            event.n_unusable_fields += skip_unused(cursor)?;
            continue;
        };
        event.n_duplicate_keys += u32::from(seen.mark(bit));
        if bit == ARGS {
            args(cursor, &mut event)?;
            continue;
        }
        let value = scalar(cursor)?;
        set_field(&mut event, bit, value);
    }
    Ok(event)
}

/// Sets a field of an event from a scalar; a nested value is of the wrong type.
#[inline]
pub(super) fn set_field<'a>(event: &mut Event<'a>, bit: u32, value: Value<'a>) {
    match bit {
        0 => match value {
            Value::Text(text) => event.phase = plain(text).first().copied().unwrap_or(0),
            _ => event.is_malformed = true,
        },
        1 => match text_of(value) {
            Ok(text) => {
                event.category_text = text.unwrap_or_default();
                event.category = Category::of(&plain(event.category_text));
            }
            Err(()) => event.is_malformed = true,
        },
        2 => match text_of(value) {
            Ok(text) => event.name = text,
            Err(()) => event.is_malformed = true,
        },
        3 => match Id::of(value) {
            Some(id) => event.pid = id,
            None => event.is_malformed = true,
        },
        4 => match Id::of(value) {
            Some(id) => event.tid = id,
            None => event.is_malformed = true,
        },
        5 => event.start = Time::of(value),
        _ => event.duration = Time::of(value),
    }
}

/// A text, or none for `null`.
fn text_of(value: Value<'_>) -> Result<Option<RawText<'_>>, ()> {
    match value {
        Value::Text(text) => Ok(Some(text)),
        Value::Token(b"null") => Ok(None),
        Value::Token(_) | Value::Nested(_) => Err(()),
    }
}

/// The value that stands next; a nested one is passed over.
fn scalar<'a>(cursor: &mut Cursor<'a>) -> Step<Value<'a>> {
    let value = cursor.value()?;
    if matches!(value, Value::Nested(_)) {
        cursor.skip_nested()?;
    }
    Ok(value)
}

/// Passes over a value that is not imported; one when it is no JSON.
fn skip_unused(cursor: &mut Cursor<'_>) -> Step<u32> {
    Ok(match scalar(cursor)? {
        Value::Token(token) => u32::from(!number::is_json_token(token)),
        Value::Text(_) | Value::Nested(_) => 0,
    })
}

fn args<'a>(cursor: &mut Cursor<'a>, event: &mut Event<'a>) -> Step<()> {
    event.args = Args::default();
    event.args_text = &[];
    if cursor.peek()? != b'{' {
        if cursor.skip_value()? != b"null" {
            event.is_malformed = true;
        }
        return Ok(());
    }
    let start = cursor.at;
    cursor.at += 1;
    let mut is_first = true;
    let mut seen = SeenKeys::default();
    while let Some(key) = cursor.key(&mut is_first)? {
        let key = plain(key);
        let Some(bit) = arg_bit(&key) else {
            event.n_unusable_fields += skip_unused(cursor)?;
            continue;
        };
        event.n_duplicate_keys += u32::from(seen.mark(bit));
        set_arg(cursor, &mut event.args, bit)?;
    }
    event.args_text = &cursor.text[start..cursor.at];
    Ok(())
}

/// The number of a field that is imported.
pub(super) fn field_bit(key: &[u8]) -> Option<u32> {
    Some(match key {
        b"ph" => PHASE,
        b"cat" => CATEGORY,
        b"name" => 2,
        b"pid" => 3,
        b"tid" => 4,
        b"ts" => 5,
        b"dur" => 6,
        b"args" => ARGS,
        _ => return None,
    })
}

pub(super) const PHASE: u32 = 0;
pub(super) const CATEGORY: u32 = 1;
pub(super) const ARGS: u32 = 7;

/// The number of an argument that is imported.
pub(super) fn arg_bit(key: &[u8]) -> Option<u32> {
    Some(match key {
        b"device" => 0,
        b"context" => 1,
        b"stream" => 2,
        b"correlation" => 3,
        b"External id" | b"external id" => 4,
        b"bytes" => 5,
        b"registers per thread" => 6,
        b"shared memory" => 7,
        b"grid" => 8,
        b"block" => 9,
        b"graph id" => 10,
        b"graph node id" => 11,
        b"kind" => 12,
        b"cuda_sync_kind" => 13,
        b"wait_on_cuda_event_id" => 14,
        b"Input type" => 15,
        b"Input Dims" => 16,
        b"Total Allocated" => 17,
        b"Total Reserved" => 18,
        b"Device Id" => 19,
        b"name" => 20,
        _ => return None,
    })
}

/// Reads the value that stands next as the argument numbered `bit`.
pub(super) fn set_arg<'a>(cursor: &mut Cursor<'a>, args: &mut Args<'a>, bit: u32) -> Step<()> {
    match bit {
        GRID => args.grid = dim3(cursor)?,
        BLOCK => args.block = dim3(cursor)?,
        15 => args.input_types = nested(cursor)?,
        16 => args.input_dims = nested(cursor)?,
        _ => {
            let value = scalar(cursor)?;
            set_scalar_arg(args, bit, value);
        }
    }
    Ok(())
}

pub(super) const GRID: u32 = 8;
pub(super) const BLOCK: u32 = 9;

/// Sets an argument that is a number or a text.
#[inline]
pub(super) fn set_scalar_arg<'a>(args: &mut Args<'a>, bit: u32, value: Value<'a>) {
    match bit {
        12 => args.kind = text_of(value).ok().flatten().unwrap_or_default(),
        13 => args.sync_kind = text_of(value).ok().flatten().unwrap_or_default(),
        20 => args.label = text_of(value).ok().flatten(),
        _ => {
            let number = Whole::of(value);
            match bit {
                0 => args.device = number,
                1 => args.context = number,
                2 => args.stream = number,
                3 => args.correlation = number,
                4 => args.external_id = number,
                5 => args.bytes = number,
                6 => args.registers = number,
                7 => args.shared_memory = number,
                10 => args.graph_id = number,
                11 => args.graph_node_id = number,
                14 => args.event_id = number,
                17 => args.total_allocated = number,
                18 => args.total_reserved = number,
                _ => args.memory_device = number,
            }
        }
    }
}

/// The text of an array; none for anything else.
fn nested<'a>(cursor: &mut Cursor<'a>) -> Step<Option<&'a [u8]>> {
    let is_array = cursor.peek()? == b'[';
    let text = cursor.skip_value()?;
    Ok(is_array.then_some(text))
}

/// `[x, y, z]`; shorter ones are filled up with ones.
pub(super) fn dim3(cursor: &mut Cursor<'_>) -> Step<Dim3> {
    match cursor.value()? {
        Value::Token(b"null") => return Ok(Dim3::Absent),
        Value::Nested(b'[') => {}
        value => {
            if matches!(value, Value::Nested(_)) {
                cursor.skip_nested()?;
            }
            return Ok(Dim3::Unusable(Unusable::WrongType));
        }
    }
    cursor.at += 1;
    let mut size = [1; 3];
    let mut n = 0;
    let mut fault = None;
    let mut is_first = true;
    while cursor.item(&mut is_first)? {
        let number = match Whole::of(scalar(cursor)?) {
            Whole::Natural(value) => u32::try_from(value).map_err(|_| Unusable::OutOfRange),
            Whole::Negative(_) => Err(Unusable::OutOfRange),
            Whole::Unusable(fault) => Err(fault),
            Whole::Absent => Err(Unusable::WrongType),
        };
        match (number, size.get_mut(n)) {
            (Ok(number), Some(slot)) => *slot = number,
            (Err(e), _) => fault = fault.or(Some(e)),
            (_, None) => fault = fault.or(Some(Unusable::WrongType)),
        }
        n += 1;
    }
    Ok(match (fault, n) {
        (Some(fault), _) => Dim3::Unusable(fault),
        (None, 0) => Dim3::Absent,
        (None, _) => Dim3::Size(size),
    })
}
