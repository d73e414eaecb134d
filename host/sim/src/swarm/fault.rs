//! The faults of random worlds, and how often each occurs.

use std::fmt;

/// A kind of fault. Each kind has its own random stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(usize)]
pub enum Fault {
    // Responses of the cloud to queries.
    /// A describe call shows an instance as it was up to ten seconds ago.
    StaleReading,
    /// A tag scan leaves out an instance that is younger than a minute.
    TagLag,
    /// A tag scan leaves an instance out.
    PartialScan,
    /// A look-up by id finds no instance, although it exists and is younger than two minutes.
    NotFoundAfterLaunch,
    /// Tag scans show an old reading of an instance for up to three minutes, while look-ups by id
    /// show the true one.
    FrozenScan,
    /// A query fails with an error.
    QueryFails,
    /// The response to a query takes up to 30 s.
    SlowQuery,
    /// The metrics of a worker are incomplete.
    PartialMetrics,
    /// The account's other users empty the token buckets for a while.
    NoisyNeighbour,
    /// The cloud refuses a call because its bucket is empty. This follows from the noisy neighbour.
    Throttled,
    /// The region's API does not answer for a while.
    CloudDown,
    /// No pointer can be read for a while, or to the end of the world.
    PointersDown,

    // Mutations.
    /// There is no capacity for a launch.
    NoCapacityForLaunch,
    /// There is no capacity to start a stopped instance.
    NoCapacityForStart,
    /// A mutation does not arrive; the host gets a timeout.
    RequestLost,
    /// The cloud carries a mutation out; the host gets a timeout.
    ReplyLost,
    /// A mutation arrives twice.
    Duplicate,
    /// The cloud refuses a replayed launch, because it finds other parameters.
    ReplayMismatch,
    /// The cloud refuses a mutation, because the credentials do not allow it.
    Denied,
    /// The cloud refuses to stop an instance, to terminate it, or both, for up to 40 minutes.
    EndProtected,

    // Lives of instances.
    /// The address comes 5 to 60 s after `running`.
    LateAddress,
    /// The boot takes up to three minutes.
    SlowBoot,
    /// An instance ends while it boots.
    DiesBooting,
    /// A stop takes up to 20 minutes.
    SlowStop,
    /// A boot of an instance that reeve launched never leaves `pending`.
    StuckPending,
    /// An instance that reeve launched runs and never gets an address.
    NoAddressEver,
    /// The cloud accepts a start, and the instance is `stopped` again within a minute.
    StartFallsBack,
    /// A stop never leaves `stopping`.
    StuckStopping,
    /// The provider reclaims an instance two minutes after the notice.
    ReclaimedWithNotice,
    /// The provider reclaims an instance without a notice.
    ReclaimedWithoutNotice,
    /// Another system launches an instance with a worker's tag.
    LaunchedElsewhere,
    /// Another system stops a worker's instance.
    StoppedElsewhere,
    /// Another controller stops whatever runs for a worker, every minute for a while.
    AnotherController,
    /// Another system writes a worker's pointer.
    PointerElsewhere,
    /// A worker's pointer was written long before the world begins, and its instance has ended.
    LongDeadPointer,

    // The store.
    /// A call fails and changes nothing.
    StoreFails,
    /// The store carries a write out; the host gets an error.
    StoreReplyLost,
    /// A call takes up to ten seconds.
    SlowStore,
    /// Every call fails for a while.
    StoreDown,

    // Hosts.
    /// A host ends at once, at any moment.
    Crash,
    /// A host ends after its record was written, before the host acts on it.
    CrashAfterWrite,
    /// A host ends after its mutation changed the cloud, before the host gets the response.
    CrashAfterEffect,
    /// A host stands still, at times for longer than a lease.
    Pause,
    /// A host's clock is ahead or behind, and runs too fast or too slow.
    WrongClock,
    /// The journal fails to write an intent.
    JournalFails,

    // Policies.
    /// A policy gives no usable answer.
    PolicyFails,
    /// A policy answers at random.
    PolicyLies,
    /// A policy takes up to two seconds.
    SlowPolicy,
    /// A pool gets another set of policies.
    Reload,

