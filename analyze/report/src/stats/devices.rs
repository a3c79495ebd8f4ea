//! Busy, idle and overlapped time by device.

use underspan_engine::{Analysis, WorkClass};
use underspan_model::Timeline;

use super::table::{Cell, StatsTable};

pub(super) fn table(timeline: &Timeline, analysis: &Analysis) -> StatsTable {
    let mut table = StatsTable::new(&[
        ("device", "device"),
        ("window_ns", "window"),
        ("busy_ns", "busy"),
        ("idle_ns", "idle"),
        ("idle_fraction", "idle share"),
        ("kernel_busy_ns", "kernels"),
        ("compute_busy_ns", "compute"),
        ("copy_busy_ns", "copies"),
        ("collective_busy_ns", "collectives"),
        ("exposed_copy_ns", "copies alone"),
        ("exposed_collective_ns", "collectives alone"),
    ]);
    for device in &analysis.occupancy.devices {
        table.row([
            Cell::Text(timeline.dimensions.device_label(device.device)),
            Cell::Time(device.window.duration()),
            Cell::Time(device.busy),
            Cell::Time(device.idle()),
            device.idle_fraction().map_or(Cell::Missing, Cell::Share),
            Cell::Time(device.kernel_busy),
            Cell::Time(device.busy_of(WorkClass::Compute)),
            Cell::Time(device.busy_of(WorkClass::Copy)),
            Cell::Time(device.busy_of(WorkClass::Collective)),
            Cell::Time(device.exposed_copy()),
            Cell::Time(device.exposed_collective()),
        ]);
    }
    table
}
