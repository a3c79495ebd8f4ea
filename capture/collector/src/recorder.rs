//! Turning CUPTI on and off.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use cupti_sys::{ActivityKind, CUptiResult, ResourceCallback};
use underspan_cupti::{
    Api, Backend, Error, Flush, Search, Settings, Strides, SubscribeOptions, Subscription,
    UserDefined, V1, bystanders, driver_version, load,
};
use underspan_model::tables::ClockAnchor;
use underspan_model::{NONE_I64, ProblemKind};

use crate::config::{BackendChoice, Config, Policy};
use crate::kinds::{KindSet, dull_calls};
use crate::process::{complain, monotonic_ns, realtime_ns};
use crate::sink::{POOL, Sink};
use crate::writer::{Command, Origin, WriterHandle, set_origin};
use crate::{events, graph_nodes};

/// From this API version on the library bears to be refused a buffer, and counts what it drops.
const MAY_REFUSE_FROM: u32 = 27;
/// Answers for which arming is tried again later: the driver is not up yet.
const NOT_YET: [CUptiResult; 2] = [CUptiResult::ERROR_NOT_INITIALIZED, CUptiResult::ERROR_UNKNOWN];

/// CUPTI, as this process uses it.
#[derive(Debug)]
pub struct Recorder {
    config: Config,
    kinds: KindSet,
    loaded: Option<Loaded>,
    armed_since: Option<Instant>,
    disarmed_at: Option<Instant>,
    /// Graph level cannot be undone, nor can node level be trusted after it.
    graph_nodes: Option<bool>,
    missing_since: Option<(u64, Instant)>,
    has_reported_takeover: bool,
}

struct Loaded {
    origin: Origin,
    subscriber: Subscriber,
}

/// Who hears of modules and graphs.
enum Subscriber {
    /// Nobody: others may subscribe.
    None,
    Held(Subscription<'static>),
    UserDefined(&'static UserDefined<'static>),
}

impl Subscriber {
    /// Turns resource callbacks on or off, where there are any.
    fn watch(&self, callbacks: &[ResourceCallback], on: bool) {
        let subscription = match self {
            Self::None => return,
            Self::Held(subscription) => subscription,
            Self::UserDefined(backend) => backend.subscription(),
        };
        for callback in callbacks {
            // Without it less is known: names are read again, nodes have no annotations.
            let _ = subscription.set_resource(*callback, on);
        }
    }
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded").field("backend", &self.origin.backend.name()).finish()
    }
}

/// Why recording could not begin.
#[derive(Debug)]
pub struct ArmError {
    /// In words.
    pub text: String,
    /// Whether it may work later.
    pub is_early: bool,
}

impl From<Error> for ArmError {
    fn from(error: Error) -> Self {
        let is_early = error.result().is_some_and(|result| NOT_YET.contains(&result));
        Self { text: error.to_string(), is_early }
    }
}

impl ArmError {
    fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_early: false }
    }
}

impl Recorder {
    /// Nothing is loaded or called yet.
    pub fn new(config: &Config) -> Self {
        Self {
            config: config.clone(),
            kinds: config.kinds,
            loaded: None,
            armed_since: None,
            disarmed_at: None,
            graph_nodes: None,
            missing_since: None,
            has_reported_takeover: false,
        }
    }

    /// Whether activities are recorded now.
    pub fn is_armed(&self) -> bool {
        self.armed_since.is_some()
    }

    /// What is recorded, or will be.
    pub fn kinds(&self) -> KindSet {
        self.kinds
    }

