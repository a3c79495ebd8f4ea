//! The writer: one thread that decodes buffers, gathers rows and appends them to the file.

mod file;
mod graph_nodes;
mod memory;
mod output;
mod requests;
mod rows;
mod steps;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::{Duration, Instant};
use std::{io, thread};

use cupti_sys::ActivityKind;
use underspan_cupti::{Api, Backend, CompletedBuffer, DecodeLedger, Records};
use underspan_model::ProblemKind;
use underspan_model::tables::{AnnotationKind, ClockAnchor, Overhead};

use self::graph_nodes::GraphNodes;
use self::output::{Output, n_waiting};
pub use self::rows::Rows;
use self::steps::Steps;
use crate::config::Config;
use crate::events::{self, HostEvent, HostEventBody, Text};
use crate::nvtx::n_open_ranges;
use crate::process::{self, monotonic_ns, realtime_ns, spawn_quiet, thread_cpu_ns};
use crate::sink::{POOL, callback_cost, module_epoch, set_writer};

/// How long the writer sleeps when nothing wakes it.
const NAP: Duration = Duration::from_millis(10);
/// The same while nothing is recorded; commands wake it.
const LONG_NAP: Duration = Duration::from_millis(500);
/// Buffers that are read between two looks at the number of rows, which bounds the memory they
/// take.
const BUFFERS_AT_ONCE: usize = 4;
/// Time between samples of the collector's own cost, with and without anything to record.
const COST_EVERY: Duration = Duration::from_secs(1);
const IDLE_COST_EVERY: Duration = Duration::from_secs(10);
/// Rows at which they are written without waiting for the next flush.
const ROWS_PER_FLUSH: u64 = 1 << 16;

/// What the other threads ask of the writer.
#[derive(Debug)]
pub enum Command {
    /// A reading of the clocks.
    Anchor(ClockAnchor),
    /// Something to count in the ledger.
    Problem(ProblemKind, u64, String),
    /// A fact about the recording.
    Property(String, String),
    /// Opens the file now; answers its path.
    Open(Sender<Result<PathBuf, String>>),
    /// Reads all buffers and writes everything; answers when that is done.
    Flush(Sender<()>),
    /// Puts the ring's segments into a folder; answers how many there are.
    Dump(PathBuf, Sender<io::Result<usize>>),
    /// The flush, and then the end of the file; nothing is written afterwards.
    Finish(Sender<()>),
}

/// Where records come from, once recording was started.
#[derive(Clone, Copy)]
pub struct Origin {
    /// The loaded library.
    pub api: &'static Api,
    /// How its buffers are read.
    pub backend: &'static dyn Backend,
}

/// The writer's thread, as the others see it.
#[derive(Debug)]
pub struct WriterHandle {
    commands: Sender<Command>,
    thread: Thread,
    progress: Arc<Progress>,
}

/// How far the writer is.
#[derive(Debug, Default)]
pub struct Progress {
    /// Rows made of records, annotations and steps.
    pub rows: AtomicU64,
    /// Rows in files.
    pub rows_written: AtomicU64,
    /// Bytes in files.
    pub bytes_written: AtomicU64,
    /// CPU time of the writer.
    pub cpu_ns: AtomicU64,
    /// Losses counted in the ledger.
    pub losses: AtomicU64,
    /// Set when the file cannot be written at all.
    pub has_failed: AtomicBool,
}

static ORIGIN: OnceLock<Origin> = OnceLock::new();

/// Tells the writer how to read buffers. The first answer counts.
pub fn set_origin(origin: Origin) {
    let _ = ORIGIN.set(origin);
}

impl WriterHandle {
    /// Starts the writer.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub fn start(config: &Config) -> io::Result<Self> {
        let (commands, inbox) = channel();
        let progress = Arc::new(Progress::default());
        let mut writer = Writer::new(config, inbox, Arc::clone(&progress));
        let thread = spawn_quiet("us-wr", move || writer.run())?.thread().clone();
        set_writer(thread.clone());
        Ok(Self { commands, thread, progress })
    }

    /// Hands a command over and wakes the writer.
    pub fn send(&self, command: Command) {
        // The writer only ends with the process, after which nobody reads the answer either.
        if self.commands.send(command).is_ok() {
            self.thread.unpark();
        }
    }

    /// How far the writer is.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }
}

