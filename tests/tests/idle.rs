//! Clients that hold connections and send nothing, or half a head: the real process, with the clients
//! in a process of their own.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot set up its world should stop loudly"
)]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reeve_tests::artefacts;
use reeve_tests::emulator::Emulator;
use reeve_tests::process::Reeve;
use reeve_tests::scene::{NAME, POINTER, RESOLVE, serve};

/// Connections that the clients hold at a time, more than the host keeps.
const HOLDING: usize = 10_000;
/// The most connections that one door keeps, and files of the host's own.
const FILES_MAX: usize = 4_096 + 200;
/// What a connection may take of memory. Hyper's buffer has 8 KiB.
const BYTES_PER_CONNECTION: u64 = 32 << 10;

/// Opens the connections, half of them with half a head, says so, and holds them until it is ended. A
/// connection that the host ends stays as it is.
const CLIENTS: &str = "
import resource, socket, sys, time
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
port, count = int(sys.argv[1]), int(sys.argv[2])
held = []
for number in range(count):
    held.append(socket.create_connection(('127.0.0.1', port)))
    if number % 2:
        held[-1].send(b'GET /v1/workers/chat/resolve HTTP/1.1\\r\\nHost: loc')
print('holding', flush=True)
time.sleep(600)
";

struct Clients(Child);

impl Clients {
    fn start(port: u16) -> Self {
        let mut child = Command::new(artefacts::python())
            .args(["-c", CLIENTS, &port.to_string(), &HOLDING.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut said).unwrap();
        let clients = Self(child);
        assert_eq!(said, "holding\n");
        clients
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn files(reeve: &Reeve) -> usize {
    fs::read_dir(format!("/proc/{}/fd", reeve.id()))
        .unwrap()
        .count()
}

/// The resident memory in bytes.
fn resident(reeve: &Reeve) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", reeve.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
    kilobytes.parse::<u64>().unwrap() << 10
}

#[test]
fn ten_thousand_idle_connections_take_bounded_files_and_memory_and_no_service() {
    let emulator = Emulator::start();
    let running = emulator.launch(NAME);
    emulator.put_parameter(POINTER, &running);
    let reeve = serve(&emulator);
    assert_eq!(reeve.get(RESOLVE).status, 200);
    let before = resident(&reeve);

    let _clients = Clients::start(reeve.address().port());
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        assert_eq!(reeve.get("/healthz").status, 200);
        assert_eq!(reeve.get(RESOLVE).status, 200);
        let open = files(&reeve);
        assert!(open <= FILES_MAX, "{open} files");
    }
    let more = resident(&reeve).saturating_sub(before);
    let bound = FILES_MAX as u64 * BYTES_PER_CONNECTION;
    assert!(more <= bound, "{more} bytes more, {bound} are allowed");
    let metrics = reeve.get("/metrics").body;
    let ended = "reeve_connections_turned_away_total{door=\"loopback\",cap=";
    assert!(metrics.as_str().unwrap().contains(ended), "{metrics}");
}
