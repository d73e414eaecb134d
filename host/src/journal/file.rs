//! The journal on disk: lines appended, made durable where asked, a new file when one is long.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use reeve_core::fleet::Recovered;
use reeve_core::journal::{Entry, Record};

use super::lock::StateLock;
use super::recover::{self, Checkpoint, Maxima};
use super::{CHECKPOINT, JournalError, disk};

/// Records that could not be written yet are kept up to this many bytes: a full disk must not become
/// full memory.
const UNWRITTEN_BYTES_MAX: usize = 4 << 20;

/// The state directory of one host, held until dropped.
#[derive(Debug)]
pub(super) struct JournalFile {
    dir: PathBuf,
    number: u64,
    path: PathBuf,
    file: File,
    /// The length up to the end of the last whole line.
    bytes: u64,
    bytes_max: u64,
    maxima: Maxima,
    /// Whole lines that a failed write left over; they go before any new one.
    unwritten: Vec<u8>,
    _lock: StateLock,
}

/// What opening found.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) journal: JournalFile,
    pub(super) recovered: Recovered,
    pub(super) torn_bytes: u64,
    pub(super) damage: Vec<String>,
}

impl JournalFile {
    /// Takes the directory (made if it is missing), recovers, and cuts an unfinished last line off. The
    /// checkpoint is written with this life's epoch, so that epochs rise even when nothing is done.
    ///
    /// # Errors
    /// [`JournalError`]: another host uses the directory, or a file cannot be read or written.
    pub(super) fn open(dir: &Path, bytes_max: u64) -> Result<Opened, JournalError> {
        std::fs::create_dir_all(dir).map_err(JournalError::io("create", dir))?;
        let lock = StateLock::take(dir)?;
        let found = recover::recover(dir)?;
        let recovered = Recovered::from(found.maxima.clone());
        let mut maxima = found.maxima;
        maxima.epoch = maxima.epoch.next();
        let path = disk::path(dir, found.current);
        let mut journal = Self {
            dir: dir.to_owned(),
            number: found.current,
            file: disk::open(&path)?,
            path,
            bytes: found.tail.whole_bytes,
            bytes_max,
            maxima,
            unwritten: Vec::new(),
            _lock: lock,
        };
        journal.cut_to_whole_lines()?;
        journal.write_checkpoint(journal.number)?;
        Ok(Opened {
            journal,
            recovered,
            torn_bytes: found.tail.torn_bytes,
            damage: found.damage,
        })
    }

    /// The current file's length.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends a record; on return it is durable if its entry must be.
    ///
    /// # Errors
    /// [`JournalError`]: it is not on disk. It is kept and goes before the next record, unless too much
    /// is kept already.
    pub(super) fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        let mut line = serde_json::to_vec(record).map_err(JournalError::Unwritable)?;
        line.push(b'\n');
        if self.unwritten.len() + line.len() > UNWRITTEN_BYTES_MAX {
            // No room to keep it, unless what is kept can be written now.
            self.write_out()?;
        }
        self.unwritten.extend_from_slice(&line);
        self.maxima.decision(record.decision);
        if let Entry::Intent {
            generation, epoch, ..
        } = &record.entry
        {
            self.maxima.intent(&record.worker, *generation, *epoch);
        }
        self.write_out()?;
        if record.entry.must_be_durable() {
            self.sync()?;
        }
        if self.bytes >= self.bytes_max {
            self.rotate()?;
        }
        Ok(())
    }

    /// Makes everything appended durable.
    ///
    /// # Errors
    /// [`JournalError::Io`]: some of it may be lost when the machine fails.
    pub(super) fn sync(&mut self) -> Result<(), JournalError> {
        let synced = self.file.sync_data();
        synced.map_err(JournalError::io("sync", &self.path))
    }

    /// Tries again what an earlier append could not write.
    ///
    /// # Errors
    /// [`JournalError::Io`]: it still cannot be written.
    pub(super) fn write_out(&mut self) -> Result<(), JournalError> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        // An earlier attempt may have left part of a line behind.
        self.cut_to_whole_lines()?;
        let written = self.file.write_all(&self.unwritten);
        written.map_err(JournalError::io("write", &self.path))?;
        self.bytes += self.unwritten.len() as u64;
        self.unwritten.clear();
        Ok(())
    }

    fn cut_to_whole_lines(&mut self) -> Result<(), JournalError> {
        let mut cut = || -> std::io::Result<()> {
            if self.file.stream_position()? != self.bytes
                || self.file.metadata()?.len() != self.bytes
            {
                self.file.set_len(self.bytes)?;
                self.file.seek(SeekFrom::Start(self.bytes))?;
            }
            Ok(())
        };
        cut().map_err(JournalError::io("cut", &self.path))
    }

    /// Goes on in the next file. Until the checkpoint that names it is written, this one stays in use:
    /// whichever step fails, and wherever the machine stops, every generation is in a file that the next
    /// life reads.
    fn rotate(&mut self) -> Result<(), JournalError> {
        self.sync()?;
        let number = self.number + 1;
        let path = disk::path(&self.dir, number);
        let file = disk::open(&path)?;
        self.write_checkpoint(number)?;
        self.number = number;
        self.path = path;
        self.file = file;
        self.bytes = 0;
        disk::prune(&self.dir)
    }

    fn write_checkpoint(&self, from: u64) -> Result<(), JournalError> {
        let checkpoint = Checkpoint {
            from,
            maxima: self.maxima.clone(),
        };
        let bytes = serde_json::to_vec(&checkpoint).map_err(JournalError::Unwritable)?;
        disk::replace(&self.dir, CHECKPOINT, &bytes)
    }
}

#[cfg(test)]
impl JournalFile {
    /// Puts a read-only file in the place of the journal's, or the journal's file back.
    pub(super) fn break_for_test(&mut self, broken: bool) {
        let mut options = std::fs::OpenOptions::new();
        self.file = options.read(true).write(!broken).open(&self.path).unwrap();
        self.file.seek(SeekFrom::Start(self.bytes)).unwrap();
    }
}
