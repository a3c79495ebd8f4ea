//! The thread that finds out what is to be drawn.

use std::collections::HashSet;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rayon::prelude::*;
use underspan_native::MissingChunk;

use super::jobs::{Message, TileAnswer, Wake};
use crate::document::Document;
use crate::timeline::{RowTile, TimeRange, missing_chunks, query_row};

/// How long chunks are decoded before what they show is sent: a picture that gets finer does not
/// need to move at sixty frames a second.
const ROUND: Duration = Duration::from_millis(60);

/// Rows to be drawn.
#[derive(Debug, Clone)]
pub(crate) struct TileRequest {
    pub(crate) document: Arc<Document>,
    pub(crate) rows: Vec<usize>,
    pub(crate) window: TimeRange,
    pub(crate) n_pixels: u32,
    pub(crate) generation: u64,
}

/// The latest request for tiles.
#[derive(Debug, Default)]
pub(super) struct TileSlot {
    state: Mutex<SlotState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct SlotState {
    request: Option<TileRequest>,
    is_closed: bool,
}

impl TileSlot {
    /// Asks for tiles; what was asked for before is forgotten.
    pub(super) fn put(&self, request: TileRequest) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).request = Some(request);
        self.changed.notify_one();
    }

    /// Ends the worker.
    pub(super) fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_closed = true;
        self.changed.notify_one();
    }

    /// Waits for a request; `None` when there will be none.
    fn take(&self) -> Option<TileRequest> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if state.is_closed {
                return None;
            }
            if let Some(request) = state.request.take() {
                return Some(request);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn has_newer(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.request.is_some() || state.is_closed
    }
}

/// Answers requests until the slot is closed.
pub(super) struct TileWorker {
    pub(super) slot: Arc<TileSlot>,
    pub(super) sender: Sender<Message>,
    pub(super) wake: Wake,
}

impl TileWorker {
    pub(super) fn run(&self) {
        // Threads of its own: an analysis that keeps all others busy does not stop the picture.
        let threads = rayon::ThreadPoolBuilder::new().thread_name(|at| format!("tiles {at}"));
        let threads = threads.build().ok();
        while let Some(request) = self.slot.take() {
            match &threads {
                Some(threads) => threads.install(|| self.answer(&request)),
                None => self.answer(&request),
            }
        }
    }

    /// Sends what can be drawn at once, then finer tiles as their chunks are decoded, the middle
    /// of the window first. A newer request ends it.
    fn answer(&self, request: &TileRequest) {
        let document = &*request.document;
        let mut tried: HashSet<MissingChunk> = HashSet::new();
        let mut coarse = request.rows.clone();
        loop {
            let tiles = request.query(&coarse);
            coarse =
                tiles.iter().filter(|tile| !tile.missing.is_empty()).map(|tile| tile.row).collect();
            let mut missing = missing_chunks(&tiles);
            missing.retain(|chunk| !tried.contains(chunk));
            let generation = request.generation;
            let answer = TileAnswer { generation, tiles, is_last: missing.is_empty() };
            // Nobody receives once the window is closed.
            if self.sender.send(Message::Tiles(answer)).is_err() {
                return;
            }
            (self.wake)();
            if missing.is_empty() {
                return;
            }
            middle_first(&mut missing);
            let began = Instant::now();
            for group in missing.chunks(rayon::current_num_threads().max(1)) {
                if self.slot.has_newer() {
                    return;
                }
                tried.extend(group);
                group.par_iter().for_each(|chunk| {
                    // A damaged chunk stays coarse; the data panel says that the file is damaged.
                    let _ = document.events.load(*chunk);
                });
                if began.elapsed() >= ROUND {
                    break;
                }
            }
        }
    }
}

impl TileRequest {
    fn query(&self, rows: &[usize]) -> Vec<RowTile> {
        let one = |scratch: &mut Vec<_>, row: &usize| {
            query_row(&self.document, *row, self.window, self.n_pixels, scratch)
        };
        rows.par_iter().map_init(Vec::new, one).collect()
    }
}

/// Chunks lie in a file in order of time; the view is the middle of the window.
fn middle_first(missing: &mut [MissingChunk]) {
    let bounds = |missing: &[MissingChunk]| {
        let (first, last) = (missing.first()?, missing.last()?);
        Some(u64::from(first.index) + u64::from(last.index))
    };
    for of_table in missing.chunk_by_mut(|a, b| a.table == b.table) {
        let twice_middle = bounds(of_table).unwrap_or(0);
        of_table.sort_by_key(|chunk| (2 * u64::from(chunk.index)).abs_diff(twice_middle));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use underspan_model::tables::TableKind;
    use underspan_native::Depth;

    #[test]
    fn chunks_in_the_middle_come_first() {
        let chunk = |table, index| MissingChunk { table, index, depth: Depth::Events };
        let mut missing: Vec<_> = (4..9).map(|at| chunk(TableKind::Kernel, at)).collect();
        missing.push(chunk(TableKind::Memcpy, 1));
        middle_first(&mut missing);
        let order: Vec<u32> = missing.iter().map(|chunk| chunk.index).collect();
        assert_eq!(order, [6, 5, 7, 4, 8, 1]);
    }
}
