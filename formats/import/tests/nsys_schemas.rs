//! Nsight Systems exports of every age and shape read to the same tables: columns and tables that
//! are missing, several processes and machines, names in three places, devices under two numbers.

#[path = "support/nsys_export.rs"]
mod nsys_export;
mod support;

use nsys_export::{OLD, RECENT, call, export, global_pid, global_tid, kernel};
use underspan_model::tables::{AnnotationKind, ApiDomain, MemcpyKind, MemoryKind, SyncKind};
use underspan_model::{
    ClockDomain, NONE_U32, NONE_U64, ProblemKind, ShapeId, StreamId, StringId, ThreadId, Timeline,
};

fn import(schema: &str, statements: &str) -> Timeline {
    let folder = tempfile::tempdir().expect("a temporary folder");
    support::import(&export(folder.path(), schema, statements)).expect("the export imports")
}

fn text(timeline: &Timeline, id: u32) -> &str {
    timeline.strings.resolve(StringId::from_raw(id)).unwrap_or("none")
}

fn kernel_name(timeline: &Timeline, row: usize) -> &str {
    let shape = timeline.kernels.get(row).expect("a row").shape;
    text(timeline, timeline.shapes.resolve(ShapeId::from_raw(shape)).expect("a shape").name.raw())
}

/// Processes of each kernel, by pid; -1 for none.
fn kernel_pids(timeline: &Timeline) -> Vec<i64> {
    let dimensions = &timeline.dimensions;
    timeline
        .kernels
        .iter()
        .map(|row| {
            let process = dimensions.process_of_stream(StreamId::from_raw(row.stream));
            dimensions.processes.get(process.index()).map_or(-1, |process| process.pid)
        })
        .collect()
}

