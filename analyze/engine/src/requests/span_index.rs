//! The spans of a capture by their ids, parents, roles and facts.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use underspan_model::give_up_if_cancelled;
use underspan_model::span_facts::{self as fact, role};
use underspan_model::{NONE_U32, StringId, Timeline};

/// Most ancestors that are looked at: deeper ones, or circles, come from damaged files.
const DEPTH_LIMIT: usize = 64;

/// What a span is to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Role {
    #[default]
    None,
    Request,
    Model,
    Frontend,
    Queue,
    Prefill,
    Decode,
    StepPart,
    Compute,
    Thread,
    Post,
    Startup,
    Step,
}

const ROLES: [(&str, Role); 12] = [
    (role::REQUEST, Role::Request),
    (role::MODEL, Role::Model),
    (role::FRONTEND, Role::Frontend),
    (role::QUEUE, Role::Queue),
    (role::PREFILL, Role::Prefill),
    (role::DECODE, Role::Decode),
    (role::STEP_PART, Role::StepPart),
    (role::COMPUTE, Role::Compute),
    (role::THREAD, Role::Thread),
    (role::POST, Role::Post),
    (role::STARTUP, Role::Startup),
    (role::STEP, Role::Step),
];

/// What the spans of one request or model say about it. Texts are string ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Facts {
    pub(super) engine: Option<StringId>,
    pub(super) queue_ns: Option<i64>,
    pub(super) prefill_ns: Option<i64>,
    pub(super) decode_ns: Option<i64>,
    pub(super) inference_ns: Option<i64>,
    pub(super) ttft_ns: Option<i64>,
    pub(super) e2e_ns: Option<i64>,
    pub(super) tpot_ns: Option<i64>,
    pub(super) validation_ns: Option<i64>,
    pub(super) prompt_tokens: Option<i64>,
    pub(super) cached_tokens: Option<i64>,
    pub(super) output_tokens: Option<i64>,
    pub(super) model: Option<StringId>,
    pub(super) model_version: Option<StringId>,
    pub(super) request_id: Option<StringId>,
}

macro_rules! fill {
    ($mine:ident, $other:ident: $($field:ident),*) => { $($mine.$field = $mine.$field.or($other.$field);)* };
}

impl Facts {
    /// Takes from another span of the same request what this one does not say.
    pub(super) fn fill_from(&mut self, other: &Self) {
        fill!(self, other: engine, queue_ns, prefill_ns, decode_ns, inference_ns, ttft_ns, e2e_ns,
            tpot_ns, validation_ns, prompt_tokens, cached_tokens, output_tokens, model,
            model_version, request_id);
    }

    fn whole_mut(&mut self, key: &str) -> Option<&mut Option<i64>> {
        Some(match key {
            fact::QUEUE_NS => &mut self.queue_ns,
            fact::PREFILL_NS => &mut self.prefill_ns,
            fact::DECODE_NS => &mut self.decode_ns,
            fact::INFERENCE_NS => &mut self.inference_ns,
            fact::TTFT_NS => &mut self.ttft_ns,
            fact::E2E_NS => &mut self.e2e_ns,
            fact::TPOT_NS => &mut self.tpot_ns,
            fact::VALIDATION_NS => &mut self.validation_ns,
            fact::PROMPT_TOKENS => &mut self.prompt_tokens,
            fact::CACHED_TOKENS => &mut self.cached_tokens,
            fact::OUTPUT_TOKENS => &mut self.output_tokens,
            _ => return None,
        })
    }

    fn text_mut(&mut self, key: &str) -> Option<&mut Option<StringId>> {
        Some(match key {
            fact::ENGINE => &mut self.engine,
            fact::MODEL => &mut self.model,
            fact::MODEL_VERSION => &mut self.model_version,
            fact::REQUEST_ID => &mut self.request_id,
            _ => return None,
        })
    }
}

/// The spans of a capture, joined.
#[derive(Debug, Default)]
pub(super) struct SpanIndex {
    /// Row of the parent; [`NONE_U32`] for a root and for one whose parent is not in the capture.
    pub(super) parent: Vec<u32>,
    pub(super) role: Vec<Role>,
    /// Position in `facts`; [`NONE_U32`] without any.
    fact_slot: Vec<u32>,
    facts: Vec<Facts>,
    /// First child of each row in `children`.
    first_child: Vec<u32>,
    children: Vec<u32>,
    /// Row by [`Span::id`](underspan_model::tables::Span::id).
    row_of_number: RowOfNumber,
    /// Rows that name the request of another service in an attribute, by that name.
    named: HashMap<u32, u32, FixedState>,
}

