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

use crate::model::id::InstanceId;
use crate::model::instance::InstanceState;
pub use crate::model::instance::{AddressKind, Addresses};
use crate::model::time::{Instant, Millis};

/// A question that a policy answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

impl Input {
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
