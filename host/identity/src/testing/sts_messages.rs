//! What STS is asked, and what it answers, as AWS writes it.

use crate::login::reply::NAMESPACE;
use crate::login::{Principal, PrincipalKind, Question};

/// A request as it arrives at STS.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// The path.
    pub path: &'a str,
    /// The query, without `?`.
    pub query: &'a str,
    /// The headers, their names in any case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: &'a [u8],
}

/// What STS answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The header `content-type`.
    pub content_type: &'static str,
    /// The body: XML.
    pub body: String,
}

impl<'a> From<&'a Question> for Request<'a> {
    fn from(question: &'a Question) -> Self {
        let headers = question.headers().iter();
        Self {
            method: question.method(),
            path: question.path(),
            query: "",
            headers: headers
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
            body: question.body().as_bytes(),
        }
    }
}

impl Request<'_> {
    /// The first value with this name, trimmed.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    }
}

const REQUEST_ID: &str = "01234567-89ab-cdef-0123-456789abcdef";

impl Response {
    /// The identity of a login.
    pub(super) fn identity(principal: &Principal) -> Self {
        let user_id = match &principal.kind {
            PrincipalKind::AssumedRole { session, .. } => {
                format!("AROAEXAMPLE0000000001:{session}")
            }
            PrincipalKind::User { .. } => "AIDAEXAMPLE0000000001".to_owned(),
            PrincipalKind::FederatedUser { name } => format!("{}:{name}", principal.account),
            PrincipalKind::Root => principal.account.clone(),
        };
        response(
            200,
            format!(
                "<GetCallerIdentityResponse xmlns=\"{NAMESPACE}\">\n  <GetCallerIdentityResult>\n    \
             <Arn>{}</Arn>\n    <UserId>{user_id}</UserId>\n    <Account>{}</Account>\n  \
             </GetCallerIdentityResult>\n  <ResponseMetadata>\n    <RequestId>{REQUEST_ID}</RequestId>\n  \
             </ResponseMetadata>\n</GetCallerIdentityResponse>\n",
                escaped(&principal.arn),
                principal.account
            ),
        )
    }

    /// An error in STS's form.
    pub(super) fn refusal(status: u16, code: &str, message: &str) -> Self {
        response(
            status,
            format!(
                "<ErrorResponse xmlns=\"{NAMESPACE}\">\n  <Error>\n    <Type>Sender</Type>\n    \
             <Code>{code}</Code>\n    <Message>{}</Message>\n  </Error>\n  \
             <RequestId>{REQUEST_ID}</RequestId>\n</ErrorResponse>\n",
                escaped(message)
            ),
        )
    }
}

fn response(status: u16, body: String) -> Response {
    Response {
        status,
        content_type: "text/xml",
        body,
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
