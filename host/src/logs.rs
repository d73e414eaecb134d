//! The log on standard error: one JSON object per line, or short lines on a terminal.

mod format;
mod pace;

use std::io::IsTerminal;

use reeve_core::notice::{Level, Notice};
use reeve_core::text;
use serde_json::{Map, Value};
use tracing_subscriber::EnvFilter;

use format::{Format, Style};
pub(crate) use pace::Pace;

/// The environment variable that filters the log, such as `info` or `reeve=debug` (`EnvFilter` of
/// tracing-subscriber). The default is `info`.
pub const FILTER_VARIABLE: &str = "REEVE_LOG";

/// Starts logging for the process, including panics. A second call has no effect.
pub fn start() {
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::level_filters::LevelFilter::INFO.into())
        .with_env_var(FILTER_VARIABLE)
        .from_env_lossy();
    let terminal = std::io::stderr().is_terminal();
    let style = if terminal { Style::Lines } else { Style::Json };
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(terminal)
        .event_format(Format(style))
        .try_init();
    if started.is_err() {
        tracing::debug!("logging was started before");
        return;
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let place = place.unwrap_or_default();
        let text = panic.payload_as_str().unwrap_or("without a message");
        tracing::error!(place, "panicked: {}", text::bounded(text));
    }));
}

/// Logs a notice, with its step and named values as fields.
pub(crate) fn notice(notice: &Notice) {
    let fields: Map<_, _> = notice
        .fields
        .iter()
        .map(|(name, value)| (name.clone(), Value::String(value.clone())))
        .collect();
    let fields = Value::Object(fields).to_string();
    let (step, worker, text) = (notice.step.as_str(), notice.worker.as_str(), &notice.text);
    // Field names of a tracing event are static, so the values are one JSON object that `format`
    // splits again.
    match notice.step.level() {
        Level::Info => tracing::info!(step, worker, fields, "{text}"),
        Level::Warning => tracing::warn!(step, worker, fields, "{text}"),
        Level::Error => tracing::error!(step, worker, fields, "{text}"),
    }
}
