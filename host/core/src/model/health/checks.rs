//! EC2's status checks: the provider's own look at an instance and at what it runs on.

use serde::{Deserialize, Serialize};

use super::Observation;

/// What one check says, in the provider's words (EC2 API reference, InstanceStatusSummary, `Status`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// All is well.
    Ok,
    /// Something is wrong.
    Impaired,
    /// It has not been made since the instance began to run.
    Initializing,
    /// It could not be made.
    InsufficientData,
    /// There is nothing to check.
    NotApplicable,
    /// A word that is not known here, or none.
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

/// Both checks of one instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StatusChecks {
    /// Of the instance: its software and its network.
    pub instance: Check,
    /// Of the host that it runs on.
    pub system: Check,
}

impl StatusChecks {
    /// One impaired check is bad, two that are ok are good; anything else says nothing.
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
    fn only_impaired_is_bad_and_only_two_that_are_ok_are_good() {
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
            let checks = StatusChecks { instance, system };
            assert_eq!(checks.observation().sign, expected, "{checks:?}");
        }
    }
}
