//! Healthy servers that look as if something were wrong.

use crate::conditions::{
    ClockSpell, OtherProcess, REASON_APPLICATION_CLOCKS, REASON_SOFTWARE_POWER_CAP,
};
use crate::device::Number;
use crate::faults::Upload;
use crate::kernels::Library;
use crate::load::{Pattern, Prefixes};
use crate::model::Role;
use crate::profile::{self, Grain};
use crate::random::Random;
use crate::server::{Engine, EngineKind};

/// What looks wrong and is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trap {
    /// Nothing at all.
    Plain,
    /// Requests arrive in bursts.
    Bursts,
    /// The operator locked the clocks below the highest.
    LockedClocks,
    /// The last multiply runs in FP32 by design, as the model card says.
    WideHead,
    /// A second process of the same deployment is on the GPU, idle or nearly so.
    OwnSecondProcess,
    /// Large uploads, page-locked and overlapped.
    OverlappedUploads,
    /// Two thirds of the capacity is used: requests queue as they must.
    BusyServer,
    /// Nothing was written down about the deployment.
    NothingDeclared,
    /// Many small kernels.
    FineGrain,
    /// The power limit takes the last few per cent of the clock, as on any busy board.
    PowerLimit,
    /// Somebody else's process holds memory and does nothing.
    IdleNeighbour,
    /// Prompts and answers of very different lengths.
    MixedLengths,
    /// Long shared beginnings of prompts, nearly all of them cached.
    WarmPrefixes,
    /// Two ranks that keep step.
    TwoRanks,
}

impl Trap {
    /// Every trap.
    pub const ALL: [Self; 14] = [
        Self::Plain,
        Self::Bursts,
        Self::LockedClocks,
        Self::WideHead,
        Self::OwnSecondProcess,
        Self::OverlappedUploads,
        Self::BusyServer,
        Self::NothingDeclared,
        Self::FineGrain,
        Self::PowerLimit,
        Self::IdleNeighbour,
        Self::MixedLengths,
        Self::WarmPrefixes,
        Self::TwoRanks,
    ];

