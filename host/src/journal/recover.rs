//! Recovers the highest counters of earlier runs from the journal.
//!
//! The checkpoint summarizes every journal before a numbered one. That journal and the later ones
//! are read. Recovery needs only four fields of a line, so journals of earlier versions still
//! prevent the reuse of a generation.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use reeve_core::fleet::Recovered;
use reeve_core::id::{DecisionId, Epoch, Generation, WorkerId};
use serde::{Deserialize, Serialize};

use super::{CHECKPOINT, JournalError, disk};

/// The result of a recovery.
#[derive(Debug)]
pub(super) struct Found {
    /// The highest counters.
    pub(super) maxima: Maxima,
    /// The number of the journal to append to.
    pub(super) current: u64,
    /// The length of that journal.
    pub(super) tail: Tail,
    /// Lines that could not be read, with file and line number.
    pub(super) damage: Vec<String>,
}

/// The end of a journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tail {
    /// The length up to the last whole line.
    pub(super) whole_bytes: u64,
    /// Bytes of a torn last line, which a kill may leave.
    pub(super) torn_bytes: u64,
}

/// The summary of all journals before a numbered one.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    /// The first journal that the summary does not cover.
    pub(super) from: u64,
    pub(super) maxima: Maxima,
}

/// The highest counters seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Maxima {
    pub(super) generations: BTreeMap<WorkerId, Generation>,
    pub(super) decisions: DecisionId,
    pub(super) epoch: Epoch,
}

impl Maxima {
    /// Counts an intent.
    pub(super) fn intent(&mut self, worker: &WorkerId, generation: Generation, epoch: Epoch) {
        let highest = self.generations.entry(worker.clone()).or_default();
        *highest = generation.max(*highest);
        self.epoch = self.epoch.max(epoch);
    }

    /// Counts a decision id.
    pub(super) fn decision(&mut self, decision: DecisionId) {
        self.decisions = self.decisions.max(decision);
    }
}

impl From<Maxima> for Recovered {
    fn from(maxima: Maxima) -> Self {
        Self {
            generations: maxima.generations,
            decisions: maxima.decisions,
            epoch: maxima.epoch,
            records: None,
            block: None,
        }
    }
}

/// The fields of an entry that recovery needs; others are ignored.
#[derive(Deserialize)]
struct Line {
    worker: WorkerId,
    decision: DecisionId,
    entry: EntryOf,
}

#[derive(Deserialize)]
struct EntryOf {
    intent: Option<IntentOf>,
}

#[derive(Deserialize)]
struct IntentOf {
    generation: Generation,
    epoch: Epoch,
}

/// Reads the checkpoint and the journals.
///
/// # Errors
/// [`JournalError::Io`] if an existing file cannot be read. Damage in a file is no error: it is
/// reported, and the readable lines count.
pub(super) fn recover(dir: &Path) -> Result<Found, JournalError> {
    let mut damage = Vec::new();
    let Checkpoint { from, maxima } = checkpoint(dir, &mut damage)?;
    let mut found = Found {
        maxima,
        current: from.max(1),
        tail: Tail::default(),
        damage,
    };
    for number in disk::numbers(dir)? {
        if number >= from {
            found.current = number.max(found.current);
            found.tail = read(&disk::path(dir, number), &mut found)?;
        }
    }
    Ok(found)
}

/// Reads the checkpoint. If it cannot be parsed, every journal is read instead.
fn checkpoint(dir: &Path, damage: &mut Vec<String>) -> Result<Checkpoint, JournalError> {
    let none = Checkpoint {
        from: 0,
        maxima: Maxima::default(),
    };
    let path = dir.join(CHECKPOINT);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(none),
        Err(error) => return Err(JournalError::io("read", &path)(error)),
    };
    Ok(serde_json::from_slice(&bytes).unwrap_or_else(|error| {
        let path = path.display();
        damage.push(format!(
            "{path}: not a checkpoint ({error}); every journal is read instead"
        ));
        none
    }))
}

/// Reads these bytes as the only journal. For fuzzing.
///
/// # Errors
/// None: bytes in memory can be read.
pub(super) fn recover_bytes(bytes: &[u8]) -> io::Result<Maxima> {
    let mut found = Found {
        maxima: Maxima::default(),
        current: 1,
        tail: Tail::default(),
        damage: Vec::new(),
    };
    read_from(bytes, Path::new("journal"), &mut found)?;
    Ok(found.maxima)
}

fn read(path: &Path, found: &mut Found) -> Result<Tail, JournalError> {
    let file = File::open(path).map_err(JournalError::io("open", path))?;
    read_from(BufReader::new(file), path, found).map_err(JournalError::io("read", path))
}

/// Reads one journal, whose path is for messages.
fn read_from(mut reader: impl BufRead, path: &Path, found: &mut Found) -> io::Result<Tail> {
    let mut tail = Tail::default();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let length = reader.read_until(b'\n', &mut line)? as u64;
        if line.last() != Some(&b'\n') {
            tail.torn_bytes = length;
            break;
        }
        tail.whole_bytes += length;
        match serde_json::from_slice::<Line>(&line) {
            Ok(line) => {
                found.maxima.decision(line.decision);
                if let Some(intent) = line.entry.intent {
                    found
                        .maxima
                        .intent(&line.worker, intent.generation, intent.epoch);
                }
            }
            Err(error) => found.damage.push(format!(
                "{}:{number}: no journal entry, skipped: {error}",
                path.display()
            )),
        }
    }
    Ok(tail)
}
