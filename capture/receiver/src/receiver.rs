//! A receiver's life.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::content::FinishedRequest;
use crate::error::ReceiverError;
use crate::intake::{Intake, serve};
use crate::options::ReceiverOptions;
use crate::signal::Signal;
use crate::spool::{Spool, SpoolWriter};
use crate::stats::{Counted, ReceiverStats};
use crate::tee::{self, Client, Queue};

/// Threads that receive and send.
const THREADS: usize = 2;
/// How long exports that are under way may take when the receiver stops.
const FINISH: Duration = Duration::from_secs(2);
/// How often it is looked whether everything was sent on.
const LOOK: Duration = Duration::from_millis(5);

/// Takes exports on two ports of 127.0.0.1 until it is stopped or dropped.
///
/// It has threads of its own; none of its functions is asynchronous.
pub struct Receiver {
    grpc_port: u16,
    http_port: u16,
    counted: Arc<Counted>,
    drain: Duration,
    running: Option<Running>,
}

struct Running {
    runtime: Runtime,
    accepting: Vec<JoinHandle<()>>,
    sending: Vec<JoinHandle<()>>,
    queues: Vec<Arc<Queue>>,
    is_hurried: Arc<AtomicBool>,
    connections: Arc<GracefulShutdown>,
    intake: Arc<Intake>,
    writer: SpoolWriter,
}

/// What a receiver leaves behind.
#[derive(Debug, Clone)]
pub struct Summary {
    /// What it did.
    pub stats: ReceiverStats,
    /// Files with spans, for `underspan-import`.
    pub spool_files: Vec<PathBuf>,
}

