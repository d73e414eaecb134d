//! What can go wrong in a random world, and how often.

use std::fmt;

/// A kind of trouble, each with a random stream of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(usize)]
pub enum Fault {
    // Answers of the cloud.
    /// A describe call shows an instance as it was up to ten seconds ago.
    StaleReading,
    /// A tag scan does not show an instance yet that is younger than a minute.
    TagLag,
    /// A tag scan leaves an instance out.
    PartialScan,
    /// A look by id says "no such instance" of one that is younger than two minutes.
    NotFoundAfterLaunch,
    /// Tag scans show an instance as it was, for up to three minutes, while looks by id show how it
    /// is.
    FrozenScan,
    /// A query is answered with an error.
    QueryFails,
    /// A query takes up to 30 s to be answered.
    SlowQuery,
    /// The metrics of a worker come in part.
    PartialMetrics,
    /// The account's other users have emptied the token buckets for a while.
    NoisyNeighbour,
    /// A call is refused because its bucket is empty. Follows from the noisy neighbour.
    Throttled,
    /// The region's API does not answer for a while.
    CloudDown,

    // Changes of the cloud.
    /// There is no capacity for a launch.
    NoCapacityForLaunch,
    /// There is no capacity to start a stopped instance.
    NoCapacityForStart,
    /// A mutation does not arrive; the caller hears a timeout.
    RequestLost,
    /// A mutation is carried out; the caller hears a timeout.
    ReplyLost,
    /// A mutation arrives twice.
    Duplicate,
    /// A launch that was carried out is sent again and refused, because its template resolves to
    /// another version.
    ReplayMismatch,
    /// The credentials do not allow it.
    Denied,

    // Lives of instances.
    /// The address comes 5 to 60 s after `running`.
    LateAddress,
    /// The boot takes up to three minutes.
    SlowBoot,
    /// An instance ends while it boots.
    DiesBooting,
    /// A stop takes up to 20 minutes.
    SlowStop,
    /// An instance is reclaimed, two minutes after it was told so.
    ReclaimedWithNotice,
    /// An instance is reclaimed at once.
    ReclaimedWithoutNotice,
    /// Another system launches an instance with a worker's tag.
    LaunchedElsewhere,
    /// Another system stops a worker's instance.
    StoppedElsewhere,
    /// Another system writes a worker's pointer.
    PointerElsewhere,

    // The store.
    /// A call fails, and nothing was done.
    StoreFails,
    /// A write is carried out; the caller hears an error.
    StoreReplyLost,
    /// A call takes up to ten seconds.
    SlowStore,
    /// No call is answered for a while.
    StoreDown,

    // Hosts.
    /// A host ends at once, at any moment.
    Crash,
    /// A host ends right after its record was written, before it acts on it.
    CrashAfterWrite,
    /// A host ends right after the cloud was changed, before it hears of it.
    CrashAfterEffect,
    /// A host stands still, at times for longer than a lease.
    Pause,
    /// A host's clock is ahead or behind, and runs at another rate.
    WrongClock,
    /// The journal does not take an intent.
    JournalFails,

    // Policies.
    /// A policy gives no usable answer.
    PolicyFails,
    /// A policy answers at random.
    PolicyLies,
    /// A policy takes up to two seconds.
    SlowPolicy,
    /// Another version of the policies is loaded.
    Reload,

    // Boxes.
    /// The software on an instance falls silent and does no work.
    BoxHangs,
    /// A box speaks for an instance or a worker that it is not.
    BoxLies,
    /// A box loses its token.
    TokenWiped,
    /// A box does not hear what it was answered.
    BoxReplyLost,

    // People and programs.
    /// Many ask at once.
    Burst,
    /// One who asked goes away before the answer.
    CallerGone,
    /// A program asks for a restart.
    ProgramRestarts,
    /// A person asks for a restart while something is under way, or has the worker learned anew.
    PersonRestarts,
    /// An operator pauses a worker, and resumes it later.
    OperatorPauses,
    /// An operator has a worker learned anew.
    OperatorForgets,
    /// An instance is used at the worst moment: while its end is being written.
    UsedMeanwhile,

