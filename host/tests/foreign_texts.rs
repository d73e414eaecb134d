//! Tests that a text from outside shows in responses and on a terminal, and does nothing else there.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop loudly"
)]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::http::{self, Reply};
use common::{POINTER, Stage, end, get};
use reeve_core::text::{TEXT_BYTES_MAX, is_unsafe};
use reeve_core::{decision, journal, point};
use serde_json::json;

/// Clears a screen, begins a line of its own and turns the direction of writing.
const HOSTILE: &str = "a\u{1b}[2J\n2026 INFO all is well\u{202e}";
const HARMLESS: &str = r"a\u001b[2J\n2026 INFO all is well\u202e";

/// The texts of the largest response: the host's own words, and one text of a request.
const DETAIL_BYTES_MAX: usize = TEXT_BYTES_MAX + 1024;

fn assert_harmless(reply: &Reply) {
    let body = reply.body.strip_suffix('\n').unwrap_or(&reply.body);
    assert!(!body.contains(is_unsafe), "{body:?}");
    let json = reply.json();
    let detail = json["detail"].as_str().unwrap();
    assert!(detail.len() <= DETAIL_BYTES_MAX, "{} bytes", detail.len());
}

/// The text with every byte as in a path.
fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_is_repeated_escaped_and_cut() {
    let host = Stage::new().start().await;
    for name in [
        percent_encoded(HOSTILE),
        "%ff%fe".to_owned(),
        "x".repeat(6000),
    ] {
        for path in ["/v1/workers/NAME", "/v1/workers/NAME/resolve", "/NAME"] {
            let reply = get(&host, &path.replace("NAME", &name)).await;
            assert!((400..500).contains(&reply.status), "{}", reply.body);
            assert_harmless(&reply);
        }
    }
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_repeated_escaped_and_cut() {
    let host = Stage::new().start().await;
    let long = "x".repeat(3000);
    for text in [HOSTILE, &long] {
        let bodies = [
            ("restart", json!({ "cause": text })),
            (
                "restart",
                json!({ "cause": "a", "text": format!("{text}\u{202e}") }),
            ),
            ("restart", json!({ text: 1 })),
            ("pause", json!({ "reason": text })),
            ("adopt", json!({ "instance": text })),
            ("unreachable", json!({ "instance": text })),
            ("delivered", json!({ "instance": text })),
        ];
        for (path, body) in bodies {
            let path = format!("/v1/workers/chat/{path}");
            let reply = http::post(host.address(), &path, None, &body.to_string()).await;
            assert_eq!(reply.status, 400, "{path} {body}: {}", reply.body);
            assert_harmless(&reply);
        }
    }
    end(host).await;
}

#[test]
fn a_body_of_any_bytes_is_refused_in_a_short_harmless_text() {
    let hostile = format!("{{\"{HOSTILE}\": \"{}\"}}", "\u{202e}".repeat(1 << 20));
    for bytes in [&b"\xff\xfe"[..], b"[", b"{}", hostile.as_bytes()] {
        let refusals = reeve::fuzzing::bodies(bytes);
        assert!(refusals.len() > 3, "{refusals:?}");
        for text in refusals {
            let text = text.trim_end();
            assert!(
                text.len() < DETAIL_BYTES_MAX && !text.contains(is_unsafe),
                "{text:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_utf_8_is_refused() {
    use tokio::io::AsyncWriteExt as _;
    let host = Stage::new().start().await;
    let mut stream = tokio::net::TcpStream::connect(host.address().unwrap())
        .await
        .unwrap();
    let body = b"{\"reason\": \"\xff\xc0\x9b\"}";
    let head = format!(
        "POST /v1/workers/chat/pause HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream
        .write_all(&[head.as_bytes(), body].concat())
        .await
        .unwrap();
    let reply = http::read(stream).await;
    assert_eq!(reply.status, 400, "{}", reply.body);
    assert_harmless(&reply);
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_and_the_journal_s_file_escape_what_the_cloud_says() {
    let stage = Stage::new();
    stage.world.add_running(HOSTILE, "chat");
    stage.world.point(POINTER, HOSTILE);
    let host = stage.start().await;
    let resolved = get(&host, "/v1/workers/chat/resolve").await;
    assert_eq!(resolved.status, 200, "{}", resolved.body);
    assert_eq!(resolved.json()["instance"], HOSTILE);
    let status = get(&host, "/v1/workers").await;
    assert_eq!(status.json()["workers"][0]["adopted"], HOSTILE);
    for body in [&resolved.body, &status.body] {
        assert!(!body.trim_end().contains(is_unsafe), "{body:?}");
    }
    end(host).await;
    let journal = stage.journal();
    assert!(journal.contains(HARMLESS), "{journal}");
    assert!(!journal.lines().any(|line| line.contains(is_unsafe)));
}

/// An entry about a decision whose policy gave this reason.
fn decided(text: &str) -> journal::Entry {
    let input = point::Input::neutral(point::Point::RetryIp).unwrap();
    let failure = decision::PolicyFailure {
        code: "refused".to_owned(),
        text: text.to_owned(),
    };
    let made = decision::Decision {
        policy: None,
        digest: None,
        settings: None,
        input,
        result: Err(failure),
        fuel_used: 0,
    };
    journal::Entry {
        format: journal::FORMAT,
        at: reeve_core::time::Instant::from_ms(0),
        worker: "chat".into(),
        pool: "gpu".into(),
        decision: Default::default(),
        from: None,
        content: journal::Content::Decided(Box::new(made)),
    }
}

fn reeve_journal(config: &Path, more: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reeve"));
    command.args(["journal", "--config"]).arg(config).args(more);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Another version of reeve, or another program, may have written the line.
#[test]
fn reeve_journal_prints_one_line_for_an_entry_with_any_text() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("reeve.toml");
    let text = "[host]\nfleet = \"test\"\nstate_dir = \"state\"\n[policies]\ndir = \"policies\"\n\
                [pool.gpu]\nregion = \"us-east-1\"\nport = 8080\n\
                [worker.chat]\npool = \"gpu\"\npointer = \"/chat/id\"\n";
    fs::write(&config, text).unwrap();
    fs::create_dir(dir.path().join("state")).unwrap();
    let entry = serde_json::to_string(&decided(HOSTILE)).unwrap();
    fs::write(
        dir.path().join("state/journal-00000001.jsonl"),
        entry + "\n",
    )
    .unwrap();

    for more in [&[][..], &["--json"]] {
        let printed = reeve_journal(&config, more);
        assert_eq!(printed.lines().count(), 1, "{printed:?}");
        assert!(printed.contains(HARMLESS), "{printed:?}");
        assert!(!printed.trim_end().contains(is_unsafe), "{printed:?}");
    }
}
