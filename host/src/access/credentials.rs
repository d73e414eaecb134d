//! Establishes who sends a request from another machine: by the token that it shows, or by the
//! certificate of its connection.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::sessions::{self, Sessions};
use super::tokens::{self, Token, TokenFileError};
use super::{Access, Caller, Identity};
use crate::clock::Clock;
use crate::file_watch::FileWatch;
use arc_swap::ArcSwap;
use axum::http::{HeaderMap, header};

/// What counts as a proof at the network door.
pub(crate) struct Credentials {
    access: Arc<Access>,
    file: PathBuf,
    /// By name.
    tokens: ArcSwap<BTreeMap<String, (Token, Caller)>>,
    /// Of callers that have logged in; `None`: no caller may.
    sessions: Option<Arc<Sessions>>,
}

/// Why it is not known who sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// It shows nothing.
    NothingShown,
    /// What it shows is no bearer token.
    NotAToken,
    /// The token does not count: it is unknown, revoked or over.
    NotKnown,
    /// The token is another host's, and too many of those are looked up.
    Busy,
    /// The token is another host's, and the store does not answer.
    StoreAway,
}

impl Credentials {
    /// Reads the tokens, and watches their file for [`watch`](Self::watch).
    ///
    /// # Errors
    /// [`TokenFileError`].
    pub(crate) fn open(
        access: Arc<Access>,
        file: PathBuf,
        sessions: Option<Arc<Sessions>>,
    ) -> Result<(Arc<Self>, FileWatch), TokenFileError> {
        let watch = FileWatch::new(vec![file.clone()]);
        let tokens = ArcSwap::from_pointee(callers(&access, tokens::read(&file)?));
        let credentials = Self {
            access,
            file,
            tokens,
            sessions,
        };
        Ok((Arc::new(credentials), watch))
    }

    /// Reads the tokens again whenever their file has changed, for ever. A file that cannot be read
    /// leaves the last tokens in force.
    pub(crate) async fn watch(&self, mut file: FileWatch) {
        loop {
            file.changed().await;
            match tokens::read(&self.file) {
                Ok(tokens) => {
                    tracing::info!(count = tokens.len(), "the tokens of callers have changed");
                    self.tokens.store(Arc::new(callers(&self.access, tokens)));
                }
                Err(error) => {
                    let error = anyhow::Error::new(error);
                    tracing::error!(
                        "the tokens of callers have changed and cannot be read; the last ones stay in force: {error:#}"
                    );
                }
            }
        }
    }

    /// Whether callers may log in by AWS IAM.
    pub(crate) fn may_log_in(&self) -> bool {
        self.sessions.is_some()
    }

    /// Who shows a certificate with these names. `None`: it has none, so it says nothing.
    pub(crate) fn of_certificate(&self, names: Vec<String>) -> Option<Caller> {
        let identity = (!names.is_empty()).then(|| Identity::Certificate(names.into()))?;
        Some(self.access.caller(identity))
    }

    /// Who sends a request with these headers, over a connection with this certificate. What the
    /// request itself shows decides.
    ///
    /// # Errors
    /// [`Unknown`].
    pub(crate) async fn caller(
        &self,
        headers: &HeaderMap,
        certificate: Option<&Caller>,
        clock: Clock,
    ) -> Result<Caller, Unknown> {
        let mut shown = headers.get_all(header::AUTHORIZATION).iter();
        let shown = match (shown.next(), shown.next(), certificate) {
            (None, _, Some(certificate)) => return Ok(certificate.clone()),
            (None, _, None) => return Err(Unknown::NothingShown),
            (Some(shown), None, _) => shown,
            (Some(_), Some(_), _) => return Err(Unknown::NotAToken),
        };
        let text = shown.to_str().map_err(|_| Unknown::NotAToken)?;
        let (scheme, text) = text.split_once(' ').ok_or(Unknown::NotAToken)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Unknown::NotAToken);
        }
        if sessions::is_session(text) {
            let sessions = self.sessions.as_ref().ok_or(Unknown::NotKnown)?;
            return sessions.caller(text, clock.now()).await;
        }
        let name = tokens::name_in(text).ok_or(Unknown::NotAToken)?;
        let tokens = self.tokens.load();
        let (token, caller) = tokens.get(name).ok_or(Unknown::NotKnown)?;
        match token.is(text, clock.timestamp()) {
            true => Ok(caller.clone()),
            false => Err(Unknown::NotKnown),
        }
    }
}

fn callers(access: &Access, tokens: Vec<Token>) -> BTreeMap<String, (Token, Caller)> {
    let caller = |token: Token| {
        let caller = access.caller(Identity::Token(token.name.as_str().into()));
        (token.name.clone(), (token, caller))
    };
    tokens.into_iter().map(caller).collect()
}
