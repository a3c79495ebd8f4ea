//! Sends one export after the other, each until it is taken or refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::backoff::Backoff;
use super::client::{Client, Outcome};
use super::queue::Queue;

/// Longest wait between attempts when the receiver is about to stop.
const HURRIED: Duration = Duration::from_millis(200);

/// What is said of exports that waited for a connection that failed: another one has the reason.
const WAITED: &str = "request was canceled";

/// Works until the task is ended.
pub(crate) async fn run(
    queue: Arc<Queue>,
    client: Arc<Client>,
    backoff_max: Duration,
    seed: u32,
    is_hurried: Arc<AtomicBool>,
) {
    let mut backoff = Backoff::new(backoff_max, seed);
    loop {
        let item = queue.pop().await;
        loop {
            match client.send(&item).await {
                Outcome::Taken { n_rejected } => {
                    queue.done(&item, |counted| {
                        counted.forwarded += 1;
                        counted.rejected_items += n_rejected;
                    });
                    backoff.reset();
                    break;
                }
                Outcome::Refused(reason) => {
                    queue.done(&item, |counted| {
                        counted.dropped_refused += 1;
                        counted.upstream_error = Some(reason);
                    });
                    break;
                }
                Outcome::Later { reason, after } => {
                    queue.count(|counted| {
                        counted.retries += 1;
                        if counted.upstream_error.is_none() || !reason.ends_with(WAITED) {
                            counted.upstream_error = Some(reason);
                        }
                    });
                    let mut wait = backoff.wait(after);
                    let hurried = queue.hurry.notified();
                    if is_hurried.load(Ordering::Relaxed) {
                        wait = wait.min(HURRIED);
                    }
                    // Woken or not, the next attempt comes.
                    let _ = tokio::time::timeout(wait, hurried).await;
                }
            }
        }
    }
}
