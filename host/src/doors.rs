//! Opens the doors for other machines: their addresses, TLS, and what proves who sends a request.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::access::{Access, Credentials, Sessions};
use crate::api::{self, Admission, Caps, Door, Reception};
use crate::clock::Clock;
use crate::config::Network;
use crate::hearing::Hearing;
use crate::host::StartError;
use crate::login::Logins;
use crate::metrics::Metrics;
use crate::sts::Sts;
use crate::tls::{Tls, TlsError, TlsFiles};

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
    pub(crate) clock: Clock,
    pub(crate) metrics: &'a Metrics,
}

impl Opening<'_> {
    /// The door for callers, and what logs them in. `None`: no rule is for callers that log in.
    pub(crate) async fn network(
        &self,
        options: Network,
        sts: Option<Arc<Sts>>,
        background: &mut JoinSet<()>,
    ) -> Result<(Opened, Option<Logins>), StartError> {
        let logins = sts.filter(|_| self.access.is_for_iam());
        let logins = logins.map(|sts| self.logins(sts));
        let sessions = logins.as_ref().map(|logins| Arc::clone(&logins.sessions));
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

    fn logins(&self, sts: Arc<Sts>) -> Logins {
        let sessions = Sessions::new(Arc::clone(self.access), sts.ledger());
        Logins {
            sts,
            access: Arc::clone(self.access),
            sessions: Arc::new(sessions),
            clock: self.clock,
        }
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
