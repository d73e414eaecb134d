//! The interface for callers on other machines: who they are, and what they reach.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop loudly"
)]

mod common;

use std::fs;
use std::num::NonZeroU32;
use std::process::Command;

use axum::body::{Body, to_bytes};
use common::elsewhere::{Authority, Shows, token, write_secret, write_tokens};
use common::{POINTER, Stage, end, eventually};
use hyper::Request;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use reeve::access::{Access, Role, Rule, Who};
use reeve::{Host, HostOptions, RunningHost, StartError};

const RESOLVE: &str = "/v1/workers/chat/resolve";

fn rule(who: Who, roles: &[Role]) -> Rule {
    Rule {
        who: vec![who],
        roles: roles.iter().copied().collect(),
        pools: None,
        workers: None,
        per_second: None,
    }
}

fn to_resolve(name: &str) -> Rule {
    rule(Who::Token(name.to_owned()), &[Role::Resolve])
}

/// A world with a running instance, an authority, and a host's options with these tokens and rules.
fn set_up(tokens: &[&str], rules: Vec<Rule>) -> (Stage, Authority, HostOptions) {
    let stage = Stage::new();
    stage.world.add_running("i-a", "chat");
    stage.world.point(POINTER, "i-a");
    let authority = Authority::new(stage.dir.path());
    let mut options = stage.options();
    options.access = Access::new(rules);
    options.network = Some(authority.door(tokens));
    (stage, authority, options)
}

fn with_token(token: &str) -> Shows<'_> {
    Shows {
        token: Some(token),
        ..Shows::default()
    }
}

