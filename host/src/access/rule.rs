//! A rule: who has which roles, for which workers.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU32;

use reeve_core::id::{PoolName, WorkerId};
use reeve_identity::login::ArnPattern;
use serde::{Deserialize, Serialize};

use super::pattern::{NamePattern, WorkerPattern};
use super::{Identity, UNKNOWN_USER};

/// A kind of request. `docs/http-api.md` has the role of each path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Read the status of workers, policies and the host.
    View,
    /// Ask where a worker is, which may launch an instance, and say that it does not answer there.
    Resolve,
    /// Report that a worker was given work, or is busy.
    Report,
    /// Create workers.
    Create,
    /// Restart, pause, resume, move or forget a worker.
    Operate,
    /// Have policies read again.
    Deliver,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] = [
        Self::View,
        Self::Resolve,
        Self::Report,
        Self::Create,
        Self::Operate,
        Self::Deliver,
    ];

    /// Whether it changes more than a worker's next instance. Such requests need TLS, and the audit log
    /// has each.
    pub(crate) fn is_command(self) -> bool {
        match self {
            Self::View | Self::Resolve | Self::Report => false,
            Self::Create | Self::Operate | Self::Deliver => true,
        }
    }

    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Resolve => "resolve",
            Self::Report => "report",
            Self::Create => "create",
            Self::Operate => "operate",
            Self::Deliver => "deliver",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who has which roles, for which workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whom the rule is for.
    pub who: Vec<Who>,
    /// What they may do.
    pub roles: BTreeSet<Role>,
    /// For workers of these pools; `None`: of all.
    pub pools: Option<BTreeSet<PoolName>>,
    /// For workers of these names; `None`: of any.
    pub workers: Option<Vec<WorkerPattern>>,
    /// How many requests a second each of them may send, the most of all its rules; `None`: the rule
    /// does not say.
    pub per_second: Option<NonZeroU32>,
}

/// Whom a rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Programs of this machine that connect by TCP.
    Loopback,
    /// The user with this id, through the Unix socket.
    Uid(u32),
    /// Users whose primary group has this id, through the Unix socket.
    Gid(u32),
    /// The token of this name, at the network door.
    Token(String),
    /// Certificates for such a name, at the network door.
    Certificate(NamePattern),
    /// Identities of AWS IAM with such an ARN, at the network door.
    Iam(ArnPattern),
}

/// The door that an identity comes through.
#[derive(PartialEq)]
enum Door {
    Loopback,
    Socket,
    Network,
}

impl Who {
    /// Whether both come through the same door.
    pub(super) fn is_at_door_of(&self, other: &Self) -> bool {
        self.door() == other.door()
    }

    fn door(&self) -> Door {
        match self {
            Self::Loopback => Door::Loopback,
            Self::Uid(_) | Self::Gid(_) => Door::Socket,
            Self::Token(_) | Self::Certificate(_) | Self::Iam(_) => Door::Network,
        }
    }

    fn is(&self, identity: &Identity) -> bool {
        match (self, identity) {
            (Self::Loopback, Identity::Loopback) => true,
            (_, Identity::User { uid, .. }) if *uid == UNKNOWN_USER => false,
            (Self::Uid(of), Identity::User { uid, .. }) => of == uid,
            (Self::Gid(of), Identity::User { gid, .. }) => of == gid && *gid != UNKNOWN_USER,
            (Self::Token(of), Identity::Token(name)) => of.as_str() == &**name,
            (Self::Iam(of), Identity::Iam(principal)) => of.fits(principal),
            (Self::Certificate(of), Identity::Certificate(names)) => {
                names.iter().any(|name| of.fits(name))
            }
            _ => false,
        }
    }
}

impl Rule {
    pub(super) fn is_for(&self, identity: &Identity) -> bool {
        self.who.iter().any(|who| who.is(identity))
    }

    pub(super) fn allows(&self, role: Role, worker: &WorkerId, pool: &PoolName) -> bool {
        let is_of =
            |workers: &Vec<WorkerPattern>| workers.iter().any(|it| it.fits(worker.as_str()));
        self.allows_in(role, pool) && self.workers.as_ref().is_none_or(is_of)
    }

    pub(super) fn allows_in(&self, role: Role, pool: &PoolName) -> bool {
        let has_pool = self.pools.as_ref().is_none_or(|pools| pools.contains(pool));
        self.roles.contains(&role) && has_pool
    }

    pub(super) fn allows_for_all(&self, role: Role) -> bool {
        self.roles.contains(&role) && self.pools.is_none() && self.workers.is_none()
    }
}
