//! Plays every script of `incidents/` in every variant with the real components. Checks the
//! script's expectations, and compares the timeline with the transcript next to the script.
//! `REEVE_BLESS=1` writes the transcripts again.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot set up its world should stop loudly"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use reeve::demo::{Cast, Shown, outcome, play_all, played};
use reeve_sim::incidents;
use reeve_sim::script::{Script, Variant};
use reeve_tests::artefacts::policies_dir;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("incidents")
}

/// The names of the directory's files that have this ending.
fn files(ending: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(directory()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(ending)).collect()
}

fn read(file: &str) -> String {
    fs::read_to_string(directory().join(file)).unwrap_or_default()
}

fn parse(file: &str, text: &str) -> Script {
    let parsed = Script::parse(text);
    parsed.unwrap_or_else(|e| panic!("{file}:{}:{}: {e}", e.line, e.column))
}

/// Plays a variant, asserts the script's expectations, and returns the transcript.
fn transcript(cast: &mut Cast, file: &str, script: &Script, variant: Variant) -> String {
    let part = cast.part(script, variant, &[]).unwrap();
    let (timeline, run) = played(script, variant, part, Shown::Names);
    let unmet: Vec<_> = script
        .check(variant, &run)
        .iter()
        .map(|unmet| format!("{file}:{}: {}: {unmet}", unmet.line, variant.name()))
        .collect();
    assert!(unmet.is_empty(), "{}\n{timeline}", unmet.join("\n"));
    format!("{timeline}\n  {}\n", outcome(&run))
}

/// The first line in which two texts differ.
fn difference(expected: &str, found: &str) -> String {
    let mut lines = expected.lines().zip(found.lines()).enumerate();
    match lines.find(|(_, (expected, found))| expected != found) {
        Some((index, (expected, found))) => {
            format!("line {}:\n  - {expected}\n  + {found}", index + 1)
        }
        None => "one is longer".to_owned(),
    }
}

#[test]
fn every_incident_meets_its_script_and_its_transcript() {
    let bless = std::env::var_os("REEVE_BLESS").is_some();
    let mut cast = Cast::new(&policies_dir()).unwrap();
    let mut told = BTreeSet::new();
    let mut different = Vec::new();
    for file in files(".reeve") {
        let script = parse(&file, &read(&file));
        assert_eq!(format!("{}.reeve", script.name), file);
        for variant in Variant::ALL {
            assert!(
                script.expectations(variant) > 0,
                "{file}: {}",
                variant.name()
            );
            let name = format!("{}.{}.transcript", script.name, variant.name());
            let found = transcript(&mut cast, &file, &script, variant);
            if bless {
                fs::write(directory().join(&name), &found).unwrap();
            } else if read(&name) != found {
                different.push(format!("{name}, {}", difference(&read(&name), &found)));
            }
            told.insert(name);
        }
    }
    assert!(
        different.is_empty(),
        "{}\nif this is intended, write the transcripts again with REEVE_BLESS=1",
        different.join("\n")
    );
    assert_eq!(
        files(".transcript"),
        told,
        "a transcript without its script"
    );
}

#[test]
fn every_field_case_meets_its_script() {
    let mut cast = Cast::new(&policies_dir()).unwrap();
    let cases = fs::read_dir(directory().join("field")).unwrap();
    let mut played = 0;
    for case in cases {
        let path = case.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        let script = parse(&file, &fs::read_to_string(&path).unwrap());
        assert_eq!(format!("{}.reeve", script.name), file);
        for variant in Variant::ALL {
            if script.expectations(variant) > 0 {
                transcript(&mut cast, &file, &script, variant);
                played += 1;
            }
        }
    }
    assert!(played > 0, "no field case expects anything");
}

#[test]
fn the_demo_plays_every_script_of_the_directory() {
    let names = |script: &Script| format!("{}.reeve", script.name);
    let played: BTreeSet<_> = incidents::all().unwrap().iter().map(names).collect();
    assert_eq!(played, files(".reeve"));
}

#[test]
fn the_example_in_the_readme_meets_its_expectations() {
    let readme = read("README.md");
    let after = readme.split("```reeve\n").nth(1).expect("an example");
    let script = parse("README.md, its example", after.split("```").next().unwrap());
    let mut cast = Cast::new(&policies_dir()).unwrap();
    assert!(script.expectations(Variant::Standard) > 0);
    transcript(
        &mut cast,
        "README.md, its example",
        &script,
        Variant::Standard,
    );
}

/// What the demo prints before it serves.
fn demo(verbose: bool) -> String {
    let mut cast = Cast::new(&policies_dir()).unwrap();
    let mut out = Vec::new();
    play_all(&mut cast, verbose, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_demo_prints_the_same_text_every_time() {
    let first = demo(true);
    assert_eq!(first, demo(true));
    let table = first.rsplit("incident").next().unwrap();
    assert_eq!(table.matches("FAILED").count(), 5, "{table}");
    assert_eq!(table.matches("contained").count(), 5, "{table}");
    assert_eq!(table.matches("served: no harm").count(), 5, "{table}");
}

#[test]
fn the_demo_fits_two_screens_and_shows_a_harm_and_a_veto_of_each_incident() {
    let text = demo(false);
    let lines = text.lines().count();
    assert!(lines <= 48, "{lines} lines:\n{text}");
    assert_eq!(text.matches("  harm: ").count(), 5, "{text}");
    assert_eq!(text.matches("  veto: ").count(), 5, "{text}");
}
