//! Why an instance went down, in the provider's words.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Codes that say that a call to the provider's API ended the instance: a person's, another
/// program's or our own (EC2 API, "StateReason"; ECS API, `stopCode` of "Task"). An ECS service
/// that ends its tasks is a program as well.
const BY_REQUEST: [&str; 4] = [
    "Client.UserInitiatedShutdown",
    "Client.UserInitiatedHibernate",
    "UserInitiated",
    "ServiceSchedulerInitiated",
];

/// Why an instance went down: EC2's `StateReason`, or a Fargate task's `stopCode` and
/// `stoppedReason`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StateReason {
    /// The code, such as `Server.SpotInstanceTermination`.
    pub code: String,
    /// The sentence for people.
    pub text: String,
}

impl StateReason {
    /// Whether a call to the provider's API ended the instance. Otherwise the provider, the spot
    /// market or the instance itself did.
    pub fn is_by_request(&self) -> bool {
        BY_REQUEST.contains(&self.code.as_str())
    }
}

impl fmt::Display for StateReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // EC2 repeats the code at the beginning of the text.
        let text = self.text.strip_prefix(&self.code).unwrap_or(&self.text);
        let text = text.trim_start_matches(':').trim();
        match text {
            "" => f.write_str(&self.code),
            text => write!(f, "{}: {text}", self.code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(code: &str, text: &str) -> StateReason {
        StateReason {
            code: code.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn only_a_call_to_the_api_is_a_request() {
        for code in BY_REQUEST {
            assert!(reason(code, "").is_by_request(), "{code}");
        }
        let others = [
            "Server.SpotInstanceTermination",
            "Server.SpotInstanceShutdown",
            "Server.InternalError",
            "Client.InstanceInitiatedShutdown",
            "SpotInterruption",
            "EssentialContainerExited",
            "TaskFailedToStart",
        ];
        for code in others {
            assert!(!reason(code, "").is_by_request(), "{code}");
        }
    }

    #[test]
    fn the_code_is_shown_once() {
        let code = "Client.UserInitiatedShutdown";
        let shown = |text| reason(code, text).to_string();
        assert_eq!(shown(""), code);
        let whole = format!("{code}: User initiated shutdown");
        assert_eq!(shown(&whole), whole);
        assert_eq!(shown("User initiated shutdown"), whole);
    }
}
