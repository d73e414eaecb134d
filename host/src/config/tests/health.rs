//! `[pool.NAME.health]`.

use reeve_core::health::{HealthSpec, ProbeKind, ProbeSpec, RestartRule};
use reeve_core::id::PoolName;
use reeve_core::time::Millis;

use super::{GOOD, parse};

const HEADER: &str = "\n[pool.gpu.health]\n";

fn health(lines: &str) -> HealthSpec {
    let config = parse(&format!("{GOOD}{HEADER}{lines}")).unwrap();
    let pool = &config.fleet.pools[&PoolName::from("gpu")];
    pool.health.clone().unwrap()
}

/// The refusals, without their places.
fn refused(lines: &str) -> Vec<String> {
    let error = parse(&format!("{GOOD}{HEADER}{lines}")).expect_err(lines);
    let text = error.to_string();
    let findings = text.lines().map(|line| {
        let parts: Vec<_> = line.splitn(4, ':').collect();
        parts[3].trim().to_owned()
    });
    findings.collect()
}

#[test]
fn without_the_section_nothing_is_looked_at_and_with_it_there_are_defaults() {
    let config = parse(GOOD).unwrap();
    assert_eq!(config.fleet.pools[&PoolName::from("gpu")].health, None);
    let expected = HealthSpec {
        probe: Some(ProbeSpec {
            kind: ProbeKind::Http {
                path: "/health".to_owned(),
                statuses: vec![],
            },
            port: None,
            timeout: Millis::from_secs(2),
        }),
        every: Millis::from_secs(15),
        unhealthy_after: 3,
        healthy_after: 2,
        boot_grace: Millis::from_secs(300),
        status_checks: false,
        restart: RestartRule::Never,
        storm_percent: 40,
    };
    assert_eq!(health("http = \"/health\""), expected);
}

#[test]
fn every_key_is_taken() {
    let lines = "http = \"/ready?deep=1\"\nstatuses = [200, 401]\nport = 9090\nevery_ms = 5000\ntimeout_ms = 1500\n\
                 unhealthy_after = 5\nhealthy_after = 1\nboot_grace_ms = 0\nstatus_checks = true\nrestart = \"all\"\n\
                 storm_percent = 60\n";
    let expected = HealthSpec {
        probe: Some(ProbeSpec {
            kind: ProbeKind::Http {
                path: "/ready?deep=1".to_owned(),
                statuses: vec![200, 401],
            },
            port: Some(9090),
            timeout: Millis::new(1_500),
        }),
        every: Millis::from_secs(5),
        unhealthy_after: 5,
        healthy_after: 1,
        boot_grace: Millis::ZERO,
        status_checks: true,
        restart: RestartRule::All,
        storm_percent: 60,
    };
    assert_eq!(health(lines), expected);
    let tcp = health("tcp = true\nrestart = \"any\"");
    assert_eq!(tcp.probe.unwrap().kind, ProbeKind::Tcp);
    assert_eq!(tcp.restart, RestartRule::Any);
    assert_eq!(health("status_checks = true").probe, None);
    let often = health("tcp = true\nevery_ms = 1000").probe.unwrap();
    assert_eq!(
        often.timeout,
        Millis::new(450),
        "half of the shortest pause"
    );
}

#[test]
fn heartbeats_alone_are_something_to_look_at() {
    let boxes =
        "[boxes]\nlisten = \"127.0.0.1:0\"\n[pool.gpu.boxes]\nproof = \"instance-document\"\n";
    let config = parse(&format!("{GOOD}{HEADER}{boxes}")).unwrap();
    let pool = &config.fleet.pools[&PoolName::from("gpu")];
    assert_eq!(pool.health, Some(HealthSpec::default()));
    let nothing = "there is no signal to read; accepted: `http = \"/path\"`, `tcp = true`, `status_checks = true`, or \
                   boxes that register, whose heartbeats are a signal";
    assert_eq!(refused("tcp = false"), [nothing]);
}

#[test]
fn a_finding_says_what_is_accepted() {
    let path = "accepted: one that begins with a single `/`, such as /health, of at most 1024 visible ASCII characters \
                without `#`";
    let cases = [
        ("http = \"health\"", format!("found the path \"health\"; {path}")),
        ("http = \"//else\"", format!("found the path \"//else\"; {path}")),
        ("http = \"/a b\"", format!("found the path \"/a b\"; {path}")),
        ("http = \"/a#b\"", format!("found the path \"/a#b\"; {path}")),
        (
            "http = \"/\"\ntcp = true",
            "`http` and `tcp` are both set; accepted: one of them; `http` connects as well".to_owned(),
        ),
        (
            "tcp = true\nstatuses = [200]",
            "only HTTP has statuses; accepted: with `http`".to_owned(),
        ),
        (
            "http = \"/\"\nstatuses = []",
            "the list is empty, so no response would count as healthy; accepted: some, such as [200, 401], or no \
             `statuses`, which means 200 to 299"
            .to_owned(),
        ),
        ("http = \"/\"\nstatuses = [100]", "found 100; accepted: 200 to 599".to_owned()),
        ("tcp = true\nport = 0", "found 0; accepted: 1 to 65535".to_owned()),
        (
            "status_checks = true\nport = 80",
            "there is no probe to use it; accepted: with `http` or `tcp`".to_owned(),
        ),
        ("tcp = true\nevery_ms = 999", "found 999; accepted: 1000 to 3600000".to_owned()),
        ("tcp = true\ntimeout_ms = 49", "found 49; accepted: 50 to 60000".to_owned()),
        (
            "tcp = true\ntimeout_ms = 13500",
            "found 13500; accepted: less than 13500, the shortest pause between two probes at this `every_ms`".to_owned(),
        ),
        ("tcp = true\nunhealthy_after = 0", "found 0; accepted: 1 to 100".to_owned()),
        ("tcp = true\nhealthy_after = 101", "found 101; accepted: 1 to 100".to_owned()),
        ("tcp = true\nboot_grace_ms = 3600001", "found 3600001; accepted: 0 to 3600000".to_owned()),
        (
            "tcp = true\nrestart = \"always\"",
            "found \"always\"; accepted: `never`, `all`, `any`".to_owned(),
        ),
    ];
    for (lines, expected) in cases {
        assert_eq!(refused(lines), [expected], "{lines}");
    }
    assert!(refused("tcp = true\nhtpt = \"/\"")[0].starts_with("unknown key `htpt`"));
}
