//! Formats log events.

use std::fmt::{self, Debug};

use reeve_core::text::{escaped, to_json};
use serde::Serialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The field whose JSON object is spread into the event's fields.
const SPREAD: &str = "fields";

/// The style of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// One JSON object per line, for machines.
    Json,
    /// One line of text, for people.
    Lines,
}

/// Formats events in one style.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format(pub(super) Style);

impl<S, N> FormatEvent<S, N> for Format
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        match self.0 {
            Style::Json => {
                let json = to_json(&Json {
                    time: &time,
                    level: &metadata.level().as_str().to_lowercase(),
                    target: metadata.target(),
                    fields: fields.0,
                });
                // Strings and numbers always have a JSON form.
                writeln!(writer, "{}", json.map_err(|_| fmt::Error)?)
            }
            Style::Lines => line(&mut writer, &time, metadata.level(), fields.0),
        }
    }
}

/// An event as JSON. Time and level come first, for people who read the raw lines.
#[derive(Serialize)]
struct Json<'a> {
    time: &'a str,
    level: &'a str,
    target: &'a str,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

fn line(
    writer: &mut Writer<'_>,
    time: &str,
    level: &Level,
    mut fields: Map<String, Value>,
) -> fmt::Result {
    // Only the time of day: a reader on a terminal knows the date.
    let clock = time.get(11..19).unwrap_or(time);
    let (colour, plain) = if writer.has_ansi_escapes() {
        (colour(level), "\u{1b}[0m")
    } else {
        ("", "")
    };
    write!(writer, "{clock} {colour}{:5}{plain}", level.as_str())?;
    for lead in ["worker", "step", "message"] {
        if let Some(value) = fields.remove(lead) {
            write!(writer, " {}", bare(&value))?;
        }
    }
    for (name, value) in &fields {
        write!(writer, " {name}={}", bare(value))?;
    }
    writeln!(writer)
}

fn colour(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "\u{1b}[31m",
        Level::WARN => "\u{1b}[33m",
        Level::INFO => "\u{1b}[32m",
        _ => "\u{1b}[2m",
    }
}

/// A string without its quotes; other values as JSON.
fn bare(value: &Value) -> String {
    match value {
        Value::String(text) => escaped(text).into_owned(),
        other => escaped(&other.to_string()).into_owned(),
    }
}

/// The fields of one event.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn set(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, text: &str) {
        if field.name() == SPREAD
            && let Ok(Value::Object(object)) = serde_json::from_str(text)
        {
            self.0.extend(object);
            return;
        }
        self.set(field, text.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.set(field, format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::logs;
    use reeve_core::id::WorkerId;
    use reeve_core::notice::{Notice, Step};
    use reeve_core::text::is_unsafe;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The log text of an `address_pending` notice.
    fn written(style: Style) -> String {
        logged(style, "i-b runs without an address", "i-a\n")
    }

    /// The log text of a notice with this text and this named value.
    fn logged(style: Style, text: &str, value: &str) -> String {
        let written = Written::default();
        let sink = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || sink.clone())
            .with_ansi(false)
            .event_format(Format(style))
            .finish();
        let notice = Notice {
            worker: WorkerId::from("chat"),
            step: Step::AddressPending,
            text: text.to_owned(),
            fields: vec![("old_instance_id".to_owned(), value.to_owned())],
        };
        tracing::subscriber::with_default(subscriber, || logs::notice(&notice));
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_notice_is_one_json_object_with_its_step_and_named_values_as_fields() {
        let text = written(Style::Json);
        let mut object: Map<String, Value> = serde_json::from_str(&text).unwrap();
        let time = object.remove("time").unwrap();
        assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
        let expected = serde_json::json!({
            "level": "warn",
            "target": "reeve::logs",
            "step": "address_pending",
            "worker": "chat",
            "message": "i-b runs without an address",
            "old_instance_id": "i-a\n",
        });
        assert_eq!(Value::Object(object), expected);
    }

    #[test]
    fn a_foreign_text_adds_no_line_and_no_effect_to_a_log() {
        let hostile = "a\u{1b}[31m\n2026 ERROR b\u{202e}";
        let harmless = r"a\u001b[31m\n2026 ERROR b\u202e";
        for style in [Style::Json, Style::Lines] {
            let text = logged(style, hostile, hostile);
            let line = text.strip_suffix('\n').unwrap();
            assert!(!line.contains(is_unsafe), "{line:?}");
            assert_eq!(line.matches(harmless).count(), 2, "{line}");
        }
    }

    #[test]
    fn a_line_for_people_leads_with_worker_step_and_text_and_stays_one_line() {
        let text = written(Style::Lines);
        let expected =
            " WARN  chat address_pending i-b runs without an address old_instance_id=i-a\\n\n";
        assert_eq!(&text["00:00:00".len()..], expected);
        assert_eq!(text.lines().count(), 1);
    }
}
