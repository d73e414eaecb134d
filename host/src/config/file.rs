//! The sections of the configuration file. Each key stands here once, with its kind, its default or
//! an example, and its text; `section` says what is made of it. Bounds have their reason next to
//! them. The types that a key ends up in (`reeve_core::spec`) say what the host does with it.

mod doors;

use reeve_core::boxes::ProofKind;
use reeve_core::demand::Statistic;
use reeve_core::health::{HealthSpec, RestartRule};
use reeve_core::notice::Level;
use reeve_core::spec::{self, BoxSpec, LEASE, OrphanRule, RestartBy, StopRefused, Wish};

use reeve_policy::Class;
use serde::{Deserialize, Serialize};

use super::kind::{
    Choice, Cluster, Container, DimensionValue, File, Flag, FleetName, HttpPath, Inline, Kind,
    List, Loopback, Ms, Names, Number, PointerText, PolicyFile, PolicyKey, RegionName, RoleArn,
    SecurityGroup, Settings, Sha256, Subnet, TableName, TagKey, TagValue, TaskDefinition,
    TemplateText, Text, WebhookAddress, ZoneName,
};
use super::section::{self, At, Key, Section, Shown, Table, section};
use crate::notify::format::Format;
use crate::notify::webhook::PER_MINUTE_MAX;

pub(super) use doors::{AccessRule, Api, Boxes, TlsSection};

section! {
    /// A configuration for `reeve serve`. Check yours with `reeve check --config FILE`.
    ///
    /// Three kinds of lines: `key = …` is set here, `# key = …` shows the default, and `#key = …` is an
    /// example of a key that has no default. Unknown keys are refused. Durations are milliseconds.
    /// Relative paths start at this file. A name has 1 to 64 letters, digits, `-`, `_` and `.`.
    Whole {
        table host: Host;
        table policies: Policies;
        section store: Store;
        sections access: AccessRule = "lambda";
        section api: Api;
        section tls: TlsSection;
        section boxes: Boxes;
        sections notify: Notify = "ops";
        table aws: Aws;
        some pool: Pool = "gpu";
        some worker: Worker = "chat";
    }
}

section! {
    /// The host itself.
    Host {
        /// Goes into launch tokens: two fleets in one account need two names.
        required fleet: FleetName = "prod";
        /// The directory of the journal, and of the workers' records unless [store] says otherwise.
        /// One host per directory.
        required state_dir: File = "state";
        /// Where the host listens: a loopback address, or "none". [access] says what a program that reaches it may
        /// do.
        usual listen: Loopback = "127.0.0.1:7433";
        /// The same interface on a Unix socket, for operators. The path has at most 107 bytes.
        /// In `state_dir` by default.
        example socket: File = "reeve.sock";
        /// Decide, journal and answer, but write and change nothing. What would be written is kept in memory.
        default dry_run: Flag = false;
        table budget: Budget;
    }
}

section! {
    /// What may be done over all pools together, by this host or another one, within a rolling window
    /// (guarantee G10). What the provider refuses is not counted.
    /// 60 an hour is far more than healthy pools need and far less than a loop makes.
    Budget {
        /// New instances.
        usual launches: Number<u32, 0, 1_000_000> = 60;
        /// Stopped instances started.
        usual starts: Number<u32, 0, 1_000_000> = 60;
        /// Instances stopped or terminated.
        usual stops: Number<u32, 0, 1_000_000> = 60;
        // Below a second it would limit nothing.
        /// The length of the window.
        usual window_ms: Ms<1_000, 604_800_000> = 3600000;
    }
}

section! {
    /// Where policies are, and what one call may use.
    Policies {
        /// The directory is watched: a changed file comes into force by itself. A bad file is
        /// refused, and the last good one keeps serving.
        required dir: File = "policies";
        /// Public keys of minisign, at most 20. With any, a file counts only with a signature of one of them
        /// next to it, in FILE.minisig.
        example keys: List<PolicyKey, 20> = ["RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"];
        /// Fuel of one call, about one unit per instruction. A standard decision over 100 instances uses
        /// less than 100,000; the default ends an endless loop within a tenth of a second.
        default fuel_max: Number<u64, 1, { i64::MAX }> = reeve_policy::Limits::default().fuel;
    }
}

