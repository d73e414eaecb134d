//! The guard's vetoes as data: they are journaled, listed, counted and tested.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::time::Instant;

/// A veto: the rule that objects, and what it found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Veto {
    /// The rule.
    pub rule: Rule,
    /// What was found, in one sentence.
    pub text: String,
    /// When the rule no longer objects, as far as its own facts tell; `None` if that depends on
    /// something else, such as the end of a mutation or a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens_at: Option<Instant>,
}

impl Veto {
    pub(crate) fn new(rule: Rule, text: impl Into<String>) -> Self {
        Self {
            rule,
            text: text.into(),
            opens_at: None,
        }
    }

    /// The veto of a rule that opens at this instant.
    pub(crate) fn opening_at(mut self, at: Instant) -> Self {
        self.opens_at = Some(at);
        self
    }
}

impl fmt::Display for Veto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.text)
    }
}

/// The rules of the guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// G4: an instance is adopted and is, or may be, pending or running.
    AdoptedIsLive,
    /// docs/incidents.md#stale-pointer: an instance with the worker's tag is live, and `adopt` has
    /// not declined it.
    CandidateRuns,
    /// docs/incidents.md#stale-pointer: no recent scan has looked for running instances.
    NotScanned,
    /// Single flight: another mutation's outcome is not known yet.
    MutationInFlight,
    /// G9: the instance is not this worker's.
    NotThisWorkers,
    /// G9: another fleet launched the instance.
    OfAnotherFleet,
    /// G9: the fleet did not launch the instance, so it may be stopped but not terminated.
    LaunchedElsewhere,
    /// G2, G9: the instance is not adopted, and the pool's `orphans` leaves it alone.
    LeftAlone,
    /// The compute ends instances only for good, and the verdict was to stop one.
    CannotStop,
    /// The instance is not in a state that allows the proposal.
    WrongState,
    /// The pool's instances end when they are stopped, so none can be started.
    CannotStart,
    /// G1: the provider may have forgotten the token of the unanswered launch, so a replay could
    /// launch a second instance.
    TokenExpired,
    /// G2: another live instance is adopted.
    AnotherIsAdopted,
    /// G9: another worker of this host has adopted the instance.
    AdoptedElsewhere,
    /// The provider does not show the instance.
    NotVisible,
    /// G3: the instance is of an older generation than the adopted one.
    OlderGeneration,
    /// G10: the budget for this window is spent.
    BudgetSpent,
    /// G10: as many of the pool's instances as its pace allows were reaped, or drain.
    ReapPace,
    /// V2: the cloud refused this act, and the pause before the next try has not passed.
    BacksOff,
    /// docs/incidents.md#stale-pointer: the worker's instances go down without ever serving, so the
    /// next one is delayed.
    Cycling,
    /// Starts of the stopped instance keep failing, and the next try is later.
    StartGivenUp,
    /// The pool has nothing to launch from.
    NoLaunchTemplate,
    /// G1: the version of the launch template is not known, so a replay could be another request.
    TemplateUnresolved,
    /// docs/incidents.md#stale-pointer: the instance was never handed out, so no caller could use
    /// it and `idle` proves nothing.
    NeverHandedOut,
    /// The reason of a reap claims what the facts do not show.
    ReasonUnfounded,
    /// G5: the instance was used within the pool's `idle_min`.
    RecentActivity,
    /// G7: a restart is in flight.
    RestartInFlight,
    /// G7: the latest restart began within the window.
    RestartWindow,
    /// The pool's instances cannot be restarted in the way that was asked for.
    RestartKind,
    /// The instance boots: it only has no address yet (docs/incidents.md#ip-race), or no caller could
    /// have reached it yet.
    ComesUp,
    /// G5: the box holds a busy lease.
    HeldBusy,
    /// V6: the worker is wanted running, so its instance is not reaped.
    WantedRunning,
    /// G5: the instance has deliveries that are not processed.
    WorkInFlight,
    /// G5: callers are being sent to the instance, or requests for it are pending.
    InUse,
    /// V2: the provider refused this end of the instance, and the pause after that is not over.
    EndRefused,
    /// The last reading is missing or too old to act upon.
    StaleReading,
    /// The instance has no address of the kind the policy chose.
    NoAddress,
    /// The pointer already agrees with the record.
    NothingToRepair,
    /// G2: the instance is not an orphan of the worker.
    NotAnOrphan,
    /// G2: the orphan's grace is not over.
    OrphanGrace,
    /// G2: the record, the scan and the reading by id disagree.
    SourcesDisagree,
    /// G3: the pointer names the orphan, so the pointer is repaired first.
    PointerNamesIt,
    /// The readings do not show that the instance is overdue.
    NotOverdue,
    /// Serving is not a mutation.
    NotAMutation,
    /// An operator has paused the worker.
    Paused,
    /// Dry run: nothing is changed.
    DryRun,
    /// G6: another host holds the worker's lease.
    LeaseHeld,
    /// G6: the worker's record could not be read, so the holder of its lease is unknown.
    RecordUnknown,
    /// G6: a write of the worker's record is under way.
    RecordBeingWritten,
}

impl Rule {
    /// The stable code.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AdoptedIsLive => "adopted-is-live",
            Self::CandidateRuns => "candidate-runs",
            Self::NotScanned => "not-scanned",
            Self::MutationInFlight => "mutation-in-flight",
            Self::NotThisWorkers => "not-this-workers",
            Self::OfAnotherFleet => "of-another-fleet",
            Self::LaunchedElsewhere => "launched-elsewhere",
            Self::LeftAlone => "left-alone",
            Self::CannotStop => "cannot-stop",
            Self::WrongState => "wrong-state",
            Self::CannotStart => "cannot-start",
            Self::TokenExpired => "token-expired",
            Self::AnotherIsAdopted => "another-is-adopted",
            Self::AdoptedElsewhere => "adopted-elsewhere",
            Self::NotVisible => "not-visible",
            Self::OlderGeneration => "older-generation",
            Self::BudgetSpent => "budget-spent",
            Self::ReapPace => "reap-pace",
            Self::BacksOff => "backs-off",
            Self::Cycling => "cycling",
            Self::StartGivenUp => "start-given-up",
            Self::NoLaunchTemplate => "no-launch-template",
            Self::TemplateUnresolved => "template-unresolved",
            Self::NeverHandedOut => "never-handed-out",
            Self::ReasonUnfounded => "reason-unfounded",
            Self::RecentActivity => "recent-activity",
            Self::RestartInFlight => "restart-in-flight",
            Self::RestartWindow => "restart-window",
            Self::RestartKind => "restart-kind",
            Self::ComesUp => "comes-up",
            Self::HeldBusy => "held-busy",
            Self::WantedRunning => "wanted-running",
            Self::WorkInFlight => "work-in-flight",
            Self::InUse => "in-use",
            Self::EndRefused => "end-refused",
            Self::StaleReading => "stale-reading",
            Self::NoAddress => "no-address",
            Self::NothingToRepair => "nothing-to-repair",
            Self::NotAnOrphan => "not-an-orphan",
            Self::OrphanGrace => "orphan-grace",
            Self::SourcesDisagree => "sources-disagree",
            Self::PointerNamesIt => "pointer-names-it",
            Self::NotOverdue => "not-overdue",
            Self::NotAMutation => "not-a-mutation",
            Self::Paused => "paused",
            Self::DryRun => "dry-run",
            Self::LeaseHeld => "lease-held",
            Self::RecordUnknown => "record-unknown",
            Self::RecordBeingWritten => "record-being-written",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