async fn status(authority: &Authority, host: &RunningHost, shows: Shows<'_>) -> u16 {
    let network = host.network_address();
    authority.ask(network, "POST", RESOLVE, shows).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_is_known_by_its_token_and_nothing_else_passes() {
    let (_stage, authority, options) = set_up(&["app", "idle"], vec![to_resolve("app")]);
    let host = Host::start(options).await.unwrap();
    let network = host.network_address();
    let good = token("app");
    let reply = authority
        .ask(network, "POST", RESOLVE, with_token(&good))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.json()["instance"], "i-a");

    let reply = authority
        .ask(network, "POST", RESOLVE, Shows::default())
        .await;
    assert_eq!(reply.status, 401);
    assert_eq!(reply.json()["code"], "unauthenticated");
    assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
    let wrong = [
        "",
        "x",
        "rct1.app.",
        "rct1.app.secret-of-appX",
        "rct1.app.secret-of-ap",
        "rct1.idle.secret-of-app",
        "rct1..secret-of-app",
        "RCT1.app.secret-of-app",
    ];
    for wrong in wrong {
        let reply = authority
            .ask(network, "POST", RESOLVE, with_token(wrong))
            .await;
        assert_eq!(reply.status, 401, "{wrong:?}: {}", reply.body);
        assert!(!reply.body.contains("secret"), "{}", reply.body);
    }
    // A stranger is not told which paths there are, and a token never counts in a URL.
    let in_url = format!("{RESOLVE}?access_token={good}");
    for path in ["/v1/workers/ghost/resolve", "/nowhere", &in_url] {
        let reply = authority.ask(network, "POST", path, Shows::default()).await;
        assert_eq!(reply.status, 401, "{path}");
    }
    let reply = authority
        .ask(network, "GET", "/healthz", Shows::default())
        .await;
    assert_eq!(reply.status, 200);
    // A token without a rule may do nothing.
    assert_eq!(
        status(&authority, &host, with_token(&token("idle"))).await,
        404
    );
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_run_at_once_over_http_2() {
    let (_stage, authority, options) = set_up(&["app"], vec![to_resolve("app")]);
    let host = Host::start(options).await.unwrap();
    let address = host.network_address().unwrap();
    let stream = authority
        .connect(address, "h2", Shows::default())
        .await
        .unwrap();
    let (sender, driver) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    let driver = tokio::spawn(driver);
    let ask = |token: String| {
        let mut sender = sender.clone();
        async move {
            let request = Request::post(format!("https://localhost{RESOLVE}"))
                .header("authorization", format!("Bearer {token}"))
                .body(Body::empty())
                .unwrap();
            let response = sender.send_request(request).await.unwrap();
            let status = response.status().as_u16();
            let body = to_bytes(Body::new(response.into_body()), 1 << 20)
                .await
                .unwrap();
            (status, String::from_utf8(body.to_vec()).unwrap())
        }
    };
    let (good, bad) = tokio::join!(ask(token("app")), ask(token("other")));
    assert_eq!(good.0, 200, "{}", good.1);
    assert_eq!(bad.0, 401, "{}", bad.1);
    drop(sender);
    end(host).await;
    driver.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_is_known_by_the_certificate_of_its_connection() {
    let build = Who::Certificate("build.example.*".parse().unwrap());
    let rules = vec![rule(build, &[Role::Resolve]), to_resolve("app")];
    let (stage, authority, options) = set_up(&["app"], rules);
    let host = Host::start(options).await.unwrap();
    let build = authority.sign("build.example.org");
    let other = authority.sign("other.example.org");
    let showing = |certificate, token| Shows { token, certificate };
    assert_eq!(
        status(&authority, &host, showing(Some(&build), None)).await,
        200
    );
    assert_eq!(
        status(&authority, &host, showing(Some(&other), None)).await,
        404
    );
    // The token decides where both are shown.
    let app = token("app");
    assert_eq!(
        status(&authority, &host, showing(Some(&other), Some(&app))).await,
        200
    );
    assert_eq!(
        status(&authority, &host, showing(Some(&build), Some("x"))).await,
        401
    );

    // A certificate of another authority ends the connection.
    let elsewhere = stage.dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let forged = Authority::new(&elsewhere).sign("build.example.org");
    let address = host.network_address().unwrap();
    let connected = authority
        .connect(address, "http/1.1", showing(Some(&forged), None))
        .await;
    if let Ok(mut stream) = connected {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let asked = stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            .await;
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes).await;
        assert!(
            asked.is_err() || read.is_err() || bytes.is_empty(),
            "{bytes:?}"
        );
    }
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_and_a_renewed_certificate_count_without_a_restart() {
    let (stage, authority, options) =
        set_up(&["app", "old"], vec![to_resolve("app"), to_resolve("old")]);
    let host = Host::start(options).await.unwrap();
    let address = host.network_address().unwrap();
    let served = async || {
        let stream = authority
            .connect(address, "http/1.1", Shows::default())
            .await
            .unwrap();
        let (_, session) = stream.get_ref();
        session.peer_certificates().unwrap()[0].clone()
    };
    let (app, old) = (token("app"), token("old"));
    assert_eq!(status(&authority, &host, with_token(&old)).await, 200);
    let first = served().await;

    write_tokens(&stage.dir.path().join("tokens.json"), &["app"]);
    authority.renew();
    eventually("the changed files are in force", async || {
        let is_refused = status(&authority, &host, with_token(&old)).await == 401;
        (is_refused && served().await != first).then_some(())
    })
    .await;
    assert_eq!(status(&authority, &host, with_token(&app)).await, 200);

    // Files that cannot be used leave the last good ones in force.
    let second = served().await;
    fs::write(stage.dir.path().join("host.pem"), "no certificate").unwrap();
    fs::write(stage.dir.path().join("tokens.json"), "{").unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(served().await, second);
    assert_eq!(status(&authority, &host, with_token(&app)).await, 200);
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_without_tls_takes_no_commands() {
    let everything = rule(Who::Token("app".to_owned()), &Role::ALL);
    let (_stage, _authority, mut options) = set_up(&["app"], vec![everything]);
    options.network.as_mut().unwrap().tls = None;
    let host = Host::start(options).await.unwrap();
    let token = token("app");
    for (path, expected) in [
        (RESOLVE, 200),
        ("/v1/workers/chat/pause", 403),
        ("/v1/policies/reload", 403),
    ] {
        let reply = common::http::post(host.network_address(), path, Some(&token), "").await;
        assert_eq!(reply.status, expected, "{path}: {}", reply.body);
        if expected == 403 {
            assert_eq!(reply.json()["code"], "needs_tls");
        }
    }
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_sends_too_much_waits_and_no_other_does() {
    let slow = Rule {
        per_second: NonZeroU32::new(3),
        ..to_resolve("slow")
    };
    let (_stage, authority, options) = set_up(&["app", "slow"], vec![slow, to_resolve("app")]);
    let host = Host::start(options).await.unwrap();
    let (app, slow) = (token("app"), token("slow"));
    let mut refused = 0;
    for _ in 0..12 {
        let network = host.network_address();
        let reply = authority
            .ask(network, "POST", RESOLVE, with_token(&slow))
            .await;
        if reply.status == 429 {
            assert_eq!(reply.header("retry-after"), Some("1"));
            refused += 1;
        }
        assert_eq!(status(&authority, &host, with_token(&app)).await, 200);
    }
    assert!(refused > 0);
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_on_another_machine_has_the_same_commands() {
    let operator = rule(Who::Token("ops".to_owned()), &[Role::View, Role::Operate]);
    let (stage, authority, options) = set_up(&["app", "ops"], vec![operator, to_resolve("app")]);
    let host = Host::start(options).await.unwrap();
    let url = format!(
        "https://localhost:{}",
        host.network_address().unwrap().port()
    );
    let authority = authority.files().client_authorities.unwrap();
    let run = |token: &str, command: &[&str]| {
        let file = stage.dir.path().join(format!("{token}.token"));
        write_secret(&file, &(common::elsewhere::token(token) + "\n"));
        let output = Command::new(env!("CARGO_BIN_EXE_reeve"))
            .args(command)
            .args(["--url", &url, "--token-file"])
            .arg(file)
            .arg("--authority")
            .arg(&authority)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    };
    let (done, said) = run(
        "ops",
        &["worker", "pause", "chat", "--reason", "a disk copy"],
    );
    assert!(done, "{said}");
    let (done, said) = run("ops", &["worker", "show", "chat"]);
    assert!(done && said.contains("the token ops"), "{said}");
    let (done, said) = run("app", &["worker", "resume", "chat"]);
    assert!(!done && said.contains("unknown_worker"), "{said}");
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_says_who_asked_for_what_and_what_came_of_it() {
    let operator = rule(Who::Token("ops".to_owned()), &[Role::View, Role::Operate]);
    let (stage, authority, options) = set_up(&["app", "ops"], vec![operator, to_resolve("app")]);
    let host = Host::start(options).await.unwrap();
    let network = host.network_address();
    let ask = async |path: &str, token: &str| {
        let reply = authority
            .ask(network, "POST", path, with_token(token))
            .await;
        reply.status
    };
    let (app, ops) = (token("app"), token("ops"));
    let pause = "/v1/workers/chat/pause?x=secret-in-a-query";
    for _ in 0..5 {
        assert_eq!(ask(RESOLVE, &app).await, 200);
        assert_eq!(ask(RESOLVE, "made up").await, 401);
    }
    assert_eq!(ask(pause, &ops).await, 200);
    assert_eq!(ask(pause, &app).await, 404);
    end(host).await;
    let log = stage.state_dir().join("audit-00000001.jsonl");
    let text = fs::read_to_string(log).unwrap();
    for part in [
        r#""command":{"from":"the token ops","method":"POST","path":"/v1/workers/chat/pause","status":200}"#,
        r#""command":{"from":"the token app","method":"POST","path":"/v1/workers/chat/pause","status":404}"#,
        r#""requests":{"from":"the token app","role":"resolve","outcome":"done","count":5}"#,
        r#""strangers":{"peer":"127.0.0.1","count":5}"#,
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_others_may_read_keeps_the_host_from_starting() {
    use std::os::unix::fs::PermissionsExt as _;
    let (stage, _authority, options) = set_up(&[], Vec::new());
    let key = stage.dir.path().join("host.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let error = Host::start(options).await.err().unwrap();
    assert!(matches!(error, StartError::Tls(_)));
    assert!(error.to_string().contains("chmod 600"), "{error}");
}
