//! A webhook's address. It is a secret, because it is enough to post: it is never displayed, and no
//! error quotes it.

use std::fmt;

use hyper::Uri;
use hyper::http::uri::{PathAndQuery, Scheme};
use tokio_rustls::rustls::pki_types::ServerName;

/// Shorter parts of a path (`api`, `v1`, `b`) are no secret and occur in any text.
const TELLING_CHARS_MIN: usize = 6;

/// A checked address.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    uri: Uri,
    host: ServerName<'static>,
}

impl Address {
    /// Checks an address. White space around it is ignored.
    ///
    /// # Errors
    /// What is wrong and what is accepted, without quoting the address.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const ACCEPTED: &str =
            "accepted: https://HOST/PATH, or http:// where the network is trusted";
        let uri: Uri = text.trim().parse().map_err(|_| ACCEPTED)?;
        let known = [Some(&Scheme::HTTPS), Some(&Scheme::HTTP)].contains(&uri.scheme());
        let host = uri.host().unwrap_or_default();
        if !known || host.is_empty() {
            return Err(ACCEPTED);
        }
        if uri
            .authority()
            .is_some_and(|part| part.as_str().contains('@'))
        {
            return Err(
                "it contains a user or a password, which are not sent; accepted: an address without them",
            );
        }
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = ServerName::try_from(host.to_owned());
        let host = host.map_err(|_| "its host is neither a name nor an IP address")?;
        Ok(Self { uri, host })
    }

    /// Whether the address uses TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.uri.scheme() == Some(&Scheme::HTTPS)
    }

    /// The name that the server's certificate must be for.
    pub(crate) fn server_name(&self) -> ServerName<'static> {
        self.host.clone()
    }

    /// The host and port to connect to.
    pub(crate) fn connect_to(&self) -> (String, u16) {
        let port = if self.is_tls() { 443 } else { 80 };
        (
            self.host.to_str().into_owned(),
            self.uri.port_u16().unwrap_or(port),
        )
    }

    /// The value of the `Host` header.
    pub(crate) fn authority(&self) -> &str {
        self.uri
            .authority()
            .map_or("", |authority| authority.as_str())
    }

    /// The request target.
    pub(crate) fn path_and_query(&self) -> &str {
        self.uri.path_and_query().map_or("/", PathAndQuery::as_str)
    }

    /// Whether a text contains a part of the address.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        let parts = self.path_and_query().split(['/', '?', '&', '=']);
        let telling = parts.filter(|part| part.chars().count() >= TELLING_CHARS_MIN);
        let host = self.host.to_str();
        telling
            .chain([host.as_ref()])
            .any(|part| text.contains(&part.to_ascii_lowercase()))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(kept secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_where_to_connect_and_what_to_ask_for() {
        let cases = [
            (
                "https://hooks.slack.com/services/T/B/x",
                "hooks.slack.com",
                443,
                "/services/T/B/x",
            ),
            (
                "http://10.0.0.7:8065/hooks/abc?x=1",
                "10.0.0.7",
                8065,
                "/hooks/abc?x=1",
            ),
            (" http://[::1]:99\n", "::1", 99, "/"),
        ];
        for (text, host, port, path) in cases {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.connect_to(), (host.to_owned(), port), "{text}");
            assert_eq!(address.path_and_query(), path, "{text}");
        }
    }

    #[test]
    fn an_invalid_address_is_refused_without_a_quote() {
        let secret = "tOpSecret";
        for text in [
            "ftp://h/",
            "hooks.slack.com/",
            "https:///",
            "",
            "https://u:p@h/",
            "https://a b/",
            "https://a_b!/",
        ] {
            let error = Address::parse(&format!("{text}{secret}")).expect_err(text);
            assert!(!error.contains(secret), "{text}: {error}");
        }
    }

    #[test]
    fn an_address_is_not_shown_and_its_parts_are_recognised_in_a_text() {
        let address =
            Address::parse("https://hooks.example/services/T0AAAAAA/sEcReT?key=hushhush").unwrap();
        assert_eq!(format!("{address:?}"), "Address(kept secret)");
        for text in [
            "cannot POST /services/x",
            "no SECRET here",
            "key hushhush",
            "at hooks.example",
        ] {
            assert!(address.is_in(text), "{text}");
        }
        assert!(!address.is_in("no_service"));
    }
}
