//! Tables of statistics: one file each, one line in [`StatsReport`].

mod annotations;
mod api;
mod copies;
mod devices;
mod gaps;
mod kernels;
mod layers;
mod operators;
mod precision;
mod roles;
mod shapes;
mod steps;
mod streams;
mod table;

use underspan_engine::Analysis;
use underspan_model::Timeline;

pub(crate) use gaps::meaning as gap_meaning;
pub use table::{Cell, StatsColumn, StatsTable};

macro_rules! stats_reports {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $title:literal, $make:path;)*) => {
        /// Which table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum StatsReport {
            $($(#[$doc])* $variant,)*
        }

        impl StatsReport {
            /// Every table, in the order of the help.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name on the command line.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it shows, in a few words.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// Makes it.
            pub fn table(self, timeline: &Timeline, analysis: &Analysis) -> StatsTable {
                match self { $(Self::$variant => $make(timeline, analysis),)* }
            }
        }
    };
}

stats_reports! {
    /// Kernels by name.
    Kernels = "kernels", "GPU time by kernel name", kernels::table;
    /// Kernels by launch shape.
    Shapes = "shapes", "GPU time by kernel name, grid, block and memory", shapes::table;
    /// GPU time by role.
    Roles = "roles", "GPU time by what kernels are for", roles::table;
    /// GPU time by role, type and kind of core.
    Precision = "precision", "GPU time by role, type computed in, tensor cores", precision::table;
    /// Copies by direction and memory.
    Copies = "copies", "copies by direction and host memory, with rate", copies::table;
    /// API calls by name.
    Api = "api", "host time by CUDA or HIP call", api::table;
    /// Framework operators by name.
    Operators = "operators", "host time by framework operator", operators::table;
    /// Annotations by name.
    Annotations = "annotations", "NVTX ranges and framework annotations by name", annotations::table;
    /// GPU time by layer.
    Layers = "layers", "GPU time by the annotations around a launch or a captured graph node", layers::table;
    /// Engine steps by kind.
    Steps = "steps", "engine steps with batch size, host and GPU time", steps::table;
    /// Devices.
    Devices = "devices", "busy, idle and overlapped time by device", devices::table;
    /// Streams.
    Streams = "streams", "work and busy time by stream", streams::table;
    /// Gaps by cause.
    Gaps = "gaps", "idle GPU time by cause", gaps::table;
}

impl StatsReport {
    /// The table with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|report| report.name() == name)
    }
}
