//! The parent's side: spawns a child, talks to it, and ends it when it takes too long.

use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use reeve_core::id::Digest;
use rustix::process::Signal;
use wasmtime::component::Component;

use super::artefact::{self, Artefact};
use super::child::{COMMAND, COMPILED, Order, REFUSED};
use super::{Cache, Compile};
use crate::engine::PolicyEngine;
use crate::error::{Cause, LoadErrorKind, Need};
use crate::limits::CompileLimits;

/// What is kept of a child's refusal, and of its last words.
const WORDS_BYTES_MAX: u64 = 4 << 10;
/// The text of Rust's standard library when an allocation fails.
const NO_MEMORY: &str = "memory allocation of";

/// Compiles in child processes of a program that calls [`super::child::main`].
pub struct InChild {
    spawner: mpsc::Sender<Spawn>,
    cache: Option<Cache>,
}

/// Asks the spawner for a child.
struct Spawn(mpsc::Sender<io::Result<Child>>);

/// The thread that spawns compilers could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the thread that spawns compilers")]
pub struct SpawnerError(#[from] io::Error);

/// What became of a child.
struct Ended {
    status: ExitStatus,
    /// Whether this process ended it, because it took too long.
    is_overdue: bool,
    answer: io::Result<Answer>,
    words: String,
}

/// What a child said.
enum Answer {
    Compiled(Artefact),
    /// More native code than it may give.
    TooMuch,
    /// Why the component does not compile.
    Refused(String),
    Nothing,
}

impl InChild {
    /// Compiles by this program.
    ///
    /// # Errors
    /// [`SpawnerError`].
    pub fn new(program: PathBuf, cache: Option<Cache>) -> Result<Self, SpawnerError> {
        let (spawner, wanted) = mpsc::channel();
        // The death signal of a child follows the thread that spawned it, so that thread must live
        // as long as this process.
        thread::Builder::new()
            .name("policy-compilers".to_owned())
            .spawn(move || spawn_all(&program, &wanted))?;
        Ok(Self { spawner, cache })
    }

    /// The cache of native code, if there is one.
    pub fn cache(&self) -> Option<&Cache> {
        self.cache.as_ref()
    }

    /// The native code from a child.
    fn native(
        &self,
        engine: &PolicyEngine,
        digest: Digest,
        bytes: &[u8],
    ) -> Result<Artefact, LoadErrorKind> {
        let child = self.spawn().map_err(LoadErrorKind::NoCompiler)?;
        let ended = self.converse(engine, digest, bytes, child);
        judge(
            &engine.limits().compile,
            ended.map_err(LoadErrorKind::NoCompiler)?,
        )
    }

    fn spawn(&self) -> io::Result<Child> {
        let (reply, child) = mpsc::channel();
        let gone = || io::Error::other("the thread that spawns compilers has ended");
        self.spawner.send(Spawn(reply)).map_err(|_| gone())?;
        child.recv().map_err(|_| gone())?
    }

    /// Sends the order and the component, and reads until the child has ended.
    fn converse(
        &self,
        engine: &PolicyEngine,
        digest: Digest,
        bytes: &[u8],
        mut child: Child,
    ) -> io::Result<Ended> {
        let most = engine.limits().compile;
        let order = Order {
            engine: *engine.made_for(),
            component_bytes: bytes.len() as u64,
            memory_bytes_max: most.memory_bytes_max,
            cpu_seconds: most.cpu.as_secs(),
        };
        let order = serde_json::to_string(&order)?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(io::Error::other("the compiler has no pipes"));
        };
        thread::scope(|scope| {
            // A child that ends before it has read everything breaks the pipe: its end says why. The
            // pipe stays open until then, because its end would end the child.
            let sent = scope.spawn(move || {
                let _ = writeln!(stdin, "{order}").and_then(|()| stdin.write_all(bytes));
                stdin
            });
            let (tell, answered) = mpsc::channel();
            scope.spawn(move || tell.send(self.receive(engine, digest, stdout)));
            let words = scope.spawn(move || read(stderr, WORDS_BYTES_MAX));
            let answer = answered.recv_timeout(most.wall());
            let is_overdue = matches!(answer, Err(RecvTimeoutError::Timeout));
            if !matches!(
                answer,
                Ok(Ok(Answer::Compiled(_)
                    | Answer::Refused(_)
                    | Answer::Nothing))
            ) {
                child.kill()?;
            }
            let status = child.wait()?;
            drop(sent.join());
            let words = words.join().unwrap_or_default();
            Ok(Ended {
                status,
                is_overdue,
                answer: answer.unwrap_or(Ok(Answer::Nothing)),
                words: String::from_utf8_lossy(&words).into_owned(),
            })
        })
    }

    /// Reads a child's answer to its end.
    fn receive(
        &self,
        engine: &PolicyEngine,
        digest: Digest,
        mut stdout: impl Read,
    ) -> io::Result<Answer> {
        let mut mark = [0];
        if stdout.read(&mut mark)? == 0 {
            return Ok(Answer::Nothing);
        }
        match mark {
            [COMPILED] => {
                let bytes_max = engine.limits().compile.native_bytes_max;
                let cache = self.cache.as_ref();
                let entry = cache.and_then(|cache| cache.begin(engine, digest));
                let received = Artefact::receive(stdout, bytes_max, cache, entry)?;
                Ok(received.map_or(Answer::TooMuch, Answer::Compiled))
            }
            [REFUSED] => {
                let text = read(stdout, WORDS_BYTES_MAX);
                Ok(Answer::Refused(String::from_utf8_lossy(&text).into_owned()))
            }
            _ => Err(io::Error::other(
                "the program that was started is no compiler",
            )),
        }
    }
}

