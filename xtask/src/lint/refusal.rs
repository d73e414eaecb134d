//! What a check has against the tree, as data: so it can be listed, counted and tested.

use std::fmt;

/// One thing to change, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The package or the folder with the fault.
    pub(super) subject: String,
    /// What was found, with the way it came in.
    pub(super) found: String,
    /// The rule it breaks.
    pub(super) rule: String,
    /// Why there is such a rule.
    pub(super) why: &'static str,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "refused: {}\n  found: {}\n  rule:  {}\n  why:   {}",
            self.subject, self.found, self.rule, self.why
        )
    }
}
