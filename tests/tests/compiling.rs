//! A file that takes the compiler long, in the directory of a serving host: what it keeps waiting, and
//! what ends with the host.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot set up its world should stop loudly"
)]

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use reeve_tests::artefacts::policies_dir;
use reeve_tests::emulator::Emulator;
use reeve_tests::process::Reeve;
use reeve_tests::scene::{OTHER_FILE, serve_two_pools};

/// A compiler that is stopped is ended from outside after half a minute. A host that waited for it
/// would end later than this.
const SOONER_THAN_THE_COMPILER: Duration = Duration::from_secs(20);

/// The death signal comes with the host's end.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A sound policy with a module more, whose functions, of 255 loops inside each other, take minutes.
fn bomb() -> Vec<u8> {
    let function = format!("(func {}{})", "(loop ".repeat(255), ")".repeat(255));
    let module = wat::parse_str(format!("(module {})", function.repeat(4_000))).unwrap();
    let mut bomb = fs::read(policies_dir().join("reap.wasm")).unwrap();
    // A section of the component: a core module, and its length in steps of seven bits.
    bomb.push(1);
    let mut length = module.len();
    while length > 0x7f {
        bomb.push(0x80 | u8::try_from(length & 0x7f).unwrap());
        length >>= 7;
    }
    bomb.push(u8::try_from(length).unwrap());
    bomb.extend(module);
    bomb
}

/// The compiler that this host runs. It is found by its parent.
fn compiler(host: &Reeve) -> Option<u32> {
    let parent = format!("PPid:\t{}", host.id());
    let mut processes = fs::read_dir("/proc").unwrap().flatten();
    processes.find_map(|process| {
        let status = fs::read_to_string(process.path().join("status")).ok()?;
        let is_it = status.lines().any(|line| line == parent);
        is_it.then(|| process.file_name().to_str()?.parse().ok())?
    })
}

/// Whether the compiler has its limits. Before that it has not asked to end with its parent either.
fn has_begun(compiler: u32) -> bool {
    let limits = fs::read_to_string(format!("/proc/{compiler}/limits"));
    let limits = limits.unwrap_or_default();
    let mut lines = limits.lines();
    lines.any(|line| line.starts_with("Max cpu time") && !line.contains("unlimited"))
}

/// Has the host compile the bomb, and stops the compiler, which then takes as long as it may.
fn compiling(host: &Reeve) -> u32 {
    fs::write(host.policies().join("reap.wasm"), bomb()).unwrap();
    host.until("the bomb is compiled", |host| {
        compiler(host).is_some_and(has_begun)
    });
    let id = compiler(host).unwrap();
    let stopped = Command::new("kill")
        .args(["-STOP", &id.to_string()])
        .status();
    assert!(stopped.unwrap().success());
    id
}

fn is_gone(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status"));
    status.map_or(true, |status| status.contains("State:\tZ"))
}

fn until_gone(process: u32, within: Duration) {
    let patience = Instant::now() + within;
    while !is_gone(process) {
        assert!(Instant::now() < patience, "the compiler is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn another_pools_file_comes_into_force_while_one_is_compiled() {
    let emulator = Emulator::start();
    let host = serve_two_pools(&emulator);
    let (before, bomb) = (host.active_digest(OTHER_FILE), compiling(&host));
    let changed = policies_dir().join("legacy-self-fire.wasm");
    fs::copy(changed, host.policies().join(OTHER_FILE)).unwrap();
    host.until("the other pool's file is active", |host| {
        host.active_digest(OTHER_FILE) != before
    });
    assert!(!is_gone(bomb), "the bomb was still being compiled");
}

#[test]
fn a_signal_ends_a_host_that_compiles() {
    let emulator = Emulator::start();
    let mut host = serve_two_pools(&emulator);
    let bomb = compiling(&host);
    let told = Instant::now();
    host.signal("TERM");
    assert!(host.wait().success());
    assert!(told.elapsed() < SOONER_THAN_THE_COMPILER);
    until_gone(bomb, AT_ONCE);
}

#[test]
fn a_compiler_ends_with_a_host_that_is_killed() {
    let emulator = Emulator::start();
    let host = serve_two_pools(&emulator);
    let bomb = compiling(&host);
    host.kill();
    until_gone(bomb, AT_ONCE);
}

#[test]
fn a_file_whose_compiler_is_killed_is_not_blamed_and_tried_again() {
    let emulator = Emulator::start();
    let host = serve_two_pools(&emulator);
    let bomb = compiling(&host);
    let killed = Command::new("kill")
        .args(["-KILL", &bomb.to_string()])
        .status();
    assert!(killed.unwrap().success());
    host.until("the kill is told", |host| {
        let policies = host.get("/v1/policies").body.to_string();
        policies.contains("the system ended the compiler (SIGKILL)")
    });
    // The same content again: one that is blamed is not compiled twice.
    let again = compiling(&host);
    assert_ne!(again, bomb);
}
