use std::path::Path;

use reeve_core::compute::Compute;
use reeve_core::id::{PoolName, WorkerId};
use reeve_core::time::{Millis, UtcOffset};

use super::*;

mod demand;
mod doors;
mod fargate;
mod health;
mod local_time;
mod sample;

/// A small configuration; the tests change single lines of it.
const GOOD: &str = r#"[host]
fleet = "test"
state_dir = "state"

[policies]
dir = "policies"

[pool.gpu]
region = "us-east-1"
port = 8080

[worker.chat]
pool = "gpu"
pointer = "/chat/id"
"#;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new("etc/reeve.toml"), text)
}

/// Checks that `text` is refused with exactly these findings, each with its place.
fn check(text: &str, expected: &str) {
    let error = parse(text).expect_err(text);
    assert_eq!(error.to_string(), expected, "{text}");
}

/// The same for [`GOOD`] with one text replaced.
fn check_changed(from: &str, to: &str, expected: &str) {
    assert!(GOOD.contains(from), "{from}");
    check(&GOOD.replace(from, to), expected);
}

#[test]
fn omitted_keys_have_the_documented_defaults() {
    let config = parse(GOOD).unwrap();
    assert_eq!(config.listen, Some("127.0.0.1:7433".parse().unwrap()));
    assert_eq!(config.socket.unwrap(), Path::new("etc/state/reeve.sock"));
    assert_eq!(config.access, Access::default());
    assert_eq!(
        config.state_dir,
        Path::new("etc/state"),
        "paths start at the file"
    );
    assert_eq!(config.policies_dir, Path::new("etc/policies"));
    let pool = &config.fleet.pools[&PoolName::from("gpu")];
    assert_eq!(
        (pool.tag_key.as_str(), pool.reap, &pool.utc_offset),
        ("Name", false, &UtcOffset::fixed(0))
    );
    assert_eq!((&pool.compute, pool.launch.len()), (&Compute::Ec2, 0));
    assert_eq!(pool.limits, reeve_core::spec::Limits::default());
    let worker = &config.fleet.workers[&WorkerId::from("chat")];
    assert_eq!(worker.tag_value, "chat");
}

#[test]
fn a_pool_that_names_no_policy_gets_the_standard_one_at_every_point() {
    let config = parse(GOOD).unwrap();
    let files: Vec<_> = config
        .policies
        .iter()
        .map(|bound| bound.file.as_str())
        .collect();
    assert_eq!(
        files,
        [
            "resolve.wasm",
            "adopt.wasm",
            "retry-ip.wasm",
            "debounce.wasm",
            "reap.wasm"
        ]
    );
    assert!(
        config
            .policies
            .iter()
            .all(|bound| bound.settings.is_empty())
    );
}

#[test]
fn a_named_policy_keeps_its_settings_and_its_place() {
    let text = format!(
        "{GOOD}\n[pool.gpu.policy.resolve]\nfile = \"ours.wasm\"\nsettings = {{ a = 1, b = [true, \"x\"], c.d = 0.5 }}\n"
    );
    let config = parse(&text).unwrap();
    let bound = &config.policies[0];
    assert_eq!(bound.file, "ours.wasm");
    let settings = serde_json::Value::Object(bound.settings.clone());
    let expected = serde_json::json!({ "a": 1, "b": [true, "x"], "c": { "d": 0.5 } });
    assert_eq!(settings, expected);
    assert_eq!(bound.place.line, 16);
    assert_eq!(
        config.policies[1].place.line, 8,
        "a standard policy is bound by its pool"
    );
}

#[test]
fn limits_are_read_in_milliseconds() {
    let text = format!(
        "{GOOD}\n[pool.gpu.limits]\nscan_interval_ms = 2000\nworker_budget = {{ launches = 1, window_ms = 60000 }}\n"
    );
    let config = parse(&text).unwrap();
    let limits = &config.fleet.pools[&PoolName::from("gpu")].limits;
    assert_eq!(limits.scan_interval, Millis::from_secs(2));
    assert_eq!(limits.worker_budget.launches, 1);
    assert_eq!(limits.worker_budget.starts, 6, "the default");
    assert_eq!(limits.worker_budget.window, Millis::from_secs(60));
}

#[test]
fn a_wrong_key_is_named_with_its_place_its_table_and_the_keys_there_are() {
    check_changed(
        "port = 8080",
        "port = 8080\nlauch_template = \"x\"",
        "etc/reeve.toml:11:1: unknown key `lauch_template` in [pool.gpu]; accepted: `region`, `port`, \
         `launch_template`, `launch_alternatives`, `tag_key`, `policy_class`, `policy_tags`, `policy_labels`, `restart`, `stop_refused`, `reap`, `use`, `orphans`, `terminate_adopted`, `follow_pointer`, `utc_offset_min`, `time_zone`, `fargate`, `limits`, `boxes`, \
         `health`, `demand`, `policy`",
    );
    check_changed(
        "region = \"us-east-1\"\n",
        "",
        "etc/reeve.toml:8:1: missing key `region` in [pool.gpu]",
    );
}

