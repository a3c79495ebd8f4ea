//! The faults that are planted, by the id of the detector that should find them.

/// A planted fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Plant {
    /// More requests than slots or capacity.
    CapacityQueue,
    /// The batcher waits for company that does not come.
    BatchDelay,
    /// Long prompts hold up everybody's decode steps.
    PrefillInterference,
    /// Multiplies run in a wider type than declared.
    PrecisionFallback,
    /// Kernels that only turn one type or layout into another.
    Conversions,
    /// The device waits for the host.
    LaunchGaps,
    /// The host waits for the device, then the device for the host.
    SyncStall,
    /// Copies that nothing overlaps, from pageable memory.
    ExposedCopies,
    /// Independent parts of a model run one after the other.
    SerialBranches,
    /// The prefix cache is cold or the KV cache too small.
    CacheLoss,
    /// Keys and values arrive late.
    CacheTransfer,
    /// The SM clock drops.
    ClockDrop,
    /// Another process uses the GPU.
    NoisyNeighbour,
    /// One rank is late at every collective.
    Straggler,
    /// Graphs that do not fit, padding, or modules loaded while serving.
    GraphMiss,
    /// Time is lost before the engine sees the request, or after.
    Outside,
    /// The model is what takes the time.
    ModelBound,
    /// Memory is allocated and freed while serving.
    Allocator,
    /// The GPU computes what nobody asked for.
    Waste,
}

/// Where a fault lies, as a verdict names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// The model itself.
    Model,
    /// The serving software and its settings.
    Runtime,
    /// The machine.
    Hardware,
    /// Before or after the serving process.
    Outside,
}

impl Layer {
    /// As in a verdict.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Runtime => "runtime",
            Self::Hardware => "hardware",
            Self::Outside => "outside",
        }
    }
}

impl Plant {
    /// Every plant, by id.
    pub const ALL: [Self; 19] = [
        Self::CapacityQueue,
        Self::BatchDelay,
        Self::PrefillInterference,
        Self::PrecisionFallback,
        Self::Conversions,
        Self::LaunchGaps,
        Self::SyncStall,
        Self::ExposedCopies,
        Self::SerialBranches,
        Self::CacheLoss,
        Self::CacheTransfer,
        Self::ClockDrop,
        Self::NoisyNeighbour,
        Self::Straggler,
        Self::GraphMiss,
        Self::Outside,
        Self::ModelBound,
        Self::Allocator,
        Self::Waste,
    ];

    /// Number of the detector: 1 to 19.
    pub fn number(self) -> usize {
        Self::ALL.iter().position(|plant| *plant == self).map_or(0, |at| at + 1)
    }

    /// Id of the detector, as `D4`.
    pub fn id(self) -> String {
        format!("D{}", self.number())
    }

    /// The plant with this id.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|plant| plant.id().eq_ignore_ascii_case(id))
    }

    /// Layers that a verdict may name for it; the first is the usual one.
    pub fn layers(self) -> &'static [Layer] {
        match self {
            Self::ExposedCopies | Self::CacheTransfer => &[Layer::Runtime, Layer::Hardware],
            Self::SerialBranches => &[Layer::Runtime, Layer::Model],
            Self::Straggler => &[Layer::Hardware, Layer::Runtime],
            Self::ClockDrop | Self::NoisyNeighbour => &[Layer::Hardware],
            Self::Outside => &[Layer::Outside],
            Self::ModelBound => &[Layer::Model],
            _ => &[Layer::Runtime],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_go_both_ways() {
        for plant in Plant::ALL {
            assert_eq!(Plant::from_id(&plant.id()), Some(plant));
        }
        assert_eq!(Plant::Outside.id(), "D16");
        assert_eq!(Plant::from_id("D20"), None);
    }
}
