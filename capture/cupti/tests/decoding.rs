//! Whatever is in a buffer ends up in a record or in the ledger.

mod support;

use cupti_sys::record::{api, kernel};
use cupti_sys::{ActivityKind, CUDA_12_9};
use fake_cupti::{CannedRecord, Counter};
use support::{Double, decode};
use underspan_cupti::{
    Backend, DecodeLedger, Flush, Layouts, Record, Records, Strides, TimeFault, V1,
};

const KERNEL: ActivityKind = ActivityKind::CONCURRENT_KERNEL;

fn kernel_at(start_ns: u64) -> CannedRecord {
    CannedRecord::new(KERNEL).with(&kernel::START, start_ns).with(&kernel::END, start_ns + 10)
}

/// Backend on a double of 12.9 with kernels enabled.
fn kernels<S: underspan_cupti::BufferSink>(double: &Double) -> V1<'static> {
    let strides = Strides::calibrate(double.api).expect("the double answers");
    let backend = V1::new::<S>(double.api, &strides);
    backend.register().expect("register");
    backend.enable(KERNEL, false).expect("enable kernels");
    backend
}

#[test]
fn records_without_sound_times_are_yielded_and_counted() {
    sink!(Sink, POOL);
    let double = Double::of(CUDA_12_9);
    double.gpu.script("times zero every 5\ntimes inverted every 7");
    let backend = kernels::<Sink>(&double);
    for n in 1..=70 {
        assert!(double.gpu.emit(&kernel_at(1000 + n)));
    }
    let running = double.gpu.begin(&kernel_at(2000).with(&kernel::END, 0)).expect("recorded");
    backend.flush(Flush::Forced).expect("flush");
    assert!(!double.gpu.end(running, 3000), "a forced flush took it away");

    let (records, ledger) = decode(&backend, &POOL.take());
    assert_eq!(records.len() as u64, double.gpu.count(Counter::Produced));
    // Multiples of both 5 and 7 have no times at all; record 71 is neither.
    assert_eq!((ledger.records, ledger.zero_times), (71, 14));
    assert_eq!((ledger.inverted_times, ledger.unfinished), (8, 1));
    let faults = |fault| records.iter().filter(|r| r.time_fault() == Some(fault)).count();
    assert_eq!(faults(TimeFault::Zero), 14);
    assert_eq!(faults(TimeFault::Unfinished), 1);
    assert!(!ledger.is_clean());
    double.assert_well_behaved();
}

#[test]
fn kinds_without_a_view_are_stepped_over_and_counted() {
    sink!(Sink, POOL);
    let double = Double::of(CUDA_12_9);
    let backend = kernels::<Sink>(&double);
    for kind in [ActivityKind::PCIE, ActivityKind::MODULE] {
        backend.enable(kind, false).expect("enable");
    }
    for n in 0..10 {
        double.gpu.emit(&CannedRecord::new(ActivityKind::PCIE));
        double.gpu.emit(&kernel_at(100 + n));
        double.gpu.emit(&CannedRecord::new(ActivityKind::MODULE));
        double.gpu.emit(&CannedRecord::new(ActivityKind::MODULE));
    }
    backend.flush(Flush::Complete).expect("flush");
    let (records, ledger) = decode(&backend, &POOL.take());
    assert_eq!(records.len(), 10);
    assert_eq!(
        ledger.unknown.iter().collect::<Vec<_>>(),
        [(ActivityKind::PCIE, 10), (ActivityKind::MODULE, 20)]
    );
    assert_eq!(ledger.records + ledger.unknown.total(), double.gpu.count(Counter::Produced));
    assert_eq!(ledger.broken_buffers, 0);
}

#[test]
fn a_cut_buffer_loses_its_last_record_and_says_so() {
    sink!(Sink, POOL);
    let double = Double::of(CUDA_12_9);
    double.gpu.script("truncate 8");
    let backend = kernels::<Sink>(&double);
    for n in 0..3 {
        double.gpu.emit(&kernel_at(100 + n));
    }
    backend.flush(Flush::Complete).expect("flush");
    let (records, ledger) = decode(&backend, &POOL.take());
    assert_eq!((records.len(), ledger.broken_buffers, ledger.undecoded_bytes), (2, 1, 200));
    assert_eq!(ledger.last_break, Some(KERNEL));
}