    // Boxes.
    /// The software on an instance falls silent and does no work.
    BoxHangs,
    /// A box claims to be another instance or another worker.
    BoxLies,
    /// A box loses its token.
    TokenWiped,
    /// A box does not get the response to its request.
    BoxReplyLost,

    // People and programs.
    /// Many callers ask at once.
    Burst,
    /// A caller leaves before its response.
    CallerGone,
    /// Callers say that the address of a worker does not answer, rightly or not.
    AddressDoubted,
    /// A program asks for a restart.
    ProgramRestarts,
    /// A person asks for a restart, or clears the worker's state, while a change is under way.
    PersonRestarts,
    /// An operator pauses a worker, and resumes it later.
    OperatorPauses,
    /// An operator clears a worker's state with `forget`.
    OperatorForgets,
    /// A user delivers to an instance at the worst moment: while a host writes its end.
    UsedMeanwhile,

    // Health.
    /// The software on an instance does not answer, or answers errors, until a restart or until it
    /// recovers by itself.
    SoftwareAils,
    /// A probe of a healthy instance is lost.
    ProbeLost,
    /// The status checks of an instance report a problem, or have no data.
    ChecksImpaired,
    /// The software of several workers of a pool stops answering within a minute, and recovers by
    /// itself.
    PoolAils,

    // Reboots.
    /// A rebooted instance does not answer until it is stopped and started, or for minutes.
    RebootHangs,
    /// A person names the kind of a restart.
    KindNamed,
    /// An operator moves a worker to an instance, of that worker or of another one.
    OperatorAdopts,
    /// The launch templates get another default version.
    TemplateChanges,

    /// A launch is a one-time Spot request: its instance cannot be stopped, only terminated.
    OneTimeSpot,
    // Parts that fail for good, all of one pool. Only worlds with workers in another pool have them.
    /// The policies of a pool give no usable answer, or answer at random.
    PoolPoliciesFail,
    /// The store cannot read the record of a worker.
    RecordUnreadable,
    /// Tag scans of a pool are refused.
    PoolScansFail,
}

