//! Who caused how much GPU time: the Shapley value of every member of every step, from the step
//! time that the engine would have had with any part of its members.

use std::collections::HashMap;

use crate::kernels::{Kernels, Library};
use crate::model::Pass;
use crate::random::Random;
use crate::rank::Part;
use crate::recording::{Recording, Step};
use crate::served::Run;
use crate::server::Engine;
use crate::vllm::Vllm;

/// Members up to which all coalitions are tried; beyond, orders are drawn.
const EXACT_UP_TO: usize = 7;
/// Orders that are drawn, each with its reverse.
const ORDERS: usize = 60;

/// GPU time in kernels by request, ns, over the steps that begin in `window_ns`. The shares sum to
/// the time of those steps' kernels.
pub(crate) fn shares_ns(engine: &Engine, run: &Run, window_ns: (u64, u64)) -> Vec<f64> {
    let mut shares = vec![0.0; run.served.len()];
    let steps = run.recordings.first().map(|r| r.steps.as_slice()).unwrap_or_default();
    let mut busy = BusyBySteps::of(&run.recordings, steps);
    let mut model = match engine {
        Engine::Vllm(settings) => Some(StepModel::of(settings)),
        Engine::Triton(_) | Engine::PyTorch(_) => None,
    };
    let mut random = Random::for_purpose(7, "shapley");
    for step in steps {
        let busy_ns = busy.take(step);
        if step.start_ns < window_ns.0 || step.start_ns >= window_ns.1 || step.members.is_empty() {
            continue;
        }
        // Sequences of an encoder's batch are padded to the same length: all cost the same.
        let values = match &mut model {
            Some(model) => shapley(step, model, &mut random),
            None => vec![1.0; step.members.len()],
        };
        let total: f64 = values.iter().sum();
        for (member, value) in step.members.iter().zip(values) {
            shares[member.request] += busy_ns * value / total.max(f64::MIN_POSITIVE);
        }
    }
    shares
}

/// Kernel time by step, for steps in time order.
struct BusyBySteps {
    kernels: Vec<(u64, u64)>,
    next: usize,
}

impl BusyBySteps {
    fn of(recordings: &[Recording], steps: &[Step]) -> Self {
        let first_ns = steps.first().map_or(0, |step| step.start_ns);
        let mut kernels: Vec<(u64, u64)> = recordings
            .iter()
            .flat_map(|r| &r.kernels)
            .map(|k| (k.start_ns, k.duration_ns))
            .filter(|(start_ns, _)| *start_ns >= first_ns)
            .collect();
        kernels.sort_unstable();
        Self { kernels, next: 0 }
    }

    fn take(&mut self, step: &Step) -> f64 {
        let end_ns = step.start_ns + step.duration_ns;
        let mut sum = 0;
        while let Some((start_ns, duration_ns)) = self.kernels.get(self.next)
            && *start_ns < end_ns
        {
            sum += duration_ns;
            self.next += 1;
        }
        sum as f64
    }
}

/// Noise-free time of a step with any members.
struct StepModel<'a> {
    settings: &'a Vllm,
    kernels: Kernels,
    by_rows: HashMap<u64, f64>,
    by_outputs: HashMap<u64, f64>,
}

impl<'a> StepModel<'a> {
    fn of(settings: &'a Vllm) -> Self {
        let kernels = Kernels { gpu: settings.gpu, library: Library::Vllm };
        Self { settings, kernels, by_rows: HashMap::new(), by_outputs: HashMap::new() }
    }

    /// Time with the members at these places of the step, ns.
    fn time_ns(&mut self, step: &Step, members: &[usize]) -> f64 {
        if members.is_empty() {
            return 0.0;
        }
        let of = |at: &usize| &step.members[*at];
        let tokens: u64 = members.iter().map(|at| u64::from(of(at).own_tokens)).sum();
        let has_prefill = members.iter().any(|at| of(at).is_prefill || of(at).own_tokens > 1);
        let (rows, _) = self.settings.launch_mode(tokens, has_prefill);
        let sequences: Vec<(u64, u64)> = members
            .iter()
            .map(|at| {
                let member = of(at);
                let own = u64::from(member.own_tokens);
                (own, own + u64::from(member.computed_tokens))
            })
            .collect();
        let outputs = members.len() as u64;
        let attention_ns = self.kernels.attention_ns(self.settings.model.heads(1), &sequences);
        self.settings.model.layers as f64 * attention_ns
            + self.rows_ns(rows)
            + self.outputs_ns(outputs)
    }

