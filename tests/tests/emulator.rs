//! `reeve serve` against an AWS emulator, used as a new user would: a real process, real HTTP on
//! both sides.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot set up its world should stop loudly"
)]

use std::thread;
use std::time::{Duration, Instant};

use reeve_tests::emulator::Emulator;
use reeve_tests::process::Reeve;
use reeve_tests::scene::{CREDENTIALS, NAME, POINTER, RESOLVE, configuration, serve};
use serde_json::Value;

#[track_caller]
fn text<'a>(body: &'a Value, key: &str) -> &'a str {
    let value = body.get(key).and_then(Value::as_str);
    value.unwrap_or_else(|| panic!("no text {key:?} in {body}"))
}

#[test]
fn a_stale_pointer_resolves_at_once_and_starts_nothing() {
    let emulator = Emulator::start();
    let stopped = emulator.launch(NAME);
    emulator.stop(&stopped);
    let running = emulator.launch(NAME);
    emulator.put_parameter(POINTER, &stopped);
    emulator.record();

    let reeve = serve(&emulator);
    let reply = reeve.get(RESOLVE);
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(text(&reply.body, "instance"), running);
    let url = text(&reply.body, "url");
    assert!(
        url.starts_with("http://10.") && url.ends_with(":8000"),
        "{url}"
    );
    assert!(reply.body.get("decision").is_some_and(Value::is_u64));

    reeve.until("the pointer names the running instance", |_| {
        emulator.parameter(POINTER) == running
    });
    assert_eq!(emulator.state(&stopped), "stopped");
    let calls = emulator.recorded();
    assert!(
        calls.iter().any(|call| call.contains("DescribeInstances")),
        "{calls:#?}"
    );
    for mutation in [
        "StartInstances",
        "RunInstances",
        "StopInstances",
        "TerminateInstances",
    ] {
        assert!(
            !calls.iter().any(|call| call.contains(mutation)),
            "{calls:#?}"
        );
    }
    let steady = calls.len();
    for _ in 0..50 {
        assert_eq!(reeve.get(RESOLVE).status, 200);
    }
    let more = emulator.recorded().len() - steady;
    assert!(
        more <= 2,
        "steady resolves make no calls of their own, found {more}"
    );
}

#[test]
fn twenty_callers_of_an_empty_account_get_one_launch() {
    let emulator = Emulator::start();
    emulator.create_launch_template("chat");
    emulator.record();
    let reeve = serve(&emulator);
    let address = reeve.address();
    let callers: Vec<_> = (0..20)
        .map(|_| {
            thread::spawn(move || {
                let url = format!("http://{address}{RESOLVE}?wait=30s");
                reeve_tests::process::request("GET", &url).status
            })
        })
        .collect();
    let statuses: Vec<_> = callers
        .into_iter()
        .map(|caller| caller.join().unwrap())
        .collect();
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    let launches = emulator.recorded();
    let launches = launches
        .iter()
        .filter(|call| call.contains("Action=RunInstances"));
    assert_eq!(launches.count(), 1);
    let reply = reeve.get(RESOLVE);
    assert_eq!(reply.body.get("generation"), Some(&Value::from(1)));
    assert_eq!(emulator.parameter(POINTER), text(&reply.body, "instance"));
}

#[test]
fn a_refused_launch_shows_its_reason_on_the_worker() {
    let emulator = Emulator::start();
    let reeve = serve(&emulator);
    let reply = reeve.get(RESOLVE);
    assert_eq!(reply.status, 503, "{}", reply.body);
    assert!(reply.retry_after.is_some());
    let last_error = |reeve: &Reeve| {
        let worker = reeve.get("/v1/workers/chat").body;
        let text = worker.pointer("/last_error/text").and_then(Value::as_str);
        text.map(str::to_owned)
    };
    reeve.until("the refusal stands on the worker", |reeve| {
        last_error(reeve).is_some_and(|text| text.contains("InvalidLaunchTemplateName"))
    });
    let reply = reeve.get(RESOLVE);
    assert_eq!(text(&reply.body, "code"), "unavailable", "{}", reply.body);
}

#[test]
fn a_restarted_host_keeps_its_instance_and_raises_the_decision_id() {
    let emulator = Emulator::start();
    emulator.create_launch_template("chat");
    let reeve = serve(&emulator);
    let first = reeve.get(&format!("{RESOLVE}?wait=30s"));
    assert_eq!(first.status, 200, "{}", first.body);
    let decision = |body: &Value| body.get("decision").and_then(Value::as_u64);
    // A response that changes nothing does not wait for the journal. The restarted host counts on
    // from the last decision in the journal.
    let journal = reeve.directory().join("state/journal-00000001.jsonl");
    reeve.until("the decision stands in the journal", |_| {
        let text = std::fs::read_to_string(&journal).unwrap_or_default();
        let mut records = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        records.any(|record| decision(&record) == decision(&first.body))
    });
    let directory = reeve.kill();
    let reeve = Reeve::start_in(directory, &configuration(&emulator), &CREDENTIALS);
    let second = reeve.get(RESOLVE);
    assert_eq!(second.body.get("instance"), first.body.get("instance"));
    assert_eq!(second.body.get("generation"), Some(&Value::from(1)));
    assert!(decision(&second.body) > decision(&first.body));
}

