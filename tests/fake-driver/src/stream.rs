//! One stream: work runs one after the other.

use std::collections::VecDeque;

use fake_cupti::CannedRecord;

/// From the call until an idle device starts, ns.
pub(crate) const LAUNCH_LATENCY_NS: u64 = 5_200;
/// Between two things that are queued on a stream, ns.
const STREAM_GAP_NS: u64 = 900;
/// Between two nodes of a graph, ns.
const NODE_GAP_NS: u64 = 550;

/// A stream and what it has not finished.
#[derive(Debug, Default)]
pub(crate) struct StreamState {
    ready_ns: u64,
    unfinished: VecDeque<(u64, CannedRecord)>,
}

impl StreamState {
    /// When everything is done.
    pub(crate) fn ready_ns(&self) -> u64 {
        self.ready_ns
    }

    /// Start and end of something that is asked for now and takes `duration_ns`.
    pub(crate) fn run(&mut self, now_ns: u64, duration_ns: u64) -> (u64, u64) {
        self.run_after(now_ns + LAUNCH_LATENCY_NS, STREAM_GAP_NS, duration_ns)
    }

    /// The same for the next node of a graph that runs already.
    pub(crate) fn run_node(&mut self, duration_ns: u64) -> (u64, u64) {
        self.run_after(0, NODE_GAP_NS, duration_ns)
    }

    fn run_after(&mut self, earliest_ns: u64, gap_ns: u64, duration_ns: u64) -> (u64, u64) {
        let start_ns = earliest_ns.max(self.ready_ns + gap_ns);
        self.ready_ns = start_ns + duration_ns;
        (start_ns, self.ready_ns)
    }

    /// Keeps a record until the device is that far.
    pub(crate) fn keep(&mut self, end_ns: u64, record: CannedRecord) {
        self.unfinished.push_back((end_ns, record));
    }

    /// Records of what has ended by now.
    pub(crate) fn take_finished(&mut self, now_ns: u64) -> impl Iterator<Item = CannedRecord> {
        let n = self.unfinished.iter().take_while(|(end_ns, _)| *end_ns <= now_ns).count();
        self.unfinished.drain(..n).map(|(_, record)| record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cupti_sys::ActivityKind;

    #[test]
    fn work_runs_in_order_after_its_launch() {
        let mut stream = StreamState::default();
        assert_eq!(stream.run(1_000_000, 10_000), (1_005_200, 1_015_200));
        assert_eq!(stream.run(1_001_000, 5_000), (1_016_100, 1_021_100), "behind the first");
        assert_eq!(stream.run_node(1_000), (1_021_650, 1_022_650));
        assert_eq!(stream.run(2_000_000, 1).0, 2_005_200, "idle before");
        for end_ns in [10, 20, 30] {
            stream.keep(end_ns, CannedRecord::new(ActivityKind::MEMSET));
        }
        assert_eq!(stream.take_finished(20).count(), 2);
        assert_eq!(stream.take_finished(20).count(), 0);
        assert_eq!(stream.take_finished(u64::MAX).count(), 1);
    }
}
