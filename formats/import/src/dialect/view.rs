//! All spans of one source, with what belongs to each of them found at once.

use std::collections::HashMap;
use std::ops::Range;

use underspan_model::tables::{AttributeKind, Span, SpanAttribute, SpanLink};
use underspan_model::{NONE_U32, StringId, Timeline};

/// A trace id in two halves.
pub(super) type Trace = (u64, u64);

/// Most spans that are walked up from child to parent.
const DEPTH_LIMIT: usize = 64;

/// All spans of one source.
pub(super) struct View<'t> {
    timeline: &'t Timeline,
    attributes: Vec<Range<usize>>,
    events: Vec<Range<usize>>,
    links: Vec<Range<usize>>,
    by_id: HashMap<(Trace, u64), usize>,
}

/// An attribute with its key as text.
pub(super) struct Attribute<'t> {
    pub(super) key: &'t str,
    row: SpanAttribute,
    strings: &'t underspan_model::StringTable,
}

/// An event with its name as text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event<'t> {
    pub(super) name: &'t str,
    pub(super) time_ns: i64,
    pub(super) ordinal: u32,
}

/// A link to another span.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link(SpanLink);

impl Link {
    pub(super) fn trace(self) -> Trace {
        (self.0.trace_id_high, self.0.trace_id_low)
    }
}

impl<'t> View<'t> {
    pub(super) fn of(timeline: &'t Timeline) -> Self {
        let n_ids = timeline.next_span_number() as usize;
        let mut row_of_id = vec![NONE_U32; n_ids];
        let mut by_id = HashMap::with_capacity(timeline.spans.len());
        for (row, span) in timeline.spans.iter().enumerate() {
            if let Some(slot) = row_of_id.get_mut(span.id as usize) {
                *slot = row as u32;
            }
            if span.span_id != 0 {
                by_id.entry((trace_of(&span), span.span_id)).or_insert(row);
            }
        }
        let n_rows = timeline.spans.len();
        let group = |owners: &[u32]| {
            let mut ranges = vec![0..0; n_rows];
            let mut start = 0;
            for run in owners.chunk_by(|a, b| a == b) {
                let range = start..start + run.len();
                start = range.end;
                let row = run.first().and_then(|id| row_of_id.get(*id as usize));
                if let Some(slot) = row.and_then(|row| ranges.get_mut(*row as usize)) {
                    *slot = range;
                }
            }
            ranges
        };
        Self {
            attributes: group(&timeline.span_attributes.span),
            events: group(&timeline.span_events.span),
            links: group(&timeline.span_links.span),
            timeline,
            by_id,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.timeline.spans.len()
    }

    /// The span's row; a row of nothing past the end.
    pub(super) fn span(&self, row: usize) -> Span {
        self.timeline.spans.get(row).unwrap_or_default()
    }

    pub(super) fn trace(&self, row: usize) -> Trace {
        trace_of(&self.span(row))
    }

    pub(super) fn end_ns(&self, row: usize) -> i64 {
        self.span(row).interval().end().as_ns()
    }

    pub(super) fn string(&self, id: u32) -> &'t str {
        self.timeline.strings.resolve_or_empty(StringId::from_raw(id))
    }

