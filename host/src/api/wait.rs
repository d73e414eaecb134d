//! `?wait=`: how long a caller is willing to wait.

use reeve_core::time::Millis;

/// Proxies and clients rarely keep a request open for longer.
const WAIT_MAX: Millis = Millis::from_secs(300);

/// Parses a query that has at most the parameter `wait`. `None`: the caller named no wait.
///
/// # Errors
/// What was found, and what is accepted.
pub(super) fn parse(query: Option<&str>) -> Result<Option<Millis>, String> {
    let mut wait = None;
    for pair in query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
    {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if name != "wait" {
            return Err(format!("found the parameter {name:?}; accepted: wait"));
        }
        if wait.replace(length(value)?).is_some() {
            return Err("the parameter \"wait\" is given twice; accepted: once".to_owned());
        }
    }
    Ok(wait)
}

fn length(text: &str) -> Result<Millis, String> {
    let (digits, unit_ms) = match text {
        _ if text.ends_with("ms") => (&text[..text.len() - 2], 1),
        _ if text.ends_with('s') => (&text[..text.len() - 1], 1000),
        _ => (text, 1000),
    };
    let only_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse::<u64>().ok().filter(|_| only_digits);
    number
        .and_then(|number| number.checked_mul(unit_ms))
        .map(Millis::new)
        .filter(|wait| *wait <= WAIT_MAX)
        .ok_or_else(|| {
            format!(
                "found wait={text:?}; accepted: whole seconds or milliseconds up to {WAIT_MAX}, such as 5s, 500ms \
                 or 2"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_seconds_or_milliseconds() {
        let cases = [
            (None, None),
            (Some(""), None),
            (Some("wait=5s"), Some(5000)),
            (Some("wait=500ms"), Some(500)),
            (Some("wait=2"), Some(2000)),
            (Some("wait=0"), Some(0)),
            (Some("wait=300s"), Some(300_000)),
        ];
        for (query, expected) in cases {
            assert_eq!(parse(query), Ok(expected.map(Millis::new)), "{query:?}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_is_accepted() {
        let refused = [
            "wait=",
            "wait",
            "wait=5m",
            "wait=-1",
            "wait=+1",
            "wait=1.5s",
            "wait=301",
            "wait=s",
            "wait=1&wait=2",
            "wait=99999999999999999999",
            "wait=18446744073709551615",
            "timeout=5",
            "wait=5s&x=1",
        ];
        for query in refused {
            let error = parse(Some(query)).expect_err(query);
            assert!(error.contains("accepted: "), "{error}");
        }
    }
}
