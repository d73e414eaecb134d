//! The five decision points, with the input and the verdict of each. The types mirror `wit/` name
//! by name, and their JSON form uses the WIT names, so a journaled input can be pasted into a
//! policy's case file.

pub mod adopt;
pub mod debounce;
pub mod reap;
pub mod resolve;
pub mod retry_ip;

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::id::InstanceId;
use crate::model::instance::InstanceState;
pub use crate::model::instance::{AddressKind, Addresses};
pub use crate::model::spec::Wish;
use crate::model::time::{Instant, Millis};

/// A question that a policy answers.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Point {
    /// Where is my worker?
    Resolve,
    /// Which running instance should the host adopt?
    Adopt,
    /// The instance runs without an address: look again?
    RetryIp,
    /// A restart is asked for: do it?
    Debounce,
    /// May this instance be stopped?
    Reap,
}

impl Point {
    /// Every point, in the order of the design.
    pub const ALL: [Self; 5] = [
        Self::Resolve,
        Self::Adopt,
        Self::RetryIp,
        Self::Debounce,
        Self::Reap,
    ];

    /// The name of the WIT interface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Adopt => "adopt",
            Self::RetryIp => "retry-ip",
            Self::Debounce => "debounce",
            Self::Reap => "reap",
        }
    }

    /// The point with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|point| point.as_str() == name)
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How long ago something happened; "never" is a value of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Age {
    /// The event has not happened, or was not seen.
    #[default]
    None,
    /// Milliseconds since, saturating.
    Ms(u32),
}

impl Age {
    /// The age of `then` at `now`.
    pub fn at(now: Instant, then: Option<Instant>) -> Self {
        then.map_or(Self::None, |then| {
            Self::Ms(now.since(then).saturating_u32())
        })
    }
}

/// One instance as a policy sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct InstanceFacts {
    /// The provider's id.
    pub id: InstanceId,
    /// The state at the last reading.
    pub state: InstanceState,
    /// How old that reading is.
    pub observed: Age,
    /// How long the host has read it in this state, at least.
    pub in_state: Age,
    /// How long ago it was launched or last started, by the provider's record.
    pub launched: Age,
    /// Which addresses it has.
    pub addresses: Addresses,
}

/// Who launched an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// This fleet, for this worker.
    Ours,
    /// A person or another system.
    Unclaimed,
    /// This fleet, ahead of need.
    Spare,
}

/// The provisioning attempt that an instance belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Generation {
    /// The instance's tags do not say.
    Unknown,
    /// The attempt's number.
    Number(u32),
}

/// Signs that an instance is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Usage {
    /// How long ago a resolve last handed the instance out; `none` if it never did.
    pub handed_out: Age,
    /// How long ago the last known activity was.
    pub last_activity: Age,
    /// How long ago its box last sent a heartbeat.
    pub heartbeat: Age,
    /// Deliveries not reported processed.
    pub work_in_flight: u32,
    /// How much longer the busy lease lasts; 0 if none is held.
    pub busy_remaining_ms: u32,
}

/// Who says that an instance is unwell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signal {
    /// The host's HTTP probe.
    Http,
    /// The host's TCP probe.
    Tcp,
    /// EC2's status checks.
    StatusChecks,
    /// The box, whose heartbeats are late.
    Heartbeat,
    /// Callers, whom its address does not answer.
    Callers,
}

/// A signal that says at present that the instance is unwell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BadSignal {
    /// The signal.
    pub signal: Signal,
    /// Milliseconds since the row of bad readings began, or since the last report of a caller.
    pub since_ms: u32,
}

/// What the provider is going to do with an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeKind {
    /// It takes a Spot instance back.
    Reclaim,
    /// It may take a Spot instance back soon.
    Rebalance,
    /// It reboots the instance.
    Reboot,
    /// It works on the hardware under it.
    Maintenance,
    /// It stops the instance.
    Stop,
    /// It retires the instance.
    Retire,
}

/// A notice of the provider about an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Notice {
    /// What is going to happen.
    pub kind: NoticeKind,
    /// Milliseconds until then; 0 when it is due.
    pub due_in_ms: u32,
}

/// The worker's demand by a metric outside the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Demand {
    /// The pool has no metric, or the metric could not be read.
    #[default]
    Unavailable,
    /// Too few samples to tell.
    TooFew,
    /// A count.
    Requests(Sample),
}

/// A count of requests over a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Sample {
    /// Requests, saturating.
    pub count: u32,
    /// The window's length.
    pub window_ms: u32,
    /// How long ago the window ended.
    pub ago_ms: u32,
}

/// A label of the worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Label {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
    /// Other workers of the pool with this label whose instance is up or boots.
    pub others_up: u32,
}

/// The time on the wall in the pool's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LocalTime {
    /// 1 is Monday, 7 is Sunday.
    pub weekday: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// Minutes east of UTC.
    pub offset_min: i16,
}

/// The worker that a question is about, and when it is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Worker {
    /// The worker's name.
    pub name: String,
    /// The labels that the pool's `policy_labels` names.
    pub labels: Vec<Label>,
    /// When the worker is to run.
    pub wish: Wish,
    /// The time on the wall.
    pub now: LocalTime,
}

/// A key and a value kept with an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tag {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

