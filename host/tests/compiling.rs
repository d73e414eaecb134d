//! Tests that policies are compiled in child processes of the real program, within limits, and that
//! what comes out is kept.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop loudly"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reeve_policy::{
    Cache, CacheError, Compile, CompileLimits, InChild, Limits, LoadErrorKind, LoadedPolicy, Need,
    PolicyEngine,
};

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
    let compiler: Arc<dyn Compile> = compiler.clone();
    let limits = Limits {
        compile,
        ..Limits::default()
    };
    let engine = PolicyEngine::new(limits).unwrap();
    let engine = engine.compiling_by(compiler);
    LoadedPolicy::load(&engine, "retry-ip.wasm", &policy()).map_err(|error| error.kind)
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
