//! Sends requests to a running host over its HTTP interface.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use axum::body::{Body, to_bytes};
use clap::Args;
use hyper::client::conn::http1;
use hyper::http::request::Builder;
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use reeve_core::text::escaped;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::config::Config;

/// Far larger than any fleet's status.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Which host to ask.
#[derive(Debug, Args)]
pub(super) struct HostArgs {
    /// The host's configuration file: its socket is asked, or the address it listens on.
    #[arg(long, value_name = "FILE", conflicts_with = "host")]
    config: Option<PathBuf>,
    /// The address the host listens on.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7433")]
    host: SocketAddr,
}

impl HostArgs {
    /// Gets the JSON at a path.
    ///
    /// # Errors
    /// No host answers there, or the host refuses; the error quotes the refusal.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.ask(Request::get(path), None).await
    }

    /// Posts this JSON, or nothing, and returns the response's JSON.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<T> {
        self.ask(Request::post(path), body).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        request: Builder,
        body: Option<&Value>,
    ) -> anyhow::Result<T> {
        let request = request.header(header::HOST, "localhost");
        let request = match body {
            None => request.body(Body::empty()),
            Some(body) => request
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from(body.to_string())),
        }?;
        let config = self.config.as_deref().map(Config::read).transpose()?;
        let socket = config.as_ref().and_then(|config| config.socket.clone());
        let address = config.map_or(Some(self.host), |config| config.listen);
        let hint = "is `reeve serve` running there?";
        let (status, body) = match socket {
            Some(socket) => {
                let stream = UnixStream::connect(&socket).await;
                let stream = stream
                    .with_context(|| format!("no host answers at {}; {hint}", socket.display()))?;
                exchange(stream, request).await
            }
            None => {
                let address = address.context("the host listens nowhere")?;
                let stream = TcpStream::connect(address).await;
                let stream =
                    stream.with_context(|| format!("no host answers at {address}; {hint}"))?;
                exchange(stream, request).await
            }
        }
        .context("the host did not answer")?;
        if !status.is_success() {
            let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
            let text = |key: &str| escaped(problem[key].as_str().unwrap_or_default()).into_owned();
            bail!("{}: {}", text("code"), text("detail"));
        }
        serde_json::from_slice(&body).context("the host's answer is of another version of reeve")
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Body>,
) -> anyhow::Result<(hyper::StatusCode, Vec<u8>)> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = to_bytes(Body::new(answer.into_body()), ANSWER_BYTES_MAX).await?;
    drop(sender);
    // The connection ends with the request; the response has already shown any failure.
    let _ = connection.await;
    Ok((status, body.to_vec()))
}