    /// Name in case names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Bursts => "bursts",
            Self::LockedClocks => "locked-clocks",
            Self::WideHead => "wide-head",
            Self::OwnSecondProcess => "own-second-process",
            Self::OverlappedUploads => "overlapped-uploads",
            Self::BusyServer => "busy-server",
            Self::NothingDeclared => "nothing-declared",
            Self::FineGrain => "fine-grain",
            Self::PowerLimit => "power-limit",
            Self::IdleNeighbour => "idle-neighbour",
            Self::MixedLengths => "mixed-lengths",
            Self::WarmPrefixes => "warm-prefixes",
            Self::TwoRanks => "two-ranks",
        }
    }

    /// The trap with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trap| trap.name() == name)
    }

    /// Whether the trap makes sense on an engine.
    pub fn suits(self, engine: EngineKind) -> bool {
        let is_for_llms = matches!(
            self,
            Self::WideHead | Self::MixedLengths | Self::WarmPrefixes | Self::TwoRanks
        );
        !is_for_llms || engine == EngineKind::Vllm
    }

    /// A healthy server with the trap.
    pub(crate) fn set(self, engine: EngineKind, seed: u64) -> Engine {
        let grain = if self == Self::FineGrain { Grain::Fine } else { Grain::Coarse };
        let mut random = Random::for_purpose(seed, "trap");
        let mut server = match engine {
            EngineKind::Vllm => {
                let ranks = if self == Self::TwoRanks { 2 } else { 1 };
                Engine::Vllm(profile::vllm(seed, grain, ranks))
            }
            EngineKind::Triton => Engine::Triton(profile::triton(seed, grain)),
            EngineKind::PyTorch => Engine::PyTorch(profile::pytorch(seed, grain)),
        };
        match self {
            Self::Plain | Self::NothingDeclared | Self::FineGrain | Self::TwoRanks => {}
            Self::Bursts => server.load_mut().pattern = Pattern::Bursts(random.within(4.0, 9.0)),
            Self::BusyServer => server.make_busy(random.within(0.45, 0.62)),
            Self::WideHead => {
                if let Engine::Vllm(vllm) = &mut server {
                    vllm.precision.other.push((Role::Head, Number::Fp32));
                    vllm.model.note = Some("lm_head is kept in float32 by design");
                }
            }
            Self::LockedClocks => {
                let ratio = random.within(0.7, 0.85);
                let spell = ClockSpell {
                    from_ns: 0,
                    ratio,
                    reasons: REASON_APPLICATION_CLOCKS,
                    temperature: 52,
                };
                server.conditions_mut().clocks = vec![spell];
            }
            Self::OwnSecondProcess => {
                let command = match engine {
                    EngineKind::Vllm => "VLLM::EngineCore",
                    EngineKind::Triton => "tritonserver",
                    EngineKind::PyTorch => "python3",
                };
                let other = OtherProcess {
                    pid: 6_101,
                    command,
                    sm_percent: random.between(0, 3) as u32,
                    memory_mb: 2_210,
                };
                server.conditions_mut().others.push(other);
            }
            Self::PowerLimit => {
                let spell = ClockSpell {
                    from_ns: 0,
                    ratio: random.within(0.95, 0.975),
                    reasons: REASON_SOFTWARE_POWER_CAP,
                    temperature: 63,
                };
                server.conditions_mut().clocks = vec![spell];
            }
            Self::IdleNeighbour => {
                let other = OtherProcess {
                    pid: random.between(20_000, 60_000) as u32,
                    command: "jupyter-lab",
                    sm_percent: 0,
                    memory_mb: random.between(400, 3_000) as u32,
                };
                server.conditions_mut().others.push(other);
            }
            Self::MixedLengths => {
                let load = server.load_mut();
                load.prompt.spread = 0.7;
                load.prompt.most = 320;
                load.output.spread = 0.6;
                load.gap_ns *= 1.4;
            }
            Self::WarmPrefixes => {
                let tokens = random.between(20, 60) * 16;
                server.load_mut().prefixes = Some(Prefixes { groups: 5, tokens });
            }
            Self::OverlappedUploads => {
                let bytes = random.between(6, 16) << 20;
                let upload = Upload { bytes, is_pageable: false, is_overlapped: true };
                server.faults_mut().upload = Some(upload);
            }
        }
        server
    }
}

impl Engine {
    pub(crate) fn load_mut(&mut self) -> &mut crate::load::Load {
        match self {
            Self::Vllm(settings) => &mut settings.load,
            Self::Triton(settings) => &mut settings.load,
            Self::PyTorch(settings) => &mut settings.load,
        }
    }

    fn faults_mut(&mut self) -> &mut crate::faults::RuntimeFaults {
        match self {
            Self::Vllm(settings) => &mut settings.faults,
            Self::Triton(settings) => &mut settings.faults,
            Self::PyTorch(settings) => &mut settings.faults,
        }
    }

    fn conditions_mut(&mut self) -> &mut crate::conditions::Conditions {
        match self {
            Self::Vllm(settings) => &mut settings.conditions[0],
            Self::Triton(settings) => &mut settings.conditions,
            Self::PyTorch(settings) => &mut settings.conditions,
        }
    }

    /// Loads a one-at-a-time server to this share of its capacity, a batching one to twice its
    /// usual number of running requests.
    fn make_busy(&mut self, share: f64) {
        match self {
            Self::Vllm(settings) => settings.load.gap_ns /= 2.0,
            Self::Triton(settings) => {
                let tokens = settings.load.prompt.median;
                let library = Library::TensorRt;
                let busy_ns =
                    profile::execution_ns(&settings.encoder, settings.gpu, library, tokens);
                settings.load.gap_ns = busy_ns / share;
            }
            Self::PyTorch(settings) => {
                settings.load.gap_ns = profile::handling_ns(settings) / share;
            }
        }
    }
}
