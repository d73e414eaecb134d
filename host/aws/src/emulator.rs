//! An emulator of AWS (moto) for tests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The path of moto's server; `cargo xtask test` sets it.
const MOTO_SERVER: &str = "REEVE_MOTO_SERVER";

/// The text that moto writes before its address when it listens.
const LISTENING: &str = "Running on ";

/// An emulator on a free loopback port. It ends with the last test that uses it, even if that test
/// fails.
pub(crate) struct Emulator {
    process: Child,
    endpoint_url: String,
}

impl Emulator {
    /// The running emulator, or a new one.
    pub(crate) fn shared() -> Arc<Self> {
        static RUNNING: Mutex<Weak<Emulator>> = Mutex::new(Weak::new());
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        running.upgrade().unwrap_or_else(|| {
            let started = Arc::new(Self::start());
            *running = Arc::downgrade(&started);
            started
        })
    }

    /// The emulator's address.
    pub(crate) fn endpoint_url(&self) -> &str {
        &self.endpoint_url
    }

    /// Keeps tasks in their state until they are stopped. By default moto advances a task with each
    /// read.
    pub(crate) fn keep_tasks_running(&self) {
        let host = self.endpoint_url.trim_start_matches("http://");
        let body =
            r#"{"model_name":"ecs::task","transition":{"progression":"manual","times":1000000}}"#;
        let length = body.len();
        let request = format!(
            "POST /moto-api/state-manager/set-transition HTTP/1.1\r\nhost: {host}\r\ncontent-type: \
             application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        let mut connection = TcpStream::connect(host).unwrap();
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }

    fn start() -> Self {
        let server = std::env::var_os(MOTO_SERVER).map(PathBuf::from);
        let Some(server) = server.filter(|path| path.is_file()) else {
            panic!(
                "{MOTO_SERVER} names no file; run `cargo xtask test`, which prepares the AWS emulator"
            );
        };
        let mut process = Command::new(&server)
            .args(["--host", "127.0.0.1", "--port", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", server.display()));
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let address = line.split_once(LISTENING).map(|(_, rest)| rest.to_owned());
            said.push(line);
            address
        });
        // Moto writes a line per request and would block on a full pipe.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let mut emulator = Self {
            process,
            endpoint_url: String::new(),
        };
        match address {
            Some(address) => address.trim().clone_into(&mut emulator.endpoint_url),
            None => panic!("the emulator ended before it listened, and wrote {said:?}"),
        }
        emulator
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _gone_already = self.process.kill();
        let _reaped = self.process.wait();
    }
}
