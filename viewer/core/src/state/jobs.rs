//! Work that takes longer than a frame, on threads of its own. A frame asks and goes on; answers
//! arrive as messages and wake the window.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::EventRef;
use super::tile_worker::{TileRequest, TileSlot, TileWorker};
use crate::analysis::{Analyses, Comparison};
use crate::document::{Document, Fact, OpenError};
use crate::query::RangeStatistics;
use crate::render::complete_tiles;
use crate::timeline::RowTile;

/// Called when a message waits.
pub(crate) type Wake = Arc<dyn Fn() + Send + Sync>;

/// The answer to a job.
#[derive(Debug)]
pub(crate) enum Message {
    Opened(u64, Result<Arc<Document>, OpenError>),
    Reloaded(u64, Result<Arc<Document>, OpenError>),
    Tiles(TileAnswer),
    Analysed(u64, Arc<Analyses>),
    Compared(u64, Result<Arc<Comparison>, (Vec<PathBuf>, OpenError)>),
    Statistics(u64, Result<Option<RangeStatistics>, String>),
    Details(EventRef, Result<EventDetails, String>),
    /// An event that was looked for, to be selected; `None` when there is none.
    Found(u64, Result<Option<EventRef>, String>),
}

/// What is to be drawn of some rows.
#[derive(Debug)]
pub(crate) struct TileAnswer {
    /// The request's.
    pub(crate) generation: u64,
    pub(crate) tiles: Vec<RowTile>,
    /// Whether nothing finer follows.
    pub(crate) is_last: bool,
}

/// What the details panel shows beside the event itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct EventDetails {
    pub(crate) facts: Vec<Fact>,
    /// What launched it, or what it launched.
    pub(crate) partner: Option<EventRef>,
}

/// Runs jobs and hands out their answers.
pub(crate) struct Jobs {
    sender: Sender<Message>,
    receiver: Receiver<Message>,
    wake: Wake,
    tiles: Option<Arc<TileSlot>>,
    n_running: Arc<AtomicUsize>,
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
        Self { sender, receiver, wake, tiles: Some(slot), n_running: Arc::default() }
    }

    /// Jobs that are done before the question returns: for tests and pictures.
    pub(crate) fn inline() -> Self {
        let (sender, receiver) = channel();
        Self { sender, receiver, wake: Arc::new(|| {}), tiles: None, n_running: Arc::default() }
    }

    /// Starts a job.
    pub(crate) fn spawn(&self, job: impl FnOnce() -> Message + Send + 'static) {
        if self.tiles.is_none() {
            let _ = self.sender.send(job());
            return;
        }
        let (sender, wake) = (self.sender.clone(), self.wake.clone());
        let n_running = self.n_running.clone();
        n_running.fetch_add(1, Ordering::Relaxed);
        std::thread::spawn(move || {
            let message = job();
            n_running.fetch_sub(1, Ordering::Relaxed);
            // Nobody receives once the window is closed.
            if sender.send(message).is_ok() {
                wake();
            }
        });
    }

    /// Jobs on threads that have not ended.
    pub(crate) fn n_running(&self) -> usize {
        self.n_running.load(Ordering::Relaxed)
    }

    /// Asks for tiles; what was asked for before is forgotten.
    pub(crate) fn ask_for_tiles(&self, request: TileRequest) {
        match &self.tiles {
            Some(slot) => slot.put(request),
            None => {
                let TileRequest { document, rows, window, n_pixels, generation } = request;
                let tiles = complete_tiles(&document, &rows, window, n_pixels);
                let answer = TileAnswer { generation, tiles, is_last: true };
                let _ = self.sender.send(Message::Tiles(answer));
            }
        }
    }

    /// The next answer.
    pub(crate) fn receive(&self) -> Option<Message> {
        self.receiver.try_recv().ok()
    }
}

/// Frees memory on another thread: that of a million requests takes longer than a frame.
pub(crate) fn let_go(memory: impl Send + 'static) {
    // Where the system gives no thread, it is freed at once.
    let _ = std::thread::Builder::new().spawn(move || drop(memory));
}

impl Drop for Jobs {
    fn drop(&mut self) {
        if let Some(slot) = &self.tiles {
            slot.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_freed_on_another_thread() {
        struct Memory(Sender<std::thread::ThreadId>);
        impl Drop for Memory {
            fn drop(&mut self) {
                let _ = self.0.send(std::thread::current().id());
            }
        }
        let (sender, freed_on) = channel();
        let_go(Memory(sender));
        assert_ne!(freed_on.recv().unwrap(), std::thread::current().id());
    }
}
