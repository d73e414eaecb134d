//! Tests of the form of a bug, and of every bug in `tests/planted` against the tree.

use super::*;

/// The checks of the swarm that can notice a bug.
const NOTICED_BY: [&str; 22] = [
    "G1",
    "G2",
    "G3",
    "G4",
    "G5",
    "G6",
    "G7",
    "G8",
    "G9",
    "G10",
    "Cycling",
    "Pause",
    "Answers",
    "SingleFlight",
    "V1",
    "V2",
    "V3",
    "V4",
    "V5",
    "V7",
    "Liveness",
    "NoPanic",
];

fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap().to_owned()
}

fn source(file: &Path) -> Result<String> {
    let file = root().join(file);
    fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
}

/// A file with one bug that has this edit.
fn stated(edit: &str) -> String {
    format!(
        "[late]\nmistake = \"It is late.\"\nharm = \"It costs.\"\nnoticed_by = [\"G1\"]\n{edit}"
    )
}

fn parsed(edit: &str) -> Result<Bug> {
    let mut bugs = parse(Path::new("tests/planted/clock.toml"), &stated(edit))?;
    Ok(bugs.remove(0))
}

const TWO_EDITS: &str = "
    [[late.edits]]
    file = \"a.rs\"
    find = \"one\"
    replace = \"two\"
    [[late.edits]]
    file = \"a.rs\"
    find = \"three\"
    replace = \"four\"";

#[test]
fn there_are_eighty_planted_bugs_or_more() {
    assert!(read(&root()).unwrap().len() >= 80);
}

#[test]
fn every_planted_bug_fits_the_tree() {
    let misfits: Vec<String> = read(&root())
        .unwrap()
        .iter()
        .filter_map(|bug| bug.plant(source).err())
        .map(|error| format!("{error:#}"))
        .collect();
    assert!(misfits.is_empty(), "\n{}", misfits.join("\n"));
}

#[test]
fn every_planted_bug_is_in_the_core_and_not_in_a_test() {
    for bug in read(&root()).unwrap() {
        for file in bug.files() {
            let is_core = file.starts_with("host/core/src");
            let is_test = file.ends_with("tests.rs") || file.iter().any(|it| it == "tests");
            assert!(is_core && !is_test, "{} changes {file:?}", bug.name);
        }
    }
}

#[test]
fn every_planted_bug_has_a_mistake_a_harm_and_a_known_check() {
    for bug in read(&root()).unwrap() {
        for text in [&bug.mistake, &bug.harm] {
            assert!(text.ends_with('.'), "{}: {text}", bug.name);
        }
        assert!(!bug.noticed_by.is_empty(), "{}", bug.name);
        for check in &bug.noticed_by {
            assert!(
                NOTICED_BY.contains(&check.as_str()),
                "{}: {check:?}",
                bug.name
            );
        }
        if let Some(incident) = &bug.incident {
            let script = root().join(format!("tests/incidents/{incident}.reeve"));
            assert!(script.exists(), "{}: {incident:?}", bug.name);
        }
    }
}

#[test]
fn edits_of_one_file_are_applied_one_after_the_other() {
    let bug = parsed(TWO_EDITS).unwrap();
    let planted = bug.plant(|_| Ok("one three".to_owned())).unwrap();
    assert_eq!(planted[Path::new("a.rs")], "two four");
}

#[test]
fn an_error_names_the_bug_the_file_and_the_text() {
    let bug = parsed("file = \"a.rs\"\nfind = \"one\"\nreplace = \"two\"").unwrap();
    let error = bug.plant(|_| Ok("three".to_owned())).unwrap_err();
    assert_eq!(
        format!("{error:#}"),
        "cannot plant `late` of tests/planted/clock.toml: `one` is not in a.rs; adapt `find` (or \
         `file`) to the code, or delete the bug if the mistake is no longer possible"
    );
}

#[test]
fn a_bug_has_either_one_edit_or_a_list() {
    let both = format!("file = \"a.rs\"\nfind = \"one\"\nreplace = \"two\"\n{TWO_EDITS}");
    for edit in ["", "file = \"a.rs\"\nfind = \"one\"", &both] {
        let error = parsed(edit).unwrap_err().to_string();
        assert!(error.contains("`late`"), "{error}");
        assert!(error.contains("[[late.edits]]"), "{error}");
    }
}

#[test]
fn a_key_that_no_bug_has_is_refused() {
    let error = parsed("files = \"a.rs\"").unwrap_err();
    assert!(format!("{error:#}").contains("files"), "{error:#}");
}
