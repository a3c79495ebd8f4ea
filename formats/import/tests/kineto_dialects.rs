//! What each dialect of a Kineto trace becomes: documents in, tables out.

#[path = "support/kineto_text.rs"]
mod kineto_text;

use expect_test::{Expect, expect};
use kineto_text::shown;

fn check(document: &str, expected: Expect) {
    expected.assert_eq(&shown(document));
}

#[test]
fn the_dialect_of_today() {
    check(
        r#"
{
  "schemaVersion": 1,
  "deviceProperties": [
    {
      "id": 0, "name": "NVIDIA H100 80GB HBM3", "totalGlobalMem": 85018279936,
      "computeMajor": 9, "computeMinor": 0, "numSms": 132
    }
  ],
  "distributedInfo": {"backend": "nccl", "rank": 3, "world_size": 8, "pg_config": [{"ranks": [0, 1]}]},
  "cupti_version": 22, "host_name": "secret", "username": "secret",
  "environment": {"HF_TOKEN": "secret"},
  "traceEvents": [
  {
    "ph": "X", "cat": "cpu_op", "name": "aten::mm", "pid": 10, "tid": 11,
    "ts": 100.5, "dur": 40.250,
    "args": {
      "External id": 5,"Record function id": 0, "Input type": ["float", "Scalar"], "Input Dims": [[2, 3], []], "Ev Idx": 0
    }
  },
  {
    "ph": "X", "cat": "cuda_runtime", "name": "cudaLaunchKernel", "pid": 10, "tid": 11,
    "ts": 110.001, "dur": 6.125,
    "args": { "External id": 5, "cbid": 211, "correlation": 77 }
  },
  {
    "ph": "s", "id": 77, "pid": 10, "tid": 11, "ts": 110.001,
    "cat": "ac2g", "name": "ac2g"
  },
  {
    "ph": "X", "cat": "kernel", "name": "gemm<float>", "pid": 0, "tid": 7,
    "ts": 120.003, "dur": 10,
    "args": {
      "External id": 5,
      "queued": 0, "device": 0, "context": 1,
      "stream": 7, "correlation": 77,
      "registers per thread": 40,
      "shared memory": 49152,
      "blocks per SM": 0.5, "warps per SM": 1,
      "grid": [4, 2, 1],
      "block": [128, 1, 1],
      "est. achieved occupancy %": 3,
      "graph id": 0, "graph node id": 0
    }
  },
  {
    "ph": "f", "id": 77, "pid": 0, "tid": 7, "ts": 120.003,
    "cat": "ac2g", "name": "ac2g", "bp": "e"
  },
  {
    "ph": "X", "cat": "gpu_memcpy", "name": "Memcpy HtoD (Pinned -> Device)", "pid": 0, "tid": 7,
    "ts": 131, "dur": 2.5,
    "args": { "device": 0, "context": 1, "stream": 7, "correlation": 78, "bytes": 4096, "memory bandwidth (GB/s)": 1.6 }
  },
  {
    "ph": "X", "cat": "gpu_memset", "name": "Memset (Device)", "pid": 0, "tid": 7,
    "ts": 134, "dur": 1.125,
    "args": { "device": 0, "context": 1, "stream": 7, "correlation": 79, "bytes": 64 }
  },
  {
    "ph": "X", "cat": "user_annotation", "name": "step[DECODE bs=16]", "pid": 10, "tid": 11,
    "ts": 99, "dur": 60, "args": { "External id": 1 }
  },
  {
    "ph": "X", "cat": "gpu_user_annotation", "name": "step[DECODE bs=16]", "pid": 0, "tid": 7,
    "ts": 120.003, "dur": 15.122, "args": { "External id": 1 }
  },
  {
    "ph": "X", "cat": "python_function", "name": "model.py(10): forward", "pid": 10, "tid": 11,
    "ts": 98, "dur": 70, "args": { "Python parent id": null, "Python id": 1, "Ev Idx": 9 }
  },
  {
    "ph": "X", "cat": "overhead", "name": "Buffer Flush", "pid": -1, "tid": 0, "ts": 140, "dur": 3
  },
  {
    "ph": "i", "cat": "cpu_instant_event", "s": "t", "name": "[memory]", "pid": 10, "tid": 11,
    "ts": 101, "args": { "Total Reserved": 2048, "Total Allocated": 1024, "Bytes": 512, "Addr": 99, "Device Id": 0, "Device Type": 1 }
  },
  { "name": "process_name", "ph": "M", "ts": 98.0, "pid": 10, "tid": 0, "args": { "name": "python3" } },
  { "name": "thread_name", "ph": "M", "ts": 98.0, "pid": 10, "tid": 11, "args": { "name": "thread 11 (python3)" } },
  { "name": "process_labels", "ph": "M", "ts": 98.0, "pid": 0, "tid": 0, "args": { "labels": "GPU 0" } },
  {
    "ph": "X", "cat": "Trace", "ts": 90, "dur": 60,
    "pid": "Spans", "tid": "PyTorch Profiler", "name": "PyTorch Profiler (0)", "args": { "Op count": 0 }
  },
  { "name": "Record Window End", "ph": "i", "s": "g", "pid": "", "tid": "", "ts": 150 }
  ],
  "traceName": "/home/secret/trace.json",
  "displayTimeUnit": "ms",
  "baseTimeNanoseconds": 1751410836000000000
}
"#,
        expect![[r#"
            clock realtime
            device 0: "NVIDIA H100 80GB HBM3" cc 90 sms 132 memory 85018279936
            process 10: "python3" rank 3
            thread 11: "thread 11 (python3)"
            kernel 1751410836000120003+10000 "gemm<float>" stream 0/1/7 of 10 corr 77 ext 5 grid [4, 2, 1] block [128, 1, 1] shared 49152 regs 40 graph -/-
            memcpy 1751410836000131000+2500 HtoD pinned->device stream 0/1/7 of 10 bytes 4096 corr 78 ext -
            memset 1751410836000134000+1125 stream 0/1/7 of 10 bytes 64 corr 79
            api 1751410836000110001+6125 runtime "cudaLaunchKernel" thread 10/11 corr 77 ext 5
            overhead 1751410836000140000+3000 "Buffer Flush" no thread
            user_annotation 1751410836000099000+60000 "step[DECODE bs=16]" thread 10/11 ext 1
            gpu_user_annotation 1751410836000120003+15122 "step[DECODE bs=16]" stream 0/1/7 of 10 ext 1
            python_function 1751410836000098000+70000 "model.py(10): forward" thread 10/11 ext - types  dims 
            operator 1751410836000100500+40250 "aten::mm" thread 10/11 ext 5 types ["float","Scalar"] dims [[2,3],[]]
            counter 1751410836000101000 "allocator: allocated" [bytes] device 0 = 1024
            counter 1751410836000101000 "allocator: reserved" [bytes] device 0 = 2048
            property schemaVersion = 1
            property distributed.backend = nccl
            property distributed.rank = 3
            property distributed.world_size = 8
            property cupti_version = 22
            property displayTimeUnit = ms
            property baseTimeNanoseconds = 1751410836000000000
            property flow_events.ac2g = 2
            property recording.0.start_ns = 1751410836000090000
            property recording.0.duration_ns = 60000
            problem 1 × out_of_order: cpu_op rows
            problem 1 × unknown_phase: 1 × i ""
        "#]],
    );
}

#[test]
fn the_dialect_of_2021() {
    check(
        r#"
{ "schemaVersion": 1, "deviceProperties": [],
  "traceEvents": [
  {
    "ph": "X", "cat": "Operator", 
    "name": "aten::empty", "pid": 25738, "tid": "25738",
    "ts": 1623142623460111, "dur": 25,
    "args": {
      "Device": 25738, "External id": 2,
      "Trace name": "PyTorch Profiler", "Trace iteration": 0 ,
      "Input Dims": [[]], "Call stack": "/home/x/a.py(611): __init__;"
    }
  },
  {
    "ph": "X", "cat": "Runtime", "name": "cudaLaunchKernel", "pid": 25738, "tid": "25738",
    "ts": 1623142623529071, "dur": 8,
    "args": { "cbid": 211, "correlation": 34441, "external id": 544, "external ts": 1623142623529071 }
  },
  {
    "ph": "X", "cat": "Kernel", "name": "vectorized", "pid": 0, "tid": "stream 7",
    "ts": 1623142623529248, "dur": 0,
    "args": { "queued": 0, "device": 0, "context": 1, "stream": 7, "correlation": 34441, "external id": 544,
      "registers per thread": 38, "shared memory": 0, "grid": [50, 1, 1], "block": [256, 1, 1] }
  },
  {
    "ph": "X", "cat": "Memcpy", "name": "Memcpy HtoD (Pageable -> Device)", "pid": 0, "tid": "stream 7",
    "ts": 1623142623529300, "dur": 12,
    "args": { "device": 0, "context": 1, "stream": 7, "correlation": 34450, "external id": 545, "bytes": 19267584 }
  },
  { "ph": "i", "s": "t", "name": "[memory]", "pid": 25738, "tid": "25738", "ts": 1623142623460111, "args": { "Device Type": 0, "Device Id": -1, "Bytes": 4 } },
  { "ph": "s", "id": 1, "pid": 25738, "tid": "25738", "ts": 1623142623529071, "cat": "async", "name": "launch" }
]}"#,
        expect![[r#"
            clock realtime
            device 0: "" cc - sms - memory -
            process 25738: "" rank -
            kernel 1623142623529248000+0 "vectorized" stream 0/1/7 of 25738 corr 34441 ext 544 grid [50, 1, 1] block [256, 1, 1] shared 0 regs 38 graph -/-
            memcpy 1623142623529300000+12000 HtoD pageable->device stream 0/1/7 of 25738 bytes 19267584 corr 34450 ext 545
            api 1623142623529071000+8000 runtime "cudaLaunchKernel" thread 25738/25738 corr 34441 ext 544
            operator 1623142623460111000+25000 "aten::empty" thread 25738/25738 ext 2 types  dims [[]]
            property schemaVersion = 1
            property flow_events.async = 1
            problem 1 × unknown_phase: 1 × i ""
            problem 1 × missing_device_properties: device 0
        "#]],
    );
}

#[test]
fn numbers_inside_text_as_rocm_writes_them() {
    check(
        r#"{"traceEvents": [
{"ph": "X", "cat": "cuda_runtime", "name": "hipMemcpyAsync", "pid": 851, "tid": 851, "ts": "10.5", "dur": "2.25", "args": {"External id": "3", "correlation": "505120", "src": "0x7f18", "bytes": "9216", "kind": "1"}},
{"ph": "X", "cat": "gpu_memcpy", "name": "Memcpy HtoD (Host -> Device)", "pid": 2, "tid": 0, "ts": 20, "dur": 1, "args": {"External id": 3, "device": 2, "stream": "0", "correlation": "505120", "kind": "HtoD"}},
{"ph": "X", "cat": "gpu_memcpy", "name": "CopyDeviceToHost", "pid": 2, "tid": 0, "ts": 30, "dur": 1, "args": {"device": "2", "stream": "0", "correlation": 18446744073709551000, "bytes": "64"}},
{"ph": "X", "cat": "kernel", "name": "__amd_rocclr_copyBuffer", "pid": 2, "tid": 0, "ts": 40, "dur": 1, "args": {"device": 2, "stream": 0, "correlation": 7.0, "kind": "Dispatch Kernel", "grid": ["64", 1], "block": [256, 1, 1]}}
]}"#,
        expect![[r#"
            clock source_relative
            device 2: "" cc - sms - memory -
            process 851: "" rank -
            kernel 40000+1000 "__amd_rocclr_copyBuffer" stream 2/-/0 of 851 corr 7 ext - grid [64, 1, 1] block [256, 1, 1] shared - regs - graph -/-
            memcpy 20000+1000 HtoD unknown->device stream 2/-/0 of 851 bytes - corr 505120 ext 3
            memcpy 30000+1000 DtoH unknown->unknown stream 2/-/0 of 851 bytes 64 corr 4294967294 ext -
            api 10500+2250 runtime "hipMemcpyAsync" thread 851/851 corr 505120 ext 3
            problem 1 × missing_device_properties: device 2
            problem 1 × missing_bytes: at byte 235: Memcpy HtoD (Host -> Device)
            problem 1 × renumbered_correlation: 18446744073709551000 became 4294967294
        "#]],
    );
}

#[test]
fn waits_and_their_streams() {
    check(
        r#"{"traceEvents": [
{"ph": "X", "cat": "cuda_sync", "name": "Stream Wait Event", "pid": 0, "tid": 20, "ts": 10, "dur": 1, "args": {"cuda_sync_kind": "Stream Wait Event", "wait_on_stream": 7, "wait_on_cuda_event_record_corr_id": 20, "wait_on_cuda_event_id": 9, "stream": 20, "correlation": 24, "device": 0, "context": 1}},
{"ph": "X", "cat": "cuda_sync", "name": "Context Sync", "pid": 0, "tid": 0, "ts": 20, "dur": 1, "args": {"cuda_sync_kind": "Context Sync", "stream": 4294967295, "correlation": 25, "device": 0, "context": 1}},
{"ph": "X", "cat": "cuda_sync", "name": "Event Sync", "pid": 0, "tid": 0, "ts": 30, "dur": 1, "args": {"cuda_sync_kind": "Event Sync", "wait_on_cuda_event_id": 3, "stream": -1, "correlation": 26, "device": 0, "context": 1}},
{"ph": "X", "cat": "cuda_sync", "name": "Stream Sync", "pid": 0, "tid": 7, "ts": 40, "dur": 1, "args": {"stream": 7, "correlation": 27, "device": 0, "context": 1}}
]}"#,
        expect![[r#"
            clock source_relative
            device 0: "" cc - sms - memory -
            sync 10000+1000 stream_wait_event stream 0/1/20 of - event 9 corr 24
            sync 20000+1000 context_synchronize no stream event - corr 25
            sync 30000+1000 event_synchronize no stream event 3 corr 26
            sync 40000+1000 stream_synchronize stream 0/1/7 of - event - corr 27
            problem 1 × missing_device_properties: device 0
        "#]],
    );
}

#[test]
fn ranges_counters_and_names_of_plain_chrome_traces() {
    check(
        r#"[
{"name": "outer", "cat": "user_annotation", "ph": "B", "pid": "worker", "tid": "main", "ts": 10},
{"name": "inner", "cat": "user_annotation", "ph": "B", "pid": "worker", "tid": "main", "ts": 12.5},
{"ph": "E", "pid": "worker", "tid": "main", "ts": 15},
{"ph": "E", "pid": "worker", "tid": "main", "ts": 20.001},
{"name": "never closed", "cat": "cpu_op", "ph": "B", "pid": "worker", "tid": "main", "ts": 30},
{"ph": "E", "pid": "worker", "tid": "other", "ts": 31},
{"name": "foreign", "cat": "gpu_pm_counter", "ph": "B", "pid": 1, "tid": 1, "ts": 1},
{"ph": "E", "pid": 1, "tid": 1, "ts": 2},
{"name": "around", "cat": "cpu_op", "ph": "B", "pid": 1, "tid": 1, "ts": 100},
{"name": "refused", "cat": "cpu_op", "ph": "B", "pid": 1, "tid": 1, "ts": 110, "args": {"External id": "x"}},
{"ph": "E", "pid": 1, "tid": 1, "ts": 120},
{"ph": "E", "pid": 1, "tid": 1, "ts": 130},
{"name": "queue", "ph": "C", "pid": 1, "ts": 5, "args": {"waiting": 3, "running": "2.5"}},
{"name": "req", "cat": "request", "ph": "b", "id": 1, "pid": 1, "tid": 1, "ts": 1},
{"name": "anything", "ph": "X", "pid": 1, "tid": 1, "ts": 1, "dur": 1}
]"#,
        expect![[r#"
            clock source_relative
            process -9: "worker" rank -
            process 1: "" rank -
            thread -9: "main"
            thread -9: "other"
            user_annotation 10000+10001 "outer" thread -9/-9 ext -
            user_annotation 12500+2500 "inner" thread -9/-9 ext -
            operator 100000+30000 "around" thread 1/1 ext - types  dims 
            counter 5000 "queue: waiting" [] device - = 3
            counter 5000 "queue: running" [] device - = 2.5
            problem 2 × unknown_category: 1 × B "gpu_pm_counter", 1 × X ""
            problem 1 × unknown_phase: 1 × b "request"
            problem 1 × malformed_event: at byte 673: refused
            problem 1 × open_range: a begin without an end
            problem 1 × unopened_range: an end without a begin
        "#]],
    );
}

#[test]
fn foreign_categories_are_counted_by_name() {
    check(
        r#"{"traceEvents": [
{"ph": "X", "cat": "mtia_ccp_events", "name": "a", "pid": 0, "tid": 1, "ts": 1, "dur": 1},
{"ph": "X", "cat": "mtia_ccp_events", "name": "b", "pid": 0, "tid": 1, "ts": 2, "dur": 1},
{"ph": "X", "cat": "cuda_profiler_range", "name": "k", "pid": 0, "tid": 1, "ts": 1, "dur": 1, "args": {"smsp__inst.sum": 7}},
{"ph": "s", "cat": "async_cpu_to_gpu", "id": 1, "pid": 0, "tid": 1, "ts": 1},
{"ph": "f", "cat": "async_cpu_to_gpu", "id": 1, "pid": 0, "tid": 1, "ts": 1},
{"ph": "f", "cat": "fwdbwd", "id": 1, "pid": 0, "tid": 1, "ts": 1}
]}"#,
        expect![[r#"
            clock source_relative
            property flow_events.async_cpu_to_gpu = 2
            property flow_events.fwdbwd = 1
            problem 3 × unknown_category: 1 × X "cuda_profiler_range", 2 × X "mtia_ccp_events"
        "#]],
    );
}

#[test]
fn work_of_several_processes_goes_to_the_one_that_launched_it() {
    check(
        r#"{"traceEvents": [
{"ph": "X", "cat": "cuda_runtime", "name": "launch", "pid": 1, "tid": 1, "ts": 1, "dur": 1, "args": {"correlation": 5}},
{"ph": "X", "cat": "cuda_runtime", "name": "launch", "pid": 1, "tid": 1, "ts": 2, "dur": 1, "args": {"correlation": 6}},
{"ph": "X", "cat": "cuda_runtime", "name": "launch", "pid": 2, "tid": 2, "ts": 1, "dur": 1, "args": {"correlation": 9}},
{"ph": "X", "cat": "kernel", "name": "a", "pid": 0, "tid": 7, "ts": 5, "dur": 1, "args": {"device": 0, "stream": 7, "correlation": 5}},
{"ph": "X", "cat": "kernel", "name": "b", "pid": 1, "tid": 7, "ts": 5, "dur": 1, "args": {"device": 1, "stream": 7, "correlation": 9}},
{"ph": "X", "cat": "kernel", "name": "c", "pid": 1, "tid": 7, "ts": 6, "dur": 1, "args": {"device": 1, "stream": 7, "correlation": 1}}
]}"#,
        expect![[r#"
            clock source_relative
            device 0: "" cc - sms - memory -
            device 1: "" cc - sms - memory -
            process 1: "" rank -
            process 2: "" rank -
            kernel 5000+1000 "a" stream 0/-/7 of 1 corr 5 ext - grid [0, 0, 0] block [0, 0, 0] shared - regs - graph -/-
            kernel 5000+1000 "b" stream 1/-/7 of 2 corr 9 ext - grid [0, 0, 0] block [0, 0, 0] shared - regs - graph -/-
            kernel 6000+1000 "c" stream 1/-/7 of 1 corr 1 ext - grid [0, 0, 0] block [0, 0, 0] shared - regs - graph -/-
            api 1000+1000 runtime "launch" thread 1/1 corr 5 ext -
            api 1000+1000 runtime "launch" thread 2/2 corr 9 ext -
            api 2000+1000 runtime "launch" thread 1/1 corr 6 ext -
            problem 1 × out_of_order: api_call rows
            problem 2 × missing_device_properties: device 0
        "#]],
    );
}

#[test]
fn graph_work_names_its_graph() {
    check(
        r#"{"traceEvents": [
{"ph": "X", "cat": "kernel", "name": "a", "pid": 0, "tid": 7, "ts": 5, "dur": 1, "args": {"device": 0, "context": 1, "stream": 7, "correlation": 5, "graph id": 12, "graph node id": 51539607553}}
]}"#,
        expect![[r#"
            clock source_relative
            device 0: "" cc - sms - memory -
            kernel 5000+1000 "a" stream 0/1/7 of - corr 5 ext - grid [0, 0, 0] block [0, 0, 0] shared - regs - graph 12/51539607553
            problem 1 × missing_device_properties: device 0
        "#]],
    );
}

#[test]
fn names_in_any_spelling_are_one_name() {
    check(
        r#"{"traceEvents": [
{"ph": "X", "cat": "cpu_op", "name": "caf\u00e9 \"x\"", "pid": 1, "tid": 1, "ts": 1, "dur": 1},
{"ph": "X", "cat": "gpu_memcpy", "name": "Memcpy HtoD (Pinned -\u003e Device)", "pid": 0, "tid": 7, "ts": 1, "dur": 1},
{"\u0070h": "X", "cat": "cpu\u005fop", "name": "café \"x\"", "pid": 1, "tid": 1, "ts": 2, "dur": 1},
{"ph": "X", "cat": "cpu_op", "name": "C:\Users\n", "pid": 1, "tid": 1, "ts": 3, "dur": 1},
{"ph": "X", "cat": "cpu_op", "name": "half \ud800 pair", "pid": 1, "tid": 1, "ts": 4, "dur": 1},
{"ph": "X", "cat": "cpu_op", "name": null, "pid": 1, "tid": 1, "ts": 5, "dur": 1, "args": null}
]}"#,
        expect![[r#"
            clock source_relative
            device 0: "" cc - sms - memory -
            process 1: "" rank -
            memcpy 1000+1000 HtoD pinned->device stream 0/-/7 of 1 bytes - corr - ext -
            operator 1000+1000 "café \"x\"" thread 1/1 ext - types  dims 
            operator 2000+1000 "café \"x\"" thread 1/1 ext - types  dims 
            operator 3000+1000 "C:\\Users\n" thread 1/1 ext - types  dims 
            operator 4000+1000 "half � pair" thread 1/1 ext - types  dims 
            operator 5000+1000 "" thread 1/1 ext - types  dims 
            problem 1 × missing_device_properties: device 0
            problem 1 × missing_bytes: at byte 114: Memcpy HtoD (Pinned -\u003e Device)
            problem 1 × invalid_utf8: half \ud800 pair
            problem 1 × invalid_escape: C:\Users\n
        "#]],
    );
}
