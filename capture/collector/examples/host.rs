//! A process with a GPU double, for tests: it loads the collector as the CUDA driver would, and
//! does what its arguments say.
//!
//! `host COLLECTOR ACTION…`, with `UNDERSPAN_CUPTI` naming the double.
#![expect(unsafe_code, reason = "loads libraries and calls C functions")]
#![expect(clippy::print_stdout, reason = "tells the test how far it is")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io::BufRead;
use std::mem::transmute;
use std::path::Path;

use cupti_sys::record::{api, graph_trace, kernel, memcpy};
use cupti_sys::{ActivityKind, GraphData, ResourceCallback, RuntimeCbid};
use fake_cupti::{CannedRecord, Counter, FakeCupti};
use underspan_cupti::{Library, Origin};

const KERNEL: ActivityKind = ActivityKind::CONCURRENT_KERNEL;
const START_NS: u64 = 1_700_000_000_000_000_000;

struct Host {
    gpu: Option<FakeCupti>,
    collector: Library,
    name: u64,
    module: u32,
    next: u64,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().expect("the collector's path");
    let gpu = std::env::var_os("UNDERSPAN_CUPTI").and_then(|path| {
        // SAFETY: the double; its initializers do nothing.
        let library = unsafe { Library::open(Path::new(&path), Origin::Environment) }.ok()?;
        // SAFETY: the double's own functions; it is never unloaded.
        unsafe { FakeCupti::resolve(|name| library.symbol(name)) }
    });
    // SAFETY: the collector, loaded as the driver loads it.
    let collector =
        unsafe { Library::open(Path::new(&path), Origin::Environment) }.expect("the collector");
    let (module, name) =
        gpu.map_or((0, 0), |gpu| gpu.load_module("void gemm<128, 64>(float const*, float*)"));
    let mut host = Host { gpu, collector, name, module, next: 0 };
    for action in arguments {
        host.act(&action);
    }
    host.report();
}

