//! Posts messages to webhooks, each with a time limit.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use hyper::{Request, Response, body::Incoming, header};
use reeve_core::text::escaped;
use reeve_core::time::Instant;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::address::Address;
use super::open::NotifyError;
use super::retry::{Outcome, retry_after};
use crate::outgoing::{Outgoing, To};

/// From the first packet to the response's head. Slack and Discord respond within one second.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// For the body of a refusal, which is only informative.
const BODY_MAX: Duration = Duration::from_secs(2);
/// The most bytes read of that body.
const BODY_BYTES_MAX: usize = 16 << 10;
/// Slack's and Discord's reasons are shorter.
const SAID_CHARS_MAX: usize = 80;

/// Sends requests.
#[derive(Clone)]
pub(crate) struct Transport(Outgoing);

impl Transport {
    /// For addresses without TLS only.
    pub(crate) fn plain() -> Self {
        Self(Outgoing::plain())
    }

    /// For all addresses, with the system's trusted certificates; a company's own authority can be
    /// among them.
    pub(crate) fn with_system_roots() -> Result<Self, NotifyError> {
        Ok(Self(Outgoing::with_system_roots()?))
    }

    /// Posts this JSON and returns the outcome. `now` gives the time at which the response's head
    /// arrived.
    pub(crate) async fn post(
        &self,
        address: &Address,
        body: &Value,
        now: impl Fn() -> Instant,
    ) -> Outcome {
        // Ends the connection's task with this request in every case.
        let mut connection = JoinSet::new();
        let answer = match timeout(ANSWER_MAX, self.ask(address, body, &mut connection)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(why)) => return Outcome::Unanswered(why),
            Err(_) => {
                let why = format!("no response within {} s", ANSWER_MAX.as_secs());
                return Outcome::Unanswered(why);
            }
        };
        let status = answer.status();
        if status.is_success() {
            return Outcome::Accepted(status.as_u16());
        }
        let header = answer.headers().get(header::RETRY_AFTER);
        let header = header.and_then(|value| value.to_str().ok());
        let retry_after = header.and_then(|header| retry_after(header, now()));
        let body = timeout(
            BODY_MAX,
            to_bytes(Body::new(answer.into_body()), BODY_BYTES_MAX),
        )
        .await;
        let body = body.ok().and_then(Result::ok).unwrap_or_default();
        Outcome::Refused {
            status: status.as_u16(),
            retry_after,
            said: said(&body, address),
        }
    }

    async fn ask(
        &self,
        address: &Address,
        body: &Value,
        connection: &mut JoinSet<()>,
    ) -> Result<Response<Incoming>, String> {
        let request = Request::post(address.path_and_query())
            .header(header::HOST, address.authority())
            .header(header::CONTENT_TYPE, "application/json")
            .header(
                header::USER_AGENT,
                concat!("reeve/", env!("CARGO_PKG_VERSION")),
            )
            .body(Body::from(escaped(&body.to_string()).into_owned()))
            .map_err(|_| "its address cannot be asked for over HTTP".to_owned())?;
        let (host, port) = address.connect_to();
        let to = To {
            host: &host,
            port,
            tls: address.is_tls().then(|| address.server_name()),
        };
        self.0.send(to, request, connection).await
    }
}

/// The response's reason for a refusal (Slack: `no_service`, Discord: `Unknown Webhook`), if it is
/// short and does not contain a part of the address. Many servers repeat the requested path in a
/// refusal.
fn said(body: &[u8], address: &Address) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?.trim();
    let json: Option<Value> = serde_json::from_str(text).ok();
    let within = json
        .as_ref()
        .and_then(|json| json.get("message").or_else(|| json.get("error")));
    let text = match within {
        Some(message) => message.as_str()?,
        None => text,
    };
    let plain = |c: char| c.is_ascii_alphabetic() || " _-.,'".contains(c);
    let short = (1..=SAID_CHARS_MAX).contains(&text.len()) && text.chars().all(plain);
    (short && !address.is_in(text)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_quoted_only_where_it_is_short_and_says_nothing_of_the_address() {
        let address = Address::parse("https://hooks.example/services/hushhush").unwrap();
        let long = "a".repeat(SAID_CHARS_MAX + 1);
        let cases = [
            ("no_service", Some("no_service")),
            (
                "{\"message\": \"Unknown Webhook\", \"code\": 10015}",
                Some("Unknown Webhook"),
            ),
            ("{\"error\": \"closed\"}", Some("closed")),
            ("Cannot POST /services/x", None),
            ("no such hook as hushhush", None),
            ("{\"message\": {\"a\": 1}}", None),
            ("<html>", None),
            (&long, None),
            ("", None),
        ];
        for (body, expected) in cases {
            assert_eq!(
                said(body.as_bytes(), &address).as_deref(),
                expected,
                "{body}"
            );
        }
    }
}
