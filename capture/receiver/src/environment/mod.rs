//! What a server is told so that it exports here, and where it would have exported to.
//!
//! The standard variables are those of
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>. Servers that trace only when a
//! flag says so get the flag, when they know it and have the packages that it needs: a flag that
//! a server does not know would keep it from starting.

mod arguments;
mod endpoint;
mod engine;
mod installed;
mod proxy;
mod python_engine;
mod sglang;
mod triton;
mod variables;
mod vllm;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

pub use installed::{Installed, PythonLaunch, PythonRequirement, SystemInstalled};

use crate::options::Upstreams;
use crate::signal::Signal;
use arguments::Argument;
use engine::Engine;
use variables::Standard;

/// Variables of a process, each once.
pub type Environment = BTreeMap<OsString, OsString>;

/// How a server is to export to a [`Receiver`](crate::Receiver): made from its command line and
/// environment before there is one, since the receiver is started with what the plan found out.
#[derive(Debug, Clone)]
pub struct TelemetryPlan {
    upstreams: Upstreams,
    arguments: Vec<Argument>,
    standard: Standard,
    notes: Vec<String>,
}

/// What to start a server with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildSettings {
    /// The command line.
    pub argv: Vec<OsString>,
    /// Variables to set, beside those it has.
    pub variables: Vec<(OsString, OsString)>,
}

impl TelemetryPlan {
    /// Plans for a command line (the program first) that is started with `environment`. `installed`
    /// is asked what the server knows; it may start its Python for that.
    pub fn of(argv: &[OsString], environment: &Environment, installed: &dyn Installed) -> Self {
        let mut plan = Self {
            upstreams: Upstreams::default(),
            arguments: argv.iter().cloned().map(Argument::Kept).collect(),
            standard: Standard::of(environment),
            notes: Vec::new(),
        };
        plan.standard.upstreams(argv, &mut plan.upstreams);
        plan.standard.notes(&mut plan.notes);
        if plan.standard.is_disabled() {
            return plan;
        }
        match Engine::of(argv) {
            Ok(Some(engine)) => plan.engine(&engine, argv, installed),
            Ok(None) => {}
            Err(note) => plan.notes.push(note),
        }
        plan
    }

    fn engine(&mut self, engine: &Engine, argv: &[OsString], installed: &dyn Installed) {
        match engine {
            Engine::Vllm { launch, first } => vllm::plan(self, argv, *first, launch, installed),
            Engine::Sglang { launch, first } => sglang::plan(self, argv, *first, launch, installed),
            Engine::Triton { program, first } => {
                triton::plan(self, argv, *first, program, installed);
            }
        }
    }

    /// Where the server would have exported to.
    pub fn upstreams(&self) -> &Upstreams {
        &self.upstreams
    }

    /// What a person should know about the plan, a line each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What to start the server with, once the ports are known.
    pub fn child(&self, grpc_port: u16, http_port: u16) -> ChildSettings {
        let ports = Ports { grpc: grpc_port, http: http_port };
        let argv = self.arguments.iter().map(|argument| argument.written(ports)).collect();
        let variables = self.standard.child(ports);
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        ChildSettings { argv, variables: variables.collect() }
    }

    /// Sends spans on to an endpoint that a flag names.
    fn set_traces_upstream(&mut self, endpoint: &str, protocol: Option<endpoint::Protocol>) {
        match self.standard.upstream(endpoint, Signal::Traces, protocol) {
            Ok(upstream) => self.upstreams.set(Signal::Traces, upstream),
            Err(note) => self.notes.push(note),
        }
    }

    /// Says where spans go that there would be none of without the added flag.
    fn note_added(&mut self, engine: &str, flag: &str) {
        let also = self.upstreams.of(Signal::Traces).map(|upstream| &upstream.url);
        let also = also.map_or_else(String::new, |url| format!("; its spans go to {url} as well"));
        self.notes.push(format!("{engine}: added {flag}{also}"));
    }
}

/// The ports of a receiver.
#[derive(Debug, Clone, Copy)]
struct Ports {
    grpc: u16,
    http: u16,
}

/// The name of a program, without its folder.
fn base_name(program: &OsStr) -> &str {
    let name = std::path::Path::new(program).file_name();
    name.and_then(OsStr::to_str).unwrap_or_default()
}
