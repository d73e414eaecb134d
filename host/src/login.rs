//! Logs callers in by AWS IAM: who has signed, and whom a rule is for, gets a session.

use std::net::IpAddr;
use std::sync::Arc;

use reeve_identity::login::{Login, Principal};

use crate::access::{Access, Begun, Identity, NotBegun, Sessions};
use crate::clock::Clock;
use crate::sts::{NotProven, Sts};

/// Logs callers in.
pub(crate) struct Logins {
    pub(crate) sts: Arc<Sts>,
    pub(crate) access: Arc<Access>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) clock: Clock,
}

/// Why a caller is not logged in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotLoggedIn {
    #[error(transparent)]
    NotProven(NotProven),
    #[error("no rule in [access] is for {0}; accepted: one of those that `arns` names there")]
    NoRule(Principal),
    #[error(transparent)]
    NotBegun(#[from] NotBegun),
}

impl Logins {
    /// Logs the sender of this body in, who speaks from this address.
    ///
    /// # Errors
    /// [`NotLoggedIn`].
    pub(crate) async fn log_in(&self, body: &[u8], peer: IpAddr) -> Result<Begun, NotLoggedIn> {
        let login = Login::read(body).map_err(NotProven::from)?;
        let has_rule = |signer: &Principal| {
            let identity = Identity::Iam(Arc::new(signer.clone()));
            self.access.has_rule_for(&identity)
        };
        let signer = self.sts.signer(&login, peer, has_rule).await?;
        Ok(self.sessions.begin(&signer, self.clock.now()).await?)
    }
}

impl From<NotProven> for NotLoggedIn {
    fn from(why: NotProven) -> Self {
        match why {
            NotProven::NotWanted(signer) => Self::NoRule(signer),
            why => Self::NotProven(why),
        }
    }
}

impl NotLoggedIn {
    /// The stable word in responses and metrics.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NotProven(why) => why.code(),
            Self::NoRule(_) => "forbidden",
            Self::NotBegun(_) => "internal",
        }
    }
}