impl Host {
    fn act(&mut self, action: &str) {
        let (verb, value) = action.split_once('=').unwrap_or((action, "1"));
        let numbers: Vec<u64> = value.split(',').filter_map(|n| n.parse().ok()).collect();
        let n = numbers.first().copied().unwrap_or(1);
        match verb {
            "init" => {
                let init: extern "C" fn() -> c_int = self.function(c"InitializeInjection");
                println!("init {}", init());
            }
            "kernels" => self.kernels(n),
            // So many kernels, so many times, with a line after each.
            "batches" => {
                for batch in 0..numbers.get(1).copied().unwrap_or(1) {
                    self.kernels(n);
                    println!("batch {batch}");
                }
            }
            "threads" => {
                let each = numbers.get(1).copied().unwrap_or(1);
                let (gpu, name, first) = (self.gpu(), self.name, self.next);
                std::thread::scope(|scope| {
                    for thread in 0..n {
                        let record = kernel_record(name, first + thread * each);
                        scope.spawn(move || gpu.emit_many(&record, each, 1000));
                    }
                });
                self.next += n * each;
            }
            "graphs" => {
                let record = CannedRecord::filled(ActivityKind::GRAPH_TRACE, 1)
                    .with(&graph_trace::START, START_NS)
                    .with(&graph_trace::END, START_NS + 500)
                    .with(&graph_trace::GRAPH_ID, 4);
                self.gpu().emit_many(&record, n, 1000);
            }
            "copies" => {
                let record = CannedRecord::new(ActivityKind::MEMCPY)
                    .with(&memcpy::START, START_NS)
                    .with(&memcpy::END, START_NS + 300)
                    .with(&memcpy::BYTES, 4096)
                    .with(&memcpy::COPY_KIND, 1);
                self.gpu().emit_many(&record, n, 1000);
            }
            "calls" => {
                let record = CannedRecord::new(ActivityKind::RUNTIME)
                    .with(&api::START, START_NS)
                    .with(&api::END, START_NS + 200)
                    .with(&api::CBID, u64::from(RuntimeCbid::cudaLaunchKernel_v7000.0))
                    .with(&api::THREAD_ID, 77);
                self.gpu().emit_many(&record, n, 1000);
            }
            "unknown" => {
                let record = CannedRecord::new(ActivityKind(n as u32));
                self.gpu().emit(&record);
            }
            "running" => {
                let record = kernel_record(self.name, self.next).with(&kernel::END, 0);
                self.next += 1;
                self.gpu().begin(&record).expect("a buffer");
            }
            "module" => {
                self.gpu().unload_module(self.module);
                (self.module, self.name) = self.gpu().load_module(value);
            }
            "script" => self.gpu().script(&value.replace(';', "\n")),
            // As a program does that brings a libcupti of its own.
            "load" => {
                // SAFETY: the double; its initializers do nothing.
                let library = unsafe { Library::open(Path::new(value), Origin::LoaderPath) };
                println!("load {}", library.is_ok());
            }
            "takeover" => self.gpu().takeover(),
            "takeover-end" => self.gpu().takeover_end(),
            "calls-of" => println!("calls {}", self.gpu().n_calls(value)),
            "wait" => {
                println!("waiting");
                let mut line = String::new();
                std::io::stdin().lock().read_line(&mut line).expect("a line");
            }
            "fork" => self.fork(n),
            "nvtx" => self.nvtx(),
            "steps" => self.steps(n),
            // So many nodes, so many replays of them.
            "graph" => self.graph(n, numbers.get(1).copied().unwrap_or(1)),
            "unknown-graph" => self.replay(&[STRANGER]),
            "limit" => {
                let limit = libc::rlimit { rlim_cur: n, rlim_max: n };
                // SAFETY: a filled-in structure.
                assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) }, 0);
            }
            "exit" => {
                self.report();
                std::process::exit(n as i32);
            }
            "quit" => {
                self.report();
                // SAFETY: ends the process without its exit handlers.
                unsafe { libc::_exit(n as i32) };
            }
            other => panic!("no action {other:?}"),
        }
    }

    fn gpu(&self) -> FakeCupti {
        self.gpu.expect("a double")
    }

    fn kernels(&mut self, n: u64) {
        self.gpu().emit_many(&kernel_record(self.name, self.next), n, 1000);
        self.next += n;
    }

    fn report(&self) {
        let Some(gpu) = self.gpu else { return };
        for (name, counter) in [
            ("produced", Counter::Produced),
            ("dropped", Counter::Dropped),
            ("stolen", Counter::Stolen),
            ("suppressed", Counter::Suppressed),
            ("violations", Counter::Violations),
        ] {
            println!("{name} {}", gpu.count(counter));
        }
        if let Some(violation) = gpu.violations() {
            println!("violation {violation}");
        }
    }

    fn fork(&mut self, n: u64) {
        // SAFETY: the child only uses the double and ends.
        let child = unsafe { libc::fork() };
        if child == 0 {
            self.kernels(n);
            std::process::exit(0);
        }
        let mut status = 0;
        // SAFETY: writable room.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        println!("child {status}");
    }

    /// A function of the collector.
    fn function<F: Copy>(&self, name: &CStr) -> F {
        let address = self.collector.symbol(name);
        assert!(!address.is_null(), "{name:?} is exported");
        assert_eq!(size_of::<F>(), size_of::<*const c_void>());
        // SAFETY: the caller names the type that the collector's header gives the function.
        unsafe { std::mem::transmute_copy(&address) }
    }

    fn steps(&self, n: u64) {
        let begin: extern "C" fn(u64, u32, u32) -> c_int = self.function(c"underspan_step_begin");
        let members: extern "C" fn(*const u8, usize) -> c_int = self.function(c"underspan_members");
        let end: extern "C" fn(u64) -> c_int = self.function(c"underspan_step_end");
        let note: extern "C" fn(*const u8, usize) -> c_int = self.function(c"underspan_note");
        let text = b"{\"event\":\"process\"}";
        println!("note {}", note(text.as_ptr(), text.len()));
        // One request that computes a prompt of 8 tokens and then one token a step.
        let keyframe: &[u8] =
            &[1, 1, 0, 1, 8, 1, 8, 8, b'r', b'e', b'q', b'-', b'a', 3, 4, 1, 1, 8, 0];
        let decode: &[u8] = &[1, 0, 0, 5, 3, 1, 0, 1];
        for step in 0..n {
            let answer = begin(step, 1, 0);
            let delta = match step {
                0 => keyframe,
                1 => decode,
                _ => &[1, 0, 0],
            };
            println!("step {answer} {}", members(delta.as_ptr(), delta.len()));
            end(step);
        }
    }

    /// Captures nodes, each below an annotation of its own if there are any, makes the graph
    /// executable and replays it.
    fn graph(&mut self, n_nodes: u64, n_replays: u64) {
        let data = |node, original_node| GraphData {
            graph: number(1),
            original_graph: number(0),
            node: number(node),
            original_node: number(original_node),
            node_type: 0,
            dependency: number(0),
            graph_exec: number(0),
        };
        for node in 1..=n_nodes {
            let layer = CString::new(format!("layer {node}")).expect("no NUL");
            // SAFETY: null, or the collector wrote functions of these types into the tables.
            let (push, pop) = unsafe {
                (
                    transmute::<*const c_void, Option<PushRange>>(CORE[9]),
                    transmute::<*const c_void, Option<PopRange>>(CORE[11]),
                )
            };
            push.map(|push| push(layer.as_ptr()));
            self.gpu().graph_event(ResourceCallback::GRAPHNODE_CREATED, &data(node, 0));
            pop.map(|pop| pop());
        }
        let executable: Vec<u64> = (1..=n_nodes).map(|node| EXECUTABLE + node).collect();
        for node in &executable {
            let original = node - EXECUTABLE;
            self.gpu().graph_event(ResourceCallback::GRAPHNODE_CLONED, &data(*node, original));
        }
        // A graph from before the recording is made executable.
        let stranger = data(STRANGER, STRANGER - 1);
        self.gpu().graph_event(ResourceCallback::GRAPHNODE_CLONED, &stranger);
        for _ in 0..n_replays {
            self.replay(&executable);
        }
    }

    fn replay(&mut self, nodes: &[u64]) {
        for node in nodes {
            let record = kernel_record(self.name, self.next)
                .with(&kernel::GRAPH_ID, 4)
                .with(&kernel::GRAPH_NODE_ID, *node);
            self.next += 1;
            self.gpu().emit(&record);
        }
    }

    fn nvtx(&self) {
        let initialize: extern "C" fn(ExportTable) -> c_int =
            self.function(c"InitializeInjectionNvtx2");
        println!("nvtx {}", initialize(export_table));
        let text = |text: &str| CString::new(text).expect("no NUL");
        // SAFETY: the collector wrote functions of these types into the tables.
        unsafe {
            let push: PushRange = transmute(CORE[9]);
            let pop: PopRange = transmute(CORE[11]);
            let mark: extern "C" fn(*const c_char) = transmute(CORE[2]);
            let start: extern "C" fn(*const c_char) -> u64 = transmute(CORE[5]);
            let end: extern "C" fn(u64) = transmute(CORE[7]);
            let name_thread: extern "C" fn(u32, *const c_char) = transmute(CORE[14]);
            let register: extern "C" fn(*const c_void, *const c_char) -> *const c_void =
                transmute(CORE2[10]);
            let create: extern "C" fn(*const c_char) -> *const c_void = transmute(CORE2[12]);
            let push_ex: extern "C" fn(*const c_void, *const Attributes) -> c_int =
                transmute(CORE2[4]);
            let domain_pop: extern "C" fn(*const c_void) -> c_int = transmute(CORE2[5]);
            let (outer, inner) = (text("outer"), text("inner"));
            name_thread(libc::gettid() as u32, text("loop").as_ptr());
            let depths = (push(outer.as_ptr()), push(inner.as_ptr()), pop(), pop(), pop());
            println!("depths {depths:?}");
            mark(text("here").as_ptr());
            end(start(text("apart").as_ptr()));
            let domain = create(text("engine").as_ptr());
            let handle = register(domain, text("registered").as_ptr());
            let attributes = Attributes {
                version: 3,
                size: 48,
                unused: [0; 7],
                message_type: 3,
                message: handle,
            };
            println!("domain {}", push_ex(domain, &raw const attributes));
            println!("domain {}", domain_pop(domain));
            // One that stays open.
            push(outer.as_ptr());
        }
    }
}

