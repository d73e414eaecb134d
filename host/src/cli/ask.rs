//! Sends requests to a running host over its HTTP interface.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use axum::body::{Body, to_bytes};
use clap::Args;
use hyper::client::conn::http1;
use hyper::header::HeaderValue;
use hyper::http::request::Builder;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use reeve_core::text::escaped;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;

use crate::config::Config;
use crate::outgoing::{Endpoint, Outgoing};
use crate::{secret_file, tls};

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
    /// A host on another machine, such as https://reeve.internal:7443.
    #[arg(long, value_name = "URL", conflicts_with_all = ["config", "host"], requires = "token_file")]
    url: Option<String>,
    /// The file with the token that says who asks. Only its owner may read it.
    #[arg(long, value_name = "FILE", requires = "url")]
    token_file: Option<PathBuf>,
    /// The certificate of the authority that signed the host's. The system's authorities by default.
    #[arg(long, value_name = "FILE", requires = "url")]
    authority: Option<PathBuf>,
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
        let request = match body {
            None => request.body(Body::empty()),
            Some(body) => request
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from(body.to_string())),
        }?;
        let (status, body) = match &self.url {
            Some(url) => self.ask_elsewhere(url, request).await,
            None => self.ask_here(request).await,
        }?;
        if !status.is_success() {
            let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
            let text = |key: &str| escaped(problem[key].as_str().unwrap_or_default()).into_owned();
            bail!("{}: {}", text("code"), text("detail"));
        }
        serde_json::from_slice(&body).context("the host's answer is of another version of reeve")
    }

    /// Asks a host on this machine.
    async fn ask_here(&self, mut request: Request<Body>) -> anyhow::Result<Answer> {
        let localhost = HeaderValue::from_static("localhost");
        request.headers_mut().insert(header::HOST, localhost);
        let config = self.config.as_deref().map(Config::read).transpose()?;
        let socket = config.as_ref().and_then(|config| config.socket.clone());
        let address = config.map_or(Some(self.host), |config| config.listen);
        let hint = "is `reeve serve` running there?";
        match socket {
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
        .context("the host did not answer")
    }

    /// Asks a host on another machine, over TLS, with a token.
    async fn ask_elsewhere(&self, url: &str, mut request: Request<Body>) -> anyhow::Result<Answer> {
        let endpoint = Endpoint::parse(url).with_context(|| {
            format!(
                "{url:?} is no address of a host; accepted: one such as https://reeve.internal:7443"
            )
        })?;
        let file = self.token_file.as_deref();
        let token = secret_file::read(file.context("`--token-file` is missing")?)?;
        let bearer = HeaderValue::from_str(&format!("Bearer {}", token.trim()));
        let bearer = bearer.map_err(|_| anyhow!("the file of the token has more than a token"))?;
        let host = HeaderValue::from_str(&endpoint.authority())?;
        request.headers_mut().insert(header::AUTHORIZATION, bearer);
        request.headers_mut().insert(header::HOST, host);
        let outgoing = match &self.authority {
            Some(file) => Outgoing::trusting(tls::certificates(file)?)?,
            None if endpoint.is_tls() => Outgoing::with_system_roots()?,
            None => Outgoing::plain(),
        };
        let mut connection = JoinSet::new();
        let answer = outgoing.send(endpoint.to(), request, &mut connection).await;
        let answer = answer.map_err(|why| anyhow!("no host answers at {url}: {why}"))?;
        let status = answer.status();
        let body = to_bytes(Body::new(answer.into_body()), ANSWER_BYTES_MAX).await?;
        Ok((status, body.to_vec()))
    }
}

/// The status and the body of a response.
type Answer = (StatusCode, Vec<u8>);

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Body>,
) -> anyhow::Result<Answer> {
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
