//! An STS on loopback that verifies signatures, and counts what it is asked.
#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop loudly"
)]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use reeve_identity::testing::sts::{self, Sts};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A running STS.
pub(crate) struct Running {
    pub(crate) url: String,
    asked: Arc<AtomicUsize>,
    serving: JoinSet<()>,
}

impl Running {
    /// Serves this STS. Each answer takes this long.
    pub(crate) async fn start(sts: Sts, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let (sts, counted) = (Arc::new(sts), Arc::clone(&asked));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (sts, counted) = (Arc::clone(&sts), Arc::clone(&counted));
                let service = service_fn(move |request| {
                    counted.fetch_add(1, Ordering::SeqCst);
                    answer(Arc::clone(&sts), request, delay)
                });
                connections.spawn(async move {
                    let connection = http1::Builder::new();
                    let _ = connection
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            url,
            asked,
            serving,
        }
    }

    /// How many requests came.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Ends it: further requests find no server.
    pub(crate) async fn end(&mut self) {
        self.serving.shutdown().await;
    }
}

async fn answer(
    sts: Arc<Sts>,
    request: Request<hyper::body::Incoming>,
    delay: Duration,
) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(Body::new(body), 1 << 20).await.unwrap();
    let headers = parts.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    let request = sts::Request {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: headers.collect(),
        body: &body,
    };
    let answer = sts.answer(&request, Timestamp::now());
    tokio::time::sleep(delay).await;
    let response = Response::builder()
        .status(answer.status)
        .header("content-type", answer.content_type)
        .body(Body::from(answer.body));
    Ok(response.unwrap())
}