#[test]
fn a_recent_export_fills_every_table() {
    let thread = global_tid(42, 43);
    let process = global_pid(42);
    let timeline = import(
        RECENT,
        &[
            &kernel(42, 2_000, 2_500, 11),
            &call(42, 1_000, 1_200, 11),
            &format!(
                "INSERT INTO CUPTI_ACTIVITY_KIND_RUNTIME VALUES (1, 2, 1, {thread}, 9, 4, 700, 0);
                 INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (3000, 3100, 0, 1, NULL, 7, 11,
                  {process}, 2, 1, 1, 16, 1, 2, 3, 4, 5, 6, 100, 200, 77, 5);
                 INSERT INTO CUPTI_ACTIVITY_KIND_MEMCPY VALUES (4000, 4010, 0, 1, 8, 12, {process},
                  1048576, 1, 1, 2, NULL);
                 INSERT INTO CUPTI_ACTIVITY_KIND_MEMCPY VALUES (4020, 4030, 0, 1, 8, 13, {process},
                  64, 13, 4, 2, NULL);
                 INSERT INTO CUPTI_ACTIVITY_KIND_MEMSET VALUES (4100, 4110, 0, 1, 8, 14, {process},
                  0, 512, NULL, 2);
                 INSERT INTO CUPTI_ACTIVITY_KIND_SYNCHRONIZATION VALUES (4200, 4900, 0, 1,
                  4294967295, 15, {process}, 4, 4294967295);
                 INSERT INTO CUPTI_ACTIVITY_KIND_SYNCHRONIZATION VALUES (4300, 4310, 0, 1, 8, 16,
                  {process}, 2, 3);
                 INSERT INTO CUPTI_ACTIVITY_KIND_GRAPH_TRACE VALUES (5000, 5900, 0, 1, 7, 17,
                  {process}, 6, 9);
                 INSERT INTO NVTX_EVENTS VALUES (900, 6000, 59, NULL, {thread}, 7, 0),
                  (910, 5000, 60, 'span', {thread}, NULL, 2), (920, NULL, 34, 'mark', {thread},
                  NULL, 2), (100, NULL, 75, 'engine', {thread}, NULL, 2),
                  (930, NULL, 59, 'open', {thread}, NULL, 0), (1, NULL, 33, 'category', {thread},
                  NULL, 0);
                 INSERT INTO GPU_METRICS VALUES (-5, 256, 1, 40), (1000, 256, 1, 55);
                 INSERT INTO TARGET_INFO_GPU_METRICS VALUES (256, 0, 'General', 1,
                  'SMs Active [Throughput %]');
                 INSERT INTO PROFILER_OVERHEAD VALUES (50, 60, {thread}, 8, 3);
                 INSERT INTO PROCESSES VALUES ({process}, 42, '/opt/envs/x/bin/python3'),
                  ({}, 1, 'systemd');
                 INSERT INTO ThreadNames VALUES (5, 10, {thread}), (6, 20, {thread}), (5, 1,
                  {thread});
                 INSERT INTO TARGET_INFO_GPU VALUES (0, 0, 'NVIDIA H100', 132, 85899345920,
                  'aa-bb', 0, 9, 0), (0, 1, 'Some Display Adapter', 0, 0, '', 0, 0, 0);
                 INSERT INTO TARGET_INFO_SESSION_START_TIME VALUES (1700000000000000000, 'x');",
                global_pid(1)
            ),
        ]
        .map(String::as_str)
        .concat(),
    );

    assert_eq!(timeline.info.format, "nsys_sqlite");
    assert_eq!(timeline.info.clock, ClockDomain::SourceRelative);
    let kernels: Vec<_> = timeline.kernels.iter().collect();
    assert_eq!((kernels[0].start_ns, kernels[0].duration_ns), (2_000, 500));
    assert_eq!((kernels[0].correlation_id, kernels[0].graph_node_id), (11, NONE_U64));
    assert_eq!((kernels[1].graph_id, kernels[1].graph_node_id), (5, 77));
    assert_eq!((kernel_name(&timeline, 0), kernel_name(&timeline, 1)), ("gemm", "softmax"));
    let shape = timeline.shapes.resolve(ShapeId::from_raw(kernels[1].shape)).expect("a shape");
    assert_eq!((shape.grid, shape.block), ([1, 2, 3], [4, 5, 6]));
    assert_eq!((shape.static_shared_bytes, shape.dynamic_shared_bytes), (100, 200));
    assert_eq!(shape.registers_per_thread, 16);

    let calls: Vec<_> = timeline.api_calls.iter().collect();
    assert_eq!(calls[0].api_domain(), ApiDomain::Driver);
    assert_eq!((text(&timeline, calls[0].name), calls[0].return_value), ("cuLaunchKernel", 700));
    assert_eq!(calls[1].api_domain(), ApiDomain::Runtime);
    assert_eq!(text(&timeline, calls[1].name), "cudaLaunchKernel");

    let copies: Vec<_> = timeline.memcpys.iter().collect();
    assert_eq!((copies[0].direction(), copies[0].bytes), (MemcpyKind::HtoD, 1 << 20));
    assert_eq!(copies[0].memories(), (MemoryKind::Pinned, MemoryKind::Device));
    assert_eq!(copies[1].direction(), MemcpyKind::DtoD, "managed memory counts by direction");
    assert_eq!(copies[1].memories().0, MemoryKind::Managed);
    let fill = timeline.memsets.get(0).expect("a fill");
    assert_eq!((fill.bytes, MemoryKind::from_code(fill.memory)), (512, MemoryKind::Device));

    let syncs: Vec<_> = timeline.syncs.iter().collect();
    assert_eq!(syncs[0].sync_kind(), SyncKind::ContextSynchronize);
    assert_eq!((syncs[0].stream, syncs[0].event_id), (NONE_U32, NONE_U32));
    assert_eq!(syncs[1].sync_kind(), SyncKind::StreamWaitEvent);
    assert_eq!((syncs[1].stream, syncs[1].event_id), (copies[0].stream, 3));
    let graph = timeline.graph_launches.get(0).expect("a graph launch");
    assert_eq!((graph.graph_id, graph.duration_ns, graph.correlation_id), (9, 900, 17));

    let annotations: Vec<_> = timeline
        .annotations
        .iter()
        .map(|row| (row.annotation_kind(), text(&timeline, row.name), text(&timeline, row.domain)))
        .collect();
    assert_eq!(
        annotations,
        [
            (AnnotationKind::NvtxPushPop, "step", "none"),
            (AnnotationKind::NvtxStartEnd, "span", "engine"),
            (AnnotationKind::NvtxMark, "mark", "engine"),
        ]
    );
    assert_eq!(timeline.problems.count(ProblemKind::OpenRange), 1);

    assert_eq!(timeline.counters.value, [40.0, 55.0]);
    let track = timeline.dimensions.counter_tracks.get(0).expect("a track");
    assert_eq!(text(&timeline, track.name), "SMs Active");
    assert_eq!(text(&timeline, track.unit), "Throughput %");
    assert_eq!(timeline.overheads.len(), 1);

    let dimensions = &timeline.dimensions;
    assert_eq!(dimensions.processes.len(), 1, "only processes with rows are taken");
    assert_eq!(text(&timeline, dimensions.processes.name[0]), "python3");
    assert_eq!((dimensions.threads.len(), dimensions.threads.tid[0]), (1, 43));
    assert_eq!(text(&timeline, dimensions.threads.name[0]), "worker");
    let device = dimensions.devices.get(0).expect("a device");
    assert_eq!((device.compute_capability, device.sm_count), (90, 132));
    assert_eq!((text(&timeline, device.name), device.memory_bytes), ("NVIDIA H100", 80 << 30));
    assert_eq!(timeline.problems.count(ProblemKind::ForeignDevice), 1);
    assert_eq!(dimensions.clock_anchors.realtime_ns, [1_700_000_000_000_000_000]);
    assert_eq!(timeline.strings.find("secret-host"), None);
    let facts: Vec<_> = dimensions
        .properties
        .iter()
        .map(|row| (text(&timeline, row.key), text(&timeline, row.value)))
        .collect();
    assert_eq!(facts, [("schema_version", "3.24.14"), ("exporter_version", "2026.1.1.204")]);
}

