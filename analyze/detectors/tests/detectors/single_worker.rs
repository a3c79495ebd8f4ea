//! Detectors of servers that handle one request at a time.

use crate::hand_made::{
    MS, N, NARROW, Server, US, WIDE, Work, assert_told_apart, detect, with_case,
};
use underspan_detectors::{Detection, Layer, Verdict, VerdictKind};
use underspan_model::tables::MemoryKind;

/// A healthy request: four kernels of half a millisecond, launched ahead of the device.
fn plain(work: &mut Work<'_>) {
    for _ in 0..4 {
        work.kernel(NARROW, 500 * US);
    }
    work.wait();
}

/// Requests that leave the worker in peace between them.
const EASY: i64 = 20 * MS;

fn healthy() -> Server {
    Server::serving(EASY, |work, _| plain(work))
}

#[test]
fn d1_a_queue_counts_when_the_worker_is_in_use_all_the_time() {
    let faster_than_served = Server::serving(1_900 * US, |work, _| plain(work));
    assert_told_apart("D1", faster_than_served, healthy());
}

/// Requests, of which every third has company soon after.
fn in_company() -> Vec<i64> {
    let apart = |at: i64| at * 30 * MS + at % 7 * 10 * US;
    let with =
        |at: i64| [Some(apart(at)), (at % 3 == 0).then(|| apart(at) + (at % 10 + 1) * 580 * US)];
    (0..N).flat_map(with).flatten().collect()
}

/// A server that takes together who comes within `hold`; `per_request` is what one more takes.
fn taking_together(hold: i64, per_request: i64) -> Server {
    Server::together(&in_company(), hold, move |work, n| {
        plain(work);
        work.kernel(NARROW, 200 * US + (n as i64 - 1) * per_request).wait();
    })
}

#[test]
fn d2_held_requests_count_where_a_server_without_ids_takes_them_together() {
    assert_told_apart("D2", taking_together(6 * MS, MS), taking_together(0, MS));
    let found = detect("D2", taking_together(6 * MS, MS), None);
    let Detection::Found(found) = found else { panic!("{found:?}") };
    assert!(found.requests.len() * 10 > in_company().len() * 9, "{}", found.summary);
    let outside = detect("D16", taking_together(6 * MS, MS), None);
    assert!(matches!(outside, Detection::Clear(_)), "{outside:?}");
}

#[test]
fn d19_no_fixed_batch_is_computed_where_more_requests_take_longer() {
    let limited =
        |per_request| taking_together(6 * MS, per_request).declare("engine.static_batch", "8");
    assert_told_apart("D19", limited(0), limited(MS));
}

#[test]
fn d4_wide_multiplies_count_against_what_is_declared() {
    let wide = |dtype| {
        Server::serving(EASY, |work, _| {
            for _ in 0..4 {
                work.kernel(WIDE, 500 * US);
            }
            work.wait();
        })
        .declare("model.declared_dtype", dtype)
    };
    assert_told_apart("D4", wide("float16"), wide("float32"));
    assert!(matches!(
        detect("D4", Server::serving(EASY, |work, _| plain(work)), None),
        Detection::MissingInput(_)
    ));
}

#[test]
fn d5_conversions_count_when_they_take_much_of_a_step() {
    let converting = |ns| {
        Server::serving(EASY, move |work, _| {
            plain(work);
            work.kernel("void vllm::awq::dequantize_weights<8>(int*, __half*)", ns).wait();
        })
    };
    assert_told_apart("D5", converting(MS), converting(20 * US));
}

/// The host takes long between launches, for reasons of its own or behind a wait.
fn slow_host(waits: bool) -> Server {
    Server::serving(EASY, move |work, _| {
        for _ in 0..8 {
            work.kernel(NARROW, 200 * US);
            if waits {
                work.wait();
            } else {
                work.think(200 * US);
            }
            work.think(300 * US);
        }
        work.kernel(NARROW, 200 * US).wait();
    })
}

#[test]
fn d6_and_d7_tell_a_host_that_waits_from_one_that_is_slow() {
    assert_told_apart("D6", slow_host(false), slow_host(true));
    assert_told_apart("D7", slow_host(true), slow_host(false));
}

