//! Tests the store against an emulator of DynamoDB (moto).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{HttpClient, SharedHttpClient};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType,
};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use reeve_core::id::{HostId, Version, WorkerId};
use reeve_core::ports::Store;
use reeve_core::store::{
    Committed, LastError, Phase, Refresh, Refreshed, StoreErrorKind, WorkerRecord, Write,
};
use reeve_core::time::{Instant, Millis};

use reeve_sim::conformance;
use tokio::sync::Mutex;

use super::{DynamoOptions, DynamoStore, Patience, item};
use crate::connect::http_client;
use crate::emulator::Emulator;
use crate::testing::{dummy_keys, sealed_loader};

/// Sends requests one by one. DynamoDB checks and changes an item in one step; moto does it in two,
/// and may serve another request between them.
#[derive(Clone, Debug)]
struct Turnstile {
    beyond: SharedHttpConnector,
    turn: Arc<Mutex<()>>,
}

impl Turnstile {
    fn client() -> SharedHttpClient {
        let turn = Arc::new(Mutex::new(()));
        let beyond = http_client();
        http_client_fn(move |settings, components| {
            SharedHttpConnector::new(Self {
                beyond: beyond.http_connector(settings, components),
                turn: Arc::clone(&turn),
            })
        })
    }
}

impl HttpConnector for Turnstile {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { beyond, turn } = self.clone();
        HttpConnectorFuture::new(async move {
            let _turn = turn.lock().await;
            beyond.call(request).await
        })
    }
}

/// A test's own table in the emulator.
struct World {
    table: &'static str,
    base: SdkConfig,
    _emulator: Arc<Emulator>,
}

impl World {
    async fn new(table: &'static str) -> Self {
        let world = Self::without_table(table).await;
        let key = |name: &str, kind: KeyType| {
            let key = KeySchemaElement::builder().attribute_name(name);
            key.key_type(kind).build().unwrap()
        };
        let text = |name: &str| {
            let attribute = AttributeDefinition::builder().attribute_name(name);
            let attribute = attribute.attribute_type(ScalarAttributeType::S);
            attribute.build().unwrap()
        };
        let request = world.client().create_table().table_name(table);
        request
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(text("fleet"))
            .attribute_definitions(text("worker"))
            .key_schema(key("fleet", KeyType::Hash))
            .key_schema(key("worker", KeyType::Range))
            .send()
            .await
            .unwrap();
        world
    }

    async fn without_table(table: &'static str) -> Self {
        let emulator = Emulator::shared();
        let base = sealed_loader(emulator.endpoint_url())
            .credentials_provider(dummy_keys())
            .http_client(Turnstile::client())
            .load()
            .await;
        Self {
            table,
            base,
            _emulator: emulator,
        }
    }

    fn client(&self) -> Client {
        Client::new(&self.base)
    }

    /// A host's store, with timeouts for a loaded machine.
    fn store(&self, fleet: &str, page_items_max: Option<i32>) -> DynamoStore {
        let options = DynamoOptions {
            table: self.table.to_owned(),
            fleet: fleet.to_owned(),
            region: "us-east-1".into(),
            profile: None,
            endpoint_url: None,
        };
        let patience = Patience {
            connect: Millis::from_secs(30),
            attempt: Millis::from_secs(60),
            call: Millis::from_secs(120),
            backoff: Duration::from_millis(1),
            page_items_max,
        };
        DynamoStore::over(&self.base, options, patience)
    }

    /// Sets one attribute without the store.
    async fn spoil(&self, fleet: &str, worker: &str, attribute: &str, value: AttributeValue) {
        let request = self.client().update_item().table_name(self.table);
        request
            .set_key(Some(item::key(fleet, &worker.into())))
            .update_expression("SET #attribute = :value")
            .expression_attribute_names("#attribute", attribute)
            .expression_attribute_values(":value", value)
            .send()
            .await
            .unwrap();
    }
}

/// The first record of a running worker, with this host's lease.
fn first(worker: &str, host: &str) -> Write {
    Write {
        worker: worker.into(),
        expected: Version::default(),
        record: WorkerRecord {
            lease: Some(HostId::from(host)),
            phase: Phase::Running,
            ..WorkerRecord::default()
        },
        if_idle: None,
    }
}

fn written(version: u64) -> Committed {
    Committed::Written(Version::new(version))
}

#[tokio::test]
async fn it_behaves_as_every_store_must() {
    let world = World::new("conformance").await;
    let store = world.store("prod", None);
    assert!(store.is_shared());
    conformance::all(&store).await;
}

#[tokio::test]
async fn it_is_a_ledger_next_to_the_records() {
    let world = World::new("ledger").await;
    let store = world.store("prod", None);
    let wall = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    let now = Instant::from_ms(u64::try_from(wall).unwrap());
    let met = conformance::check_ledger(&store, now).await;
    met.unwrap_or_else(|unmet| panic!("{unmet}"));
    assert!(store.read_all().await.unwrap().is_empty());
}

