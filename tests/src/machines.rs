//! Machines other than the host's: network namespaces that a test makes, each on a link of its own.
//!
//! A test calls [`part`] first. In the process that `cargo test` starts, `part` returns `None`, and
//! the test calls [`play`]. That runs the same test again in fresh network and mount namespaces, as
//! the part `host`. The part `host` makes [`Machine`]s and runs further parts of the test on them.
//! The namespaces end with their processes, so the test changes nothing on the real machine.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Ipv4Addr;
use std::process::{Child, Command, Output, Stdio};

use crate::artefacts;

/// The environment variable that names the part of the test a process plays.
const PART: &str = "REEVE_TEST_PART";
/// The prefix of a part's lines. The test harness prints lines of its own on the same output.
const SAYS: &str = "part says: ";

/// The part that this process plays; `None` in the process that `cargo test` starts.
pub fn part() -> Option<String> {
    std::env::var(PART).ok()
}

/// Sends a line to the part `host`.
pub fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n{SAYS}{text}\n").as_bytes())
        .and_then(|()| out.flush())
        .expect("the host's part listens");
}

/// Runs the test of this name again as the part `host`, in namespaces of its own.
///
/// # Panics
/// If the test fails there, or this system allows no namespaces.
pub fn play(test: &str) {
    let mut inside = Command::new("unshare");
    inside.args(unshare_arguments()).args(this_test(test));
    let output = inside.env(PART, "host").output().expect("unshare runs");
    if !output.status.success() {
        // The output is indented, because `cargo xtask test` counts every line that begins as a
        // result does.
        let said = [output.stdout, output.stderr].map(|said| {
            let said = String::from_utf8_lossy(&said).into_owned();
            said.lines()
                .map(|line| format!("  | {line}\n"))
                .collect::<String>()
        });
        panic!(
            "inside its namespaces the test failed:\n{}{}",
            said[0], said[1]
        );
    }
}

/// The arguments that work here: root needs no user namespace, other users are root in one.
fn unshare_arguments() -> &'static [&'static str] {
    const AS_ROOT: &[&str] = &["--net", "--mount"];
    const AS_USER: &[&str] = &["--net", "--mount", "--user", "--map-root-user"];
    let attempt = |arguments: &[&str]| {
        let mut unshare = Command::new("unshare");
        unshare.args(arguments).arg("true").output()
    };
    let mut said = Vec::new();
    for arguments in [AS_ROOT, AS_USER] {
        match attempt(arguments) {
            Ok(output) if output.status.success() => return arguments,
            Ok(output) => said.push(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => said.push(format!("unshare: {error}")),
        }
    }
    panic!(
        "no network namespace can be made here ({}). Run the tests as root, or let users make namespaces \
         (`sysctl -w kernel.unprivileged_userns_clone=1`, `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`); \
         a container needs CAP_SYS_ADMIN and CAP_NET_ADMIN (`docker run --privileged`)",
        said.join("; ")
    );
}

fn this_test(test: &str) -> Vec<std::ffi::OsString> {
    let program = std::env::current_exe().expect("the test has a program");
    let arguments = [test, "--exact", "--nocapture"].map(Into::into);
    [program.into()].into_iter().chain(arguments).collect()
}

/// Prepares this process's namespaces for machines. The part `host` calls it once.
pub fn ready() {
    // `ip netns` keeps its names in `/run`; the mount is in this process's own namespace.
    run(Command::new("mount").args(["-t", "tmpfs", "none", "/run"]));
    ip("link set lo up");
}

/// A machine on a link to the host's machine.
pub struct Machine {
    name: &'static str,
    number: u8,
}

impl Machine {
    /// Makes a machine. Each machine of a test needs its own number, for its addresses.
    pub fn new(name: &'static str, number: u8) -> Self {
        let machine = Self { name, number };
        let (ours, theirs) = (machine.host(), machine.address());
        for command in [
            format!("netns add {name}"),
            format!("link add {name} type veth peer name eth0 netns {name}"),
            format!("addr add {ours}/24 dev {name}"),
            format!("link set {name} up"),
            format!("-n {name} addr add {theirs}/24 dev eth0"),
            format!("-n {name} link set eth0 up"),
        ] {
            ip(&command);
        }
        machine
    }

    /// The host's address on the link.
    pub fn host(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 99, self.number, 1)
    }

    /// The machine's address.
    pub fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 99, self.number, 2)
    }

    /// Runs a part of the test on this machine.
    pub fn run(&self, test: &str, part: &str, environment: &[(&str, &str)]) -> Running {
        let mut command = Command::new(artefacts::ip());
        let child = command
            .args(["netns", "exec", self.name])
            .args(this_test(test))
            .env(PART, part)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = child.expect("ip netns exec runs");
        let lines = BufReader::new(child.stdout.take().expect("a pipe"));
        Running { child, lines }
    }
}

/// A part that runs on a machine. Dropping it kills its process.
pub struct Running {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Running {
    /// The next line that the part sends.
    ///
    /// # Panics
    /// If the part ends without one.
    pub fn hear(&mut self) -> String {
        let mut all = String::new();
        loop {
            let mut line = String::new();
            let read = self.lines.read_line(&mut line).expect("the part's output");
            assert!(read > 0, "the part ended: {all}");
            if let Some(text) = line.strip_prefix(SAYS) {
                return text.trim_end().to_owned();
            }
            all += &line;
        }
    }

    /// Lets the part continue after [`pause`].
    pub fn go_on(&mut self) {
        let pipe = self.child.stdin.as_mut().expect("a pipe");
        pipe.write_all(b"\n").expect("the part listens");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until the part `host` lets this part continue.
pub fn pause() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("a line");
}

fn ip(arguments: &str) {
    run(Command::new(artefacts::ip()).args(arguments.split(' ')));
}

fn run(command: &mut Command) {
    let output = command.output();
    let Output { status, stderr, .. } = output.unwrap_or_else(|error| {
        panic!("{command:?}: {error}; run `cargo xtask test`, which prepares what the tests need")
    });
    let said = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{command:?} ended with {status}: {said}");
}
