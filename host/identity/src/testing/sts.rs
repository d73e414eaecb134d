//! An STS that verifies signatures, for tests: `GetCallerIdentity` of one region, no network.
//!
//! It accepts what AWS's STS accepts, so that a test shows what a host's own checks refuse: any
//! signed headers as long as `host` and all `x-amz-*` are among them, any order of the parts of
//! `Authorization`, and times of signing from 15 minutes before its clock to 5 minutes after.

use jiff::{SignedDuration, Timestamp};

pub use super::caller::{Caller, Signing};
use super::sigv4::{Scope, Signed, signature};
pub use super::sts_messages::{Request, Response};
use crate::login::{Principal, date, question};

/// A region's STS, and the credentials that it knows.
#[derive(Clone, Debug)]
pub struct Sts {
    region: String,
    known: Vec<Known>,
}

#[derive(Clone, Debug)]
struct Known {
    caller: Caller,
    principal: Principal,
    /// When the security token expires; `None` for never.
    expires_at: Option<Timestamp>,
}

/// An error of STS: status, code, message.
type Refusal = (u16, &'static str, String);

impl Sts {
    /// The STS of a region, which knows no credentials.
    pub fn new(region: &str) -> Self {
        Self {
            region: region.to_owned(),
            known: Vec::new(),
        }
    }

    /// Adds credentials, and the ARN of their identity.
    ///
    /// # Panics
    /// If the text is not the ARN of an identity.
    #[must_use]
    pub fn with(self, caller: &Caller, arn: &str) -> Self {
        self.know(caller, arn, None)
    }

    /// Adds credentials that expire.
    ///
    /// # Panics
    /// If the text is not the ARN of an identity.
    #[must_use]
    pub fn with_expiring(self, caller: &Caller, arn: &str, expires_at: Timestamp) -> Self {
        self.know(caller, arn, Some(expires_at))
    }

    fn know(mut self, caller: &Caller, arn: &str, expires_at: Option<Timestamp>) -> Self {
        self.known.push(Known {
            caller: caller.clone(),
            principal: arn.parse().expect("the ARN of an identity"),
            expires_at,
        });
        self
    }

    /// Verifies a request, and answers as AWS's STS does at this time.
    pub fn answer(&self, request: &Request<'_>, now: Timestamp) -> Response {
        match self.verify(request, now) {
            Ok(known) => Response::identity(&known.principal),
            Err((status, code, message)) => Response::refusal(status, code, &message),
        }
    }

    fn verify(&self, request: &Request<'_>, now: Timestamp) -> Result<&Known, Refusal> {
        let parts = Parts::read(request)?;
        let known = self.known_caller(request, &parts, now)?;
        self.check_scope(&parts)?;
        check_time(parts.time, parts.day, now)?;
        check_names(request, &parts.names)?;
        let scope = Scope {
            day: parts.day,
            region: &self.region,
            service: "sts",
        };
        let signed = Signed {
            method: request.method,
            path: request.path,
            query: request.query,
            headers: &request.headers,
            names: &parts.names,
            body: request.body,
        };
        let right = signature(&known.caller.secret_key, scope, parts.time, &signed);
        if right != parts.signature {
            return Err(mismatch(
                "The request signature we calculated does not match the signature you provided. Check \
                 your AWS Secret Access Key and signing method. Consult the service documentation for \
                 details.",
            ));
        }
        check_action(request)?;
        Ok(known)
    }

    /// The credentials with the request's access key and security token.
    fn known_caller(
        &self,
        request: &Request<'_>,
        parts: &Parts<'_>,
        now: Timestamp,
    ) -> Result<&Known, Refusal> {
        let token = request.header("x-amz-security-token");
        let mut known = self.known.iter();
        let known = known.find(|known| {
            known.caller.access_key == parts.access_key
                && known.caller.security_token.as_deref() == token
        });
        let known = known.ok_or((
            403,
            "InvalidClientTokenId",
            "The security token included in the request is invalid.".to_owned(),
        ))?;
        if known.expires_at.is_some_and(|at| at <= now) {
            let message = "The security token included in the request is expired";
            return Err((403, "ExpiredToken", message.to_owned()));
        }
        Ok(known)
    }

    fn check_scope(&self, parts: &Parts<'_>) -> Result<(), Refusal> {
        let Parts {
            region,
            service,
            terminator,
            ..
        } = parts;
        if *region != self.region {
            return Err(mismatch("Credential should be scoped to a valid region. "));
        }
        if *service != "sts" {
            return Err(mismatch(
                "Credential should be scoped to correct service: 'sts'. ",
            ));
        }
        if *terminator != "aws4_request" {
            return Err(mismatch(&format!(
                "Credential should be scoped with a valid terminator: 'aws4_request', not '{terminator}'."
            )));
        }
        Ok(())
    }
}

/// The parts of a request that say who signed it, for what, and when.
struct Parts<'a> {
    access_key: &'a str,
    day: &'a str,
    region: &'a str,
    service: &'a str,
    terminator: &'a str,
    names: Vec<&'a str>,
    signature: &'a str,
    time: &'a str,
}

