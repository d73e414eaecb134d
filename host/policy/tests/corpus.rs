//! Tests that every hostile file of `corpus/` ends as it says there, and that the page about them says
//! the same.

// Test helpers panic on failure, like tests.
#![allow(clippy::expect_used, clippy::panic)]

#[path = "corpus/mod.rs"]
mod corpus;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use corpus::{Accepts, Ends, Hostile};
use reeve_core::id::{Digest, PoolName};
use reeve_core::point::Input;
use reeve_core::text::is_unsafe;
use reeve_policy::{
    Binding, Compile, LoadErrorKind, Outcome, PolicyEngine, Registry, ReloadError, TICK,
};
use support::{Fixture, engine, neutral};
use wasmtime::component::Component;

/// A library's words, at most 512 bytes, and the host's own.
const TEXT_BYTES_MAX: usize = 700;
const FAILURES: usize = 10;
/// An unoptimized build on a busy machine needs a tenth of this to refuse a file before it is compiled;
/// compilation would need far more.
const CHEAP: Duration = Duration::from_secs(4);
const OUR_KEY: &str = include_str!("signed/ours.pub");

/// Runs this with an engine whose deadlines come.
fn with_ticks(run: impl FnOnce(&PolicyEngine)) {
    let engine = engine();
    let ticked = engine.clone();
    let (running, stopped) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                ticked.tick();
            }
        });
        // Dropped also by a panic, which ends the ticks.
        let _running = running;
        run(&engine);
    });
}

/// A registry with one pool, whose policy's file is the hostile one.
struct Case {
    directory: tempfile::TempDir,
    registry: Registry,
    pool: PoolName,
    file: String,
    neutral: Input,
}

impl Case {
    fn new(engine: &PolicyEngine, one: &Hostile) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let pool = PoolName::new(one.name);
        let file = format!("{}.wasm", one.name);
        let binding = Binding {
            file: file.clone(),
            digest: (one.binding == Accepts::Pinned).then(|| Digest::of(b"other content")),
            ..Binding::standard(&pool, one.point())
        };
        let keys =
            (one.binding == Accepts::Signed).then(|| OUR_KEY.trim().parse().expect("a public key"));
        let path = directory.path().to_owned();
        let registry = Registry::new(engine.clone(), path, vec![binding]).expect("a binding");
        Self {
            directory,
            registry: registry.signed_by(keys.into_iter().collect()),
            pool,
            file,
            neutral: neutral(one.point()),
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join(&self.file)
    }

    fn reload(&self) -> Outcome {
        let report = self.registry.reload_file(&self.file);
        report.expect("it is bound").outcome
    }

    fn is_activated(&self) -> bool {
        matches!(self.reload(), Outcome::Activated { .. })
    }

    /// The code of the failure of a decision, as at a trial or for a worker with another name.
    fn ask(&self, in_service: bool) -> Result<(), &'static str> {
        let mut question = self.neutral.clone();
        if in_service {
            question = renamed(&question);
        }
        let decision = self.registry.slots().decide(&self.pool, question);
        decision.verdict.map(drop).map_err(|error| {
            check_text(&error.to_string());
            error.code()
        })
    }

    /// How the file at the path ends, and the text of its refusal.
    fn ending(&self) -> (Ends, String) {
        if let Outcome::Refused { error, serving } = self.reload() {
            assert_eq!((serving, self.ask(true)), (None, Err("not-bound")));
            check_text(&error.text());
            return (refusal(&error), error.text());
        }
        let ends = match (self.ask(false), self.ask(true)) {
            (Ok(()), Ok(())) => Ends::Harmless,
            (Ok(()), Err(code)) => Ends::GivesWay(code),
            (Err(code), Err(again)) if code == again => Ends::Fails(code),
            (first, second) => panic!("{first:?}, then {second:?}"),
        };
        (ends, String::new())
    }
}

fn renamed(question: &Input) -> Input {
    let mut value = serde_json::to_value(question).expect("JSON");
    value[question.point().as_str()]["worker"]["name"] = "chat".into();
    serde_json::from_value(value).expect("an input")
}

fn check_text(text: &str) {
    assert!(text.len() <= TEXT_BYTES_MAX, "{} bytes: {text}", text.len());
    assert!(!text.contains(is_unsafe), "{text:?}");
}

fn refusal(error: &ReloadError) -> Ends {
    match error {
        ReloadError::Crashes { failure, .. } => Ends::Crashes(failure.code()),
        ReloadError::Load(error) => match &error.kind {
            LoadErrorKind::TooComplex(excess) => {
                let text = error.to_string();
                let found = format!("it has {} {} (at byte", excess.found, excess.bound);
                assert!(excess.found > excess.max && text.contains(&found), "{text}");
                Ends::Exceeds(excess.bound, excess.found)
            }
            LoadErrorKind::Trial { failure, .. } => Ends::Breaks(failure.code()),
            kind => Ends::Refused(kind.code()),
        },
        error => Ends::Refused(error.code()),
    }
}

