//! Detectors of engines that batch, each on a small engine with its fault and on a look-alike.

use crate::hand_made::engine::{Asked, Content, LONG, asked};
use crate::hand_made::{
    MS, NARROW, Server, US, Work, assert_counterfactual, assert_told_apart, detect,
};
use underspan_detectors::Detection;
use underspan_model::tables::MemoryKind;

const N: i64 = 60;

/// A step of continuous batching: one graph to decode, 4 µs more a token of prompts.
fn step(work: &mut Work<'_>, content: &Content) {
    work.graph(NARROW, 10, 100 * US);
    if content.prompt_tokens > 0 {
        work.kernel(NARROW, content.prompt_tokens as i64 * 4 * US);
    }
    work.sample_tokens();
}

#[test]
fn d2_waits_for_company_count_and_those_behind_a_batch_do_not() {
    let batching = |apart, hold| {
        Server::batching(&asked(N, apart, |_| 1), hold, |work, _| {
            work.kernel(NARROW, 2 * MS).sample_tokens();
        })
    };
    let held = batching(20 * MS, 6 * MS);
    let behind_batches = batching(MS, 0);
    assert_told_apart("D2", held, behind_batches);
    // A server that never takes two at once does not wait for company.
    let single = batching(20 * MS, 6 * MS).declare("engine.max_batch_size", "1");
    let said = detect("D2", single, None);
    assert!(matches!(said, Detection::MissingInput(_)), "{said:?}");
}

/// Requests that come in bursts to an engine that may run 256 of them, and whose KV cache holds so
/// many tokens.
fn in_bursts(kv_tokens: u32) -> Server {
    let mut all = asked(5 * N, 12 * MS, |at| 200 + (at * 97 % 211) as u32);
    for (at, request) in all.iter_mut().enumerate() {
        request.at -= at as i64 % 10 * 9 * MS;
    }
    all.sort_by_key(|request| request.at);
    Server::with_untold_kv_cache(&all, kv_tokens, step).declare("engine.max_num_seqs", "256")
}

#[test]
fn d1_a_full_kv_cache_is_told_by_who_must_wait_for_others_to_leave() {
    assert_told_apart("D1", in_bursts(1_200), in_bursts(u32::MAX));
    assert_counterfactual("D1", in_bursts(1_200), in_bursts(u32::MAX));
    let found = detect("D1", in_bursts(1_200), None);
    let Detection::Found(found) = found else { panic!("{found:?}") };
    assert!(found.summary.contains("KV cache used up"), "{}", found.summary);
    assert_eq!(found.setting.map(|setting| setting.key).as_deref(), Some("gpu_memory_utilization"));
    // The same waits with a batch limit that is as small.
    let limited = in_bursts(1_200).declare("engine.max_num_seqs", "3");
    assert!(matches!(detect("D1", limited, None), Detection::Found(_)));
}

#[test]
fn d3_unusually_long_prompts_count_and_usual_ones_do_not() {
    let prompts = |long: u32| {
        Server::continuous(&asked(N, 12 * MS, |at| if at % 15 == 7 { long } else { 100 }), step)
    };
    assert_told_apart("D3", prompts(8_000), prompts(120));
}

/// The same, but attention makes long prompts take more than their tokens' share.
fn quadratic(work: &mut Work<'_>, content: &Content) {
    work.graph(NARROW, 10, 100 * US);
    if content.prompt_tokens > 0 {
        let tokens = content.prompt_tokens as i64;
        work.kernel(NARROW, tokens * 4 * US + tokens * tokens * 2);
    }
    work.sample_tokens();
}

#[test]
fn p95_without_long_prompts_is_that_of_a_server_that_never_got_any() {
    let prompts = |long: u32| {
        let length = |at| if at % 40 == 20 { long } else { 100 };
        Server::continuous(&asked(5 * N, 9 * MS, length), quadratic)
    };
    assert_counterfactual("D3", prompts(7_000), prompts(100));
}

/// The second half of the prompts finds next to nothing in the cache.
fn emptied(hit_ratio_before: f64) -> Server {
    let apart = LONG / N;
    let half = LONG / 2;
    let all: Vec<Asked> = asked(N, apart, |_| 3_000)
        .into_iter()
        .map(|request| {
            let share = if request.at < half { hit_ratio_before } else { 0.1 };
            Asked { cached: (f64::from(request.prompt) * share) as u32, ..request }
        })
        .collect();
    Server::continuous(&all, step)
}

