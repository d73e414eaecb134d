//! How request handlers send requests to the loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use reeve_core::answer::Answer;
use reeve_core::boxes::{Reply, Said};
use reeve_core::id::{RequestId, WorkerId};
use reeve_core::operator::{Command, Operated, Refused};
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

/// The outcome of an operator's command, and the worker's status after it.
pub(crate) type Reported = Result<(Operated, WorkerStatus), Refused>;

/// A handler's request to the loop.
#[derive(Debug)]
pub(super) enum Request {
    /// Where is the worker?
    Resolve {
        worker: WorkerId,
        request: RequestId,
        wait: Option<Millis>,
        reply: oneshot::Sender<Answer>,
    },
    /// A box registers, or a box or application reports.
    Said {
        worker: WorkerId,
        request: RequestId,
        said: Said,
        fresh: Secret,
        reply: oneshot::Sender<Reply>,
    },
    /// The caller of this request left.
    Gone {
        worker: WorkerId,
        request: RequestId,
    },
    /// An operator's command.
    Operate {
        worker: WorkerId,
        request: RequestId,
        command: Command,
        reply: oneshot::Sender<Reported>,
    },
    /// The status of one worker, or of all.
    Status {
        worker: Option<WorkerId>,
        reply: oneshot::Sender<Vec<WorkerStatus>>,
    },
}

/// Sends requests to the loop; clones share one queue.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    requests: mpsc::Sender<Request>,
    last_request: Arc<AtomicU64>,
}

impl Handle {
    /// A handle, and the queue of its requests.
    pub(super) fn new() -> (Self, mpsc::Receiver<Request>) {
        let (requests, incoming) = mpsc::channel(QUEUE);
        let handle = Self {
            requests,
            last_request: Arc::default(),
        };
        (handle, incoming)
    }

    /// Asks where a worker is and waits for the response. If the returned future is dropped, the
    /// loop is told that the caller left.
    ///
    /// # Errors
    /// [`LoopEnded`].
    pub(crate) async fn resolve(
        &self,
        worker: &WorkerId,
        wait: Option<Millis>,
    ) -> Result<Answer, LoopEnded> {
        let (reply, answer) = oneshot::channel();
        let request = self.next_request();
        let message = Request::Resolve {
            worker: worker.clone(),
            request,
            wait,
            reply,
        };
        self.wait_for(worker, request, message, answer).await
    }

    /// Passes on a registration or report of a box or application, and waits for the response.
    ///
    /// # Errors
    /// [`LoopEnded`].
    pub(crate) async fn say(
        &self,
        worker: &WorkerId,
        said: Said,
        fresh: Secret,
    ) -> Result<Reply, LoopEnded> {
        let (reply, answer) = oneshot::channel();
        let request = self.next_request();
        let message = Request::Said {
            worker: worker.clone(),
            request,
            said,
            fresh,
            reply,
        };
        self.wait_for(worker, request, message, answer).await
    }

    /// Passes on an operator's command for a configured worker and waits for its outcome. The
    /// command is carried out even if the returned future is dropped.
    ///
    /// # Errors
    /// [`LoopEnded`], also if the host shut down before it responded.
    pub(crate) async fn operate(
        &self,
        worker: &WorkerId,
        command: Command,
    ) -> Result<Reported, LoopEnded> {
        let (reply, reported) = oneshot::channel();
        let message = Request::Operate {
            worker: worker.clone(),
            request: self.next_request(),
            command,
            reply,
        };
        self.requests.send(message).await.map_err(|_| LoopEnded)?;
        reported.await.map_err(|_| LoopEnded)
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

    async fn wait_for<T>(
        &self,
        worker: &WorkerId,
        request: RequestId,
        message: Request,
        answer: oneshot::Receiver<T>,
    ) -> Result<T, LoopEnded> {
        self.requests.send(message).await.map_err(|_| LoopEnded)?;
        let mut waiting = Waiting {
            requests: &self.requests,
            worker,
            request,
            answered: false,
        };
        let answer = answer.await.map_err(|_| LoopEnded);
        waiting.answered = true;
        answer
    }

    async fn status(&self, worker: Option<WorkerId>) -> Result<Vec<WorkerStatus>, LoopEnded> {
        let (reply, status) = oneshot::channel();
        let message = Request::Status { worker, reply };
        self.requests.send(message).await.map_err(|_| LoopEnded)?;
        status.await.map_err(|_| LoopEnded)
    }
}

/// A waiting caller. Dropped before the response, it reports that the caller left.
struct Waiting<'a> {
    requests: &'a mpsc::Sender<Request>,
    worker: &'a WorkerId,
    request: RequestId,
    answered: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.answered {
            // If the queue is full, the caller's deadline removes the request a little later.
            let _ = self.requests.try_send(Request::Gone {
                worker: self.worker.clone(),
                request: self.request,
            });
        }
    }
}
