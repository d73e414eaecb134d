//! Makes one request over HTTP or HTTPS. Each request opens its own connection: a few a minute do not
//! justify keeping one open. No redirect is followed.
//!
//! Failure texts never contain the address, which may be a secret. The system's own error texts may,
//! so they are not used.

use std::io;
use std::sync::Arc;

use axum::body::Body;
use hyper::client::conn::http1;
use hyper::{Request, Response, Uri, body::Incoming};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, CertificateError, ClientConfig, RootCertStore};

/// Sends requests.
#[derive(Clone)]
pub(crate) struct Outgoing {
    /// `None`: no address uses HTTPS.
    tls: Option<TlsConnector>,
}

/// Why no request can be sent over TLS.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    /// No authority is trusted.
    #[error(
        "this system has no trusted certificates, so no server can be verified; install ca-certificates, or name a file in SSL_CERT_FILE"
    )]
    NoRoots,
    /// TLS cannot be set up.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
}

/// Where a request goes.
pub(crate) struct To<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    /// The name that the server's certificate must be for; `None`: without TLS.
    pub(crate) tls: Option<ServerName<'static>>,
}

/// The address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    host: String,
    port: u16,
    tls: Option<ServerName<'static>>,
}

impl Endpoint {
    /// Where a request to it goes.
    pub(crate) fn to(&self) -> To<'_> {
        To {
            host: &self.host,
            port: self.port,
            tls: self.tls.clone(),
        }
    }

    /// The value of the `Host` header.
    pub(crate) fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// Whether it is asked over TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Reads `http://HOST:PORT` or `https://HOST`. `None`: it is neither.
    pub fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
        let (port, tls) = match uri.scheme_str()? {
            "http" => (80, None),
            "https" => (443, Some(ServerName::try_from(host.to_owned()).ok()?)),
            _ => return None,
        };
        Some(Self {
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(port),
            tls,
        })
    }
}

impl Outgoing {
    /// For addresses without TLS only.
    pub(crate) fn plain() -> Self {
        Self { tls: None }
    }

    /// For all addresses, with the system's trusted certificates.
    pub(crate) fn with_system_roots() -> Result<Self, OutgoingError> {
        // Some systems contain certificates that cannot be parsed; the others are enough.
        Self::trusting(rustls_native_certs::load_native_certs().certs)
    }

    /// For all addresses, with these trusted certificates.
    pub(crate) fn trusting(
        authorities: Vec<CertificateDer<'static>>,
    ) -> Result<Self, OutgoingError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(authorities);
        if roots.is_empty() {
            return Err(OutgoingError::NoRoots);
        }
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(OutgoingError::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = Some(TlsConnector::from(Arc::new(config)));
        Ok(Self { tls })
    }

    /// Sends the request and returns the head of the response. The connection's task goes into
    /// `connection`, and ends with it.
    pub(crate) async fn send(
        &self,
        to: To<'_>,
        request: Request<Body>,
        connection: &mut JoinSet<()>,
    ) -> Result<Response<Incoming>, String> {
        let addresses = tokio::net::lookup_host((to.host, to.port)).await;
        let addresses: Vec<_> = addresses
            .map_err(|_| "its name cannot be resolved".to_owned())?
            .collect();
        let stream = TcpStream::connect(addresses.as_slice()).await;
        let stream = stream.map_err(|error| format!("no connection: {}", error.kind()))?;
        let Some(name) = to.tls else {
            return exchange(stream, request, connection).await;
        };
        let tls = self
            .tls
            .as_ref()
            .ok_or_else(|| "this transport speaks no TLS".to_owned())?;
        let stream = tls.connect(name, stream).await;
        exchange(
            stream.map_err(|error| tls_failure(&error))?,
            request,
            connection,
        )
        .await
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Body>,
    connection: &mut JoinSet<()>,
) -> Result<Response<Incoming>, String> {
    let broken = |_| "the connection broke before an answer".to_owned();
    let (mut sender, driver) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    connection.spawn(async {
        // Failures show in the response, or in its absence.
        let _ = driver.await;
    });
    sender.send_request(request).await.map_err(broken)
}

fn tls_failure(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    let why = match inner {
        Some(rustls::Error::InvalidCertificate(invalid)) => match invalid {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another name"
            }
            CertificateError::UnknownIssuer => {
                "this system does not trust the issuer of its certificate"
            }
            CertificateError::Revoked => "its certificate is revoked",
            _ => "its certificate is not valid",
        },
        Some(rustls::Error::AlertReceived(_)) => "it refused the TLS handshake",
        Some(rustls::Error::InvalidMessage(_)) => "it does not speak TLS",
        _ => "the connection broke before TLS was agreed",
    };
    why.to_owned()
}
