//! The checks of a login, and the request to STS that follows from it.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use ring::digest;

use super::authorization::Authorization;
use super::date;
use super::endpoint::sts_host;
use super::error::LoginError;
use super::request::{Hidden, Login};
use super::signed_headers;
use crate::quote::quoted;

/// The method of the request to STS.
pub(crate) const METHOD: &str = "POST";

/// The path of the request to STS. It has no query.
pub(crate) const PATH: &str = "/";

/// The body of the request to STS (STS API reference, `GetCallerIdentity`).
pub(crate) const BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";

/// The type of the body, as AWS's libraries write it.
pub(crate) const CONTENT_TYPE: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// The header that says which fleet a login is for.
pub(crate) const AUDIENCE: &str = "x-reeve-audience";

/// The longest audience in bytes. A fleet's name is the value of an EC2 tag, which has at most 256
/// characters.
const AUDIENCE_BYTES_MAX: usize = 256;

/// How long a host remembers an accepted signature. A signature passes the check of its date for at
/// most 10 minutes, twice [`SKEW_MAX`](super::SKEW_MAX). The rest is for replicas of which one clock
/// is behind the other's by up to 10 minutes.
pub const REMEMBERED_FOR: SignedDuration = SignedDuration::from_mins(20);

/// What a host sends to STS to learn who signed a login.
///
/// # Guarantees
/// - URL, method and body are the host's own. STS verifies the signature over exactly these, so a
///   signature over another request (another action, a query, another host) is refused by STS.
/// - Every value has visible ASCII characters and single spaces between them only.
/// - Every header is there once, in lower case, and none other affects the signature. The sender
///   adds none that begins with `x-amz-`, follows no redirect, and uses TLS.
#[derive(Clone, PartialEq, Eq)]
pub struct Question {
    host: String,
    headers: Vec<(&'static str, String)>,
    access_key: String,
    signature_digest: [u8; 32],
    remember_until: Timestamp,
}

impl Login {
    /// Checks a login, and builds the request to STS.
    ///
    /// - `audience`: the fleet's name, the value of `x-reeve-audience` that the client had to sign.
    ///   It is the fleet, not a host, because replicas share it.
    /// - `regions`: the regions that the host is configured for.
    /// - `now`: the host's time.
    ///
    /// # Errors
    /// A member is too long or not of its form, the region is none of `regions`, the scope of the
    /// signature is another, a required header is not signed, or the date is more than
    /// [`SKEW_MAX`](super::SKEW_MAX) off. Only STS knows whether the signature itself is right.
    pub fn question(
        &self,
        audience: &str,
        regions: &[String],
        now: Timestamp,
    ) -> Result<Question, LoginError> {
        check_audience(audience)?;
        self.check_lengths()?;
        let host = self.host(regions)?;
        let token = self.x_amz_security_token.as_deref();
        let authorization = Authorization::read(&self.authorization)?;
        self.check_scope(&authorization)?;
        signed_headers::check(authorization.signed_headers, token.is_some())?;
        date::check(&self.x_amz_date, now)?;
        check_token(token)?;
        Ok(Question {
            headers: self.headers(&host, audience, &authorization),
            host,
            access_key: authorization.access_key.to_owned(),
            signature_digest: sha_256(authorization.signature.as_bytes()),
            remember_until: now.checked_add(REMEMBERED_FOR).unwrap_or(Timestamp::MAX),
        })
    }

    /// The host name of the region's STS.
    fn host(&self, regions: &[String]) -> Result<String, LoginError> {
        if !regions.contains(&self.region) {
            return Err(LoginError::RegionUnknown {
                found: quoted(&self.region),
                accepted: regions.to_vec(),
            });
        }
        sts_host(&self.region)
    }

