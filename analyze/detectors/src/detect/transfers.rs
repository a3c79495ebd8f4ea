//! D8 and D11: copies that nothing hides.

use underspan_engine::Evidence;
use underspan_model::tables::TableKind;

use crate::detector::{Detection, Detector, Finding, Grade, Layer};
use crate::gpu::Gpu;
use crate::measure::{
    beyond_natural, largest_steps, of_steps, out_of_runs, p95_share, percent, ratio, requests_in,
    requests_of, spans_of, step_time, time, total,
};
use crate::replay::Removal;
use crate::statistics::percentile_of;
use crate::{Case, StepFacts};
use underspan_model::span_facts;

/// Words of engines and libraries that move KV caches.
const KV_WORDS: &[&str] =
    &["nixl", "mooncake", "lmcache", "kv_transfer", "kv_connector", "kv_offload", "kv_role"];

/// Share of a link's rate from which on copies are as fast as they can be.
const AT_LINK_RATE: f64 = 0.6;

/// D8.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ExposedCopies;

/// D11.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct KvTransfer;

impl Detector for ExposedCopies {
    fn id(&self) -> &'static str {
        "D8"
    }

    fn title(&self) -> &'static str {
        "exposed copies"
    }

    fn layer(&self) -> Layer {
        Layer::Runtime
    }

    fn explanation(&self) -> &'static str {
        "Copies run while no kernel does, so that requests wait for them: uploads from memory that \
         is not pinned, which the driver copies twice and in pieces, many small copies, or large \
         ones that could run beside kernels on a stream of their own. Copies that kernels cover cost \
         nothing here."
    }

    fn detect(&self, case: &Case<'_>) -> Detection {
        if moves_kv(case) {
            return Detection::Clear("copies belong to the transfer of KV caches (D11)".to_owned());
        }
        let removal = out_of_runs(beyond_needed(case, |facts| facts.copy_ns));
        let of_steps = ratio(total(&removal.run_ns), step_time(case));
        let share = p95_share(case, &removal);
        if share < 0.05 || of_steps < 0.05 {
            return Detection::Clear(format!(
                "copies that no kernel covers take {} of the time of steps",
                percent(of_steps)
            ));
        }
        let exposed = total(&case.facts.iter().map(|facts| facts.copy_ns).collect::<Vec<_>>());
        let pageable = total(&case.facts.iter().map(|facts| facts.pageable_ns).collect::<Vec<_>>());
        Detection::Found(Box::new(Finding {
            id: "D8",
            summary: format!(
                "copies that no kernel covers take {} of the time of steps, {} of it to or from \
                 memory that is not pinned",
                percent(of_steps),
                percent(ratio(pageable, exposed))
            ),
            evidence: copies(case, &removal.run_ns),
            requests: requests_in(case, &removal.run_ns),
            removal,
            grade: Grade::Measured,
            counter_evidence: vec![
                "Inputs must reach the device once: what remains with pinned memory is needed."
                    .to_owned(),
            ],
            remedy:
                "Pin the host buffers, copy on a stream of its own while kernels run, and gather \
                     small copies into one."
                    .to_owned(),
            setting: None,
            confirm: "`underspan stats --report copies` shows memory kind and rate.".to_owned(),
        }))
    }
}

impl Detector for KvTransfer {
    fn id(&self) -> &'static str {
        "D11"
    }

    fn title(&self) -> &'static str {
        "KV-cache transfer"
    }

    fn layer(&self) -> Layer {
        Layer::Runtime
    }

    fn explanation(&self) -> &'static str {
        "KV caches move between machines, devices or to host memory (disaggregated prefill, \
         offloading), and requests wait for them: bulk copies that no kernel covers in an engine \
         that is set up to transfer, copies between devices, or transfer times that spans report."
    }

    fn detect(&self, case: &Case<'_>) -> Detection {
        let by_span = transfer_times(case);
        let copies_removed =
            out_of_runs(beyond_natural(case, |facts| facts.bulk_copy_ns.max(facts.peer_copy_ns)));
        let peer = case.facts.iter().any(|facts| facts.peer_copy_ns > 0);
        let is_known = moves_kv(case) || peer;
        if !is_known && by_span.is_none() {
            return Detection::MissingInput("an engine that transfers KV caches");
        }
        let (removal, grade) = match by_span {
            Some(ns) if total(&copies_removed.run_ns) == 0 || !is_known => {
                (Removal { wait_ns: ns, ..Removal::default() }, Grade::Measured)
            }
            _ => (copies_removed, Grade::Measured),
        };
        let share = p95_share(case, &removal);
        let taken = total(&removal.run_ns) + total(&removal.wait_ns);
        if share < 0.10 {
            return Detection::Clear(format!(
                "transfers of KV caches took {}, {} of p95",
                time(taken),
                percent(share)
            ));
        }
        let (requests, evidence) = if removal.run_ns.is_empty() {
            let requests = requests_of(&removal.wait_ns);
            let spans = spans_of(case, &requests);
            (requests, spans)
        } else {
            (requests_in(case, &removal.run_ns), copies(case, &removal.run_ns))
        };
        Detection::Found(Box::new(Finding {
            id: "D11",
            summary: format!(
                "requests wait for KV caches to be moved: {} in all, {} of p95",
                time(taken),
                percent(share)
            ),
            removal,
            grade,
            evidence,
            requests,
            counter_evidence: vec![
                "A transfer may be cheaper than computing the prompt again.".to_owned(),
            ],
            remedy:
                "Overlap the transfer with the layers that do not need it yet, use a faster link \
                     (RDMA, NVLink), or keep prefill and decode together for short prompts."
                    .to_owned(),
            setting: None,
            confirm: "The share of bulk copies without kernels beside them must fall.".to_owned(),
        }))
    }
}

