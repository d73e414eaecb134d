//! Notices for people and metrics. Each notice has a stable step name, so that the sequence of
//! steps of an incident can be searched for in any log.

use serde::{Deserialize, Serialize};

use crate::model::id::WorkerId;

/// The level of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// A step of normal work.
    Info,
    /// A step that an operator may want to check.
    Warning,
    /// A step that needs an operator.
    Error,
}

/// The steps that notices are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The pointer names an instance that cannot serve.
    InstanceUnusable,
    /// A running instance was found by tag and taken over.
    InstanceAdoptedByTag,
    /// The instance the pointer named was running and was taken over.
    InstanceAdoptedByPointer,
    /// An operator moved the worker to an instance.
    InstanceAdoptedByHand,
    /// A stopped instance is being started.
    InstanceStarting,
    /// The adopted instance runs, without an address so far.
    AddressPending,
    /// An instance was launched.
    InstanceLaunched,
    /// A launch certainly failed.
    LaunchFailed,
    /// An instance was `pending` for too long and is ended.
    LaunchTimedOut,
    /// An instance ran without an address for too long and is ended.
    AddressTimedOut,
    /// An instance is `stopping` for too long and is not waited for.
    StopTimedOut,
    /// Starts of a stopped instance keep failing.
    StartGivenUp,
    /// A launch was not answered; it will be sent again with the same token.
    LaunchUnanswered,
    /// The caller got an address.
    ResolveServed,
    /// The caller got no address.
    ResolveTurnedAway,
    /// A caller says that the address does not answer; the instance is looked at.
    AddressDoubted,
    /// The pointer was rewritten.
    PointerWritten,
    /// The pointer could not be rewritten; it will be tried again.
    PointerWriteFailed,
    /// A person made the pointer name another live instance of the worker.
    PointerMoved,
    /// The pointer cannot be read for so long that the worker is brought up without it.
    PointerUnread,
    /// The cloud has accepted the stop or termination of an instance; the text says why.
    InstanceEnding,
    /// The cloud refuses to end an instance; the instance stays in service.
    EndRefused,
    /// An orphan was seen. The host ends it if it is still live after its grace.
    OrphanSeen,
    /// An instance with the worker's tag, or one that its pointer names, is of another fleet and is
    /// left alone.
    InstanceForeign,
    /// The adopted instance is not the worker's by its tags any longer, and is given up.
    TagLost,
    /// The instance of the worker was seen going down.
    InstanceLost,
    /// A program outside this fleet ends what the host brings up, again and again.
    ForeignController,
    /// Instances come and go without being of use; the next one waits.
    WorkerCycling,
    /// The guard refused a proposal.
    ProposalVetoed,
    /// A policy failed; the safe default was taken.
    PolicyFailed,
    /// A call to the cloud failed.
    CloudCallFailed,
    /// A call to the store failed.
    StoreCallFailed,
    /// Another host wrote the worker's record first.
    RecordLost,
    /// A mutation that another host, or an earlier life of this one, intended is finished or
    /// dropped.
    IntentRecovered,
    /// A box has its token.
    BoxRegistered,
    /// A register or a report was refused; a retry may succeed.
    BoxRefused,
    /// A box was told that another instance is adopted.
    BoxSuperseded,
    /// A box sent something that cannot happen without a mistake or an attack; a person should
    /// check.
    BoxAlarm,
    /// A launch follows a box that could not register.
    LaunchAfterRefusedRegister,
    /// A worker takes deliveries and finishes none.
    WorkerUnresponsive,
    /// Many workers of a pool began to fail at about the same time, and none of these is restarted
    /// for its health.
    StormHeld,
    /// A worker is unhealthy by its signals.
    WorkerUnhealthy,
    /// An unhealthy worker is healthy again.
    WorkerRecovered,
    /// The report of a worker's activity did not reach the store.
    ActivityRefreshFailed,
    /// An instance drains before a reap and is not handed out.
    InstanceDraining,
    /// An instance that drained is in use again and stays.
    InstanceRevived,
    /// A restart has begun.
    RestartBegun,
    /// A request for a restart was dropped.
    RestartDropped,
    /// A reboot brought nothing up in time; the restart continues with a stop and a start.
    RebootTimedOut,
    /// The worker is up again after its restart.
    RestartDone,
    /// The worker did not come up again.
    RestartFailed,
    /// An operator has paused the worker, or given another reason for it.
    WorkerPaused,
    /// An operator has resumed the worker.
    WorkerResumed,
    /// An operator cleared the worker's state.
    WorkerForgotten,
    /// The flows did not become quiet within the rounds of one step: a bug of this host.
    StepUnfinished,
}

