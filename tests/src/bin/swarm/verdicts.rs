//! `--verdicts`: gives the inputs of random worlds to many new processes, and compares what the
//! policies make of them, byte for byte, with their fuel. Half of the processes compile the policies
//! anew, half take what an earlier process compiled.
//!
//! ```text
//! worlds ─▶ inputs.jsonl ─▶ process 1 … n ─▶ one digest each: all the same
//! ```

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, Result, anyhow, ensure};
use reeve_core::decision::Decision;
use reeve_core::id::{Digest, PoolName};
use reeve_core::point::Input;
use reeve_core::ports::Policies;
use reeve_policy::compile::{Cache, InChild};
use reeve_policy::{Limits, PolicyEngine};
use reeve_sim::swarm::{self, Options};
use serde::{Deserialize, Serialize};

use crate::troupe::Troupe;

/// Files of the working directory.
const INPUTS: &str = "inputs.jsonl";
const WARM: &str = "warm";

/// One question to a policy.
#[derive(Serialize, Deserialize)]
struct Question {
    cast: PoolName,
    input: Input,
}

/// Asks the policies, and keeps what they were asked.
struct Recording<'troupe> {
    troupe: &'troupe Troupe,
    questions: Mutex<Vec<Question>>,
}

impl Policies for Recording<'_> {
    fn decide(&self, cast: &PoolName, input: Input) -> Decision {
        let question = Question {
            cast: cast.clone(),
            input: input.clone(),
        };
        let mut questions = self
            .questions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        questions.push(question);
        drop(questions);
        self.troupe.decide(cast, input)
    }
}

/// Records as many inputs, and gives them to as many processes, some at a time.
pub(crate) fn run(
    troupe: &Troupe,
    from: u64,
    processes: usize,
    inputs: usize,
    threads: usize,
) -> Result<ExitCode> {
    let directory = tempfile::tempdir()?;
    let directory = directory.path();
    let worlds = record(troupe, from, inputs, &directory.join(INPUTS))?;
    println!("{inputs} inputs of {worlds} worlds; {processes} processes, {threads} at a time");
    // What the warm ones find.
    let first = answer_of(directory, &directory.join(WARM))?;
    let (next, different) = (AtomicUsize::new(1), AtomicUsize::new(0));
    thread::scope(|scope| {
        let runs: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= processes {
                            return anyhow::Ok(());
                        }
                        let cache = match number % 2 {
                            0 => format!("cold-{number}"),
                            _ => WARM.to_owned(),
                        };
                        let answer = answer_of(directory, &directory.join(cache))?;
                        if answer != first {
                            println!("process {number} answered {answer}, the first one {first}");
                            different.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                })
            })
            .collect();
        for run in runs {
            run.join().map_err(|_| anyhow!("a thread panicked"))??;
        }
        anyhow::Ok(())
    })?;
    let different = different.into_inner();
    println!("{different} of {processes} processes answered differently; the first: {first}");
    Ok(match different {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// Plays worlds until this many questions were asked, and writes them down. Returns how many worlds.
fn record(troupe: &Troupe, from: u64, inputs: usize, file: &Path) -> Result<u64> {
    let recording = Recording {
        troupe,
        questions: Mutex::default(),
    };
    let asked = |recording: &Recording<'_>| {
        let questions = recording.questions.lock();
        questions.unwrap_or_else(PoisonError::into_inner).len()
    };
    let casts = troupe.casts.names();
    let mut worlds = 0;
    while asked(&recording) < inputs {
        let options = Options::draw(from + worlds, &casts);
        swarm::run(&options, &recording, &troupe.casts, false);
        worlds += 1;
    }
    let mut written = BufWriter::new(File::create(file)?);
    let questions = recording.questions.into_inner();
    for question in questions
        .unwrap_or_else(PoisonError::into_inner)
        .iter()
        .take(inputs)
    {
        serde_json::to_writer(&mut written, question)?;
        written.write_all(b"\n")?;
    }
    written.flush()?;
    Ok(worlds)
}

/// What a new process with this cache of compiled policies makes of the inputs.
fn answer_of(directory: &Path, cache: &Path) -> Result<String> {
    let output = Command::new(std::env::current_exe()?)
        .arg("--answer")
        .args([&directory.join(INPUTS), cache])
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "a process failed: {errors}");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// In one of the processes: prints the digest of all verdicts and of the fuel that they took.
pub(crate) fn answer(policies: &Path, inputs: &Path, cache: PathBuf) -> Result<ExitCode> {
    let cache = Cache::open(cache, Cache::BYTES_MAX)?;
    let compiler = InChild::new("/proc/self/exe".into(), Some(cache))?;
    let engine = PolicyEngine::new(Limits::default())?.compiling_by(Arc::new(compiler));
    let troupe = Troupe::load_with(engine, policies)?;
    let mut answers = Vec::new();
    for line in BufReader::new(File::open(inputs)?).lines() {
        let Question { cast, input } = serde_json::from_str(&line?).context("a recorded input")?;
        let decision = troupe.decide(&cast, input);
        serde_json::to_writer(&mut answers, &(decision.result, decision.fuel_used))?;
        answers.push(b'\n');
    }
    println!("{}", Digest::of(&answers));
    Ok(ExitCode::SUCCESS)
}
