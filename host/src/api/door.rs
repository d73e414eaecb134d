//! What every request passes.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Api;
use super::problem::Problem;
use crate::panics::caught;

/// A handler that panics answers 500; the connection and the process live on.
pub(super) async fn catch_panics(State(api): State<Api>, request: Request, next: Next) -> Response {
    match caught(next.run(request)).await {
        Ok(response) => response,
        Err(panicked) => {
            api.0.metrics.panicked("request");
            tracing::error!("a request handler {panicked}");
            Problem::internal("the handler failed; the host's log says how").into_response()
        }
    }
}

/// A web page that a browser on this machine shows may point a name of its own at 127.0.0.1 and would
/// then be of the same origin as this interface. Its requests carry that name.
pub(super) async fn loopback_names_only(request: Request, next: Next) -> Response {
    match name(request.headers(), request.uri()) {
        Some(name) if !is_loopback(name) => {
            let detail = format!(
                "the request is for the host {name:?}; accepted are localhost and loopback addresses"
            );
            let title = "This interface is for this machine only";
            Problem::new("wrong_host", title, detail).into_response()
        }
        // No browser leaves the name out.
        _ => next.run(request).await,
    }
}

/// The name the request is for, without the port.
fn name<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    if let Some(host) = uri.host() {
        return Some(host);
    }
    let host = headers.get(header::HOST)?;
    // What is not text is no loopback name either.
    let host = host.to_str().unwrap_or("?");
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(name),
        _ => Some(host),
    }
}

fn is_loopback(name: &str) -> bool {
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    match bare.unwrap_or(name).parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => name.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine_pass_and_no_others() {
        let passes = |host: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            name(&headers, &Uri::from_static("/")).is_some_and(is_loopback)
        };
        for host in [
            "localhost",
            "LOCALHOST:7433",
            "127.0.0.1:7433",
            "127.9.9.9",
            "[::1]:80",
            "[::1]",
        ] {
            assert!(passes(host), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:7433",
            "10.0.0.1",
            "localhost.evil.example",
            "",
            "[::2]:80",
        ] {
            assert!(!passes(host), "{host}");
        }
    }
}