/// Why a verdict was reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Stable, for machines: lower-case letters, digits and `-`, 1 to 64 bytes.
    pub code: String,
    /// One sentence for people, at most 512 bytes.
    pub text: String,
}

impl Reason {
    /// A reason from its two parts.
    pub fn new(code: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            text: text.into(),
        }
    }
}

/// The input of one decision, whichever point it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Input {
    /// For `resolve`.
    Resolve(resolve::Input),
    /// For `adopt`.
    Adopt(adopt::Input),
    /// For `retry-ip`.
    RetryIp(retry_ip::Input),
    /// For `debounce`.
    Debounce(debounce::Input),
    /// For `reap`.
    Reap(reap::Input),
}

/// An input of each point in which nothing is the matter, without `settings`; and the elements of
/// the lists of records. Case files start from it.
const NEUTRAL: &str = include_str!("../../../../../wit/neutral.json");

impl Input {
    /// The input of the point in which nothing is the matter, for tests and benchmarks that change
    /// what matters.
    ///
    /// # Errors
    /// `wit/neutral.json` is not in step with the types; a test here reads all of it.
    pub fn neutral(point: Point) -> serde_json::Result<Self> {
        let all: serde_json::Value = serde_json::from_str(NEUTRAL)?;
        let mut fields = all[point.as_str()].clone();
        fields["settings"] = "{}".into();
        serde_json::from_value(serde_json::json!({ point.as_str(): fields }))
    }

    /// The point this input is for.
    pub fn point(&self) -> Point {
        match self {
            Self::Resolve(_) => Point::Resolve,
            Self::Adopt(_) => Point::Adopt,
            Self::RetryIp(_) => Point::RetryIp,
            Self::Debounce(_) => Point::Debounce,
            Self::Reap(_) => Point::Reap,
        }
    }

    /// The worker that the input is about.
    pub fn worker_mut(&mut self) -> &mut Worker {
        match self {
            Self::Resolve(input) => &mut input.worker,
            Self::Adopt(input) => &mut input.worker,
            Self::RetryIp(input) => &mut input.worker,
            Self::Debounce(input) => &mut input.worker,
            Self::Reap(input) => &mut input.worker,
        }
    }

    /// Sets the pool's settings for the bound policy. The slot calls this, because settings change
    /// together with the component that they belong to.
    pub fn set_settings(&mut self, settings: &str) {
        let place = match self {
            Self::Resolve(input) => &mut input.settings,
            Self::Adopt(input) => &mut input.settings,
            Self::RetryIp(input) => &mut input.settings,
            Self::Debounce(input) => &mut input.settings,
            Self::Reap(input) => &mut input.settings,
        };
        place.clear();
        place.push_str(settings);
    }
}

/// The answer of one decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// From `resolve`.
    Resolve(resolve::Verdict),
    /// From `adopt`.
    Adopt(adopt::Verdict),
    /// From `retry-ip`.
    RetryIp(retry_ip::Verdict),
    /// From `debounce`.
    Debounce(debounce::Verdict),
    /// From `reap`.
    Reap(reap::Verdict),
}

impl Verdict {
    /// The point that answered.
    pub fn point(&self) -> Point {
        match self {
            Self::Resolve(_) => Point::Resolve,
            Self::Adopt(_) => Point::Adopt,
            Self::RetryIp(_) => Point::RetryIp,
            Self::Debounce(_) => Point::Debounce,
            Self::Reap(_) => Point::Reap,
        }
    }

    /// The reason of the verdict.
    pub fn reason(&self) -> &Reason {
        match self {
            Self::Resolve(verdict) => &verdict.reason,
            Self::Adopt(verdict) => &verdict.reason,
            Self::RetryIp(verdict) => &verdict.reason,
            Self::Debounce(verdict) => &verdict.reason,
            Self::Reap(verdict) => &verdict.reason,
        }
    }

    /// The proposal in a few words: `start i-a`, `keep`.
    pub fn summary(&self) -> String {
        match self {
            Self::Resolve(verdict) => verdict.action.to_string(),
            Self::Adopt(verdict) => verdict.choice.to_string(),
            Self::RetryIp(verdict) => verdict.next.to_string(),
            Self::Debounce(verdict) => verdict.choice.to_string(),
            Self::Reap(verdict) => verdict.choice.to_string(),
        }
    }
}

/// Formats a length of time that a verdict names.
fn seconds(ms: u32) -> Millis {
    Millis::from(ms)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Map, Value, json};

    use super::*;

    #[test]
    fn the_neutral_input_of_every_point_is_whole() {
        let mut all: Map<String, Value> = serde_json::from_str(NEUTRAL).unwrap();
        for point in Point::ALL {
            let mut fields = all.remove(point.as_str()).unwrap();
            fields["settings"] = "{}".into();
            let read = serde_json::to_value(Input::neutral(point).unwrap()).unwrap();
            assert_eq!(read, json!({ point.as_str(): fields }));
        }
        let elements: BTreeMap<String, Value> =
            serde_json::from_value(all.remove("elements").unwrap()).unwrap();
        let of = |list: &str| elements[list].clone();
        serde_json::from_value::<InstanceFacts>(of("instances")).unwrap();
        serde_json::from_value::<adopt::Candidate>(of("candidates")).unwrap();
        assert!(all.is_empty(), "{all:?}");
    }
}
