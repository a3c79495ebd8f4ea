//! User-defined records: which fields a kind has, and where they lie.

use cupti_sys::{
    ActivityKind, Field, FieldLayoutEntry, RecordLayout, Toolkit, record_of, user_since,
};

/// One kind's user-defined record.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    kind: ActivityKind,
    /// Source field, or `None` for the kind; and its offset in the record.
    fields: Vec<(Option<Field>, usize)>,
    bytes: usize,
}

impl Selection {
    /// Packs the fields in the order given, each aligned to its length. `None` when the kind
    /// field is not first, or a field does not exist in this release.
    pub(crate) fn new(kind: ActivityKind, field_ids: &[i32], toolkit: Toolkit) -> Option<Self> {
        let record = record_of(kind)?;
        let (first, rest) = field_ids.split_first()?;
        if *first != record.user_kind.id {
            return None;
        }
        let mut fields = vec![(None, 0)];
        let mut end = 4_usize;
        for id in rest {
            let field = record
                .fields
                .iter()
                .find(|field| field.user.is_some_and(|user| user.id == *id))
                .filter(|field| toolkit.at_least(user_since(field)))?;
            let align = usize::from(field.size).min(8);
            end = end.next_multiple_of(align);
            fields.push((Some(*field), end));
            end += usize::from(field.size);
        }
        Some(Self { kind, fields, bytes: end.next_multiple_of(8) })
    }

    /// The record's length.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Writes the record for a predefined one in the newest layout.
    pub(crate) fn pack(&self, canned: &[u8], packed: &mut [u8]) {
        packed.fill(0);
        packed[..4].copy_from_slice(&self.kind.0.to_ne_bytes());
        for (field, at) in &self.fields {
            let Some(field) = field else { continue };
            let (from, n_bytes) = (usize::from(field.offset), usize::from(field.size));
            if let Some(bytes) = canned.get(from..from + n_bytes) {
                packed[*at..*at + n_bytes].copy_from_slice(bytes);
            }
        }
    }

    /// The description that goes with a buffer.
    pub(crate) fn describe(&self) -> (RecordLayout, Vec<FieldLayoutEntry>) {
        let mut entries: Vec<FieldLayoutEntry> = self
            .fields
            .iter()
            .map(|(field, offset)| {
                let size = field.map_or(4, |field| usize::from(field.size));
                FieldLayoutEntry {
                    struct_size: size_of::<FieldLayoutEntry>(),
                    field_id: field.and_then(|field| field.user).map_or(0, |user| user.id),
                    offset: *offset,
                    size,
                    alignment: size.min(8),
                }
            })
            .collect();
        let layout = RecordLayout {
            struct_size: size_of::<RecordLayout>(),
            entries: entries.as_mut_ptr(),
            n_fields: entries.len(),
            record_size: self.bytes,
        };
        (layout, entries)
    }
}
