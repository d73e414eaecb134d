//! The child's side: limits itself, compiles one component, and ends. It gets neither the host's
//! environment, which may hold keys, nor a file.

use std::io::{self, BufRead, Read, Write};
use std::process::ExitCode;
use std::thread;

use rustix::process::{Resource, Rlimit, Signal, nice, set_parent_process_death_signal, setrlimit};
use serde::{Deserialize, Serialize};

use crate::engine::PolicyEngine;
use crate::limits::Limits;

/// The argument that makes the host's program a child: `reeve policy-compile`.
pub const COMMAND: &str = "policy-compile";

/// What the parent asks for: one line of JSON on standard input. The component follows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// What the engine that gets the native code was made for.
    pub(super) engine: Limits,
    /// The length of the component.
    pub(super) component_bytes: u64,
    /// The memory that the child may take.
    pub(super) memory_bytes_max: u64,
    /// The seconds of CPU time that it may take.
    pub(super) cpu_seconds: u64,
}

/// What the child's niceness is raised by: of a core that decisions want, too, it gets a tenth
/// (sched(7), "The nice value").
const NICENESS: i32 = 10;

/// The first byte of the answer: native code follows.
pub(super) const COMPILED: u8 = b'+';
/// The first byte of the answer: the text of an error follows.
pub(super) const REFUSED: u8 = b'-';

/// Carries out one order from standard input, and answers on standard output.
pub fn main() -> ExitCode {
    match carry_out() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out() -> io::Result<()> {
    // The parent's thread that spawned this child lives as long as the parent.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // Decisions come first. A host that may not say so compiles all the same.
    let _ = nice(NICENESS);
    limit(Resource::Core, 0, 0)?;
    limit(Resource::Fsize, 0, 0)?;
    let mut line = String::new();
    let mut stdin = io::stdin().lock();
    stdin.read_line(&mut line)?;
    let order: Order = serde_json::from_str(&line)?;
    limit(Resource::Cpu, order.cpu_seconds, order.cpu_seconds + 1)?;
    // Writable memory: the program itself and what it shares with others are not counted.
    limit(
        Resource::Data,
        order.memory_bytes_max,
        order.memory_bytes_max,
    )?;
    let mut component = Vec::new();
    stdin
        .by_ref()
        .take(order.component_bytes)
        .read_to_end(&mut component)?;
    drop(stdin);
    thread::Builder::new().spawn(end_with_the_parent)?;

    let (mark, answer) = match compile(&order.engine, &component) {
        Ok(code) => (COMPILED, code),
        Err(text) => (REFUSED, text.into_bytes()),
    };
    let mut stdout = io::stdout().lock();
    stdout.write_all(&[mark])?;
    stdout.write_all(&answer)?;
    stdout.flush()
}

/// The second limit of CPU time is above the first: where they are one, Linux ends a process by
/// SIGKILL in place of SIGXCPU, which tells the parent why.
fn limit(resource: Resource, current: u64, maximum: u64) -> io::Result<()> {
    let both = Rlimit {
        current: Some(current),
        maximum: Some(maximum),
    };
    Ok(setrlimit(resource, both)?)
}

/// Ends this process when the parent closes standard input, as its end does.
fn end_with_the_parent() {
    let _ = io::stdin().lock().read(&mut [0]);
    std::process::exit(1);
}

fn compile(limits: &Limits, component: &[u8]) -> Result<Vec<u8>, String> {
    let engine = PolicyEngine::without_pool(*limits).map_err(|error| error.to_string())?;
    let code = engine.wasm().precompile_component(component);
    code.map_err(|error| format!("{error:#}"))
}