#[test]
fn an_old_export_reads_without_the_columns_and_tables_it_lacks() {
    let timeline = import(
        OLD,
        &[
            "INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (10, 20, 0, 7, 5, 1, 1, 1, 1, 1, 2, 1, 1);
             INSERT INTO TARGET_INFO_GPU VALUES (0, 0, 'A100', '', 1);",
            &call(42, 1, 2, 5),
        ]
        .concat(),
    );
    assert_eq!(kernel_name(&timeline, 0), "gemm");
    let shape = timeline.shapes.resolve(ShapeId::from_raw(0)).expect("a shape");
    assert_eq!(shape.registers_per_thread, NONE_U32);
    assert_eq!(kernel_pids(&timeline), [42], "the only process that called is the kernel's");
    assert_eq!(text(&timeline, timeline.dimensions.devices.name[0]), "A100");
    assert!(timeline.problems.count(ProblemKind::MissingColumn) >= 6);
    assert_eq!(timeline.problems.count(ProblemKind::MissingTable), 1);
}

#[test]
fn kernels_without_a_process_belong_to_the_one_whose_call_has_their_id() {
    let kernels: String = [5, 6, 7, 99]
        .iter()
        .map(|id| {
            format!(
                "INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES ({id}00, {id}50, 0, 7, {id}, 1, 1,
                 1, 1, 1, 2, 1, 1);"
            )
        })
        .collect();
    let calls = [call(1, 1, 2, 5), call(2, 1, 2, 6), call(1, 3, 4, 7), call(2, 3, 4, 7)].concat();
    let timeline = import(OLD, &(kernels + &calls));
    // Both processes used id 7, none used 99.
    assert_eq!(kernel_pids(&timeline), [1, 2, -1, -1]);
}

#[test]
fn equal_ids_of_two_processes_stay_apart() {
    let timeline = import(
        RECENT,
        &[kernel(1, 10, 20, 5), kernel(2, 12, 18, 5), call(1, 1, 2, 5), call(2, 1, 3, 5)].concat(),
    );
    assert_eq!(kernel_pids(&timeline), [1, 2]);
    assert_ne!(timeline.kernels.stream[0], timeline.kernels.stream[1]);
    let pids: Vec<_> = timeline
        .api_calls
        .iter()
        .map(|row| {
            let process = timeline.dimensions.process_of_thread(ThreadId::from_raw(row.thread));
            timeline.dimensions.processes.pid[process.index()]
        })
        .collect();
    assert_eq!(pids, [1, 2]);
    assert_eq!(timeline.dimensions.devices.len(), 1, "they share the device");
}

#[test]
fn one_process_number_on_two_machines_is_two_processes() {
    let other_machine = (2_i64 << 48) | (1 << 24);
    let kernel_there =
        kernel(1, 12, 18, 5).replace(&global_pid(1).to_string(), &other_machine.to_string());
    let timeline = import(RECENT, &[kernel(1, 10, 20, 5), kernel_there].concat());
    assert_eq!(timeline.dimensions.processes.pid, [1, 1]);
    assert_eq!(timeline.dimensions.devices.len(), 2);
    assert_eq!(timeline.dimensions.sources.len(), 2);
}

