//! The registers and reports of boxes and applications, and their responses.
//!
//! A *box* is the software on an instance. A box registers once with a proof of its instance, and
//! gets a [`Token`]. With the token it sends heartbeats and reports processed work. An
//! *application* reports deliveries. Every register and report gets a response: accepted, or
//! refused with a stable code. The code says whether to retry, to end, or to raise an alarm
//! (docs/incidents.md#double-provision).

use serde::{Deserialize, Serialize};

use crate::model::health::Scheduled;
use crate::model::id::{Generation, InstanceId, Region};
use crate::model::point::NoticeKind;
use crate::model::time::{Instant, Millis};
use crate::model::token::{SecretHash, Token};

/// The instance that a box has proved to run on. The code that builds a claim has checked the
/// proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The instance.
    pub instance: InstanceId,
    /// The proof that was checked.
    pub proof: Proof,
}

/// The proof of the instance that a box runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The EC2 instance identity document, with its RSA-2048 signature.
    InstanceDocument {
        /// The region whose key signed the document.
        region: Region,
        /// The account that the instance was launched in.
        account: String,
        /// When the instance was last launched or started, by the document (`pendingTime`).
        launched_at: Instant,
    },
    /// A secret that all boxes of a pool share. It proves no single instance.
    SharedSecret,
    /// A login by AWS IAM with the credentials of the instance's or the task's role. AWS names the
    /// session after the instance.
    IamRole {
        /// The role that the provider has to show for the instance, as in
        /// [`Instance::role`](crate::model::instance::Instance::role).
        role: String,
    },
}

/// The kinds of proof, as a pool chooses one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProofKind {
    /// See [`Proof::InstanceDocument`].
    InstanceDocument,
    /// See [`Proof::SharedSecret`].
    SharedSecret,
    /// See [`Proof::IamRole`].
    IamRole,
}

impl Proof {
    /// The kind of this proof.
    pub fn kind(&self) -> ProofKind {
        match self {
            Self::InstanceDocument { .. } => ProofKind::InstanceDocument,
            Self::SharedSecret => ProofKind::SharedSecret,
            Self::IamRole { .. } => ProofKind::IamRole,
        }
    }
}

impl ProofKind {
    /// The name in configurations and responses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InstanceDocument => "instance-document",
            Self::SharedSecret => "shared-secret",
            Self::IamRole => "iam-role",
        }
    }
}

/// The sender of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reporter {
    /// An application on the host's machine, with the instance that it delivered to if it names
    /// one.
    Application(Option<InstanceId>),
    /// A box, by its token.
    Box(Token),
}

/// A report. Delivered is not processed: delivered only says that the instance has taken the work
/// (docs/incidents.md#double-provision).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// The box is alive, and has these notices.
    Heartbeat(SpotNotices),
    /// This many deliveries succeeded.
    Delivered(u64),
    /// The instance has processed this many deliveries.
    Processed(u64),
    /// The box asks for a busy lease of this length.
    Busy(Millis),
}

/// What EC2 has announced to a Spot instance in its metadata (EC2 user guide, "Spot Instance
/// interruption notices"). Each heartbeat repeats it, so that every host hears of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpotNotices {
    /// When EC2 takes the instance, about two minutes after the notice; `None` without one.
    pub reclaim_at: Option<Instant>,
    /// When EC2 said that it may take the instance soon; `None` if it did not.
    pub rebalance_at: Option<Instant>,
}

impl SpotNotices {
    /// The notices that there are.
    pub fn scheduled(self) -> impl Iterator<Item = Scheduled> {
        let kinds = [
            (NoticeKind::Reclaim, self.reclaim_at),
            (NoticeKind::Rebalance, self.rebalance_at),
        ];
        let scheduled = kinds.into_iter();
        scheduled.filter_map(|(kind, at)| at.map(|at| Scheduled { kind, at }))
    }
}

/// The response to a register or a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// The box has its token.
    Registered(Registered),
    /// The report was accepted.
    Accepted(Accepted),
    /// The register or the report was refused.
    Refused(Refusal),
}

/// A register that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The token for the box's requests from now on.
    pub token: Token,
    /// The generation of the box's instance.
    pub generation: Generation,
    /// The interval between heartbeats.
    pub heartbeat: Millis,
}

/// A report that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The outcome of the report.
    pub outcome: ReportOutcome,
    /// The token that replaces the one in the request; only the response to a heartbeat carries
    /// one.
    pub token: Option<Token>,
    /// The interval between heartbeats; `None` for applications.
    pub heartbeat: Option<Millis>,
    /// When the instance is ended, unless it comes into use before; `None` for applications, and
    /// while the instance is not to be ended.
    pub ending_in: Option<Millis>,
}

/// The outcome of an accepted report. None of these is a failure of the reporter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportOutcome {
    /// The report is in the store.
    Stored,
    /// The worker does not run, or the report is about another instance. Nothing was written.
    NotRunning,
    /// The store did not take the report; this host keeps it in memory.
    NotStored,
}

impl ReportOutcome {
    /// The stable code.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::NotRunning => "not_running",
            Self::NotStored => "not_stored",
        }
    }
}

/// The refusal of a register or a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The stable code.
    pub code: RefusalCode,
    /// What was found, and what to do.
    pub detail: String,
    /// How long to wait before a retry; `None` if a retry cannot succeed.
    pub retry_after: Option<Millis>,
}

impl Refusal {
    /// A refusal after which a retry may succeed.
    pub fn come_back(code: RefusalCode, after: Millis, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            retry_after: Some(after),
        }
    }

    /// A refusal that a retry cannot change.
    pub(crate) fn stands(code: RefusalCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            retry_after: None,
        }
    }
}