    // Health.
    /// The software on an instance answers no request, or badly, until a restart or until it
    /// recovers by itself.
    SoftwareAils,
    /// A probe is lost on its way, with an instance that is well.
    ProbeLost,
    /// The status checks of an instance say that something is wrong, or nothing at all.
    ChecksImpaired,
}

/// How often a kind of trouble comes up in a world that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// So many times in a million opportunities.
    PerMillion(u32),
    /// About every so many seconds.
    EverySecs(u64),
    /// Once for each host, at its start.
    PerHost,
    /// It follows from another kind.
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
        Self::NoCapacityForLaunch,
        Self::NoCapacityForStart,
        Self::RequestLost,
        Self::ReplyLost,
        Self::Duplicate,
        Self::ReplayMismatch,
        Self::Denied,
        Self::LateAddress,
        Self::SlowBoot,
        Self::DiesBooting,
        Self::SlowStop,
        Self::ReclaimedWithNotice,
        Self::ReclaimedWithoutNotice,
        Self::LaunchedElsewhere,
        Self::StoppedElsewhere,
        Self::PointerElsewhere,
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
        Self::ProgramRestarts,
        Self::PersonRestarts,
        Self::OperatorPauses,
        Self::OperatorForgets,
        Self::UsedMeanwhile,
        Self::SoftwareAils,
        Self::ProbeLost,
        Self::ChecksImpaired,
    ];

    /// How many kinds there are.
    pub const COUNT: usize = 55;

    /// Its place in [`ALL`](Self::ALL).
    pub(super) fn index(self) -> usize {
        self as usize
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.as_str() == name)
    }

    /// How often it comes up.
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
            Self::NoCapacityForLaunch | Self::NoCapacityForStart => PerMillion(250_000),
            Self::RequestLost | Self::ReplyLost => PerMillion(120_000),
            Self::Duplicate => PerMillion(150_000),
            Self::ReplayMismatch => PerMillion(300_000),
            Self::Denied => PerMillion(40_000),
            Self::LateAddress => PerMillion(400_000),
            Self::SlowBoot => PerMillion(200_000),
            Self::DiesBooting => PerMillion(150_000),
            Self::SlowStop => PerMillion(150_000),
            Self::ReclaimedWithNotice | Self::ReclaimedWithoutNotice => EverySecs(1_300),
            Self::LaunchedElsewhere => EverySecs(1_100),
            Self::StoppedElsewhere => EverySecs(1_300),
            Self::PointerElsewhere => EverySecs(900),
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
            Self::ProgramRestarts => EverySecs(400),
            Self::PersonRestarts => PerMillion(60_000),
            Self::OperatorPauses => EverySecs(1_500),
            Self::OperatorForgets => EverySecs(1_800),
            Self::UsedMeanwhile => PerMillion(250_000),
            Self::SoftwareAils => EverySecs(500),
            Self::ProbeLost => PerMillion(100_000),
            Self::ChecksImpaired => EverySecs(900),
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
            Self::NoCapacityForLaunch => "no-capacity-for-launch",
            Self::NoCapacityForStart => "no-capacity-for-start",
            Self::RequestLost => "request-lost",
            Self::ReplyLost => "reply-lost",
            Self::Duplicate => "duplicate",
            Self::ReplayMismatch => "replay-mismatch",
            Self::Denied => "denied",
            Self::LateAddress => "late-address",
            Self::SlowBoot => "slow-boot",
            Self::DiesBooting => "dies-booting",
            Self::SlowStop => "slow-stop",
            Self::ReclaimedWithNotice => "reclaimed-with-notice",
            Self::ReclaimedWithoutNotice => "reclaimed-without-notice",
            Self::LaunchedElsewhere => "launched-elsewhere",
            Self::StoppedElsewhere => "stopped-elsewhere",
            Self::PointerElsewhere => "pointer-elsewhere",
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
            Self::ProgramRestarts => "program-restarts",
            Self::PersonRestarts => "person-restarts",
            Self::OperatorPauses => "operator-pauses",
            Self::OperatorForgets => "operator-forgets",
            Self::UsedMeanwhile => "used-meanwhile",
            Self::SoftwareAils => "software-ails",
            Self::ProbeLost => "probe-lost",
            Self::ChecksImpaired => "checks-impaired",
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
