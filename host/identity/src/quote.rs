//! Quotes of foreign text in errors: short, and escaped.

/// The most characters that a quote has.
const QUOTE_CHARACTERS_MAX: usize = 40;

/// The text's first characters, escaped: enough to recognize the text, and safe to log.
pub(crate) fn quoted(text: &str) -> String {
    let is_cut = text.chars().nth(QUOTE_CHARACTERS_MAX).is_some();
    let beginning: String = text.chars().take(QUOTE_CHARACTERS_MAX).collect();
    format!("{beginning:?}{}", if is_cut { "…" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_is_short_and_escaped() {
        assert_eq!(quoted("a\r\n\"b\""), r#""a\r\n\"b\"""#);
        assert_eq!(quoted(&"9".repeat(40)), format!("{:?}", "9".repeat(40)));
        assert_eq!(quoted(&"9".repeat(41)), format!("{:?}…", "9".repeat(40)));
    }
}
