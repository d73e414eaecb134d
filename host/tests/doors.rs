//! Who may do what, path by path and door by door.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop loudly"
)]

mod common;

use common::elsewhere::{Authority, Shows, token};
use common::{POINTER, Stage, end, http};
use http::Reply;
use reeve::access::{Access, Role, Rule, Who};
use reeve::{Host, RunningHost};
use reeve_core::id::PoolName;

/// Every path, and the role that it takes.
const PATHS: [(&str, &str, Option<Role>); 19] = [
    ("GET", "/v1/workers/chat/resolve", Some(Role::Resolve)),
    ("POST", "/v1/workers/chat/resolve", Some(Role::Resolve)),
    ("POST", "/v1/workers/chat/unreachable", Some(Role::Resolve)),
    ("GET", "/v1/workers", Some(Role::View)),
    ("GET", "/v1/workers/chat", Some(Role::View)),
    ("POST", "/v1/workers/chat/delivered", Some(Role::Report)),
    ("POST", "/v1/workers/chat/processed", Some(Role::Report)),
    ("POST", "/v1/workers/chat/busy", Some(Role::Report)),
    ("POST", "/v1/workers/chat/restart", Some(Role::Operate)),
    ("POST", "/v1/workers/chat/pause", Some(Role::Operate)),
    ("POST", "/v1/workers/chat/resume", Some(Role::Operate)),
    ("POST", "/v1/workers/chat/forget", Some(Role::Operate)),
    ("POST", "/v1/workers/chat/adopt", Some(Role::Operate)),
    ("GET", "/v1/policies", Some(Role::View)),
    ("POST", "/v1/policies/reload", Some(Role::Deliver)),
    ("GET", "/v1/openapi.json", Some(Role::View)),
    ("GET", "/healthz", None),
    ("GET", "/readyz", Some(Role::View)),
    ("GET", "/metrics", Some(Role::View)),
];

fn own() -> Who {
    Who::Uid(rustix::process::geteuid().as_raw())
}

/// These roles at all doors.
fn with(roles: &[Role]) -> Rule {
    Rule {
        who: vec![Who::Loopback, own(), Who::Token("app".to_owned())],
        roles: roles.iter().copied().collect(),
        pools: None,
        workers: None,
        per_second: None,
    }
}

async fn start(stage: &Doors, rules: Vec<Rule>) -> RunningHost {
    let mut options = stage.options();
    options.socket = Some(stage.socket());
    options.access = Access::new(rules);
    options.network = Some(stage.authority.door(&["app"]));
    Host::start(options).await.unwrap()
}

/// A world, and the authority of its host's certificate.
struct Doors {
    stage: Stage,
    authority: Authority,
}

