//! The real `reeve` process.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::artefacts;

/// How long a process may take to start, to respond or to end. It is long, because a busy machine
/// is no failure; every wait ends with an event, not with this time.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running host. Dropping it kills its process.
pub struct Reeve {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
    /// The directory with the host's state and configuration; removed when dropped.
    directory: tempfile::TempDir,
}

/// An HTTP response.
#[derive(Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// `Retry-After`, if there was one.
    pub retry_after: Option<String>,
    /// The body as JSON, or as a JSON string when it is not JSON.
    pub body: Value,
}

impl Reeve {
    /// Starts `reeve serve` with this configuration. `{dir}` in it stands for the test's own
    /// directory, which also holds a copy of the components in `policies`.
    pub fn start(configuration: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        copy_policies(&directory.path().join("policies"));
        Self::start_in(directory, configuration, &[])
    }

    /// Starts the host in an existing directory, with these environment variables.
    pub fn start_in(
        directory: tempfile::TempDir,
        configuration: &str,
        environment: &[(&str, &str)],
    ) -> Self {
        Self::start_without_waiting(directory, configuration, environment).listening()
    }

    /// Starts the host where each file may have at most `blocks` blocks of 512 bytes, as on a full
    /// disk.
    pub fn start_on_small_disk(
        directory: tempfile::TempDir,
        configuration: &str,
        environment: &[(&str, &str)],
        blocks: u32,
    ) -> Self {
        let mut shell = Command::new("sh");
        // Without SIGXFSZ, a write beyond the limit fails as on a full disk and does not end the
        // process.
        let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        shell.arg("-c").arg(limited).arg(artefacts::reeve_binary());
        Self::spawn(shell, directory, configuration, environment).listening()
    }

    /// Starts the host without waiting until it listens.
    pub fn start_without_waiting(
        directory: tempfile::TempDir,
        configuration: &str,
        environment: &[(&str, &str)],
    ) -> Self {
        let binary = Command::new(artefacts::reeve_binary());
        Self::spawn(binary, directory, configuration, environment)
    }

    /// Waits until the host listens.
    pub fn listening(mut self) -> Self {
        self.address = self.wait_for_address();
        self
    }

