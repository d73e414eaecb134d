//! The checks that every request passes before a handler sees it.

use std::sync::Arc;

use axum::Router;
use axum::body::HttpBody;
use axum::http::{HeaderMap, HeaderValue, Request, Uri, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Bytes;
use reeve_core::text;
use tower::Service;

use super::admission::Peer;
use super::paths::{CALLERS, Takes};
use super::problem::Problem;
use crate::access::{Caller, Credentials, Outcome, Role, Unknown};
use crate::audit::Audit;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::panics::caught;
use crate::routes::Routes;

/// Stands in front of the router. It is no axum layer, because a layer would allocate for each
/// request.
pub(crate) struct Door {
    router: Router,
    metrics: Metrics,
    names: Names,
    guard: Guard,
}

/// Who asks for what a request takes.
pub(super) enum Guard {
    /// The door: each path takes a role, which the caller must have.
    Roles {
        routes: Arc<Routes>,
        clock: Clock,
        audit: Audit,
        /// Whether anyone between here and the caller can read along and answer in the caller's name.
        is_plain: bool,
    },
    /// The handlers: each request has a proof or a token.
    Handlers,
}

/// How it is known who sends the requests of a connection.
#[derive(Clone)]
pub(crate) enum SentBy {
    /// By the connection.
    Known(Caller),
    /// By what each request shows, else by the certificate that the connection was opened with.
    Shown {
        credentials: Arc<Credentials>,
        certificate: Option<Caller>,
    },
    /// The handlers find out.
    Unknown,
}

impl SentBy {
    /// Whether the connection comes from another machine and this host logs callers in.
    fn may_log_in(&self) -> bool {
        match self {
            Self::Known(_) | Self::Unknown => false,
            Self::Shown { credentials, .. } => credentials.may_log_in(),
        }
    }

    async fn caller(&self, headers: &HeaderMap, clock: Clock) -> Result<Caller, Problem> {
        match self {
            Self::Known(caller) => Ok(caller.clone()),
            Self::Shown {
                credentials,
                certificate,
            } => {
                let caller = credentials.caller(headers, certificate.as_ref(), clock);
                caller.await.map_err(Problem::unauthenticated)
            }
            Self::Unknown => Err(Problem::unauthenticated(Unknown::NothingShown)),
        }
    }
}

/// Which host names a request may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// Names of this machine only. A web page can point a name of its own at 127.0.0.1, so that the
    /// browser takes this interface for the page's own origin. The request then carries that name.
    Loopback,
    /// Any: no browser reaches a Unix socket.
    Any,
}

impl Door {
    pub(super) fn new(router: Router, metrics: Metrics, names: Names, guard: Guard) -> Self {
        Self {
            router,
            metrics,
            names,
            guard,
        }
    }

