//! Formats messages for webhooks: Slack's, Discord's or plain JSON.

use jiff::Timestamp;
use reeve_core::text::escaped;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::message::{Kind, Message, Teller, level_name};
use super::template::{Part, Template};

/// Slack truncates longer messages (docs.slack.dev, changelog 2018-04, "Truncating really long
/// messages").
const SLACK_CHARS_MAX: usize = 40_000;
/// Discord refuses longer messages (docs.discord.com, "Webhook Resource", Execute Webhook:
/// `content`, "up to 2000 characters").
const DISCORD_CHARS_MAX: usize = 2_000;
/// The last character of a truncated text.
const CUT: char = '…';
/// Replaces a value that is missing.
const NONE: &str = "-";

/// The body format of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Slack's incoming webhooks and compatible ones.
    Slack,
    /// Discord's webhooks.
    Discord,
    /// Every part of a message under its own key.
    Json,
}

impl Format {
    /// The request body.
    pub(crate) fn body(self, message: &Message, teller: &Teller, template: &Template) -> Value {
        let standard = Template::default();
        // A template for notices may have no place for the content of these messages.
        let template = if message.kind == Kind::LeftOut {
            &standard
        } else {
            template
        };
        let line = self.line(message, teller, template);
        match self {
            Self::Slack => json!({ "text": line }),
            // No content may mention users, whatever a box or a cloud put into it.
            Self::Discord => json!({ "content": line, "allowed_mentions": { "parse": [] } }),
            Self::Json => {
                let fields = message.fields.iter().cloned();
                let fields: Map<_, _> = fields
                    .map(|(name, value)| (name, Value::from(value)))
                    .collect();
                json!({
                    "fleet": teller.fleet,
                    "host": teller.host,
                    "worker": message.worker,
                    "step": message.step,
                    "level": level_name(message.level),
                    "at": rfc3339(message),
                    "text": message.text,
                    "fields": fields,
                    "message": line,
                })
            }
        }
    }

    fn line(self, message: &Message, teller: &Teller, template: &Template) -> String {
        let mut line = Line::new(self);
        for part in template.parts() {
            match part {
                Part::Literal(text) => line.literal(text),
                // As in a name pattern: any worker of the fleet.
                Part::Worker => line.value(message.worker.as_deref().unwrap_or("*")),
                Part::Step => line.value(message.step),
                Part::Text => line.value(&message.text),
                Part::Level => line.value(level_name(message.level)),
                Part::Fleet => line.value(&teller.fleet),
                Part::Host => line.value(&teller.host),
                Part::Field(name) => line.value(message.field(name).unwrap_or(NONE)),
            }
        }
        line.text
    }

    fn chars_max(self) -> usize {
        match self {
            Self::Slack => SLACK_CHARS_MAX,
            Self::Discord => DISCORD_CHARS_MAX,
            Self::Json => usize::MAX,
        }
    }

    /// How a character of a value is written so that the webhook shows it verbatim.
    fn escape(self, c: char) -> Escaped {
        match (self, c) {
            // Slack escapes these three (docs.slack.dev, "Formatting message text", "Escaping
            // text"). Escaping `<` disables mentions and links.
            (Self::Slack, '&') => Escaped::Instead("&amp;"),
            (Self::Slack, '<') => Escaped::Instead("&lt;"),
            (Self::Slack, '>') => Escaped::Instead("&gt;"),
            // Discord renders Markdown, including links behind other words.
            (Self::Discord, '\\' | '*' | '_' | '~' | '`' | '|' | '<' | '>' | '[' | ']' | '#') => {
                Escaped::Backslash(c)
            }
            (_, c) => Escaped::Itself(c),
        }
    }
}

enum Escaped {
    Itself(char),
    Backslash(char),
    Instead(&'static str),
}

/// A text that never exceeds the format's limit and is never cut inside an escape.
struct Line {
    format: Format,
    text: String,
    left: usize,
    full: bool,
}

impl Line {
    fn new(format: Format) -> Self {
        Self {
            format,
            text: String::new(),
            left: format.chars_max() - CUT.len_utf16(),
            full: false,
        }
    }

    fn literal(&mut self, text: &str) {
        for c in text.chars() {
            self.push(c.encode_utf8(&mut [0; 4]));
        }
    }

    fn value(&mut self, text: &str) {
        for c in escaped(text).chars() {
            match self.format.escape(c) {
                Escaped::Itself(c) => self.push(c.encode_utf8(&mut [0; 4])),
                Escaped::Backslash(c) => self.push(&format!("\\{c}")),
                Escaped::Instead(text) => self.push(text),
            }
        }
    }

