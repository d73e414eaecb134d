//! An instance as the provider shows it, as data.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::id::{Generation, InstanceId, WorkerId};
pub use crate::model::state_reason::StateReason;
use crate::model::time::Instant;

/// The tag that names the worker an instance was launched for.
pub const TAG_WORKER: &str = "reeve:worker";
/// The tag that holds the generation of the launch.
pub const TAG_GENERATION: &str = "reeve:generation";

/// The tag that names the fleet that launched the instance.
pub const TAG_FLEET: &str = "reeve:fleet";

/// The state of an instance in the provider's own words, never smoothed (`pending` stays
/// `pending`). Two values of ours stand for "no word". The words are EC2's; the states of Fargate
/// tasks are mapped to them.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// There is no reading.
    #[default]
    Unknown,
    /// The provider says that it knows no such id. Right after a launch this is normal and proves
    /// nothing (EC2 developer guide, "Eventual consistency").
    NotVisible,
    /// Booting, with or without an address.
    Pending,
    /// Running; the address may follow later.
    Running,
    /// On its way to `stopped`.
    Stopping,
    /// Stopped; it can be started again.
    Stopped,
    /// On its way to `terminated`.
    ShuttingDown,
    /// Ended for good; visible for up to about an hour.
    Terminated,
}

impl InstanceState {
    /// Whether the instance is up or boots, so that no other instance may be started.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Pending | Self::Running)
    }

    /// Whether the provider has said for certain that the instance will not serve again by itself.
    pub fn is_down(self) -> bool {
        matches!(
            self,
            Self::Stopping | Self::Stopped | Self::ShuttingDown | Self::Terminated
        )
    }

    /// Whether the state is final. An instance never leaves a final state, so a reading that says
    /// otherwise is older (EC2 user guide, "Instance lifecycle").
    pub fn is_final(self) -> bool {
        matches!(self, Self::ShuttingDown | Self::Terminated)
    }

    /// The provider's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::NotVisible => "not-visible",
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
        }
    }
}

/// Which addresses the provider has assigned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addresses {
    /// The address inside the network.
    pub private: bool,
    /// The public address.
    pub public: bool,
}

/// Which of an instance's addresses to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddressKind {
    /// The address inside the network.
    Private,
    /// The public address.
    Public,
}

/// Whose an instance is, by its tag [`TAG_FLEET`] (G9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// This fleet launched it.
    Ours,
    /// The fleet of this name launched it. No other fleet adopts, starts, ends or tags it.
    Foreign(String),
    /// The instance has no such tag: a person or another system launched it. It may be adopted.
    Unclaimed,
}

impl Owner {
    /// The stable name.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Foreign(_) => "foreign",
            Self::Unclaimed => "unclaimed",
        }
    }
}

/// One reading of one instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// The provider's id.
    pub id: InstanceId,
    /// The state at the reading.
    pub state: InstanceState,
    /// Why it went down, if it did and the provider says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_reason: Option<StateReason>,
    /// The address inside the network; `None` while it is not assigned.
    pub private_ip: Option<IpAddr>,
    /// The public address; `None` while it is not assigned, or if it never will be.
    pub public_ip: Option<IpAddr>,
    /// When the provider launched or last started it, by the provider's record.
    pub launched_at: Option<Instant>,
    /// The role that it runs with: the name of an EC2 instance's profile, or of a task's role;
    /// `None`: the provider shows none, or was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// All tags.
    pub tags: BTreeMap<String, String>,
}

impl Instance {
    /// The reading of an instance the provider does not show.
    pub fn not_visible(id: InstanceId) -> Self {
        Self {
            id,
            state: InstanceState::NotVisible,
            state_reason: None,
            private_ip: None,
            public_ip: None,
            launched_at: None,
            role: None,
            tags: BTreeMap::new(),
        }
    }

    /// The address of this kind, if it is assigned.
    pub fn address(&self, kind: AddressKind) -> Option<IpAddr> {
        match kind {
            AddressKind::Private => self.private_ip,
            AddressKind::Public => self.public_ip,
        }
    }

    /// Which addresses are assigned.
    pub fn addresses(&self) -> Addresses {
        Addresses {
            private: self.private_ip.is_some(),
            public: self.public_ip.is_some(),
        }
    }

    /// Whether the instance runs and has an address of either kind.
    pub fn is_reachable(&self) -> bool {
        let has_address = self.private_ip.is_some() || self.public_ip.is_some();
        self.state == InstanceState::Running && has_address
    }

    /// Whose the instance is for the fleet of this name.
    pub fn owner(&self, fleet: &str) -> Owner {
        match self.tags.get(TAG_FLEET) {
            Some(name) if name == fleet => Owner::Ours,
            Some(name) => Owner::Foreign(name.clone()),
            None => Owner::Unclaimed,
        }
    }

    /// The generation that reeve launched the instance as for this worker. `None` if another
    /// program launched it, or reeve launched it for another worker or another fleet.
    pub fn generation_for(&self, fleet: &str, worker: &WorkerId) -> Option<Generation> {
        let is_foreign = matches!(self.owner(fleet), Owner::Foreign(_));
        if is_foreign || self.tags.get(TAG_WORKER)? != worker.as_str() {
            return None;
        }
        let value = self.tags.get(TAG_GENERATION)?.parse().ok()?;
        Some(Generation::new(value))
    }
}