impl Step {
    /// The stable name, as it stands in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InstanceUnusable => "instance_unusable",
            Self::InstanceAdoptedByTag => "instance_adopted_by_tag",
            Self::InstanceAdoptedByPointer => "instance_adopted_by_pointer",
            Self::InstanceAdoptedByHand => "instance_adopted_by_hand",
            Self::InstanceStarting => "instance_starting",
            Self::AddressPending => "address_pending",
            Self::InstanceLaunched => "instance_launched",
            Self::LaunchFailed => "launch_failed",
            Self::LaunchTimedOut => "launch_timed_out",
            Self::AddressTimedOut => "address_timed_out",
            Self::StopTimedOut => "stop_timed_out",
            Self::StartGivenUp => "start_given_up",
            Self::LaunchUnanswered => "launch_unanswered",
            Self::ResolveServed => "resolve_served",
            Self::ResolveTurnedAway => "resolve_turned_away",
            Self::AddressDoubted => "address_doubted",
            Self::PointerWritten => "pointer_written",
            Self::PointerWriteFailed => "pointer_write_failed",
            Self::PointerMoved => "pointer_moved",
            Self::PointerUnread => "pointer_unread",
            Self::InstanceEnding => "instance_ending",
            Self::EndRefused => "end_refused",
            Self::OrphanSeen => "orphan_seen",
            Self::InstanceForeign => "instance_foreign",
            Self::TagLost => "tag_lost",
            Self::InstanceLost => "instance_lost",
            Self::ForeignController => "foreign_controller",
            Self::WorkerCycling => "worker_cycling",
            Self::ProposalVetoed => "proposal_vetoed",
            Self::PolicyFailed => "policy_failed",
            Self::CloudCallFailed => "cloud_call_failed",
            Self::StoreCallFailed => "store_call_failed",
            Self::RecordLost => "record_lost",
            Self::IntentRecovered => "intent_recovered",
            Self::BoxRegistered => "box_registered",
            Self::BoxRefused => "box_refused",
            Self::BoxSuperseded => "box_superseded",
            Self::BoxAlarm => "box_alarm",
            Self::LaunchAfterRefusedRegister => "launch_after_refused_register",
            Self::WorkerUnresponsive => "worker_unresponsive",
            Self::StormHeld => "storm_held",
            Self::WorkerUnhealthy => "worker_unhealthy",
            Self::WorkerRecovered => "worker_recovered",
            Self::ActivityRefreshFailed => "activity_refresh_failed",
            Self::InstanceDraining => "instance_draining",
            Self::InstanceRevived => "instance_revived",
            Self::RestartBegun => "restart_begun",
            Self::RestartDropped => "restart_dropped",
            Self::RebootTimedOut => "reboot_timed_out",
            Self::RestartDone => "restart_done",
            Self::RestartFailed => "restart_failed",
            Self::WorkerPaused => "worker_paused",
            Self::WorkerResumed => "worker_resumed",
            Self::WorkerForgotten => "worker_forgotten",
            Self::StepUnfinished => "step_unfinished",
        }
    }

    /// The level of the step.
    pub fn level(self) -> Level {
        match self {
            Self::InstanceAdoptedByTag
            | Self::InstanceAdoptedByPointer
            | Self::InstanceAdoptedByHand
            | Self::InstanceStarting
            | Self::InstanceLaunched
            | Self::ResolveServed
            | Self::ResolveTurnedAway
            | Self::AddressDoubted
            | Self::PointerWritten
            | Self::RecordLost
            | Self::BoxRegistered
            | Self::BoxSuperseded
            | Self::WorkerResumed
            | Self::WorkerForgotten
            | Self::InstanceDraining
            | Self::InstanceRevived
            | Self::RestartBegun
            | Self::RestartDone => Level::Info,
            Self::InstanceUnusable
            | Self::AddressPending
            | Self::LaunchUnanswered
            | Self::PointerWriteFailed
            | Self::PointerMoved
            | Self::PointerUnread
            | Self::InstanceEnding
            | Self::OrphanSeen
            | Self::InstanceForeign
            | Self::TagLost
            | Self::InstanceLost
            | Self::ProposalVetoed
            | Self::CloudCallFailed
            | Self::StoreCallFailed
            | Self::IntentRecovered
            | Self::WorkerPaused
            | Self::RestartDropped
            | Self::RebootTimedOut
            // A webhook gets warnings by default, so an operator who was woken learns that the
            // worker recovered.
            | Self::WorkerRecovered
            | Self::BoxRefused
            | Self::LaunchAfterRefusedRegister => Level::Warning,
            Self::LaunchFailed
            | Self::LaunchTimedOut
            | Self::AddressTimedOut
            | Self::StopTimedOut
            | Self::StartGivenUp
            | Self::EndRefused
            | Self::ForeignController
            | Self::WorkerCycling
            | Self::PolicyFailed
            | Self::BoxAlarm
            | Self::RestartFailed
            | Self::WorkerUnresponsive
            | Self::StormHeld
            | Self::WorkerUnhealthy
            | Self::ActivityRefreshFailed
            | Self::StepUnfinished => Level::Error,
        }
    }
}

/// One notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The worker that the notice is about.
    pub worker: WorkerId,
    /// What happened.
    pub step: Step,
    /// One sentence.
    pub text: String,
    /// Named values, such as `old_instance_id`.
    pub fields: Vec<(String, String)>,
}
