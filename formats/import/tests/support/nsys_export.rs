//! Small Nsight Systems exports, written by the tests in the schemas of several versions.
#![allow(dead_code, reason = "each test file uses its part")]

use std::path::{Path, PathBuf};

use rusqlite::Connection;

/// Global id of process `pid` on the machine the old and new exporters number 1.
pub(crate) fn global_pid(pid: i64) -> i64 {
    (1 << 48) | (pid << 24)
}

/// Global id of thread `tid` of process `pid`.
pub(crate) fn global_tid(pid: i64, tid: i64) -> i64 {
    global_pid(pid) | tid
}

/// Tables as a recent exporter makes them, as far as they are read.
pub(crate) const RECENT: &str = "
    CREATE TABLE StringIds (id INTEGER NOT NULL PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE META_DATA_EXPORT (name TEXT NOT NULL, value TEXT);
    CREATE TABLE PROCESSES (globalPid INTEGER, pid INTEGER, name TEXT);
    CREATE TABLE ThreadNames (nameId INTEGER NOT NULL, priority INTEGER, globalTid INTEGER);
    CREATE TABLE TARGET_INFO_SESSION_START_TIME (utcEpochNs INTEGER, utcTime TEXT);
    CREATE TABLE TARGET_INFO_CUDA_DEVICE (gpuId INTEGER NOT NULL, cudaId INTEGER NOT NULL,
        pid INTEGER NOT NULL, uuid TEXT, numMultiprocessors INTEGER NOT NULL);
    CREATE TABLE TARGET_INFO_GPU (vmId INTEGER, id INTEGER NOT NULL, name TEXT, smCount INTEGER,
        totalMemory INTEGER, uuid TEXT, cuDevice INTEGER, computeMajor INTEGER,
        computeMinor INTEGER);
    CREATE TABLE CUPTI_ACTIVITY_KIND_RUNTIME (start INTEGER NOT NULL, end INTEGER NOT NULL,
        eventClass INTEGER NOT NULL, globalTid INTEGER, correlationId INTEGER,
        nameId INTEGER NOT NULL, returnValue INTEGER NOT NULL, callchainId INTEGER);
    CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (start INTEGER, end INTEGER, deviceId INTEGER,
        contextId INTEGER, greenContextId INTEGER, streamId INTEGER, correlationId INTEGER,
        globalPid INTEGER, demangledName INTEGER, shortName INTEGER, mangledName INTEGER,
        registersPerThread INTEGER, gridX INTEGER, gridY INTEGER, gridZ INTEGER, blockX INTEGER,
        blockY INTEGER, blockZ INTEGER, staticSharedMemory INTEGER, dynamicSharedMemory INTEGER,
        graphNodeId INTEGER, graphId INTEGER);
    CREATE TABLE CUPTI_ACTIVITY_KIND_MEMCPY (start INTEGER, end INTEGER, deviceId INTEGER,
        contextId INTEGER, streamId INTEGER, correlationId INTEGER, globalPid INTEGER,
        bytes INTEGER, copyKind INTEGER, srcKind INTEGER, dstKind INTEGER, graphNodeId INTEGER);
    CREATE TABLE CUPTI_ACTIVITY_KIND_MEMSET (start INTEGER, end INTEGER, deviceId INTEGER,
        contextId INTEGER, streamId INTEGER, correlationId INTEGER, globalPid INTEGER,
        value INTEGER, bytes INTEGER, graphNodeId INTEGER, memKind INTEGER);
    CREATE TABLE CUPTI_ACTIVITY_KIND_SYNCHRONIZATION (start INTEGER, end INTEGER,
        deviceId INTEGER, contextId INTEGER, streamId INTEGER, correlationId INTEGER,
        globalPid INTEGER, syncType INTEGER, eventId INTEGER);
    CREATE TABLE CUPTI_ACTIVITY_KIND_GRAPH_TRACE (start INTEGER, end INTEGER, deviceId INTEGER,
        contextId INTEGER, streamId INTEGER, correlationId INTEGER, globalPid INTEGER,
        graphId INTEGER, graphExecId INTEGER);
    CREATE TABLE NVTX_EVENTS (start INTEGER NOT NULL, end INTEGER, eventType INTEGER NOT NULL,
        text TEXT, globalTid INTEGER, textId INTEGER, domainId INTEGER);
    CREATE TABLE GPU_METRICS (timestamp INTEGER, typeId INTEGER NOT NULL,
        metricId INTEGER NOT NULL, value INTEGER NOT NULL);
    CREATE TABLE TARGET_INFO_GPU_METRICS (typeId INTEGER NOT NULL, sourceId INTEGER NOT NULL,
        typeName TEXT NOT NULL, metricId INTEGER NOT NULL, metricName TEXT NOT NULL);
    CREATE TABLE PROFILER_OVERHEAD (start INTEGER NOT NULL, end INTEGER NOT NULL,
        globalTid INTEGER, nameId INTEGER, overheadType INTEGER);
    INSERT INTO StringIds VALUES (1, 'gemm'), (2, 'softmax'), (3, 'cudaLaunchKernel_v7000'),
        (4, 'cuLaunchKernel'), (5, 'python3'), (6, 'worker'), (7, 'step'), (8, 'CUPTI flush');
    INSERT INTO META_DATA_EXPORT VALUES ('EXPORT_SCHEMA_VERSION', '3.24.14'),
        ('EXPORT_PRODUCT_VERSION', '2026.1.1.204'), ('EXPORT_HOST_COMPUTER', 'secret-host');";

/// Tables of an exporter of 2021: no export facts, no mangled names, no processes.
pub(crate) const OLD: &str = "
    CREATE TABLE StringIds (id INTEGER NOT NULL PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE TARGET_INFO_GPU (vmId INTEGER, deviceId INTEGER, name TEXT, busLocation TEXT,
        isDiscrete INTEGER);
    CREATE TABLE CUPTI_ACTIVITY_KIND_RUNTIME (start INTEGER NOT NULL, end INTEGER NOT NULL,
        eventClass INTEGER NOT NULL, globalTid INTEGER, correlationId INTEGER,
        nameId INTEGER NOT NULL, returnValue INTEGER NOT NULL, callchainId INTEGER);
    CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (start INTEGER NOT NULL, end INTEGER NOT NULL,
        deviceId INTEGER NOT NULL, streamId INTEGER NOT NULL, correlationId INTEGER,
        demangledName INTEGER NOT NULL, shortName INTEGER NOT NULL,
        gridX INTEGER NOT NULL, gridY INTEGER NOT NULL, gridZ INTEGER NOT NULL,
        blockX INTEGER NOT NULL, blockY INTEGER NOT NULL, blockZ INTEGER NOT NULL);
    INSERT INTO StringIds VALUES (1, 'gemm'), (2, 'softmax'), (3, 'cudaLaunchKernel_v7000');";

/// Writes an export: a schema, then statements that fill it.
pub(crate) fn export(folder: &Path, schema: &str, statements: &str) -> PathBuf {
    let path = folder.join("export.sqlite");
    let _ = std::fs::remove_file(&path);
    let database = Connection::open(&path).expect("a database can be made");
    // A test's file need not outlive a crash of the machine.
    database.execute_batch("PRAGMA synchronous = OFF;").expect("a pragma");
    database.execute_batch(schema).expect("the schema is SQL");
    let statements = format!("BEGIN; {statements} COMMIT;");
    database.execute_batch(&statements).expect("the statements are SQL");
    path
}

/// A kernel of [`RECENT`]: `(start, end, correlation id)` on stream 7 of device 0.
pub(crate) fn kernel(pid: i64, start: i64, end: i64, correlation: i64) -> String {
    let process = global_pid(pid);
    format!(
        "INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES ({start}, {end}, 0, 1, NULL, 7,
         {correlation}, {process}, 1, 1, 1, 32, 8, 1, 1, 128, 1, 1, 0, 4096, NULL, NULL);"
    )
}

/// A runtime call of [`RECENT`] or [`OLD`].
pub(crate) fn call(pid: i64, start: i64, end: i64, correlation: i64) -> String {
    let thread = global_tid(pid, pid + 1);
    format!(
        "INSERT INTO CUPTI_ACTIVITY_KIND_RUNTIME VALUES ({start}, {end}, 0, {thread},
         {correlation}, 3, 0, NULL);"
    )
}
