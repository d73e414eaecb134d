//! A login as a client sends it.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::LoginError;

/// The longest body of `POST /v1/login` that is read, in bytes. The members together are shorter.
pub const LOGIN_BYTES_MAX: usize = 16 * 1024;

/// The longest region in bytes. The longest name in use has 14.
pub(super) const REGION_BYTES_MAX: usize = 32;

/// The longest authorization in bytes. With all headers signed and the longest access key, one has
/// about 400.
pub(super) const AUTHORIZATION_BYTES_MAX: usize = 1024;

/// The length of an `x-amz-date` in bytes: `YYYYMMDDTHHMMSSZ`.
pub(super) const DATE_BYTES: usize = 16;

/// The longest security token in bytes. AWS publishes no limit and calls less than 4,096 bytes
/// typical (STS API reference, `Credentials`).
pub(super) const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// A login by AWS IAM: the JSON of `POST /v1/login`.
///
/// The client signs the request that [`question`](Self::question) describes with its own
/// credentials, but does not send that request to STS. It sends these four headers of the request
/// to the host, and the host asks STS whose signature it is.
///
/// # Caveats
/// Until the signature expires or was accepted, a copy of a login is as good as the original. So
/// `Debug` hides the secrets, and a login travels over TLS only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(
    description = "A login by AWS IAM: the headers of a GetCallerIdentity that the client has signed."
)]
pub struct Login {
    /// The region that the client signed for, one of the host's.
    pub region: String,
    /// The header `Authorization`, with the signature.
    pub authorization: String,
    /// The header `X-Amz-Date`, the time of signing in UTC: `YYYYMMDDTHHMMSSZ`.
    #[serde(rename = "x-amz-date")]
    pub x_amz_date: String,
    /// The header `X-Amz-Security-Token`. `None`, left out or `null` in JSON, if the credentials
    /// are a user's long-term ones.
    #[serde(
        rename = "x-amz-security-token",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub x_amz_security_token: Option<String>,
}

impl Login {
    /// Reads the body of `POST /v1/login`.
    ///
    /// # Errors
    /// The body is longer than [`LOGIN_BYTES_MAX`] or is not JSON with exactly these members. The
    /// error says where, and quotes nothing: `serde_json`'s own error can contain a secret.
    pub fn read(json: &[u8]) -> Result<Self, LoginError> {
        within("body", json.len(), LOGIN_BYTES_MAX)?;
        let malformed = |found| LoginError::Malformed {
            member: "body",
            expected: "JSON with the texts region, authorization, x-amz-date and, for temporary \
                       credentials, x-amz-security-token, each once and no other",
            found,
        };
        // serde would read an array of the members' values as well.
        if !json.trim_ascii_start().starts_with(b"{") {
            return Err(malformed("no object".to_owned()));
        }
        serde_json::from_slice(json).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            malformed(format!("something else at line {line}, column {column}"))
        })
    }

    /// Refuses a member that is too long.
    pub(super) fn check_lengths(&self) -> Result<(), LoginError> {
        let token_bytes = self.x_amz_security_token.as_ref().map_or(0, String::len);
        within("region", self.region.len(), REGION_BYTES_MAX)?;
        within(
            "authorization",
            self.authorization.len(),
            AUTHORIZATION_BYTES_MAX,
        )?;
        within("x-amz-date", self.x_amz_date.len(), DATE_BYTES)?;
        within("x-amz-security-token", token_bytes, TOKEN_BYTES_MAX)
    }
}

/// Hides the authorization and the token.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.x_amz_security_token.as_ref();
        f.debug_struct("Login")
            .field("region", &self.region)
            .field("authorization", &Hidden(self.authorization.len()))
            .field("x_amz_date", &self.x_amz_date)
            .field(
                "x_amz_security_token",
                &token.map(|token| Hidden(token.len())),
            )
            .finish()
    }
}

/// Stands for a secret of this many bytes in the output of `Debug`.
pub(super) struct Hidden(pub(super) usize);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} bytes, hidden)", self.0)
    }
}

fn within(member: &'static str, bytes: usize, bytes_max: usize) -> Result<(), LoginError> {
    if bytes > bytes_max {
        return Err(LoginError::TooLong {
            member,
            bytes,
            bytes_max,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"region":"eu-central-1","authorization":"AWS4 sesame","x-amz-date":"20260101T000000Z","x-amz-security-token":"sesame"}"#;

    #[test]
    fn a_login_has_four_members() {
        let login = Login::read(GOOD.as_bytes()).unwrap();
        assert_eq!(login.region, "eu-central-1");
        assert_eq!(login.x_amz_security_token.as_deref(), Some("sesame"));
        assert_eq!(serde_json::to_string(&login).unwrap(), GOOD);
    }

    #[test]
    fn the_token_may_be_left_out_or_null() {
        let token = r#","x-amz-security-token":"sesame""#;
        for other in ["", r#","x-amz-security-token":null"#] {
            let login = Login::read(GOOD.replace(token, other).as_bytes()).unwrap();
            assert_eq!(login.x_amz_security_token, None);
            assert!(!serde_json::to_string(&login).unwrap().contains("token"));
        }
    }

    #[test]
    fn another_body_is_refused_and_not_quoted() {
        let bodies = [
            String::new(),
            r#""sesame""#.to_owned(),
            format!("[{GOOD}]"),
            format!("{GOOD}{GOOD}"),
            GOOD.replace("region", "sesame"),
            GOOD.replace(r#"{"region""#, r#"{"host":"sesame","region""#),
            GOOD.replace(r#"{"region""#, r#"{"region":"sesame","region""#),
            GOOD.replace(r#""eu-central-1""#, r#"["sesame"]"#),
            GOOD.replace(r#""eu-central-1""#, "null"),
            GOOD.replace("x-amz-date", "x_amz_date"),
            GOOD.replace("x-amz-date", "X-Amz-Date"),
        ];
        for body in bodies {
            let error = Login::read(body.as_bytes()).unwrap_err();
            assert_eq!(error.code(), "login_malformed", "{body}");
            assert!(!error.to_string().contains("sesame"), "{error}");
        }
        assert!(Login::read(b"\xff").is_err());
        let padded = format!("{GOOD}{}", " ".repeat(LOGIN_BYTES_MAX));
        let error = Login::read(padded.as_bytes()).unwrap_err();
        assert_eq!(error.code(), "login_too_long");
    }

    #[test]
    fn debug_hides_the_secrets() {
        let text = format!("{:?}", Login::read(GOOD.as_bytes()).unwrap());
        assert!(!text.contains("sesame"), "{text}");
        assert!(
            text.contains("eu-central-1") && text.contains("(6 bytes, hidden)"),
            "{text}"
        );
    }
}