section! {
    /// Only where several hosts share workers: their records are in one DynamoDB table. Without this
    /// section they are in `state_dir`, for one host.
    Store {
        /// 3 to 255 letters, digits, `_`, `-` and `.`.
        required table: TableName = "reeve";
        /// The table's region.
        required region: RegionName = "us-east-1";
        // From a second, below which a busy host would lose it, to an hour, the time a dead host's
        // work would wait.
        /// How long a record must stay unchanged before its lease counts as abandoned. Ten renewals of 3 s may
        /// be lost before another host takes over.
        default lease_ms: Ms<1_000, 3_600_000> = LEASE;
    }
}

section! {
    /// A webhook that is sent notices; as many sections as there are channels. None by default.
    /// `reeve notify test --config FILE` tries them.
    Notify {
        /// A file with the address, or `url` with the address itself. One of the two is required. The address is
        /// a secret: no log and no error shows it.
        example url_file: File = "ops.url";
        /// The address itself.
        example url: WebhookAddress = "https://hooks.example.com/services/T0/B0/x";
        /// "slack", "discord", or "json", which has every part of a message under a name.
        required format: Choice<Format> = "slack";
        /// Notices of this level and above: "info", "warning", "error".
        default level: Choice<Level> = Level::Warning;
        /// Steps that are sent whatever their level. docs/operating/notifications.md lists them.
        example steps: List<Choice<reeve_core::notice::Step>, 1_000> = ["instance_launched"];
        /// Only these pools' workers. All by default.
        example pools: List<Text<64>, 1_000> = ["gpu"];
        /// Only these workers. All by default.
        example workers: List<Text<64>, 100_000> = ["chat"];
        /// How a message reads. Also {host} and {field:NAME}; {{ and }} stand for a brace.
        usual template: TemplateText = "[{level}] {fleet}/{worker} {step}: {text}";
        // At least 1, or no notice is sent. Above ten a second, a webhook would serve as a log.
        /// Beyond it, one message says how many were left out.
        default per_minute_max: Number<usize, 1, 600> = PER_MINUTE_MAX;
    }
}

section! {
    /// How AWS is reached. As the AWS command line does, by default.
    Aws {
        /// A profile of the AWS configuration.
        example profile: Text<2_048> = "gpu-operator";
        /// An emulator.
        example endpoint_url: Text<2_048> = "http://127.0.0.1:5000";
    }
}