type PushRange = extern "C" fn(*const c_char) -> c_int;
type PopRange = extern "C" fn() -> c_int;

/// Added to a node's number for that of its executable graph.
const EXECUTABLE: u64 = 1000;
/// A node that nobody saw captured.
const STRANGER: u64 = 9999;

/// A handle that is a number.
fn number(n: u64) -> *mut c_void {
    std::ptr::without_provenance_mut(n as usize)
}

#[repr(C)]
struct Attributes {
    version: u16,
    size: u16,
    unused: [u32; 7],
    message_type: i32,
    message: *const c_void,
}

type ExportTable = extern "C" fn(u32) -> *const c_void;

static mut CORE: [*const c_void; 16] = [std::ptr::null(); 16];
static mut CORE2: [*const c_void; 16] = [std::ptr::null(); 16];

#[repr(C)]
struct Callbacks {
    size: usize,
    find: extern "C" fn(u32, *mut *mut *mut *const c_void, *mut u32) -> c_int,
}

extern "C" fn export_table(number: u32) -> *const c_void {
    extern "C" fn find(module: u32, out: *mut *mut *mut *const c_void, size: *mut u32) -> c_int {
        let table = match module {
            1 => &raw mut CORE,
            5 => &raw mut CORE2,
            _ => return 0,
        };
        let places: Vec<*mut *const c_void> =
            (0..16).map(|at| table.cast::<*const c_void>().wrapping_add(at)).collect();
        // SAFETY: the collector passes writable pointers; the list lives as long as the process.
        unsafe {
            *out = places.leak().as_mut_ptr();
            *size = 16;
        }
        1
    }
    static TABLE: Callbacks = Callbacks { size: 16, find };
    if number == 1 { (&raw const TABLE).cast() } else { std::ptr::null() }
}

fn kernel_record(name: u64, number: u64) -> CannedRecord {
    CannedRecord::new(KERNEL)
        .with(&kernel::START, START_NS + number * 1000)
        .with(&kernel::END, START_NS + number * 1000 + 700)
        .with(&kernel::CORRELATION_ID, number)
        .with(&kernel::NAME, name)
        .with(&kernel::CONTEXT_ID, 1)
        .with(&kernel::STREAM_ID, 7)
        .with(&kernel::GRID_X, 128)
        .with(&kernel::BLOCK_X, 256)
}
