//! Texts from outside the host, such as a policy's reason or AWS's refusal, made fit to be kept and
//! shown.
//!
//! A text is cut where it enters the host ([`bounded`]) and escaped where it leaves: a line with
//! [`escaped`], a page of lines with [`escaped_lines`], JSON with [`to_json`]. So a text neither
//! floods a log, nor adds a line to it, nor moves a terminal's cursor, nor turns its direction.
//!
//! The escapes are those of JSON (`\n`, `\u001b`). An escaped JSON document is therefore the same
//! document, and to escape a text twice is to escape it once.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::Serialize;

/// The most bytes that are kept of one text: a few lines of a terminal, and as much as the contract
/// gives a policy's reason.
pub const TEXT_BYTES_MAX: usize = 512;
/// Ends a text that was cut.
const CUT: char = '…';

/// The text in one line, escaped and cut to [`TEXT_BYTES_MAX`].
pub fn bounded(text: &str) -> String {
    bounded_to(text, TEXT_BYTES_MAX)
}

/// The text in one line, escaped and cut to at most `bytes_max`, which is at least the three bytes
/// of the mark of a cut.
pub fn bounded_to(text: &str, bytes_max: usize) -> String {
    let mut bounded = String::new();
    let mut cut_at = 0;
    for c in text.chars() {
        if bounded.len() + CUT.len_utf8() <= bytes_max {
            cut_at = bounded.len();
        }
        push(&mut bounded, c);
        if bounded.len() > bytes_max {
            bounded.truncate(cut_at);
            bounded.push(CUT);
            break;
        }
    }
    bounded
}

/// The text in one line.
pub fn escaped(text: &str) -> Cow<'_, str> {
    escape(text, is_unsafe)
}

/// The text with its line breaks, for a page that the host composed of escaped lines.
pub fn escaped_lines(text: &str) -> Cow<'_, str> {
    escape(text, |c| c != '\n' && is_unsafe(c))
}

/// The value as JSON in one line, in which every text is escaped.
///
/// # Errors
/// The value has no JSON form.
pub fn to_json(value: &(impl Serialize + ?Sized)) -> serde_json::Result<String> {
    let json = serde_json::to_string(value)?;
    Ok(match escaped(&json) {
        Cow::Borrowed(_) => json,
        Cow::Owned(escaped) => escaped,
    })
}

/// Whether a character has an effect other than to be seen: it breaks the line, controls the terminal,
/// turns the direction of writing, or hides.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            // Hyphens and joiners that are not seen, and marks of direction.
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{feff}'
            // Line and paragraph separators, embeddings, overrides and isolates.
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            // Annotations and tags, which hide whole sentences.
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

fn escape(text: &str, unsafe_here: impl Fn(char) -> bool) -> Cow<'_, str> {
    let Some(first) = text.find(&unsafe_here) else {
        return Cow::Borrowed(text);
    };
    let (safe, rest) = text.split_at(first);
    let mut escaped = safe.to_owned();
    for c in rest.chars() {
        match unsafe_here(c) {
            true => push(&mut escaped, c),
            false => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// Adds the character, escaped if it is unsafe.
fn push(text: &mut String, c: char) {
    match c {
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        c if is_unsafe(c) => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
        c => text.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each has an effect on a terminal or on a reader.
    const HOSTILE: &str =
        "a\u{1b}[31m\r\n2026 ERROR\u{9b}2J\u{202e}b\u{2028}\u{200b}\u{7f}\u{e0041}";
    const HARMLESS: &str =
        r"a\u001b[31m\r\n2026 ERROR\u009b2J\u202eb\u2028\u200b\u007f\udb40\udc41";

    #[test]
    fn a_hostile_text_becomes_one_line_that_only_shows() {
        assert_eq!(escaped(HOSTILE), HARMLESS);
        assert_eq!(bounded(HOSTILE), HARMLESS);
        assert_eq!(escaped_lines("a\nb\u{1b}"), "a\nb\\u001b");
    }

    #[test]
    fn an_escape_is_not_escaped_again() {
        assert_eq!(escaped(HARMLESS), HARMLESS);
        assert_eq!(
            bounded(&bounded(&"\n".repeat(1000))),
            bounded(&"\n".repeat(1000))
        );
    }

    #[test]
    fn readable_texts_of_every_language_stay_as_they_are() {
        for text in ["plain", r"C:\new", "größer → 值 שלום", "🦀"] {
            assert!(matches!(escaped(text), Cow::Borrowed(_)), "{text}");
            assert_eq!(bounded(text), text);
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters_and_says_so() {
        let fits = "x".repeat(TEXT_BYTES_MAX);
        assert_eq!(bounded(&fits), fits);
        for unit in ["x", "é", "值", "🦀", "\u{1b}", "\u{e0041}"] {
            let cut = bounded(&unit.repeat(1 << 20));
            assert!(cut.len() <= TEXT_BYTES_MAX && cut.len() > TEXT_BYTES_MAX - 16);
            let whole = cut.strip_suffix(CUT).unwrap();
            assert_eq!(whole.replace(&*escaped(unit), ""), "", "{unit:?}");
        }
    }

    #[test]
    fn escaped_json_is_the_same_document() {
        let json = to_json(&[HOSTILE]).unwrap();
        assert!(!json.contains(is_unsafe), "{json}");
        let read: Vec<String> = serde_json::from_str(&json).unwrap();
        assert_eq!(read, [HOSTILE]);
    }
}
