//! The settings that have the names of the configuration's keys.

use std::collections::BTreeSet;

use reeve_sim::script::Script;

use super::{refused, script};

/// One line of the setting, which stands in line 3.
#[track_caller]
fn setting_refused(line: &str, column: usize, found: &str, accepted: &str) {
    let text = format!("incident a \"b\"\nsetting\n{line}");
    refused(&text, 3, column, found, accepted);
}

/// Lines of the setting that are refused after other lines.
#[track_caller]
fn refused_after(first: &str, line: &str, found: &str, accepted: &str) {
    let text = format!("incident a \"b\"\nsetting\n{first}{line}");
    let error = Script::parse(&text).expect_err("it is refused");
    assert!(error.found.contains(found), "{error}");
    assert!(error.accepted.contains(accepted), "{error}");
}

#[test]
fn a_setting_that_the_configuration_does_not_have_is_refused() {
    setting_refused(
        "pool launch_timout 5m",
        6,
        "`launch_timout`",
        "`launch_timeout`",
    );
    setting_refused(
        "pool launch_timeout 600000",
        21,
        "`600000`",
        "a length of time",
    );
    setting_refused(
        "pool restart stop",
        14,
        "`stop`",
        "`reboot`, `stop-start`, `replace`",
    );
    setting_refused(
        "pool orphans",
        13,
        "the end",
        "`end-ours`, `end-unclaimed`, `leave`",
    );
    setting_refused("pool reap yes", 11, "`yes`", "`true` or `false`");
    setting_refused(
        "pool worker_budget lunches 3",
        20,
        "`lunches`",
        "`launches`",
    );
    setting_refused(
        "health restart often",
        16,
        "`often`",
        "`never`, `all`, `any`",
    );
    setting_refused("health statuses 200", 17, "`200`", "`health http PATH`");
    setting_refused("policy resolv x 1", 8, "`resolv`", "`resolve`, `adopt`,");
    setting_refused("policy resolve launch yes", 23, "`yes`", "a JSON value");
    let fargate = "compute fargate\n";
    refused_after(fargate, "pool restart reboot", "`reboot`", "`replace`");
    refused_after(fargate, "pool launch_template x", "`x`", "Fargate tasks");
    refused_after(
        fargate,
        "beginning\ni-aaaa stopped",
        "`stopped`",
        "`running`",
    );
    setting_refused("hosts 0", 7, "`0`", "1 host at least");
    setting_refused("hosts 9", 7, "`9`", "up to 8");
    refused(
        "incident a \"b\"\nsetting\npool drain 0s\npool drain 1s",
        4,
        6,
        "`pool drain` a second time",
        "once",
    );
    refused(
        &script("", "notice lunch_failed 1"),
        10,
        8,
        "`lunch_failed`",
        "`launch_failed`",
    );
}

/// The keys of the configuration that no script can set: what only one pool or worker of a script
/// makes moot, what has a line of its own, and how large a file may be, since a script has none.
const NOT_IN_SCRIPTS: [&str; 5] = [
    "region",
    "tag_key",
    "policy_labels",
    "policy_class",
    "time_zone",
];

#[test]
fn a_script_sets_the_keys_of_the_configuration() {
    let docs = format!("{}/../../docs/configuration.md", env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_to_string(docs).unwrap();
    for (word, sections) in [
        (
            "pool",
            &["## `[pool.gpu]`\n", "## `[pool.gpu.limits]`\n"][..],
        ),
        ("health", &["## `[pool.gpu.health]`\n"]),
    ] {
        let error = Script::parse(&format!("incident a \"b\"\nsetting\n{word} ?")).unwrap_err();
        let accepted = error.accepted.split('`').skip(1).step_by(2);
        let accepted: BTreeSet<_> = accepted.map(str::to_owned).collect();
        let documented = sections.iter().flat_map(|section| {
            let (_, section) = docs.split_once(section).expect("a section of the page");
            let section = section.split("\n## ").next().unwrap();
            let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
            rows.map(|row| row.split('`').next().unwrap().replace("_ms", ""))
        });
        let documented = documented.filter(|key| !NOT_IN_SCRIPTS.contains(&key.as_str()));
        assert_eq!(accepted, documented.collect());
    }
}