#[test]
fn every_hostile_file_ends_as_it_says() {
    let mut others = Vec::new();
    with_ticks(|engine| {
        for one in corpus::all() {
            let case = Case::new(engine, &one);
            one.place(&case.path());
            let start = Instant::now();
            let (found, text) = case.ending();
            let cheap = start.elapsed() < CHEAP || !matches!(found, Ends::Exceeds(..));
            assert!(cheap, "{}: {:?}", one.name, start.elapsed());
            if found != one.ends {
                others.push(format!("{}: {}, found: {found} {text}", one.name, one.ends));
            }
        }
    });
    assert!(others.is_empty(), "{}", others.join("\n"));
}

/// No compiler can be started.
struct NoCompiler;

impl Compile for NoCompiler {
    fn compile(&self, _: &PolicyEngine, _: Digest, _: &[u8]) -> Result<Component, LoadErrorKind> {
        Err(LoadErrorKind::NoCompiler(io::ErrorKind::NotFound.into()))
    }
}

/// The refused files that cost a compilation: only a validator of all of Wasm tells what is wrong with
/// their types and functions, and one runs in the compiler's process.
const COMPILED: [&str; 12] = [
    "imports-escapes",
    "decide-of-other-type",
    "about-of-other-type",
    "memory64",
    "shared-memory",
    "small-pages",
    "relaxed-simd",
    "gc-types",
    "exceptions",
    "stack-switching",
    "wide-arithmetic",
    "nine-memories",
];

#[test]
fn what_the_bytes_tell_is_refused_before_a_compiler_is_started() {
    let engine = engine().compiling_by(Arc::new(NoCompiler));
    let mut files = corpus::all();
    files.retain(|one| matches!(one.ends, Ends::Refused(_) | Ends::Exceeds(..)));
    files.retain(|one| {
        let case = Case::new(&engine, one);
        one.place(&case.path());
        let (found, text) = case.ending();
        let is_compiled = found == Ends::Refused("no-compiler");
        assert!(is_compiled || found == one.ends, "{}: {text}", one.name);
        is_compiled
    });
    let compiled: Vec<_> = files.iter().map(|one| one.name).collect();
    assert_eq!(compiled, COMPILED);
}

#[test]
fn what_fails_in_service_gives_way_to_the_version_before() {
    let mut files = corpus::all();
    files.retain(|one| matches!(one.ends, Ends::GivesWay(_)));
    with_ticks(|engine| {
        for one in &files {
            gives_way(engine, one);
        }
    });
}

fn gives_way(engine: &PolicyEngine, one: &Hostile) {
    let case = Case::new(engine, one);
    let good = Fixture::at(one.point()).bytes();
    fs::write(case.path(), &good).expect("written");
    assert!(case.is_activated());
    assert_eq!(case.ask(false), Ok(()));
    fs::remove_file(case.path()).expect("removed");
    one.place(&case.path());
    assert!(case.is_activated(), "{}", one.name);
    for _ in 0..FAILURES {
        let code = case.ask(true).expect_err("it fails in service");
        assert_eq!(one.ends, Ends::GivesWay(code));
    }
    let Outcome::Refused { error, serving } = case.reload() else {
        panic!("{} does not give way", one.name);
    };
    assert_eq!(error.code(), "quarantined", "{}", one.name);
    assert_eq!(serving, Some(Digest::of(&good)));
    check_text(&error.text());
    assert_eq!(case.ask(true), Ok(()));
}

#[test]
fn names_are_unique_and_no_worker_s_name_of_a_trial() {
    let mut names = BTreeSet::new();
    for one in corpus::all() {
        assert!(names.insert(one.name), "{}", one.name);
        assert_ne!(one.name.len(), "worker".len(), "{}", one.name);
    }
}

#[test]
fn the_page_has_the_tables_of_the_corpus() {
    const PAGE: &str = "docs/policies/hostile-files.md";
    const TABLES: &str = "<!-- The tables are written by the test of the hostile files. -->\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(PAGE);
    let text = fs::read_to_string(&path).expect("the page");
    let (intro, tables) = text.split_once(TABLES).expect("the line above the tables");
    let expected = corpus::tables();
    if std::env::var_os("REEVE_BLESS").is_some() {
        fs::write(&path, format!("{intro}{TABLES}{expected}")).expect("written");
        return;
    }
    assert!(
        tables == expected,
        "{PAGE} has other tables than the corpus; if this is intended, write them with REEVE_BLESS=1"
    );
}
