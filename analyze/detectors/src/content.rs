//! What each step computed.

use underspan_engine::{RequestStep, Requests};
use underspan_model::tables::Phase;

use crate::{ServerKind, StepFacts};

/// How many times the rows of the largest batch a step must have for it to hold prompts, where no
/// request is known to have been in it with one.
const ROWS_OF_PROMPTS: u64 = 2;

/// Prompt tokens and decoding requests of a step; zeros when nothing tells of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) prompt_tokens: u64,
    pub(crate) decodes: u64,
}

/// The content of each step: as its label says, or, of an engine with continuous batching that
/// labels none, as its members and the rows that its kernels computed tell.
pub(crate) fn contents_of(
    kind: ServerKind,
    requests: &Requests,
    facts: &[StepFacts],
) -> Vec<Content> {
    let most_members = requests.steps.iter().map(|step| step.members.len()).max().unwrap_or(0);
    let of = |(step, facts): (&RequestStep, &StepFacts)| {
        let label = &step.label;
        let is_told = label.context_tokens.is_some() || label.generation_requests.is_some();
        if is_told || kind != ServerKind::Continuous {
            return Content {
                prompt_tokens: label.context_tokens.unwrap_or(0),
                decodes: label.generation_requests.unwrap_or(0),
            };
        }
        told_by_work(requests, step, facts, most_members as u64)
    };
    requests.steps.iter().zip(facts).map(of).collect()
}

fn told_by_work(
    requests: &Requests,
    step: &RequestStep,
    facts: &StepFacts,
    most_members: u64,
) -> Content {
    let of_phase = |phase: Phase| step.members.iter().filter(move |m| m.phase == phase);
    let decodes = of_phase(Phase::Decode).count() as u64;
    let has_prompt = of_phase(Phase::Prefill).next().is_some();
    let rows = if facts.n_rows > 0 { u64::from(facts.n_rows) } else { facts.norm_blocks };
    let prompt_tokens = if has_prompt && rows > decodes
        || rows > ROWS_OF_PROMPTS * most_members + ROWS_OF_PROMPTS
    {
        rows.saturating_sub(decodes)
    } else if has_prompt {
        let held = |request: u32| {
            let tokens = &requests.requests[request as usize].tokens;
            tokens.prompt.unwrap_or(0).saturating_sub(tokens.cached.unwrap_or(0))
        };
        of_phase(Phase::Prefill).map(|member| held(member.request)).sum()
    } else {
        0
    };
    Content { prompt_tokens, decodes }
}
