//! The audit log: who asked for what through the doors, and what came of it. `audit-*.jsonl` in the
//! state directory, one JSON line each.
//!
//! A command has a line of its own. All other requests are counted, by identity, role and outcome, in
//! a line a minute: so neither the callers' resolves nor a flood of refusals pushes a command out of
//! the log. No line has a secret: of a request it has the path without its query.

mod file;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reeve_core::text;
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::access::{Access, Asked};
use crate::clock::Clock;
use crate::metrics::Metrics;
use file::AuditFile;

/// Lines that wait for the disk. Further ones are left out and counted.
const QUEUE: usize = 4_096;
/// How often requests are counted.
const EVERY: Duration = Duration::from_secs(60);
/// How long the end of the host waits for the disk.
const FINISH_MAX: Duration = Duration::from_secs(2);
/// Addresses of strangers that are told apart within a minute.
const STRANGERS_MAX: usize = 1_000;

/// Writes the audit log; a clone writes the same one.
#[derive(Clone)]
pub(crate) struct Audit(Arc<Inner>);

struct Inner {
    lines: SyncSender<ToWriter>,
    /// How often no identity was shown, by address; `None`: of further addresses.
    strangers: Mutex<BTreeMap<Option<IpAddr>, u64>>,
    access: Arc<Access>,
    metrics: Metrics,
    clock: Clock,
}

/// For the thread that writes.
enum ToWriter {
    Line(String),
    /// Responds when all lines before it are written.
    Flush(oneshot::Sender<()>),
}

/// A line.
#[derive(Serialize)]
struct Line<'a> {
    at: Timestamp,
    #[serde(flatten)]
    what: What<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum What<'a> {
    /// A command, and the status of the response.
    Command {
        from: &'a str,
        method: &'a str,
        path: &'a str,
        status: u16,
    },
    /// Requests since the line before.
    Requests {
        from: &'a str,
        role: Option<&'static str>,
        outcome: &'static str,
        count: u64,
    },
    /// Requests that showed no identity, or none that counts.
    Strangers { peer: Option<IpAddr>, count: u64 },
}

impl Audit {
    /// Opens the log in the state directory, and starts the thread that writes it.
    ///
    /// # Errors
    /// The system's: the file cannot be opened, or the thread not started.
    pub(crate) fn open(
        state_dir: &Path,
        access: Arc<Access>,
        metrics: Metrics,
        clock: Clock,
    ) -> std::io::Result<Self> {
        let mut file = AuditFile::open(state_dir)?;
        let (lines, incoming) = sync_channel(QUEUE);
        let counted = metrics.clone();
        std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || write_all(&mut file, incoming, &counted))?;
        Ok(Self(Arc::new(Inner {
            lines,
            strangers: Mutex::default(),
            access,
            metrics,
            clock,
        })))
    }

    /// Writes that this identity gave a command, and the status of the response.
    pub(crate) fn command(&self, from: &str, method: &str, path: &str, status: u16) {
        let path = text::bounded(path);
        self.write(What::Command {
            from,
            method,
            path: &path,
            status,
        });
    }

    /// Counts a request that showed no identity.
    pub(crate) fn stranger(&self, peer: Option<IpAddr>) {
        let strangers = &self.0.strangers;
        let mut strangers = strangers.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = strangers.len() >= STRANGERS_MAX && !strangers.contains_key(&peer);
        let peer = if is_full { None } else { peer };
        *strangers.entry(peer).or_default() += 1;
    }

    /// Writes the counts every minute, for ever.
    pub(crate) async fn count(self) {
        loop {
            tokio::time::sleep(EVERY).await;
            self.write_counts();
        }
    }

    /// Writes the counts since the last call.
    pub(crate) fn write_counts(&self) {
        let strangers = &self.0.strangers;
        let mut strangers = strangers.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = std::mem::take(&mut *strangers);
        drop(strangers);
        for asked in self.0.access.take_asked() {
            let Asked {
                from,
                role,
                outcome,
                count,
            } = &asked;
            self.write(What::Requests {
                from,
                role: role.map(|role| role.as_str()),
                outcome: outcome.as_str(),
                count: *count,
            });
        }
        for (peer, count) in taken {
            self.write(What::Strangers { peer, count });
        }
    }

    /// Writes the counts, and waits until all lines are written, for at most two seconds.
    pub(crate) async fn finish(&self) {
        self.write_counts();
        let (respond, written) = oneshot::channel();
        if self.0.lines.try_send(ToWriter::Flush(respond)).is_ok() {
            let _ = timeout(FINISH_MAX, written).await;
        }
    }

    fn write(&self, what: What<'_>) {
        let at = self.0.clock.timestamp();
        let line = text::to_json(&Line { at, what });
        let send = |line| self.0.lines.try_send(ToWriter::Line(line));
        let is_sent = line.is_ok_and(|line| send(line).is_ok());
        if !is_sent {
            self.0.metrics.audit_lines_lost();
        }
    }
}

fn write_all(file: &mut AuditFile, incoming: Receiver<ToWriter>, metrics: &Metrics) {
    let mut is_told = false;
    for message in incoming {
        let line = match message {
            ToWriter::Line(line) => line,
            ToWriter::Flush(respond) => {
                // The host may have stopped waiting.
                let _ = respond.send(());
                continue;
            }
        };
        match file.append(&line) {
            Ok(()) => is_told = false,
            Err(error) => {
                metrics.audit_lines_lost();
                if !is_told {
                    tracing::error!("the audit log cannot be written: {error}");
                }
                is_told = true;
            }
        }
    }
}