    pub(super) fn name(&self, row: usize) -> &'t str {
        self.string(self.span(row).name)
    }

    pub(super) fn scope(&self, row: usize) -> &'t str {
        self.string(self.span(row).scope)
    }

    pub(super) fn service(&self, row: usize) -> &'t str {
        self.string(self.span(row).service)
    }

    /// The attributes of the span itself.
    pub(super) fn attributes(&self, row: usize) -> impl Iterator<Item = Attribute<'t>> + use<'t> {
        self.all_attributes(row).filter(|attribute| attribute.row.event == NONE_U32)
    }

    /// The attributes of one of the span's events.
    pub(super) fn event_attributes(
        &self,
        row: usize,
        ordinal: u32,
    ) -> impl Iterator<Item = Attribute<'t>> + use<'t> {
        self.all_attributes(row).filter(move |attribute| attribute.row.event == ordinal)
    }

    fn all_attributes(&self, row: usize) -> impl Iterator<Item = Attribute<'t>> + use<'t> {
        let strings = &self.timeline.strings;
        let table = &self.timeline.span_attributes;
        let range = self.attributes.get(row).cloned().unwrap_or_default();
        range.filter_map(move |at| {
            let row = table.get(at)?;
            let key = strings.resolve_or_empty(StringId::from_raw(row.key));
            Some(Attribute { key, row, strings })
        })
    }

    /// The attribute of the span with this key; the last when there are several.
    pub(super) fn attribute(&self, row: usize, key: &str) -> Option<Attribute<'t>> {
        self.attributes(row).filter(|attribute| attribute.key == key).last()
    }

    pub(super) fn events(&self, row: usize) -> impl Iterator<Item = Event<'t>> + use<'t> {
        let strings = &self.timeline.strings;
        let table = &self.timeline.span_events;
        let range = self.events.get(row).cloned().unwrap_or_default();
        range.filter_map(move |at| {
            let event = table.get(at)?;
            let name = strings.resolve_or_empty(StringId::from_raw(event.name));
            Some(Event { name, time_ns: event.time_ns, ordinal: event.ordinal })
        })
    }

    /// The time of the first event of this name.
    pub(super) fn event_ns(&self, row: usize, name: &str) -> Option<i64> {
        self.events(row).find(|event| event.name == name).map(|event| event.time_ns)
    }

    pub(super) fn links(&self, row: usize) -> impl Iterator<Item = Link> + use<'t> {
        let table = &self.timeline.span_links;
        let range = self.links.get(row).cloned().unwrap_or_default();
        range.filter_map(move |at| table.get(at).map(Link))
    }

    /// The span a link points at, when it is here.
    pub(super) fn linked(&self, link: Link) -> Option<usize> {
        self.by_id.get(&(link.trace(), link.0.span_id)).copied()
    }

    /// The span's parent, when it is here.
    pub(super) fn parent(&self, row: usize) -> Option<usize> {
        let span = self.span(row);
        if span.parent_span_id == 0 {
            return None;
        }
        let parent = self.by_id.get(&(trace_of(&span), span.parent_span_id)).copied();
        parent.filter(|parent| *parent != row)
    }

    /// The span itself and those above it, from the span upwards.
    pub(super) fn upwards(&self, row: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(row), |row| self.parent(*row)).take(DEPTH_LIMIT)
    }
}

impl<'t> Attribute<'t> {
    pub(super) fn text(&self) -> Option<&'t str> {
        let is_text = self.row.attribute_kind() == AttributeKind::Text;
        is_text.then(|| self.strings.resolve_or_empty(StringId::from_raw(self.row.text)))
    }

    /// A whole number, also when it was written as text.
    pub(super) fn whole(&self) -> Option<i64> {
        match self.row.attribute_kind() {
            AttributeKind::Whole => Some(self.row.whole),
            _ => self.text()?.parse().ok(),
        }
    }

    /// The value as text, whatever its type.
    pub(super) fn to_text(&self) -> String {
        match self.row.attribute_kind() {
            AttributeKind::Whole => self.row.whole.to_string(),
            AttributeKind::Real => self.row.real.to_string(),
            AttributeKind::Truth => (self.row.whole != 0).to_string(),
            _ => self.text().unwrap_or_default().to_owned(),
        }
    }

    /// A length of time that the attribute gives in seconds.
    pub(super) fn seconds_as_ns(&self) -> Option<i64> {
        let seconds = match self.row.attribute_kind() {
            AttributeKind::Real => self.row.real,
            AttributeKind::Whole => self.row.whole as f64,
            _ => self.text()?.parse().ok()?,
        };
        let ns = (seconds * 1e9).round();
        // Every integer below 2^53 is exact; 104 days are enough for a request.
        (ns.is_finite() && ns.abs() < 9_007_199_254_740_992.0).then_some(ns as i64)
    }
}

fn trace_of(span: &Span) -> Trace {
    (span.trace_id_high, span.trace_id_low)
}
