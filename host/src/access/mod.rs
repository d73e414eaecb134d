//! Who may do what.
//!
//! ```text
//! connection ─▶ door: who is it? ─▶ [`Identity`] ─▶ [`Access`]: its rules ─▶ [`Caller`]
//!                                                                              └─▶ may it, for this worker?
//! ```
//!
//! Nothing is allowed that no rule allows. A rule says who it is for, which roles they have, and for
//! which workers. `docs/access.md` is for operators.

mod credentials;
mod pace;
mod pattern;
mod rule;
mod sessions;
mod tally;
pub(crate) mod tokens;

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use reeve_core::id::{PoolName, Sender, WorkerId};
use reeve_core::text;
use reeve_identity::login::Principal;

pub(crate) use credentials::{Credentials, Unknown};
use pace::Pace;
pub use pattern::{NamePattern, WorkerPattern};
pub use rule::{Role, Rule, Who};
pub(crate) use sessions::{Begun, NotBegun, Sessions};
pub(crate) use tally::{Asked, Outcome};
use tally::{Tallies, Tally};
pub use tokens::TokenFileError;

/// What an identity from another machine may send without a rule that says otherwise: far more than a
/// caller needs, and far less than keeps the host busy.
const FROM_ELSEWHERE_PER_SECOND: NonZeroU32 = NonZeroU32::new(2_000).unwrap();

/// Callers that are remembered, those that have left among them.
const CALLERS_MAX: usize = 10_000;

/// The user id that Linux shows for any user of another namespace (user_namespaces(7)).
pub(crate) const UNKNOWN_USER: u32 = 65_534;

/// Who sends a request, as its door has established it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A program of this machine that connects by TCP: any user's, and any container's that shares
    /// the network.
    Loopback,
    /// A user of this machine that connects through the Unix socket.
    User {
        /// The user id.
        uid: u32,
        /// The id of the user's primary group.
        gid: u32,
    },
    /// A program on another machine that shows the token of this name.
    Token(Arc<str>),
    /// A program on another machine that shows a certificate for these names.
    Certificate(Arc<[String]>),
    /// A program on another machine that has logged in by AWS IAM.
    Iam(Arc<Principal>),
}

impl Identity {
    fn is_from_elsewhere(&self) -> bool {
        match self {
            Self::Loopback | Self::User { .. } => false,
            Self::Token(_) | Self::Certificate(_) | Self::Iam(_) => true,
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback => f.write_str("a program on this machine"),
            Self::User { uid, .. } => write!(f, "the user with the id {uid}"),
            Self::Token(name) => write!(f, "the token {name}"),
            Self::Iam(principal) => principal.fmt(f),
            Self::Certificate(names) => write!(f, "the certificate of {}", names.join(", ")),
        }
    }
}

/// The rules of a host.
#[derive(Clone, Debug)]
pub struct Access {
    rules: Vec<Arc<Rule>>,
    /// What each identity has asked for.
    tallies: Arc<Tallies>,
    /// The callers in use, by what they are called, so that all connections and sessions of one share
    /// its pace.
    callers: Arc<Mutex<HashMap<String, Weak<Granted>>>>,
}

impl PartialEq for Access {
    /// Whether both have the same rules.
    fn eq(&self, other: &Self) -> bool {
        self.rules == other.rules
    }
}

impl Eq for Access {}

impl Access {
    /// These rules. Those of [`standard`](Self::standard) are added for each door that none of them
    /// speaks of.
    pub fn new(rules: Vec<Rule>) -> Self {
        let mut all = rules;
        for standard in Self::standard() {
            let is_spoken_of = |who: &Who| {
                all.iter()
                    .flat_map(|rule| &rule.who)
                    .any(|it| it.is_at_door_of(who))
            };
            if !standard.who.iter().any(is_spoken_of) {
                all.push(standard);
            }
        }
        Self {
            rules: all.into_iter().map(Arc::new).collect(),
            tallies: Arc::default(),
            callers: Arc::default(),
        }
    }

    /// What holds without a rule: programs on this machine may ask and report; the user that runs the
    /// host may do everything, through the socket.
    fn standard() -> [Rule; 2] {
        let own = rustix::process::geteuid().as_raw();
        [
            Rule {
                who: vec![Who::Loopback],
                roles: [Role::View, Role::Resolve, Role::Report].into(),
                pools: None,
                workers: None,
                per_second: None,
            },
            Rule {
                who: vec![Who::Uid(own)],
                roles: Role::ALL.into(),
                pools: None,
                workers: None,
                per_second: None,
            },
        ]
    }