    /// Starts recording; nothing happens when it runs already.
    ///
    /// # Errors
    /// When there is no usable libcupti, another profiler is in the way, or the file cannot be
    /// created.
    pub fn arm(&mut self, writer: &WriterHandle) -> Result<(), ArmError> {
        if self.is_armed() {
            return Ok(());
        }
        let origin = match &self.loaded {
            Some(loaded) => loaded.origin,
            None => {
                let loaded = self.load()?;
                let origin = loaded.origin;
                set_origin(origin);
                self.loaded = Some(loaded);
                origin
            }
        };
        let (answer, opened) = channel();
        writer.send(Command::Open(answer));
        opened
            .recv_timeout(Duration::from_secs(10))
            .map_err(|_| ArmError::plain("the writer does not answer"))?
            .map_err(ArmError::plain)?;
        self.enable(origin.backend)?;
        self.describe(origin, writer);
        if let Some(since) = self.disarmed_at.take() {
            let text = format!("disarmed for {} ms", since.elapsed().as_millis());
            writer.send(Command::Problem(ProblemKind::CollectionGap, 1, text));
        }
        self.armed_since = Some(Instant::now());
        events::set_recording(true);
        writer.send(Command::Anchor(self.anchor()));
        Ok(())
    }

    /// Loads libcupti and sets it up.
    #[expect(unsafe_code, reason = "loads a C library")]
    fn load(&self) -> Result<Loaded, ArmError> {
        let config = &self.config;
        if !POOL.prepare(config.buffer_bytes, config.buffers, config.max_buffers) {
            return Err(ArmError::plain("there is no memory for activity buffers"));
        }
        // SAFETY: the libraries that this process and its environment name.
        let api: &'static Api = Box::leak(Box::new(unsafe { load(&Search::of_this_process()) }?));
        let version = api.version().unwrap_or(0);
        POOL.set_may_refuse(version >= MAY_REFUSE_FROM);
        let (backend, subscriber): (&'static dyn Backend, _) = match config.backend {
            BackendChoice::UserDefined => {
                let options = SubscribeOptions { name: Some(c"underspan"), share: true };
                let backend = UserDefined::subscribe::<Sink, Sink>(api, options)?;
                let backend: &'static UserDefined<'static> = Box::leak(Box::new(backend));
                (backend, Subscriber::UserDefined(backend))
            }
            BackendChoice::V1 => {
                let strides = Strides::calibrate(api)?;
                let subscriber = match config.policy {
                    Policy::Hold => Subscriber::Held(Subscription::hold::<Sink>(api)?),
                    Policy::Yield => Subscriber::None,
                };
                (Box::leak(Box::new(V1::new::<Sink>(api, &strides))), subscriber)
            }
        };
        graph_nodes::set_api(api);
        subscriber.watch(&[ResourceCallback::MODULE_UNLOAD_STARTING], true);
        let settings =
            Settings { device_buffer_limit: config.device_buffer_limit, ..Settings::default() };
        // What a release does not have is no obstacle.
        let _ = backend.configure(&settings);
        backend.register()?;
        Ok(Loaded { origin: Origin { api, backend }, subscriber })
    }

    fn enable(&mut self, backend: &dyn Backend) -> Result<(), ArmError> {
        let graph_nodes = *self.graph_nodes.get_or_insert(self.kinds.graph_nodes);
        self.kinds.graph_nodes = graph_nodes;
        if let Some(loaded) = &self.loaded {
            // They stay on when recording stops: graphs that are made meanwhile are launched later.
            loaded.subscriber.watch(&graph_nodes::CALLBACKS, graph_nodes);
        }
        // What the devices are, once; kinds that the release lacks are left out.
        let _ = backend.enable(ActivityKind::DEVICE, true);
        for kind in self.kinds.activities() {
            let enabled = backend.enable(kind, false);
            if kind == ActivityKind::CONCURRENT_KERNEL {
                enabled?;
            }
        }
        if self.kinds.api_calls {
            for call in dull_calls() {
                let _ = backend.record_call(call, false);
            }
        }
        Ok(())
    }

