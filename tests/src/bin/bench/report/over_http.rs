//! The figures of a resolve over HTTP, with and without TLS.

use super::Line;
use crate::http::Http;
use crate::load::Load;
use crate::tls::OverTls;

pub(super) fn of_http(http: &Http) -> Vec<Line> {
    let Http { resolve, constant } = http;
    let line =
        |key: Option<&str>, name: &str, value: f64, unit: &'static str, compared: String| Line {
            key: key.map(str::to_owned),
            name: name.to_owned(),
            value,
            unit,
            compared,
        };
    let share = format!(
        "{:.0} % of the constant",
        100.0 * resolve.per_s / constant.per_s
    );
    let p50 = format!("{:.2} x the constant", resolve.p50_us / constant.p50_us);
    let p99 = format!("{:.2} x the constant", resolve.p99_us / constant.p99_us);
    let none = String::new;
    vec![
        line(
            Some("resolve_http_per_s"),
            "resolve over HTTP",
            resolve.per_s,
            "/s",
            share,
        ),
        line(None, "resolve over HTTP, p50", resolve.p50_us, "us", p50),
        line(
            Some("resolve_http_p99_us"),
            "resolve over HTTP, p99",
            resolve.p99_us,
            "us",
            p99,
        ),
        line(
            Some("constant_http_per_s"),
            "constant over HTTP",
            constant.per_s,
            "/s",
            none(),
        ),
        line(
            None,
            "constant over HTTP, p50",
            constant.p50_us,
            "us",
            none(),
        ),
        line(
            Some("constant_http_p99_us"),
            "constant over HTTP, p99",
            constant.p99_us,
            "us",
            none(),
        ),
    ]
}

pub(super) fn of_tls(over_tls: &OverTls) -> Vec<Line> {
    let constant = over_tls.constant.per_s;
    let share = |load: &Load| format!("{:.0} % of the constant", 100.0 * load.per_s / constant);
    let of = |key: &str, name: &str, load: &Load, compared: String| {
        Line::keyed(key, name, load.per_s, "/s", compared)
    };
    let OverTls {
        by_token,
        by_session,
        constant,
    } = over_tls;
    vec![
        of(
            "resolve_tls_token_per_s",
            "resolve over TLS, by a token",
            by_token,
            share(by_token),
        ),
        of(
            "resolve_tls_session_per_s",
            "resolve over TLS, by a session",
            by_session,
            share(by_session),
        ),
        of(
            "constant_tls_per_s",
            "constant over TLS",
            constant,
            String::new(),
        ),
    ]
}