section! {
    /// Workers that share a region, a launch source, policies and limits.
    Pool {
        /// Where the instances and the pointers are.
        required region: RegionName = "us-east-1";
        /// A resolve responds with http://{address}:{port}.
        required port: Number<u16, 1, 65_535> = 8080;
        /// Name or id of an EC2 launch template. Without it the pool adopts and starts, but never launches.
        set launch_template: Text<128> = "gpu-worker";
        // Each one more is one more refused call before the pause.
        /// Templates of other types or zones, in the order in which they are tried when `launch_template` has no
        /// capacity; at most 8.
        example launch_alternatives: List<Text<128>, 8> = ["gpu-worker-other-zone"];
        // The console of EC2 shows this tag as the name.
        /// The tag by which a worker's instances are found.
        default tag_key: TagKey = "Name".to_owned();
        /// How large the pool's policies may be: "small", files of 8 MiB and 16 MiB of memory for a call, is
        /// enough for compiled languages and JavaScript. "large", 32 MiB and 64 MiB, is for Python; compiling one
        /// may take a minute and 1 GiB.
        default policy_class: Choice<Class> = Class::default();
        // Each tag shown to a policy adds to the cost of every call. 20 are enough for a rule.
        /// Keys of tags that `adopt` and `reap` see, at most 20. Texts are what a policy call costs.
        default policy_tags: List<TagKey, 20> = Vec::new();
        /// Keys of the workers' `labels` that policies see, at most 20, each with how many other workers of the
        /// pool with the same label are up. None by default.
        example policy_labels: List<Text<64>, 20> = ["tenant"];
        /// How an instance is restarted: "stop-start" keeps its disks, "reboot" keeps its capacity and addresses
        /// too, "replace" terminates it and launches another. Fargate tasks are always replaced.
        usual restart: Choice<RestartBy> = "stop-start";
        // A termination deletes disks, so an operator allows it.
        /// What follows if AWS refuses for good to stop an idle instance (one-time Spot, instance store, stop
        /// protection): "keep" leaves it in service, "terminate" has the next reap terminate it, if this fleet
        /// launched it or `terminate_adopted` allows it.
        default stop_refused: Choice<StopRefused> = StopRefused::default();
        /// Whether the `reap` policy is asked at each scan.
        default reap: Flag = false;
        // "hand-outs" and "reports" cannot be left out: recent activity is never reaped (G5).
        /// What counts as use of an instance: "hand-outs" of its address and "reports" of work always do.
        /// "heartbeats" of its box do for workers that take their work from a queue: they run until their box
        /// goes silent.
        default r#use: List<Choice<Use>, 3> = Use::always();
        /// Which instances next to the adopted one are ended, by the host and by `reap` (G2): "end-ours", those
        /// that this fleet launched; "end-unclaimed", also those without the tag `reeve:fleet`, which are
        /// stopped; "leave", none. An instance of another fleet is never ended.
        default orphans: Choice<OrphanRule> = OrphanRule::default();
        /// Whether an adopted instance that this fleet did not launch may be terminated. By default it is only
        /// stopped, which can be undone.
        default terminate_adopted: Flag = false;
        /// Whether a worker moves to the live instance with its tag that a person makes the pointer name. By default
        /// the record decides: the write is told (`pointer_moved`), and the pointer is written back.
        default follow_pointer: Flag = false;
        // Offsets in use range from UTC-12 to UTC+14.
        /// Local time for rules about hours of the day, in minutes east of UTC, the same all year.
        usual utc_offset_min: Number<i16, -720, 840> = 0;
        /// In place of `utc_offset_min`: a zone of the IANA database, with its daylight saving.
        example time_zone: ZoneName = "Europe/Berlin";
        section fargate: Fargate;
        table limits: Limits;
        section boxes: PoolBoxes;
        section health: Health;
        section demand: Demand;
        sections policy: Policy = "resolve";
    }
}

/// What counts as use of an instance.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum Use {
    HandOuts,
    Reports,
    Heartbeats,
}

impl Use {
    /// What always counts.
    pub(in crate::config) const ALWAYS: [Self; 2] = [Self::HandOuts, Self::Reports];

    fn always() -> Vec<At<Self>> {
        let at = |value| At { value, span: 0..0 };
        Self::ALWAYS.map(at).into()
    }
}

section! {
    /// In place of `launch_template`: the pool's instances are Fargate tasks. They end when they stop.
    Fargate {
        /// Name or ARN.
        required cluster: Cluster = "agents";
        /// Family, `family:revision` or ARN. Without it the pool never launches.
        example task_definition: TaskDefinition = "agent";
        // ECS API reference, AwsVpcConfiguration, for both lists.
        /// At least one if the pool launches, at most 16. Several zones have more room.
        example subnets: List<Subnet, 16> = ["subnet-0123456789abcdef0"];
        /// At most 5. The VPC's default group when empty.
        usual security_groups: List<SecurityGroup, 5> = [];
        /// Without a public address the image comes through a NAT or an endpoint.
        default public_ip: Flag = false;
        /// The container that gets REEVE_WORKER and REEVE_GENERATION in its environment. None by default.
        example container: Container = "main";
    }
}