#[test]
fn one_device_number_for_two_gpus_is_two_devices() {
    let visible = "INSERT INTO TARGET_INFO_CUDA_DEVICE VALUES (3, 0, 1, NULL, 132), (5, 0, 2, NULL,
         132);
         INSERT INTO TARGET_INFO_GPU VALUES (0, 3, 'third', 1, 1, 'x', NULL, 9, 0),
         (0, 5, 'fifth', 1, 1, 'y', NULL, 9, 0);";
    let timeline =
        import(RECENT, &[visible, &kernel(1, 10, 20, 5), &kernel(2, 12, 18, 5)].concat());
    assert_eq!(timeline.dimensions.devices.ordinal, [3, 5]);
    let names: Vec<_> =
        timeline.dimensions.devices.name.iter().map(|name| text(&timeline, *name)).collect();
    assert_eq!(names, ["third", "fifth"]);
}

#[test]
fn a_device_number_that_is_not_the_machines_keeps_its_number_and_finds_its_name() {
    let visible = "INSERT INTO TARGET_INFO_CUDA_DEVICE VALUES (3, 0, 1, NULL, 132);
         INSERT INTO TARGET_INFO_GPU VALUES (0, 0, 'zeroth', 1, 1, 'x', NULL, 9, 0),
         (0, 3, 'third', 1, 1, 'y', NULL, 9, 0);";
    let timeline = import(RECENT, &[visible, &kernel(1, 10, 20, 5)].concat());
    assert_eq!(timeline.dimensions.devices.ordinal, [0]);
    assert_eq!(text(&timeline, timeline.dimensions.devices.name[0]), "third");
}

#[test]
fn a_waited_stream_is_on_the_device_of_its_context() {
    let process = global_pid(1);
    let timeline = import(
        RECENT,
        &format!(
            "INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (10, 20, 1, 2, NULL, 15, 5, {process},
              1, 1, 1, 32, 8, 1, 1, 128, 1, 1, 0, 4096, NULL, NULL);
             INSERT INTO CUPTI_ACTIVITY_KIND_SYNCHRONIZATION VALUES (11, 21, 0, 2, 15, 6,
              {process}, 3, 4294967295);"
        ),
    );
    assert_eq!(timeline.syncs.stream[0], timeline.kernels.stream[0]);
    assert_eq!(timeline.dimensions.devices.ordinal, [1]);
}

#[test]
fn names_are_found_without_a_key_and_as_text() {
    let schema = OLD
        .replace("id INTEGER NOT NULL PRIMARY KEY", "id INTEGER")
        .replace("demangledName INTEGER NOT NULL", "demangledName");
    let timeline = import(
        &schema,
        "INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES
          (10, 20, 0, 7, 5, 2, 1, 1, 1, 1, 2, 1, 1), (30, 40, 0, 7, 6, 'inline', 1, 1, 1, 1, 2, 1, 1),
          (50, 60, 0, 7, 6, 404, 1, 1, 1, 1, 2, 1, 1);",
    );
    let names: Vec<_> = (0..3).map(|row| kernel_name(&timeline, row)).collect();
    assert_eq!(names, ["softmax", "inline", "<string 404>"]);
    assert_eq!(timeline.problems.count(ProblemKind::UnresolvedString), 1);
}

#[test]
fn tables_of_other_tools_and_tables_not_read_are_counted() {
    let timeline = import(
        RECENT,
        "CREATE TABLE SOMEBODYS_NOTES (x); CREATE TABLE OSRT_API (start, end);
         CREATE TABLE SCHED_EVENTS (start); INSERT INTO OSRT_API VALUES (1, 2);
         CREATE VIEW CUPTI_ACTIVITY_KIND_OVERHEAD AS SELECT 1 AS start, 2 AS end;",
    );
    assert_eq!(timeline.problems.count(ProblemKind::ForeignTable), 1);
    // SCHED_EVENTS is empty: nothing of it is missing.
    assert_eq!(timeline.problems.count(ProblemKind::UnimportedTable), 1);
    assert!(timeline.overheads.is_empty(), "views are not tables");
}

#[test]
fn rows_come_out_in_order_of_start_and_what_moved_is_counted() {
    let timeline = import(RECENT, &[kernel(1, 50, 60, 1), kernel(1, 10, 20, 2)].concat());
    assert_eq!(timeline.kernels.start_ns, [10, 50]);
    assert_eq!(timeline.problems.count(ProblemKind::OutOfOrder), 1);
}
