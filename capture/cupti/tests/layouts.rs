//! One stream of activities reads the same from every release's layout.

mod support;

use cupti_sys::record::kernel;
use cupti_sys::{ActivityKind, CUDA_11_8, CUDA_13_5, RECORDS};
use fake_cupti::{CannedRecord, Counter, PROFILES};
use support::{Double, decode, fields};
use underspan_cupti::{Backend, Flush, Record, Settings, Strides, V1};

sink!(Sink, POOL);

/// One record of each kind the ledger describes, every field with a value of its own.
fn one_of_each() -> Vec<CannedRecord> {
    RECORDS
        .iter()
        .flat_map(|record| record.kinds)
        .zip(1_u64..)
        .map(|(kind, seed)| CannedRecord::filled(*kind, seed))
        .collect()
}

/// What a release's double delivers for the activities, decoded.
fn recorded(double: &Double, activities: &[CannedRecord]) -> Vec<Record> {
    let strides = Strides::calibrate(double.api).expect("the double answers");
    let backend = V1::new::<Sink>(double.api, &strides);
    for outcome in backend.configure(&Settings::default()) {
        let old = double.profile.toolkit < cupti_sys::CUDA_12_4;
        assert!(outcome.result.is_ok() || old && outcome.name == "per-thread buffers");
    }
    backend.register().expect("register");
    let kinds: Vec<_> = activities.iter().map(CannedRecord::kind).collect();
    for kind in &kinds {
        // Graph tracing would replace the records of nodes.
        let has = double.profile.stride(*kind).is_some();
        assert_eq!(backend.enable(*kind, false).is_ok(), has, "{kind}");
    }
    for activity in activities {
        double.gpu.emit(activity);
    }
    backend.flush(Flush::Complete).expect("flush");
    let (records, ledger) = decode(&backend, &POOL.take());
    double.assert_well_behaved();
    assert!(ledger.broken_buffers == 0 && ledger.unknown.total() == 0, "{ledger:?}");
    assert_eq!(ledger.records, double.gpu.count(Counter::Delivered));
    records
}

#[test]
fn every_release_yields_the_same_events() {
    // Nodes of graphs are left out while graphs are traced as wholes, so these are outside graphs.
    let activities: Vec<CannedRecord> = one_of_each()
        .into_iter()
        .map(|record| match record.kind() {
            ActivityKind::KERNEL | ActivityKind::CONCURRENT_KERNEL => {
                record.with(&kernel::GRAPH_ID, 0)
            }
            ActivityKind::MEMCPY => record.with(&cupti_sys::record::memcpy::GRAPH_ID, 0),
            ActivityKind::MEMCPY2 => record.with(&cupti_sys::record::memcpy_ptop::GRAPH_ID, 0),
            ActivityKind::MEMSET => record.with(&cupti_sys::record::memset::GRAPH_ID, 0),
            _ => record,
        })
        .collect();
    let newest = recorded(&Double::of(CUDA_13_5), &activities);
    assert_eq!(newest.len(), activities.len(), "the newest release has every kind");
    for record in &newest {
        assert!(!format!("{record:?}").contains("None"), "the newest release has every field");
    }

    for profile in PROFILES {
        let records = recorded(&Double::of(profile.toolkit), &activities);
        let expected: Vec<&Record> =
            newest.iter().filter(|record| profile.stride(record.kind()).is_some()).collect();
        assert_eq!(records.len(), expected.len(), "CUDA {}", profile.toolkit);
        for (record, expected) in records.iter().zip(expected) {
            let expected = fields(expected);
            for pair in fields(record) {
                assert!(expected.contains(&pair), "CUDA {}: {pair:?}", profile.toolkit);
            }
        }
    }
}

#[test]
fn a_release_has_the_fields_of_its_record_length_and_no_others() {
    let read = |toolkit| {
        let size = kernel::RECORD.size_in(toolkit).expect("kernels are old").bytes;
        let strides = Strides::from_pairs([(ActivityKind::CONCURRENT_KERNEL, size)]);
        let layouts = underspan_cupti::Layouts::predefined(&strides);
        let record = CannedRecord::new(ActivityKind::CONCURRENT_KERNEL)
            .with(&kernel::START, 100)
            .with(&kernel::END, 250)
            .with(&kernel::CORRELATION_ID, 7)
            .with(&kernel::PRIORITY, 3)
            .with(&kernel::SOURCE_GRAPH_NODE_ID, 9);
        let mut ledger = underspan_cupti::DecodeLedger::default();
        let bytes = &record.bytes()[..usize::from(size)];
        match underspan_cupti::Records::new(&layouts, bytes, &mut ledger).next() {
            Some(Record::Kernel(kernel)) => kernel,
            other => panic!("not a kernel: {other:?}"),
        }
    };
    let oldest = read(CUDA_11_8);
    assert_eq!((oldest.start_ns, oldest.end_ns, oldest.correlation_id), (100, 250, 7));
    assert_eq!((oldest.priority, oldest.source_graph_node_id), (None, None));
    let newest = read(CUDA_13_5);
    assert_eq!((newest.priority, newest.source_graph_node_id), (Some(3), Some(9)));
}