/// The same with vLLM's counters.
fn flushed(hit_ratio_before: f64) -> Server {
    let half = LONG / 2;
    let queries = |time: i64| time as f64 / 1e6;
    emptied(hit_ratio_before).sample("vllm:prefix_cache_queries_total", queries).sample(
        "vllm:prefix_cache_hits_total",
        move |time| {
            hit_ratio_before * queries(time.min(half)) + 0.1 * queries((time - half).max(0))
        },
    )
}

#[test]
fn d10_prompts_that_fell_out_of_the_cache_count_and_new_ones_do_not() {
    assert_told_apart("D10", flushed(0.9), flushed(0.1));
    // SGLang tells the ratio itself.
    let told = |before: f64| {
        let ratio = move |time| if time < LONG / 2 { before } else { 0.1 };
        emptied(before).sample("sglang:cache_hit_rate", ratio)
    };
    assert_told_apart("D10", told(0.9), told(0.1));
}

#[test]
fn d15_steps_without_their_graph_count_and_slow_graphs_do_not() {
    let serving = |largest_graph: u64, graph_ns: i64| {
        Server::continuous(&asked(N, 4 * MS, |_| 8), move |work, content| {
            if content.n_decodes <= largest_graph {
                work.graph(NARROW, 10, graph_ns);
            } else {
                for _ in 0..10 {
                    work.kernel(NARROW, 100 * US).think(200 * US);
                }
            }
            work.sample_tokens();
        })
    };
    assert_told_apart("D15", serving(5, 100 * US), serving(64, 200 * US));
}

#[test]
fn d15_code_that_is_loaded_while_requests_wait_counts() {
    let serving = |call: &'static str| {
        Server::continuous(&asked(N, 12 * MS, |_| 8), move |work, content| {
            work.kernel(NARROW, 100 * US);
            if content.at % 40 < 3 {
                work.call(call, 30 * MS);
            }
            step(work, content);
        })
    };
    assert_told_apart("D15", serving("cuModuleLoadData"), serving("cuPointerGetAttribute"));
}

/// Batches of 20 kernels of so many blocks, one after the other.
fn in_a_row(blocks: u32, ns: i64) -> Server {
    Server::batching(&asked(N, 20 * MS, |_| 1), 0, move |work, _| {
        for _ in 0..20 {
            work.blocks(NARROW, blocks, ns);
        }
        work.sample_tokens();
    })
}

#[test]
fn d9_long_kernels_on_few_multiprocessors_count_where_they_filled_them_before() {
    let full = || in_a_row(264, 100 * US);
    let since = detect("D9", in_a_row(44, 200 * US), Some(full()));
    assert!(matches!(since, Detection::Found(_)), "{since:?}");
    // What libraries choose for a small batch is no fault by itself.
    assert_told_apart("D9", in_a_row(4, 200 * US), in_a_row(12, 200 * US));
    // A larger model's kernels are longer, and on a slower device the same ones are.
    let of_size = |server: Server, size| server.declare("model.hidden_size", size);
    let (small, large) = (of_size(full(), "1024"), of_size(in_a_row(44, 200 * US), "4096"));
    let larger = detect("D9", large, Some(small));
    assert!(matches!(larger, Detection::Clear(_)), "{larger:?}");
    let slower = detect("D9", in_a_row(44, 60 * US), Some(in_a_row(44, 45 * US)));
    assert!(matches!(slower, Detection::Clear(_)), "{slower:?}");
}

/// Batches of a large kernel and eight small ones, all of these in one stream or half of them in
/// another.
fn branches(is_beside: bool) -> Server {
    Server::batching(&asked(N, 20 * MS, |_| 1), 0, move |work, _| {
        work.blocks(NARROW, 264, 2 * MS);
        for at in 0..8 {
            work.branch(is_beside && at % 2 == 1, 12, 100 * US);
        }
        work.sample_tokens();
    })
}

#[test]
fn d9_branches_that_ran_side_by_side_before_count_however_little_of_the_kernels_they_are() {
    let merged = detect("D9", branches(false), Some(branches(true)));
    let Detection::Found(merged) = merged else { panic!("{merged:?}") };
    assert!(merged.summary.contains("29 %"), "{}", merged.summary);
    let as_before = detect("D9", branches(false), Some(branches(false)));
    assert!(matches!(as_before, Detection::Clear(_)), "{as_before:?}");
}

