//! Runs a command and records it.

use std::time::{Duration, Instant};

use underspan_model::ProblemLedger;

use crate::nvml::NvmlSampler;
use crate::otlp::Otlp;
use crate::own_piece::write_problems;
use crate::start::{self, Started, start};
use crate::{
    Action, ControlError, Ending, Fleet, LaunchError, Mode, Observer, Plan, ProcessTree,
    RecordOptions, Session, StopReason, Supervised,
};

/// Time between two looks for new processes.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Time between two questions to all collectors.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How long processes may take to end after the command.
const SETTLE_LIMIT: Duration = Duration::from_secs(2);
/// How long a collector may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// The capture of what NVML tells.
const NVML_PIECE: &str = "nvml.uspan";

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// How the command ended.
    pub ending: Ending,
}

/// Runs a command and records it. What prevents recording is noted, and the command runs without.
///
/// # Errors
/// When the command cannot be started, or another tool's injection is in the way.
pub fn record(
    options: &RecordOptions,
    observer: &mut dyn Observer,
) -> Result<Recorded, LaunchError> {
    let Started { mut command, recorder } = start(options, "not recording", false, observer)?;
    if let Some(recorder) = recorder {
        let mut recording = Recording::new(options, recorder, command.pid());
        recording.follow(&mut command, observer)?;
        recording.end(observer);
    }
    command.wait_for_end().map(Recorded::of)
}

impl Recorded {
    pub(crate) fn of(ending: Ending) -> Self {
        Self { ending }
    }
}

struct Recording {
    plan: Plan,
    mode: Mode,
    session: Session,
    fleet: Fleet,
    processes: ProcessTree,
    otlp: Option<Otlp>,
    nvml: Option<NvmlSampler>,
    started: Instant,
    last_asked: Option<Instant>,
    arms_new: bool,
}

impl Recording {
    fn new(options: &RecordOptions, recorder: start::Recorder, root: u32) -> Self {
        let start::Recorder { session, otlp } = recorder;
        Self {
            plan: Plan::of(options),
            mode: options.mode,
            nvml: NvmlSampler::start(session.pieces_dir().join(NVML_PIECE)).ok(),
            fleet: Fleet::new(session.sockets_dir()),
            session,
            processes: ProcessTree::new(root),
            otlp,
            started: Instant::now(),
            last_asked: None,
            arms_new: options.delay.is_some_and(|delay| !delay.is_zero()),
        }
    }

    /// Looks after the collectors until the command ends.
    fn follow(
        &mut self,
        command: &mut Supervised,
        observer: &mut dyn Observer,
    ) -> Result<(), LaunchError> {
        let mut is_recording = !self.arms_new;
        let mut is_over = false;
        loop {
            let limit = self.plan.next_change(self.started.elapsed()).unwrap_or(LOOK_EVERY);
            let ending = command.wait(limit.min(LOOK_EVERY))?;
            let new = self.fleet.discover();
            new.iter().for_each(|pid| self.processes.add(*pid));
            if ending.is_some() {
                if !is_over {
                    self.settle();
                    self.stop(observer);
                }
                return Ok(());
            }
            self.look(observer);
            let bytes = self.fleet.totals(Duration::ZERO).bytes_written;
            match self.plan.action(self.started.elapsed(), bytes) {
                Action::Wait => {}
                Action::Record if self.arms_new => {
                    let whom = if is_recording { new } else { self.fleet.running() };
                    is_recording = true;
                    drop(self.tell(&whom, "arm", observer));
                }
                Action::Record => {}
                Action::Stop(reason) if !is_over => {
                    is_over = true;
                    observer.note(match reason {
                        StopReason::Duration => "the time is over; the command runs on",
                        StopReason::Size => "the size is reached; the command runs on",
                    });
                    self.stop(observer);
                }
                // Processes that start now would record by themselves.
                Action::Stop(_) => drop(self.tell(&new, "disarm", observer)),
            }
        }
    }

    fn look(&mut self, observer: &mut dyn Observer) {
        if self.last_asked.is_some_and(|last| last.elapsed() < ASK_EVERY) {
            return;
        }
        self.last_asked = Some(Instant::now());
        for (pid, trouble) in self.fleet.refresh() {
            observer.note(&format!("process {pid} does not record: {trouble}"));
        }
        observer.progress(&self.fleet.totals(self.started.elapsed()));
    }

    /// Answers whom it failed with, after saying so.
    fn tell(
        &self,
        pids: &[u32],
        line: &str,
        observer: &mut dyn Observer,
    ) -> Vec<(u32, ControlError)> {
        let failed = self.fleet.ask_each(pids, |_| line.to_owned(), STOP_LIMIT);
        for (pid, error) in &failed {
            observer.note(&format!("process {pid}: {line}: {error}"));
        }
        failed
    }

    /// Gives processes that end with the command the time to complete their files. Others may run
    /// on.
    fn settle(&mut self) {
        let deadline = Instant::now() + SETTLE_LIMIT;
        while self.fleet.n_alive() > 0 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.fleet.discover();
    }

    /// Has everybody who still runs complete its files, and hands them over.
    fn stop(&mut self, observer: &mut dyn Observer) {
        let running = self.fleet.running();
        self.fleet.refresh();
        if self.mode == Mode::Ring {
            drop(self.tell(&running, "flush", observer));
        }
        let failed = self.tell(&running, "disarm", observer);
        self.fleet.refresh();
        observer.progress(&self.fleet.totals(self.started.elapsed()));
        self.add_own_piece(observer);
        match self.session.pieces() {
            Ok(mut pieces) => {
                pieces.flushed = self.fleet.outputs_of_others(&running, &failed);
                observer.complete(&pieces, &self.processes);
            }
            Err(error) => observer.note(&format!("the recording is lost: {error}")),
        }
    }

    /// Completes what the launcher itself recorded, when there is anything to record it for.
    fn add_own_piece(&mut self, observer: &mut dyn Observer) {
        let mut problems = ProblemLedger::new();
        if let Some(nvml) = self.nvml.take() {
            problems.merge(nvml.stop());
        }
        if let Some(otlp) = &self.otlp {
            otlp.finish(&mut problems);
        }
        // Clocks of a machine on which nothing was recorded are no recording.
        let nvml = self.session.pieces_dir().join(NVML_PIECE);
        if self.session.pieces().is_ok_and(|pieces| pieces.holds_at_most(&nvml)) {
            let _ = std::fs::remove_file(nvml);
            return;
        }
        if let Err(error) = write_problems(self.session.pieces_dir(), problems) {
            observer.note(&format!("what is missing from the recording is not in it: {error}"));
        }
    }

    /// The command has ended.
    fn end(self, observer: &mut dyn Observer) {
        if let Some(otlp) = self.otlp {
            otlp.stop(observer);
        }
    }
}