impl Receiver {
    /// Starts to listen.
    ///
    /// # Errors
    /// When there is no port or thread to be had, the spool folder cannot be written to, or an
    /// upstream endpoint cannot be used. That an endpoint does not answer is no error.
    pub fn start(options: ReceiverOptions) -> Result<Self, ReceiverError> {
        let ReceiverOptions { spool_folder, keep, watches_requests, upstreams, limits } = options;
        let system = |what| move |source| ReceiverError::System { what, source };
        probe(&spool_folder)
            .map_err(|source| ReceiverError::Spool { path: spool_folder.clone(), source })?;
        let counted = Arc::new(Counted::default());
        let mut clients = Vec::new();
        for signal in Signal::ALL {
            if let Some(upstream) = upstreams.of(signal) {
                clients.push((signal, Arc::new(Client::new(upstream, signal, &limits)?)));
            }
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("underspan-otlp")
            .enable_io()
            .enable_time()
            .build()
            .map_err(system("start threads that receive"))?;
        let [grpc, http] = [(); 2].map(|()| {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let listener = runtime.block_on(TcpListener::bind(address))?;
            let port = listener.local_addr()?.port();
            Ok((listener, port))
        });
        let (grpc_listener, grpc_port) = grpc.map_err(system("listen on 127.0.0.1"))?;
        let (http_listener, http_port) = http.map_err(system("listen on 127.0.0.1"))?;
        let (spool, writer) =
            Spool::start(&spool_folder, keep, limits.spool_bytes, Arc::clone(&counted))
                .map_err(system("start a thread that writes"))?;

        let mut queues = [None, None, None];
        let mut sending = Vec::new();
        let is_hurried = Arc::new(AtomicBool::new(false));
        for (signal, client) in clients {
            let queue = Arc::new(Queue::new(signal, limits.queue_bytes, Arc::clone(&counted)));
            for worker in 0..tee::WORKERS {
                let seed =
                    ((signal.index() * tee::WORKERS + worker) as u32 + 1).wrapping_mul(0x9e37_79b9);
                sending.push(runtime.spawn(tee::run(
                    Arc::clone(&queue),
                    Arc::clone(&client),
                    limits.backoff_max,
                    seed,
                    Arc::clone(&is_hurried),
                )));
            }
            queues[signal.index()] = Some(queue);
        }
        let kept_queues = queues.iter().flatten().cloned().collect();
        let (drain, room) = (limits.drain, Arc::new(Semaphore::new(limits.connections)));
        let intake = Intake::new(limits, Arc::clone(&counted), spool, queues, watches_requests);
        let intake = Arc::new(intake);
        let connections = Arc::new(GracefulShutdown::new());
        let accepting = [grpc_listener, http_listener].map(|listener| {
            let connections = Arc::clone(&connections);
            let watcher = move || connections.watcher();
            runtime.spawn(serve(listener, Arc::clone(&intake), Arc::clone(&room), watcher))
        });
        let running = Running {
            runtime,
            accepting: accepting.into(),
            sending,
            queues: kept_queues,
            is_hurried,
            connections,
            intake,
            writer,
        };
        Ok(Self { grpc_port, http_port, counted, drain, running: Some(running) })
    }

    /// The port that is told to exporters over gRPC. Both ports speak both protocols.
    pub fn grpc_port(&self) -> u16 {
        self.grpc_port
    }

    /// The port that is told to exporters over HTTP. Both ports speak both protocols.
    pub fn http_port(&self) -> u16 {
        self.http_port
    }

    /// What it did so far.
    pub fn stats(&self) -> ReceiverStats {
        self.counted.lock().clone()
    }

    /// Keeps no more spans, and says where those that were kept are. Exports are taken and passed
    /// on as before.
    pub fn stop_keeping(&self) -> Vec<PathBuf> {
        let Some(running) = &self.running else { return Vec::new() };
        running.runtime.block_on(running.intake.finish_keeping())
    }

    /// With [`Keep::Last`](crate::Keep::Last): the files of the last stretch of time, with
    /// everything in them that was acknowledged. None of them changes any more; each is removed
    /// when it is too old.
    pub fn whole_files(&self) -> Vec<PathBuf> {
        let Some(running) = &self.running else { return Vec::new() };
        running.runtime.block_on(running.intake.turn())
    }

    /// The requests that spans told of since the last call, with
    /// [`ReceiverOptions::watches_requests`]; none without. Of more than 65,536 between two calls
    /// the first are told.
    pub fn take_requests(&self) -> Vec<FinishedRequest> {
        self.running.as_ref().map_or_else(Vec::new, |running| running.intake.take_requests())
    }

    /// Takes no more exports, waits a bounded time for what is to be sent on, and ends.
    pub fn stop(mut self) -> Summary {
        let spool_files = self.running.take().map_or_else(Vec::new, |run| run.stop(self.drain));
        Summary { stats: self.stats(), spool_files }
    }
}

impl Drop for Receiver {
    /// Stops without waiting for what is to be sent on.
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop(Duration::ZERO);
        }
    }
}

impl Running {
    fn stop(self, drain: Duration) -> Vec<PathBuf> {
        let Self { runtime, accepting, sending, queues, is_hurried, connections, intake, writer } =
            self;
        runtime.block_on(async {
            for task in accepting {
                task.abort();
                let _ = task.await;
            }
            // The accept loops held the other owners.
            if let Some(connections) = Arc::into_inner(connections) {
                let _ = tokio::time::timeout(FINISH, connections.shutdown()).await;
            }
            let deadline = Instant::now() + drain;
            is_hurried.store(true, Ordering::Relaxed);
            for queue in &queues {
                queue.hurry();
            }
            while queues.iter().any(|queue| !queue.is_empty()) && Instant::now() < deadline {
                tokio::time::sleep(LOOK).await;
            }
            for task in sending {
                task.abort();
                let _ = task.await;
            }
        });
        for queue in &queues {
            queue.abandon();
        }
        drop(intake);
        // Connections that did not end in time end here, and let go of the spool.
        runtime.shutdown_timeout(FINISH);
        writer.finish()
    }
}

/// Whether files can be made in a folder.
fn probe(folder: &std::path::Path) -> std::io::Result<()> {
    let path = folder.join(format!(".underspan-spool-{}", std::process::id()));
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
    match file {
        Ok(_) => std::fs::remove_file(path),
        // Left by a process of that number.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}
