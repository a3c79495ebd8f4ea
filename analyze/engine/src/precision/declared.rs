//! The type a model is declared to compute in.

use underspan_classifier::Dtype;
use underspan_model::{StringId, Timeline};

/// Names under which a declaration read together with the capture holds the type, best first.
const PROPERTY_KEYS: [&str; 4] = [
    "declared.model.declared_dtype",
    "declared.model.torch_dtype",
    "declared.model.dtype",
    "declared.engine.dtype",
];

/// The type a model is declared to compute its multiplies in, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The type.
    pub dtype: Dtype,
    /// Who says so, for people.
    pub origin: String,
}

impl Declared {
    /// A declaration.
    pub fn new(dtype: Dtype, origin: impl Into<String>) -> Self {
        Self { dtype, origin: origin.into() }
    }

    /// What the capture's own properties declare. Two different declarations are none.
    pub(super) fn of_capture(timeline: &Timeline) -> Option<Self> {
        let text = |id: u32| timeline.strings.resolve_or_empty(StringId::from_raw(id));
        for key in PROPERTY_KEYS {
            let mut found: Option<Dtype> = None;
            for property in timeline.dimensions.properties.iter() {
                if text(property.key) != key {
                    continue;
                }
                let dtype = Dtype::parse(text(property.value).trim_matches('"'))?;
                if found.is_some_and(|other| other != dtype) {
                    return None;
                }
                found = Some(dtype);
            }
            if let Some(dtype) = found {
                return Some(Self::new(dtype, key));
            }
        }
        None
    }
}

/// Whether the model's card says that it has no head over a vocabulary, as encoders have none.
pub(super) fn has_no_vocabulary(timeline: &Timeline) -> bool {
    let text = |id: u32| timeline.strings.resolve_or_empty(StringId::from_raw(id));
    let mut sizes = timeline
        .dimensions
        .properties
        .iter()
        .filter(|property| text(property.key) == "declared.model.vocab_size")
        .peekable();
    sizes.peek().is_some() && sizes.all(|size| matches!(text(size.value), "0" | "null"))
}
