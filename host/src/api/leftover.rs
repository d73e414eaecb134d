//! What a handler has left of a request's body.
//!
//! hyper closes a connection whose body is not read to its end. A client that still sends the body
//! would see the connection end, and not the response that says why its request was refused. So the
//! rest is read, within bounds, before the response is sent.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::HttpBody;
use hyper::Request;
use hyper::body::{Bytes, Frame, Incoming, SizeHint};
use tokio::time::timeout;

/// The longest rest that is read. The longest body that a handler reads has as many bytes.
const BYTES_MAX: u64 = 64 << 10;
/// How long the rest may take. A client that sends at once has sent it by then.
const TIME_MAX: Duration = Duration::from_secs(1);

/// The body for the handler.
pub(super) enum Body {
    /// There is nothing to read.
    Ended(Incoming),
    Shared(Arc<Mutex<Incoming>>),
}

/// The same body, for what is left of it.
pub(super) struct Leftover(Option<Arc<Mutex<Incoming>>>);

/// Keeps the body of this request for later.
pub(super) fn keep(request: Request<Incoming>) -> (Request<Body>, Leftover) {
    if request.body().is_end_stream() {
        return (request.map(Body::Ended), Leftover(None));
    }
    let (head, body) = request.into_parts();
    let body = Arc::new(Mutex::new(body));
    let leftover = Leftover(Some(Arc::clone(&body)));
    (Request::from_parts(head, Body::Shared(body)), leftover)
}

impl Leftover {
    /// Reads the rest, unless it is too long.
    pub(super) async fn discard(self) {
        let Some(body) = self.0 else {
            return;
        };
        if lock(&body).size_hint().lower() > BYTES_MAX {
            return;
        }
        let mut read = 0;
        let all = async {
            while read <= BYTES_MAX {
                let frame = std::future::poll_fn(|cx| Pin::new(&mut *lock(&body)).poll_frame(cx));
                let Some(Ok(frame)) = frame.await else {
                    return;
                };
                read += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
        };
        // A client that is slower sees the connection end.
        let _ = timeout(TIME_MAX, all).await;
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Ended(body) => Pin::new(body).poll_frame(cx),
            Self::Shared(body) => Pin::new(&mut *lock(body)).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Ended(body) => body.is_end_stream(),
            Self::Shared(body) => lock(body).is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Ended(body) => body.size_hint(),
            Self::Shared(body) => lock(body).size_hint(),
        }
    }
}

fn lock(body: &Mutex<Incoming>) -> MutexGuard<'_, Incoming> {
    body.lock().unwrap_or_else(PoisonError::into_inner)
}