section! {
    /// Limits of the guard. They hold whatever the policies say.
    Limits {
        // Lower values would cause a storm of calls; higher ones would delay every reaction. So for
        // all limits.
        /// Time between two scans. 30 s are two describe calls a minute per pool, far below EC2's limit.
        default scan_interval_ms: Ms<1_000, 3_600_000> = spec::Limits::default().scan_interval;
        /// How long a caller who named no `wait` is kept: five looks for an address half a second apart, and
        /// the cloud's replies.
        default pass_ms_max: Ms<100, 300_000> = spec::Limits::default().pass_max;
        /// An instance with newer activity is never reaped (G5). For as long after its last caller was turned away
        /// the host keeps bringing the worker up: a webhook asks once.
        default idle_ms_min: Ms<1_000, 604_800_000> = spec::Limits::default().idle_min;
        /// How long "no such id" after a launch counts as "not visible yet". EC2 asks to retry from seconds to
        /// minutes.
        default not_visible_grace_ms: Ms<10_000, 3_600_000> = spec::Limits::default().not_visible_grace;
        // Below a minute, a common boot would be cut short. A day covers any boot; later the worker
        // would better be looked at by a person.
        /// How long an instance may be `pending` before it is ended and another is launched. A boot takes half a
        /// minute, of bare metal or of a task with a large image about ten.
        default launch_timeout_ms: Ms<60_000, 86_400_000> = spec::Limits::default().launch_timeout;
        // Half a minute lets EC2's readings settle. So above for a day.
        /// How long an instance may run without an address before it is ended. An address takes seconds.
        default address_timeout_ms: Ms<30_000, 86_400_000> = spec::Limits::default().address_timeout;
        // Below a minute, a common stop would be given up. So above for a day.
        /// How long an instance may be `stopping` before another is launched in its place. Stops of bare metal
        /// have taken about ten minutes.
        default stopping_timeout_ms: Ms<60_000, 86_400_000> = spec::Limits::default().stopping_timeout;
        // One failure may be chance. A hundred take days with the pauses between them.
        /// How many starts in a row may fail before the stopped instance is given up and another is launched.
        default start_failures_max: Number<u32, 2, 100> = spec::Limits::default().start_failures_max;
        // Below a minute, the pauses after a failure would count as failing. So above for a day.
        /// How long starts may keep failing before the next failure gives the stopped instance up, even if there
        /// were fewer.
        default start_give_up_ms: Ms<60_000, 86_400_000> = spec::Limits::default().start_give_up;
        // A minute lets EC2's readings settle. A grace shorter than the validity of `serve` verdicts
        // would end instances that another host may still hand out. More than a day of an orphan
        // only costs money.
        /// How long every scan must show an orphan before the host ends it (G2). The default is the longest
        /// time for which a host hands out an address without asking again.
        default orphan_grace_ms: Ms<60_000, 86_400_000> = spec::Limits::default().orphan_grace;
        /// Between the decision to reap and the stop. Any use in it cancels the reap. As long as the standard
        /// policy lets callers repeat an address.
        default drain_ms: Ms<0, 3_600_000> = spec::Limits::default().drain;
        // 100 leaves the ends to the policy. At least one instance may always be reaped.
        /// The pace of reaps: of a pool's workers, the percentage whose instances may be ended on verdicts of `reap`
        /// within `reap_window_ms`, over all hosts, and at least one (G10). A wrong policy ends no more.
        default reap_percent_max: Number<u32, 1, 100> = spec::Limits::default().reap_pace.percent;
        // Below a minute, the pace would be none. A week is the longest window of a budget.
        /// The window of `reap_percent_max`.
        default reap_window_ms: Ms<60_000, 604_800_000> = spec::Limits::default().reap_pace.window;
        /// Restarts that programs ask for within it are dropped and counted (G7). A boot takes 20 to 30 s, in
        /// which the worker looks dead; the default is twice that.
        default restart_window_ms: Ms<1_000, 3_600_000> = spec::Limits::default().restart_window;
        /// A worker that takes deliveries and finishes none for this long is unresponsive, whatever its
        /// heartbeat says.
        default unresponsive_after_ms: Ms<1_000, 86_400_000> = spec::Limits::default().unresponsive_after;
        /// What may be done for one worker within a window (G10). Keys as in [host.budget].
        usual worker_budget: Inline<Budget> => { launches = 6, starts = 6, stops = 6, window_ms = 3600000 };
        /// What may be done for the pool's workers together, over all hosts.
        usual pool_budget: Inline<Budget> => { launches = 60, starts = 60, stops = 60, window_ms = 3600000 };
    }
}