#[test]
fn d8_copies_count_while_no_kernel_covers_them() {
    let uploading = |memory: MemoryKind, is_beside| {
        Server::serving(EASY, move |work, _| {
            work.kernel(NARROW, 1_500 * US).upload(memory, MS, is_beside);
            plain(work);
        })
    };
    let exposed = uploading(MemoryKind::Pageable, false);
    assert_told_apart("D8", exposed, uploading(MemoryKind::Pinned, true));
}

/// Half of the requests run under a low clock.
fn low_clocks(reason: u64) -> Server {
    let is_low = |time: i64| time > N * EASY / 2;
    Server::serving(EASY, move |work, _| {
        let ns = if is_low(work.now()) { 800 * US } else { 500 * US };
        for _ in 0..4 {
            work.kernel(NARROW, ns);
        }
        work.wait();
    })
    .sample("clocks.current.sm", move |time| if is_low(time) { 1_050.0 } else { 1_695.0 })
    .sample(
        "clocks_event_reasons.active",
        move |time| if is_low(time) { reason as f64 } else { 0.0 },
    )
}

#[test]
fn d12_low_clocks_count_when_the_driver_and_not_the_operator_lowered_them() {
    let (thermal, set_by_operator) = (0x20, 0x2);
    assert_told_apart("D12", low_clocks(thermal), low_clocks(set_by_operator));
    let missing = detect("D12", healthy(), None);
    assert!(matches!(missing, Detection::MissingInput(_)), "{missing:?}");
}

/// Kernels are slower in every other four seconds, and somebody uses the GPU when `is_at_work`.
fn with_neighbour(is_at_work: impl Fn(i64) -> bool) -> Server {
    let apart = 500 * MS;
    Server::serving(apart, |work, at| {
        let ns = if at / 8 % 2 == 1 { 800 * US } else { 500 * US };
        for _ in 0..4 {
            work.kernel(NARROW, ns + at % 5 * 1_000);
        }
        work.wait();
    })
    .neighbour(move |time| if is_at_work(time) { 60.0 } else { 0.0 })
}

#[test]
fn d13_a_neighbour_counts_when_kernels_are_slow_while_it_works() {
    // A sample stands for the second before it.
    let in_step = |time: i64| (time - 500 * MS) / (4_000 * MS) % 2 == 1;
    let out_of_step = |time: i64| (time - 500 * MS) / (2_000 * MS) % 2 == 1;
    assert_told_apart("D13", with_neighbour(in_step), with_neighbour(out_of_step));
}

#[test]
fn d13_a_neighbour_that_is_always_there_is_measured_against_a_run_without_it() {
    let slow = || {
        Server::serving(EASY, |work, _| {
            for _ in 0..4 {
                work.kernel(NARROW, 800 * US);
            }
            work.wait();
        })
    };
    let found = detect("D13", slow().neighbour(|_| 60.0), Some(healthy()));
    assert!(matches!(found, Detection::Found(_)), "{found:?}");
    let as_ever = detect("D13", healthy().neighbour(|_| 60.0), Some(healthy()));
    assert!(matches!(as_ever, Detection::Clear(_)), "{as_ever:?}");
    let by_hardly_anything = detect("D13", slow().neighbour(|_| 4.0), Some(healthy()));
    assert!(matches!(by_hardly_anything, Detection::Clear(_)), "{by_hardly_anything:?}");
}

#[test]
fn d16_time_before_the_server_counts_beyond_what_is_natural() {
    let on_the_way = |long: i64| {
        let mut server = Server::new();
        for at in 0..N {
            let way = if at % 3 == 0 { long } else { 200 * US };
            server.request(at * EASY, way, plain);
        }
        server
    };
    assert_told_apart("D16", on_the_way(4 * MS), on_the_way(300 * US));
}

