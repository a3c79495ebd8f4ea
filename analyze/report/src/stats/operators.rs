//! Host time by framework operator.

use underspan_engine::{Analysis, cpu_op_stats};
use underspan_model::Timeline;

use super::kernels::named;
use super::table::StatsTable;

pub(super) fn table(timeline: &Timeline, _analysis: &Analysis) -> StatsTable {
    named(timeline, &cpu_op_stats(timeline), "operator")
}