    fn describe(&self, origin: Origin, writer: &WriterHandle) {
        let property = |key: &str, value: String| {
            writer.send(Command::Property(key.to_owned(), value));
        };
        let config = &self.config;
        property("collector.version", env!("CARGO_PKG_VERSION").to_owned());
        property("collector.mode", format!("{:?}", config.mode).to_ascii_lowercase());
        property("collector.kinds", self.kinds.name().to_owned());
        property("collector.backend", origin.backend.name().to_owned());
        property("collector.subscribe", format!("{:?}", config.policy).to_ascii_lowercase());
        property("collector.buffer_bytes", config.buffer_bytes.to_string());
        property("collector.buffers_max", config.max_buffers.to_string());
        property("collector.flush_ms", config.flush_every.as_millis().to_string());
        let path = origin.api.path().file_name().unwrap_or_default();
        property("cupti.library", path.to_string_lossy().into_owned());
        property("cupti.found", origin.api.origin().to_string());
        if let Ok(version) = origin.api.version() {
            property("cupti.api_version", version.to_string());
        }
        for other in bystanders(origin.api) {
            let name = other.path.file_name().unwrap_or_default().to_string_lossy();
            let answer = other.version.as_ref().map_err(Error::result);
            let text = match answer {
                Ok(version) => format!("{name} (API {version}) is in the process too"),
                Err(Some(result)) => format!("{name} is in the process too, but answers {result}"),
                Err(None) => format!("{name} is in the process too, but has no functions"),
            };
            if answer.is_ok() {
                complain(&text);
                writer.send(Command::Problem(ProblemKind::SecondLibcupti, 1, text.clone()));
            }
            property("cupti.other", text);
        }
        if let Some(version) = driver_version() {
            property("cuda.driver_version", format!("{}.{}", version / 1000, version % 1000 / 10));
        }
        for complaint in &config.complaints {
            property("collector.complaint", complaint.clone());
        }
    }

    /// Stops recording and delivers what there is. CUPTI stays loaded and registered.
    pub fn disarm(&mut self, writer: &WriterHandle) {
        if self.armed_since.take().is_none() {
            return;
        }
        events::set_recording(false);
        self.disarmed_at = Some(Instant::now());
        if let Some(backend) = self.backend() {
            for kind in self.kinds.activities() {
                let _ = backend.disable(kind);
            }
            let _ = backend.flush(Flush::Complete);
            let _ = backend.flush(Flush::Complete);
            self.note_dropped(backend, writer);
        }
        wait_for_flush(writer, Duration::from_secs(5));
    }

    /// Changes what is recorded. Between graph and node level there is no change after the first
    /// arming: CUPTI cannot go back.
    ///
    /// # Errors
    /// When the change is not possible.
    pub fn set_kinds(&mut self, kinds: KindSet) -> Result<(), ArmError> {
        if self.graph_nodes.is_some_and(|graph_nodes| graph_nodes != kinds.graph_nodes) {
            let level = |nodes| if nodes { "node" } else { "graph" };
            return Err(ArmError::plain(format!(
                "this process records graphs at {} level, which cannot be changed to {} level",
                level(self.kinds.graph_nodes),
                level(kinds.graph_nodes)
            )));
        }
        let before = std::mem::replace(&mut self.kinds, kinds);
        let Some(backend) = self.backend().filter(|_| self.is_armed()) else { return Ok(()) };
        let gone: Vec<_> =
            before.activities().filter(|kind| !kinds.activities().any(|k| k == *kind)).collect();
        for kind in gone {
            let _ = backend.disable(kind);
        }
        self.enable(backend)
    }

    /// Records less from now on, because of `why`: first without calls of the host, then graphs as
    /// wholes, then nothing.
    pub fn give_up_detail(&mut self, why: &str, writer: &WriterHandle) {
        if !self.is_armed() {
            return;
        }
        let (kinds, what) = match (self.kinds.api_calls, self.kinds.graph_nodes) {
            (true, graph_nodes) => {
                (Some(KindSet { api_calls: false, graph_nodes }), "calls of the host")
            }
            (false, true) => (Some(KindSet::LITE), "single nodes of graphs"),
            (false, false) => (None, "anything"),
        };
        let text = format!("{why}, more than it may: {what} was given up");
        match kinds {
            Some(kinds) => {
                // From nodes to wholes CUPTI can go, once.
                self.graph_nodes = Some(kinds.graph_nodes);
                let text = match self.set_kinds(kinds) {
                    Ok(()) => text,
                    Err(error) => format!("{text}; {}", error.text),
                };
                writer.send(Command::Problem(ProblemKind::MissingEvidence, 1, text));
                let name = self.kinds.name().to_owned();
                writer.send(Command::Property("collector.kinds_reduced_to".to_owned(), name));
            }
            None => {
                writer.send(Command::Problem(ProblemKind::CollectionGap, 1, text));
                self.disarm(writer);
            }
        }
    }