#[test]
fn d9_copies_that_make_steps_longer_do_not_make_kernels_run_one_by_one() {
    let uploading = |copy_ns: i64| {
        Server::batching(&asked(N, 20 * MS, |_| 1), 0, move |work, _| {
            work.upload(MemoryKind::Pageable, copy_ns, false);
            for _ in 0..10 {
                work.blocks(NARROW, 44, 200 * US);
            }
            work.sample_tokens();
        })
    };
    let said = detect("D9", uploading(2 * MS), Some(uploading(10 * US)));
    assert!(matches!(said, Detection::Clear(_)), "{said:?}");
}

#[test]
fn d11_what_transfers_of_kv_caches_leave_bare_is_taken_out_whole() {
    let fetching = || {
        Server::continuous(&asked(N, 12 * MS, |_| 300), |work, content| {
            if content.prompt_tokens > 0 {
                work.upload(MemoryKind::Pinned, 8 * MS, false);
            }
            step(work, content);
        })
    };
    let kv = |server: Server| server.declare("engine.kv_transfer_config.kv_role", "kv_both");
    let Detection::Found(finding) = detect("D11", kv(fetching()), None) else {
        panic!("transfers were not found")
    };
    // Nothing waits for a copy that runs beside kernels, however fast the link is.
    let most = finding.removal.run_ns.iter().max();
    assert_eq!(most, Some(&(8 * MS as u64)));
    let missing = detect("D11", fetching(), None);
    assert!(matches!(missing, Detection::MissingInput(_)), "{missing:?}");
}

#[test]
fn d9_layers_that_run_several_times_over_count() {
    let towers = |n: usize| {
        let attention = "void flash_fwd_kernel<Flash_fwd_kernel_traits<64, 128, 128, 4>>";
        Server::batching(&asked(N, 20 * MS, |_| 1), 0, move |work, _| {
            for _ in 0..12 * n {
                work.blocks(attention, 8, 20 * US).blocks(NARROW, 12, 30 * US);
            }
            work.sample_tokens();
        })
        .declare("model.num_hidden_layers", "12")
    };
    assert_told_apart("D9", towers(4), towers(1));
}

#[test]
fn d14_a_rank_that_all_others_wait_for_counts() {
    let ranks = |second_ns: fn(usize) -> i64| {
        Server::continuous(&asked(N, 12 * MS, |_| 8), move |work, content| {
            for _ in 0..4 {
                work.kernel(NARROW, 200 * US);
                work.collective(300 * US, second_ns(content.at));
            }
            work.sample_tokens();
        })
    };
    assert_told_apart("D14", ranks(|_| 20 * US), ranks(|at| 290 * US + at as i64 % 20 * US));
    let one_rank = Server::continuous(&asked(N, 12 * MS, |_| 8), step);
    let missing = detect("D14", one_rank, None);
    assert!(matches!(missing, Detection::MissingInput(_)), "{missing:?}");
}

/// A server that batches: two milliseconds of kernels for a request and one more for each other,
/// with what `slow` does before them. Requests come at random, 30 % slower than they are served
/// one by one.
fn batching(slow: impl Fn(&mut Work<'_>, &Content)) -> Server {
    let mut random = 1_u64;
    let mut at = 0;
    let asked: Vec<Asked> = (0..300)
        .map(|_| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let uniform = (random >> 11) as f64 / (1_u64 << 53) as f64;
            at += (-(1.0 - uniform).ln() * 2.6e6) as i64;
            Asked { at, prompt: 1, cached: 0, answer: 1, lost: 0 }
        })
        .collect();
    Server::batching(&asked, 0, move |work, content| {
        slow(work, content);
        for _ in 0..content.n_members + 1 {
            work.kernel(NARROW, MS);
        }
        work.sample_tokens();
    })
}

#[test]
fn p95_without_code_that_is_loaded_now_and_then_is_that_of_a_warm_server() {
    let cold = batching(|work, content| {
        if content.at % 12 == 5 {
            work.kernel(NARROW, 10 * US).call("cuModuleLoadData", 12 * MS);
        }
    });
    assert_counterfactual("D15", cold, batching(|_, _| ()));
}

#[test]
fn p95_without_a_slow_host_is_that_of_a_server_whose_batches_are_small_again() {
    // However many requests are in a batch, the host takes six milliseconds for it.
    let slow = batching(|work, content| {
        let kernels = (content.n_members + 1) as i64 * MS;
        work.kernel(NARROW, 10 * US).think((6 * MS - kernels).max(0));
    });
    assert_counterfactual("D6", slow, batching(|_, _| ()));
}