#[test]
fn a_wrong_type_says_what_to_write() {
    let cases = [
        (
            "8080",
            "\"8080\"",
            "10:8: found the text \"8080\"; accepted: a whole number, 1 to 65535",
        ),
        ("8080", "70000", "10:8: found 70000; accepted: 1 to 65535"),
        (
            "\"test\"",
            "7",
            "2:9: found the number 7; accepted: a text in quotes",
        ),
        (
            "state_dir = \"state\"",
            "state_dir = \"state\"\ndry_run = \"yes\"",
            "4:11: found the text \"yes\"; accepted: true or false",
        ),
    ];
    for (from, to, expected) in cases {
        check_changed(from, to, &format!("etc/reeve.toml:{expected}"));
    }
}

#[test]
fn invalid_toml_is_refused_at_its_places() {
    let error = parse("[host\n[aws]\nprofile = \n").unwrap_err();
    let lines: Vec<_> = error.to_string().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("etc/reeve.toml:1:6: "), "{lines:?}");
    assert!(lines[1].starts_with("etc/reeve.toml:3:11: "), "{lines:?}");
}

#[test]
fn mistakes_of_every_kind_are_reported_at_once() {
    let text = "[host]\nfleet = 7\nlisten = \"0.0.0.0:1\"\n\n[policies]\nfile = \"x\"\n\n\
                [pool.gpu]\nregion = \"us-east-1\"\nport = \"http\"\nlimits = 5\nboxes.heartbeat_ms = 10\n\n\
                [worker.chat]\npool = \"cpu\"\n";
    check(
        text,
        "etc/reeve.toml:1:1: missing key `state_dir` in [host]\n\
         etc/reeve.toml:2:9: found the number 7; accepted: a text in quotes\n\
         etc/reeve.toml:3:10: found 0.0.0.0:1, which other machines may reach; accepted: a loopback address and a \
         port, such as 127.0.0.1:7433 or [::1]:7433, or \"none\"; [api] has an interface for other machines\n\
         etc/reeve.toml:5:1: missing key `dir` in [policies]\n\
         etc/reeve.toml:6:1: unknown key `file` in [policies]; accepted: `dir`, `keys`, `fuel_max`\n\
         etc/reeve.toml:10:8: found the text \"http\"; accepted: a whole number, 1 to 65535\n\
         etc/reeve.toml:11:10: found the number 5; accepted: a table\n\
         etc/reeve.toml:12:1: missing key `proof` in [pool.gpu.boxes]\n\
         etc/reeve.toml:12:1: the boxes of pool gpu are to register, and there is no [boxes] with `listen`, where they \
         would register\n\
         etc/reeve.toml:12:22: found 10; accepted: 1000 to 3600000\n\
         etc/reeve.toml:14:1: missing key `pointer` in [worker.chat]\n\
         etc/reeve.toml:15:8: there is no pool \"cpu\"; accepted: \"gpu\"",
    );
}

#[test]
fn a_section_that_must_be_there_is_named() {
    let error = parse("[pool.gpu]\nregion = \"us-east-1\"\nport = 1\n")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("1:1: missing key `fleet` in [host]"),
        "{error}"
    );
    assert!(
        error.contains("1:1: missing key `dir` in [policies]"),
        "{error}"
    );
}

#[test]
fn a_value_out_of_bounds_is_refused_at_its_place() {
    let line = |line: &str| format!("port = 8080\n{line}");
    let cases = [
        (
            line("utc_offset_min = 900"),
            "11:18: found 900; accepted: -720 to 840",
        ),
        (
            line("tag_key = \"aws:x\""),
            "11:11: found the tag key \"aws:x\"; keys that begin with `aws:` are AWS's own",
        ),
        (
            line("limits.scan_interval_ms = 5"),
            "11:27: found 5; accepted: 1000 to 3600000",
        ),
        (
            line("limits.idle_ms_min = 1"),
            "11:22: found 1; accepted: 1000 to 604800000",
        ),
        (
            line("limits.orphan_grace_ms = 59999"),
            "11:26: found 59999; accepted: 60000 to 86400000",
        ),
        (
            line("policy_tags = [\"a\", \"a\"]"),
            "11:21: the tag key \"a\" is listed twice",
        ),
        (
            line("policy.resolve.file = \"../x.wasm\""),
            "11:23: found the file \"../x.wasm\"; accepted: the name of a .wasm file in the policies' directory, \
             without a path",
        ),
        (
            line("policy.retryip.file = \"x.wasm\""),
            "11:8: unknown point \"retryip\"; accepted: `resolve`, `adopt`, `retry-ip`, `debounce`, `reap`",
        ),
        (
            line("policy.resolve.settings = { since = 2026-01-01 }"),
            "11:37: found the date or time 2026-01-01, which JSON cannot express; accepted: a text or a finite number",
        ),
        ("port = 0".to_owned(), "10:8: found 0; accepted: 1 to 65535"),
    ];
    for (to, expected) in cases {
        check_changed("port = 8080", &to, &format!("etc/reeve.toml:{expected}"));
    }
}