#[tokio::test]
async fn it_behaves_so_with_an_item_per_page_too() {
    let world = World::new("conformance-pages").await;
    conformance::all(&world.store("prod", Some(1))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hosts_that_race_with_twenty_tasks_each_one_task_is_written() {
    let world = World::new("race").await;
    let stores = ["host-a", "host-b"].map(|host| (host, Arc::new(world.store("prod", None))));
    for expected in 0..3 {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..20 {
            for (host, store) in &stores {
                let store = Arc::clone(store);
                let write = Write {
                    expected: Version::new(expected),
                    ..first("chat", &format!("{host}-{number}"))
                };
                tasks.spawn(async move {
                    let record = write.record.clone();
                    (record, store.commit(write).await.unwrap())
                });
            }
        }
        let answers = tasks.join_all().await;
        let is_written = |answer: &Committed| *answer == written(expected + 1);
        let winners: Vec<_> = answers
            .iter()
            .filter(|(_, answer)| is_written(answer))
            .collect();
        let [(winner, _)] = winners[..] else {
            panic!("{} were written", winners.len());
        };
        let stored = stores[0].1.read("chat".into()).await.unwrap().unwrap();
        assert_eq!(stored.record, *winner);
        let lost = Committed::Lost(Some(stored));
        let losers = answers.iter().filter(|(_, answer)| !is_written(answer));
        assert!(losers.clone().all(|(_, answer)| *answer == lost));
        assert_eq!(losers.count(), 39);
    }
}

#[tokio::test]
async fn two_fleets_in_one_table_do_not_see_each_other() {
    let world = World::new("fleets").await;
    let (prod, test) = (world.store("prod", None), world.store("test", None));
    assert_eq!(prod.commit(first("chat", "host-a")).await, Ok(written(1)));
    assert_eq!(test.read("chat".into()).await, Ok(None));
    assert_eq!(test.commit(first("chat", "host-b")).await, Ok(written(1)));
    assert_eq!(test.commit(first("draw", "host-b")).await, Ok(written(1)));
    let workers = |fleet: &'static str| {
        let store = world.store(fleet, Some(1));
        async move { store.read_all().await.unwrap().into_keys().collect() }
    };
    let expected = |names: &[&str]| names.iter().map(|&name| WorkerId::from(name)).collect();
    let in_prod: BTreeSet<_> = workers("prod").await;
    let in_test: BTreeSet<_> = workers("test").await;
    let nowhere: BTreeSet<_> = workers("other").await;
    assert_eq!(in_prod, expected(&["chat"]));
    assert_eq!(in_test, expected(&["chat", "draw"]));
    assert_eq!(nowhere, expected(&[]));
}

#[tokio::test]
async fn without_the_table_the_error_says_how_to_make_it() {
    let world = World::without_table("not-created").await;
    let store = world.store("prod", None);
    let errors = [
        store.read("chat".into()).await.unwrap_err(),
        store.read_all().await.unwrap_err(),
        store.commit(first("chat", "host-a")).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind, StoreErrorKind::Unavailable);
        let expected = "aws dynamodb create-table --table-name not-created --region us-east-1";
        assert!(error.message.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn an_unreadable_record_names_its_worker_and_hides_no_other() {
    let world = World::new("corrupt").await;
    let store = world.store("prod", None);
    for worker in ["chat", "draw"] {
        assert_eq!(store.commit(first(worker, "host-a")).await, Ok(written(1)));
    }
    let newer = AttributeValue::S(r#"{"must-understand":["leash"]}"#.to_owned());
    world.spoil("prod", "draw", "record", newer).await;
    let mut all = store.read_all().await.unwrap();
    assert!(all[&WorkerId::from("chat")].is_ok());
    let errors = [
        store.read("draw".into()).await.unwrap_err(),
        all.remove(&WorkerId::from("draw")).unwrap().unwrap_err(),
        store.commit(first("draw", "host-b")).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind, StoreErrorKind::Unreadable);
        assert!(
            error.message.contains("worker draw in fleet prod"),
            "{error}"
        );
        assert!(error.message.contains("`leash`"), "{error}");
    }
    assert!(store.read("chat".into()).await.is_ok());
    let at = Instant::from_ms(10);
    let delivered = Refresh::Delivered { at, count: 1 };
    for _ in 0..2 {
        let refreshed = store.refresh("draw".into(), delivered).await;
        assert_eq!(refreshed, Ok(Refreshed::Written));
    }
}

#[tokio::test]
async fn a_record_that_is_too_large_is_not_writable() {
    let world = World::new("large").await;
    let store = world.store("prod", None);
    let mut write = first("chat", "host-a");
    write.record.last_error = Some(LastError {
        code: "large".to_owned(),
        text: "x".repeat(400 * 1024),
        at: Instant::from_ms(1),
        count: 1,
        act: None,
        capacity_option: 0,
        unknown: Default::default(),
    });
    let error = store.commit(write).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::NotWritable, "{error}");
    assert!(error.message.contains("400 KB"), "{error}");
}
