//! Every detector, in the order of their ids.

use super::d01_capacity_queue::CapacityQueue;
use super::d02_batch_formation::BatchFormation;
use super::d03_prefill_interference::PrefillInterference;
use super::d04_precision_fallback::PrecisionFallback;
use super::d05_conversions::Conversions;
use super::d06_launch_gaps::LaunchGaps;
use super::d09_serialised::SerialisedLayers;
use super::d10_cache::CacheEviction;
use super::d12_clocks::ClockSlowdown;
use super::d13_neighbour::NoisyNeighbour;
use super::d14_straggler::Straggler;
use super::d15_graphs::GraphMiss;
use super::d16_outside::OutsideServing;
use super::d17_model::ModelBound;
use super::d19_waste::Waste;
use super::stalls::{Allocator, SyncStall};
use super::transfers::{ExposedCopies, KvTransfer};
use crate::Detector;

/// Every detector. A new one gets its line here.
pub fn detectors() -> &'static [&'static dyn Detector] {
    &[
        &CapacityQueue,
        &BatchFormation,
        &PrefillInterference,
        &PrecisionFallback,
        &Conversions,
        &LaunchGaps,
        &SyncStall,
        &ExposedCopies,
        &SerialisedLayers,
        &CacheEviction,
        &KvTransfer,
        &ClockSlowdown,
        &NoisyNeighbour,
        &Straggler,
        &GraphMiss,
        &OutsideServing,
        &ModelBound,
        &Allocator,
        &Waste,
    ]
}

/// The detector with an id, such as `D4`, ignoring case.
pub fn detector(id: &str) -> Option<&'static dyn Detector> {
    detectors().iter().copied().find(|detector| detector.id().eq_ignore_ascii_case(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_one_to_nineteen_in_order() {
        let ids: Vec<&str> = detectors().iter().map(|detector| detector.id()).collect();
        let expected: Vec<String> = (1..=19).map(|n| format!("D{n}")).collect();
        assert_eq!(ids, expected);
        assert_eq!(detector("d4").map(Detector::id), Some("D4"));
        assert!(detector("D20").is_none());
        assert!(detectors().iter().all(|detector| detector.explanation().len() > 200));
    }
}