struct Writer {
    inbox: Receiver<Command>,
    progress: Arc<Progress>,
    rows: Rows,
    steps: Steps,
    graph_nodes: GraphNodes,
    output: Output,
    flush_every: Duration,
    last_flush: Instant,
    last_counters: Instant,
    module_epoch: u64,
    is_watching_modules: bool,
    events: Vec<HostEvent>,
    decoded: DecodeLedger,
    starved: u64,
    unread: u64,
    starved_requests: u64,
    is_urgent: bool,
    is_finished: bool,
}

impl Writer {
    fn new(config: &Config, inbox: Receiver<Command>, progress: Arc<Progress>) -> Self {
        let pid = std::process::id();
        let name = config.output.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self {
            inbox,
            progress,
            rows: Rows::new(pid, &name),
            steps: Steps::default(),
            graph_nodes: GraphNodes::default(),
            output: Output::new(config),
            flush_every: config.flush_every,
            last_flush: Instant::now(),
            last_counters: Instant::now(),
            module_epoch: 0,
            is_watching_modules: config.policy == crate::config::Policy::Hold,
            events: Vec::new(),
            decoded: DecodeLedger::default(),
            starved: 0,
            unread: 0,
            starved_requests: 0,
            is_urgent: false,
            is_finished: false,
        }
    }

