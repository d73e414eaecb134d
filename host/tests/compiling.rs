//! Tests that policies are compiled in child processes of the real program, within limits, and that
//! what comes out is kept.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop loudly"
)]

#[path = "../policy/tests/support/mod.rs"]
mod support;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use reeve_policy::compile::child;
use reeve_policy::{
    Cache, CacheError, Compile, CompileLimits, InChild, Limits, LoadErrorKind, LoadedPolicy, Need,
    PolicyEngine,
};
use rustix::process::Signal;
use serde_json::json;

const PROGRAM: &str = env!("CARGO_BIN_EXE_reeve");

fn policy() -> Vec<u8> {
    let directory = std::env::var_os("REEVE_POLICIES_DIR").map(PathBuf::from);
    let directory = directory.unwrap_or_else(|| "../target/policies".into());
    fs::read(directory.join("retry-ip.wasm")).expect("`cargo xtask policies` builds it")
}

fn load(compiler: &Arc<InChild>) -> Result<LoadedPolicy, LoadErrorKind> {
    load_within(Limits::default().compile, compiler)
}

fn load_within(
    compile: CompileLimits,
    compiler: &Arc<InChild>,
) -> Result<LoadedPolicy, LoadErrorKind> {
    let engine = engine(compile, compiler);
    LoadedPolicy::load(&engine, "retry-ip.wasm", &policy()).map_err(|error| error.kind)
}

fn engine(compile: CompileLimits, compiler: &Arc<InChild>) -> PolicyEngine {
    let compiler: Arc<dyn Compile> = compiler.clone();
    let limits = Limits {
        compile,
        ..Limits::default()
    };
    let engine = PolicyEngine::new(limits).unwrap();
    engine.compiling_by(compiler)
}

fn in_child(program: &str, folder: Option<&Path>) -> Arc<InChild> {
    let cache = folder.map(|folder| Cache::open(folder.to_owned(), Cache::BYTES_MAX).unwrap());
    Arc::new(InChild::new(program.into(), cache).unwrap())
}

fn counts(compiler: &InChild) -> (u64, u64) {
    compiler.cache().unwrap().hits_and_misses()
}

/// The only entry of the cache in this folder.
fn entry(folder: &Path) -> PathBuf {
    let mut entries = fs::read_dir(folder).unwrap();
    let entry = entries.next().unwrap().unwrap().path();
    assert!(entries.next().is_none());
    entry
}

#[test]
fn a_policy_is_compiled_once_and_comes_from_the_cache_at_the_next_start() {
    let state = tempfile::tempdir().unwrap();
    let folder = state.path().join("compiled");
    for expected in [(0, 1), (1, 0)] {
        let compiler = in_child(PROGRAM, Some(&folder));
        let loaded = load(&compiler).unwrap();
        assert_eq!(loaded.policy().name, "retry-ip");
        assert_eq!(counts(&compiler), expected);
        assert_eq!(compiler.cache().unwrap().trouble(), None);
    }
}

#[test]
fn native_code_that_is_damaged_or_that_others_may_write_is_made_again() {
    let state = tempfile::tempdir().unwrap();
    load(&in_child(PROGRAM, Some(state.path()))).unwrap();
    let entry = entry(state.path());
    let intact = fs::read(&entry).unwrap();
    let mut damaged = intact.clone();
    damaged[100] ^= 1;
    fs::write(&entry, damaged).unwrap();
    let compiler = in_child(PROGRAM, Some(state.path()));
    load(&compiler).unwrap();
    assert_eq!(counts(&compiler), (0, 1));
    assert_eq!(fs::read(&entry).unwrap(), intact, "the same code again");

    fs::set_permissions(&entry, fs::Permissions::from_mode(0o620)).unwrap();
    load(&compiler).unwrap();
    assert_eq!(counts(&compiler), (0, 2));
}

