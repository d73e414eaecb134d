//! Shared by the tests: a cloud with dummy keys, and a loopback server that follows a script.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::{ConfigLoader, Region};
use aws_sdk_ec2::config::Credentials;
use reeve_core::cloud::{CloudError, Mutation, Outcome};
use reeve_core::id::DecisionId;
use reeve_core::time::Millis;

use crate::connect::{http_client, loader};
use crate::region::Tuning;
use crate::{AwsCloud, Timeouts};

/// Long enough for a loaded machine, short enough for tests of silent servers.
pub(crate) const SILENCE_MAX: Millis = Millis::new(300);

/// The smallest pages that EC2 allows, and short pauses.
pub(crate) const SMALL: Tuning = Tuning {
    scan_page_instances: 5,
    scan_page_tasks: 2,
    throttled_backoff: Duration::from_millis(1),
};

/// A cloud at this address, independent of the machine's environment and profiles.
pub(crate) async fn cloud_at(endpoint_url: &str, tuning: Tuning) -> AwsCloud {
    let base = sealed_loader(endpoint_url)
        .credentials_provider(dummy_keys())
        .load()
        .await;
    AwsCloud::over(base, Timeouts::default(), tuning)
}

impl AwsCloud {
    /// Carries out a mutation without a permit, for decision 7.
    pub(crate) async fn apply(&self, mutation: Mutation) -> Result<Outcome, CloudError> {
        self.carry_out(mutation, DecisionId::new(7)).await
    }
}

/// Keys that no cloud accepts.
pub(crate) fn dummy_keys() -> Credentials {
    Credentials::new("dummy-key", "dummy-secret", None, None, "tests")
}

/// A configuration that reads nothing from this machine. The test sets the credentials.
pub(crate) fn sealed_loader(endpoint_url: &str) -> ConfigLoader {
    loader()
        .empty_test_environment()
        .http_client(http_client())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint_url)
}

/// What the server does with one connection.
pub(crate) enum Step {
    /// Sends a response.
    Answer {
        /// The HTTP status.
        status: u16,
        /// Further header lines, each with its line break; may be empty.
        headers: &'static str,
        /// The raw body.
        body: Vec<u8>,
    },
    /// Reads the request and closes the connection.
    HangUp,
    /// Reads the request and sends nothing.
    Silence,
}

impl Step {
    /// A response without further headers.
    pub(crate) fn answer(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Answer {
            status,
            headers: "",
            body: body.into(),
        }
    }

    /// A refusal in EC2's format.
    pub(crate) fn ec2_error(status: u16, code: &str) -> Self {
        Self::Answer {
            status,
            headers: "x-amzn-requestid: request-7\r\n",
            body: format!(
                "<Response><Errors><Error><Code>{code}</Code><Message>said {code}</Message></Error>\
                 </Errors><RequestID>request-7</RequestID></Response>"
            )
            .into_bytes(),
        }
    }

    /// A refusal in SSM's format.
    pub(crate) fn ssm_error(code: &str) -> Self {
        Self::json_error(400, code)
    }

    /// A refusal in SSM's and DynamoDB's format.
    pub(crate) fn json_error(status: u16, code: &str) -> Self {
        let body = format!(r#"{{"__type":"{code}","message":"said {code}"}}"#);
        Self::answer(status, body)
    }
}

/// A received request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Header lines in lower case.
    headers: Vec<String>,
    /// The body as text, lossily decoded.
    pub(crate) body: String,
    /// The raw body.
    pub(crate) bytes: Vec<u8>,
}

impl Request {
    /// `RunInstances` and the like: a form field for EC2, a header for SSM and DynamoDB.
    pub(crate) fn operation(&self) -> String {
        let target = self
            .headers
            .iter()
            .find_map(|line| line.strip_prefix("x-amz-target: "));
        match target.and_then(|target| target.split_once('.')) {
            Some((_service, operation)) => operation.to_owned(),
            None => self.field("Action").unwrap_or_default().to_lowercase(),
        }
    }

    /// A field of EC2's form, decoded.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let pairs = self.body.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .map(|(key, value)| (decoded(key), decoded(value)))
            .find_map(|(key, value)| (key == name).then_some(value))
    }

    /// Whether a header line contains this text, in lower case.
    pub(crate) fn header_contains(&self, text: &str) -> bool {
        self.headers.iter().any(|line| line.contains(text))
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut plain = Vec::new();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => plain.push(b' '),
            b'%' => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                let digits = std::str::from_utf8(&digits).unwrap();
                plain.push(u8::from_str_radix(digits, 16).unwrap());
            }
            byte => plain.push(byte),
        }
    }
    String::from_utf8(plain).unwrap()
}

/// A server that performs one step per connection, then refuses connections.
pub(crate) struct ScriptedServer {
    endpoint_url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl ScriptedServer {
    /// Starts the server on a free port.
    pub(crate) fn start(script: Vec<Step>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let endpoint_url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&requests);
        std::thread::spawn(move || {
            let mut silent = Vec::new();
            for step in script {
                let (connection, _) = listener.accept().unwrap();
                record.lock().unwrap().push(read_request(&connection));
                match step {
                    Step::Answer {
                        status,
                        headers,
                        body,
                    } => write_answer(&connection, status, headers, &body),
                    Step::HangUp => drop(connection),
                    Step::Silence => silent.push(connection),
                }
            }
            drop(listener);
            // Keeps silent connections open until their clients give up.
            for mut connection in silent {
                let _ended = connection.read(&mut [0]);
            }
        });
        Self {
            endpoint_url,
            requests,
        }
    }

    /// Starts a server that answers each request with what `answer` makes of it, until the test
    /// ends.
    pub(crate) fn answering(mut answer: impl FnMut(&Request) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let endpoint_url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&requests);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let connection = connection.unwrap();
                let request = read_request(&connection);
                let body = answer(&request);
                // Before the answer: with it, the test may ask for the received requests.
                record.lock().unwrap().push(request);
                write_answer(&connection, 200, "", &body);
            }
        });
        Self {
            endpoint_url,
            requests,
        }
    }

    /// The server's address.
    pub(crate) fn endpoint_url(&self) -> &str {
        &self.endpoint_url
    }

    /// A cloud that uses this server.
    pub(crate) async fn cloud(&self) -> AwsCloud {
        cloud_at(&self.endpoint_url, SMALL).await
    }

    /// The requests received so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The operations received so far, in lower case.
    pub(crate) fn operations(&self) -> Vec<String> {
        self.requests().iter().map(Request::operation).collect()
    }
}

fn read_request(connection: &TcpStream) -> Request {
    let mut reader = BufReader::new(connection);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        headers.push(line.trim().to_lowercase());
    }
    let length = headers
        .iter()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    Request {
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
        bytes: body,
    }
}

fn write_answer(mut connection: &TcpStream, status: u16, headers: &str, body: &[u8]) {
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status} scripted\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n"
    );
    connection.write_all(answer.as_bytes()).unwrap();
    connection.write_all(body).unwrap();
}
