//! STS's reply to a question: who signed the login.

use super::principal::{ArnError, Principal, is_account};
use super::xml::Document;
use crate::ber::Malformed;
use crate::quote::quoted;

/// The longest reply that is read, in bytes. STS's replies have about 500.
pub const REPLY_BYTES_MAX: usize = 16 * 1024;

/// The namespace of STS's replies, the same in all partitions.
pub(crate) const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// The namespace of errors from the layer before STS, such as one for an unreadable request.
const FAULT_NAMESPACE: &str = "http://webservices.amazon.com/AWSFault/2005-15-09";

/// The codes of STS's errors that say nothing about the login, although the status is 4xx (STS API
/// reference, "Common Errors"; AWS SDKs reference guide, "Retry behavior").
const PASSING: [&str; 10] = [
    "InternalFailure",
    "PriorRequestNotComplete",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

/// Why a reply of STS names no identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// STS refuses the login for good: to ask again with the same login is useless.
    #[error("STS refused the login: {status} {code}{}", advice(code))]
    Refused {
        /// The HTTP status, 400 to 499.
        status: u16,
        /// STS's word for the error, such as `SignatureDoesNotMatch`: at most 64 characters.
        code: String,
    },
    /// STS is away or limits the host. The reply says nothing about the login, and the client may
    /// log in again later.
    #[error("STS did not answer about the login: {status} {}; try again later", code.as_deref().unwrap_or("without a code"))]
    Passing {
        /// The HTTP status.
        status: u16,
        /// STS's word for the error; `None` if the body has none that is readable.
        code: Option<String>,
    },
    /// The reply is not STS's, or not of its form. A proxy between the host and STS can be the
    /// cause.
    #[error("cannot read the reply of STS: expected {expected}, found {found}")]
    Unreadable {
        /// What is accepted at that place.
        expected: &'static str,
        /// What the reply has there.
        found: String,
    },
}

impl ReplyError {
    /// A stable word for the kind of error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "sts_refused",
            Self::Passing { .. } => "sts_unavailable",
            Self::Unreadable { .. } => "sts_reply_unreadable",
        }
    }
}

impl From<Malformed> for ReplyError {
    fn from(Malformed { expected, found }: Malformed) -> Self {
        Self::Unreadable { expected, found }
    }
}

impl From<ArnError> for ReplyError {
    fn from(ArnError { expected, found }: ArnError) -> Self {
        Self::Unreadable { expected, found }
    }
}

/// Reads the identity from STS's reply (STS API reference, `GetCallerIdentity`).
///
/// - `status`: the HTTP status. Only 200 names an identity.
/// - `content_type`: the header of that name. Only `text/xml` in UTF-8 is read.
/// - `body`: the whole body. A sender that stops reading at [`REPLY_BYTES_MAX`] passes one byte
///   more, so that the reply is refused and not taken for a shorter one.
///
/// # Errors
/// - [`ReplyError::Refused`]: STS answered with 4xx and its own error.
/// - [`ReplyError::Passing`]: 5xx, 429, or an error of STS about load.
/// - [`ReplyError::Unreadable`]: anything else, such as a redirect, a proxy's page, two ARNs, or an
///   account other than the ARN's.
///
/// No input causes a panic.
pub fn read_reply(
    status: u16,
    content_type: Option<&str>,
    body: &[u8],
) -> Result<Principal, ReplyError> {
    match status {
        200 => identity(&document(content_type, body)?),
        500..=599 | 429 => Err(ReplyError::Passing {
            status,
            code: document(content_type, body)
                .and_then(|document| error_code(&document))
                .ok(),
        }),
        400..=499 => {
            let code = error_code(&document(content_type, body)?)?;
            if PASSING.contains(&code.as_str()) {
                let code = Some(code);
                return Err(ReplyError::Passing { status, code });
            }
            Err(ReplyError::Refused { status, code })
        }
        other => Err(ReplyError::Unreadable {
            expected: "the status 200, 4xx or 5xx",
            found: other.to_string(),
        }),
    }
}

fn document(content_type: Option<&str>, body: &[u8]) -> Result<Document, ReplyError> {
    let content_type = content_type.unwrap_or("");
    if !is_xml(content_type) {
        let expected = "the content type text/xml in UTF-8";
        return Err(Malformed::new(expected, quoted(content_type)).into());
    }
    if body.len() > REPLY_BYTES_MAX {
        let expected = "at most 16 KiB";
        return Err(Malformed::new(expected, format!("{} bytes", body.len())).into());
    }
    let text =
        std::str::from_utf8(body).map_err(|_| Malformed::new("UTF-8", "bytes of another form"))?;
    Ok(Document::read(text)?)
}

/// `text/xml`, without a parameter or with `charset=utf-8`.
fn is_xml(content_type: &str) -> bool {
    let (essence, parameter) = content_type
        .split_once(';')
        .unwrap_or((content_type, "charset=utf-8"));
    let is_utf_8 = ["charset=utf-8", "charset=\"utf-8\""]
        .iter()
        .any(|accepted| parameter.trim_ascii().eq_ignore_ascii_case(accepted));
    essence.trim_ascii().eq_ignore_ascii_case("text/xml") && is_utf_8
}

fn identity(document: &Document) -> Result<Principal, ReplyError> {
    check_root(document, "GetCallerIdentityResponse", &[NAMESPACE])?;
    let arn = document.text("GetCallerIdentityResult/Arn")?;
    let account = document.text("GetCallerIdentityResult/Account")?;
    if !is_account(account) {
        return Err(Malformed::new("an account of 12 digits", quoted(account)).into());
    }
    let principal: Principal = arn.parse()?;
    if principal.account != account {
        let found = format!("{} and {account}", principal.account);
        return Err(Malformed::new("the same account in Arn and Account", found).into());
    }
    Ok(principal)
}

/// The code of STS's error: short, and without a character that could matter in a log.
fn error_code(document: &Document) -> Result<String, ReplyError> {
    check_root(document, "ErrorResponse", &[NAMESPACE, FAULT_NAMESPACE])?;
    let code = document.text("Error/Code")?;
    let is_code = matches!(code.len(), 1..=64)
        && code
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte));
    if !is_code {
        let expected = "a code of at most 64 letters, digits, or `._:-`";
        return Err(Malformed::new(expected, quoted(code)).into());
    }
    Ok(code.to_owned())
}

fn check_root(
    document: &Document,
    root: &'static str,
    namespaces: &[&str],
) -> Result<(), Malformed> {
    if document.root != root {
        return Err(Malformed::new(root, quoted(&document.root)));
    }
    if !namespaces.contains(&document.namespace.as_str()) {
        let expected = "the namespace https://sts.amazonaws.com/doc/2011-06-15/";
        return Err(Malformed::new(expected, quoted(&document.namespace)));
    }
    Ok(())
}

/// What the client can do about a refusal, for the codes that a client meets.
fn advice(code: &str) -> &'static str {
    match code {
        "SignatureDoesNotMatch" => {
            "; sign POST / with the body Action=GetCallerIdentity&Version=2011-06-15 for the STS of \
             the region, and with this fleet as x-reeve-audience"
        }
        "ExpiredToken" | "ExpiredTokenException" => {
            "; the credentials have expired: log in with newer ones"
        }
        "InvalidClientTokenId" => {
            "; STS does not know the access key with this security token: check the account's \
             partition, and that the key is active"
        }
        "RegionDisabledException" => {
            "; activate the region's STS in the account, or use another region"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests;