    /// Handles one request. A handler that panics gives a 500; the connection and the process live
    /// on.
    pub(super) async fn pass<B>(&self, mut request: Request<B>, sent_by: &SentBy) -> Response
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        if self.names == Names::Loopback
            && let Some(name) = name(request.headers(), request.uri())
            && !is_loopback(name)
        {
            return wrong_host(name).into_response();
        }
        if let Some(found) = another_site(request.headers(), request.uri()) {
            return cross_site(&found).into_response();
        }
        let Guard::Roles { audit, .. } = &self.guard else {
            return self.hand_on(request).await;
        };
        let Judged {
            caller,
            role,
            verdict,
        } = self.judge(&request, sent_by).await;
        let Some(caller) = caller else {
            return match verdict {
                Ok(_) => self.hand_on(request).await,
                Err(problem) => {
                    audit.stranger(request.extensions().get().map(|Peer(peer)| *peer));
                    problem.into_response()
                }
            };
        };
        let command = role.filter(|role| role.is_command());
        let command = command.map(|_| (request.method().clone(), request.uri().path().to_owned()));
        let response = match verdict {
            Ok(is_told) => {
                if is_told {
                    request.extensions_mut().insert(caller.clone());
                }
                self.hand_on(request).await
            }
            Err(problem) => problem.into_response(),
        };
        let status = response.status().as_u16();
        match command {
            Some((method, path)) => {
                audit.command(caller.sender().as_str(), method.as_str(), &path, status);
            }
            None => caller.note(role, Outcome::of(status)),
        }
        response
    }

    async fn hand_on<B>(&self, request: Request<B>) -> Response
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        // A router is always ready, and its clone only increments a count.
        match caught(self.router.clone().call(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(panicked) => {
                self.metrics.panicked("request");
                tracing::error!("a request handler {panicked}");
                Problem::internal("the handler failed; the host's log says how").into_response()
            }
        }
    }

    /// Finds out who sends the request, and whether it may reach its handler.
    async fn judge<B>(&self, request: &Request<B>, sent_by: &SentBy) -> Judged {
        let Guard::Roles {
            routes,
            clock,
            is_plain,
            ..
        } = &self.guard
        else {
            return Judged::of_stranger(Ok(false));
        };
        let (method, uri) = (request.method(), request.uri());
        let found = CALLERS.find(method, uri.path());
        match found {
            Ok((Takes::Nothing, _)) => return Judged::of_stranger(Ok(false)),
            Ok((Takes::Login, _)) if sent_by.may_log_in() => {
                return Judged::of_stranger(match is_plain {
                    true => Err(Problem::needs_tls("a login")),
                    false => Ok(false),
                });
            }
            _ => {}
        }
        // Who it is comes first: a stranger is not told which paths there are.
        let caller = match sent_by.caller(request.headers(), *clock).await {
            Ok(caller) => caller,
            Err(problem) => return Judged::of_stranger(Err(problem)),
        };
        let role = found.as_ref().ok().and_then(|(takes, _)| takes.role());
        let verdict = || {
            caller.count(clock.elapsed()).map_err(Problem::too_many)?;
            // A request without a line in the table never reaches the router.
            let (takes, name) = found.map_err(|_others| CALLERS.refused(method, uri))?;
            if let Some(role) = role.filter(|role| *is_plain && role.is_command()) {
                let what = format!("requests for the role `{role}`");
                return Err(Problem::needs_tls(&what));
            }
            let absent = || CALLERS.refused(method, uri);
            may(routes, &caller, takes, name, absent)
        };
        Judged {
            verdict: verdict(),
            role,
            caller: Some(caller),
        }
    }
}

/// What the door found out about a request.
struct Judged {
    /// Who sends it. `None`: a stranger, or the path takes nothing.
    caller: Option<Caller>,
    /// The role that its path takes. `None`: it takes none, or there is no such path.
    role: Option<Role>,
    /// Whether the handler is told the caller; an error keeps the request from it.
    verdict: Result<bool, Problem>,
}

impl Judged {
    fn of_stranger(verdict: Result<bool, Problem>) -> Self {
        Self {
            caller: None,
            role: None,
            verdict,
        }
    }
}

/// Checks that the caller has the role that the path takes, and returns whether the handler has to
/// know the caller. What the caller may not see is refused as if it were `absent`.
fn may(
    routes: &Routes,
    caller: &Caller,
    takes: Takes,
    name: Option<&str>,
    absent: impl Fn() -> Problem,
) -> Result<bool, Problem> {
    let (role, may) = match takes {
        Takes::Nothing => return Ok(false),
        Takes::Login | Takes::Proof | Takes::Token => return Err(absent()),
        Takes::ForWorker(role) => {
            let name = name.unwrap_or_default();
            // A name needs no escapes, so it is compared as it was sent.
            let slot = routes
                .slot(name)
                .ok_or_else(|| Problem::unknown_worker(name))?;
            let (worker, pool) = (slot.worker(), slot.pool());
            if caller.may(role, worker, pool) {
                return Ok(role == Role::Operate);
            }
            return Err(match caller.may(Role::View, worker, pool) {
                true => Problem::forbidden(caller, role, &format!("the worker {worker}")),
                false => Problem::unknown_worker(name),
            });
        }
        Takes::ForSome(role) => (role, Caller::may_for_some as fn(&Caller, Role) -> bool),
        Takes::ForAll(role) => (role, Caller::may_for_all as fn(&Caller, Role) -> bool),
    };
    match (may(caller, role), caller.may_for_some(Role::View)) {
        (true, _) => Ok(true),
        (false, true) => Err(Problem::forbidden(caller, role, "all workers")),
        (false, false) => Err(absent()),
    }
}

