//! Rows per second of the Nsight Systems import, beside what SQLite itself needs to step through
//! the same rows and columns.
//!
//! The export is made here: 400,000 kernels with the 38 columns of schema 3.24, as many API calls,
//! 200,000 NVTX ranges.

use std::path::PathBuf;
use std::sync::OnceLock;

use divan::Bencher;
use divan::counter::ItemsCount;
use rusqlite::Connection;
use underspan_import::{ImportOptions, NoProgress, import_path};

const KERNELS: i64 = 400_000;
const RANGES: i64 = 200_000;
const ROWS: i64 = 2 * KERNELS + RANGES;

fn main() {
    divan::main();
}

#[divan::bench(sample_count = 10)]
fn import(bencher: Bencher<'_, '_>) {
    let path = export();
    bencher.counter(ItemsCount::new(ROWS as u64)).bench(|| {
        import_path(path, &ImportOptions::default(), &NoProgress).expect("the export imports")
    });
}

#[divan::bench(sample_count = 10)]
fn sqlite_steps_alone(bencher: Bencher<'_, '_>) {
    let path = export();
    bencher.counter(ItemsCount::new(ROWS as u64)).bench(|| {
        let database = Connection::open(path).expect("SQLite opens it");
        [
            "SELECT start, end, deviceId, contextId, streamId, globalPid, correlationId,
             demangledName, gridX, gridY, gridZ, blockX, blockY, blockZ, staticSharedMemory,
             dynamicSharedMemory, registersPerThread, graphId, graphNodeId
             FROM CUPTI_ACTIVITY_KIND_KERNEL",
            "SELECT start, end, globalTid, correlationId, nameId, eventClass, returnValue
             FROM CUPTI_ACTIVITY_KIND_RUNTIME",
            "SELECT start, end, eventType, text, textId, globalTid, domainId FROM NVTX_EVENTS",
        ]
        .iter()
        .map(|sql| {
            let mut statement = database.prepare(sql).expect("the table is there");
            let mut rows = statement.query([]).expect("it can be asked");
            let mut count = 0u64;
            while rows.next().expect("it can be read").is_some() {
                count += 1;
            }
            count
        })
        .sum::<u64>()
    });
}

fn export() -> &'static PathBuf {
    static EXPORT: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = EXPORT.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("bench.sqlite");
        fill(&path).expect("the export can be made");
        (folder, path)
    });
    path
}

fn fill(path: &PathBuf) -> rusqlite::Result<()> {
    let mut database = Connection::open(path)?;
    database.execute_batch(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
         CREATE TABLE StringIds (id INTEGER NOT NULL PRIMARY KEY, value TEXT NOT NULL);
         CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (start INTEGER NOT NULL, end INTEGER NOT NULL,
          deviceId INTEGER NOT NULL, contextId INTEGER NOT NULL, greenContextId INTEGER,
          streamId INTEGER NOT NULL, correlationId INTEGER, globalPid INTEGER,
          demangledName INTEGER NOT NULL, shortName INTEGER NOT NULL, mangledName INTEGER,
          launchType INTEGER, cacheConfig INTEGER, registersPerThread INTEGER NOT NULL,
          gridX INTEGER NOT NULL, gridY INTEGER NOT NULL, gridZ INTEGER NOT NULL,
          blockX INTEGER NOT NULL, blockY INTEGER NOT NULL, blockZ INTEGER NOT NULL,
          staticSharedMemory INTEGER NOT NULL, dynamicSharedMemory INTEGER NOT NULL,
          localMemoryPerThread INTEGER NOT NULL, localMemoryTotal INTEGER NOT NULL,
          gridId INTEGER NOT NULL, sharedMemoryExecuted INTEGER, graphNodeId INTEGER,
          sharedMemoryLimitConfig INTEGER, qmdBulkReleaseDone INTEGER, qmdPreexitDone INTEGER,
          qmdLastCtaDone INTEGER, graphId INTEGER, clusterX INTEGER, clusterY INTEGER,
          clusterZ INTEGER, clusterSchedulingPolicy INTEGER, maxPotentialClusterSize INTEGER,
          maxActiveClusters INTEGER);
         CREATE TABLE CUPTI_ACTIVITY_KIND_RUNTIME (start INTEGER NOT NULL, end INTEGER NOT NULL,
          eventClass INTEGER NOT NULL, globalTid INTEGER, correlationId INTEGER,
          nameId INTEGER NOT NULL, returnValue INTEGER NOT NULL, callchainId INTEGER);
         CREATE TABLE NVTX_EVENTS (start INTEGER NOT NULL, end INTEGER, eventType INTEGER NOT NULL,
          rangeId INTEGER, category INTEGER, color INTEGER, text TEXT, globalTid INTEGER,
          endGlobalTid INTEGER, textId INTEGER, domainId INTEGER);",
    )?;
    let transaction = database.transaction()?;
    let process = (1i64 << 56) | (1 << 48) | (4242 << 24);
    {
        let mut name = transaction.prepare("INSERT INTO StringIds VALUES (?1, ?2)")?;
        for id in 0..300 {
            name.execute((id, format!("void kernel_{id}<float, (int)128>(float *, int)")))?;
        }
        let mut kernel = transaction.prepare(
            "INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (?1, ?2, 0, 1, NULL, ?3, ?4, ?5, ?6, ?6,
             ?6, 1, 1, ?7, ?8, 1, 1, 128, 1, 1, 0, ?9, 0, 250871808, ?4, 32768, NULL, 0, NULL, NULL,
             NULL, NULL, 0, 0, 0, 1, 0, 0)",
        )?;
        let mut call = transaction.prepare(
            "INSERT INTO CUPTI_ACTIVITY_KIND_RUNTIME VALUES (?1, ?2, 0, ?3, ?4, ?5, 0, NULL)",
        )?;
        for at in 0..KERNELS {
            let start = 60_000_000_000 + at * 7_000;
            let name = at * 7_919 % 300;
            let sizes = (32 + name % 64, 1 + name * 13, name * 64);
            kernel.execute((
                start,
                start + 5_000 + name,
                7 + at % 3,
                1_000 + at,
                process,
                name,
                sizes.0,
                sizes.1,
                sizes.2,
            ))?;
            call.execute((start - 20_000, start - 15_000, process | 4242, 1_000 + at, name % 5))?;
        }
        let mut range = transaction.prepare(
            "INSERT INTO NVTX_EVENTS VALUES (?1, ?2, 59, NULL, NULL, NULL, ?3, ?4, NULL, NULL, 0)",
        )?;
        for at in 0..RANGES {
            let start = 60_000_000_000 + at * 14_000;
            range.execute((
                start,
                start + 9_000,
                format!("aten::op, op_id = {at}"),
                process | 4242,
            ))?;
        }
    }
    transaction.commit()
}