/// What a box must do after a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// Retry when told, and register again: nothing is lost (HTTP 401).
    Retry,
    /// Another instance is adopted: end (HTTP 409).
    Superseded,
    /// Raise an alarm: this cannot happen without a mistake or an attack (HTTP 403).
    Alarm,
    /// Retry the same request: the host has trouble of its own (HTTP 503).
    Trouble,
    /// The pool's boxes do not register (HTTP 404).
    NotOffered,
}

/// The stable codes of refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// The provider does not show the instance yet.
    InstanceNotVisible,
    /// The provider shows the instance stopped or stopping.
    InstanceNotRunning,
    /// The document is of an earlier life of the instance.
    DocumentOutdated,
    /// The provider does not show the role that the instance runs with.
    RoleNotShown,
    /// The instance is not, or not yet, the worker's.
    NotAdopted,
    /// Another process of this very instance holds a token that is in use.
    TokenLive,
    /// The token is not in force.
    TokenUnknown,
    /// Another instance is adopted.
    Superseded,
    /// The proof of identity is invalid.
    ProofWrong,
    /// The pool accepts another kind of proof.
    ProofNotAccepted,
    /// The document is of another region than the pool's.
    WrongRegion,
    /// The instance does not carry the worker's tag.
    NotThisWorkers,
    /// The token is for another worker.
    TokenOfAnotherWorker,
    /// The store of the workers' records could not be asked.
    StoreUnreachable,
    /// The cloud could not be asked.
    CloudUnreachable,
    /// Another host holds the worker's lease.
    LeaseHeld,
    /// Too many requests are pending for this worker.
    TooManyAtOnce,
    /// The host is shutting down; another host, or its next life, will respond.
    Draining,
    /// Nothing is changed in a dry run, records included.
    DryRun,
    /// The pool's boxes do not register.
    RegistrationOff,
}

impl RefusalCode {
    /// What a box must do after this code.
    pub fn kind(self) -> RefusalKind {
        match self {
            Self::InstanceNotVisible
            | Self::InstanceNotRunning
            | Self::DocumentOutdated
            | Self::RoleNotShown
            | Self::NotAdopted
            | Self::TokenLive
            | Self::TokenUnknown => RefusalKind::Retry,
            Self::Superseded => RefusalKind::Superseded,
            Self::ProofWrong
            | Self::ProofNotAccepted
            | Self::WrongRegion
            | Self::NotThisWorkers
            | Self::TokenOfAnotherWorker => RefusalKind::Alarm,
            Self::StoreUnreachable
            | Self::CloudUnreachable
            | Self::LeaseHeld
            | Self::TooManyAtOnce
            | Self::Draining
            | Self::DryRun => RefusalKind::Trouble,
            Self::RegistrationOff => RefusalKind::NotOffered,
        }
    }

    /// The code in responses, logs and the worker's last error.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InstanceNotVisible => "instance_not_visible",
            Self::InstanceNotRunning => "instance_not_running",
            Self::DocumentOutdated => "document_outdated",
            Self::RoleNotShown => "role_not_shown",
            Self::NotAdopted => "not_adopted",
            Self::TokenLive => "token_live",
            Self::TokenUnknown => "token_unknown",
            Self::Superseded => "superseded",
            Self::ProofWrong => "proof_wrong",
            Self::ProofNotAccepted => "proof_not_accepted",
            Self::WrongRegion => "wrong_region",
            Self::NotThisWorkers => "not_this_workers",
            Self::TokenOfAnotherWorker => "token_of_another_worker",
            Self::StoreUnreachable => "store_unreachable",
            Self::CloudUnreachable => "cloud_unreachable",
            Self::LeaseHeld => "lease_held",
            Self::TooManyAtOnce => "too_many_at_once",
            Self::Draining => "draining",
            Self::DryRun => "dry_run",
            Self::RegistrationOff => "registration_off",
        }
    }

    /// A one-line title for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::InstanceNotVisible => "The provider does not show the instance yet",
            Self::InstanceNotRunning => "The provider does not show the instance running",
            Self::DocumentOutdated => "The document is of an earlier life of the instance",
            Self::RoleNotShown => "The provider does not show the role of the instance",
            Self::NotAdopted => "The instance is not adopted, or not yet",
            Self::TokenLive => "A token of this instance is in use",
            Self::TokenUnknown => "The token is not in force; register",
            Self::Superseded => "Another instance is adopted; end",
            Self::ProofWrong => "The proof of identity is not good",
            Self::ProofNotAccepted => "The pool accepts another proof of identity",
            Self::WrongRegion => "The document is of another region",
            Self::NotThisWorkers => "The instance is not this worker's",
            Self::TokenOfAnotherWorker => "The token is another worker's",
            Self::StoreUnreachable => "The store of the workers' records could not be asked",
            Self::CloudUnreachable => "The cloud could not be asked",
            Self::LeaseHeld => "Another host acts for the worker right now",
            Self::TooManyAtOnce => "Too many ask for this worker at once",
            Self::Draining => "This host is shutting down",
            Self::DryRun => "This host changes nothing: dry run",
            Self::RegistrationOff => "Boxes of this pool do not register",
        }
    }
}

/// A register or a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// A box registers.
    Register {
        /// The instance that the box has proved to run on.
        claim: Claim,
        /// The hash of its nonce.
        nonce: SecretHash,
    },
    /// A register with an invalid proof. The sender is unknown.
    Unproven {
        /// What is wrong with the proof.
        text: String,
    },
    /// A box or an application reports.
    Report {
        /// The sender.
        by: Reporter,
        /// The report.
        report: Report,
    },
}
