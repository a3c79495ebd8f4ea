//! Runs a command with a flight recorder, and makes captures when something triggers it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::nvml::NvmlRing;
use crate::otlp::{Otlp, window};
use crate::own_piece::{OWN_PIECE, write_problems};
use crate::session::now_ns;
use crate::slow_requests::{RequestLimits, SlowRequests};
use crate::start::{self, Started, start};
use crate::{
    Ending, Fleet, LaunchError, Mode, Observer, Pieces, ProcessTree, RecordOptions, Recorded,
    Session, Supervised, Triggers,
};

/// Time between two looks for new processes and triggers.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a collector may take to hand over what it keeps.
const LIMIT: Duration = Duration::from_secs(40);

/// What `underspan arm` was asked to do.
#[derive(Clone, Debug, Default)]
pub struct ArmOptions {
    /// The command, and what is recorded of it. [`Mode::Ring`] keeps the last seconds;
    /// [`Mode::Dormant`] records nothing before a trigger, and then for
    /// [`RecordOptions::duration`].
    pub record: RecordOptions,
    /// A file whose touch is a trigger.
    pub trigger_file: Option<PathBuf>,
    /// A port of 127.0.0.1 on which `POST /dump` is a trigger; 0 for any.
    pub http_port: Option<u16>,
    /// What requests have to keep; when they do not, that is a trigger. Their spans have to come
    /// through the receiver.
    pub requests: RequestLimits,
}

/// Recorded after a trigger, unless another time is set.
const AFTER_TRIGGER: Duration = Duration::from_secs(10);

/// Runs a command, ready to be recorded. Each trigger completes a capture
/// ([`Observer::complete`]); so does the end of a command that failed, as far as the recorder goes
/// back.
///
/// # Errors
/// When the command cannot be started, another tool's injection is in the way, or the port is
/// taken.
pub fn arm(options: &ArmOptions, observer: &mut dyn Observer) -> Result<Recorded, LaunchError> {
    let triggers = Triggers::new(options.trigger_file.as_deref(), options.http_port)?;
    let watches = !options.requests.is_empty();
    let Started { mut command, recorder } = start(&options.record, "not armed", watches, observer)?;
    let Some(start::Recorder { session, otlp }) = recorder else {
        return command.wait_for_end().map(Recorded::of);
    };
    if watches && otlp.is_none() {
        observer.note("requests are not watched: there are no spans of them");
    }
    let mut armed = Armed {
        is_dormant: options.record.mode == Mode::Dormant,
        records_for: options.record.duration.unwrap_or(AFTER_TRIGGER),
        records_until: None,
        recorded_from_ns: None,
        fleet: Fleet::new(session.sockets_dir()),
        processes: ProcessTree::new(command.pid()),
        nvml: NvmlRing::start(session.sockets_dir().to_owned(), window(&options.record)),
        slow: SlowRequests::new(options.requests.clone(), window(&options.record)),
        session,
        otlp,
        triggers,
        n_captures: 0,
    };
    armed.announce(options, command.pid(), observer);
    let ending = armed.follow(&mut command, observer)?;
    armed.end(ending, observer);
    armed.nvml.stop();
    if let Some(otlp) = armed.otlp {
        otlp.stop(observer);
    }
    Ok(Recorded::of(ending))
}

struct Armed {
    is_dormant: bool,
    records_for: Duration,
    records_until: Option<Instant>,
    recorded_from_ns: Option<i64>,
    session: Session,
    otlp: Option<Otlp>,
    nvml: NvmlRing,
    fleet: Fleet,
    processes: ProcessTree,
    triggers: Triggers,
    slow: SlowRequests,
    n_captures: u32,
}

impl Armed {
    fn announce(&self, options: &ArmOptions, pid: u32, observer: &mut dyn Observer) {
        let mut ways = vec![format!("`underspan record --pid {pid}`")];
        if let Some(path) = &options.trigger_file {
            ways.push(format!("touching {}", path.display()));
        }
        if let Some(port) = self.triggers.http_port() {
            ways.push(format!("`curl -X POST http://127.0.0.1:{port}/dump`"));
        }
        if options.requests.slower_than.is_some() {
            ways.push("a slow request".to_owned());
        }
        if options.requests.objective.is_some() {
            ways.push("requests that miss the objective".to_owned());
        }
        observer.note(&format!("armed; captures are made by {}", ways.join(", ")));
    }

