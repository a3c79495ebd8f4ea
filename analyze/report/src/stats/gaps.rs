//! Idle GPU time by cause.

use underspan_engine::{Analysis, IdleClass};
use underspan_model::{DurationNs, Timeline};

use super::table::{Cell, StatsTable};

pub(super) fn table(timeline: &Timeline, analysis: &Analysis) -> StatsTable {
    let mut table = StatsTable::new(&[
        ("device", "device"),
        ("class", "cause"),
        ("idle_ns", "idle"),
        ("share_of_idle", "of idle"),
        ("share_of_window", "of window"),
        ("gap_count", "gaps"),
        ("meaning", "what it is"),
    ]);
    for device in &analysis.idle {
        let window = analysis
            .occupancy
            .devices
            .iter()
            .find(|occupancy| occupancy.device == device.device)
            .map_or(DurationNs::ZERO, |occupancy| occupancy.window.duration());
        let mut classes = IdleClass::ALL.to_vec();
        classes.sort_by_key(|class| std::cmp::Reverse(device.of_class(*class)));
        for class in classes {
            let idle = device.of_class(class);
            if idle == DurationNs::ZERO {
                continue;
            }
            table.row([
                Cell::Text(timeline.dimensions.device_label(device.device)),
                Cell::Text(class.as_str().to_owned()),
                Cell::Time(idle),
                Cell::share_of(idle, device.idle),
                Cell::share_of(idle, window),
                Cell::Count(device.gaps_by_class[class.index()]),
                Cell::Text(meaning(class).to_owned()),
            ]);
        }
    }
    table
}

/// What an idle class means, in a person's words.
pub(crate) fn meaning(class: IdleClass) -> &'static str {
    match class {
        IdleClass::Launch => "the launching thread was in API calls, or its launch on the way",
        IdleClass::HostWork => "the launching thread ran its own code",
        IdleClass::HostWait => "the launching thread was blocked, waiting for the device",
        IdleClass::QueueWait => "launched, but waiting for a dependency or the device",
        IdleClass::Cut => "not in this capture: cut from a longer run, or another process",
        IdleClass::Unknown => "the launching call is not in the capture",
    }
}