impl<'a> Parts<'a> {
    fn read(request: &'a Request<'_>) -> Result<Self, Refusal> {
        let Some(authorization) = request.header("authorization") else {
            let message = "Request is missing Authentication Token".to_owned();
            return Err((403, "MissingAuthenticationToken", message));
        };
        let incomplete = || {
            let message = format!(
                "Authorization header requires 'Credential' parameter, 'Signature' parameter, \
                 'SignedHeaders' parameter and 'X-Amz-Date'. Authorization={}",
                authorization.split(' ').next().unwrap_or_default()
            );
            (403, "IncompleteSignature", message)
        };
        let rest = authorization
            .strip_prefix("AWS4-HMAC-SHA256 ")
            .ok_or_else(incomplete)?;
        let part = |name: &str| {
            let mut parts = rest.split(',');
            parts
                .find_map(|part| part.trim().strip_prefix(name))
                .ok_or_else(incomplete)
        };
        let credential: Vec<&str> = part("Credential=")?.split('/').collect();
        let [access_key, day, region, service, terminator] = *credential.as_slice() else {
            return Err(incomplete());
        };
        Ok(Self {
            access_key,
            day,
            region,
            service,
            terminator,
            names: part("SignedHeaders=")?.split(';').collect(),
            signature: part("Signature=")?,
            time: request.header("x-amz-date").ok_or_else(incomplete)?,
        })
    }
}

fn check_time(time: &str, day: &str, now: Timestamp) -> Result<(), Refusal> {
    let Some(signed_at) = date::read(time) else {
        let message = format!(
            "Date must be in ISO-8601 'basic format'. Got '{time}'. See \
             http://en.wikipedia.org/wiki/ISO_8601"
        );
        return Err((403, "IncompleteSignature", message));
    };
    if !time.starts_with(day) || day.len() != 8 {
        return Err(mismatch(&format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
             '{day}' != '{}', from '{time}'.",
            &time[..8]
        )));
    }
    let age = now.duration_since(signed_at);
    if age > SignedDuration::from_mins(15) {
        let limit = date::write(now - SignedDuration::from_mins(15));
        return Err(mismatch(&format!(
            "Signature expired: {time} is now earlier than {limit} ({} - 15 min.)",
            date::write(now)
        )));
    }
    if age < SignedDuration::from_mins(-5) {
        let limit = date::write(now + SignedDuration::from_mins(5));
        return Err(mismatch(&format!(
            "Signature not yet current: {time} is still later than {limit} ({} + 5 min.)",
            date::write(now)
        )));
    }
    Ok(())
}

/// `host` and every `x-amz-*` of the request have to be signed.
fn check_names(request: &Request<'_>, names: &[&str]) -> Result<(), Refusal> {
    if !names.contains(&"host") {
        return Err(mismatch(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
        ));
    }
    let lower = request
        .headers
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase());
    let unsigned = lower
        .filter(|name| name.starts_with("x-amz-"))
        .find(|name| !names.contains(&name.as_str()));
    unsigned.map_or(Ok(()), |name| {
        Err(mismatch(&format!(
            "'{name}' must be a 'SignedHeader' in the AWS Authorization."
        )))
    })
}

fn check_action(request: &Request<'_>) -> Result<(), Refusal> {
    let is_asked = |text: &[u8]| text == question::BODY.as_bytes();
    if is_asked(request.body) || (request.body.is_empty() && is_asked(request.query.as_bytes())) {
        return Ok(());
    }
    let message = "Could not find operation for version 2011-06-15".to_owned();
    Err((400, "InvalidAction", message))
}

fn mismatch(message: &str) -> Refusal {
    (403, "SignatureDoesNotMatch", message.to_owned())
}
