//! The content of a proved document.

use jiff::Timestamp;
use reeve_core::id::{InstanceId, Region};
use reeve_core::time::Instant;
use serde::Deserialize;

use crate::ber::Malformed;
use crate::quote::quoted;

/// AWS's statement about an instance. Only a [`Verifier`](crate::Verifier) makes one from a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The instance: `i-` and 17 hexadecimal digits, or 8 for an old one.
    pub instance: InstanceId,
    /// The region it runs in. The certificate that proved the document belongs to this region.
    pub region: Region,
    /// The account that owns it: 12 digits.
    pub account: String,
    /// AWS's `pendingTime`: the time of the launch in whole seconds. DescribeInstances returns the
    /// same.
    pub launched_at: Instant,
}

/// The fields that are read. AWS may add others, which are ignored.
#[derive(Deserialize)]
struct Fields {
    #[serde(rename = "instanceId")]
    instance: String,
    region: String,
    #[serde(rename = "accountId")]
    account: String,
    #[serde(rename = "pendingTime")]
    pending_time: String,
}

impl Document {
    /// Reads the JSON of a proved document. A duplicate field is refused.
    pub(crate) fn read(json: &[u8]) -> Result<Self, Malformed> {
        let fields: Fields = serde_json::from_slice(json).map_err(|error| {
            Malformed::new(
                "JSON with instanceId, region, accountId and pendingTime, each once and a text",
                error.to_string(),
            )
        })?;
        if !is_instance_id(&fields.instance) {
            return Err(Malformed::new(
                "an instance's id: i- and 8 or 17 hexadecimal digits",
                quoted(&fields.instance),
            ));
        }
        if fields.account.len() != 12 || !fields.account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Malformed::new(
                "an account's id: 12 digits",
                quoted(&fields.account),
            ));
        }
        Ok(Self {
            instance: fields.instance.into(),
            region: fields.region.into(),
            account: fields.account,
            launched_at: instant(&fields.pending_time)?,
        })
    }
}

/// `i-` and 8 or 17 lower-case hexadecimal digits (EC2 user guide, "Resource IDs").
fn is_instance_id(text: &str) -> bool {
    text.strip_prefix("i-").is_some_and(|digits| {
        matches!(digits.len(), 8 | 17)
            && digits
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

fn instant(text: &str) -> Result<Instant, Malformed> {
    let time: Option<Timestamp> = text.parse().ok();
    time.and_then(|time| u64::try_from(time.as_millisecond()).ok())
        .map(Instant::from_ms)
        .ok_or_else(|| {
            Malformed::new(
                "a pendingTime after 1970, such as 2016-11-19T16:32:11Z",
                quoted(text),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{
        "accountId" : "123456789012",
        "instanceId" : "i-1234567890abcdef0",
        "pendingTime" : "2016-11-19T16:32:11Z",
        "region" : "us-west-2",
        "billingProducts" : null
    }"#;

    #[test]
    fn the_fields_that_matter_are_read_and_others_are_left() {
        let document = Document::read(GOOD.as_bytes()).unwrap();
        assert_eq!(document.instance.as_str(), "i-1234567890abcdef0");
        assert_eq!(document.region.as_str(), "us-west-2");
        assert_eq!(document.account, "123456789012");
        assert_eq!(document.launched_at, Instant::from_ms(1_479_573_131_000));
        let old = GOOD.replace("i-1234567890abcdef0", "i-12345678");
        assert!(Document::read(old.as_bytes()).is_ok());
    }

    #[test]
    fn a_field_of_another_form_is_refused() {
        let cases = [
            (
                "i-1234567890abcdef0",
                "i-1234567890abcdef",
                "an id that is too short",
            ),
            (
                "i-1234567890abcdef0",
                "i-1234567890ABCDEF0",
                "an id in capitals",
            ),
            (
                "i-1234567890abcdef0",
                "mi-1234567890abcdef",
                "another resource's id",
            ),
            (
                "i-1234567890abcdef0",
                "i-1234567890abcdef\\u0030 ",
                "an id with a space",
            ),
            ("123456789012", "12345678901", "an account with 11 digits"),
            ("123456789012", "-12345678901", "an account with a sign"),
            (
                r#""123456789012""#,
                "123456789012",
                "an account as a number",
            ),
            ("2016-11-19T16:32:11Z", "2016-11-19", "a day"),
            (
                "2016-11-19T16:32:11Z",
                "1966-11-19T16:32:11Z",
                "a time before 1970",
            ),
            (r#""region""#, r#""zone""#, "no region"),
            (
                r#""region""#,
                r#""instanceId" : "i-12345678", "region""#,
                "two ids",
            ),
            (
                r#""region""#,
                r#""region" : "us-west-2", "region""#,
                "one region twice",
            ),
        ];
        for (good, bad, name) in cases {
            let json = GOOD.replace(good, bad);
            assert_ne!(json, GOOD, "{name}");
            assert!(Document::read(json.as_bytes()).is_err(), "{name}");
        }
        assert!(Document::read(format!("{GOOD}{GOOD}").as_bytes()).is_err());
        assert!(Document::read(b"").is_err());
        assert!(Document::read(b"\xff").is_err());
    }

    #[test]
    fn deep_nesting_is_skipped_in_ignored_fields_and_refused_elsewhere() {
        let deep = format!("{}{}", "[".repeat(6000), "]".repeat(6000));
        let json = GOOD.replace("null", &deep);
        assert!(Document::read(json.as_bytes()).is_ok());
        let json = GOOD.replace(r#""us-west-2""#, &deep);
        assert!(Document::read(json.as_bytes()).is_err());
        assert!(Document::read(deep.as_bytes()).is_err());
    }

    #[test]
    fn a_refusal_quotes_little_and_escapes_it() {
        let json = GOOD.replace("i-1234567890abcdef0", &format!("i-\\n{}", "9".repeat(5000)));
        let found = Document::read(json.as_bytes()).unwrap_err().found;
        assert!(
            found.starts_with(r#""i-\n99"#) && found.len() < 60,
            "{found}"
        );
    }
}