#[test]
fn a_buffer_that_claims_to_be_overfull_is_read_to_its_end_only() {
    sink!(Sink, POOL);
    let double = Double::of(CUDA_12_9);
    double.gpu.script("overfull 4096");
    POOL.set_bytes(208 * 4);
    let backend = kernels::<Sink>(&double);
    for n in 0..4 {
        double.gpu.emit(&kernel_at(100 + n));
    }
    backend.flush(Flush::Complete).expect("flush");
    let buffers = POOL.take();
    assert!(buffers[0].is_overfull());
    assert_eq!(buffers[0].valid_bytes(), buffers[0].capacity_bytes());
    let (records, ledger) = decode(&backend, &buffers);
    assert_eq!((records.len(), ledger.undecoded_bytes), (4, 0));
}

#[test]
fn a_kind_without_a_length_ends_the_buffer() {
    let strides = Strides::from_pairs([(KERNEL, 208), (ActivityKind::RUNTIME, 40)]);
    let layouts = Layouts::predefined(&strides);
    let mut bytes = kernel_at(100).bytes()[..208].to_vec();
    bytes.extend_from_slice(&CannedRecord::new(ActivityKind(999)).bytes()[..64]);
    bytes.extend_from_slice(&kernel_at(300).bytes()[..208]);
    let mut ledger = DecodeLedger::default();
    assert_eq!(Records::new(&layouts, &bytes, &mut ledger).count(), 1);
    assert_eq!((ledger.broken_buffers, ledger.undecoded_bytes), (1, 64 + 208));
    assert_eq!(ledger.last_break, Some(ActivityKind(999)));
}

#[test]
fn bytes_that_are_no_records_never_panic_and_are_all_accounted_for() {
    let pairs = (0..128).map(|kind| (ActivityKind(kind), (8 + 8 * (kind % 20)) as u16));
    let layouts = Layouts::predefined(&Strides::from_pairs(pairs));
    let mut state = 1_u64;
    for length in 0..600 {
        let bytes: Vec<u8> = (0..length)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                // Mostly small numbers, so that kinds are met.
                if state >> 62 == 0 { (state >> 40) as u8 } else { (state >> 60) as u8 & 1 }
            })
            .collect();
        let mut ledger = DecodeLedger::default();
        let mut n = 0;
        for record in Records::new(&layouts, &bytes, &mut ledger) {
            n += 1;
            let _ = record.time_fault();
        }
        assert_eq!(n, ledger.records);
        assert!(ledger.undecoded_bytes <= length, "{ledger:?}");
    }
}

#[test]
fn ledgers_add_up() {
    let layouts =
        Layouts::predefined(&Strides::from_pairs([(KERNEL, 208), (ActivityKind(90), 16)]));
    let mut sum = DecodeLedger::default();
    for n in 1..=3 {
        let mut bytes = kernel_at(n).bytes()[..208].to_vec();
        bytes.extend_from_slice(&CannedRecord::new(ActivityKind(90)).bytes()[..16]);
        bytes.extend_from_slice(&[1, 2, 3]);
        let mut ledger = DecodeLedger::default();
        for _ in Records::new(&layouts, &bytes, &mut ledger) {}
        sum.merge(&ledger);
    }
    assert_eq!((sum.buffers, sum.records, sum.unknown.total()), (3, 3, 3));
    assert_eq!((sum.broken_buffers, sum.undecoded_bytes), (3, 9));
}

#[test]
fn api_calls_are_read_with_their_thread_and_result() {
    sink!(Sink, POOL);
    let double = Double::of(CUDA_12_9);
    let backend = kernels::<Sink>(&double);
    backend.enable(ActivityKind::RUNTIME, false).expect("enable calls");
    let call = CannedRecord::new(ActivityKind::RUNTIME)
        .with(&api::CBID, 211)
        .with(&api::START, 50)
        .with(&api::END, 60)
        .with(&api::THREAD_ID, 4242)
        .with(&api::CORRELATION_ID, 9)
        .with(&api::RETURN_VALUE, 2);
    double.gpu.emit(&call);
    backend.flush(Flush::Complete).expect("flush");
    let (records, ledger) = decode(&backend, &POOL.take());
    let [Record::Api(call)] = records[..] else { panic!("{records:?}") };
    assert_eq!((call.cbid, call.thread_id, call.correlation_id), (211, 4242, 9));
    assert_eq!((call.start_ns, call.end_ns, call.return_value), (50, 60, 2));
    assert!(ledger.is_clean());
}
