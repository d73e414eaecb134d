//! What boxes and applications say of a worker, and what they are answered.
//!
//! A *box* is the machine that an instance is, seen from its own inside. It registers once, by proof of which
//! instance it is, and gets a [`Token`]; with that it sends heartbeats and says what it has done. An
//! *application* says what it has delivered. Each of them is answered: noted, or refused with a stable code that
//! says whether to come back, to end, or that something is wrong (docs/incidents.md#double-provision).

use serde::{Deserialize, Serialize};

use crate::model::id::{Generation, InstanceId, Region};
use crate::model::time::Millis;
use crate::model::token::{SecretHash, Token};

/// Which instance a box has proved to be. Whoever builds it has checked the proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The instance.
    pub instance: InstanceId,
    /// What was checked.
    pub proof: Proof,
}

/// How a box proves which instance it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The EC2 instance identity document, with its RSA-2048 signature.
    InstanceDocument {
        /// The region whose key signed it.
        region: Region,
        /// The account it was launched in.
        account: String,
    },
    /// A secret that all boxes of the fleet share. It proves no single instance.
    SharedSecret,
}

/// The kinds of proof, as a pool chooses one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProofKind {
    /// See [`Proof::InstanceDocument`].
    InstanceDocument,
    /// See [`Proof::SharedSecret`].
    SharedSecret,
}

impl Proof {
    /// Its kind.
    pub fn kind(&self) -> ProofKind {
        match self {
            Self::InstanceDocument { .. } => ProofKind::InstanceDocument,
            Self::SharedSecret => ProofKind::SharedSecret,
        }
    }
}

impl ProofKind {
    /// The name in configurations and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InstanceDocument => "instance-document",
            Self::SharedSecret => "shared-secret",
        }
    }
}

/// Who reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reporter {
    /// An application on this machine; the instance that it delivered to, where it says so.
    Application(Option<InstanceId>),
    /// A box, by its token.
    Box(Token),
}

/// What is reported. Delivered is not processed: the first only says that the instance has taken it (docs/incidents.md#double-provision).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// The box is alive.
    Heartbeat,
    /// So many deliveries succeeded.
    Delivered(u64),
    /// The instance is done with so many.
    Processed(u64),
    /// Do not reap before so much time has passed.
    Busy(Millis),
}

/// What whoever registers or reports is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// The box has its token.
    Registered(Registered),
    /// The report was taken in.
    Accepted(Accepted),
    /// It was not.
    Refused(Refusal),
}

/// A register that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// What to show from now on.
    pub token: Token,
    /// The worker's generation that the box embodies.
    pub generation: Generation,
    /// How often to send a heartbeat.
    pub heartbeat: Millis,
}

/// A report that was taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What became of it.
    pub outcome: ReportOutcome,
    /// What to show from now on instead of the token that was shown; only a heartbeat brings one.
    pub token: Option<Token>,
    /// How often to send a heartbeat; boxes only.
    pub heartbeat: Option<Millis>,
}

/// What became of a report. None of these is the reporter's failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportOutcome {
    /// It is in the store.
    Stored,
    /// The worker is not running any more, or what was reported is of another instance: nothing was written.
    NotRunning,
    /// The store did not take it; this host remembers it all the same.
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

/// Why a register or a report was not taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The stable code.
    pub code: RefusalCode,
    /// What was found, and what to do now.
    pub detail: String,
    /// When to come back; `None`: never.
    pub retry_after: Option<Millis>,
}

impl Refusal {
    /// A refusal after which coming back makes sense.
    pub fn come_back(code: RefusalCode, after: Millis, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            retry_after: Some(after),
        }
    }

    /// A refusal that stands.
    pub(crate) fn stands(code: RefusalCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            retry_after: None,
        }
    }
}

/// What a refusal asks of a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// Come back when told, and register anew: nothing is lost (HTTP 401).
    Retry,
    /// Another instance embodies the worker: end (HTTP 409).
    Superseded,
    /// This cannot have happened by itself: somebody should look (HTTP 403).
    Alarm,
    /// The host has trouble of its own: come back with the same request (HTTP 503).
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
    /// The instance is not, or not yet, the worker's.
    NotAdopted,
    /// Another process of this very instance holds a token that is in use.
    TokenLive,
    /// The token is none that is in force.
    TokenUnknown,
    /// Another instance embodies the worker.
    Superseded,
    /// The proof of identity is not good.
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
    /// Another host acts for the worker right now.
    LeaseHeld,
    /// Too many ask at once.
    TooManyAtOnce,
    /// The host is shutting down; another one, or its next life, will answer.
    Draining,
    /// Nothing is changed in a dry run, records included.
    DryRun,
    /// The pool's boxes do not register.
    RegistrationOff,
}

impl RefusalCode {
    /// What it asks of a box.
    pub fn kind(self) -> RefusalKind {
        match self {
            Self::InstanceNotVisible
            | Self::InstanceNotRunning
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

    /// The code as it stands in answers, logs and the worker's last error.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InstanceNotVisible => "instance_not_visible",
            Self::InstanceNotRunning => "instance_not_running",
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

    /// One line for people who see only the code.
    pub fn title(self) -> &'static str {
        match self {
            Self::InstanceNotVisible => "The provider does not show the instance yet",
            Self::InstanceNotRunning => "The provider does not show the instance running",
            Self::NotAdopted => "The instance does not embody the worker, or not yet",
            Self::TokenLive => "A token of this instance is in use",
            Self::TokenUnknown => "The token is not in force; register",
            Self::Superseded => "Another instance embodies the worker; end",
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

/// What a box or an application says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// A box registers.
    Register {
        /// What it has proved.
        claim: Claim,
        /// The hash of its nonce.
        nonce: SecretHash,
    },
    /// Somebody registers by a proof that is not good: nobody knows who it is.
    Unproven {
        /// What is wrong with it.
        text: String,
    },
    /// A box or an application reports.
    Report {
        /// Who.
        by: Reporter,
        /// What.
        report: Report,
    },
}