    /// What this identity may do.
    pub(crate) fn caller(&self, identity: Identity) -> Caller {
        let from = text::bounded(&identity.to_string());
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = callers.get(&from).and_then(Weak::upgrade);
        if let Some(known) = known.filter(|known| known.identity == identity) {
            return Caller(known);
        }
        if callers.len() >= CALLERS_MAX {
            callers.retain(|_, caller| caller.strong_count() > 0);
        }
        let rules = self.rules.iter().filter(|rule| rule.is_for(&identity));
        let rules: Vec<_> = rules.cloned().collect();
        let standard = identity
            .is_from_elsewhere()
            .then_some(FROM_ELSEWHERE_PER_SECOND);
        let per_second = rules.iter().filter_map(|rule| rule.per_second).max();
        let granted = Arc::new(Granted {
            tally: self.tallies.of(from.clone()),
            sender: Sender::new(from.clone()),
            identity,
            rules,
            pace: per_second.or(standard).map(Pace::new),
        });
        callers.insert(from, Arc::downgrade(&granted));
        Caller(granted)
    }

    /// What the identities have asked for since the last call.
    pub(crate) fn take_asked(&self) -> Vec<Asked> {
        self.tallies.take()
    }

    /// Whether a rule is for callers that log in by AWS IAM.
    pub fn is_for_iam(&self) -> bool {
        let mut who = self.rules.iter().flat_map(|rule| &rule.who);
        who.any(|who| matches!(who, Who::Iam(_)))
    }

    /// The ARNs of rules that are for some sessions of a role only.
    pub(crate) fn session_arns(&self) -> impl Iterator<Item = &str> {
        let who = self.rules.iter().flat_map(|rule| &rule.who);
        let arns = who.filter_map(|who| match who {
            Who::Iam(arns) => Some(arns.as_str()),
            _ => None,
        });
        arns.filter(|arn| arn.contains(":assumed-role/") && !arn.ends_with("/*"))
    }

    /// Whether a rule is for this identity.
    pub(crate) fn has_rule_for(&self, identity: &Identity) -> bool {
        self.rules.iter().any(|rule| rule.is_for(identity))
    }

    /// Whether other users than the host's own are to reach the socket.
    pub(crate) fn is_for_other_users(&self) -> bool {
        let own = Who::Uid(rustix::process::geteuid().as_raw());
        let mut who = self.rules.iter().flat_map(|rule| &rule.who);
        who.any(|who| matches!(who, Who::Uid(_) | Who::Gid(_)) && *who != own)
    }
}

impl Default for Access {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

/// Who sends a request, and what it may do. A clone is cheap.
#[derive(Clone, Debug)]
pub(crate) struct Caller(Arc<Granted>);

#[derive(Debug)]
struct Granted {
    identity: Identity,
    /// The identity, in the words of the journal.
    sender: Sender,
    tally: Arc<Tally>,
    rules: Vec<Arc<Rule>>,
    /// `None`: it may send as many requests as it likes.
    pace: Option<Pace>,
}

impl Caller {
    /// Who it is.
    pub(crate) fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// Counts a request at this time since the host's start.
    ///
    /// # Errors
    /// The identity has sent too many, and has to wait for so long.
    pub(crate) fn count(&self, now: Duration) -> Result<(), Duration> {
        self.0.pace.as_ref().map_or(Ok(()), |pace| pace.take(now))
    }

    /// Who it is, in the words of the journal.
    pub(crate) fn sender(&self) -> &Sender {
        &self.0.sender
    }

    /// Notes what came of a request of it.
    pub(crate) fn note(&self, role: Option<Role>, outcome: Outcome) {
        self.0.tally.count(role, outcome);
    }

    /// Whether it has the role for this worker.
    pub(crate) fn may(&self, role: Role, worker: &WorkerId, pool: &PoolName) -> bool {
        self.0
            .rules
            .iter()
            .any(|rule| rule.allows(role, worker, pool))
    }

    /// Whether it has the role for all workers, of today and to come.
    pub(crate) fn may_for_all(&self, role: Role) -> bool {
        self.0.rules.iter().any(|rule| rule.allows_for_all(role))
    }

    /// Whether it has the role for some worker of this pool.
    pub(crate) fn may_in(&self, role: Role, pool: &PoolName) -> bool {
        self.0.rules.iter().any(|rule| rule.allows_in(role, pool))
    }

    /// Whether it has the role for any worker.
    pub(crate) fn may_for_some(&self, role: Role) -> bool {
        self.0.rules.iter().any(|rule| rule.roles.contains(&role))
    }
}

#[cfg(test)]
mod mutated;
#[cfg(test)]
mod tests;
