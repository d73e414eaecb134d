//! Several readings before a kill. The memo counts the readings in a row that came to one finding, as
//! `idle:1`; any other finding in between, or a memo nobody can read, starts again.

use reeve_policy_sdk::reap::{Choice, Verdict};
use reeve_policy_sdk::types::Reason;

use crate::settings::Settings;

/// The verdict for an instance that this reading found due as `code`.
pub(crate) fn verdict(
    choice: Choice,
    code: &str,
    text: &str,
    memo: &str,
    settings: &Settings,
) -> Verdict {
    let readings = before(memo, code).saturating_add(1).min(settings.readings);
    let (choice, reason) = if readings < settings.readings {
        let of = settings.readings;
        let text = format!("Reading {readings} of {of} that finds it due as `{code}`. {text}");
        (Choice::Keep, Reason::new("confirming", text))
    } else {
        (choice, Reason::new(code, text))
    };
    Verdict {
        choice,
        reason,
        look_again_ms: settings.look_again_ms,
        memo: format!("{code}:{readings}"),
    }
}

/// How many readings in a row have come to this finding before.
fn before(memo: &str, code: &str) -> u32 {
    match memo.split_once(':') {
        Some((found, count)) if found == code => count.parse().unwrap_or(0),
        _ => 0,
    }
}
