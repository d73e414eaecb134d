//! Several readings before an end. The memo counts the readings in a row with the same finding,
//! such as `idle:1`. Another finding in between, or a malformed memo, starts the count again.

use reeve_policy_sdk::reap::{Choice, Verdict};

use crate::settings::Settings;

/// The verdict for an instance that this reading found due as `code`.
pub(crate) fn verdict(
    choice: Choice,
    code: &str,
    text: String,
    memo: &str,
    settings: &Settings,
) -> Verdict {
    let of = settings.readings;
    let readings = before(memo, code).saturating_add(1).min(of);
    let verdict = if readings < of {
        let text = format!("Reading {readings} of {of} that finds it due as `{code}`. {text}");
        Choice::Keep.because("confirming", text)
    } else {
        choice.because(code, text)
    };
    verdict
        .look_again_ms(settings.look_again_ms)
        .memo(format!("{code}:{readings}"))
}

/// How many readings in a row had this finding before.
fn before(memo: &str, code: &str) -> u32 {
    match memo.split_once(':') {
        Some((found, count)) if found == code => count.parse().unwrap_or(0),
        _ => 0,
    }
}
