//! A message: a notice of the core, or a message of the notification code itself.

use std::collections::BTreeMap;

use reeve_core::notice::{Level, Notice};
use reeve_core::time::Instant;

/// How many messages were omitted, by step.
pub(crate) type LeftOut = BTreeMap<&'static str, u64>;

/// One message, the same for every webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// The source of the message.
    pub(crate) kind: Kind,
    /// The worker it is about. `None`: no particular worker.
    pub(crate) worker: Option<String>,
    /// The stable name of the event.
    pub(crate) step: &'static str,
    pub(crate) level: Level,
    /// One sentence.
    pub(crate) text: String,
    pub(crate) fields: Vec<(String, String)>,
    /// When the event happened.
    pub(crate) at: Instant,
}

/// The source of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A notice of the core.
    Notice,
    /// A notice of the core that any client on the network can cause, any number of times.
    Unproven,
    /// A test by an operator.
    Test,
    /// A count of omitted messages.
    LeftOut,
}

/// The host that sends the message.
#[derive(Clone, Debug)]
pub(crate) struct Teller {
    /// The fleet's name.
    pub(crate) fleet: String,
    /// The machine's name.
    pub(crate) host: String,
}

impl Message {
    pub(crate) fn of(notice: &Notice, kind: Kind, at: Instant) -> Self {
        Self {
            kind,
            worker: Some(notice.worker.to_string()),
            step: notice.step.as_str(),
            level: notice.step.level(),
            text: notice.text.clone(),
            fields: notice.fields.clone(),
            at,
        }
    }

    pub(crate) fn test(at: Instant) -> Self {
        Self {
            kind: Kind::Test,
            worker: None,
            step: "notification_test",
            level: Level::Info,
            text: "this is a test message from `reeve notify test`".to_owned(),
            fields: Vec::new(),
            at,
        }
    }

    /// One message that stands for many. Its fields hold their number by step.
    pub(crate) fn left_out(left_out: &LeftOut, at: Instant) -> Self {
        let total: u64 = left_out.values().sum();
        let of_step: Vec<_> = left_out
            .iter()
            .map(|(step, count)| format!("{count} {step}"))
            .collect();
        let (are, them) = if total == 1 {
            ("message was", "it")
        } else {
            ("messages were", "them")
        };
        Self {
            kind: Kind::LeftOut,
            worker: None,
            step: "notifications_left_out",
            level: Level::Warning,
            text: format!(
                "{total} more {are} left out: {}; the host's log has {them}",
                of_step.join(", ")
            ),
            fields: left_out
                .iter()
                .map(|(step, count)| ((*step).to_owned(), count.to_string()))
                .collect(),
            at,
        }
    }

    /// The value with this name; the last one if there are several.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter().rev();
        let found = fields.find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// The name of a level in templates, logs and JSON.
pub(crate) fn level_name(level: Level) -> &'static str {
    match level {
        Level::Info => "info",
        Level::Warning => "warning",
        Level::Error => "error",
    }
}
