//! Opens the doors for other machines: their addresses, TLS, and what proves who sends a request.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use reeve_core::ports::Ledger;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::access::{Access, Credentials, Sessions};
use crate::api::{self, Admission, Caps, Door, Reception};
use crate::clock::Clock;
use crate::config;
use crate::hearing::Hearing;
use crate::host::StartError;
use crate::login::{self, Logins};
use crate::metrics::Metrics;
use crate::outgoing::{Endpoint, Outgoing, OutgoingError};
use crate::tls::{Tls, TlsError, TlsFiles};

/// Where callers on other machines are served, and what proves who they are.
pub struct NetworkOptions {
    /// The address. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The files of TLS. `None`: without TLS, and without what needs it.
    pub tls: Option<TlsFiles>,
    /// The file of the callers' tokens.
    pub tokens: PathBuf,
    /// How many connections one address may have at a time.
    pub peer_connections_max: usize,
    /// How callers log in by AWS IAM, if a rule is for any.
    pub login: LoginOptions,
}

/// How callers log in by AWS IAM.
pub struct LoginOptions {
    /// The regions whose STS callers may sign for.
    pub regions: Vec<String>,
    /// Where STS is asked; `None`: at its own addresses.
    pub endpoint: Option<Endpoint>,
    /// Where logins are written down. Hosts of one fleet share it.
    pub ledger: Arc<dyn Ledger>,
}

impl NetworkOptions {
    /// As the configuration says, with this ledger.
    pub(crate) fn new(config: config::Network, aws: &config::Aws, ledger: Arc<dyn Ledger>) -> Self {
        Self {
            listen: config.listen,
            tls: config.tls,
            tokens: config.tokens,
            peer_connections_max: config.peer_connections_max,
            login: LoginOptions {
                regions: config.login_regions,
                endpoint: aws.endpoint_url.as_deref().and_then(Endpoint::parse),
                ledger,
            },
        }
    }
}

/// A door that listens, and serves nothing yet.
pub(crate) struct Opened {
    listener: TcpListener,
    /// The address, with the port that was chosen.
    pub(crate) address: SocketAddr,
    pub(crate) reception: Reception,
}

impl Opened {
    async fn at(listen: SocketAddr, reception: Reception) -> Result<Self, StartError> {
        let listener = api::any_tcp(listen).await?;
        let address = listener.local_addr().unwrap_or(listen);
        Ok(Self {
            listener,
            address,
            reception,
        })
    }

    /// Serves what is behind the door until `stop` turns true.
    pub(crate) async fn serve(self, door: Door, stop: watch::Receiver<bool>) {
        api::serve_others(self.listener, door, self.reception, stop).await;
    }
}

/// What all doors are opened with.
pub(crate) struct Opening<'a> {
    pub(crate) access: &'a Arc<Access>,
    pub(crate) fleet: &'a str,
    pub(crate) clock: Clock,
    pub(crate) metrics: &'a Metrics,
}

impl Opening<'_> {
    /// The door for callers, and what logs them in. `None`: no rule is for callers that log in.
    pub(crate) async fn network(
        &self,
        options: NetworkOptions,
        background: &mut JoinSet<()>,
    ) -> Result<(Opened, Option<Logins>), StartError> {
        let (sessions, logins) = self.logins(options.login)?.unzip();
        let access = Arc::clone(self.access);
        let (credentials, file) = Credentials::open(access, options.tokens, sessions)?;
        let watching = Arc::clone(&credentials);
        background.spawn(async move { watching.watch(file).await });
        let caps = Caps::per_peer(options.peer_connections_max);
        let reception = Reception {
            tls: open_tls(options.tls, background)?,
            credentials: Some(credentials),
            // Boxes come through another door, so nothing is missed of them here.
            admission: Admission::new("network", caps, Hearing::default(), self.metrics.clone()),
        };
        Ok((Opened::at(options.listen, reception).await?, logins))
    }

    /// The door for boxes.
    pub(crate) async fn boxes(
        &self,
        listen: SocketAddr,
        tls: Option<TlsFiles>,
        admission: Arc<Admission>,
        background: &mut JoinSet<()>,
    ) -> Result<Opened, StartError> {
        let reception = Reception {
            tls: open_tls(tls, background)?,
            credentials: None,
            admission,
        };
        Opened::at(listen, reception).await
    }

    fn logins(
        &self,
        options: LoginOptions,
    ) -> Result<Option<(Arc<Sessions>, Logins)>, OutgoingError> {
        if !self.access.is_for_iam() {
            return Ok(None);
        }
        let ledger = options.ledger;
        let sessions = Sessions::new(Arc::clone(self.access), Arc::clone(&ledger));
        let sessions = Arc::new(sessions);
        let outgoing = match &options.endpoint {
            Some(endpoint) if !endpoint.is_tls() => Outgoing::plain(),
            _ => Outgoing::with_system_roots()?,
        };
        let logins = Logins::new(login::Parts {
            audience: self.fleet.to_owned(),
            regions: options.regions,
            endpoint: options.endpoint,
            outgoing,
            access: Arc::clone(self.access),
            ledger,
            sessions: Arc::clone(&sessions),
            clock: self.clock,
        });
        Ok(Some((sessions, logins)))
    }
}

/// Reads the files of TLS, and has them read again when they change.
fn open_tls(
    files: Option<TlsFiles>,
    background: &mut JoinSet<()>,
) -> Result<Option<Arc<Tls>>, TlsError> {
    let Some(files) = files else {
        return Ok(None);
    };
    let (tls, files) = Tls::open(files)?;
    let watching = Arc::clone(&tls);
    background.spawn(async move { watching.watch(files).await });
    Ok(Some(tls))
}
