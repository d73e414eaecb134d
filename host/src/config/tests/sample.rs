//! The sample configuration.

use std::path::Path;

use super::*;
use crate::config::file::Whole;
use crate::config::section::{Key, Section, Shown};

#[test]
fn the_committed_sample_is_the_one_that_the_sections_make() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("reeve.sample.toml");
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(
        committed == sample(),
        "reeve.sample.toml differs from the sections of the configuration; run `cargo xtask docs`"
    );
}

/// The sample with the lines of `marks` in force, which are comments in it.
fn with_all(marks: &[&str]) -> String {
    let uncommented = |line: &str| {
        let is_key = |rest: &&str| {
            let name = rest.split(" = ").next().unwrap_or_default();
            rest.starts_with('[')
                || (name != *rest && name.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        };
        let bare = marks.iter().find_map(|mark| line.strip_prefix(mark));
        bare.filter(is_key).unwrap_or(line).to_owned()
    };
    let text: Vec<_> = sample().lines().map(uncommented).collect();
    text.join("\n")
}

/// The same without keys that exclude others, and as a pool of Fargate tasks has it.
fn with(marks: &[&str]) -> String {
    let excluded = [
        "launch_template =",
        "role =",
        "instance_profile =",
        "launch_alternatives =",
        "time_zone =",
        "url =",
        "tcp =",
        "status_checks =",
    ];
    let text = with_all(marks);
    let lines = text.lines().filter(|line| {
        let is_excluded = |key: &&str| line.trim_start_matches(['#', ' ']).starts_with(*key);
        !excluded.iter().any(is_excluded) && !line.contains("\"stop-start\"")
    });
    let lines: Vec<_> = lines.collect();
    lines
        .join("\n")
        .replace("\"instance-document\"", "\"shared-secret\"")
}

#[test]
fn every_example_is_accepted_and_every_default_is_the_one_that_holds() {
    let examples = parse(&with(&["#"])).unwrap();
    let written_out = parse(&with(&["# ", "#"])).unwrap();
    assert_eq!(examples, written_out);
    assert!(examples.boxes.is_some() && !examples.notify.is_empty());
}

/// A date is a value of no kind.
#[test]
fn every_key_names_what_it_accepts_and_its_example_takes_the_place_of_a_wrong_value() {
    let mut keys = 0;
    let mut wrong = String::new();
    for line in with_all(&["# ", "#"]).lines() {
        match line.split_once(" = ") {
            Some((key, _)) if !line.starts_with('#') => {
                keys += 1;
                wrong += &format!("{key} = 1979-05-27\n");
            }
            _ => wrong += &format!("{line}\n"),
        }
    }
    let error = parse(&wrong).unwrap_err().to_string();
    let refused = error.matches("found the date or time 1979-05-27; accepted: ");
    assert_eq!(refused.count(), keys, "{error}");
    assert!(keys > 80, "{keys}");
}

#[test]
fn every_key_has_a_text() {
    fn check(keys: &[Key], path: &str) {
        for key in keys {
            let path = format!("{path}.{}", key.name);
            match &key.shown {
                Shown::Below(below) => {
                    assert!(!below.text.is_empty(), "{path}");
                    check(&below.keys, &path);
                }
                _ => assert!(!key.text().is_empty(), "{path}"),
            }
        }
    }
    check(&Whole::keys(), "");
}