    /// Has CUPTI deliver complete buffers, and looks for signs of another profiler.
    pub fn flush(&mut self, writer: &WriterHandle) {
        if !self.is_armed() {
            return;
        }
        if let Some(backend) = self.backend() {
            let _ = backend.flush(Flush::Complete);
            self.note_dropped(backend, writer);
        }
        self.look_for_takeover(writer);
    }

    /// The end: everything is delivered, running work included.
    pub fn finish(&mut self, writer: &WriterHandle) {
        events::set_recording(false);
        if self.armed_since.take().is_some()
            && let Some(backend) = self.backend()
        {
            writer.send(Command::Anchor(self.anchor()));
            let _ = backend.flush(Flush::Forced);
            self.note_dropped(backend, writer);
        }
    }

    /// All clocks at one moment.
    pub fn anchor(&self) -> ClockAnchor {
        let before = monotonic_ns();
        let realtime_ns = realtime_ns();
        let activity = self.backend().filter(|_| self.is_armed()).map(|b| b.timestamp_ns());
        let after = monotonic_ns();
        let activity = activity.and_then(Result::ok).and_then(|ns| i64::try_from(ns).ok());
        ClockAnchor {
            realtime_ns,
            monotonic_ns: before + (after - before) / 2,
            activity_ns: activity.unwrap_or(NONE_I64),
            uncertainty_ns: after.saturating_sub(before).max(0) as u64,
            ..ClockAnchor::default()
        }
    }

    /// A short name of the backend in use.
    pub fn backend_name(&self) -> &'static str {
        self.backend().map_or("none", |backend| backend.name())
    }

    fn backend(&self) -> Option<&'static dyn Backend> {
        self.loaded.as_ref().map(|loaded| loaded.origin.backend)
    }

    fn note_dropped(&self, backend: &dyn Backend, writer: &WriterHandle) {
        if let Ok(dropped) = backend.take_dropped_records()
            && dropped > 0
        {
            let text = "the library had no buffer for them".to_owned();
            writer.send(Command::Problem(ProblemKind::RecordDropped, dropped, text));
        }
    }

    /// A buffer with records in it that no flush brings back is with somebody else. Work that runs
    /// for long looks the same, so this takes its time.
    fn look_for_takeover(&mut self, writer: &WriterHandle) {
        let missing = POOL.lent_with_records();
        let still = match self.missing_since {
            Some((mask, since)) if mask & missing != 0 => Some((mask & missing, since)),
            _ if missing != 0 => Some((missing, Instant::now())),
            _ => None,
        };
        self.missing_since = still;
        let is_over = still.is_some_and(|(_, since)| since.elapsed() >= self.config.takeover_after);
        if is_over && !self.has_reported_takeover {
            self.has_reported_takeover = true;
            let n = missing.count_ones();
            let text = format!("{n} activity buffers do not come back from flushes");
            writer.send(Command::Problem(ProblemKind::ProfilerTakeover, 1, text.clone()));
            writer.send(Command::Problem(ProblemKind::CollectionGap, 1, text));
        } else if still.is_none() {
            self.has_reported_takeover = false;
        }
    }
}

/// Has the writer write everything, and waits for it.
pub fn wait_for_flush(writer: &WriterHandle, limit: Duration) -> bool {
    let (answer, done) = channel();
    writer.send(Command::Flush(answer));
    done.recv_timeout(limit).is_ok()
}