    fn push(&mut self, piece: &str) {
        // Counted in UTF-16 units, the highest of the usual ways to count characters.
        let length = piece.encode_utf16().count();
        if self.full {
            return;
        }
        if length > self.left {
            self.full = true;
            self.text.push(CUT);
            return;
        }
        self.left -= length;
        self.text.push_str(piece);
    }
}

fn rfc3339(message: &Message) -> Option<String> {
    let ms = i64::try_from(message.at.as_ms()).ok()?;
    Some(format!("{:.3}", Timestamp::from_millisecond(ms).ok()?))
}

#[cfg(test)]
mod tests {
    use reeve_core::notice::Level;
    use reeve_core::time::Instant;

    use super::*;

    fn message(text: &str) -> Message {
        Message {
            kind: Kind::Notice,
            worker: Some("chat".to_owned()),
            step: "instance_ending",
            level: Level::Warning,
            text: text.to_owned(),
            fields: vec![("instance".to_owned(), "i-1".to_owned())],
            at: Instant::from_ms(1_500),
        }
    }

    fn teller() -> Teller {
        Teller {
            fleet: "prod".to_owned(),
            host: "app-1".to_owned(),
        }
    }

    fn body(format: Format, template: &str, text: &str) -> Value {
        format.body(
            &message(text),
            &teller(),
            &Template::parse(template).unwrap(),
        )
    }

    #[test]
    fn a_value_in_a_slack_text_mentions_no_user_but_the_template_may() {
        let body = body(
            Format::Slack,
            "<!here> {worker}@{host}: {text}",
            "<!channel> a & b\nc",
        );
        assert_eq!(
            body,
            json!({ "text": "<!here> chat@app-1: &lt;!channel&gt; a &amp; b\\nc" })
        );
    }

    #[test]
    fn a_discord_content_mentions_no_user_and_is_not_markdown() {
        let body = body(
            Format::Discord,
            "**{step}** {text}",
            "@everyone [click](x) _a_",
        );
        let expected = json!({
            "content": "**instance\\_ending** @everyone \\[click\\](x) \\_a\\_",
            "allowed_mentions": { "parse": [] },
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn a_value_stays_in_its_line_and_keeps_its_direction() {
        for (format, key, expected) in [
            (Format::Slack, "text", r"a\u001b\nb\u202e"),
            (Format::Discord, "content", r"a\\u001b\\nb\\u202e"),
        ] {
            let body = body(format, "{text}", "a\u{1b}\nb\u{202e}");
            assert_eq!(body[key], expected, "{format:?}");
        }
    }

    #[test]
    fn json_gets_every_part_as_it_is() {
        let body = Format::Json.body(&message("a <b>"), &teller(), &Template::default());
        let expected = json!({
            "fleet": "prod",
            "host": "app-1",
            "worker": "chat",
            "step": "instance_ending",
            "level": "warning",
            "at": "1970-01-01T00:00:01.500Z",
            "text": "a <b>",
            "fields": { "instance": "i-1" },
            "message": "[warning] prod/chat instance_ending: a <b>",
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn a_template_shows_a_named_value_or_a_dash() {
        let body = body(Format::Slack, "{field:instance} {field:reason} {fleet}", "");
        assert_eq!(body, json!({ "text": "i-1 - prod" }));
    }

    #[test]
    fn a_message_is_cut_at_what_the_webhook_takes_and_never_within_an_escape() {
        for (format, max, key, unit) in [
            (Format::Slack, 40_000, "text", "&"),
            (Format::Discord, 2_000, "content", "_"),
            (Format::Discord, 2_000, "content", "🦀"),
        ] {
            let body = body(format, "x{text}", &unit.repeat(max));
            let text = body[key].as_str().unwrap();
            let length = text.encode_utf16().count();
            assert!(length <= max && length > max - 6, "{format:?} {length}");
            let escaped = match format.escape(unit.chars().next().unwrap()) {
                Escaped::Itself(c) => c.to_string(),
                Escaped::Backslash(c) => format!("\\{c}"),
                Escaped::Instead(text) => text.to_owned(),
            };
            let before = text.strip_suffix(CUT).unwrap().strip_prefix('x').unwrap();
            assert_eq!(before.replace(&escaped, ""), "", "{format:?}");
        }
        let whole = body(Format::Discord, "{text}", &"x".repeat(1_999));
        assert_eq!(
            whole["content"].as_str().unwrap().len(),
            1_999,
            "what fits is not cut"
        );
    }

    #[test]
    fn a_summary_is_complete_whatever_the_template() {
        let left_out = [("instance_ending", 3), ("policy_failed", 1)].into();
        let message = Message::left_out(&left_out, Instant::from_ms(0));
        let body = Format::Slack.body(&message, &teller(), &Template::parse("{worker}").unwrap());
        let text = "[warning] prod/* notifications_left_out: 4 more messages were left out: \
                    3 instance_ending, 1 policy_failed; the host's log has them";
        assert_eq!(body, json!({ "text": text }));
    }
}