#[test]
fn an_address_that_other_machines_reach_is_refused() {
    for (listen, expected) in [
        (
            "0.0.0.0:80",
            "found 0.0.0.0:80, which other machines may reach; accepted: a loopback address and a port, such as 127.0.0.1:7433 or [::1]:7433, or \"none\"; [api] has an interface for other machines",
        ),
        (
            "localhost",
            "found \"localhost\"; accepted: a loopback address and a port, such as 127.0.0.1:7433 or [::1]:7433, or \"none\"",
        ),
    ] {
        let to = format!("state_dir = \"state\"\nlisten = \"{listen}\"");
        check_changed(
            "state_dir = \"state\"",
            &to,
            &format!("etc/reeve.toml:4:10: {expected}"),
        );
    }
    let v6 = GOOD.replace("[policies]", "listen = \"[::1]:0\"\n[policies]");
    assert!(parse(&v6).is_ok());
}

#[test]
fn workers_with_a_shared_tag_or_pointer_are_all_reported_at_once() {
    let text = format!(
        "{GOOD}\n[worker.ingest]\npool = \"gpu\"\ntag_value = \"chat\"\npointer = \"/chat/id\"\n\n\
         [worker.\"a b\"]\npool = \"cpu\"\npointer = \"no/root\"\n"
    );
    check(
        &text,
        "etc/reeve.toml:18:13: the tag Name=chat in us-east-1 is already the worker \"chat\" (line 12)'s; an \
         instance must belong to one worker: give each worker its own `tag_value`\n\
         etc/reeve.toml:19:11: the pointer /chat/id in us-east-1 is already the worker \"chat\" (line 12)'s; give \
         each worker its own\n\
         etc/reeve.toml:21:9: the name \"a b\" cannot be used; accepted: 1 to 64 letters, digits, `-`, `_` and \
         `.`, not beginning with `.`\n\
         etc/reeve.toml:22:8: there is no pool \"cpu\"; accepted: \"gpu\"\n\
         etc/reeve.toml:23:11: found the pointer \"no/root\"; accepted: the name of an SSM parameter such as \
         /chat/instance_id: letters, digits, `-`, `_`, `.`, and `/` only if it begins with one",
    );
}

#[test]
fn a_host_without_pools_or_workers_is_refused() {
    let only_host: String = GOOD
        .lines()
        .take(6)
        .map(|line| format!("{line}\n"))
        .collect();
    check(
        &only_host,
        "etc/reeve.toml:1:1: there is no pool; accepted: at least one [pool.NAME]\n\
         etc/reeve.toml:1:1: there is no worker; accepted: at least one [worker.NAME]",
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::read(Path::new("nowhere/reeve.toml")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read the configuration nowhere/reeve.toml"
    );
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn hosts_that_share_workers_name_the_table_and_the_length_of_a_lease() {
    let alone = parse(GOOD).unwrap();
    assert_eq!(alone.shared_store, None);
    assert_eq!(alone.fleet.lease, Millis::from_secs(30), "the default");
    let section = "\n[store]\ntable = \"reeve\"\nregion = \"eu-west-1\"\nlease_ms = 10000\n";
    let shared = parse(&format!("{GOOD}{section}")).unwrap();
    let store = shared.shared_store.unwrap();
    assert_eq!(
        (store.table.as_str(), store.region.as_str()),
        ("reeve", "eu-west-1")
    );
    assert_eq!(shared.fleet.lease, Millis::from_secs(10));
    check(
        &format!("{GOOD}{}", section.replace("10000", "10")),
        "etc/reeve.toml:19:12: found 10; accepted: 1000 to 3600000",
    );
    check(
        &format!("{GOOD}{}", section.replace("reeve", "r/")),
        "etc/reeve.toml:17:9: found the table name \"r/\"; accepted: 3 to 255 letters, digits, `_`, `-` and `.`",
    );
}