fn wrong_host(name: &str) -> Problem {
    let name = text::bounded(name);
    let detail = format!(
        "the request is for the host {name:?}; accepted are localhost and loopback addresses"
    );
    Problem::new(
        "wrong_host",
        "This interface is for this machine only",
        detail,
    )
}

/// Returns the header that shows that a web page of another site sent the request. `None`: no
/// header does.
///
/// A page can make the browser send a request to 127.0.0.1 under this host's own name. The page
/// cannot read the response, but the request alone may launch an instance. Every browser names the
/// site of such a request: `Sec-Fetch-Site` (Fetch Metadata) with every request, `Origin` (Fetch)
/// with every request that is not a plain `GET`. A page on another port of this machine is another
/// site too. Other programs send neither header.
fn another_site(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let text = |value: &HeaderValue| value.to_str().unwrap_or("?").to_owned();
    if let Some(site) = headers.get("sec-fetch-site").map(text)
        && !matches!(site.as_str(), "same-origin" | "none")
    {
        return Some(format!("Sec-Fetch-Site {site:?}"));
    }
    let origin = headers.get(header::ORIGIN).map(text)?;
    let authority = uri
        .authority()
        .map(|authority| authority.as_str().to_owned());
    let authority = authority.or_else(|| headers.get(header::HOST).map(text));
    let ours = origin
        .split_once("://")
        .is_some_and(|(_, from)| authority.is_some_and(|to| from.eq_ignore_ascii_case(&to)));
    (!ours).then(|| format!("Origin {origin:?}"))
}

fn cross_site(found: &str) -> Problem {
    let found = text::bounded(found);
    let detail = format!(
        "the request has {found}; accepted are requests of programs, which say nothing of a site, and of pages \
         of this interface itself"
    );
    Problem::new(
        "cross_site",
        "A web page of another site sent the request",
        detail,
    )
}

/// The host name in the request, without the port. `None`: the request has none; every browser
/// sends one.
fn name<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    if let Some(host) = uri.host() {
        return Some(host);
    }
    let host = headers.get(header::HOST)?;
    // A header that is not text is no loopback name either.
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
    use axum::body::Body;
    use axum::routing::get;

    use super::*;

    #[tokio::test]
    async fn a_handler_that_panics_is_answered_for() {
        let router = Router::new().route("/", get(async || -> &'static str { panic!("oh") }));
        let door = Door::new(router, Metrics::new(), Names::Any, Guard::Handlers);
        for _ in 0..2 {
            let response = door
                .pass(Request::new(Body::empty()), &SentBy::Unknown)
                .await;
            assert_eq!(response.status(), 500);
        }
        let counted = door.metrics.text().unwrap();
        assert!(
            counted.contains(r#"reeve_panics_total{place="request"} 2"#),
            "{counted}"
        );
    }

    #[test]
    fn requests_of_other_sites_differ_from_those_of_programs() {
        let found = |sent: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "127.0.0.1:7433".parse().unwrap());
            for (name, value) in sent {
                headers.insert(*name, value.parse().unwrap());
            }
            another_site(&headers, &Uri::from_static("/"))
        };
        let programs_and_own_pages: [&[_]; 5] = [
            &[],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "same-origin")],
            &[("origin", "http://127.0.0.1:7433")],
            &[
                ("origin", "http://127.0.0.1:7433"),
                ("sec-fetch-site", "same-origin"),
            ],
        ];
        for sent in programs_and_own_pages {
            assert_eq!(found(sent), None, "{sent:?}");
        }
        let other_sites: [&[_]; 8] = [
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "")],
            &[("origin", "http://evil.example")],
            &[("origin", "http://127.0.0.1:3000")],
            &[("origin", "http://evil.example?://127.0.0.1:7433")],
            &[("origin", "null")],
            &[
                ("origin", "http://127.0.0.1:7433"),
                ("sec-fetch-site", "cross-site"),
            ],
        ];
        for sent in other_sites {
            assert!(found(sent).is_some(), "{sent:?}");
        }
    }

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