#[test]
fn a_folder_that_others_may_write_is_no_cache() {
    let state = tempfile::tempdir().unwrap();
    fs::set_permissions(state.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let error = Cache::open(state.path().to_owned(), 1).map(drop);
    assert!(
        matches!(error, Err(CacheError::Foreign { mode: 0o777, .. })),
        "{error:?}"
    );
}

#[test]
fn the_entries_used_longest_ago_leave_a_full_cache() {
    let state = tempfile::tempdir().unwrap();
    let old = state.path().join("old.native");
    fs::write(&old, vec![0; 4096]).unwrap();
    let cache = Cache::open(state.path().to_owned(), 1).unwrap();
    let compiler = InChild::new(PROGRAM.into(), Some(cache)).unwrap();
    load(&Arc::new(compiler)).unwrap();
    assert!(!old.exists());
    entry(state.path());
}

#[test]
fn a_cache_that_cannot_be_written_is_told_and_costs_only_the_next_start() {
    let state = tempfile::tempdir().unwrap();
    let folder = state.path().join("compiled");
    let compiler = in_child(PROGRAM, Some(&folder));
    fs::remove_dir(&folder).unwrap();
    load(&compiler).unwrap();
    let trouble = compiler.trouble().unwrap();
    assert!(
        trouble.contains("cannot keep compiled policies in"),
        "{trouble}"
    );

    fs::create_dir(&folder).unwrap();
    load(&compiler).unwrap();
    assert_eq!(compiler.trouble(), None);
}

#[test]
fn what_needs_more_memory_or_time_than_it_may_have_is_refused_with_the_limit() {
    let compiler = in_child(PROGRAM, None);
    let little = CompileLimits {
        memory_bytes_max: 6 << 20,
        ..Limits::default().compile
    };
    let error = load_within(little, &compiler).map(drop).unwrap_err();
    assert!(
        matches!(error, LoadErrorKind::NeedsMore(Need::Memory(bytes)) if bytes == 6 << 20),
        "{error:?}"
    );
    assert!(
        error
            .to_string()
            .contains("needs more than 6 MiB of memory"),
        "{error}"
    );

    let short = CompileLimits {
        cpu: Duration::ZERO,
        ..Limits::default().compile
    };
    let error = load_within(short, &compiler).map(drop).unwrap_err();
    assert!(matches!(error, LoadErrorKind::NeedsMore(_)), "{error:?}");
}

/// A policy with a module of functions whose loops stand inside each other.
fn with_loops(functions: usize) -> Vec<u8> {
    let function = format!("(func {}{})", "(loop ".repeat(255), ")".repeat(255));
    let module = format!("(core module {})", function.repeat(functions));
    let text = support::Fixture {
        prelude: module,
        ..support::Fixture::sound()
    };
    text.bytes()
}

/// With one limit for both signals Linux sends SIGKILL, and a file that never compiles would be taken for
/// one that the system ended.
#[test]
fn a_compiler_out_of_cpu_time_ends_by_the_signal_that_says_so() {
    let component = with_loops(4_000);
    let order = json!({
        "engine": Limits::default(),
        "component_bytes": component.len(),
        "memory_bytes_max": Limits::default().compile.memory_bytes_max,
        "cpu_seconds": 1,
    });
    let mut child = Command::new(PROGRAM)
        .arg(child::COMMAND)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{order}").unwrap();
    stdin.write_all(&component).unwrap();
    let status = child.wait().unwrap();
    drop(stdin);
    assert_eq!(status.signal(), Some(Signal::XCPU.as_raw()), "{status}");
}

#[test]
fn more_native_code_than_its_class_may_have_is_refused_and_not_kept() {
    let state = tempfile::tempdir().unwrap();
    let compiler = in_child(PROGRAM, Some(state.path()));
    let small = CompileLimits {
        native_bytes_max: 256 << 10,
        ..Limits::default().compile
    };
    let error = load_within(small, &compiler).map(drop).unwrap_err();
    assert!(
        matches!(error, LoadErrorKind::NeedsMore(Need::Native(bytes)) if bytes == 256 << 10),
        "{error:?}"
    );
    assert!(error.is_of_size());
    assert!(
        error.to_string().contains("of native code; make it"),
        "{error}"
    );
    assert_eq!(fs::read_dir(state.path()).unwrap().count(), 0);
}

#[test]
fn two_files_of_one_content_are_compiled_at_a_time() {
    let state = tempfile::tempdir().unwrap();
    let compiler = in_child(PROGRAM, Some(state.path()));
    thread::scope(|scope| {
        let loads: Vec<_> = (0..2).map(|_| scope.spawn(|| load(&compiler))).collect();
        for loaded in loads {
            loaded.join().unwrap().unwrap();
        }
    });
    assert_eq!(compiler.trouble(), None);
    entry(state.path());
}

#[test]
fn a_component_in_force_outlives_its_entry() {
    let state = tempfile::tempdir().unwrap();
    let compiler = in_child(PROGRAM, Some(state.path()));
    let loaded = load(&compiler).unwrap();
    fs::remove_file(entry(state.path())).unwrap();
    loaded.validate("{}").unwrap();
}

#[test]
fn without_a_compiler_the_file_is_not_blamed() {
    for program in ["/nowhere/reeve", "/bin/false"] {
        let compiler = in_child(program, None);
        let error = load(&compiler).map(drop).unwrap_err();
        let code = error.code();
        let expected = match program {
            "/bin/false" => "compiler-crashed",
            _ => "no-compiler",
        };
        assert_eq!(code, expected, "{error:?}");
    }
}