#[test]
fn d17_a_model_is_to_blame_when_it_is_another_than_before() {
    let large = |parameters: &str| {
        Server::serving(EASY, |work, _| {
            for _ in 0..4 {
                work.kernel(NARROW, 900 * US);
            }
            work.wait();
        })
        .declare("model.parameters", parameters)
    };
    let before = || healthy().declare("model.parameters", "100");
    let found = detect("D17", large("180"), Some(before()));
    assert!(matches!(found, Detection::Found(_)), "{found:?}");
    let same = detect("D17", large("100"), Some(before()));
    assert!(matches!(same, Detection::Clear(_)), "{same:?}");
}

/// Requests of one or of four times 64 tokens, as the blocks of the norm tell; kernels take `times`
/// as long as usual.
fn of_two_lengths(is_long: impl Fn(i64) -> bool, times: f64) -> Server {
    let ns = move |usual: i64| (usual as f64 * times) as i64;
    Server::serving(EASY, |work, at| {
        let length = if is_long(at) { 4 } else { 1 };
        for _ in 0..4 {
            work.blocks("void rms_norm_kernel<__half>(int)", 64 * length, ns(5 * US));
            work.kernel(NARROW, ns(500 * US * i64::from(length)));
        }
        work.wait();
    })
    .declare("model.parameters", "100")
}

#[test]
fn d17_steps_are_compared_with_those_of_the_same_length() {
    let (mostly_short, mostly_long) = (|at| at % 3 == 0, |at| at % 3 != 0);
    let same =
        detect("D17", of_two_lengths(mostly_long, 1.0), Some(of_two_lengths(mostly_short, 1.0)));
    assert!(matches!(same, Detection::Clear(_)), "only longer requests: {same:?}");
    let before = of_two_lengths(mostly_long, 1.0).declare("model.parameters", "50");
    let slower = detect("D17", of_two_lengths(mostly_short, 1.5), Some(before));
    assert!(matches!(slower, Detection::Found(_)), "though they are shorter: {slower:?}");
}

#[test]
fn d17_a_queue_of_bursts_is_the_models_until_the_worker_is_overloaded() {
    // Three at once, each 2 ms of kernels, the worker in use for two thirds of the time or more.
    let bursts = |apart: i64| {
        let mut server = Server::new();
        for at in 0..N {
            server.request(at / 3 * apart + at % 3 * 50 * US, 200 * US, plain);
        }
        server
    };
    assert_told_apart("D17", bursts(9_200 * US), bursts(6_800 * US));
}

#[test]
fn a_model_is_named_only_while_nothing_else_takes_a_tenth() {
    // The host is at something else before the last kernel: 5 ms of kernels, and a gap.
    let verdict_with_gap = |ns: i64| {
        let server = Server::serving(EASY, move |work, _| {
            work.kernel(NARROW, 4 * MS).think(4 * MS + ns).kernel(NARROW, MS).wait();
        });
        with_case(server, Verdict::of)
    };
    let named = verdict_with_gap(100 * US);
    assert_eq!(named.kind, VerdictKind::Layer(Layer::Model), "{:?}", named.caveats);
    let left = verdict_with_gap(800 * US);
    assert!(left.kernel_share > 0.7, "{}", left.kernel_share);
    assert_ne!(left.kind, VerdictKind::Layer(Layer::Model));
    assert!(left.causes.is_empty() && left.caveats.iter().any(|said| said.contains("the model")));
}

#[test]
fn d18_allocations_count_when_they_stop_the_host() {
    let allocating = |call: &'static str, ns| {
        Server::serving(EASY, move |work, _| {
            work.kernel(NARROW, 200 * US).call(call, ns);
            plain(work);
        })
    };
    let found = allocating("cudaMalloc", 900 * US);
    assert_told_apart("D18", found, allocating("cudaMallocAsync", 900 * US));
}

#[test]
fn d19_a_fixed_batch_counts_when_it_is_mostly_empty() {
    let padded = |batch: &str| healthy().declare("engine.static_batch", batch);
    let found = detect("D19", padded("8"), None);
    assert!(matches!(found, Detection::Found(_)), "{found:?}");
    let full = detect("D19", padded("1"), None);
    assert!(!matches!(full, Detection::Found(_)), "{full:?}");
}
