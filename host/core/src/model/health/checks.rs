//! EC2's status checks: the provider's own checks of an instance and of the hardware under it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Observation;
use crate::model::point::NoticeKind;
use crate::model::time::Instant;

/// The result of one check, in the provider's words (EC2 API reference, InstanceStatusSummary,
/// `Status`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// The check passed.
    Ok,
    /// The check failed.
    Impaired,
    /// The check has not run since the instance began to run.
    Initializing,
    /// The check could not run.
    InsufficientData,
    /// There is nothing to check.
    NotApplicable,
    /// The provider sent a word that reeve does not know, or none.
    #[default]
    Unknown,
}

impl Check {
    /// The provider's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Impaired => "impaired",
            Self::Initializing => "initializing",
            Self::InsufficientData => "insufficient-data",
            Self::NotApplicable => "not-applicable",
            Self::Unknown => "unknown",
        }
    }
}

/// An event that the provider has scheduled for an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Scheduled {
    /// What the provider is going to do.
    pub kind: NoticeKind,
    /// When it begins.
    pub at: Instant,
}

/// Both checks of one instance, and the events that the same answer shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StatusChecks {
    /// The check of the instance: its software and its network.
    pub instance: Check,
    /// The check of the hardware that the instance runs on.
    pub system: Check,
    /// The events that are still to come.
    pub scheduled: Vec<Scheduled>,
}

impl StatusChecks {
    /// The reading that both checks make: bad if one is impaired, good if both are ok, and
    /// otherwise unavailable.
    pub fn observation(&self) -> Observation {
        let (instance, system) = (self.instance.as_str(), self.system.as_str());
        let text = format!("the instance check is {instance}, the system check {system}");
        match (self.instance, self.system) {
            (Check::Impaired, _) | (_, Check::Impaired) => Observation::bad(text),
            (Check::Ok, Check::Ok) => Observation::good(text),
            _ => Observation::unavailable(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Sign;
    use super::*;

    #[test]
    fn one_impaired_check_is_bad_and_two_ok_checks_are_good() {
        let cases = [
            (Check::Ok, Check::Ok, Sign::Good),
            (Check::Impaired, Check::Ok, Sign::Bad),
            (Check::Ok, Check::Impaired, Sign::Bad),
            (Check::Impaired, Check::Initializing, Sign::Bad),
            (Check::Initializing, Check::Initializing, Sign::Unavailable),
            (Check::Ok, Check::Initializing, Sign::Unavailable),
            (Check::Ok, Check::InsufficientData, Sign::Unavailable),
            (Check::NotApplicable, Check::Ok, Sign::Unavailable),
            (Check::Unknown, Check::Ok, Sign::Unavailable),
        ];
        for (instance, system, expected) in cases {
            let checks = StatusChecks {
                instance,
                system,
                scheduled: Vec::new(),
            };
            assert_eq!(checks.observation().sign, expected, "{checks:?}");
        }
    }
}