impl std::ops::Deref for Doors {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

/// Asks at all doors: loopback, socket, network.
async fn ask(stage: &Doors, host: &RunningHost, method: &str, path: &str) -> [Reply; 3] {
    let token = token("app");
    let shows = Shows {
        token: Some(&token),
        ..Shows::default()
    };
    let network = host.network_address();
    [
        http::tcp(host.address(), method, path, "localhost").await,
        http::unix(&stage.socket(), method, path).await,
        stage.authority.ask(network, method, path, shows).await,
    ]
}

fn steady() -> Doors {
    let stage = Stage::new();
    stage.world.add_running("i-a", "chat");
    stage.world.point(POINTER, "i-a");
    let authority = Authority::new(stage.dir.path());
    Doors { stage, authority }
}

/// How the door refuses; `None`: the request passed it.
fn refusal(reply: &Reply) -> Option<&'static str> {
    let body: serde_json::Value = serde_json::from_str(&reply.body).unwrap_or_default();
    match (reply.status, body["code"].as_str()) {
        (403, Some("forbidden")) => Some("forbidden"),
        (404, Some("unknown_worker" | "not_found")) => Some("hidden"),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_path_takes_its_role_at_each_door_and_no_other_does() {
    for role in Role::ALL {
        let stage = steady();
        let host = start(&stage, vec![with(&[role])]).await;
        for (method, path, takes) in PATHS {
            let expected = match takes {
                Some(takes) if takes != role && role == Role::View => Some("forbidden"),
                Some(takes) if takes != role => Some("hidden"),
                _ => None,
            };
            for reply in ask(&stage, &host, method, path).await {
                assert_eq!(
                    refusal(&reply),
                    expected,
                    "{role}: {method} {path}: {}",
                    reply.body
                );
            }
        }
        end(host).await;
    }
}

#[test]
fn the_documentation_names_the_role_of_each_path() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/http-api.md");
    let page = std::fs::read_to_string(page).unwrap();
    for (method, path, takes) in PATHS {
        let path = path.replace("/chat", "/{name}");
        let mut lines = page.lines().filter_map(|line| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            Some((*cells.get(1)?, *cells.get(2)?))
        });
        let row = lines
            .find(|(request, _)| request.contains(method) && request.contains(&format!("{path}`")));
        let (_, role) = row.unwrap_or_else(|| panic!("{method} {path} is not in the table"));
        let expected = takes.map_or("none".to_owned(), |role| format!("`{role}`"));
        assert!(role.starts_with(&expected), "{method} {path}: {role}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_on_loopback_give_no_commands_unless_a_rule_lets_them() {
    let stage = steady();
    let host = start(&stage, Vec::new()).await;
    let pause = "/v1/workers/chat/pause";
    let [tcp, socket, network] = ask(&stage, &host, "POST", pause).await;
    assert_eq!(network.status, 404, "no rule is for it: {}", network.body);
    assert_eq!(tcp.status, 403, "{}", tcp.body);
    let detail = tcp.json()["detail"].to_string();
    assert!(
        detail.contains("lacks the role `operate` for the worker chat; the Unix socket"),
        "{detail}"
    );
    assert_eq!(socket.status, 200, "{}", socket.body);
    let [tcp, ..] = ask(&stage, &host, "GET", "/v1/workers/chat").await;
    assert_eq!(tcp.status, 200);
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_may_not_see_looks_like_what_is_not_there() {
    let stage = steady();
    let mut of_others = with(&Role::ALL);
    of_others.workers = Some(vec!["batch-*".parse().unwrap()]);
    of_others.pools = Some([PoolName::from("cpu")].into());
    let host = start(&stage, vec![of_others]).await;
    for path in ["resolve", "status", "restart", "unreachable"] {
        let at = |worker: &str| match path {
            "status" => ("GET", format!("/v1/workers/{worker}")),
            _ => ("POST", format!("/v1/workers/{worker}/{path}")),
        };
        let ((method, there), (_, not_there)) = (at("chat"), at("ghost"));
        let hidden = ask(&stage, &host, method, &there).await;
        let missing = ask(&stage, &host, method, &not_there).await;
        for (hidden, missing) in hidden.iter().zip(&missing) {
            assert_eq!((hidden.status, missing.status), (404, 404), "{there}");
            assert_eq!(hidden.body.replace("chat", "ghost"), missing.body);
        }
    }
    // An escape is no way around a pattern.
    let [escaped, ..] = ask(&stage, &host, "GET", "/v1/workers/ch%61t/resolve").await;
    assert_eq!(escaped.status, 404);
    for path in ["/v1/workers", "/v1/policies"] {
        for reply in ask(&stage, &host, "GET", path).await {
            let name = path.rsplit('/').next().unwrap();
            assert_eq!(reply.json()[name].as_array().unwrap().len(), 0, "{path}");
        }
    }
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_table_lacks_reaches_no_handler() {
    let stage = steady();
    let host = start(&stage, vec![with(&Role::ALL)]).await;
    for (method, path, status, allow) in [
        ("PUT", "/v1/workers/chat", 405, Some("GET")),
        (
            "OPTIONS",
            "/v1/workers/chat/resolve",
            405,
            Some("POST, GET"),
        ),
        ("GET", "/v1/workers/chat/", 404, None),
        ("POST", "//v1/workers/chat/pause", 404, None),
        ("POST", "/v1/workers//pause", 404, None),
        ("POST", "/v1/workers/chat/%70ause", 404, None),
        ("HEAD", "/v1/workers/chat", 200, None),
    ] {
        for reply in ask(&stage, &host, method, path).await {
            assert_eq!(reply.status, status, "{method} {path}: {}", reply.body);
            assert_eq!(reply.header("allow"), allow, "{method} {path}");
        }
    }
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_may_listen_on_its_socket_only() {
    let stage = steady();
    let mut options = stage.options();
    options.listen = None;
    options.socket = Some(stage.socket());
    let host = Host::start(options).await.unwrap();
    assert_eq!(host.address(), None);
    let reply = http::unix(&stage.socket(), "POST", "/v1/workers/chat/resolve").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    end(host).await;
}
