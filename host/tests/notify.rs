//! Tests that a host sends notices to webhooks, and `reeve notify test`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop loudly"
)]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use common::hook::{Hook, OK, SECRET};
use common::{Stage, end, get};
use reeve::config::Config;
use reeve::{Host, RunningHost, Webhooks};
use tempfile::TempDir;

/// A minimal configuration with one webhook.
fn config(notify: &str) -> String {
    format!(
        "[host]\nfleet = \"test\"\nstate_dir = \"state\"\n[policies]\ndir = \"policies\"\n\
         [pool.gpu]\nregion = \"us-east-1\"\nport = 8080\n\
         [worker.chat]\npool = \"gpu\"\npointer = \"/chat/id\"\n{notify}"
    )
}

/// A host with this webhook, whose worker must be launched.
async fn start(stage: &Stage, notify: &str) -> RunningHost {
    let config = Config::parse(Path::new("reeve.toml"), &config(notify)).unwrap();
    let mut options = stage.options();
    options.webhooks = Webhooks::open(&config.notify).unwrap();
    Host::start(options).await.unwrap()
}

/// Runs the program while the webhook runs on this runtime.
async fn reeve(args: &[&str], trusted: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reeve"));
    command
        .args(args)
        .env("SSL_CERT_FILE", trusted)
        .env_remove("SSL_CERT_DIR");
    let output = tokio::task::spawn_blocking(move || command.output());
    output.await.unwrap().unwrap()
}

fn tls_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/tls")
        .join(name)
}

fn written(notify: &str) -> (TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("reeve.toml");
    std::fs::write(&path, config(notify)).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (dir, path)
}

