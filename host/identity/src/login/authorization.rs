//! The value of the header `Authorization` that a client signed for STS.
//!
//! AWS's IAM user guide, "Elements of an AWS API request signature":
//!
//! ```text
//! AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-central-1/sts/aws4_request,
//!   SignedHeaders=host;x-amz-date, Signature=64 hex
//! ```

use super::error::LoginError;
use crate::quote::quoted;

/// The member of a login, for errors.
const MEMBER: &str = "authorization";

/// The accepted algorithm. The asymmetric `AWS4-ECDSA-P256-SHA256` is not.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The parts of an authorization, each of its form. Which headers have to be signed is checked in
/// `signed_headers`.
#[derive(Clone, Copy)]
pub(super) struct Authorization<'a> {
    /// The id of the access key, 16 to 128 characters. It is no secret.
    pub(super) access_key: &'a str,
    /// The day of the scope: 8 digits.
    pub(super) day: &'a str,
    /// The region of the scope; any text without a slash or a comma.
    pub(super) region: &'a str,
    /// The names of the signed headers with semicolons between them, not yet checked.
    pub(super) signed_headers: &'a str,
    /// 64 lower-case hexadecimal digits. Until the login is accepted or expires, the signature is a
    /// secret.
    pub(super) signature: &'a str,
}

impl<'a> Authorization<'a> {
    /// Reads the parts. They have AWS's order, with a comma and at most one space between them.
    pub(super) fn read(text: &'a str) -> Result<Self, LoginError> {
        let (algorithm, rest) = text.split_once(' ').unwrap_or((text, ""));
        if algorithm != ALGORITHM {
            return Err(malformed("the algorithm AWS4-HMAC-SHA256", name(algorithm)));
        }
        let parts: Vec<&str> = rest.split(',').collect();
        let [credential, signed_headers, signature] = parts.as_slice() else {
            return Err(malformed(
                "Credential=…, SignedHeaders=…, Signature=… after the algorithm",
                format!("parts: {}", parts.len()),
            ));
        };
        let credential = value(credential, "Credential=")?;
        let signed_headers = value(next(signed_headers), "SignedHeaders=")?;
        let signature = value(next(signature), "Signature=")?;
        if !is_signature(signature) {
            return Err(malformed(
                "a signature of 64 lower-case hexadecimal digits",
                format!("{} bytes, or other characters", signature.len()),
            ));
        }
        let (access_key, day, region) = scope(credential)?;
        Ok(Self {
            access_key,
            day,
            region,
            signed_headers,
            signature,
        })
    }

    /// The value that the host sends, in AWS's own spacing.
    pub(super) fn header(&self) -> String {
        let Self {
            access_key,
            day,
            region,
            signed_headers,
            signature,
        } = self;
        format!(
            "{ALGORITHM} Credential={access_key}/{day}/{region}/sts/aws4_request, \
             SignedHeaders={signed_headers}, Signature={signature}"
        )
    }
}

/// The access key, the day and the region of `AKID/day/region/sts/aws4_request`.
fn scope(credential: &str) -> Result<(&str, &str, &str), LoginError> {
    let parts: Vec<&str> = credential.split('/').collect();
    let [access_key, day, region, "sts", "aws4_request"] = *parts.as_slice() else {
        return Err(malformed(
            "Credential=KEY/DATE/REGION/sts/aws4_request",
            quoted(credential),
        ));
    };
    if !is_access_key(access_key) {
        return Err(malformed(
            "the id of an access key: 16 to 128 letters, digits or underscores",
            quoted(access_key),
        ));
    }
    if day.len() != 8 || !day.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed("a date of 8 digits in Credential", quoted(day)));
    }
    Ok((access_key, day, region))
}

/// STS API reference, `accessKeyIdType`.
fn is_access_key(text: &str) -> bool {
    matches!(text.len(), 16..=128)
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_signature(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A part after a comma, without the one space that AWS's libraries write there.
fn next(part: &str) -> &str {
    part.strip_prefix(' ').unwrap_or(part)
}

/// The value of a part that has to begin with this name. The part may be the signature, so it is
/// not quoted.
fn value<'a>(part: &'a str, name: &'static str) -> Result<&'a str, LoginError> {
    part.strip_prefix(name)
        .ok_or_else(|| malformed(name, "another part at its place".to_owned()))
}

/// The algorithm's name for an error. A text of another form may be a secret and is not quoted.
fn name(algorithm: &str) -> String {
    let is_name = matches!(algorithm.len(), 1..=32)
        && algorithm
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-');
    if is_name {
        algorithm.to_owned()
    } else {
        format!("another text of {} bytes", algorithm.len())
    }
}

fn malformed(expected: &'static str, found: String) -> LoginError {
    LoginError::Malformed {
        member: MEMBER,
        expected,
        found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNATURE: &str = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";

    fn good() -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE000000/20260101/eu-central-1/sts/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature={SIGNATURE}"
        )
    }

    #[test]
    fn an_authorization_is_sent_in_one_spacing() {
        let good = good();
        for text in [good.clone(), good.replace(", ", ",")] {
            let read = Authorization::read(&text).unwrap();
            assert_eq!(read.access_key, "AKIDEXAMPLE000000");
            assert_eq!((read.day, read.region), ("20260101", "eu-central-1"));
            assert_eq!(read.signed_headers, "host;x-amz-date");
            assert_eq!(read.signature, SIGNATURE);
            assert_eq!(read.header(), good);
        }
    }

    #[test]
    fn another_form_is_refused() {
        let upper = SIGNATURE.to_ascii_uppercase();
        let cases = [
            ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
            ("AWS4-HMAC-SHA256", "aws4-hmac-sha256"),
            ("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256  "),
            ("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256\t"),
            ("AWS4-HMAC-SHA256 ", ""),
            ("Credential=", "credential="),
            (", SignedHeaders", ",  SignedHeaders"),
            (", SignedHeaders", "; SignedHeaders"),
            (", SignedHeaders", " SignedHeaders"),
            ("/sts/", "/s3/"),
            ("/sts/", "//sts/"),
            ("aws4_request", "aws4_request/x"),
            ("aws4_request", "AWS4_request"),
            ("20260101", "2026010"),
            ("20260101", "2026-1-1"),
            ("AKIDEXAMPLE000000", "AKID"),
            ("AKIDEXAMPLE000000", "AKIDEXAMPLE00000\n"),
            ("AKIDEXAMPLE000000", "AKIDEXAMPLE00000é"),
            (SIGNATURE, upper.as_str()),
            (SIGNATURE, &SIGNATURE[1..]),
            (SIGNATURE, ""),
            ("Signature=", "Signature=0"),
            ("Signature=", "Signature= "),
            ("Signature=", "Signature=x, Signature="),
        ];
        for (part, other) in cases {
            let text = good().replacen(part, other, 1);
            assert_ne!(text, good(), "{part}");
            let error = Authorization::read(&text).map(|_| ()).unwrap_err();
            assert_eq!(error.code(), "login_malformed", "{other:?}");
        }
        assert!(Authorization::read("").is_err());
    }

    #[test]
    fn an_error_has_no_secret() {
        for text in [
            "Bearer sesame".to_owned(),
            "sesame".to_owned(),
            good().replace("Signature=", "Signature=sesame"),
            good().replace("Signature=", "sesame="),
        ] {
            let error = Authorization::read(&text).map(|_| ()).unwrap_err();
            let error = error.to_string();
            assert!(!error.contains("sesame"), "{error}");
            assert!(!error.contains(SIGNATURE), "{error}");
        }
    }
}