/// How often a kind of fault occurs in a world that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// The number of occurrences in a million opportunities.
    PerMillion(u32),
    /// The mean number of seconds between occurrences.
    EverySecs(u64),
    /// Once for each host, at its start.
    PerHost,
    /// The fault follows from another kind.
    Follows,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Self; Self::COUNT] = [
        Self::StaleReading,
        Self::TagLag,
        Self::PartialScan,
        Self::NotFoundAfterLaunch,
        Self::FrozenScan,
        Self::QueryFails,
        Self::SlowQuery,
        Self::PartialMetrics,
        Self::NoisyNeighbour,
        Self::Throttled,
        Self::CloudDown,
        Self::PointersDown,
        Self::NoCapacityForLaunch,
        Self::NoCapacityForStart,
        Self::RequestLost,
        Self::ReplyLost,
        Self::Duplicate,
        Self::ReplayMismatch,
        Self::Denied,
        Self::EndProtected,
        Self::LateAddress,
        Self::SlowBoot,
        Self::DiesBooting,
        Self::SlowStop,
        Self::StuckPending,
        Self::NoAddressEver,
        Self::StartFallsBack,
        Self::StuckStopping,
        Self::ReclaimedWithNotice,
        Self::ReclaimedWithoutNotice,
        Self::LaunchedElsewhere,
        Self::StoppedElsewhere,
        Self::AnotherController,
        Self::PointerElsewhere,
        Self::LongDeadPointer,
        Self::StoreFails,
        Self::StoreReplyLost,
        Self::SlowStore,
        Self::StoreDown,
        Self::Crash,
        Self::CrashAfterWrite,
        Self::CrashAfterEffect,
        Self::Pause,
        Self::WrongClock,
        Self::JournalFails,
        Self::PolicyFails,
        Self::PolicyLies,
        Self::SlowPolicy,
        Self::Reload,
        Self::BoxHangs,
        Self::BoxLies,
        Self::TokenWiped,
        Self::BoxReplyLost,
        Self::Burst,
        Self::CallerGone,
        Self::AddressDoubted,
        Self::ProgramRestarts,
        Self::PersonRestarts,
        Self::OperatorPauses,
        Self::OperatorForgets,
        Self::UsedMeanwhile,
        Self::SoftwareAils,
        Self::ProbeLost,
        Self::ChecksImpaired,
        Self::PoolAils,
        Self::RebootHangs,
        Self::KindNamed,
        Self::OperatorAdopts,
        Self::TemplateChanges,
        Self::OneTimeSpot,
        Self::PoolPoliciesFail,
        Self::RecordUnreadable,
        Self::PoolScansFail,
    ];

    /// How many kinds there are.
    pub const COUNT: usize = 73;

    /// Its place in [`ALL`](Self::ALL).
    pub(super) fn index(self) -> usize {
        self as usize
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.as_str() == name)
    }

    /// How often the fault occurs.
    pub(super) fn pace(self) -> Pace {
        use Pace::{EverySecs, Follows, PerHost, PerMillion};
        match self {
            Self::StaleReading => PerMillion(60_000),
            Self::TagLag => PerMillion(300_000),
            Self::PartialScan => PerMillion(20_000),
            Self::NotFoundAfterLaunch => PerMillion(150_000),
            Self::FrozenScan => PerMillion(20_000),
            Self::QueryFails => PerMillion(30_000),
            Self::SlowQuery => PerMillion(20_000),
            Self::PartialMetrics => PerMillion(100_000),
            Self::NoisyNeighbour => EverySecs(400),
            Self::Throttled => Follows,
            Self::CloudDown => EverySecs(1_200),
            Self::PointersDown => EverySecs(1_500),
            Self::NoCapacityForLaunch => PerMillion(250_000),
            Self::NoCapacityForStart => PerMillion(400_000),
            Self::RequestLost | Self::ReplyLost => PerMillion(120_000),
            Self::Duplicate => PerMillion(150_000),
            Self::ReplayMismatch => PerMillion(700_000),
            Self::Denied => PerMillion(40_000),
            Self::EndProtected => EverySecs(500),
            Self::LateAddress => PerMillion(400_000),
            Self::SlowBoot => PerMillion(200_000),
            Self::DiesBooting => PerMillion(150_000),
            Self::SlowStop => PerMillion(250_000),
            Self::StuckPending | Self::NoAddressEver => PerMillion(100_000),
            Self::StartFallsBack => PerMillion(500_000),
            Self::StuckStopping => PerMillion(500_000),
            Self::ReclaimedWithNotice | Self::ReclaimedWithoutNotice => EverySecs(1_300),
            Self::LaunchedElsewhere => EverySecs(1_100),
            Self::StoppedElsewhere | Self::AnotherController => EverySecs(1_300),
            Self::PointerElsewhere => EverySecs(900),
            Self::LongDeadPointer => PerMillion(500_000),
            Self::StoreFails => PerMillion(30_000),
            Self::StoreReplyLost => PerMillion(60_000),
            Self::SlowStore => PerMillion(30_000),
            Self::StoreDown => EverySecs(1_200),
            Self::Crash => EverySecs(700),
            Self::CrashAfterWrite => PerMillion(100_000),
            Self::CrashAfterEffect => PerMillion(120_000),
            Self::Pause => EverySecs(700),
            Self::WrongClock => PerHost,
            Self::JournalFails => PerMillion(60_000),
            Self::PolicyFails => PerMillion(60_000),
            Self::PolicyLies => PerMillion(120_000),
            Self::SlowPolicy => PerMillion(60_000),
            Self::Reload => EverySecs(300),
            Self::BoxHangs => EverySecs(900),
            Self::BoxLies => EverySecs(500),
            Self::TokenWiped => EverySecs(800),
            Self::BoxReplyLost => PerMillion(80_000),
            Self::Burst => EverySecs(600),
            Self::CallerGone => PerMillion(100_000),
            Self::AddressDoubted => EverySecs(60),
            Self::ProgramRestarts => EverySecs(400),
            Self::PersonRestarts => PerMillion(60_000),
            Self::OperatorPauses => EverySecs(1_500),
            Self::OperatorForgets => EverySecs(1_800),
            Self::UsedMeanwhile => PerMillion(250_000),
            Self::SoftwareAils => EverySecs(500),
            Self::ProbeLost => PerMillion(100_000),
            Self::ChecksImpaired => EverySecs(900),
            Self::PoolAils => EverySecs(600),
            Self::RebootHangs => PerMillion(700_000),
            Self::KindNamed => PerMillion(500_000),
            Self::OperatorAdopts => EverySecs(600),
            Self::TemplateChanges => EverySecs(120),
            Self::OneTimeSpot => PerMillion(500_000),
            Self::PoolPoliciesFail | Self::RecordUnreadable | Self::PoolScansFail => {
                EverySecs(1_200)
            }
        }
    }

    /// Its name on the command line and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StaleReading => "stale-reading",
            Self::TagLag => "tag-lag",
            Self::PartialScan => "partial-scan",
            Self::NotFoundAfterLaunch => "not-found-after-launch",
            Self::FrozenScan => "frozen-scan",
            Self::QueryFails => "query-fails",
            Self::SlowQuery => "slow-query",
            Self::PartialMetrics => "partial-metrics",
            Self::NoisyNeighbour => "noisy-neighbour",
            Self::Throttled => "throttled",
            Self::CloudDown => "cloud-down",
            Self::PointersDown => "pointers-down",
            Self::NoCapacityForLaunch => "no-capacity-for-launch",
            Self::NoCapacityForStart => "no-capacity-for-start",
            Self::RequestLost => "request-lost",
            Self::ReplyLost => "reply-lost",
            Self::Duplicate => "duplicate",
            Self::ReplayMismatch => "replay-mismatch",
            Self::Denied => "denied",
            Self::EndProtected => "end-protected",
            Self::LateAddress => "late-address",
            Self::SlowBoot => "slow-boot",
            Self::DiesBooting => "dies-booting",
            Self::SlowStop => "slow-stop",
            Self::StuckPending => "stuck-pending",
            Self::NoAddressEver => "no-address-ever",
            Self::StartFallsBack => "start-falls-back",
            Self::StuckStopping => "stuck-stopping",
            Self::ReclaimedWithNotice => "reclaimed-with-notice",
            Self::ReclaimedWithoutNotice => "reclaimed-without-notice",
            Self::LaunchedElsewhere => "launched-elsewhere",
            Self::StoppedElsewhere => "stopped-elsewhere",
            Self::AnotherController => "another-controller",
            Self::PointerElsewhere => "pointer-elsewhere",
            Self::LongDeadPointer => "long-dead-pointer",
            Self::StoreFails => "store-fails",
            Self::StoreReplyLost => "store-reply-lost",
            Self::SlowStore => "slow-store",
            Self::StoreDown => "store-down",
            Self::Crash => "crash",
            Self::CrashAfterWrite => "crash-after-write",
            Self::CrashAfterEffect => "crash-after-effect",
            Self::Pause => "pause",
            Self::WrongClock => "wrong-clock",
            Self::JournalFails => "journal-fails",
            Self::PolicyFails => "policy-fails",
            Self::PolicyLies => "policy-lies",
            Self::SlowPolicy => "slow-policy",
            Self::Reload => "reload",
            Self::BoxHangs => "box-hangs",
            Self::BoxLies => "box-lies",
            Self::TokenWiped => "token-wiped",
            Self::BoxReplyLost => "box-reply-lost",
            Self::Burst => "burst",
            Self::CallerGone => "caller-gone",
            Self::AddressDoubted => "address-doubted",
            Self::ProgramRestarts => "program-restarts",
            Self::PersonRestarts => "person-restarts",
            Self::OperatorPauses => "operator-pauses",
            Self::OperatorForgets => "operator-forgets",
            Self::UsedMeanwhile => "used-meanwhile",
            Self::SoftwareAils => "software-ails",
            Self::ProbeLost => "probe-lost",
            Self::ChecksImpaired => "checks-impaired",
            Self::PoolAils => "pool-ails",
            Self::RebootHangs => "reboot-hangs",
            Self::KindNamed => "kind-named",
            Self::OperatorAdopts => "operator-adopts",
            Self::TemplateChanges => "template-changes",
            Self::OneTimeSpot => "one-time-spot",
            Self::PoolPoliciesFail => "pool-policies-fail",
            Self::RecordUnreadable => "record-unreadable",
            Self::PoolScansFail => "pool-scans-fail",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_place_and_by_its_name() {
        for (place, fault) in Fault::ALL.into_iter().enumerate() {
            assert_eq!(fault.index(), place, "{fault}");
            assert_eq!(Fault::from_name(fault.as_str()), Some(fault));
        }
    }
}
