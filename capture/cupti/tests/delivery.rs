//! Buffers come and go on many threads, in any order, and no record goes missing uncounted.

mod support;

use std::collections::HashSet;

use cupti_sys::record::kernel;
use cupti_sys::{ActivityKind, CUDA_12_4, CUDA_12_9, CUDA_13_5, Toolkit};
use fake_cupti::{CannedRecord, Counter};
use support::{Double, Pool, decode};
use underspan_cupti::{
    Backend, BufferGrant, BufferSink, CompletedBuffer, Flush, Record, ScrapKind, ScrapPool,
    Settings, Strides, V1, callback_panics,
};

const KERNEL: ActivityKind = ActivityKind::CONCURRENT_KERNEL;

fn kernel_of(correlation_id: u64) -> CannedRecord {
    CannedRecord::new(KERNEL)
        .with(&kernel::START, 1_000 + correlation_id)
        .with(&kernel::END, 2_000 + correlation_id)
        .with(&kernel::CORRELATION_ID, correlation_id)
}

fn armed<S: BufferSink>(double: &Double) -> V1<'static> {
    let strides = Strides::calibrate(double.api).expect("the double answers");
    let backend = V1::new::<S>(double.api, &strides);
    backend.configure(&Settings::default());
    backend.register().expect("register");
    backend.enable(KERNEL, false).expect("enable kernels");
    backend
}

fn correlation_ids(records: &[Record]) -> HashSet<u32> {
    records
        .iter()
        .map(|record| match record {
            Record::Kernel(kernel) => kernel.correlation_id,
            other => panic!("not a kernel: {other:?}"),
        })
        .collect()
}

#[test]
fn eight_threads_and_any_order_lose_nothing() {
    sink!(Sink, POOL);
    const N_THREADS: u64 = 8;
    const N_EACH: u64 = 20_000;
    for (toolkit, script) in [
        (CUDA_12_4, "order shuffle 7"),
        (CUDA_12_9, "order lifo"),
        (CUDA_13_5, "deliver inline"),
        (CUDA_13_5, "deliver flush"),
    ] {
        let double = Double::of(toolkit);
        double.gpu.script(script);
        let backend = armed::<Sink>(&double);
        std::thread::scope(|scope| {
            for thread in 0..N_THREADS {
                scope.spawn(move || {
                    double_emit(double.gpu, thread * N_EACH, N_EACH);
                });
            }
        });
        backend.flush(Flush::Complete).expect("flush");
        let (records, ledger) = decode(&backend, &POOL.take());
        assert_eq!(ledger.records, N_THREADS * N_EACH, "CUDA {toolkit}, {script}");
        assert!(ledger.is_clean(), "CUDA {toolkit}, {script}: {ledger:?}");
        assert_eq!(correlation_ids(&records).len() as u64, N_THREADS * N_EACH);
        double.assert_well_behaved();
    }
}

fn double_emit(gpu: fake_cupti::FakeCupti, first: u64, n: u64) {
    assert_eq!(gpu.emit_many(&kernel_of(first), n, 1), n);
}

#[test]
fn a_buffer_with_running_work_waits_for_its_end() {
    sink!(Sink, POOL);
    let double = Double::of(CUDA_12_9);
    let backend = armed::<Sink>(&double);
    let running = double.gpu.begin(&kernel_of(1).with(&kernel::END, 0)).expect("recorded");
    double.gpu.emit(&kernel_of(2));
    backend.flush(Flush::Complete).expect("flush");
    assert!(POOL.take().is_empty(), "kernel 1 still runs");
    assert!(double.gpu.end(running, 5_000));
    backend.flush(Flush::Complete).expect("flush");
    let (records, ledger) = decode(&backend, &POOL.take());
    let [Record::Kernel(first), Record::Kernel(_)] = records[..] else { panic!("{records:?}") };
    assert_eq!(first.end_ns, 5_000);
    assert!(ledger.is_clean());
}

