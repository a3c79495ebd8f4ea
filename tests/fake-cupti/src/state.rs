//! The library's state: one for the process, as in the real one.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use cupti_sys::{
    ActivityKind, BufferCompletedFn, BufferCompletedV2Fn, BufferRequestedFn, BufferRequestedV2Fn,
    CUptiResult, CallbackFn, Toolkit,
};

use crate::buffers::Buffers;
use crate::faults::Faults;
use crate::profile::Profile;
use crate::release::embedded_release;
use crate::resources::Modules;
use crate::script::{self, Effects, PROFILE_VARIABLE, SCRIPT_VARIABLE, ScriptError};
use crate::selection::Selection;

/// Kinds that can be enabled.
pub(crate) const N_KINDS: usize = 128;

/// Which generation of the activity interface the process uses; they do not mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Generation {
    V1,
    V2,
}

/// Who gets the buffers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Registrant {
    #[default]
    Nobody,
    V1(BufferRequestedFn, BufferCompletedFn),
    V2(BufferRequestedV2Fn, BufferCompletedV2Fn),
    /// Another profiler, played by the double.
    Other,
}

/// The process's subscriber.
#[derive(Debug)]
pub(crate) struct Subscriber {
    pub(crate) callback: CallbackFn,
    pub(crate) user: *mut c_void,
    pub(crate) handle: usize,
}

// SAFETY: the user pointer is only handed back to the subscriber's callback.
unsafe impl Send for Subscriber {}

/// Everything that changes rarely, behind one lock.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) faults: Faults,
    pub(crate) generation: Option<Generation>,
    pub(crate) registrant: Registrant,
    pub(crate) subscriber: Option<Subscriber>,
    pub(crate) callbacks_on: HashSet<(u32, u32)>,
    pub(crate) calls_off: HashSet<(ActivityKind, u32)>,
    pub(crate) user_defined: bool,
    pub(crate) selections: HashMap<u32, Selection>,
    pub(crate) call_counts: HashMap<&'static str, u64>,
    pub(crate) attributes: HashMap<u32, u64>,
    pub(crate) last_violation: String,
    pub(crate) thread_id_type: u32,
}

/// The state.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) profile: Profile,
    settings: Mutex<Settings>,
    pub(crate) buffers: Buffers,
    pub(crate) modules: Modules,
    enabled: [AtomicBool; N_KINDS],
    /// Set once graphs are traced as wholes; there is no way back.
    pub(crate) graph_level: AtomicBool,
    pub(crate) touch_times: AtomicBool,
    pub(crate) filter_calls: AtomicBool,
    pub(crate) per_thread: AtomicBool,
    pub(crate) zeroed: AtomicBool,
    pub(crate) user_defined: AtomicBool,
    pub(crate) other_profiler: AtomicBool,
    pub(crate) produced: AtomicU64,
    pub(crate) delivered: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) dropped_unread: AtomicU64,
    pub(crate) stolen: AtomicU64,
    pub(crate) suppressed: AtomicU64,
    pub(crate) violations: AtomicU64,
    pub(crate) next_handle: AtomicU32,
}

static STATE: OnceLock<State> = OnceLock::new();

thread_local! {
    /// Whether this thread is inside a buffer callback of ours.
    pub(crate) static IN_BUFFER_CALLBACK: Cell<bool> = const { Cell::new(false) };
    /// External correlation ids pushed on this thread: kind, id.
    pub(crate) static EXTERNAL_IDS: RefCell<Vec<(u32, u64)>> = const { RefCell::new(Vec::new()) };
}

/// The state, made on the first call from the file's release and the environment.
pub(crate) fn state() -> &'static State {
    STATE.get_or_init(|| {
        let mut faults = Faults::default();
        let mut effects = Effects { profile: None, faults: Some(&mut faults) };
        if let Some(text) = std::env::var_os(SCRIPT_VARIABLE) {
            let text = text.to_string_lossy().into_owned();
            let text = match text.strip_prefix('@') {
                Some(path) => std::fs::read_to_string(path)
                    .unwrap_or_else(|error| panic!("{SCRIPT_VARIABLE}: {path}: {error}")),
                None => text.replace(';', "\n"),
            };
            if let Err(error) = script::run(&text, &mut effects) {
                panic!("{SCRIPT_VARIABLE}: {error}");
            }
        }
        let profile = effects
            .profile
            .or_else(|| Profile::of(embedded_release()?))
            .or_else(|| Profile::of(Toolkit::parse(&std::env::var(PROFILE_VARIABLE).ok()?)?))
            .or_else(|| Profile::of(cupti_sys::CUDA_12_9))
            .expect("the ledger has 12.9");
        let state = State::new(profile);
        state.set_faults(faults);
        state
    })
}

