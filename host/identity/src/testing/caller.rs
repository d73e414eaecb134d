//! A client that signs logins.

use jiff::Timestamp;

use super::sigv4::{Scope, Signed, signature};
use crate::login::{Login, date, question};

/// The credentials of a program, with which it signs logins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The id of the access key, such as `ASIAEXAMPLE000000001`.
    pub access_key: String,
    /// The secret key, in AWS 40 characters.
    pub secret_key: String,
    /// The security token of temporary credentials.
    pub security_token: Option<String>,
}

/// The request that a login's signature covers. A test changes a part, and signs it.
#[derive(Clone, Debug)]
pub struct Signing {
    /// The login's `region`.
    pub region: String,
    /// The region in the scope of the signature.
    pub scope_region: String,
    /// The service in the scope of the signature.
    pub service: String,
    /// The day in the scope; `None` for the day of `x-amz-date`.
    pub day: Option<String>,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The query, without `?`.
    pub query: String,
    /// The headers with their values. [`Caller::sign_request`] adds the security token.
    pub headers: Vec<(String, String)>,
    /// The names in `SignedHeaders`; `None` for all of `headers` and the token, sorted.
    pub signed_headers: Option<Vec<String>>,
    /// The body.
    pub body: String,
}

impl Signing {
    /// The request that a login for this fleet signs, with the headers of botocore.
    ///
    /// `at` is the time of signing; its fraction of a second is cut off.
    pub fn new(region: &str, audience: &str, at: Timestamp) -> Self {
        let china = if region.starts_with("cn-") { ".cn" } else { "" };
        let headers = [
            ("host", format!("sts.{region}.amazonaws.com{china}")),
            ("content-type", question::CONTENT_TYPE.to_owned()),
            ("x-amz-date", date::write(at)),
            (question::AUDIENCE, audience.to_owned()),
        ];
        Self {
            region: region.to_owned(),
            scope_region: region.to_owned(),
            service: "sts".to_owned(),
            day: None,
            method: question::METHOD.to_owned(),
            path: question::PATH.to_owned(),
            query: String::new(),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value))
                .to_vec(),
            signed_headers: None,
            body: question::BODY.to_owned(),
        }
    }

    /// Sets a header, or adds it.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(found, _)| found != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Removes a header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(found, _)| found != name);
        self
    }

    fn value(&self, name: &str) -> String {
        let mut headers = self.headers.iter();
        let found = headers.find(|(found, _)| found == name);
        found.map_or_else(String::new, |(_, value)| value.clone())
    }
}

impl Caller {
    /// Signs a login for a fleet. `at` is the time of signing.
    pub fn sign(&self, region: &str, audience: &str, at: Timestamp) -> Login {
        self.sign_request(&Signing::new(region, audience, at))
    }

    /// Signs any request, and makes a login of its headers.
    pub fn sign_request(&self, signing: &Signing) -> Login {
        let mut headers = signing.headers.clone();
        if let Some(token) = &self.security_token {
            headers.push(("x-amz-security-token".to_owned(), token.clone()));
        }
        let names = signing.signed_headers.clone().unwrap_or_else(|| {
            let mut names: Vec<String> = headers.iter().map(|(name, _)| name.clone()).collect();
            names.sort_unstable();
            names
        });
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let time = signing.value("x-amz-date");
        let day = signing.day.as_deref().unwrap_or_else(|| {
            let end = time.len().min(8);
            time.get(..end).unwrap_or_default()
        });
        let scope = Scope {
            day,
            region: &signing.scope_region,
            service: &signing.service,
        };
        let signed = Signed {
            method: &signing.method,
            path: &signing.path,
            query: &signing.query,
            headers: &headers,
            names: &names,
            body: signing.body.as_bytes(),
        };
        let signature = signature(&self.secret_key, scope, &time, &signed);
        Login {
            region: signing.region.clone(),
            authorization: format!(
                "AWS4-HMAC-SHA256 Credential={}/{day}/{}/{}/aws4_request, SignedHeaders={}, \
                 Signature={signature}",
                self.access_key,
                signing.scope_region,
                signing.service,
                names.join(";")
            ),
            x_amz_date: time,
            x_amz_security_token: self.security_token.clone(),
        }
    }
}
