//! Probes an instance over TCP or plain HTTP, within limits of time and bytes.
//!
//! A probe does not judge: the core decides whether a status is healthy and what follows from a
//! timeout. Only listed failures count against the instance. All others are this host's own trouble
//! and prove nothing.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use hyper::client::conn::http1;
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use reeve_core::health::{Ask, Probed, Target};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The most bytes read of a response's head. The body is never read.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Probes over a new connection: a kept-open one would not show that new connections fail.
pub(crate) async fn probe(target: &Target) -> Probed {
    let limit = Duration::from(target.timeout);
    match timeout(limit, ask(target)).await {
        Ok(probed) => probed,
        Err(_elapsed) => Probed::Failed(format!("no answer within {}", target.timeout)),
    }
}

async fn ask(target: &Target) -> Probed {
    let stream = match TcpStream::connect(target.address).await {
        Ok(stream) => stream,
        Err(error) => return not_connected(&error),
    };
    match &target.ask {
        Ask::Tcp => Probed::Connected,
        Ask::Http(path) => get(stream, target.address, path).await,
    }
}

/// Requests a response's head. The body stays unread, and redirects are not followed.
async fn get(stream: TcpStream, address: SocketAddr, path: &str) -> Probed {
    let request = Request::get(path)
        .header(header::HOST, address.to_string())
        .header(header::CONNECTION, "close")
        .header(
            header::USER_AGENT,
            concat!("reeve/", env!("CARGO_PKG_VERSION"), " (health)"),
        )
        .body(Body::empty());
    let Ok(request) = request else {
        return Probed::NotTried("the path cannot be requested over HTTP".to_owned());
    };
    let handshake = http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream));
    let (mut sender, driver) = match handshake.await {
        Ok(connected) => connected,
        Err(error) => return broken(&error),
    };
    // Ends the connection with this probe in every case.
    let mut connection = JoinSet::new();
    connection.spawn(async {
        // Failures show in the response, or in its absence.
        let _ = driver.await;
    });
    match sender.send_request(request).await {
        Ok(answer) => Probed::Answered(answer.status().as_u16()),
        Err(error) => broken(&error),
    }
}

fn not_connected(error: &io::Error) -> Probed {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, TimedOut,
    };
    match error.kind() {
        ConnectionRefused => Probed::Failed("the connection was refused".to_owned()),
        ConnectionReset | ConnectionAborted => {
            Probed::Failed("the connection was reset".to_owned())
        }
        HostUnreachable => Probed::Failed("no host has its address".to_owned()),
        TimedOut => Probed::Failed("the connection was not accepted in time".to_owned()),
        // No file descriptor, no route, no permission: none of these is the instance's fault.
        _ => Probed::NotTried(format!("this host could not connect: {error}")),
    }
}

fn broken(error: &hyper::Error) -> Probed {
    let why = match error.is_parse() {
        true => "its response is not HTTP",
        false => "the connection broke before a response",
    };
    Probed::Failed(why.to_owned())
}

#[cfg(test)]
mod tests;