    fn follow(
        &mut self,
        command: &mut Supervised,
        observer: &mut dyn Observer,
    ) -> Result<Ending, LaunchError> {
        loop {
            let ending = command.wait(LOOK_EVERY)?;
            let new = self.fleet.discover();
            new.iter().for_each(|pid| self.processes.add(*pid));
            if let Some(ending) = ending {
                return Ok(ending);
            }
            self.nvml.turn();
            let trigger = self.triggers.poll().or_else(|| self.slow_requests());
            let is_over = self.records_until.is_some_and(|until| Instant::now() >= until);
            match (trigger, self.is_dormant) {
                (Some(reason), false) => {
                    observer.note(&format!("{reason}: taking the last seconds"));
                    self.capture(observer);
                }
                (Some(reason), true) if self.records_until.is_none() => {
                    observer.note(&format!("{reason}: recording {:?}", self.records_for));
                    self.records_until = Some(Instant::now() + self.records_for);
                    self.recorded_from_ns = Some(now_ns());
                    self.tell(&self.fleet.running(), "arm", observer);
                }
                _ if is_over => {
                    self.records_until = None;
                    self.tell(&self.fleet.running(), "disarm", observer);
                    self.capture(observer);
                }
                // Processes that start in the middle belong to it.
                _ if self.records_until.is_some() => self.tell(&new, "arm", observer),
                _ => {}
            }
        }
    }

    fn slow_requests(&mut self) -> Option<String> {
        let finished = self.otlp.as_ref()?.take_requests();
        self.slow.look(Instant::now(), &finished)
    }

    fn tell(&self, pids: &[u32], line: &str, observer: &mut dyn Observer) {
        for (pid, error) in self.fleet.ask_each(pids, |_| line.to_owned(), LIMIT) {
            observer.note(&format!("process {pid}: {line}: {error}"));
        }
    }

    /// Collects what there is, and hands it over.
    fn capture(&mut self, observer: &mut dyn Observer) {
        self.n_captures += 1;
        let folder = self.session.pieces_dir().join(format!("capture-{}", self.n_captures));
        if let Err(error) = std::fs::create_dir(&folder) {
            observer.note(&format!("{}: {error}", folder.display()));
            return;
        }
        let mut pieces = self.fleet.collect(&folder, LIMIT, observer);
        pieces.add_hook_files(&self.session.hook_dir());
        if let Some(otlp) = &self.otlp {
            pieces.others.extend(otlp.last_files(&folder));
        }
        if !pieces.is_empty() {
            self.add_clocks(&mut pieces);
        }
        pieces.stretch = self.recorded_from_ns.map(|from_ns| (from_ns, now_ns()));
        observer.complete(&pieces, &self.processes);
    }

    /// Adds what NVML told, and what is missing from it.
    fn add_clocks(&mut self, pieces: &mut Pieces) {
        let (files, problems) = self.nvml.last_files(&pieces.folder);
        pieces.captures.extend(files);
        let has_problems = !problems.is_empty();
        if write_problems(&pieces.folder, problems).is_ok() && has_problems {
            pieces.captures.push(pieces.folder.join(OWN_PIECE));
        }
    }

    /// The command has ended: badly is a reason for a last capture.
    fn end(&mut self, ending: Ending, observer: &mut dyn Observer) {
        let Ok(mut pieces) = self.session.pieces() else { return };
        let was_recording = self.records_until.is_some();
        let has_failed = !self.is_dormant && ending != Ending::Code(0);
        if (was_recording || has_failed) && !pieces.is_empty() {
            if has_failed {
                let code = ending.code();
                observer.note(&format!("the command ended with {code}: taking the last seconds"));
            }
            pieces.stretch = self.recorded_from_ns.map(|from_ns| (from_ns, now_ns()));
            self.add_clocks(&mut pieces);
            observer.complete(&pieces, &self.processes);
        }
        // Unless making the capture failed, in which case it was said where the pieces are.
        if !(was_recording || has_failed) {
            let _ = pieces.remove();
        }
    }
}
