//! A webhook on loopback. It stores what it receives and sends the responses that a test sets.
#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop loudly"
)]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A part of the address that no log, metric or error may contain.
pub(crate) const SECRET: &str = "T0SECRET-b0bb1e";

/// A response: status line and headers. `None`: no response, and the connection stays open.
pub(crate) type Answer = Option<&'static str>;

pub(crate) const OK: Answer = Some("200 OK\r\n");

pub(crate) struct Hook {
    /// The webhook's address. Its path contains the secret.
    pub(crate) url: String,
    received: Arc<Mutex<Vec<Value>>>,
    _serving: JoinSet<()>,
}

impl Hook {
    /// Sends these responses in order, then repeats the last one.
    pub(crate) async fn start(answers: &[Answer]) -> Self {
        Self::serve(answers, None).await
    }

    /// The same over HTTPS, as `localhost`, with a certificate of the authority in
    /// `tls/authority.pem`.
    pub(crate) async fn start_tls(answers: &[Answer]) -> Self {
        let file = |name: &str| {
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/tls")
                .join(name)
        };
        // Made for this test. The authority's key was not kept.
        let certificate = CertificateDer::from_pem_file(file("server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        Self::serve(answers, Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    /// The bodies received so far.
    pub(crate) fn received(&self) -> Vec<Value> {
        self.received.lock().unwrap().clone()
    }

    /// Waits until this many bodies were received.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Value> {
        let waiting = async {
            while self.received().len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        waited.unwrap_or_else(|_| panic!("not {count} within 20 s: {:?}", self.received()));
        self.received()
    }

    async fn serve(answers: &[Answer], tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (scheme, host) = if tls.is_some() {
            ("https", "localhost")
        } else {
            ("http", "127.0.0.1")
        };
        let received: Arc<Mutex<Vec<Value>>> = Arc::default();
        let (answers, kept) = (answers.to_vec(), Arc::clone(&received));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tls, answers, kept) = (tls.clone(), answers.clone(), Arc::clone(&kept));
                connections.spawn(async move {
                    match tls {
                        None => exchange(stream, &answers, &kept).await,
                        Some(tls) => {
                            // A client that does not trust the certificate disconnects.
                            if let Ok(stream) = tls.accept(stream).await {
                                exchange(stream, &answers, &kept).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            url: format!("{scheme}://{host}:{port}/services/{SECRET}"),
            received,
            _serving: serving,
        }
    }
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answers: &[Answer],
    received: &Mutex<Vec<Value>>,
) {
    let mut bytes = Vec::new();
    let body = loop {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let head = head.to_ascii_lowercase();
        let length = head.split_once("content-length: ").unwrap().1;
        let length: usize = length.lines().next().unwrap().parse().unwrap();
        if body.len() == length {
            assert!(
                head.starts_with(&format!("post /services/{}", SECRET.to_ascii_lowercase())),
                "{head}"
            );
            assert!(head.contains("content-type: application/json"), "{head}");
            break serde_json::from_str(body).unwrap();
        }
    };
    let count = {
        let mut received = received.lock().unwrap();
        received.push(body);
        received.len()
    };
    match answers.get(count - 1).or(answers.last()).unwrap() {
        Some(answer) => {
            // Many servers repeat the requested path in a refusal.
            let echo = format!("Cannot POST /services/{SECRET}");
            let length = echo.len();
            let answer = format!(
                "HTTP/1.1 {answer}Content-Length: {length}\r\nConnection: close\r\n\r\n{echo}"
            );
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        None => std::future::pending().await,
    }
}
