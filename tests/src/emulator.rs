//! An AWS emulator (moto) on a free loopback port. It checks the wire format, not races: moto
//! ignores launch tokens and assigns addresses at once.

mod fargate;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::artefacts;
use crate::process::agent;

/// The region of all resources in the emulator.
pub const REGION: &str = "us-east-1";

/// A running emulator. Dropping it kills its process.
pub struct Emulator {
    child: Child,
    address: SocketAddr,
    /// The emulator's working directory, with its recording.
    _directory: tempfile::TempDir,
}

impl Emulator {
    /// Starts the emulator and waits until it accepts connections.
    pub fn start() -> Self {
        let port = TcpListener::bind(("127.0.0.1", 0))
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let directory = tempfile::tempdir().expect("a temporary directory");
        let child = Command::new(artefacts::moto_server())
            .current_dir(directory.path())
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the emulator starts");
        let emulator = Self {
            child,
            address,
            _directory: directory,
        };
        let until = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < until, "the emulator does not answer");
            thread::sleep(Duration::from_millis(50));
        }
        emulator
    }

    /// The emulator's endpoint.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Begins to record every call to the emulator.
    pub fn record(&self) {
        self.control("reset-recording");
        self.control("start-recording");
    }

    /// The EC2, ECS and SSM calls since [`Emulator::record`], in order, with their parameters as
    /// sent.
    pub fn recorded(&self) -> Vec<String> {
        let url = format!("{}/moto-api/recorder/download-recording", self.url());
        let mut answer = agent().get(&url).call().expect("the recording");
        let text = answer.body_mut().read_to_string().expect("a text");
        let calls = text.lines().filter_map(|line| {
            let call: Value = serde_json::from_str(line).ok()?;
            let target = call
                .pointer("/headers/X-Amz-Target")
                .and_then(Value::as_str);
            // The recorder keeps bodies in Base64.
            let body = call.get("body").and_then(Value::as_str).unwrap_or_default();
            let body = BASE64_STANDARD.decode(body).unwrap_or_default();
            let body = String::from_utf8_lossy(&body);
            Some(
                format!("{} {body}", target.unwrap_or_default())
                    .trim()
                    .to_owned(),
            )
        });
        calls.collect()
    }

    /// Creates a launch template of this name.
    pub fn create_launch_template(&self, name: &str) {
        self.ec2(&[
            ("Action", "CreateLaunchTemplate"),
            ("LaunchTemplateName", name),
            ("LaunchTemplateData.ImageId", "ami-12c6146b"),
            ("LaunchTemplateData.InstanceType", "t3.micro"),
        ]);
    }

    /// Launches an instance with this `Name`, as another system would, and gives its id.
    pub fn launch(&self, name: &str) -> String {
        self.launch_tagged(&[("Name", name)])
    }

    /// The same, with these tags.
    pub fn launch_tagged(&self, tags: &[(&str, &str)]) -> String {
        let mut form = vec![
            ("Action".to_owned(), "RunInstances"),
            ("ImageId".to_owned(), "ami-12c6146b"),
            ("InstanceType".to_owned(), "t3.micro"),
            ("MinCount".to_owned(), "1"),
            ("MaxCount".to_owned(), "1"),
            ("TagSpecification.1.ResourceType".to_owned(), "instance"),
        ];
        for (number, (key, value)) in (1..).zip(tags) {
            let tag = format!("TagSpecification.1.Tag.{number}");
            form.push((format!("{tag}.Key"), key));
            form.push((format!("{tag}.Value"), value));
        }
        let form: Vec<_> = form
            .iter()
            .map(|(key, value)| (key.as_str(), *value))
            .collect();
        let answer = self.ec2(&form);
        let id = between(&answer, "<instanceId>", "</instanceId>");
        id.unwrap_or_else(|| panic!("no instance id in {answer}"))
            .to_owned()
    }

    /// Protects an instance: `DisableApiStop` or `DisableApiTermination`.
    pub fn protect(&self, id: &str, attribute: &str) {
        let value = format!("{attribute}.Value");
        self.ec2(&[
            ("Action", "ModifyInstanceAttribute"),
            ("InstanceId", id),
            (&value, "true"),
        ]);
    }

    /// Stops an instance, as another system would.
    pub fn stop(&self, id: &str) {
        self.ec2(&[("Action", "StopInstances"), ("InstanceId.1", id)]);
    }

    /// The ids of all instances with this `Name` that are pending or running.
    pub fn live(&self, name: &str) -> Vec<String> {
        let answer = self.ec2(&[
            ("Action", "DescribeInstances"),
            ("Filter.1.Name", "tag:Name"),
            ("Filter.1.Value.1", name),
            ("Filter.2.Name", "instance-state-name"),
            ("Filter.2.Value.1", "pending"),
            ("Filter.2.Value.2", "running"),
        ]);
        let ids = answer.split("<instanceId>").skip(1);
        ids.filter_map(|rest| rest.split('<').next())
            .map(str::to_owned)
            .collect()
    }

    /// The state of an instance.
    pub fn state(&self, id: &str) -> String {
        let answer = self.ec2(&[("Action", "DescribeInstances"), ("InstanceId.1", id)]);
        let state = between(&answer, "<instanceState>", "</instanceState>").unwrap_or_default();
        between(state, "<name>", "</name>")
            .unwrap_or_default()
            .to_owned()
    }

    /// Writes a parameter.
    pub fn put_parameter(&self, name: &str, value: &str) {
        let body = json!({"Name": name, "Value": value, "Type": "String", "Overwrite": true});
        self.ssm("PutParameter", &body);
    }

    /// Reads a parameter.
    pub fn parameter(&self, name: &str) -> String {
        let answer = self.ssm("GetParameter", &json!({"Name": name}));
        let value = answer.pointer("/Parameter/Value").and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    }

    /// Creates the table of the workers' records, as the documented command does.
    pub fn create_table(&self, name: &str) {
        let text = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
        let key = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
        let body = json!({
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [text("fleet"), text("worker")],
            "KeySchema": [key("fleet", "HASH"), key("worker", "RANGE")],
        });
        let answer = agent()
            .post(self.url())
            .header("Authorization", credential("dynamodb"))
            .header("X-Amz-Target", "DynamoDB_20120810.CreateTable")
            .content_type("application/x-amz-json-1.0")
            .send(body.to_string())
            .expect("the emulator answers");
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    fn ec2(&self, form: &[(&str, &str)]) -> String {
        let form = [&[("Version", "2016-11-15")], form].concat();
        let mut answer = agent()
            .post(self.url())
            .header("Authorization", credential("ec2"))
            .send_form(form)
            .expect("the emulator answers");
        let text = answer.body_mut().read_to_string().expect("a text");
        assert!(answer.status().is_success(), "{text}");
        text
    }

    fn ssm(&self, operation: &str, body: &Value) -> Value {
        let mut answer = agent()
            .post(self.url())
            .header("Authorization", credential("ssm"))
            .header("X-Amz-Target", format!("AmazonSSM.{operation}"))
            .content_type("application/x-amz-json-1.1")
            .send(body.to_string())
            .expect("the emulator answers");
        let text = answer.body_mut().read_to_string().expect("a text");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    fn control(&self, verb: &str) {
        let url = format!("{}/moto-api/recorder/{verb}", self.url());
        let answer = agent().post(url).send_empty().expect("the recorder");
        assert!(answer.status().is_success(), "{verb}: {}", answer.status());
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A credential for one service. The emulator tells services apart by the credential's scope, and
/// checks no signature.
fn credential(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/{service}/aws4_request, \
         SignedHeaders=host, Signature=0"
    )
}

fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let start = text.find(open)? + open.len();
    let length = text[start..].find(close)?;
    Some(&text[start..start + length])
}
