//! Connections: accepted, served, and ended without cutting anyone off.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::door::Door;

/// Connections at a time, below the 1024 open files that systems usually grant; more wait to be accepted.
const CONNECTIONS_MAX: usize = 512;
/// How long a client may take to send the head of a request.
const HEAD_MAX: Duration = Duration::from_secs(10);
/// How long connections may take to end when the host has answered everyone.
const CLOSE_MAX: Duration = Duration::from_secs(2);

/// Serves connections until `stop` turns true or its sender is gone; then accepts no more, lets each
/// finish the request it is at, and ends.
pub(crate) async fn serve<L: Listener>(mut listener: L, door: Door, stop: watch::Receiver<bool>) {
    let door = Arc::new(door);
    let mut connections = JoinSet::new();
    let mut stopping = stop.clone();
    loop {
        tokio::select! {
            () = stopped(&mut stopping) => break,
            Some(_) = connections.join_next() => {}
            (stream, _) = listener.accept(), if connections.len() < CONNECTIONS_MAX => {
                connections.spawn(connection(TokioIo::new(stream), Arc::clone(&door), stop.clone()));
            }
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    // Who still sends nothing and reads nothing is cut off when the set is dropped.
    let _ = tokio::time::timeout(crate::drive::DRAIN_MAX + CLOSE_MAX, ended).await;
}

async fn connection<I>(stream: TokioIo<I>, door: Arc<Door>, mut stop: watch::Receiver<bool>)
where
    I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let door = &*door;
    let service =
        service_fn(move |request| async move { Ok::<_, Infallible>(door.pass(request).await) });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .serve_connection(stream, service);
    let mut connection = std::pin::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        // A client that went away or spoke no HTTP: nothing an operator could act on.
        tracing::debug!("a connection ended: {error}");
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone cannot turn it true any more; that is the end as well.
    let _ = stop.wait_for(|stop| *stop).await;
}
