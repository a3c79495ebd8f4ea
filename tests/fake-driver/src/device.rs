//! The device and everything that exists on it.

use std::collections::HashMap;
use std::ffi::c_void;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use cupti_sys::{DriverCbid, ResourceCallback};
use fake_cupti::FakeCupti;
use underspan_cupti::{Library, Origin};

use crate::clock::{now_ns, wait_until_ns};
use crate::graph::{GraphState, Node};
use crate::record::{Ran, Work, call_record, graph_record, wait_record};
use crate::stream::StreamState;

/// Host time of a call, ns, and of each node of a graph in it.
const CALL_NS: u64 = 2_000;
/// Between the launch of a graph and its first node, ns.
const GRAPH_START_NS: u64 = 2_000;

/// Why a call failed, as the driver numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    InvalidValue = 1,
    InvalidHandle = 400,
    IllegalState = 401,
}

/// The device.
#[derive(Debug, Default)]
pub(crate) struct Device {
    cupti: Option<FakeCupti>,
    functions: HashMap<String, u64>,
    streams: HashMap<u32, StreamState>,
    graphs: HashMap<u32, GraphState>,
    executables: HashMap<u32, GraphState>,
    capturing: HashMap<u32, GraphState>,
    n_streams: u32,
    n_graphs: u32,
    n_nodes: u64,
    n_calls: u32,
}

static DEVICE: OnceLock<Mutex<Device>> = OnceLock::new();