    fn rows_ns(&mut self, rows: u64) -> f64 {
        let (settings, kernels) = (self.settings, &self.kernels);
        *self.by_rows.entry(rows).or_insert_with(|| {
            let pass = Pass { rows, sequences: vec![(1, 1)], outputs: 1 };
            let ranks = settings.conditions.len() as u64;
            let stretches =
                settings.model.decoder_stretches(kernels, &settings.precision, &pass, ranks);
            let works = stretches.iter().flat_map(|(works, _)| works);
            works.filter(|w| w.part == Part::Tokens).map(|w| w.time_ns(1.0)).sum()
        })
    }

    fn outputs_ns(&mut self, outputs: u64) -> f64 {
        let (settings, kernels) = (self.settings, &self.kernels);
        *self.by_outputs.entry(outputs).or_insert_with(|| {
            let ranks = settings.conditions.len() as u64;
            let works = settings.model.sampling(kernels, &settings.precision, outputs, ranks);
            works.iter().map(|w| w.time_ns(1.0)).sum()
        })
    }
}

/// Shapley value of every member.
fn shapley(step: &Step, model: &mut StepModel<'_>, random: &mut Random) -> Vec<f64> {
    let n = step.members.len();
    if n <= EXACT_UP_TO { exact(n, step, model) } else { drawn(n, step, model, random) }
}

fn exact(n: usize, step: &Step, model: &mut StepModel<'_>) -> Vec<f64> {
    let members_of = |set: usize| (0..n).filter(|at| set >> at & 1 == 1).collect::<Vec<_>>();
    let times: Vec<f64> =
        (0..1 << n).map(|set: usize| model.time_ns(step, &members_of(set))).collect();
    let factorial = |k: usize| (1..=k).map(|i| i as f64).product::<f64>();
    (0..n)
        .map(|member| {
            (0..1_usize << n)
                .filter(|set| set >> member & 1 == 0)
                .map(|set| {
                    let size = set.count_ones() as usize;
                    let weight = factorial(size) * factorial(n - size - 1) / factorial(n);
                    weight * (times[set | 1 << member] - times[set])
                })
                .sum()
        })
        .collect()
}

fn drawn(n: usize, step: &Step, model: &mut StepModel<'_>, random: &mut Random) -> Vec<f64> {
    let mut values = vec![0.0; n];
    let mut order: Vec<usize> = (0..n).collect();
    for _ in 0..ORDERS {
        for at in (1..n).rev() {
            order.swap(at, random.between(0, at as u64 + 1) as usize);
        }
        let reversed: Vec<usize> = order.iter().rev().copied().collect();
        for order in [&order, &reversed] {
            let mut before_ns = 0.0;
            for last in 0..n {
                let now_ns = model.time_ns(step, &order[..=last]);
                values[order[last]] += (now_ns - before_ns) / (2 * ORDERS) as f64;
                before_ns = now_ns;
            }
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{self, Grain};
    use crate::recording::Member;

    fn step(tokens: &[(u32, u32)]) -> Step {
        let members = tokens
            .iter()
            .enumerate()
            .map(|(request, &(own_tokens, computed_tokens))| Member {
                request,
                own_tokens,
                computed_tokens,
                is_prefill: own_tokens > 1,
            })
            .collect();
        Step { step_id: 0, start_ns: 0, duration_ns: 1, members }
    }

    #[test]
    fn drawn_orders_come_close_to_all_orders() {
        let settings = profile::vllm(1, Grain::Coarse, 1);
        let mut model = StepModel::of(&settings);
        let step = step(&[(1, 100), (1, 900), (300, 0), (1, 40), (1, 4_000), (40, 0)]);
        let exact = exact(6, &step, &mut model);
        let mut random = Random::for_purpose(1, "test");
        let drawn = drawn(6, &step, &mut model, &mut random);
        let whole = model.time_ns(&step, &[0, 1, 2, 3, 4, 5]);
        assert!((exact.iter().sum::<f64>() / whole - 1.0).abs() < 1e-9);
        for (a, b) in exact.iter().zip(&drawn) {
            assert!((a / b - 1.0).abs() < 0.25, "{exact:?} {drawn:?}");
        }
        assert!(exact[2] > 2.0 * exact[0], "a prompt costs more than a token: {exact:?}");
    }

    #[test]
    fn shares_sum_to_the_time_of_the_kernels() {
        let engine = Engine::Vllm(profile::vllm(3, Grain::Coarse, 1));
        let run = engine.run(3, 3);
        let busy_ns: u64 = run.recordings[0].kernels.iter().map(|k| k.duration_ns).sum();
        let shares: f64 = shares_ns(&engine, &run, (0, u64::MAX)).iter().sum();
        assert!((shares / busy_ns as f64 - 1.0).abs() < 1e-3, "{shares} {busy_ns}");
    }
}
