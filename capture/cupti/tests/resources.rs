//! Modules, graphs, takeovers: what the subscriber hears, and what nobody tells it.

mod support;

use std::collections::HashMap;
use std::ptr;
use std::sync::{Mutex, PoisonError};

use cupti_sys::record::{external_correlation, graph_trace, kernel};
use cupti_sys::{
    ActivityKind, CUDA_12_4, CUDA_12_9, ExternalCorrelationKind, GraphData, ResourceCallback,
};
use fake_cupti::{CannedRecord, Counter};
use support::{Double, decode};
use underspan_cupti::{
    Api, ApiCall, Backend, CallbackSink, Flush, Record, ResourceDetail, ResourceEvent, Strides,
    Subscription, V1, name_bytes,
};

const KERNEL: ActivityKind = ActivityKind::CONCURRENT_KERNEL;

fn armed<S: underspan_cupti::BufferSink>(api: &'static Api, kinds: &[ActivityKind]) -> V1<'static> {
    let backend = V1::new::<S>(api, &Strides::calibrate(api).expect("the double answers"));
    backend.register().expect("register");
    for kind in kinds {
        backend.enable(*kind, false).expect("enable");
    }
    backend
}

/// A kernel of this name's address, outside graphs.
fn kernel_named(address: u64) -> CannedRecord {
    CannedRecord::new(KERNEL)
        .with(&kernel::START, 100)
        .with(&kernel::END, 200)
        .with(&kernel::NAME, address)
}

static NAMES: Mutex<Option<HashMap<u64, String>>> = Mutex::new(None);
static UNLOADED: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// Forgets all names when a module goes, as a collector must.
#[derive(Debug)]
struct ForgetNames;

impl CallbackSink for ForgetNames {
    fn resource(event: ResourceEvent<'_>) {
        if let ResourceDetail::Module { id, cubin } = event.detail {
            assert!(cubin.starts_with(b"\x7fELF"));
            if event.callback == ResourceCallback::MODULE_UNLOAD_STARTING {
                UNLOADED.lock().unwrap_or_else(PoisonError::into_inner).push(id);
                *NAMES.lock().unwrap_or_else(PoisonError::into_inner) = None;
            }
        }
    }
}

#[expect(unsafe_code, reason = "reads a name at an address")]
fn intern(address: u64) -> String {
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let names = names.get_or_insert_default();
    let text = names.entry(address).or_insert_with(|| {
        // SAFETY: the double's module is loaded and its name NUL-terminated.
        let bytes = unsafe { name_bytes(address) }.expect("a name");
        String::from_utf8_lossy(bytes).into_owned()
    });
    text.clone()
}

#[test]
fn a_name_address_means_another_name_after_its_module_is_gone() {
    let double = Double::of(CUDA_12_9);
    let subscription = Subscription::hold::<ForgetNames>(double.api).expect("subscribe");
    for callback in [ResourceCallback::MODULE_LOADED, ResourceCallback::MODULE_UNLOAD_STARTING] {
        subscription.set_resource(callback, true).expect("turn on");
    }
    let (first, first_address) = double.gpu.load_module("gemm_f16");
    assert_eq!(intern(first_address), "gemm_f16");
    double.gpu.unload_module(first);
    let (_, second_address) = double.gpu.load_module("softmax");
    assert_eq!(first_address, second_address, "the double uses the address again");
    assert_eq!(intern(second_address), "softmax");
    assert_eq!(*UNLOADED.lock().unwrap_or_else(PoisonError::into_inner), [first]);
    double.assert_well_behaved();
}

#[test]
#[expect(unsafe_code, reason = "reads a name at an address")]
fn kernel_records_carry_the_address_of_their_name() {
    sink!(Sink, POOL);
    let double = Double::of(CUDA_12_9);
    let backend = armed::<Sink>(double.api, &[KERNEL]);
    let (_module, address) = double.gpu.load_module("void attention<128>(float *)");
    double.gpu.emit(&kernel_named(address));
    backend.flush(Flush::Complete).expect("flush");
    let (records, _) = decode(&backend, &POOL.take());
    let [Record::Kernel(kernel)] = records[..] else { panic!("{records:?}") };
    // SAFETY: the double's module is loaded and its name NUL-terminated.
    let name = unsafe { name_bytes(kernel.name_address) };
    assert_eq!(name, Some(&b"void attention<128>(float *)"[..]));
    // SAFETY: address 0 is no text.
    assert_eq!(unsafe { name_bytes(0) }, None);
}

static NODES: Mutex<Vec<(u64, u64)>> = Mutex::new(Vec::new());
static API: Mutex<Option<&'static Api>> = Mutex::new(None);

/// Remembers which node was cloned from which.
#[derive(Debug)]
struct RememberNodes;

impl CallbackSink for RememberNodes {
    #[expect(unsafe_code, reason = "asks for ids of live nodes")]
    fn resource(event: ResourceEvent<'_>) {
        let (ResourceCallback::GRAPHNODE_CLONED, ResourceDetail::Graph(graph)) =
            (event.callback, event.detail)
        else {
            return;
        };
        let api = API.lock().unwrap_or_else(PoisonError::into_inner).expect("set");
        // SAFETY: both nodes live during the callback.
        let ids = unsafe {
            [graph.original_node, graph.node].map(|node| api.graph_node_id(node).expect("an id"))
        };
        NODES.lock().unwrap_or_else(PoisonError::into_inner).push((ids[0], ids[1]));
    }
}

#[test]
fn cloned_graph_nodes_can_be_traced_back() {
    let double = Double::of(CUDA_12_4);
    *API.lock().unwrap_or_else(PoisonError::into_inner) = Some(double.api);
    let subscription = Subscription::hold::<RememberNodes>(double.api).expect("subscribe");
    subscription.set_resource(ResourceCallback::GRAPHNODE_CLONED, true).expect("turn on");
    let graph = GraphData {
        graph: ptr::without_provenance_mut(8),
        original_graph: ptr::without_provenance_mut(7),
        node: ptr::without_provenance_mut(4711),
        original_node: ptr::without_provenance_mut(42),
        node_type: 0,
        dependency: ptr::null_mut(),
        graph_exec: ptr::null_mut(),
    };
    double.gpu.graph_event(ResourceCallback::GRAPHNODE_CLONED, &graph);
    double.gpu.graph_event(ResourceCallback::GRAPHNODE_CREATED, &graph);
    assert_eq!(*NODES.lock().unwrap_or_else(PoisonError::into_inner), [(42, 4711)]);
    double.assert_well_behaved();
}

#[test]
fn graph_level_replaces_node_records_for_good() {
    sink!(Sink, POOL);
    let double = Double::of(CUDA_12_9);
    let backend = armed::<Sink>(double.api, &[KERNEL, ActivityKind::GRAPH_TRACE]);
    let node = kernel_named(0).with(&kernel::GRAPH_ID, 3).with(&kernel::GRAPH_NODE_ID, 30);
    let whole = CannedRecord::new(ActivityKind::GRAPH_TRACE)
        .with(&graph_trace::START, 10)
        .with(&graph_trace::END, 20)
        .with(&graph_trace::GRAPH_ID, 3);
    assert!(!double.gpu.emit(&node) && double.gpu.emit(&whole));
    backend.disable(ActivityKind::GRAPH_TRACE).expect("disable");
    assert!(!double.gpu.emit(&node), "node level does not come back");
    backend.flush(Flush::Complete).expect("flush");
    let (records, _) = decode(&backend, &POOL.take());
    let [Record::GraphTrace(graph)] = records[..] else { panic!("{records:?}") };
    assert_eq!((graph.graph_id, graph.start_ns, graph.end_ns), (3, 10, 20));
    assert_eq!(double.gpu.count(Counter::Suppressed), 2);
}

#[test]
fn another_profiler_takes_the_buffers_until_we_register_again() {
    sink!(Sink, POOL);
    let double = Double::of(CUDA_12_9);
    let backend = armed::<Sink>(double.api, &[KERNEL]);
    let record = kernel_named(0);
    assert_eq!(double.gpu.emit_many(&record, 10, 1), 10);
    backend.flush(Flush::Complete).expect("flush");
    double.gpu.takeover();
    assert_eq!(double.gpu.emit_many(&record, 20, 1), 20);
    backend.flush(Flush::Complete).expect("flush");
    double.gpu.takeover_end();
    assert!(!double.gpu.emit(&record), "the other one turned kernels off");
    backend.register().expect("register again");
    backend.enable(KERNEL, false).expect("enable again");
    assert_eq!(double.gpu.emit_many(&record, 5, 1), 5);
    backend.flush(Flush::Complete).expect("flush");
    let (records, _) = decode(&backend, &POOL.take());
    assert_eq!(records.len(), 15);
    assert_eq!(double.gpu.count(Counter::Stolen), 20);
    assert_eq!(double.gpu.count(Counter::Produced), 35);
}

#[test]
fn external_ids_come_with_the_call_they_were_pushed_around() {
    sink!(Sink, POOL);
    let double = Double::of(CUDA_12_9);
    let kinds = [ActivityKind::RUNTIME, ActivityKind::EXTERNAL_CORRELATION];
    let backend = armed::<Sink>(double.api, &kinds);
    let call = CannedRecord::filled(ActivityKind::RUNTIME, 5)
        .with(&cupti_sys::record::api::CORRELATION_ID, 12);
    double.api.push_external_id(ExternalCorrelationKind::CUSTOM0, 99).expect("push");
    double.gpu.emit(&call);
    assert_eq!(double.api.pop_external_id(ExternalCorrelationKind::CUSTOM0).expect("pop"), 99);
    assert!(double.api.pop_external_id(ExternalCorrelationKind::CUSTOM0).is_err(), "empty");
    double.gpu.emit(&call);
    backend.flush(Flush::Complete).expect("flush");
    let (records, _) = decode(&backend, &POOL.take());
    let [Record::ExternalCorrelation(id), Record::Api(_), Record::Api(_)] = records[..] else {
        panic!("{records:?}");
    };
    assert_eq!((id.external_id, id.correlation_id), (99, 12));
    assert_eq!(id.external_kind, ExternalCorrelationKind::CUSTOM0.0);
    assert_eq!(external_correlation::RECORD.sizes.len(), 1);
}

#[test]
fn calls_can_be_named_and_filtered_at_the_source() {
    sink!(Sink, POOL);
    let double = Double::of(CUDA_12_9);
    let backend = armed::<Sink>(double.api, &[ActivityKind::RUNTIME]);
    let name = double.api.call_name(ApiCall::Runtime(211)).expect("a name");
    assert_eq!(name, c"cudaLaunchKernel_v7000");
    backend.record_call(ApiCall::Runtime(17), false).expect("turn off");
    let call = |cbid| {
        CannedRecord::filled(ActivityKind::RUNTIME, 1).with(&cupti_sys::record::api::CBID, cbid)
    };
    assert!(!double.gpu.emit(&call(17)) && double.gpu.emit(&call(211)));
    backend.record_call(ApiCall::Runtime(17), true).expect("turn on");
    assert!(double.gpu.emit(&call(17)));
    drop(POOL.take());
}
