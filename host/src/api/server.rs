//! Accepts, serves and closes connections without cutting off running requests.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::admission::{Admission, Peer, Place};
use super::door::Door;
use crate::access::Caller;

/// Connections per listener, below the usual limit of 1024 open files.
pub(super) const CONNECTIONS_MAX: usize = 512;
/// How long a client may take to send the head of a request.
const HEAD_MAX: Duration = Duration::from_secs(10);
/// How long connections may take to close after the last response.
const CLOSE_MAX: Duration = Duration::from_secs(2);

/// What the door knows of a connection before its first request.
struct Admitted {
    /// The connection's place, and the receiver that ends when another connection needs it. `None`:
    /// this listener gives no places.
    place: Option<(Place, oneshot::Receiver<()>)>,
    /// Who connects. `None`: requests prove it, each for itself.
    caller: Option<Caller>,
}

/// Serves connections from this machine until `stop` turns true or its sender is dropped. It then
/// accepts no more, lets each connection finish its running request, and returns. At the cap,
/// further connections wait to be accepted. `who` tells who connects; a connection of which that
/// cannot be told is closed.
pub(crate) async fn serve<L: Listener>(
    listener: L,
    door: Door,
    who: impl Fn(&L::Io) -> Option<Caller>,
    stop: watch::Receiver<bool>,
) {
    let admit = |stream: &L::Io, _: &L::Addr| {
        Some(Admitted {
            place: None,
            caller: Some(who(stream)?),
        })
    };
    serve_those(listener, door, stop, CONNECTIONS_MAX, admit).await;
}

/// Serves connections from other machines. All are accepted, so that half-sent heads never delay
/// the others; `admission` decides which are served.
pub(crate) async fn serve_boxes(
    listener: TcpListener,
    door: Door,
    admission: Arc<Admission>,
    stop: watch::Receiver<bool>,
) {
    let admit = |_: &TcpStream, address: &SocketAddr| {
        Some(Admitted {
            place: Some(admission.admit(address.ip())?),
            caller: None,
        })
    };
    serve_those(listener, door, stop, usize::MAX, admit).await;
}

async fn serve_those<L: Listener>(
    mut listener: L,
    door: Door,
    stop: watch::Receiver<bool>,
    accepted_max: usize,
    admit: impl Fn(&L::Io, &L::Addr) -> Option<Admitted>,
) {
    let door = Arc::new(door);
    let mut connections = JoinSet::new();
    let mut stopping = stop.clone();
    loop {
        tokio::select! {
            () = stopped(&mut stopping) => break,
            Some(_) = connections.join_next() => {}
            (stream, address) = listener.accept(), if connections.len() < accepted_max => {
                if let Some(admitted) = admit(&stream, &address) {
                    let stream = TokioIo::new(stream);
                    connections.spawn(connection(stream, Arc::clone(&door), stop.clone(), admitted));
                }
            }
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    // Connections that still send and read nothing are cut off when the set is dropped.
    let _ = tokio::time::timeout(crate::drive::DRAIN_MAX + CLOSE_MAX, ended).await;
}

/// Serves a connection until its client or the host closes it, or its place is needed.
async fn connection<I>(
    stream: TokioIo<I>,
    door: Arc<Door>,
    stop: watch::Receiver<bool>,
    admitted: Admitted,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Admitted { place, caller } = admitted;
    let caller = caller.as_ref();
    let Some((place, ended)) = place else {
        return requests(stream, &door, stop, None, caller).await;
    };
    tokio::select! {
        () = requests(stream, &door, stop, Some(&place), caller) => {}
        // The channel carries no value; it ends when its sender is dropped.
        _ = ended => {}
    }
}

async fn requests<I>(
    stream: TokioIo<I>,
    door: &Door,
    mut stop: watch::Receiver<bool>,
    place: Option<&Place>,
    caller: Option<&Caller>,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: hyper::Request<_>| async move {
        let _under_way = place.map(Place::begin_request);
        if let Some(place) = place {
            request.extensions_mut().insert(Peer(place.peer()));
        }
        Ok::<_, Infallible>(door.pass(request, caller).await)
    });
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
        // The client left or spoke no HTTP; an operator can do nothing about it.
        tracing::debug!("a connection ended: {error}");
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A dropped sender can no longer turn it true, so it means stop as well.
    let _ = stop.wait_for(|stop| *stop).await;
}