impl State {
    fn new(profile: Profile) -> Self {
        Self {
            profile,
            settings: Mutex::default(),
            buffers: Buffers::default(),
            modules: Modules::default(),
            enabled: [const { AtomicBool::new(false) }; N_KINDS],
            graph_level: AtomicBool::new(false),
            touch_times: AtomicBool::new(false),
            filter_calls: AtomicBool::new(false),
            per_thread: AtomicBool::new(profile.per_thread_by_default()),
            zeroed: AtomicBool::new(false),
            user_defined: AtomicBool::new(false),
            other_profiler: AtomicBool::new(false),
            produced: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            dropped_unread: AtomicU64::new(0),
            stolen: AtomicU64::new(0),
            suppressed: AtomicU64::new(0),
            violations: AtomicU64::new(0),
            next_handle: AtomicU32::new(1),
        }
    }

    pub(crate) fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_faults(&self, faults: Faults) {
        self.touch_times.store(faults.touch_times(), Ordering::Relaxed);
        self.buffers.configure(&faults);
        self.settings().faults = faults;
    }

    /// Carries out a script at run time.
    pub(crate) fn script(&self, text: &str) -> Result<(), ScriptError> {
        let mut faults = self.settings().faults.clone();
        let outcome = script::run(text, &mut Effects { profile: None, faults: Some(&mut faults) });
        self.set_faults(faults);
        outcome
    }

    pub(crate) fn is_enabled(&self, kind: ActivityKind) -> bool {
        self.enabled.get(kind.0 as usize).is_some_and(|on| on.load(Ordering::Acquire))
    }

    pub(crate) fn set_enabled(&self, kind: ActivityKind, on: bool) {
        if let Some(slot) = self.enabled.get(kind.0 as usize) {
            slot.store(on, Ordering::Release);
        }
        if kind == ActivityKind::GRAPH_TRACE && on {
            self.graph_level.store(true, Ordering::Release);
        }
    }

    pub(crate) fn disable_all(&self) {
        self.enabled.iter().for_each(|on| on.store(false, Ordering::Release));
    }

    /// Writes down something the caller must not do.
    pub(crate) fn violation(&self, what: String) {
        self.violations.fetch_add(1, Ordering::AcqRel);
        self.settings().last_violation = what;
    }

    /// Decides whether a call of `function` may go on: the release must have it, the script must
    /// not fail it, and there must be a driver where one is needed.
    pub(crate) fn enter(&self, function: &'static str) -> Result<(), CUptiResult> {
        if IN_BUFFER_CALLBACK.get() {
            self.violation(format!("{function} called from a buffer callback"));
        }
        if !self.profile.has(function) {
            self.violation(format!("{function} called, which {} lacks", self.profile.toolkit));
            return Err(CUptiResult::ERROR_NOT_SUPPORTED);
        }
        let mut settings = self.settings();
        let n_calls = settings.call_counts.entry(function).or_default();
        let n = *n_calls;
        *n_calls += 1;
        if let Some(result) = settings.faults.failure_of(function, n) {
            return Err(result);
        }
        if settings.faults.driver_absent {
            drop(settings);
            return self.without_driver(function);
        }
        Ok(())
    }

    /// What each release was seen to do on a machine without a driver.
    fn without_driver(&self, function: &str) -> Result<(), CUptiResult> {
        let toolkit = self.profile.toolkit;
        if toolkit == cupti_sys::CUDA_13_2 {
            std::process::abort();
        }
        if toolkit.at_least(cupti_sys::CUDA_13_3) {
            return Err(CUptiResult::ERROR_UNKNOWN);
        }
        let works = matches!(
            function,
            "cuptiGetVersion"
                | "cuptiGetTimestamp"
                | "cuptiGetResultString"
                | "cuptiActivityRegisterCallbacks"
                | "cuptiActivityGetNextRecord"
        );
        match (works, toolkit.at_least(cupti_sys::CUDA_13_0)) {
            (true, _) => Ok(()),
            (false, true) => Err(CUptiResult::ERROR_UNKNOWN),
            (false, false) => Err(CUptiResult::ERROR_NOT_INITIALIZED),
        }
    }

    /// Settles which generation of the activity interface the process uses.
    pub(crate) fn use_generation(&self, generation: Generation) -> Result<(), CUptiResult> {
        let mut settings = self.settings();
        match settings.generation {
            Some(used) if used != generation => Err(CUptiResult::ERROR_NOT_COMPATIBLE),
            _ => {
                settings.generation = Some(generation);
                Ok(())
            }
        }
    }
}