    fn run(&mut self) {
        while !self.is_finished {
            let start = thread_cpu_ns();
            while let Ok(command) = self.inbox.try_recv() {
                self.obey(command);
            }
            if self.is_finished {
                return;
            }
            let n_buffers = self.gather();
            if n_waiting(&self.rows) >= ROWS_PER_FLUSH
                || self.last_flush.elapsed() >= self.flush_every
            {
                self.flush();
            }
            let spent = thread_cpu_ns().saturating_sub(start);
            self.progress.cpu_ns.fetch_add(spent.max(0) as u64, Ordering::Relaxed);
            if n_buffers == 0 {
                let nap = if events::is_recording() { NAP } else { LONG_NAP };
                thread::park_timeout(nap.min(self.flush_every));
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Anchor(anchor) => self.rows.anchor(anchor),
            Command::Problem(kind, count, example) => {
                self.is_urgent = true;
                self.rows.problem(kind, count, || example);
            }
            Command::Property(key, value) => self.rows.property(&key, &value),
            Command::Open(answer) => {
                let opened = self.output.open(&mut self.rows);
                // Whoever asked says so; once is enough.
                self.progress.has_failed.fetch_or(opened.is_err(), Ordering::Relaxed);
                let _ = answer.send(opened.map(|()| self.output.path().to_owned()));
            }
            Command::Flush(answer) => {
                self.gather_all();
                self.is_urgent = true;
                self.flush();
                let _ = answer.send(());
            }
            Command::Dump(to, answer) => {
                self.gather_all();
                let _ = answer.send(self.output.dump(&mut self.rows, &to));
            }
            Command::Finish(answer) => {
                self.gather_all();
                self.steps.finish(&mut self.rows);
                self.rows.problem(ProblemKind::OpenRange, n_open_ranges(), || {
                    "annotations that were open when the recording ended".to_owned()
                });
                self.own_costs();
                self.output.finish(&mut self.rows);
                self.note_progress();
                self.is_finished = true;
                let _ = answer.send(());
            }
        }
    }

    fn gather_all(&mut self) {
        while self.gather() > 0 {
            if n_waiting(&self.rows) >= ROWS_PER_FLUSH {
                self.flush();
            }
        }
    }

    /// Reads all buffers and events that are there; answers the number of buffers.
    fn gather(&mut self) -> usize {
        let epoch = module_epoch();
        if epoch != self.module_epoch {
            self.module_epoch = epoch;
            self.rows.forget_names();
        }
        let mut n_buffers = 0;
        if let Some(origin) = ORIGIN.get() {
            n_buffers = POOL.drain(BUFFERS_AT_ONCE, |buffer, is_scrap| {
                if is_scrap {
                    self.starved += count(buffer, origin, &mut self.rows);
                } else {
                    decode(buffer, origin, &mut self.rows, &mut self.decoded);
                }
            });
            let requests = POOL.counts().starved_requests.load(Ordering::Relaxed);
            let was_starved = std::mem::replace(&mut self.starved_requests, requests) != requests;
            let wanted = if was_starved { POOL.n_buffers() } else { usize::from(POOL.is_low()) };
            for _ in 0..wanted {
                POOL.grow();
            }
        }
        let mut events = std::mem::take(&mut self.events);
        let n_early = self.graph_nodes.n_early();
        events::take(&mut events);
        for event in events.drain(..) {
            self.take_event(event);
        }
        self.graph_nodes.settle(&mut self.rows, n_early);
        self.events = events;
        n_buffers
    }

    fn take_event(&mut self, event: HostEvent) {
        let tid = event.tid;
        match event.body {
            HostEventBody::Annotation { kind, start_ns, end_ns, domain, text } => {
                let rows = &mut self.rows;
                let name = match text {
                    Text::Own(text) => rows.intern(&text).raw(),
                    Text::Registered(number) => registered(rows, number),
                };
                let domain = domain.map_or(underspan_model::NONE_U32, |n| registered(rows, n));
                annotate(rows, tid, (start_ns, end_ns), kind, (name, domain));
            }
            HostEventBody::ThreadName(name) => self.rows.name_thread(tid, &name),
            HostEventBody::Note { time_ns, text } => {
                let name = self.rows.intern(&text).raw();
                let domain = self.rows.intern("underspan.hook").raw();
                let kind = AnnotationKind::User.code();
                annotate(&mut self.rows, tid, (time_ns, time_ns), kind, (name, domain));
            }
            HostEventBody::GraphContext(context) => {
                self.graph_nodes.context(&mut self.rows, tid, &context);
            }
            HostEventBody::GraphNodeCreated { node, time_ns } => {
                let step_id = self.steps.open_on(tid);
                self.graph_nodes.created(&mut self.rows, tid, node, time_ns, step_id);
            }
            HostEventBody::GraphNodeCloned { node, original } => {
                self.graph_nodes.cloned(&mut self.rows, node, original);
            }
            HostEventBody::Request(record) => requests::add(&mut self.rows, &record),
            HostEventBody::StepBegin { step_id, time_ns, n_members, flags } => {
                self.steps.begin(&mut self.rows, tid, (step_id, time_ns), n_members, flags);
            }
            HostEventBody::Members(delta) => self.steps.members(&mut self.rows, tid, &delta),
            HostEventBody::StepEnd { step_id, time_ns } => self.steps.end(tid, step_id, time_ns),
        }
    }

    fn flush(&mut self) {
        self.last_flush = Instant::now();
        self.steps.settle(&mut self.rows, realtime_ns());
        self.note_losses();
        if !self.is_watching_modules {
            // Nobody tells when a module goes.
            self.rows.forget_names();
        }
        let n_rows = n_waiting(&self.rows);
        let is_idle = n_rows == 0 && !std::mem::take(&mut self.is_urgent);
        let cost_every = if is_idle { IDLE_COST_EVERY } else { COST_EVERY };
        if self.last_counters.elapsed() >= cost_every {
            self.last_counters = Instant::now();
            self.own_costs();
        } else if is_idle {
            return;
        }
        let start_ns = realtime_ns();
        let start = monotonic_ns();
        let failed_before = self.rows.timeline.problems.count(ProblemKind::WriteFailed);
        self.output.flush(&mut self.rows);
        let failed = self.rows.timeline.problems.count(ProblemKind::WriteFailed);
        if failed > failed_before && !self.progress.has_failed.swap(true, Ordering::Relaxed) {
            let path = self.output.path().display();
            process::complain(&format!("{path}: rows cannot be written and are lost"));
        }
        self.note_progress();
        if n_rows < 256 {
            return;
        }
        // What writing cost shows up on the time line, beside what it may have disturbed.
        let name = self.rows.intern("underspan_write").raw();
        let thread = self.rows.thread(process::thread_id());
        self.rows.timeline.overheads.push(Overhead {
            start_ns,
            duration_ns: monotonic_ns().saturating_sub(start).max(0) as u64,
            thread,
            name,
        });
    }

    fn note_progress(&self) {
        let progress = &self.progress;
        progress.rows.store(self.rows.n_rows(), Ordering::Relaxed);
        progress.rows_written.store(self.output.n_rows_written(), Ordering::Relaxed);
        progress.bytes_written.store(self.output.len_bytes(), Ordering::Relaxed);
        let losses = self.rows.timeline.problems.iter();
        let losses = losses.filter(|p| p.kind.severity() >= underspan_model::Severity::Loss);
        progress.losses.store(losses.map(|p| p.count).sum(), Ordering::Relaxed);
    }

    /// Books what went wrong since the last time.
    fn note_losses(&mut self) {
        let decoded = std::mem::take(&mut self.decoded);
        let rows = &mut self.rows;
        for (kind, count) in decoded.unknown.iter() {
            rows.problem(ProblemKind::UnknownRecordKind, count, || format!("{kind}"));
        }
        rows.problem(ProblemKind::UnknownRecordKind, decoded.unknown.others(), String::new);
        // An overfull buffer breaks where its records end, and has lost none.
        let broken = decoded.broken_buffers.saturating_sub(decoded.overfull_buffers);
        rows.problem(ProblemKind::MalformedEvent, broken, || {
            let kind = decoded.last_break.unwrap_or(ActivityKind::INVALID);
            let n_bytes = decoded.undecoded_bytes;
            format!("{n_bytes} bytes at the ends of buffers, from a record of {kind} on")
        });
        rows.problem(ProblemKind::UnusableField, decoded.overfull_buffers, || {
            "a buffer said to be fuller than it is large".to_owned()
        });
        let unread = POOL.counts().unread_records.load(Ordering::Relaxed);
        let starved = std::mem::take(&mut self.starved) + unread - self.unread;
        self.unread = unread;
        rows.problem(ProblemKind::BufferStarved, starved, || {
            format!("all {} activity buffers were full", POOL.n_buffers())
        });
        let lost = events::take_lost();
        rows.problem(ProblemKind::RecordDropped, lost.annotations, || "annotations".to_owned());
        let of_hook = || "records of the hook".to_owned();
        rows.problem(ProblemKind::RecordDropped, lost.hook_records, of_hook);
        rows.problem(ProblemKind::MissingEvidence, lost.graph_nodes, || {
            "where nodes of graphs were captured".to_owned()
        });
    }

    /// Samples what the collector itself costs.
    fn own_costs(&mut self) {
        self.note_losses();
        let now = realtime_ns();
        let (callback_ns, n_callbacks) = callback_cost();
        let cpu_ns = self.progress.cpu_ns.load(Ordering::Relaxed);
        let starved = POOL.counts().starved_requests.load(Ordering::Relaxed);
        let bytes = self.output.len_bytes();
        let rows = &mut self.rows;
        for (name, unit, value) in [
            ("underspan.callback_time", "ns", callback_ns),
            ("underspan.callbacks", "1", n_callbacks),
            ("underspan.writer_cpu_time", "ns", cpu_ns),
            ("underspan.written", "By", bytes),
            ("underspan.starved_requests", "1", starved),
        ] {
            rows.own_counter(name, unit, now, value as f64);
        }
    }
}

fn registered(rows: &mut Rows, number: usize) -> u32 {
    let id = events::with_registered(number, |text| rows.intern(text));
    id.unwrap_or_default().raw()
}

fn annotate(
    rows: &mut Rows,
    tid: i64,
    (start_ns, end_ns): (i64, i64),
    kind: u8,
    (name, domain): (u32, u32),
) {
    let thread = rows.thread(tid);
    rows.timeline.annotations.push(underspan_model::tables::Annotation {
        start_ns,
        duration_ns: end_ns.saturating_sub(start_ns).max(0) as u64,
        thread,
        name,
        domain,
        kind,
        ..Default::default()
    });
}

/// Makes rows of a buffer's records.
#[expect(unsafe_code, reason = "reads memory that a C library filled")]
fn decode(buffer: &CompletedBuffer, origin: &Origin, rows: &mut Rows, ledger: &mut DecodeLedger) {
    // SAFETY: the pool's mapping is never undone.
    let bytes = unsafe { buffer.bytes() };
    let Some(layouts) = origin.backend.layouts(buffer) else {
        rows.problem(ProblemKind::MalformedEvent, 1, || {
            format!("a buffer of {} bytes that the library did not describe", bytes.len())
        });
        return;
    };
    let broken_before = ledger.broken_buffers;
    for record in Records::new(layouts, bytes, ledger) {
        rows.add(&record, origin.api);
    }
    if buffer.is_overfull() && ledger.broken_buffers > broken_before {
        ledger.overfull_buffers += 1;
    }
}

/// The number of a scrap buffer's records.
#[expect(unsafe_code, reason = "reads memory that a C library filled")]
fn count(buffer: &CompletedBuffer, origin: &Origin, rows: &mut Rows) -> u64 {
    // SAFETY: the scrap pool is static.
    let bytes = unsafe { buffer.bytes() };
    let mut ledger = DecodeLedger::default();
    if let Some(layouts) = origin.backend.layouts(buffer) {
        Records::new(layouts, bytes, &mut ledger).for_each(drop);
    }
    rows.problem(ProblemKind::MalformedEvent, ledger.broken_buffers, || "scrap".to_owned());
    ledger.records + ledger.unknown.total()
}
