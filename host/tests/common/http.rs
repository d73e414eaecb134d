//! A minimal HTTP client: one request per connection.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// A response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Reply {
    /// Parses the body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// Sends one request over TCP.
pub(crate) async fn tcp(
    address: impl Into<Option<SocketAddr>>,
    method: &str,
    path: &str,
    host: &str,
) -> Reply {
    let stream = connect(address.into()).await.1;
    exchange(stream, &head(method, path, host, &[]), "").await
}

/// Sends a POST over TCP with these headers and this body. It adds `Host` and the length.
pub(crate) async fn post_with(
    address: impl Into<Option<SocketAddr>>,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Reply {
    let (address, stream) = connect(address.into()).await;
    let length = body.len().to_string();
    let headers = [headers, &[("Content-Length", &length)]].concat();
    let host = address.to_string();
    exchange(stream, &head("POST", path, &host, &headers), body).await
}

/// Connects to a host that listens there.
async fn connect(address: Option<SocketAddr>) -> (SocketAddr, TcpStream) {
    let address = address.unwrap();
    (address, TcpStream::connect(address).await.unwrap())
}

/// Sends one request over a Unix socket.
pub(crate) async fn unix(socket: &Path, method: &str, path: &str) -> Reply {
    let stream = UnixStream::connect(socket).await.unwrap();
    exchange(stream, &head(method, path, "any", &[]), "").await
}

/// Sends one request over this connection.
pub(crate) async fn over(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Reply {
    exchange(stream, &head(method, path, "localhost", headers), "").await
}

/// Sends one request with a body over this connection. The headers have its length.
pub(crate) async fn over_with(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Reply {
    exchange(stream, &head(method, path, "localhost", headers), body).await
}

fn head(method: &str, path: &str, host: &str, headers: &[(&str, &str)]) -> String {
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n")
}

/// Sends one POST over TCP, with a token if there is one.
pub(crate) async fn post(
    address: impl Into<Option<SocketAddr>>,
    path: &str,
    token: Option<&str>,
    body: &str,
) -> Reply {
    let mut head = format!("POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n");
    if let Some(token) = token {
        head.push_str(&format!("Authorization: Bearer {token}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    let mut stream = connect(address.into()).await.1;
    stream.write_all(head.as_bytes()).await.unwrap();
    // A host that refused after the head may have closed the connection. Its response can still be
    // read.
    let _ = stream.write_all(body.as_bytes()).await;
    read(stream).await
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    head: &str,
    body: &str,
) -> Reply {
    let request = format!("{head}{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    read(stream).await
}

/// Reads the response until the host closes the connection.
pub(crate) async fn read(mut stream: impl AsyncRead + Unpin) -> Reply {
    let mut bytes = Vec::new();
    // A host that closes while the client still sends may reset the connection.
    let _ = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Reply {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    }
}