/// The device, once the driver is initialised.
pub(crate) fn device() -> Option<MutexGuard<'static, Device>> {
    DEVICE.get().map(|device| device.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Brings the device up.
pub(crate) fn start() {
    DEVICE.get_or_init(|| {
        let mut device = Device { cupti: load_double(), ..Device::default() };
        device.streams.insert(0, StreamState::default());
        // Streams of applications are numbered from 7 on, as far as anybody has seen.
        device.n_streams = 6;
        Mutex::new(device)
    });
}

fn load_double() -> Option<FakeCupti> {
    let path = std::env::var_os("UNDERSPAN_CUPTI").filter(|path| !path.is_empty())?;
    // SAFETY: the environment names a double, whose initializers do nothing.
    let library = unsafe { Library::open(Path::new(&path), Origin::Environment) }.ok()?;
    let resolve = |name: &std::ffi::CStr| -> *const c_void { library.symbol(name) };
    // SAFETY: the double's own functions; it is never unloaded.
    unsafe { FakeCupti::resolve(resolve) }
}

impl Device {
    /// The address of a kernel's name; it stands for the function.
    pub(crate) fn function(&mut self, name: &str) -> u64 {
        if let Some(function) = self.functions.get(name) {
            return *function;
        }
        let address = match self.cupti {
            Some(cupti) => cupti.load_module(name).1,
            // Without a double nobody looks at it.
            None => 1 + self.functions.len() as u64,
        };
        self.functions.insert(name.to_owned(), address);
        address
    }

    /// A new stream's number.
    pub(crate) fn add_stream(&mut self) -> u32 {
        self.n_streams += 1;
        self.streams.insert(self.n_streams, StreamState::default());
        self.n_streams
    }

    /// Work on a stream: run, or made a node when the stream is being recorded. Answers when it
    /// will be done.
    ///
    /// # Errors
    /// When there is no such stream.
    pub(crate) fn submit(
        &mut self,
        cbid: DriverCbid,
        stream: u32,
        work: Work,
        duration_ns: u64,
    ) -> Result<u64, Fault> {
        let start_ns = now_ns();
        let correlation = self.next_call();
        if let Some(graph) = self.capturing.get_mut(&stream) {
            self.n_nodes += 1;
            graph.add(Node { id: self.n_nodes, work, duration_ns }, self.cupti);
            self.called(cbid, start_ns, CALL_NS, correlation);
            return Ok(start_ns);
        }
        let state = self.streams.get_mut(&stream).ok_or(Fault::InvalidHandle)?;
        let (run_start_ns, end_ns) = state.run(start_ns, duration_ns);
        let ran = Ran { start_ns: run_start_ns, end_ns, stream, correlation, graph: (0, 0) };
        state.keep(end_ns, work.record(&ran));
        self.called(cbid, start_ns, CALL_NS, correlation);
        Ok(end_ns)
    }

    /// Starts recording a stream.
    ///
    /// # Errors
    /// When there is no such stream, or it is recorded already.
    pub(crate) fn begin_capture(&mut self, stream: u32) -> Result<(), Fault> {
        if !self.streams.contains_key(&stream) {
            return Err(Fault::InvalidHandle);
        }
        if self.capturing.contains_key(&stream) {
            return Err(Fault::IllegalState);
        }
        self.n_graphs += 1;
        let graph = GraphState { id: self.n_graphs, nodes: Vec::new() };
        if let Some(cupti) = self.cupti {
            cupti.graph_event(ResourceCallback::GRAPH_CREATED, &graph.data());
        }
        self.capturing.insert(stream, graph);
        Ok(())
    }

    /// Ends recording a stream; the graph's number.
    ///
    /// # Errors
    /// When it is not recorded.
    pub(crate) fn end_capture(&mut self, stream: u32) -> Result<u32, Fault> {
        let graph = self.capturing.remove(&stream).ok_or(Fault::IllegalState)?;
        let id = graph.id;
        self.graphs.insert(id, graph);
        Ok(id)
    }

    /// Makes a graph executable; the new number.
    ///
    /// # Errors
    /// When there is no such graph.
    pub(crate) fn instantiate(&mut self, graph: u32) -> Result<u32, Fault> {
        let graph = self.graphs.get(&graph).ok_or(Fault::InvalidHandle)?;
        self.n_graphs += 1;
        let n_nodes = &mut self.n_nodes;
        let next_node = || {
            *n_nodes += 1;
            *n_nodes
        };
        let executable = graph.instantiate(self.n_graphs, next_node, self.cupti);
        self.executables.insert(self.n_graphs, executable);
        Ok(self.n_graphs)
    }

    /// Launches a graph.
    ///
    /// # Errors
    /// When there is no such graph or stream.
    pub(crate) fn launch_graph(&mut self, executable: u32, stream: u32) -> Result<(), Fault> {
        let start_ns = now_ns();
        let correlation = self.next_call();
        let graph = self.executables.get(&executable).ok_or(Fault::InvalidHandle)?;
        let state = self.streams.get_mut(&stream).ok_or(Fault::InvalidHandle)?;
        let (first_ns, _) = state.run(start_ns, GRAPH_START_NS);
        for node in &graph.nodes {
            let (start_ns, end_ns) = state.run_node(node.duration_ns);
            let ran = Ran { start_ns, end_ns, stream, correlation, graph: (executable, node.id) };
            state.keep(end_ns, node.work.record(&ran));
        }
        let end_ns = state.ready_ns();
        let whole = Ran { start_ns: first_ns, end_ns, stream, correlation, graph: (executable, 0) };
        state.keep(end_ns, graph_record(&whole));
        let call_ns = 3 * CALL_NS + 20 * graph.nodes.len() as u64;
        self.called(DriverCbid::cuGraphLaunch, start_ns, call_ns, correlation);
        Ok(())
    }

    /// When everything on a stream is done, or on all of them.
    ///
    /// # Errors
    /// When there is no such stream.
    fn ready_ns(&self, stream: Option<u32>) -> Result<u64, Fault> {
        match stream {
            Some(stream) => {
                self.streams.get(&stream).map(StreamState::ready_ns).ok_or(Fault::InvalidHandle)
            }
            None => Ok(self.streams.values().map(StreamState::ready_ns).max().unwrap_or(0)),
        }
    }

    /// Makes a stream wait for another.
    ///
    /// # Errors
    /// When there is no such stream.
    pub(crate) fn wait_for(&mut self, stream: u32, other: u32) -> Result<(), Fault> {
        let until_ns = self.ready_ns(Some(other))?;
        let state = self.streams.get_mut(&stream).ok_or(Fault::InvalidHandle)?;
        if until_ns > state.ready_ns() {
            state.run(until_ns, 0);
        }
        Ok(())
    }

    fn next_call(&mut self) -> u32 {
        self.n_calls += 1;
        self.n_calls
    }

    /// Lets a call take its time, and records it and everything that has ended.
    fn called(&mut self, cbid: DriverCbid, start_ns: u64, call_ns: u64, correlation: u32) {
        while now_ns() < start_ns + call_ns {
            std::hint::spin_loop();
        }
        let ran = Ran { start_ns, end_ns: now_ns(), correlation, ..Ran::default() };
        self.emit_finished();
        if let Some(cupti) = self.cupti {
            cupti.emit(&call_record(cbid, &ran, thread_id()));
        }
    }

    /// Hands over records of what has ended.
    pub(crate) fn emit_finished(&mut self) {
        let now = now_ns();
        for state in self.streams.values_mut() {
            for record in state.take_finished(now) {
                if let Some(cupti) = self.cupti {
                    cupti.emit(&record);
                }
            }
        }
    }
}

/// Waits for a stream, or for all.
///
/// # Errors
/// When there is no such stream.
pub(crate) fn synchronize(stream: Option<u32>) -> Result<(), Fault> {
    let start_ns = now_ns();
    let ready_ns = device().map_or(Ok(0), |device| device.ready_ns(stream))?;
    // Without the lock: others may launch meanwhile.
    wait_until_ns(ready_ns);
    let Some(mut device) = device() else { return Ok(()) };
    let correlation = device.next_call();
    let cbid = match stream {
        Some(_) => DriverCbid::cuStreamSynchronize,
        None => DriverCbid::cuCtxSynchronize,
    };
    device.called(cbid, start_ns, 0, correlation);
    if let (Some(cupti), Some(stream)) = (device.cupti, stream) {
        let ran = Ran { start_ns, end_ns: now_ns(), stream, correlation, graph: (0, 0) };
        cupti.emit(&wait_record(&ran));
    }
    Ok(())
}

/// The system's id of the calling thread.
fn thread_id() -> u32 {
    thread_local! {
        static ID: std::cell::OnceCell<u32> = const { std::cell::OnceCell::new() };
    }
    ID.with(|id| {
        *id.get_or_init(|| {
            let link = std::fs::read_link("/proc/thread-self").unwrap_or_default();
            let name = link.file_name().unwrap_or_default().to_string_lossy();
            name.parse().unwrap_or(0)
        })
    })
}
