//! A load generator: a few keep-alive connections, each on a thread of its own. Each connection
//! sends its next request as soon as it has its response.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::measure::{median, percentile};

/// The number of connections for CPU-bound requests: enough to keep two cores busy. More would
/// measure the queue.
pub(crate) const FEW: usize = 4;
/// The number of connections for requests that wait for a disk: many, because they share each sync.
pub(crate) const MANY: usize = 64;
/// The number of requests on a new connection before the measurement begins.
pub(crate) const WARM_UP: Duration = Duration::from_millis(100);
/// Longer than any response takes: a server that stops responding is an error, not a pause.
const PATIENCE: Duration = Duration::from_secs(10);
const HEAD_END: &[u8] = b"\r\n\r\n";

/// The figures of one load, over all connections.
#[derive(Serialize, Deserialize)]
pub(crate) struct Load {
    pub(crate) per_s: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

/// A request: a GET of the path, or a POST of the body to it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Asked<'a> {
    pub(crate) path: &'a str,
    pub(crate) shown: Shown<'a>,
    pub(crate) body: Option<&'a str>,
    /// The only body that counts as a response; `None`: any body counts.
    pub(crate) answer: Option<&'a [u8]>,
}

/// How a connection is made, and what its requests show. By default without TLS, and nothing.
#[derive(Clone, Copy, Default)]
pub(crate) struct Shown<'a> {
    pub(crate) tls: Option<&'a Arc<ClientConfig>>,
    pub(crate) token: Option<&'a str>,
}

/// A response.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// A keep-alive connection.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    address: SocketAddr,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

/// What requests are sent through.
trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// The median of each figure.
pub(crate) fn middle(loads: &[Load]) -> Load {
    let of = |figure: fn(&Load) -> f64| median(&mut loads.iter().map(figure).collect::<Vec<_>>());
    Load {
        per_s: of(|load| load.per_s),
        p50_us: of(|load| load.p50_us),
        p99_us: of(|load| load.p99_us),
    }
}

/// Sends the same request for a time, over several connections. Every response must be 200, with
/// the expected body.
pub(crate) fn generate(
    address: SocketAddr,
    asked: Asked<'_>,
    connections: usize,
    length: Duration,
) -> Result<Load> {
    let mut latencies_us = thread::scope(|scope| {
        let ask = || ask_repeatedly(address, asked, length);
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(ask)).collect();
        let mut all = Vec::new();
        for thread in threads {
            all.extend(
                thread
                    .join()
                    .map_err(|_| anyhow!("a connection's thread panicked"))??,
            );
        }
        anyhow::Ok(all)
    })?;
    Ok(Load {
        per_s: latencies_us.len() as f64 / length.as_secs_f64(),
        p50_us: percentile(&mut latencies_us, 50),
        p99_us: percentile(&mut latencies_us, 99),
    })
}

fn ask_repeatedly(address: SocketAddr, what: Asked<'_>, length: Duration) -> Result<Vec<f64>> {
    let mut connection = Connection::asking(address, what)?;
    let mut latencies_us = Vec::new();
    let counts_from = Instant::now() + WARM_UP;
    loop {
        let asked = Instant::now();
        let Answer { status, body } = connection.ask()?;
        ensure!(
            status == 200 && what.answer.is_none_or(|expected| body == expected),
            "{} was answered with {status} {}",
            what.path,
            String::from_utf8_lossy(&body)
        );
        let answered = Instant::now();
        if answered > counts_from + length {
            return Ok(latencies_us);
        }
        if answered >= counts_from {
            latencies_us.push((answered - asked).as_secs_f64() * 1e6);
        }
    }
}

impl Connection {
    /// Connects. Every request will be a GET of this path.
    pub(crate) fn open(address: SocketAddr, path: &str) -> Result<Self> {
        let asked = Asked {
            path,
            ..Asked::default()
        };
        Self::asking(address, asked)
    }

    /// Connects. Every request will be this one.
    pub(crate) fn asking(address: SocketAddr, asked: Asked<'_>) -> Result<Self> {
        let Asked {
            path, body, shown, ..
        } = asked;
        let mut head = format!("{path} HTTP/1.1\r\nhost: {address}\r\n");
        if let Some(token) = shown.token {
            head += &format!("authorization: Bearer {token}\r\n");
        }
        let request = match body {
            None => format!("GET {head}\r\n"),
            Some(body) => {
                let length = body.len();
                format!("POST {head}content-length: {length}\r\n\r\n{body}")
            }
        };
        let stream =
            TcpStream::connect(address).with_context(|| format!("cannot reach {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let stream: Box<dyn Stream> = match shown.tls {
            None => Box::new(stream),
            Some(tls) => {
                let name = ServerName::try_from("localhost")?;
                let session = ClientConnection::new(Arc::clone(tls), name)?;
                Box::new(StreamOwned::new(session, stream))
            }
        };
        Ok(Self {
            stream,
            address,
            request: request.into_bytes(),
            buffer: Vec::with_capacity(4096),
        })
    }

    /// Every further request will be a GET of this path.
    pub(crate) fn turn_to(&mut self, path: &str) {
        let address = self.address;
        self.request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n").into_bytes();
    }

    /// Sends the request once and reads the whole response.
    pub(crate) fn ask(&mut self) -> Result<Answer> {
        self.stream.write_all(&self.request)?;
        self.buffer.clear();
        let body_at = loop {
            if let Some(at) = self
                .buffer
                .windows(HEAD_END.len())
                .position(|four| four == HEAD_END)
            {
                break at + HEAD_END.len();
            }
            self.read()?;
        };
        let (status, body_length) = read_head(&self.buffer[..body_at])?;
        while self.buffer.len() < body_at + body_length {
            self.read()?;
        }
        Ok(Answer {
            status,
            body: self.buffer[body_at..].to_vec(),
        })
    }

    fn read(&mut self) -> Result<()> {
        let mut piece = [0; 4096];
        match self.stream.read(&mut piece).context("no answer")? {
            0 => bail!("the server closed the connection"),
            length => self.buffer.extend_from_slice(&piece[..length]),
        }
        Ok(())
    }
}

/// Parses the status and the length of the body.
fn read_head(head: &[u8]) -> Result<(u16, usize)> {
    let head = std::str::from_utf8(head).context("the head of an answer is no text")?;
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim())
    });
    match (status, length) {
        (Some(status), Some(length)) => Ok((status.parse()?, length.parse()?)),
        _ => bail!("an answer without a status or a length: {head:?}"),
    }
}
