//! Reads a request's JSON body, limited in length and time.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use reeve_core::id::InstanceId;
use reeve_core::text;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value};
use utoipa::ToSchema;

use super::problem::Problem;

/// How long a client may take to send the body.
const TIME_MAX: Duration = Duration::from_secs(10);
/// Instance ids of EC2 have 19 bytes, ids of tasks 32.
const INSTANCE_BYTES_MAX: usize = 64;

/// An instance's id in a body: `i-0123456789abcdef0`, or the id of a task.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, pattern = "^[A-Za-z0-9-]{1,64}$")]
pub(super) struct Instance(pub(super) InstanceId);

impl TryFrom<String> for Instance {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if (1..=INSTANCE_BYTES_MAX).contains(&text.len()) && text.chars().all(fits) {
            return Ok(Self(InstanceId::from(text)));
        }
        Err(format!(
            "found the instance {:?}; accepted: an id such as i-0123456789abcdef0, or the id of a task, \
             which is the last part of its ARN",
            text::bounded_to(&text, INSTANCE_BYTES_MAX)
        ))
    }
}

/// Reads a whole number, also one with a fraction of zero: to JSON, 5 and 5.0 are the same.
pub(super) fn whole<'de, D: Deserializer<'de>>(json: D) -> Result<u64, D::Error> {
    let found = Number::deserialize(json)?;
    let whole = |number: &f64| number.fract() == 0.0 && (0.0..1e15).contains(number);
    let number = found.as_u64().or_else(|| {
        let number = found.as_f64().filter(whole)?;
        Some(number as u64)
    });
    number.ok_or_else(|| {
        D::Error::custom(format!(
            "found {found}; accepted: a whole number, at least 0"
        ))
    })
}

/// Reads a member that is an object, missing or `null`: serde would read an array as well.
pub(super) fn object<'de, T, D>(json: D) -> Result<Option<T>, D::Error>
where
    T: DeserializeOwned,
    D: Deserializer<'de>,
{
    let found = Option::<Map<String, Value>>::deserialize(json)?;
    let read = |map| serde_json::from_value(Value::Object(map)).map_err(D::Error::custom);
    found.map(read).transpose()
}

/// Reads a body of at most `bytes_max` bytes as JSON, whatever its content type. An empty body is
/// an empty object. The door has already refused requests that web pages can send.
///
/// # Errors
/// The body is too long, arrives too slowly, or does not parse.
pub(super) async fn json<T: DeserializeOwned>(body: Body, bytes_max: usize) -> Result<T, Problem> {
    parse(&bytes(body, bytes_max).await?)
}

/// Reads a body of at most `bytes_max` bytes.
///
/// # Errors
/// The body is too long, or arrives too slowly.
pub(super) async fn bytes(body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
    let too_long = |found: &str| {
        let detail = format!("the body: {found}; accepted: at most {bytes_max} bytes");
        Problem::new("too_long", "The body is too long", detail)
    };
    let announced = body.size_hint().lower();
    if announced > bytes_max as u64 {
        return Err(too_long(&format!("{announced} bytes are announced")));
    }
    let read = tokio::time::timeout(TIME_MAX, to_bytes(body, bytes_max)).await;
    match read {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(too_long("it is longer, or the connection broke")),
        Err(_elapsed) => {
            let detail = format!(
                "the body did not arrive within {} s; send it at once",
                TIME_MAX.as_secs()
            );
            Err(Problem::new(
                "too_slow",
                "The body arrives too slowly",
                detail,
            ))
        }
    }
}

/// Reads the bytes of a body.
///
/// # Errors
/// They do not parse.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let text: &[u8] = if bytes.is_empty() { b"{}" } else { bytes };
    // serde would read an array of the members' values as well.
    if !text.trim_ascii_start().starts_with(b"{") {
        let detail =
            "the body is no JSON object; accepted: {…}, or nothing where no member is required";
        return Err(Problem::bad_request(detail.to_owned()));
    }
    serde_json::from_slice(text).map_err(|error| Problem::bad_request(format!("the body: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[serde(default, deserialize_with = "object")]
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    struct Inner {
        text: String,
    }

    #[test]
    fn an_array_is_no_object_at_any_depth() {
        let read = |json: &str| parse::<Outer>(json.as_bytes()).ok();
        let text = |outer: Outer| outer.inner.map(|inner| inner.text);
        for json in ["", " {}", r#"{"inner": null}"#] {
            assert_eq!(text(read(json).unwrap()), None, "{json}");
        }
        let found = read(r#" {"inner": {"text": "a"}}"#).unwrap();
        assert_eq!(text(found).as_deref(), Some("a"));
        for json in [
            "[]",
            "[null]",
            "null",
            "1",
            r#"{"inner": ["a"]}"#,
            r#"{"inner": []}"#,
        ] {
            assert!(read(json).is_none(), "{json}");
        }
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_fraction_of_zero() {
        let read = |json: &str| whole(&mut serde_json::Deserializer::from_str(json)).ok();
        for (json, number) in [
            ("5", 5),
            ("5.0", 5),
            ("1e3", 1_000),
            ("0.0", 0),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(read(json), Some(number), "{json}");
        }
        for json in [
            "5.5", "-1", "-1.0", "1e15", "1e400", "\"5\"", "null", "true",
        ] {
            assert_eq!(read(json), None, "{json}");
        }
    }
}