    /// Checks that the signature is for the region and the day that the login names.
    fn check_scope(&self, authorization: &Authorization<'_>) -> Result<(), LoginError> {
        let day = self.x_amz_date.get(..8).unwrap_or_default();
        let pairs = [
            ("region", self.region.as_str(), authorization.region),
            ("day of x-amz-date", day, authorization.day),
        ];
        for (name, one, other) in pairs {
            if one != other {
                return Err(LoginError::Contradictory {
                    one: format!("its {name} is {}", quoted(one)),
                    other: format!("its Credential is for {}", quoted(other)),
                });
            }
        }
        Ok(())
    }

    /// The headers of the request. Those of unsigned values are the same for every login.
    fn headers(
        &self,
        host: &str,
        audience: &str,
        authorization: &Authorization<'_>,
    ) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("host", host.to_owned()),
            ("content-type", CONTENT_TYPE.to_owned()),
            ("content-length", BODY.len().to_string()),
            ("x-amz-date", self.x_amz_date.clone()),
            (AUDIENCE, audience.to_owned()),
            ("authorization", authorization.header()),
        ];
        if let Some(token) = &self.x_amz_security_token {
            headers.push(("x-amz-security-token", token.clone()));
        }
        let mut signed = authorization.signed_headers.split(';');
        if signed.any(|name| name == "x-amz-content-sha256") {
            let digest = hex::encode(sha_256(BODY.as_bytes()));
            headers.push(("x-amz-content-sha256", digest));
        }
        headers
    }
}

impl Question {
    /// The host name to connect to, such as `sts.eu-central-1.amazonaws.com`; the port is 443.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The method: `POST`.
    pub fn method(&self) -> &'static str {
        METHOD
    }

    /// The path: `/`, without a query.
    pub fn path(&self) -> &'static str {
        PATH
    }

    /// All headers, `host` and `content-length` included, each once and in lower case. A client
    /// that writes those two itself has to write the same values.
    pub fn headers(&self) -> &[(&'static str, String)] {
        &self.headers
    }

    /// The body.
    pub fn body(&self) -> &'static str {
        BODY
    }

    /// The id of the access key, which is no secret. A client can name any, so before STS accepted
    /// the login, the id proves nothing.
    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    /// The SHA-256 of the signature. A host remembers it as soon as STS accepted the login, and
    /// from then on refuses a login with the same digest. Every text of one signature has one
    /// digest.
    pub fn signature_digest(&self) -> &[u8; 32] {
        &self.signature_digest
    }

    /// How long an accepted signature has to be remembered: [`REMEMBERED_FOR`] after `now`.
    pub fn remember_until(&self) -> Timestamp {
        self.remember_until
    }
}

/// Hides the headers, since they have the login's secrets.
impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.headers.iter().map(|(_, value)| value.len()).sum();
        f.debug_struct("Question")
            .field("host", &self.host)
            .field("headers", &Hidden(bytes))
            .field("access_key", &self.access_key)
            .field("signature_digest", &hex::encode(self.signature_digest))
            .field("remember_until", &self.remember_until)
            .finish()
    }
}

/// Checks that a fleet's name can be the audience of logins: 1 to 256 visible ASCII characters.
/// SigV4 takes several spaces for one, so with spaces two fleets could share one signature.
///
/// # Errors
/// The name has another form. So `reeve check` can refuse it before any login.
pub fn check_audience(audience: &str) -> Result<(), LoginError> {
    if !matches!(audience.len(), 1..=AUDIENCE_BYTES_MAX) || !is_visible(audience) {
        return Err(LoginError::AudienceUnusable {
            found: quoted(audience),
            bytes_max: AUDIENCE_BYTES_MAX,
        });
    }
    Ok(())
}

fn check_token(token: Option<&str>) -> Result<(), LoginError> {
    match token {
        Some(token) if token.is_empty() || !is_visible(token) => Err(LoginError::Malformed {
            member: "x-amz-security-token",
            expected: "visible ASCII characters without spaces",
            found: format!("{} bytes with none or with other characters", token.len()),
        }),
        _ => Ok(()),
    }
}

fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn sha_256(bytes: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    digest
}
