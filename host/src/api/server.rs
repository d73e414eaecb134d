//! Accepts, serves and closes connections without cutting off running requests.

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::admission::{Admission, Peer, Place};
use super::door::{Door, SentBy};
use super::leftover;
use crate::access::{Caller, Credentials};
use crate::tls::{self, Tls};

/// How long a client may take to agree on TLS, and to send the head of a request.
const HEAD_MAX: Duration = Duration::from_secs(10);
/// How long connections may take to close after the last response.
const CLOSE_MAX: Duration = Duration::from_secs(2);
/// A client that answers no ping over HTTP/2 is gone.
const PING_EVERY: Duration = Duration::from_secs(20);
/// Requests that run at once on one connection over HTTP/2.
const STREAMS_MAX: u32 = 128;
/// The heads of a request over HTTP/2 have at most this many bytes, as over HTTP/1.
const HEAD_BYTES_MAX: u32 = 64 << 10;

/// Stands for every client at a local door, whose address says nothing.
const THIS_MACHINE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// How a listener for other machines receives them.
pub(crate) struct Reception {
    /// `None`: without TLS.
    pub(crate) tls: Option<Arc<Tls>>,
    /// What proves who sends a request. `None`: the handlers check that.
    pub(crate) credentials: Option<Arc<Credentials>>,
    /// Which connections are served.
    pub(crate) admission: Arc<Admission>,
}

/// Serves connections from this machine until `stop` turns true or its sender is dropped. It then
/// accepts no more, lets each connection finish its running request, and returns. `who` tells who
/// connects; a connection of which that cannot be told is closed.
pub(crate) async fn serve<L: Listener>(
    listener: L,
    door: Door,
    admission: Arc<Admission>,
    who: impl Fn(&L::Io) -> Option<Caller>,
    stop: watch::Receiver<bool>,
) {
    let door = Arc::new(door);
    let receive = |stream: L::Io, _: L::Addr| {
        let sent_by = SentBy::Known(who(&stream)?);
        let (place, ended) = admission.admit(THIS_MACHINE)?;
        let (door, stop) = (Arc::clone(&door), stop.clone());
        Some(async move {
            until(ended, http_1(stream, &door, stop, &place, &sent_by)).await;
        })
    };
    accept(listener, stop.clone(), receive).await;
}

/// Serves connections from other machines. The admission decides which are served.
pub(crate) async fn serve_others(
    listener: TcpListener,
    door: Door,
    reception: Reception,
    stop: watch::Receiver<bool>,
) {
    let (door, reception) = (Arc::new(door), Arc::new(reception));
    let receive = |stream: TcpStream, address: SocketAddr| {
        let (place, ended) = reception.admission.admit(address.ip())?;
        let (door, reception, stop) = (Arc::clone(&door), Arc::clone(&reception), stop.clone());
        Some(async move {
            until(ended, reception.receive(stream, &door, stop, &place)).await;
        })
    };
    accept(listener, stop.clone(), receive).await;
}

/// Runs a connection until another one needs its place.
async fn until(ended: oneshot::Receiver<()>, connection: impl Future<Output = ()>) {
    tokio::select! {
        () = connection => {}
        // The channel carries no value; it ends when its sender is dropped.
        _ = ended => {}
    }
}

/// Accepts all connections, so that half-sent heads never delay the others, and serves each one with the future that `receive` returns for it.
async fn accept<L: Listener, F: Future<Output = ()> + Send + 'static>(
    mut listener: L,
    mut stop: watch::Receiver<bool>,
    receive: impl Fn(L::Io, L::Addr) -> Option<F>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            Some(_) = connections.join_next() => {}
            (stream, address) = listener.accept() => {
                if let Some(connection) = receive(stream, address) {
                    connections.spawn(connection);
                }
            }
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    // Connections that still send and read nothing are cut off when the set is dropped.
    let _ = timeout(crate::drive::DRAIN_MAX + CLOSE_MAX, ended).await;
}

impl Reception {
    /// Serves a connection until its client or the host closes it.
    async fn receive(
        &self,
        stream: TcpStream,
        door: &Arc<Door>,
        stop: watch::Receiver<bool>,
        place: &Arc<Place>,
    ) {
        let Some(tls) = &self.tls else {
            let sent_by = self.sent_by(None);
            return http_1(stream, door, stop, place, &sent_by).await;
        };
        let agreed = timeout(HEAD_MAX, tls.acceptor().accept(stream)).await;
        let Ok(Ok(stream)) = agreed else {
            tracing::debug!("a connection ended before TLS was agreed");
            return;
        };
        let (_, session) = stream.get_ref();
        let certificates = session.peer_certificates();
        let names = certificates.and_then(|chain| chain.first()).map(tls::names);
        let sent_by = self.sent_by(names);
        match session.alpn_protocol() == Some(tls::HTTP_2) {
            true => http_2(stream, door, stop, place, sent_by).await,
            false => http_1(stream, door, stop, place, &sent_by).await,
        }
    }

    fn sent_by(&self, names: Option<Vec<String>>) -> SentBy {
        let Some(credentials) = &self.credentials else {
            return SentBy::Unknown;
        };
        SentBy::Shown {
            certificate: names.and_then(|names| credentials.of_certificate(names)),
            credentials: Arc::clone(credentials),
        }
    }
}

async fn http_1(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    door: &Door,
    stop: watch::Receiver<bool>,
    place: &Arc<Place>,
    sent_by: &SentBy,
) {
    let service = service_fn(move |request: hyper::Request<Incoming>| async move {
        let _under_way = place.begin_request();
        let (mut request, leftover) = leftover::keep(request);
        if place.peer() != THIS_MACHINE {
            request.extensions_mut().insert(Peer(place.peer()));
        }
        let response = door.pass(request, sent_by).await;
        leftover.discard().await;
        Ok::<_, Infallible>(response)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service);
    finish(connection, stop).await;
}

async fn http_2(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    door: &Arc<Door>,
    stop: watch::Receiver<bool>,
    place: &Arc<Place>,
    sent_by: SentBy,
) {
    // Requests of one connection run at once, each in a task of its own.
    let shared = Arc::new((Arc::clone(door), Arc::clone(place), sent_by));
    let service = service_fn(move |mut request: hyper::Request<_>| {
        let shared = Arc::clone(&shared);
        async move {
            let (door, place, sent_by) = &*shared;
            let _under_way = place.begin_request();
            request.extensions_mut().insert(Peer(place.peer()));
            Ok::<_, Infallible>(door.pass(request, sent_by).await)
        }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(HEAD_MAX)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    finish(connection, stop).await;
}

/// Runs a connection to its end. Once the host stops, only the requests that run are finished.
async fn finish(
    connection: impl GracefulConnection<Error = hyper::Error>,
    mut stop: watch::Receiver<bool>,
) {
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