impl SpanIndex {
    pub(super) fn of(timeline: &Timeline) -> Self {
        let spans = &timeline.spans;
        let n = spans.len();
        let mut by_id: HashMap<(u64, u64, u64), u32, FixedState> =
            HashMap::with_capacity_and_hasher(n, FixedState::default());
        let mut row_of_number = RowOfNumber::for_spans(n);
        for row in 0..n {
            give_up_if_cancelled();
            let key = (spans.trace_id_high[row], spans.trace_id_low[row], spans.span_id[row]);
            by_id.entry(key).or_insert(row as u32);
            if spans.id[row] != NONE_U32 {
                row_of_number.add(spans.id[row], row as u32);
            }
        }
        let mut parent = vec![NONE_U32; n];
        for (row, parent) in parent.iter_mut().enumerate() {
            give_up_if_cancelled();
            if spans.parent_span_id[row] == 0 {
                continue;
            }
            let key =
                (spans.trace_id_high[row], spans.trace_id_low[row], spans.parent_span_id[row]);
            let found = by_id.get(&key).copied().filter(|found| *found != row as u32);
            *parent = found.unwrap_or(NONE_U32);
        }
        let mut index = Self { parent, row_of_number, ..Self::default() };
        index.read_roles(timeline);
        index.read_facts(timeline);
        index.list_children();
        index
    }

    fn read_roles(&mut self, timeline: &Timeline) {
        self.role = vec![Role::None; timeline.spans.len()];
        let Some(key) = timeline.strings.find(fact::ROLE) else { return };
        let roles: Vec<(u32, Role)> = ROLES
            .iter()
            .filter_map(|(name, role)| Some((timeline.strings.find(name)?.raw(), *role)))
            .collect();
        let attributes = &timeline.span_attributes;
        for row in 0..attributes.len() {
            give_up_if_cancelled();
            if attributes.key[row] != key.raw() || attributes.event[row] != NONE_U32 {
                continue;
            }
            let text = attributes.text[row];
            let role = roles.iter().find(|(name, _)| *name == text).map(|(_, role)| *role);
            let span = self.row_of_number.get(attributes.span[row]);
            if let (Some(role), Some(span)) = (role, span) {
                self.role[span as usize] = role;
            }
        }
    }

    fn read_facts(&mut self, timeline: &Timeline) {
        let attributes = &timeline.span_attributes;
        self.fact_slot = vec![NONE_U32; self.role.len()];
        // Keys by string id: 1 is a fact, 2 the name of a request elsewhere.
        let mut keys: HashMap<u32, Key, FixedState> = HashMap::default();
        for (raw, name) in timeline.strings.iter().enumerate() {
            give_up_if_cancelled();
            let mut probe = Facts::default();
            if probe.whole_mut(name).is_some() || probe.text_mut(name).is_some() {
                keys.insert(raw as u32, Key::Fact);
            } else if names_a_request(name) {
                keys.insert(raw as u32, Key::Name);
            }
        }
        if keys.is_empty() {
            return;
        }
        let mut last = (NONE_U32, NONE_U32);
        for row in 0..attributes.len() {
            give_up_if_cancelled();
            let Some(key) = keys.get(&attributes.key[row]) else { continue };
            if attributes.event[row] != NONE_U32 {
                continue;
            }
            if attributes.span[row] != last.0 {
                let span = self.row_of_number.get(attributes.span[row]);
                last = (attributes.span[row], span.unwrap_or(NONE_U32));
            }
            let Some(role) = self.role.get(last.1 as usize) else { continue };
            match key {
                Key::Name if *role == Role::None => {
                    self.named.entry(attributes.text[row]).or_insert(last.1);
                }
                Key::Fact if matches!(role, Role::Request | Role::Model | Role::None) => {
                    self.note_fact(timeline, last.1 as usize, row);
                }
                _ => {}
            }
        }
        self.named.remove(&NONE_U32);
    }

    fn note_fact(&mut self, timeline: &Timeline, span: usize, row: usize) {
        let attributes = &timeline.span_attributes;
        if self.fact_slot[span] == NONE_U32 {
            self.fact_slot[span] = self.facts.len() as u32;
            self.facts.push(Facts::default());
        }
        let facts = &mut self.facts[self.fact_slot[span] as usize];
        let key = timeline.strings.resolve_or_empty(StringId::from_raw(attributes.key[row]));
        if let Some(slot) = facts.whole_mut(key) {
            *slot = Some(attributes.whole[row]).filter(|whole| *whole >= 0);
        } else if let Some(slot) = facts.text_mut(key) {
            *slot = Some(StringId::from_raw(attributes.text[row])).filter(|id| !id.is_none());
        }
    }

