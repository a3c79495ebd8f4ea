//! Sends one JSON document to an address that a person named, as for an alert.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Uri};

use super::client::{chain, http_client, receive, told, web_uri};
use crate::ReceiverError;
use crate::options::Upstream;

/// Posts `document` to the http or https address `url` as `application/json`, in a runtime of its
/// own, and waits for the answer, `limit` at most. It is tried once.
///
/// # Errors
/// When the address is none, nobody answers in time, or the answer is no success.
pub fn post_json(url: &str, document: String, limit: Duration) -> Result<(), ReceiverError> {
    let refused = |reason: String| ReceiverError::Post { url: url.to_owned(), reason };
    let uri: Uri = web_uri(url).map_err(refused)?;
    let upstream = Upstream::new(url);
    let client = http_client(&upstream, uri.scheme_str() == Some("https")).map_err(refused)?;
    let mut request = Request::new(Full::new(Bytes::from(document)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_io()
        .enable_time()
        .build()
        .map_err(|source| ReceiverError::System { what: "start a runtime", source })?;
    let attempt = async {
        let response = client.request(request).await.map_err(|error| chain(&error))?;
        let status = response.status();
        let (answer, _) = receive(response).await;
        if status.is_success() { Ok(()) } else { Err(format!("{status}: {}", told(&answer))) }
    };
    let limited = runtime.block_on(async { tokio::time::timeout(limit, attempt).await });
    limited.unwrap_or_else(|_| Err(format!("no answer within {limit:?}"))).map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// A server that answers one request, and what it was sent.
    fn answering(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut sent = String::new();
            let mut part = [0; 4096];
            while !sent.ends_with('}') {
                let n = stream.read(&mut part).expect("bytes");
                sent.push_str(&String::from_utf8_lossy(&part[..n]));
            }
            stream.write_all(answer.as_bytes()).expect("sent");
            sent
        });
        (url, server)
    }

    const LIMIT: Duration = Duration::from_secs(20);

    #[test]
    fn a_document_arrives_as_json() {
        let (url, server) = answering("HTTP/1.1 204 No Content\r\n\r\n");
        post_json(&url, "{\"verdict\":\"none\"}".to_owned(), LIMIT).expect("taken");
        let sent = server.join().expect("it ends").to_ascii_lowercase();
        assert!(sent.starts_with("post /hook http/1.1"), "{sent}");
        assert!(sent.contains("content-type: application/json"), "{sent}");
        assert!(sent.ends_with("{\"verdict\":\"none\"}"), "{sent}");
    }

    #[test]
    fn refusals_silence_and_nonsense_are_errors_that_name_the_address() {
        let (url, server) = answering("HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nnope");
        let refused = post_json(&url, "{}".to_owned(), LIMIT).expect_err("refused").to_string();
        assert!(refused.contains("403") && refused.contains("nope"), "{refused}");
        assert!(refused.contains(&url), "{refused}");
        server.join().expect("it ends");
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/", silent.local_addr().expect("an address"));
        let late = post_json(&url, "{}".to_owned(), Duration::from_millis(100));
        assert!(late.expect_err("late").to_string().contains("no answer within"));
        for url in ["", "ftp://host/", "not a url", "/path"] {
            assert!(post_json(url, "{}".to_owned(), LIMIT).is_err(), "{url}");
        }
    }
}
