//! What the reader costs: calibration, decoding, and the library's two callbacks.
//!
//! Decoding is measured on 4 MiB buffers of kernel records from three layouts, and of a mixed
//! stream; the callbacks on the double, with everything that the double does in between.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use cupti_sys::record::kernel;
use cupti_sys::{ActivityKind, CUDA_11_8, CUDA_12_9, CUDA_13_5, Toolkit, record_of};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use fake_cupti::{CannedRecord, FakeCupti, Profile, Release};
use underspan_cupti::{
    Api, Backend, BufferGrant, BufferSink, CompletedBuffer, DecodeLedger, Flush, Layouts, Library,
    Origin, Records, Settings, Strides, V1,
};

const BUFFER_BYTES: usize = 4 << 20;
const KERNEL: ActivityKind = ActivityKind::CONCURRENT_KERNEL;

fn main() {
    divan::main();
}

/// Strides of a release, from the ledger.
fn strides(toolkit: Toolkit) -> Strides {
    let profile = Profile::of(toolkit).expect("a compared release");
    Strides::from_pairs((0..64).map(ActivityKind).filter_map(|kind| {
        record_of(kind)?;
        Some((kind, profile.stride(kind)?))
    }))
}

/// One full buffer, its kinds taken in turn.
fn buffer(strides: &Strides, kinds: &[ActivityKind]) -> (Vec<u8>, u64) {
    let mut bytes = Vec::with_capacity(BUFFER_BYTES);
    let mut n = 0;
    for kind in kinds.iter().cycle() {
        let stride = usize::from(strides.of(*kind).expect("the release has the kind"));
        if bytes.len() + stride > BUFFER_BYTES {
            break;
        }
        let record = CannedRecord::filled(*kind, n)
            .with(&kernel::START, 1_000 * n)
            .with(&kernel::END, 1_000 * n + 700);
        bytes.extend_from_slice(&record.bytes()[..stride]);
        n += 1;
    }
    (bytes, n)
}

fn decode(bencher: Bencher<'_, '_>, toolkit: Toolkit, kinds: &[ActivityKind]) {
    let strides = strides(toolkit);
    let layouts = Layouts::predefined(&strides);
    let (bytes, n) = buffer(&strides, kinds);
    bencher.counter(ItemsCount::new(n)).counter(BytesCount::of_slice(&bytes)).bench(|| {
        let mut ledger = DecodeLedger::default();
        for record in Records::new(&layouts, black_box(&bytes), &mut ledger) {
            black_box(&record);
        }
        ledger
    });
}

#[divan::bench]
fn decode_kernels_11_8(bencher: Bencher<'_, '_>) {
    decode(bencher, CUDA_11_8, &[KERNEL]);
}

#[divan::bench]
fn decode_kernels_12_9(bencher: Bencher<'_, '_>) {
    decode(bencher, CUDA_12_9, &[KERNEL]);
}

#[divan::bench]
fn decode_kernels_13_5(bencher: Bencher<'_, '_>) {
    decode(bencher, CUDA_13_5, &[KERNEL]);
}

#[divan::bench]
fn decode_mixed_12_9(bencher: Bencher<'_, '_>) {
    let kinds = [
        KERNEL,
        KERNEL,
        KERNEL,
        ActivityKind::RUNTIME,
        ActivityKind::RUNTIME,
        ActivityKind::MEMCPY,
        ActivityKind::SYNCHRONIZATION,
        ActivityKind::GRAPH_TRACE,
    ];
    decode(bencher, CUDA_12_9, &kinds);
}

#[expect(unsafe_code, reason = "loads the double")]
fn double(toolkit: Toolkit) -> (&'static Api, FakeCupti) {
    let dir = tempfile::TempDir::new().expect("a folder");
    let profile = Profile::of(toolkit).expect("a compared release");
    let path = Release(profile).write(dir.path()).expect("a library");
    // SAFETY: the double; its initializers do nothing.
    let library = unsafe { Library::open(&path, Origin::Environment) }.expect("it loads");
    // SAFETY: the double's own functions; the library is never unloaded.
    let gpu = unsafe { FakeCupti::resolve(|name| library.symbol(name)) }.expect("a double");
    // SAFETY: the double has the interface of libcupti.
    let api = unsafe { Api::new(library) };
    (Box::leak(Box::new(api)), gpu)
}

#[divan::bench]
fn calibrate_12_9(bencher: Bencher<'_, '_>) {
    let (api, _gpu) = double(CUDA_12_9);
    bencher.bench(|| Strides::calibrate(black_box(api)).expect("the double answers"));
}

/// One buffer, handed out again as soon as it is back.
#[derive(Debug)]
struct OneBuffer;

static ADDRESS: AtomicUsize = AtomicUsize::new(0);

impl BufferSink for OneBuffer {
    #[expect(unsafe_code, reason = "grants memory to a C library")]
    fn requested() -> Option<BufferGrant> {
        let address = NonNull::new(ADDRESS.load(Ordering::Relaxed) as *mut u8)?;
        // SAFETY: leaked memory, which the single-threaded bench hands out once at a time.
        unsafe { BufferGrant::new(address, BUFFER_BYTES) }
    }

    fn completed(buffer: CompletedBuffer) {
        black_box(&buffer);
    }
}

/// How fast the double can produce: the ceiling of every test that has it drive a collector.
#[divan::bench]
fn double_emits_12_9(bencher: Bencher<'_, '_>) {
    const N: u64 = 100_000;
    let memory = Box::leak(vec![0_u64; BUFFER_BYTES / 8].into_boxed_slice());
    ADDRESS.store(memory.as_mut_ptr() as usize, Ordering::Relaxed);
    let (api, gpu) = double(CUDA_12_9);
    gpu.script("deliver inline");
    let backend = V1::new::<OneBuffer>(api, &Strides::calibrate(api).expect("it answers"));
    backend.register().expect("register");
    backend.enable(KERNEL, false).expect("enable");
    let record = CannedRecord::filled(KERNEL, 1).with(&kernel::GRAPH_ID, 0);
    bencher.counter(ItemsCount::new(N)).bench(|| gpu.emit_many(&record, N, 1_000));
}

/// A request and a completion through the whole path of the double, with one record between.
#[divan::bench]
fn callbacks_round_trip(bencher: Bencher<'_, '_>) {
    let memory = Box::leak(vec![0_u64; BUFFER_BYTES / 8].into_boxed_slice());
    ADDRESS.store(memory.as_mut_ptr() as usize, Ordering::Relaxed);
    let (api, gpu) = double(CUDA_12_9);
    gpu.script("deliver flush");
    let backend = V1::new::<OneBuffer>(api, &Strides::calibrate(api).expect("it answers"));
    backend.configure(&Settings { zeroed_buffers: false, ..Settings::default() });
    backend.register().expect("register");
    backend.enable(KERNEL, false).expect("enable");
    let record = CannedRecord::filled(KERNEL, 1).with(&kernel::GRAPH_ID, 0);
    bencher.bench(|| {
        gpu.emit(&record);
        backend.flush(Flush::Complete)
    });
}