    fn list_children(&mut self) {
        let n = self.parent.len();
        let mut first = vec![0_u32; n + 1];
        for parent in self.parent.iter().filter(|parent| **parent != NONE_U32) {
            first[*parent as usize + 1] += 1;
        }
        for at in 0..n {
            give_up_if_cancelled();
            first[at + 1] += first[at];
        }
        let mut next = first.clone();
        self.children = vec![0; first[n] as usize];
        for (row, parent) in self.parent.iter().enumerate().filter(|(_, p)| **p != NONE_U32) {
            let place = &mut next[*parent as usize];
            self.children[*place as usize] = row as u32;
            *place += 1;
        }
        self.first_child = first;
    }

    pub(super) fn children(&self, row: u32) -> &[u32] {
        let at = row as usize;
        match (self.first_child.get(at), self.first_child.get(at + 1)) {
            (Some(from), Some(to)) => &self.children[*from as usize..*to as usize],
            _ => &[],
        }
    }

    /// The spans below a row, each before its own children; at most `limit`.
    pub(super) fn below(&self, row: u32, limit: usize) -> Vec<u32> {
        let mut found = Vec::new();
        let mut open: Vec<u32> = self.children(row).iter().rev().copied().collect();
        while let Some(next) = open.pop() {
            if found.len() >= limit {
                break;
            }
            found.push(next);
            open.extend(self.children(next).iter().rev());
        }
        found
    }

    /// The ancestors of a row, nearest first.
    pub(super) fn above(&self, row: u32) -> impl Iterator<Item = u32> + '_ {
        let parent_of = |row: u32| {
            let parent = self.parent.get(row as usize).copied().unwrap_or(NONE_U32);
            (parent != NONE_U32).then_some(parent)
        };
        std::iter::successors(parent_of(row), move |row| parent_of(*row)).take(DEPTH_LIMIT)
    }

    pub(super) fn facts(&self, row: u32) -> Option<&Facts> {
        self.facts.get(*self.fact_slot.get(row as usize)? as usize)
    }

    /// The row of a span by its number in the capture.
    pub(super) fn row_of(&self, number: u32) -> Option<u32> {
        self.row_of_number.get(number)
    }

    /// A span of another service that names the request with this id.
    pub(super) fn naming(&self, request: StringId) -> Option<u32> {
        self.named.get(&request.raw()).copied()
    }
}

/// Rows by the numbers of spans, which most often count up from zero.
#[derive(Debug, Default)]
struct RowOfNumber {
    dense: Vec<u32>,
    sparse: HashMap<u32, u32, FixedState>,
}

impl RowOfNumber {
    fn for_spans(n: usize) -> Self {
        Self { dense: vec![NONE_U32; n.saturating_mul(2)], sparse: HashMap::default() }
    }

    /// The first row of a number counts.
    fn add(&mut self, number: u32, row: u32) {
        match self.dense.get_mut(number as usize) {
            Some(place) if *place == NONE_U32 => *place = row,
            Some(_) => {}
            None => {
                self.sparse.entry(number).or_insert(row);
            }
        }
    }

    fn get(&self, number: u32) -> Option<u32> {
        match self.dense.get(number as usize) {
            Some(row) => Some(*row).filter(|row| *row != NONE_U32),
            None => self.sparse.get(&number).copied(),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Key {
    Fact,
    Name,
}

/// Whether an attribute of this name holds the id of the request that a span asks another service
/// for: `triton.request_id`, `gen_ai.request.id`, `http.request.header.x-request-id`.
fn names_a_request(key: &str) -> bool {
    let plain = key.to_ascii_lowercase().replace(['-', '.'], "_");
    plain.ends_with("request_id") && !key.starts_with("underspan.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_numbers_near_and_far() {
        let mut rows = RowOfNumber::for_spans(2);
        for (number, row) in [(3, 0), (u32::MAX - 1, 1), (3, 9), (u32::MAX - 1, 9)] {
            rows.add(number, row);
        }
        assert_eq!(
            [3, u32::MAX - 1, 0, 4].map(|number| rows.get(number)),
            [Some(0), Some(1), None, None]
        );
    }

    #[test]
    fn keys_that_name_requests() {
        for key in ["triton.request_id", "gen_ai.request.id", "http.request.header.x-request-id"] {
            assert!(names_a_request(key), "{key}");
        }
        for key in ["http.request.method", "underspan.request_id", "gen_ai.request.model"] {
            assert!(!names_a_request(key), "{key}");
        }
    }
}
