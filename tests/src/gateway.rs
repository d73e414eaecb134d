//! A gateway in front of the AWS emulator. It counts mutating calls, holds a call where the test
//! says, and adds what the emulator lacks: launch tokens that are honoured.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for a call to hold.
const PATIENCE: Duration = Duration::from_secs(60);

/// The point at which the gateway holds a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Before the emulator gets the call: nothing was done.
    Before(&'static str),
    /// After the emulator has carried the call out, before the caller hears of it.
    After(&'static str),
}

/// A running gateway. Dropping it cuts the call that it holds.
pub struct Gateway {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// Answers a call in the emulator's place; `None`: the emulator answers it. Both are bytes of HTTP.
pub type InPlace = Box<dyn Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync>;

struct Shared {
    emulator: String,
    in_place: InPlace,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    hold: Option<Hold>,
    holding: bool,
    /// Mutating calls that arrived, by operation.
    sent: BTreeMap<&'static str, usize>,
    /// Mutating calls that the emulator carried out, by operation.
    done: BTreeMap<&'static str, usize>,
    /// The replies to launches, by token.
    launched: BTreeMap<String, Vec<u8>>,
}

impl Gateway {
    /// Starts a gateway in front of the emulator at this URL (`http://host:port`).
    pub fn start(emulator: &str) -> Self {
        Self::start_with(emulator, Box::new(|_| None))
    }

    /// The same, where some calls are answered in the emulator's place.
    pub fn start_with(emulator: &str, in_place: InPlace) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            emulator: emulator.trim_start_matches("http://").to_owned(),
            in_place,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let worker = Arc::clone(&shared);
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&worker);
                thread::spawn(move || shared.serve(connection));
            }
        });
        Self { address, shared }
    }

    /// The gateway's endpoint.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Holds the next call of this operation.
    pub fn hold(&self, hold: Hold) {
        self.shared.state().hold = Some(hold);
    }

    /// Waits until the gateway holds the call.
    ///
    /// # Panics
    /// If the call does not arrive within a minute.
    pub fn wait_until_holding(&self) {
        let until = Instant::now() + PATIENCE;
        let mut state = self.shared.state();
        while !state.holding {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no call came for {:?}", state.hold);
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Cuts the connection of the held call, as if its caller had died, and holds no further call.
    pub fn cut(&self) {
        let mut state = self.shared.state();
        state.hold = None;
        state.holding = false;
        self.shared.changed.notify_all();
    }

    /// How many calls of this operation arrived, including held calls and replays of a launch
    /// token.
    pub fn sent(&self, operation: &'static str) -> usize {
        self.shared
            .state()
            .sent
            .get(operation)
            .copied()
            .unwrap_or(0)
    }

    /// How many calls of this operation the emulator has carried out.
    pub fn done(&self, operation: &'static str) -> usize {
        self.shared
            .state()
            .done
            .get(operation)
            .copied()
            .unwrap_or(0)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.cut();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves the one call of a connection. The reply closes the connection.
    fn serve(&self, mut caller: TcpStream) {
        let Some(call) = read_call(&mut caller) else {
            return;
        };
        let operation = operation(&call);
        if let Some(operation) = operation {
            *self.state().sent.entry(operation).or_default() += 1;
        }
        if self.is_cut(operation.map(Hold::Before)) {
            return;
        }
        let reply = self.reply(operation, &call);
        if self.is_cut(operation.map(Hold::After)) {
            return;
        }
        // The caller may have closed the connection.
        let _ = caller.write_all(&reply);
        let _ = caller.shutdown(Shutdown::Both);
    }

    /// Holds a call at this point until the test cuts it. Returns false at once for every other
    /// call.
    fn is_cut(&self, point: Option<Hold>) -> bool {
        let mut state = self.state();
        if point.is_none() || state.hold != point {
            return false;
        }
        state.holding = true;
        self.changed.notify_all();
        while state.hold == point {
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    fn reply(&self, operation: Option<&'static str>, call: &[u8]) -> Vec<u8> {
        let token = (operation == Some("RunInstances")).then(|| client_token(call));
        // The lock is held during the call, so that two calls with one token are served in turn.
        let mut state = self.state();
        if let Some(known) = token.as_ref().and_then(|token| state.launched.get(token)) {
            return known.clone();
        }
        let reply = self.forward(call).unwrap_or_default();
        if let Some(operation) = operation {
            *state.done.entry(operation).or_default() += 1;
        }
        if let Some(token) = token {
            state.launched.insert(token, reply.clone());
        }
        reply
    }

    fn forward(&self, call: &[u8]) -> std::io::Result<Vec<u8>> {
        if let Some(reply) = (self.in_place)(call) {
            return Ok(reply);
        }
        let mut emulator = TcpStream::connect(&self.emulator)?;
        emulator.write_all(call)?;
        let mut reply = Vec::new();
        emulator.read_to_end(&mut reply)?;
        Ok(reply)
    }
}

/// Reads head and body of one call, and adds `Connection: close`.
fn read_call(caller: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    let end_of_head = loop {
        if let Some(end) = find(&bytes, b"\r\n\r\n") {
            break end + 4;
        }
        match caller.read(&mut chunk).ok()? {
            0 => return None,
            read => bytes.extend_from_slice(&chunk[..read]),
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end_of_head]).into_owned();
    let header = |line: &str, name: &str| {
        let (found, value) = line.split_once(':')?;
        found
            .eq_ignore_ascii_case(name)
            .then(|| value.trim().to_owned())
    };
    let length = head.lines().find_map(|line| header(line, "content-length"));
    let length: usize = length.and_then(|text| text.parse().ok()).unwrap_or(0);
    while bytes.len() < end_of_head + length {
        match caller.read(&mut chunk).ok()? {
            0 => return None,
            read => bytes.extend_from_slice(&chunk[..read]),
        }
    }
    let kept = head
        .lines()
        .filter(|line| !line.is_empty() && header(line, "connection").is_none());
    let mut call: Vec<u8> = kept
        .flat_map(|line| [line, "\r\n"])
        .collect::<String>()
        .into();
    call.extend_from_slice(b"Connection: close\r\n\r\n");
    call.extend_from_slice(&bytes[end_of_head..]);
    Some(call)
}

/// The name of the call's operation, if the operation is mutating.
fn operation(call: &[u8]) -> Option<&'static str> {
    const CHANGING: [&str; 6] = [
        "RunInstances",
        "StartInstances",
        "StopInstances",
        "TerminateInstances",
        "PutParameter",
        "UpdateItem",
    ];
    CHANGING.into_iter().find(|name| {
        let form = format!("Action={name}");
        let targets = ["AmazonSSM", "DynamoDB_20120810"].map(|service| format!("{service}.{name}"));
        find(call, form.as_bytes()).is_some()
            || targets
                .iter()
                .any(|target| find(call, target.as_bytes()).is_some())
    })
}

fn client_token(call: &[u8]) -> String {
    let text = String::from_utf8_lossy(call);
    let token = text.split("ClientToken=").nth(1).unwrap_or_default();
    token
        .split(['&', '\r', '\n'])
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
