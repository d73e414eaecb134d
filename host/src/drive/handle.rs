//! How request handlers send requests to the loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use reeve_core::boxes::{Receipt, Statement};
use reeve_core::id::{InstanceId, RequestId, Sender, WorkerId};
use reeve_core::operator::{Command, CommandOutcome, Refused};
use reeve_core::request::Request;
use reeve_core::response::{Looked, Resolution, Response};
use reeve_core::time::Millis;
use reeve_core::token::Secret;
use reeve_core::worker::WorkerStatus;
use tokio::sync::{mpsc, oneshot};

/// Requests queued for the loop; further requests wait to enter the queue.
const QUEUE: usize = 1024;

/// The loop has ended: the host is shut down, or the loop failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the host's loop has ended")]
pub(crate) struct LoopEnded;

/// A handler's message to the loop.
#[derive(Debug)]
pub(super) enum Message {
    /// A request for the core, and where its response goes.
    Asked {
        worker: WorkerId,
        request: RequestId,
        what: Request,
        respond: oneshot::Sender<Response>,
    },
    /// The sender of this request left.
    Gone {
        worker: WorkerId,
        request: RequestId,
    },
    /// The status of one worker, or of all.
    Status {
        worker: Option<WorkerId>,
        respond: oneshot::Sender<Vec<WorkerStatus>>,
    },
}

/// Sends requests to the loop; clones share one queue.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    messages: mpsc::Sender<Message>,
    last_request: Arc<AtomicU64>,
}

impl Handle {
    /// A handle, and the queue of its messages.
    pub(super) fn new() -> (Self, mpsc::Receiver<Message>) {
        let (messages, incoming) = mpsc::channel(QUEUE);
        let handle = Self {
            messages,
            last_request: Arc::default(),
        };
        (handle, incoming)
    }

    /// Asks where a worker is and waits for the response. When the handler is dropped before that,
    /// the loop is told that the caller is gone.
    ///
    /// # Errors
    /// [`LoopEnded`].
    pub(crate) async fn resolve(
        &self,
        worker: &WorkerId,
        wait: Option<Millis>,
    ) -> Result<Resolution, LoopEnded> {
        self.ask(
            worker,
            Request::Resolve { wait },
            |response| match response {
                Response::Resolve(resolution) => Some(resolution),
                _ => None,
            },
        )
        .await
    }

    /// Makes a statement of a worker, for a box or an application, and waits for its receipt.
    ///
    /// # Errors
    /// [`LoopEnded`].
    pub(crate) async fn state(
        &self,
        worker: &WorkerId,
        statement: Statement,
        fresh: Secret,
    ) -> Result<Receipt, LoopEnded> {
        let request = Request::Statement { statement, fresh };
        self.ask(worker, request, |response| match response {
            Response::Statement(receipt) => Some(receipt),
            _ => None,
        })
        .await
    }

    /// Gives a command about a configured worker and waits for its outcome. The command is followed
    /// also when the handler is dropped before that.
    ///
    /// # Errors
    /// [`LoopEnded`], also when the host shut down before there was a response.
    pub(crate) async fn command(
        &self,
        worker: &WorkerId,
        command: Command,
        from: Sender,
    ) -> Result<Result<CommandOutcome, Refused>, LoopEnded> {
        self.ask(
            worker,
            Request::Command { command, from },
            |response| match response {
                Response::Command(result) => Some(result),
                _ => None,
            },
        )
        .await
    }

    /// Says that a caller does not reach this instance, and waits for what the host does about it.
    ///
    /// # Errors
    /// [`LoopEnded`].
    pub(crate) async fn unreachable(
        &self,
        worker: &WorkerId,
        instance: InstanceId,
    ) -> Result<Looked, LoopEnded> {
        let request = Request::Unreachable { instance };
        self.ask(worker, request, |response| match response {
            Response::Unreachable(looked) => Some(looked),
            _ => None,
        })
        .await
    }

    /// The status of one worker. `None`: it is not configured.
    ///
    /// # Errors
    /// [`LoopEnded`].
    pub(crate) async fn worker(&self, worker: WorkerId) -> Result<Option<WorkerStatus>, LoopEnded> {
        Ok(self.status(Some(worker)).await?.pop())
    }

    /// The status of all workers, by name.
    ///
    /// # Errors
    /// [`LoopEnded`].
    pub(crate) async fn workers(&self) -> Result<Vec<WorkerStatus>, LoopEnded> {
        self.status(None).await
    }

    fn next_request(&self) -> RequestId {
        RequestId::new(self.last_request.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Puts a request to the loop and waits for its response. The core answers each request with a
    /// response of its kind, which `of_kind` takes out.
    async fn ask<T>(
        &self,
        worker: &WorkerId,
        what: Request,
        of_kind: impl FnOnce(Response) -> Option<T>,
    ) -> Result<T, LoopEnded> {
        let (respond, response) = oneshot::channel();
        let request = self.next_request();
        let message = Message::Asked {
            worker: worker.clone(),
            request,
            what,
            respond,
        };
        self.messages.send(message).await.map_err(|_| LoopEnded)?;
        let mut pending = Pending {
            messages: &self.messages,
            worker,
            request,
            is_answered: false,
        };
        let response = response.await.map_err(|_| LoopEnded);
        pending.is_answered = true;
        let response = of_kind(response?);
        debug_assert!(response.is_some(), "a response of another kind");
        response.ok_or(LoopEnded)
    }

    async fn status(&self, worker: Option<WorkerId>) -> Result<Vec<WorkerStatus>, LoopEnded> {
        let (respond, status) = oneshot::channel();
        let message = Message::Status { worker, respond };
        self.messages.send(message).await.map_err(|_| LoopEnded)?;
        status.await.map_err(|_| LoopEnded)
    }
}

/// A request that waits for its response; dropped without one, its sender is gone.
struct Pending<'a> {
    messages: &'a mpsc::Sender<Message>,
    worker: &'a WorkerId,
    request: RequestId,
    is_answered: bool,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            // With a full queue the request's deadline does it a little later.
            let _ = self.messages.try_send(Message::Gone {
                worker: self.worker.clone(),
                request: self.request,
            });
        }
    }
}