/// Copy time that need not be. Data that moves far slower than its link carries it (pageable
/// memory, a throttled transfer) must still be moved: what the link takes for it is left. Otherwise
/// it could move beside kernels, and nothing but what was natural before is left.
fn beyond_needed(case: &Case<'_>, of: impl Fn(&StepFacts) -> u64 + Copy) -> Vec<u64> {
    let gb_s = Gpu::of(case).link_gb_s;
    let bytes = total(&of_steps(case, |facts| facts.bulk_bytes));
    let exposed = total(&of_steps(case, |facts| facts.bulk_copy_ns.max(facts.peer_copy_ns)));
    // Bytes a nanosecond are gigabytes a second.
    if exposed == 0 || bytes as f64 / exposed as f64 > AT_LINK_RATE * gb_s {
        return beyond_natural(case, of);
    }
    let needed = |facts: &StepFacts| (facts.bulk_bytes as f64 / gb_s) as u64;
    case.facts.iter().map(|facts| of(facts).saturating_sub(needed(facts))).collect()
}

/// Whether the capture shows an engine that moves KV caches.
fn moves_kv(case: &Case<'_>) -> bool {
    if case.settings.mentions(KV_WORDS) {
        return true;
    }
    let says = |name: u32| {
        let name = underspan_model::StringId::from_raw(name);
        let name = case.timeline.strings.resolve_or_empty(name).to_ascii_lowercase();
        let names_kv = ["kv_transfer", "kv_fetch", "load_kv", "kv_load", "kv cache transfer"];
        KV_WORDS[..3].iter().chain(&names_kv).any(|word| name.contains(word))
    };
    let mut names: Vec<u32> = case.timeline.annotations.name.clone();
    names.extend(&case.timeline.cpu_ops.name);
    names.extend(&case.timeline.spans.name);
    names.sort_unstable();
    names.dedup();
    names.into_iter().any(says)
}

/// What spans say the transfer took, beyond what it naturally takes; `None` when they say nothing.
fn transfer_times(case: &Case<'_>) -> Option<Vec<u64>> {
    let of = |case: &Case<'_>| -> Option<Vec<u64>> {
        let key = case.timeline.strings.find(span_facts::KV_TRANSFER_NS)?.raw();
        let attributes = &case.timeline.span_attributes;
        let mut by_span: hashbrown::HashMap<u32, u64> = hashbrown::HashMap::new();
        for row in 0..attributes.len() {
            if attributes.key[row] == key {
                by_span.insert(attributes.span[row], attributes.whole[row].max(0) as u64);
            }
        }
        let of_request = |request: &underspan_engine::Request| {
            let ids = request.chain.iter().map(|row| case.timeline.spans.id[*row as usize]);
            ids.filter_map(|id| by_span.get(&id)).copied().max().unwrap_or(0)
        };
        Some(case.requests.requests.iter().map(of_request).collect())
    };
    let now = of(case)?;
    let natural = case.baseline.as_deref().and_then(of).map_or(0, |then| percentile_of(&then, 50));
    Some(now.into_iter().map(|ns| ns.saturating_sub(natural)).collect())
}

/// The longest copies of the steps in which they took most.
fn copies(case: &Case<'_>, values: &[u64]) -> Vec<Evidence> {
    let steps = largest_steps(values);
    let memcpys = &case.timeline.memcpys;
    let mut evidence: Vec<Evidence> = steps
        .iter()
        .filter_map(|step| {
            let interval = case.steps()[step.row as usize].device_interval?;
            let (from, to) = (interval.start().as_ns(), interval.end().as_ns());
            let first = memcpys.start_ns.partition_point(|start| *start < from);
            let last = memcpys.start_ns.partition_point(|start| *start < to);
            let longest = (first..last).max_by_key(|row| memcpys.duration_ns[*row])?;
            Some(Evidence { table: TableKind::Memcpy, row: longest as u32 })
        })
        .collect();
    evidence.extend(steps);
    evidence
}
