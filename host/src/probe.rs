//! One probe of an instance, over TCP or plain HTTP, within a bound of time and of what is read.
//!
//! It asks and judges nothing: whether a status is good, and what follows from silence, is the core's to say. What
//! counts against the instance is a list; anything else that goes wrong is this host's trouble, and proves nothing.

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

/// The most that is read of an answer's head. The body is not read at all.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Asks, over a connection of its own: one that is kept open would not show that no new ones are accepted.
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

/// Asks for the answer's head. Whatever comes after it stays unread, and redirects lead nowhere.
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
        return Probed::NotTried("its path cannot be asked for over HTTP".to_owned());
    };
    let handshake = http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream));
    let (mut sender, driver) = match handshake.await {
        Ok(connected) => connected,
        Err(error) => return broken(&error),
    };
    // Ends the connection with this probe, however that ends.
    let mut connection = JoinSet::new();
    connection.spawn(async {
        // What goes wrong shows in the answer, or in its absence.
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
        HostUnreachable => Probed::Failed("nobody answers at its address".to_owned()),
        TimedOut => Probed::Failed("the connection was not accepted in time".to_owned()),
        // No file descriptor, no route, no leave: nothing of it is the instance's.
        _ => Probed::NotTried(format!("this host could not connect: {error}")),
    }
}

fn broken(error: &hyper::Error) -> Probed {
    let why = match error.is_parse() {
        true => "what it answered is no HTTP",
        false => "the connection broke before an answer",
    };
    Probed::Failed(why.to_owned())
}

#[cfg(test)]
mod tests;