/// The output of `reeve notify test` on both streams, and whether it succeeded. Checks that the
/// output does not contain the address.
async fn tried(config: &str, name: &str, trusted: &Path) -> (bool, String) {
    let output = reeve(&["notify", "test", "--config", config, name], trusted).await;
    let texts = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(texts).unwrap();
    assert!(!text.contains(SECRET), "{text}");
    (output.status.success(), text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_is_sent_only_to_the_webhook_that_wants_it() {
    let hook = Hook::start(&[OK]).await;
    let stage = Stage::new();
    let notify = format!(
        "[notify.ops]\nurl = \"{}\"\nformat = \"json\"\nlevel = \"error\"\nsteps = [\"instance_launched\"]\n\
         template = \"{{worker}} of {{fleet}}\"\n[notify.quiet]\nurl = \"{}\"\nformat = \"slack\"\nlevel = \"error\"\n",
        hook.url, hook.url
    );
    let host = start(&stage, &notify).await;
    let reply = get(&host, "/v1/workers/chat/resolve?wait=30s").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let received = hook.wait_for(1).await;
    assert_eq!(received.len(), 1, "{received:?}");
    let told = &received[0];
    assert_eq!(told["step"], "instance_launched");
    assert_eq!(told["message"], "chat of test");
    assert_eq!(told["level"], "info");
    let metrics = get(&host, "/metrics").await.body;
    let counted = |webhook: &str, count: u64| {
        let line =
            format!("reeve_notifications_total{{webhook=\"{webhook}\",result=\"sent\"}} {count}");
        assert!(metrics.contains(&line), "{line} is not in {metrics}");
    };
    counted("quiet", 0);
    assert!(!metrics.contains(SECRET));
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_webhook_delays_no_caller_and_no_shutdown() {
    let hook = Hook::start(&[None]).await;
    let stage = Stage::new();
    let notify = format!(
        "[notify.ops]\nurl = \"{}\"\nformat = \"discord\"\nlevel = \"info\"\n",
        hook.url
    );
    let host = start(&stage, &notify).await;
    let asked = Instant::now();
    let reply = get(&host, "/v1/workers/chat/resolve?wait=30s").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    hook.wait_for(1).await;
    assert!(
        asked.elapsed() < Duration::from_secs(8),
        "{:?}",
        asked.elapsed()
    );
    let ending = Instant::now();
    end(host).await;
    assert!(
        ending.elapsed() < Duration::from_secs(9),
        "{:?}",
        ending.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_tried_over_https_and_what_came_back_is_said() {
    let hook = Hook::start_tls(&[OK, Some("404 Not Found\r\n")]).await;
    let (_dir, config) = written(&format!(
        "[notify.ops]\nurl = \"{}\"\nformat = \"slack\"\n",
        hook.url
    ));
    let authority = tls_file("authority.pem");
    let taken = tried(&config, "ops", &authority).await;
    assert_eq!(taken, (true, "ops: it took the message (200)\n".to_owned()));
    let text = hook.received()[0]["text"].as_str().unwrap().to_owned();
    assert!(
        text.starts_with("[info] test/* notification_test: this is a test"),
        "{text}"
    );
    let gone = tried(&config, "ops", &authority).await;
    assert_eq!(gone, (false, "ops: it answered 404\n".to_owned()));
    let unknown = tried(&config, "opps", &authority).await;
    assert_eq!(
        unknown,
        (
            false,
            "error: there is no webhook \"opps\"; accepted: ops\n".to_owned()
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_the_system_does_not_trust_is_not_spoken_to() {
    let hook = Hook::start_tls(&[OK]).await;
    let by_address = hook.url.replace("localhost", "127.0.0.1");
    let in_plain = hook.url.replace("https", "http");
    let (_dir, config) = written(&format!(
        "[notify.ops]\nurl = \"{}\"\nformat = \"slack\"\n[notify.other]\nurl = \"{by_address}\"\nformat = \"slack\"\n\
         [notify.plain]\nurl = \"{in_plain}\"\nformat = \"slack\"\n",
        hook.url
    ));
    let authority = tls_file("authority.pem");
    let cases = [
        (
            "ops",
            "server.pem",
            "ops: this system does not trust the issuer of its certificate\n",
        ),
        (
            "ops",
            "server.key",
            "error: webhooks cannot be reached over HTTPS: this system has no trusted certificates",
        ),
        (
            "other",
            "authority.pem",
            "other: its certificate is for another name\n",
        ),
    ];
    for (name, trusted, expected) in cases {
        let (took, text) = tried(&config, name, &tls_file(trusted)).await;
        assert!(
            !took && text.starts_with(expected),
            "{name} {trusted}: {text}"
        );
    }
    let (took, text) = tried(&config, "plain", &authority).await;
    assert!(!took && text.starts_with("plain: "), "{text}");
    assert!(hook.received().is_empty(), "no message was sent");
}

#[test]
fn a_refusal_of_a_webhook_says_what_is_accepted_without_its_address() {
    let url = format!("https://hooks.example/{SECRET}");
    let good = format!("[notify.ops]\nurl = \"{url}\"\nformat = \"slack\"\n");
    assert!(Config::parse(Path::new("reeve.toml"), &config(&good)).is_ok());
    let change = |from: &str, to: &str| good.replace(from, to);
    let cases = [
        (
            change("slack", "slak"),
            "14:10: found \"slak\"; accepted: `slack`, `discord`, `json`",
        ),
        (
            change("https", "htps"),
            "13:7: `url` cannot be used: accepted: https://HOST/PATH",
        ),
        (
            change("url = ", "url_file = \"x\"\nurl = "),
            "12:9: [notify.ops] has `url` and `url_file`; accepted: either",
        ),
        (
            "[notify.ops]\nformat = \"json\"\n".to_owned(),
            "12:9: [notify.ops] has no address; accepted: either `url`",
        ),
        (
            format!("{good}level = \"loud\"\n"),
            "15:9: found \"loud\"; accepted: `info`, `warning`, `error`",
        ),
        (
            format!("{good}steps = [\"reaped\"]\n"),
            "15:10: found \"reaped\"; accepted: `instance_unusable`,",
        ),
        (
            format!("{good}workers = [\"caht\"]\n"),
            "15:12: there is no worker \"caht\"; accepted: \"chat\"",
        ),
        (
            format!("{good}pools = [\"cpu\"]\n"),
            "15:10: there is no pool \"cpu\"; accepted: \"gpu\"",
        ),
        (
            format!("{good}template = \"{{wroker}}\"\n"),
            "15:12: unknown placeholder `{wroker}`; accepted: {worker}, {step}",
        ),
        (
            format!("{good}per_minute_max = 0\n"),
            "15:18: found 0; accepted: 1 to 600",
        ),
        (change("\"https", "https"), "13:7: "),
        (change(&format!("{SECRET}\""), SECRET), "13:"),
        (
            format!("{good}typo = 1\n"),
            "15:1: unknown key `typo` in [notify.ops]; accepted: `url_file`, `url`",
        ),
    ];
    for (notify, expected) in cases {
        let error = Config::parse(Path::new("reeve.toml"), &config(&notify)).expect_err(&notify);
        let error = error.to_string();
        assert!(
            error.starts_with(&format!("reeve.toml:{expected}")),
            "{error}"
        );
        assert!(
            !error.contains(SECRET) && !error.contains("hooks.example"),
            "{error}"
        );
    }
}

#[test]
fn a_configuration_with_webhooks_is_shown_without_their_addresses() {
    let notify = format!(
        "[notify.ops]\nurl = \"https://hooks.example/{SECRET}\"\nformat = \"slack\"\npools = [\"gpu\"]\n"
    );
    let config = Config::parse(Path::new("reeve.toml"), &config(&notify)).unwrap();
    let shown = format!("{config:?}");
    assert!(
        shown.contains("ops") && !shown.contains(SECRET) && !shown.contains("hooks.example"),
        "{shown}"
    );
    let workers = config.notify[0].filter.workers.as_ref().unwrap();
    assert!(
        workers.contains(&"chat".into()),
        "a pool stands for its workers"
    );
}
