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

use reeve::demo::{Cast, Shown, outcome, play_all, played, seconds};
use reeve_sim::incidents;
use reeve_sim::run::Run;
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

/// Plays a variant, and asserts the script's expectations.
fn checked(cast: &mut Cast, file: &str, script: &Script, variant: Variant) -> (String, Run) {
    let part = cast.part(script, variant, &[]).unwrap();
    let (timeline, run) = played(script, variant, part, Shown::Names);
    let unmet: Vec<_> = script
        .check(variant, &run)
        .iter()
        .map(|unmet| format!("{file}:{}: {}: {unmet}", unmet.line, variant.name()))
        .collect();
    assert!(unmet.is_empty(), "{}\n{timeline}", unmet.join("\n"));
    (timeline, run)
}

/// Plays a variant, asserts the script's expectations, and returns the transcript.
fn transcript(cast: &mut Cast, file: &str, script: &Script, variant: Variant) -> String {
    let (timeline, run) = checked(cast, file, script, variant);
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

/// The kinds of field cases, which are the folders of `field`, and what the cases of a kind share.
const KINDS: [(&str, &str); 9] = [
    ("callers", "what callers do"),
    (
        "capacity",
        "the cloud has no instance to give, or takes one back",
    ),
    ("hosts", "hosts die, stand still, and share the work"),
    ("other-systems", "other fleets, schedulers and cleaners"),
    ("people", "what people do by hand"),
    ("readings", "the cloud shows what is not, or shows nothing"),
    ("refusals", "the cloud refuses a call"),
    ("software", "the software on a box hangs, fails or is busy"),
    ("waits", "a state that does not end"),
];

#[test]
fn every_field_case_meets_its_script_and_its_row() {
    const PAGE: &str = "../docs/field-cases.md";
    const TABLES: &str = "<!-- The tables are written by the test of the field cases. -->\n";
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let text = fs::read_to_string(&page).unwrap();
    let (intro, tables) = text.split_once(TABLES).expect("the line above the tables");
    let mut cast = Cast::new(&policies_dir()).unwrap();
    let found: String = KINDS
        .iter()
        .map(|kind| tables_of(&mut cast, kind))
        .collect();
    let folders = fs::read_dir(directory().join("field")).unwrap();
    let folders = folders.map(|it| it.unwrap().file_name().into_string().unwrap());
    let kinds = KINDS.map(|(kind, _)| kind.to_owned());
    assert_eq!(
        folders.collect::<BTreeSet<_>>(),
        BTreeSet::from(kinds),
        "a field case stands in the folder of its kind"
    );
    if std::env::var_os("REEVE_BLESS").is_some() {
        fs::write(&page, format!("{intro}{TABLES}{found}")).unwrap();
    } else if tables != found {
        let difference = difference(tables, &found);
        panic!("{PAGE}, {difference}\nif this is intended, write it again with REEVE_BLESS=1");
    }
}

/// Plays the cases of a kind, and returns their table.
fn tables_of(cast: &mut Cast, (kind, about): &(&str, &str)) -> String {
    let folder = directory().join("field").join(kind);
    let cases = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let cases: BTreeSet<_> = cases.map(|case| case.unwrap().path()).collect();
    let mut table = format!(
        "\n## {kind}: {about}\n\n\
         | case | what goes wrong without a rule | outcome | first served | longest wait |\n\
         |---|---|---|---|---|\n"
    );
    for path in cases {
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        let script = parse(&file, &fs::read_to_string(&path).unwrap());
        assert_eq!(format!("{}.reeve", script.name), file);
        assert!(script.expectations(Variant::Standard) > 0, "{file}");
        for variant in Variant::ALL {
            if script.expectations(variant) == 0 {
                continue;
            }
            let (_, run) = checked(cast, &file, &script, variant);
            if variant == Variant::Standard {
                table += &format!(
                    "| [{name}](../tests/incidents/field/{kind}/{name}.reeve) | {} | `{}` | {} | {} |\n",
                    script.title,
                    run.outcome().as_str(),
                    seconds(run.until_served()),
                    seconds(run.longest_wait()),
                    name = script.name,
                );
            }
        }
    }
    table
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
