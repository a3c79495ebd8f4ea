//! Sends one export after the other, each until it is taken or refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::backoff::Backoff;
use super::client::Outcome;
use super::queue::{Item, Queue};

/// Longest wait between attempts when the receiver is about to stop.
const HURRIED: Duration = Duration::from_millis(200);

/// What is said of exports that waited for a connection that failed: another one has the reason.
const WAITED: &str = "request was canceled";

/// What takes exports.
pub(crate) trait Endpoint: Send + Sync + 'static {
    /// Sends an export once.
    fn send(&self, item: &Item) -> impl Future<Output = Outcome> + Send;
}

/// Works until the task is ended.
pub(crate) async fn run<E: Endpoint>(
    queue: Arc<Queue>,
    client: Arc<E>,
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use bytes::Bytes;
    use hyper::HeaderMap;
    use tokio::time::{Instant, sleep};

    use super::super::WORKERS;
    use super::*;
    use crate::content::Encoding;
    use crate::intake::{Compression, Transport};
    use crate::signal::Signal;
    use crate::stats::{Counted, SignalStats};

    /// An endpoint that is down for a while, on a clock that only runs while everybody waits.
    struct Outage {
        ends: Instant,
        got: Mutex<Vec<(u64, Instant)>>,
    }

    impl Endpoint for Outage {
        async fn send(&self, item: &Item) -> Outcome {
            // An attempt on a host that is gone takes its time, too.
            sleep(Duration::from_millis(20)).await;
            if Instant::now() < self.ends {
                return Outcome::Later { reason: "refused".to_owned(), after: None };
            }
            let number = u64::from_le_bytes(item.body[..8].try_into().expect("eight bytes"));
            self.got.lock().expect("no panic").push((number, Instant::now()));
            Outcome::Taken { n_rejected: 0 }
        }
    }

    fn item(number: u64) -> Item {
        let mut body = vec![0; 1000];
        body[..8].copy_from_slice(&number.to_le_bytes());
        Item {
            signal: Signal::Traces,
            encoding: Encoding::Protobuf,
            transport: Transport::Grpc,
            body: Bytes::from(body),
            compression: Compression::Identity,
            headers: HeaderMap::new(),
        }
    }

    /// An export every 50 ms through an outage of a minute, with a queue of so many bytes. Returns
    /// what the endpoint got, when it was back, and the numbers.
    fn through_an_outage(limit_bytes: usize) -> (Vec<(u64, Instant)>, Instant, SignalStats) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(async {
            let ends = Instant::now() + Duration::from_secs(60);
            let endpoint = Arc::new(Outage { ends, got: Mutex::default() });
            let counted = Arc::new(Counted::default());
            let queue = Arc::new(Queue::new(Signal::Traces, limit_bytes, Arc::clone(&counted)));
            for seed in 1..=WORKERS as u32 {
                let (queue, endpoint) = (Arc::clone(&queue), Arc::clone(&endpoint));
                let most = Duration::from_secs(5);
                tokio::spawn(run(queue, endpoint, most, seed, Arc::default()));
            }
            for number in 0..1400 {
                let before = Instant::now();
                queue.push(item(number));
                assert_eq!(before, Instant::now(), "whoever exports never waits");
                sleep(Duration::from_millis(50)).await;
            }
            // All that is queued goes on well before another minute is over.
            sleep(Duration::from_secs(30)).await;
            assert!(queue.is_empty());
            let got = endpoint.got.lock().expect("no panic").clone();
            (got, ends, counted.lock().traces.clone())
        })
    }

    #[test]
    fn an_endpoint_that_is_down_for_a_minute_gets_everything_when_it_is_back() {
        let (mut got, ends, stats) = through_an_outage(64 << 20);
        assert_eq!((stats.forwarded, stats.queued, stats.dropped()), (1400, 0, 0));
        // Each worker tries at least every five seconds, and not much more often.
        assert!((4 * 12..4 * 25).contains(&stats.retries), "{}", stats.retries);
        let first = got.iter().map(|(_, at)| *at).min().expect("exports");
        assert!(first >= ends && first < ends + Duration::from_secs(6), "{:?}", first - ends);
        got.sort_unstable();
        assert!(got.iter().map(|(number, _)| *number).eq(0..1400));
    }

    #[test]
    fn what_does_not_fit_within_the_bound_is_dropped_and_counted() {
        // Room for 400 of the 1200 exports of the minute: the oldest are kept.
        let (mut got, _, stats) = through_an_outage(400 * 1256);
        assert_eq!((stats.queued, stats.dropped_refused, stats.dropped_at_stop), (0, 0, 0));
        assert_eq!(stats.forwarded + stats.dropped_queue_full, 1400);
        assert_eq!(got.len() as u64, stats.forwarded);
        assert!((780..=900).contains(&stats.dropped_queue_full), "{stats:?}");
        got.sort_unstable();
        let numbers: Vec<u64> = got.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers[..400], (0..400).collect::<Vec<_>>());
        assert_eq!(numbers.last(), Some(&1399), "and the newest, once there is room again");
    }
}
