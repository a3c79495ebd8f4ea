//! Host time by CUDA or HIP call.

use underspan_engine::{Analysis, api_call_stats};
use underspan_model::Timeline;

use super::kernels::named;
use super::table::StatsTable;

pub(super) fn table(timeline: &Timeline, _analysis: &Analysis) -> StatsTable {
    named(timeline, &api_call_stats(timeline), "call")
}