#[test]
fn refusing_buffers_drops_records_and_the_library_counts_them() {
    sink!(Sink, POOL);
    let double = Double::of(CUDA_12_9);
    POOL.set_bytes(0);
    let backend = armed::<Sink>(&double);
    assert_eq!(double.gpu.emit_many(&kernel_of(0), 100, 1), 0);
    POOL.set_bytes(1 << 16);
    assert_eq!(double.gpu.emit_many(&kernel_of(100), 50, 1), 50);
    backend.flush(Flush::Complete).expect("flush");
    let (_, ledger) = decode(&backend, &POOL.take());
    assert_eq!(backend.take_dropped_records().expect("a count"), 100);
    assert_eq!(backend.take_dropped_records().expect("a count"), 0, "taken");
    assert_eq!(ledger.records + 100, double.gpu.count(Counter::Produced));
    double.assert_well_behaved();
}

#[test]
fn refusing_a_buffer_before_api_27_is_what_the_double_complains_about() {
    sink!(Sink, POOL);
    let double = Double::of(CUDA_12_4);
    POOL.set_bytes(0);
    let _backend = armed::<Sink>(&double);
    double.gpu.emit(&kernel_of(0));
    let complaint = double.gpu.violations().expect("a complaint");
    assert!(complaint.contains("API version 22"), "{complaint}");
}

static SCRAP: ScrapPool = ScrapPool::new();
static SCRAPPED: Pool = Pool::new();

/// A sink whose pool is empty: everything goes to scrap.
#[derive(Debug)]
struct Starved;

impl BufferSink for Starved {
    fn requested() -> Option<BufferGrant> {
        SCRAP.lend().or_else(|| SCRAP.share())
    }

    fn completed(buffer: CompletedBuffer) {
        SCRAPPED.keep(buffer);
    }
}

#[test]
fn starved_sinks_count_what_they_throw_away() {
    let double = Double::of(Toolkit::new(12, 1));
    let backend = armed::<Starved>(&double);
    let n = double.gpu.emit_many(&kernel_of(0), 3_000, 1);
    backend.flush(Flush::Complete).expect("flush");
    assert_eq!(n, 3_000);
    let buffers = SCRAPPED.take();
    assert!(buffers.iter().all(|b| SCRAP.kind_of(b.address()) == Some(ScrapKind::Own)));
    let (_, ledger) = decode(&backend, &buffers);
    assert_eq!(ledger.records, 3_000, "the ledger counts them before they are thrown away");
    for buffer in buffers {
        SCRAP.give_back(buffer.address());
    }
    double.assert_well_behaved();
}

#[test]
fn scrap_is_lent_once_and_comes_back() {
    static POOL: ScrapPool = ScrapPool::new();
    let mut lent = HashSet::new();
    while let Some(grant) = POOL.lend() {
        assert!(lent.insert(grant.address()), "lent twice");
        assert_eq!(POOL.kind_of(grant.address()), Some(ScrapKind::Own));
    }
    assert!(lent.len() >= 8);
    let shared = POOL.share().expect("there is always the shared one");
    assert_eq!(POOL.kind_of(shared.address()), Some(ScrapKind::Shared));
    assert_eq!(POOL.kind_of(std::ptr::NonNull::dangling()), None);
    POOL.give_back(shared.address());
    assert!(POOL.lend().is_none(), "the shared one is not lent");
    let one = *lent.iter().next().expect("one");
    POOL.give_back(one);
    assert_eq!(POOL.lend().map(|grant| grant.address()), Some(one));
}

/// A sink that panics, as no sink should.
#[derive(Debug)]
struct Panicking;

impl BufferSink for Panicking {
    fn requested() -> Option<BufferGrant> {
        panic!("in a callback");
    }

    fn completed(_buffer: CompletedBuffer) {}
}

#[test]
fn a_panic_in_a_sink_does_not_reach_the_library() {
    let double = Double::of(CUDA_12_9);
    let backend = armed::<Panicking>(&double);
    let before = callback_panics();
    assert!(!double.gpu.emit(&kernel_of(0)));
    assert_eq!(callback_panics(), before + 1);
    assert_eq!(backend.take_dropped_records().expect("a count"), 1);
}