section! {
    /// How the pool's boxes register. Without this section they do not. Needs [boxes].
    PoolBoxes {
        /// "instance-document" of EC2; "iam-role", by which Fargate tasks and EC2 instances log in with their role; or
        /// "shared-secret".
        required proof: Choice<ProofKind> = "instance-document";
        /// A file with the secret that the pool's boxes prove themselves with by "shared-secret". Only its owner may
        /// read it.
        example secret_file: File = "gpu.secret";
        /// The role that the pool's instances or tasks run with, for "iam-role". Its trust may admit only the services
        /// ec2.amazonaws.com or ecs-tasks.amazonaws.com: who else may assume it can pose as any of them.
        example role: RoleArn = "arn:aws:iam::123456789012:role/gpu-box";
        /// The name of the instance profile with that role; by default the role's. EC2 shows the profile, not the role.
        example instance_profile: Text<128> = "gpu-box";
        // Below a second, heartbeats would flood the host. Above an hour, a dead box would stay
        // unnoticed.
        /// How often a box is told to send a heartbeat. A token that was not used for three of these is not
        /// live.
        default heartbeat_ms: Ms<1_000, 3_600_000> = BoxSpec::new(ProofKind::SharedSecret).heartbeat;
        // Below a minute, a token could be replaced while its successor is still in transit. 30 days
        // bound how long a leaked token works.
        /// How old a token gets before a heartbeat's response replaces it.
        default rotation_ms: Ms<60_000, 2_592_000_000> = BoxSpec::new(ProofKind::SharedSecret).rotation;
    }
}

section! {
    /// What tells whether a worker is well. Without this section nothing does. Heartbeats are a signal
    /// wherever boxes register.
    Health {
        /// The path of an HTTP probe, at most 1024 characters.
        example http: HttpPath = "/health";
        /// In place of `http`: an accepted connection is good.
        usual tcp: Flag = false;
        // Final statuses only: 1xx does not end an exchange.
        /// Good statuses. 200 to 299 when left out.
        example statuses: List<Number<u16, 200, 599>, 400> = [200];
        /// The probe's port. The pool's when left out.
        example port: Number<u16, 1, 65_535> = 8080;
        // Below a second, probes would load the worker. Above an hour, a dead worker would stay
        // unnoticed.
        /// Time between two probes, give or take a tenth.
        default every_ms: Ms<1_000, 3_600_000> = HealthSpec::default().every;
        // Below 50 ms, a busy moment looks like a failure. A worker that needs a minute has failed.
        /// Silence for this long is a failure. Less than nine tenths of `every_ms`, and at most half of that by
        /// default.
        usual timeout_ms: Ms<50, 60_000> = 2000;
        // One failure may be a lost packet, but an operator may choose 1. A hundred failures take
        // at least a quarter of an hour.
        /// Failures in a row that make a signal bad.
        default unhealthy_after: Number<u32, 1, 100> = HealthSpec::default().unhealthy_after;
        /// Successes in a row that make it good again.
        default healthy_after: Number<u32, 1, 100> = HealthSpec::default().healthy_after;
        /// After an address appears, failures do not count for this long, until the first success.
        default boot_grace_ms: Ms<0, 3_600_000> = HealthSpec::default().boot_grace;
        /// EC2's own checks, once a scan. Needs ec2:DescribeInstanceStatus.
        default status_checks: Flag = false;
        /// When the host asks for a restart: "never", "all" (every available signal is bad), "any" (one is).
        default restart: Choice<RestartRule> = RestartRule::default();
        // 0 would hold every restart from three failing workers on.
        /// If more percent than this of the watched workers, and at least three, begin to fail at about the same time,
        /// none of these is restarted for its health. 100 never holds a restart.
        default storm_percent: Number<u32, 1, 100> = HealthSpec::default().storm_percent;
    }
}

