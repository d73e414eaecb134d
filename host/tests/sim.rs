//! Tests `reeve sim run`: exit codes, output and refusals.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop loudly"
)]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::standard_policies;
use tempfile::TempDir;

/// Exit code, standard output, standard error.
struct Ran(Option<i32>, String, String);

fn sim(script: &str, args: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_reeve"))
        .args(["sim", "run", script])
        .args(args)
        .env("REEVE_POLICIES_DIR", standard_policies())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code();
    Ran(code, text(&output.stdout), text(&output.stderr))
}

/// The path of one of reeve's scripts.
fn incident(name: &str) -> String {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/incidents");
    tests.join(format!("{name}.reeve")).display().to_string()
}

/// A copy of that script with one text replaced.
fn changed(name: &str, from: &str, to: &str) -> (TempDir, String) {
    let text = fs::read_to_string(incident(name)).unwrap();
    assert!(text.contains(from), "{from}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("script.reeve");
    fs::write(&path, text.replacen(from, to, 1)).unwrap();
    let path = path.display().to_string();
    (dir, path)
}

#[test]
fn each_variant_is_played_and_held_to_what_is_expected_of_it() {
    for (args, title, outcome) in [
        (&["--as-it-was"][..], "as it was", "FAILED: 1 harm; served"),
        (
            &["--legacy"],
            "legacy policies under reeve",
            "contained: 1 veto, no harm; served",
        ),
        (
            &[],
            "standard policies",
            "served: no harm proposed; served after 1.6 s",
        ),
    ] {
        let Ran(code, text, errors) = sim(&incident("ip-race"), args);
        assert_eq!(code, Some(0), "{text}{errors}");
        assert!(
            text.starts_with(&format!("── ip-race · {title} ──")),
            "{text}"
        );
        assert!(
            text.contains("chat      asks: where is the worker?"),
            "{text}"
        );
        assert!(text.contains(&format!("\n\n  {outcome}")), "{text}");
        assert!(text.contains("\n  as expected of `"), "{text}");
    }
}

#[test]
fn a_policy_under_test_is_checked_against_the_standard_expectations() {
    let legacy = standard_policies().join("legacy-ip-race.wasm");
    let policy = format!("resolve={}", legacy.display());
    let script = incident("ip-race");
    let Ran(code, text, errors) = sim(&script, &["--policy", &policy]);
    assert_eq!(code, Some(1), "{text}{errors}");
    assert!(text.contains("ip-race · policies under test"), "{text}");
    assert!(text.contains("resolve = legacy-ip-race "), "{text}");
    assert!(text.contains("VETO adopted-is-live"), "{text}");
    let place = format!("{script}:");
    let unmet = text.lines().find(|line| line.starts_with(&place)).unwrap();
    assert!(
        unmet.contains(": expected `outcome served`; found `contained`"),
        "{unmet}"
    );
    assert!(text.contains("  not as expected of `standard`: "), "{text}");
}

#[test]
fn a_setting_of_a_policy_counts_and_one_that_it_lacks_is_refused() {
    let told = |setting: &str| {
        let setting = format!("setting\n  policy retry-ip {setting}");
        let (_dir, script) = changed("ip-race", "setting\n", &format!("{setting}\n"));
        sim(&script, &[])
    };
    let Ran(_, text, _) = told("tries 1");
    assert!(text.contains("look 1 of 1 follows"), "{text}");
    let Ran(code, _, errors) = told("try 1");
    assert_eq!(code, Some(1), "{errors}");
    assert!(
        errors.contains("`policy retry-ip` are not accepted"),
        "{errors}"
    );
    assert!(
        errors.contains("unknown field `try`, expected one of"),
        "{errors}"
    );
}

#[test]
fn an_unmet_expectation_is_named_with_its_line() {
    let (_dir, script) = changed("ip-race", "  starts 1\n", "  starts 3\n");
    let Ran(code, text, _) = sim(&script, &["--as-it-was"]);
    assert_eq!(code, Some(1), "{text}");
    let line = fs::read_to_string(&script)
        .unwrap()
        .lines()
        .position(|line| line == "  starts 3")
        .unwrap()
        + 1;
    let told = format!("{script}:{line}: expected `starts 3`; found 1: at 1.5s\n");
    assert!(text.contains(&told), "{text}");
    assert!(
        text.ends_with("not as expected of `as-it-was`: 1 of 5\n"),
        "{text}"
    );
}

#[test]
fn seed_and_length_take_the_place_of_the_scripts() {
    // The instance's id with the script's own seed, from its transcript.
    const USUAL: &str = "i-dae28228d2c1a9a50";
    let script = incident("frozen-activity");
    let transcript = script.replace(".reeve", ".standard.transcript");
    assert!(fs::read_to_string(transcript).unwrap().contains(USUAL));
    let Ran(code, text, _) = sim(&script, &["--seed", "6", "--length", "10m"]);
    assert_eq!(code, Some(1), "the instance is not stopped by then: {text}");
    assert!(text.contains("expected `stops 1`; found 0"), "{text}");
    assert!(!text.contains(USUAL), "{text}");
}

#[test]
fn a_script_that_is_none_ends_with_2_and_the_place() {
    let (_dir, script) = changed("ip-race", "ingest asks", "ingest aks");
    let Ran(code, text, errors) = sim(&script, &[]);
    assert_eq!((code, text.as_str()), (Some(2), ""), "{errors}");
    let place = format!("error: {script}:");
    assert!(errors.starts_with(&place), "{errors}");
    let what = ":16: found `aks`; accepted is `asks`, `probes`";
    assert!(errors.contains(what), "{errors}");
    let Ran(code, _, errors) = sim("nowhere.reeve", &[]);
    assert_eq!(code, Some(2));
    assert!(
        errors.contains("cannot read the script nowhere.reeve"),
        "{errors}"
    );
}

#[test]
fn a_policy_that_cannot_play_ends_with_what_is_wrong_with_it() {
    let script = incident("ip-race");
    let retry_ip = standard_policies().join("retry-ip.wasm");
    let retry_ip = retry_ip.display();
    let twice = [
        format!("retry-ip={retry_ip}"),
        format!("retry-ip={retry_ip}"),
    ];
    for (policies, code, said) in [
        (
            &["reply=x.wasm".to_owned()][..],
            2,
            "POINT is one of resolve, adopt",
        ),
        (&["resolve".to_owned()], 2, "accepted is POINT=FILE"),
        (&["resolve=".to_owned()], 2, "accepted is POINT=FILE"),
        (
            &["resolve=nowhere.wasm".to_owned()],
            1,
            "cannot read the policy nowhere.wasm",
        ),
        (
            &[format!("resolve={retry_ip}")],
            1,
            "cannot be asked `resolve`; it offers retry-ip",
        ),
        (&[format!("resolve={script}")], 1, "policy ip-race.reeve"),
        (&twice, 1, "`retry-ip` is given two policies"),
    ] {
        let args: Vec<_> = policies.iter().flat_map(|it| ["--policy", it]).collect();
        let Ran(found, text, errors) = sim(&script, &args);
        assert_eq!(
            (found, text.as_str()),
            (Some(code), ""),
            "{policies:?}: {errors}"
        );
        assert!(errors.contains(said), "{policies:?}: {errors}");
    }
    let Ran(code, _, errors) = sim(&script, &["--length", "soon"]);
    assert_eq!(code, Some(2));
    assert!(errors.contains("a length of time such as 90s"), "{errors}");
}

#[test]
fn a_script_without_legacy_policies_is_not_played_with_them() {
    let (_dir, script) = changed("ip-race", "  legacy legacy-ip-race.wasm\n", "");
    let Ran(code, _, errors) = sim(&script, &["--legacy"]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("names no `legacy` policy"), "{errors}");
    let (_dir, script) = changed("ip-race", "legacy-ip-race.wasm", "ours.wasm");
    let Ran(code, _, errors) = sim(&script, &["--as-it-was"]);
    assert_eq!(code, Some(1));
    assert!(
        errors.contains("cannot read the policy") && errors.contains("ours.wasm"),
        "{errors}"
    );
}

#[test]
fn of_a_folder_every_script_is_played_and_has_a_row() {
    let (dir, _) = changed("ip-race", "outcome served", "outcome failed");
    fs::create_dir(dir.path().join("more")).unwrap();
    fs::copy(incident("stale-pointer"), dir.path().join("more/one.reeve")).unwrap();
    fs::write(dir.path().join("broken.reeve"), "incident").unwrap();
    fs::write(dir.path().join("notes.txt"), "no script").unwrap();
    let Ran(code, text, errors) = sim(&dir.path().display().to_string(), &[]);
    assert_eq!(code, Some(1), "{text}{errors}");
    let lines: Vec<_> = text.lines().collect();
    let cells = |line: usize| lines[line].split_whitespace().collect::<Vec<_>>();
    assert_eq!(
        cells(0),
        [
            "SCRIPT", "OUTCOME", "HARMS", "DOWN", "VETOES", "SERVED", "LONGEST", "EXPECTED"
        ]
    );
    assert_eq!(cells(1)[..5], ["more/one", "served", "0", "0", "0"]);
    assert_eq!(cells(2)[..5], ["script", "served", "0", "0", "0"]);
    assert!(lines[2].contains("NOT 1 of"), "{text}");
    assert!(text.contains("script.reeve:"), "{text}");
    assert!(text.contains("broken.reeve:1:"), "{text}");
    assert!(
        text.ends_with("1 of 3 scripts are as expected of `standard`\n"),
        "{text}"
    );
}

#[test]
fn a_folder_without_a_script_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let Ran(code, _, errors) = sim(&dir.path().display().to_string(), &[]);
    assert_ne!(code, Some(0));
    assert!(errors.contains("files named *.reeve"), "{errors}");
}