impl Compile for InChild {
    fn compile(
        &self,
        engine: &PolicyEngine,
        digest: Digest,
        bytes: &[u8],
    ) -> Result<Component, LoadErrorKind> {
        let cache = self.cache.as_ref();
        let kept = cache.and_then(|cache| cache.get(engine, digest));
        if let Some(component) = kept.and_then(|code| artefact::load(engine, &code).ok()) {
            return Ok(component);
        }
        let artefact = self.native(engine, digest, bytes)?;
        let component = artefact.load(engine).map_err(LoadErrorKind::invalid)?;
        if let Some(cache) = cache {
            artefact.keep(cache);
        }
        Ok(component)
    }

    fn trouble(&self) -> Option<String> {
        self.cache.as_ref().and_then(Cache::trouble)
    }
}

/// The native code, or why there is none.
fn judge(most: &CompileLimits, ended: Ended) -> Result<Artefact, LoadErrorKind> {
    if ended.is_overdue {
        return Err(LoadErrorKind::NeedsMore(Need::Time(most.wall())));
    }
    let answer = ended.answer.map_err(LoadErrorKind::NoCompiler)?;
    if matches!(answer, Answer::TooMuch) {
        let native = Need::Native(most.native_bytes_max);
        return Err(LoadErrorKind::NeedsMore(native));
    }
    if ended.status.success() {
        return match answer {
            Answer::Compiled(artefact) => Ok(artefact),
            Answer::Refused(text) => Err(LoadErrorKind::Invalid(Cause::new(text))),
            Answer::TooMuch | Answer::Nothing => Err(LoadErrorKind::CompilerCrashed(Cause::new(
                "it gave no answer".to_owned(),
            ))),
        };
    }
    let signal = ended.status.signal();
    if signal == Some(Signal::XCPU.as_raw()) {
        return Err(LoadErrorKind::NeedsMore(Need::Cpu(most.cpu)));
    }
    if ended.words.contains(NO_MEMORY) {
        let memory = Need::Memory(most.memory_bytes_max);
        return Err(LoadErrorKind::NeedsMore(memory));
    }
    let words = ended.words.trim();
    if signal == Some(Signal::KILL.as_raw()) {
        // Linux ends the largest process where memory runs out.
        return Err(LoadErrorKind::NoCompiler(io::Error::other(
            "the system ended the compiler (SIGKILL)",
        )));
    }
    let text = format!("{}: {words}", ended.status);
    Err(LoadErrorKind::CompilerCrashed(Cause::new(text)))
}

/// Spawns a child for each that wants one, until nothing can want one any more.
fn spawn_all(program: &std::path::Path, wanted: &mpsc::Receiver<Spawn>) {
    while let Ok(Spawn(reply)) = wanted.recv() {
        let child = Command::new(program)
            .arg(COMMAND)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        if let Err(mpsc::SendError(Ok(mut unwanted))) = reply.send(child) {
            let _ = unwanted.kill().and_then(|()| unwanted.wait());
        }
    }
}

fn read(pipe: impl Read, bytes_max: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut pipe = pipe.take(bytes_max);
    // What arrived before an error is judged by how the child ended.
    let _ = pipe.read_to_end(&mut bytes);
    bytes
}
