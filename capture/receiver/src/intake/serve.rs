//! Connections. Every port speaks HTTP/1.1 and HTTP/2 without TLS.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::Watcher;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::{Intake, grpc, http};

/// The body of an answer.
pub(super) type ResponseBody = UnsyncBoxBody<Bytes, Infallible>;

/// How long the head of a request may take.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long to wait after the system had no connection to give, for want of descriptors.
const RETRY: Duration = Duration::from_millis(50);

/// Answers on a port until the task is ended. Connections that are open then go on until
/// `watcher`'s owner asks them to end.
pub(crate) async fn serve(
    listener: TcpListener,
    intake: Arc<Intake>,
    room: Arc<Semaphore>,
    watcher: impl Fn() -> Watcher,
) {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(64 << 10)
        .max_concurrent_streams(256)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20);
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(RETRY).await;
            continue;
        };
        // Exports are short; their answers must not wait for more.
        let _ = stream.set_nodelay(true);
        let intake = Arc::clone(&intake);
        let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let intake = Arc::clone(&intake);
            async move {
                let response = if grpc::is_call(request.headers()) {
                    grpc::answer(&intake, request).await
                } else {
                    http::answer(&intake, request).await
                };
                Ok::<_, Infallible>(response)
            }
        });
        let connection = server.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = watcher().watch(connection);
        tokio::spawn(async move {
            // A connection that breaks is the client's affair; its exports were answered or not.
            let _ = connection.await;
            drop(permit);
        });
    }
}
