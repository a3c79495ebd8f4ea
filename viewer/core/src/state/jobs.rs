//! Work that takes longer than a frame, on threads of its own. A frame asks and goes on; answers
//! arrive as messages and wake the window.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use underspan_native::ChunkId;

use super::EventRef;
use crate::analysis::{Analyses, Comparison};
use crate::document::{Document, Fact, OpenError};
use crate::query::RangeStatistics;
use crate::render::complete_tiles;
use crate::timeline::{RowTile, TimeRange, query_row};

/// Called when a message waits.
pub(crate) type Wake = Arc<dyn Fn() + Send + Sync>;

/// Chunks decoded between two looks at whether something newer is asked for.
const CHUNKS_PER_ROUND: usize = 4;

/// The answer to a job.
#[derive(Debug)]
pub(crate) enum Message {
    Opened(u64, Result<Arc<Document>, OpenError>),
    Reloaded(u64, Result<Arc<Document>, OpenError>),
    Tiles(u64, Vec<RowTile>),
    Analysed(u64, Arc<Analyses>),
    Compared(Result<Arc<Comparison>, (Vec<PathBuf>, OpenError)>),
    Statistics(u64, Result<Option<RangeStatistics>, String>),
    Details(EventRef, Result<EventDetails, String>),
    /// An event that was looked for, to be selected; `None` when there is none.
    Found(u64, Result<Option<EventRef>, String>),
}

/// What the details panel shows beside the event itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct EventDetails {
    pub(crate) facts: Vec<Fact>,
    /// What launched it, or what it launched.
    pub(crate) partner: Option<EventRef>,
}

/// Rows to be drawn.
#[derive(Debug, Clone)]
pub(crate) struct TileRequest {
    pub(crate) document: Arc<Document>,
    pub(crate) rows: Vec<usize>,
    pub(crate) window: TimeRange,
    pub(crate) n_pixels: u32,
    pub(crate) generation: u64,
}

/// Runs jobs and hands out their answers.
pub(crate) struct Jobs {
    sender: Sender<Message>,
    receiver: Receiver<Message>,
    wake: Wake,
    tiles: Option<Arc<TileSlot>>,
}

impl std::fmt::Debug for Jobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jobs").field("is_inline", &self.tiles.is_none()).finish_non_exhaustive()
    }
}

impl Jobs {
    /// Jobs on threads. `wake` is called from them when an answer is there.
    pub(crate) fn on_threads(wake: Wake) -> Self {
        let (sender, receiver) = channel();
        let slot = Arc::new(TileSlot::default());
        let worker = TileWorker { slot: slot.clone(), sender: sender.clone(), wake: wake.clone() };
        std::thread::spawn(move || worker.run());
        Self { sender, receiver, wake, tiles: Some(slot) }
    }

    /// Jobs that are done before the question returns: for tests and pictures.
    pub(crate) fn inline() -> Self {
        let (sender, receiver) = channel();
        Self { sender, receiver, wake: Arc::new(|| {}), tiles: None }
    }

    /// Starts a job.
    pub(crate) fn spawn(&self, job: impl FnOnce() -> Message + Send + 'static) {
        if self.tiles.is_none() {
            let _ = self.sender.send(job());
            return;
        }
        let (sender, wake) = (self.sender.clone(), self.wake.clone());
        std::thread::spawn(move || {
            // Nobody receives once the window is closed.
            if sender.send(job()).is_ok() {
                wake();
            }
        });
    }

    /// Asks for tiles; what was asked for before is forgotten.
    pub(crate) fn ask_for_tiles(&self, request: TileRequest) {
        match &self.tiles {
            Some(slot) => slot.put(Some(request)),
            None => {
                let TileRequest { document, rows, window, n_pixels, generation } = request;
                let tiles = complete_tiles(&document, &rows, window, n_pixels);
                let _ = self.sender.send(Message::Tiles(generation, tiles));
            }
        }
    }

    /// The next answer.
    pub(crate) fn receive(&self) -> Option<Message> {
        self.receiver.try_recv().ok()
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        if let Some(slot) = &self.tiles {
            slot.close();
        }
    }
}

/// The latest request for tiles.
#[derive(Debug, Default)]
struct TileSlot {
    state: Mutex<SlotState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct SlotState {
    request: Option<TileRequest>,
    is_closed: bool,
}

impl TileSlot {
    fn put(&self, request: Option<TileRequest>) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).request = request;
        self.changed.notify_one();
    }

    fn close(&self) {
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

struct TileWorker {
    slot: Arc<TileSlot>,
    sender: Sender<Message>,
    wake: Wake,
}

impl TileWorker {
    fn run(&self) {
        while let Some(request) = self.slot.take() {
            self.answer(&request);
        }
    }

    /// Sends what can be drawn at once, then finer tiles as their chunks are decoded.
    fn answer(&self, request: &TileRequest) {
        let TileRequest { document, rows, window, n_pixels, generation } = request;
        let mut scratch = Vec::new();
        let mut query = |rows: &[usize]| -> Vec<RowTile> {
            let each = |row: &usize| query_row(document, *row, *window, *n_pixels, &mut scratch);
            rows.iter().map(each).collect()
        };
        let mut tried: Vec<ChunkId> = Vec::new();
        let mut coarse = rows.clone();
        loop {
            let tiles = query(&coarse);
            coarse =
                tiles.iter().filter(|tile| !tile.missing.is_empty()).map(|tile| tile.row).collect();
            let mut missing: Vec<ChunkId> =
                tiles.iter().flat_map(|tile| tile.missing.iter().copied()).collect();
            missing.sort_unstable();
            missing.dedup();
            missing.retain(|chunk| !tried.contains(chunk));
            if self.sender.send(Message::Tiles(*generation, tiles)).is_err() {
                return;
            }
            (self.wake)();
            if missing.is_empty() {
                return;
            }
            for chunk in missing.into_iter().take(CHUNKS_PER_ROUND) {
                if self.slot.has_newer() {
                    return;
                }
                // A damaged chunk stays coarse; the data panel says that the file is damaged.
                let _ = document.events.load(chunk);
                tried.push(chunk);
            }
        }
    }
}