#[test]
fn an_unreachable_account_leaves_the_published_route_in_force() {
    let emulator = Emulator::start();
    let running = emulator.launch(NAME);
    emulator.put_parameter(POINTER, &running);
    let reeve = serve(&emulator);
    assert_eq!(reeve.get(RESOLVE).status, 200);
    drop(emulator);
    assert_eq!(
        reeve.get(RESOLVE).status,
        200,
        "the published route is served"
    );
    assert_eq!(reeve.get("/healthz").status, 200);
}

#[test]
fn a_policy_file_replaced_under_load_fails_no_decision() {
    let emulator = Emulator::start();
    let running = emulator.launch(NAME);
    emulator.put_parameter(POINTER, &running);
    let configuration = configuration(&emulator)
        + "\n[pool.gpu.policy.resolve]\nfile = \"resolve.wasm\"\nsettings = { serve_valid_ms = 0 }\n";
    let directory = tempfile::tempdir().unwrap();
    reeve_tests::process::copy_policies(&directory.path().join("policies"));
    let reeve = Reeve::start_in(directory, &configuration, &CREDENTIALS);
    let address = reeve.address();

    // 50 requests a second for six seconds. Each needs a decision, because no verdict stays valid.
    // The wait is long, because the emulator is slow on a busy machine.
    let load = thread::spawn(move || {
        let url = format!("http://{address}{RESOLVE}?wait=60s");
        let begun = Instant::now();
        let due = |number: u32| begun + Duration::from_millis(20) * number;
        let mut replies = Vec::new();
        for number in 0..300 {
            thread::sleep(due(number).saturating_duration_since(Instant::now()));
            replies.push(reeve_tests::process::request("GET", &url));
        }
        replies
    });
    let policy = reeve.policies().join("resolve.wasm");
    let original = std::fs::read(&policy).unwrap();
    let before = digest(&reeve);
    replace(&policy, &with_custom_section(&original));
    reeve.until("the new component serves", |reeve| digest(reeve) != before);
    let after = digest(&reeve);
    replace(&policy, b"this is not a component");
    reeve.until("the bad file is told", |reeve| last_error(reeve).is_some());
    assert_eq!(digest(&reeve), after, "the last good component serves");

    let replies = load.join().unwrap();
    let failed: Vec<_> = replies.iter().filter(|reply| reply.status != 200).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    let digests: std::collections::BTreeSet<_> = replies
        .iter()
        .map(|reply| text(&reply.body, "digest").to_owned())
        .collect();
    assert!(
        digests
            .iter()
            .all(|digest| [&before, &after].contains(&digest)),
        "{digests:?}"
    );

    replace(&policy, &original);
    let report = reeve.post("/v1/policies/reload");
    assert_eq!(report.status, 200, "{}", report.body);
    assert_eq!(digest(&reeve), before);
    assert_eq!(last_error(&reeve), None);
}

/// The status of the resolve policy's file.
fn policy_status(reeve: &Reeve) -> Value {
    let body = reeve.get("/v1/policies").body;
    let list = body.get("policies").unwrap_or(&body).as_array().cloned();
    let found = list.unwrap_or_default().into_iter();
    let mut found = found.filter(|policy| policy.get("file") == Some(&Value::from("resolve.wasm")));
    found
        .next()
        .unwrap_or_else(|| panic!("no resolve.wasm in {body}"))
}

fn digest(reeve: &Reeve) -> String {
    text(&policy_status(reeve), "digest").to_owned()
}

fn last_error(reeve: &Reeve) -> Option<String> {
    let status = policy_status(reeve);
    status
        .get("last_error")
        .and_then(Value::as_str)
        .map(str::to_owned)
}

fn replace(path: &std::path::Path, bytes: &[u8]) {
    let next = path.with_extension("next");
    std::fs::write(&next, bytes).unwrap();
    std::fs::rename(next, path).unwrap();
}

/// The component with a custom section at its end: other bytes, same behaviour.
fn with_custom_section(component: &[u8]) -> Vec<u8> {
    let name = b"note";
    let content = b"another build";
    let mut section = vec![0, u8::try_from(1 + name.len() + content.len()).unwrap(), 4];
    section.extend_from_slice(name);
    section.extend_from_slice(content);
    [component, &section].concat()
}
