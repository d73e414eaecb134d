//! A refusal of the lint, as data that can be listed, counted and tested.

use std::fmt;

/// A fault of the tree, and the rule that it breaks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The package, folder, file or line with the fault.
    pub(super) subject: String,
    /// The fault; for a dependency, with the way to it.
    pub(super) found: String,
    /// The broken rule.
    pub(super) rule: String,
    /// The reason for the rule.
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