    fn spawn(
        mut command: Command,
        directory: tempfile::TempDir,
        configuration: &str,
        environment: &[(&str, &str)],
    ) -> Self {
        let path = directory.path().join("reeve.toml");
        let dir = directory.path().display().to_string();
        std::fs::write(&path, configuration.replace("{dir}", &dir)).expect("the configuration");
        let mut child = command
            .args(["serve", "--config"])
            .arg(&path)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the host starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        collect(&mut child, &log);
        Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            log,
            directory,
        }
    }

    /// The address of the host's HTTP interface.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The test's own directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The directory of the components that the host loads.
    pub fn policies(&self) -> PathBuf {
        self.directory().join("policies")
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// `GET`s a path.
    pub fn get(&self, path: &str) -> Reply {
        request("GET", &format!("http://{}{path}", self.address))
    }

    /// The active digest of a policy's file; null without one.
    pub fn active_digest(&self, file: &str) -> Value {
        let policies = self.get("/v1/policies").body;
        let mut files = policies["policies"].as_array().expect("a list").iter();
        let found = files.find(|found| found["file"] == file);
        found.expect("a bound file")["digest"].clone()
    }

    /// `POST`s to a path, without a body.
    pub fn post(&self, path: &str) -> Reply {
        request("POST", &format!("http://{}{path}", self.address))
    }

    /// `POST`s JSON to a path.
    pub fn post_json(&self, path: &str, body: &Value) -> Reply {
        let url = format!("http://{}{path}", self.address);
        let answer = agent().post(&url).send(body.to_string());
        reply(answer.unwrap_or_else(|error| panic!("POST {url}: {error}")))
    }

    /// `POST`s JSON to the interface for boxes, with a token if there is one.
    pub fn say_as_box(&self, path: &str, token: Option<&str>, body: &Value) -> Reply {
        say_as_box(
            &format!("http://{}{path}", self.boxes_address()),
            token,
            body,
        )
    }

    /// The address of the interface for boxes.
    pub fn boxes_address(&self) -> SocketAddr {
        const LISTENING: &str = "listening for boxes";
        self.until(LISTENING, |it| it.logged_address(LISTENING).is_some());
        self.logged_address(LISTENING).expect("it was there")
    }

    /// The address of the interface for callers on other machines.
    pub fn network_address(&self) -> SocketAddr {
        const LISTENING: &str = "listening for callers on other machines";
        self.until(LISTENING, |it| it.logged_address(LISTENING).is_some());
        self.logged_address(LISTENING).expect("it was there")
    }

    /// The log lines so far.
    pub fn log(&self) -> Vec<String> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.clone()
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([format!("-{name}"), self.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(status.success(), "kill -{name} failed");
    }

    /// Waits until the process has ended by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self
                .child
                .try_wait()
                .expect("the process can be waited for")
            {
                return status;
            }
            assert!(
                Instant::now() < until,
                "the host did not end: {:#?}",
                self.log()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills the process, as a power cut would, and returns its directory for the next host.
    pub fn kill(mut self) -> tempfile::TempDir {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let empty = tempfile::tempdir().expect("a temporary directory");
        std::mem::replace(&mut self.directory, empty)
    }

    /// Waits until a condition holds.
    ///
    /// # Panics
    /// If it does not hold within two minutes.
    pub fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(
                Instant::now() < until,
                "waited in vain for: {what}\n{:#?}",
                self.log()
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The address in the log line with this message.
    fn logged_address(&self, message: &str) -> Option<SocketAddr> {
        self.log().iter().find_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            let field = |name: &str| {
                let field = line.pointer(&format!("/fields/{name}"));
                field.or_else(|| line.get(name))?.as_str()
            };
            (field("message")? == message).then(|| field("address")?.parse().ok())?
        })
    }

    fn wait_for_address(&mut self) -> SocketAddr {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(address) = self.logged_address("listening") {
                return address;
            }
            if let Some(status) = self
                .child
                .try_wait()
                .expect("the process can be waited for")
            {
                panic!("the host ended with {status}: {:#?}", self.log());
            }
            assert!(
                Instant::now() < until,
                "the host does not listen: {:#?}",
                self.log()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Reeve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Copies the built components into a directory of the test's own.
pub fn copy_policies(to: &Path) {
    std::fs::create_dir_all(to).expect("a directory for the components");
    for entry in std::fs::read_dir(artefacts::policies_dir()).expect("the components") {
        let entry = entry.expect("an entry");
        if entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "wasm")
        {
            std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
        }
    }
}

/// Makes one HTTP request without a body.
pub fn request(method: &str, url: &str) -> Reply {
    let agent = agent();
    let answer = match method {
        "POST" => agent.post(url).send_empty(),
        _ => agent.get(url).call(),
    };
    reply(answer.unwrap_or_else(|error| panic!("{method} {url}: {error}")))
}

/// `POST`s JSON as a box does, with a token if there is one.
pub fn say_as_box(url: &str, token: Option<&str>, body: &Value) -> Reply {
    say_by(agent(), url, token, body)
}

/// `POST`s JSON as a box does over TLS that trusts this authority alone.
pub fn say_over_tls(authority: &Path, url: &str, token: Option<&str>, body: &Value) -> Reply {
    let pem = std::fs::read(authority).expect("the authority's certificate");
    let authority = Certificate::from_pem(&pem).expect("a certificate");
    let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[authority]));
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .tls_config(tls.build())
        .build();
    say_by(agent.into(), url, token, body)
}

fn say_by(agent: ureq::Agent, url: &str, token: Option<&str>, body: &Value) -> Reply {
    let mut post = agent.post(url);
    if let Some(token) = token {
        post = post.header("Authorization", format!("Bearer {token}"));
    }
    let answer = post.send(body.to_string());
    reply(answer.unwrap_or_else(|error| panic!("POST {url}: {error}")))
}

fn reply(mut answer: ureq::http::Response<ureq::Body>) -> Reply {
    let text = answer.body_mut().read_to_string().expect("a text");
    Reply {
        status: answer.status().as_u16(),
        retry_after: answer
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned),
        body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
    }
}

pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .build()
        .into()
}

fn collect(child: &mut Child, log: &Arc<Mutex<Vec<String>>>) {
    let stderr = child.stderr.take().expect("its standard error is piped");
    let log = Arc::clone(log);
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            log.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line);
        }
    });
}
