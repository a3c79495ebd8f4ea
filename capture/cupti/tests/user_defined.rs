//! User-defined records yield the same events as predefined ones, from shorter records.

mod support;

use cupti_sys::record::{kernel, memcpy};
use cupti_sys::{ActivityKind, CUDA_13_3, CUDA_13_4, CUDA_13_5, CUptiResult, RECORDS, Toolkit};
use fake_cupti::{CannedRecord, Counter};
use support::{Double, decode, fields};
use underspan_cupti::{
    ApiCall, Backend, BufferSink, CallbackSink, CompletedBuffer, Flush, Record, ResourceEvent,
    Settings, Strides, SubscribeOptions, UserDefined, V1,
};

#[derive(Debug)]
struct Deaf;

impl CallbackSink for Deaf {
    fn resource(_event: ResourceEvent<'_>) {}
}

fn subscribed<S: BufferSink>(toolkit: Toolkit) -> (Double, UserDefined<'static>) {
    let double = Double::of(toolkit);
    let options = SubscribeOptions { name: Some(c"underspan"), share: false };
    let backend = UserDefined::subscribe::<S, Deaf>(double.api, options).expect("subscribe");
    backend.register().expect("register");
    (double, backend)
}

/// Outside graphs, whose nodes have no records while graphs are traced as wholes.
fn activities() -> Vec<CannedRecord> {
    RECORDS
        .iter()
        .flat_map(|record| record.kinds)
        .zip(1_u64..)
        .map(|(kind, seed)| {
            let mut record = CannedRecord::filled(*kind, seed);
            let facts = cupti_sys::record_of(*kind).expect("a record");
            if let Some(graph) = facts.fields.iter().find(|field| field.c_path == "graphId")
                && !facts.name.contains("graph")
            {
                record.set(graph, 0);
            }
            record
        })
        .collect()
}

#[test]
fn events_are_those_of_predefined_records() {
    sink!(Sink, POOL, TABLE);
    sink!(PredefinedSink, PREDEFINED);
    for toolkit in [CUDA_13_3, CUDA_13_4, CUDA_13_5] {
        let (double, backend) = subscribed::<Sink>(toolkit);
        assert!(backend.configure(&Settings::default()).iter().all(|o| o.result.is_ok()));
        let predefined = Double::of(toolkit);
        let strides = Strides::calibrate(predefined.api).expect("the double answers");
        let other = V1::new::<PredefinedSink>(predefined.api, &strides);
        other.register().expect("register");
        for activity in activities() {
            backend.enable(activity.kind(), false).expect("enable");
            other.enable(activity.kind(), false).expect("enable");
        }
        for activity in activities() {
            assert!(double.gpu.emit(&activity) && predefined.gpu.emit(&activity));
        }
        backend.flush(Flush::Complete).expect("flush");
        other.flush(Flush::Complete).expect("flush");
        let (selected, ledger) = decode(&backend, &POOL.take());
        let (whole, _) = decode(&other, &PREDEFINED.take());
        assert_eq!(selected.len(), whole.len(), "CUDA {toolkit}: {ledger:?}");
        for (selected, whole) in selected.iter().zip(&whole) {
            let whole = fields(whole);
            let pairs = fields(selected);
            assert!(pairs.len() > 2, "{selected:?}");
            for pair in pairs {
                assert!(whole.contains(&pair), "CUDA {toolkit}: {pair:?}");
            }
        }
        double.assert_well_behaved();
    }
}

#[test]
fn a_kernel_record_is_less_than_half_as_long() {
    sink!(Sink, POOL, TABLE);
    let (double, backend) = subscribed::<Sink>(CUDA_13_5);
    backend.enable(ActivityKind::CONCURRENT_KERNEL, false).expect("enable");
    double.gpu.emit_many(&CannedRecord::filled(ActivityKind::CONCURRENT_KERNEL, 1), 10, 1);
    backend.flush(Flush::Complete).expect("flush");
    let buffers = POOL.take();
    let n_bytes: usize = buffers.iter().map(CompletedBuffer::valid_bytes).sum();
    assert!(n_bytes / 10 < 248 / 2, "{} bytes a record", n_bytes / 10);
    assert!(buffers.iter().all(|buffer| buffer.thread_id() != 0 && buffer.layout().is_some()));
}

#[test]
fn fields_that_a_release_does_not_know_are_left_out() {
    sink!(Sink, POOL, TABLE);
    for (toolkit, expected) in [(CUDA_13_3, None), (CUDA_13_4, Some(77))] {
        let (double, backend) = subscribed::<Sink>(toolkit);
        backend.enable(ActivityKind::MEMCPY, false).expect("enable");
        let record = CannedRecord::filled(ActivityKind::MEMCPY, 1)
            .with(&memcpy::SOURCE_GRAPH_NODE_ID, 77)
            .with(&memcpy::GRAPH_ID, 0);
        double.gpu.emit(&record);
        backend.flush(Flush::Complete).expect("flush");
        let (records, _) = decode(&backend, &POOL.take());
        let [Record::Memcpy(copy)] = records[..] else { panic!("{records:?}") };
        assert_eq!(copy.source_graph_node_id, expected, "CUDA {toolkit}");
    }
}

#[test]
fn copies_between_devices_must_be_asked_for() {
    sink!(Sink, POOL, TABLE);
    let (double, backend) = subscribed::<Sink>(CUDA_13_5);
    backend.enable(ActivityKind::MEMCPY, false).expect("enable");
    assert!(!double.gpu.is_enabled(ActivityKind::MEMCPY2));
    backend.enable(ActivityKind::MEMCPY2, false).expect("enable");
    assert!(double.gpu.is_enabled(ActivityKind::MEMCPY2));
}

#[test]
fn the_rest_of_the_interface_works_per_subscriber() {
    sink!(Sink, POOL, TABLE);
    let (double, backend) = subscribed::<Sink>(CUDA_13_5);
    assert!(backend.timestamp_ns().expect("a time") > 0);
    backend.enable(ActivityKind::RUNTIME, false).expect("enable");
    backend.record_call(ApiCall::Runtime(17), false).expect("filter");
    let call = |cbid| {
        CannedRecord::filled(ActivityKind::RUNTIME, 1).with(&cupti_sys::record::api::CBID, cbid)
    };
    assert!(!double.gpu.emit(&call(17)) && double.gpu.emit(&call(211)));
    assert_eq!(backend.take_dropped_records().expect("a count"), 0);
    backend.disable(ActivityKind::RUNTIME).expect("disable");
    assert!(!double.gpu.emit(&call(211)));
    let error = backend.enable(ActivityKind::MODULE, false).expect_err("no view of it");
    assert!(error.to_string().contains("MODULE"), "{error}");
    assert_eq!(error.result(), None::<CUptiResult>);
    double.assert_well_behaved();
}

#[test]
fn layouts_are_remembered_once() {
    sink!(Sink, POOL, TABLE);
    let (double, backend) = subscribed::<Sink>(CUDA_13_5);
    backend.enable(ActivityKind::CONCURRENT_KERNEL, false).expect("enable");
    let record =
        CannedRecord::filled(ActivityKind::CONCURRENT_KERNEL, 1).with(&kernel::GRAPH_ID, 0);
    let mut ids = Vec::new();
    for _ in 0..20 {
        double.gpu.emit(&record);
        backend.flush(Flush::Complete).expect("flush");
        ids.extend(POOL.take().iter().map(|buffer| buffer.layout().expect("a layout")));
    }
    assert_eq!(ids.len() as u64, double.gpu.count(Counter::Delivered));
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}
