//! Checks exports in protobuf: whole, and of the wire types that OTLP declares.

use underspan_wire::{Field, Fields};

use super::Fault;
use super::schema::{FieldShape, Kind, Message};
use crate::signal::Signal;

/// Deepest nesting of messages. Values of attributes may hold values.
const DEPTH_LIMIT: u32 = 100;

/// Checks an export and counts its items.
pub(super) fn check(body: &[u8], signal: Signal) -> Result<u64, Fault> {
    let mut n_items = 0;
    message(body, Message::request(signal), 0, &mut n_items)?;
    Ok(n_items)
}

fn message(body: &[u8], shape: &Message, depth: u32, n_items: &mut u64) -> Result<(), Fault> {
    if depth > DEPTH_LIMIT {
        return Err(Fault::Protobuf { at: 0, expected: "values that are nested less deeply" });
    }
    *n_items += u64::from(shape.is_item);
    let mut fields = Fields::of(body);
    loop {
        let at = fields.position();
        let Some(field) = fields.next() else { return Ok(()) };
        let (number, value) = field?;
        let Some(field) = shape.field(number) else { continue };
        match (field.kind, value) {
            (Kind::Message(inner), Field::Bytes(part)) => {
                message(part, inner, depth + 1, n_items).map_err(|fault| match fault {
                    Fault::Protobuf { at: within, expected } => {
                        Fault::Protobuf { at: fields.position() - part.len() + within, expected }
                    }
                    Fault::Json(_) => fault,
                })?;
            }
            (_, value) if is_of_kind(field, value) => {}
            _ => {
                let expected = "a field of the wire type that OTLP declares";
                return Err(Fault::Protobuf { at, expected });
            }
        }
    }
}

fn is_of_kind(field: &FieldShape, value: Field<'_>) -> bool {
    match (field.kind, value) {
        (Kind::Text | Kind::Bytes | Kind::Id, Field::Bytes(_))
        | (Kind::Bool | Kind::Int64 | Kind::Uint64, Field::Varint(_))
        | (Kind::Uint32 | Kind::Sint32 | Kind::Enum(_), Field::Varint(_))
        | (Kind::Fixed64 | Kind::Sfixed64 | Kind::Double, Field::Fixed64(_))
        | (Kind::Fixed32, Field::Fixed32(_)) => true,
        // Repeated numbers may be packed.
        (Kind::Fixed64 | Kind::Double, Field::Bytes(packed)) => {
            field.is_repeated && packed.len().is_multiple_of(8)
        }
        (Kind::Uint64, Field::Bytes(_)) => field.is_repeated,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A field with bytes in it.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let length = u8::try_from(bytes.len()).expect("a short message");
        assert!(length < 0x80, "a length of one byte");
        [&[number << 3 | 2, length], bytes].concat()
    }

    fn export(span: &[u8]) -> Vec<u8> {
        field(1, &field(2, &field(2, span)))
    }

    #[test]
    fn spans_are_counted() {
        let span = field(5, b"prefill");
        assert_eq!(check(&[], Signal::Traces).ok(), Some(0));
        assert_eq!(check(&export(&span), Signal::Traces).ok(), Some(1));
        let two = [export(&span), export(&span)].concat();
        assert_eq!(check(&two, Signal::Traces).ok(), Some(2));
    }

    #[test]
    fn a_fault_is_told_by_its_place_in_the_export() {
        // A name (5) that is a number, behind one that is text.
        let span = [field(5, b"ab"), vec![5 << 3, 7]].concat();
        let export = export(&span);
        let at = export.len() - 2;
        let fault = check(&export, Signal::Traces).expect_err("no export");
        assert_eq!(
            fault.to_string(),
            format!("at byte {at}: expected a field of the wire type that OTLP declares")
        );
    }

    #[test]
    fn cut_off_and_too_deep_is_refused() {
        let whole = export(&field(5, b"decode"));
        for length in 1..whole.len() {
            assert!(check(&whole[..length], Signal::Traces).is_err(), "cut to {length}");
        }
        // A value (2) of an attribute (9) that is a list (5) of lists.
        let nested = |n_lists: usize| {
            let mut value = Vec::new();
            for _ in 0..n_lists {
                value = long_field(5, &long_field(1, &value));
            }
            long_field(1, &long_field(2, &long_field(2, &long_field(9, &long_field(2, &value)))))
        };
        assert!(check(&nested(40), Signal::Traces).is_ok());
        assert!(check(&nested(60), Signal::Traces).is_err());
        assert!(check(&nested(1000), Signal::Traces).is_err());
    }

    /// A field of up to 16 KiB.
    fn long_field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let low = (bytes.len() & 0x7f) as u8 | 0x80;
        let high = u8::try_from(bytes.len() >> 7).expect("a message of some KiB");
        assert!(high < 0x80, "a length of two bytes");
        [&[number << 3 | 2, low, high], bytes].concat()
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            signal in prop::sample::select(Signal::ALL.to_vec()),
        ) {
            let _ = check(&bytes, signal);
        }
    }
}
