//! Tests the requests to DynamoDB and the handling of its responses.

mod asking;
mod changing;
mod failing;

use std::time::Duration;

use reeve_core::id::{HostId, Version};
use reeve_core::store::{IdleTest, Phase, WorkerRecord, Write};
use reeve_core::time::{Instant, Millis};

use super::{DynamoOptions, DynamoStore, Patience};
use crate::testing::{Request, ScriptedServer, Step, dummy_keys, sealed_loader};

/// Long limits for a loaded machine, and short pauses.
const BRISK: Patience = Patience {
    connect: Millis::from_secs(10),
    attempt: Millis::from_secs(20),
    call: Millis::from_secs(60),
    backoff: Duration::from_millis(1),
    page_items_max: None,
};

/// The store of fleet `prod` in table `reeve` on a server that follows the script.
async fn store_at(server: &ScriptedServer, patience: Patience) -> DynamoStore {
    let base = sealed_loader(server.endpoint_url())
        .credentials_provider(dummy_keys())
        .load()
        .await;
    let options = DynamoOptions {
        table: "reeve".to_owned(),
        fleet: "prod".to_owned(),
        region: "eu-central-1".into(),
        profile: None,
        endpoint_url: None,
    };
    DynamoStore::over(&base, options, patience)
}

/// The server and a store that uses it.
async fn scripted(script: Vec<Step>) -> (ScriptedServer, DynamoStore) {
    let server = ScriptedServer::start(script);
    let store = store_at(&server, BRISK).await;
    (server, store)
}

fn record(host: &str) -> WorkerRecord {
    WorkerRecord {
        lease: Some(HostId::from(host)),
        phase: Phase::Running,
        ..WorkerRecord::default()
    }
}

/// A commit of version 5 by `host-a`.
fn write() -> Write {
    Write {
        worker: "chat".into(),
        expected: Version::new(4),
        record: record("host-a"),
        if_idle: None,
    }
}

/// The same commit, unless the worker was used after 100 or is busy at 200.
fn write_if_idle() -> Write {
    Write {
        if_idle: Some(IdleTest {
            since: Instant::from_ms(100),
            now: Instant::from_ms(200),
        }),
        ..write()
    }
}

/// The item of worker `chat` in DynamoDB's JSON, with a delivery at 150.
fn item(version: u64, host: &str, phase: &str) -> String {
    let record = serde_json::to_string(&record(host)).unwrap();
    let record = serde_json::to_string(&record).unwrap();
    format!(
        r#"{{"fleet":{{"S":"prod"}},"worker":{{"S":"chat"}},"version":{{"N":"{version}"}},
        "phase":{{"S":"{phase}"}},"record":{{"S":{record}}},"delivered_at":{{"N":"150"}}}}"#
    )
}

/// A refused condition, with this item.
fn refused_by(item: &str) -> Step {
    Step::answer(
        400,
        format!(
            r#"{{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
            "message":"The conditional request failed","Item":{item}}}"#
        ),
    )
}

/// A refused condition, without the item.
fn refused() -> Step {
    Step::json_error(400, "ConditionalCheckFailedException")
}

fn done() -> Step {
    Step::answer(200, "{}")
}

/// The request's body as JSON.
fn body(request: &Request) -> serde_json::Value {
    serde_json::from_str(&request.body).unwrap()
}