section! {
    /// A CloudWatch metric that tells `reap` how much a worker is wanted. Without it demand is
    /// unavailable, and the longest timeout holds. Publish zeros: a minute without a value proves nothing.
    /// Read only where `reap` is asked and for workers with a live instance; about 0.43 USD a month each.
    Demand {
        // CloudWatch API reference: Metric, `Namespace`, `MetricName` and `Dimensions`; Dimension,
        // `Name`.
        /// The namespace of the metric.
        required namespace: Text<255> = "Gpu";
        /// The name of the metric.
        required metric: Text<255> = "Invocations";
        /// "Sum" of a metric that counts requests, or "SampleCount" of one that has one value for each request.
        required statistic: Choice<Statistic> = "Sum";
        /// At most 30. {instance}, {worker} and {tag_value} are filled in.
        example dimensions: Names<Text<255>, DimensionValue, 30> => { InstanceId = "{instance}" };
        // CloudWatch drops samples shorter than a minute after three hours (CloudWatch API
        // reference, MetricStat, `Period`). A period above an hour is too coarse to show whether a
        // worker is idle.
        /// Whole minutes; CloudWatch keeps no shorter ones for long.
        usual period_ms: Ms<60_000, 3_600_000> = 60000;
        // A day at most: even with the shortest period, one call can return that many samples.
        /// Whole periods.
        usual window_ms: Ms<60_000, 86_400_000> = 600000;
        // A day of minutes is the most samples a window can hold. One sample alone shows little
        // (docs/incidents.md#frozen-activity).
        /// Fewer values in the window are too few to tell.
        usual samples_min: Number<u32, 1, 1_440> = 2;
        /// Time between two readings, at least the period: each one costs money.
        usual every_ms: Ms<60_000, 3_600_000> = 60000;
    }
}

section! {
    /// The policy of one point of the pool: `resolve`, `adopt`, `retry-ip`, `debounce`, `reap`. A point
    /// without a section has the standard policy with its default settings.
    Policy {
        /// A component in the policies' directory. The point's name with .wasm by default.
        usual file: PolicyFile = "resolve.wasm";
        /// The SHA-256 of the only content that the file may have, as `sha256sum` prints it. Other content is
        /// refused.
        example digest: Sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        /// The policy's own settings; docs/policies/reference.md has those of the standard ones.
        example settings: Settings => { address_order = ["private"], serve_valid_ms = 30000 };
    }
}

section! {
    /// One worker. Ask for this one with GET /v1/workers/chat/resolve.
    Worker {
        /// The name of its pool.
        required pool: Text<64> = "gpu";
        /// The value of the tag on its instances. No two workers of a region share one. The worker's name by
        /// default.
        set tag_value: TagValue = "chat";
        /// When it is to run: "on-demand", while callers ask for it, or "running", always. The host brings a
        /// "running" worker up without a caller, and never reaps it.
        default wanted: Choice<Wish> = Wish::default();
        /// What its team calls it by, at most 20. The pool's `policy_labels` shows them to policies.
        example labels: Names<Text<64>, Text<255>, 20> => { tenant = "acme" };
        /// An SSM parameter in the pool's region. No two workers share one.
        required pointer: PointerText = "/workers/chat/instance";
    }
}
