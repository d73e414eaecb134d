//! Tests the tasks against real sockets. Tests of long waits are in `outbox` and `retry`.

use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reeve_core::id::WorkerId;
use reeve_core::notice::{Notice, Step};
use reeve_core::time::Millis;
use serde_json::json;
use tracing::subscriber::DefaultGuard;

use super::address::Address;
use super::filter::Filter;
use super::format::Format;
use super::retry::Retry;
use super::template::Template;
use super::webhook::{AddressSource, PER_MINUTE_MAX};
use super::*;
use crate::clock::Clock;
use crate::common::hook::{Answer, Hook, OK, SECRET};
use crate::metrics::Metrics;

/// The default policy with short waits.
const RETRY: Retry = Retry {
    tries_max: 3,
    first_wait: Millis::new(10),
    within: Millis::from_secs(120),
    rest_max: Millis::from_secs(3_600),
};

fn webhook(url: &str, format: Format, template: &str) -> Webhook {
    Webhook {
        name: "ops".to_owned(),
        address: AddressSource::Written(Address::parse(url).unwrap()),
        format,
        filter: Filter::default(),
        template: Template::parse(template).unwrap(),
        per_minute_max: PER_MINUTE_MAX,
    }
}

fn start(webhook: Webhook, metrics: &Metrics) -> (Announcer, Deliveries) {
    let teller = Teller {
        fleet: "prod".to_owned(),
        host: "app-1".to_owned(),
    };
    Webhooks::open(&[webhook])
        .unwrap()
        .start_with(teller, metrics, Clock::start(), RETRY)
}

fn notice(step: Step, text: &str) -> Notice {
    Notice {
        worker: WorkerId::from("chat"),
        step,
        text: text.to_owned(),
        fields: vec![("instance".to_owned(), "i-1".to_owned())],
    }
}

fn count(metrics: &Metrics, result: &str) -> u64 {
    let text = metrics.text().unwrap();
    assert!(!text.contains(SECRET), "{text}");
    let start = format!("reeve_notifications_total{{webhook=\"ops\",result=\"{result}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&start));
    line.unwrap_or_else(|| panic!("{start} is not in {text}"))
        .parse()
        .unwrap()
}

/// Collects the log of this thread, the only one of such a test.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn keep() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let guard = tracing::subscriber::set_default(subscriber);
        (log, guard)
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn each_format_arrives_as_its_webhook_reads_it() {
    let slack = json!({ "text": "chat: a &lt;b&gt; i-1" });
    let discord = json!({ "content": "chat: a \\<b\\> i-1", "allowed_mentions": { "parse": [] } });
    for (format, expected) in [(Format::Slack, slack), (Format::Discord, discord)] {
        let hook = Hook::start(&[OK]).await;
        let metrics = Metrics::new();
        let webhook = webhook(&hook.url, format, "{worker}: {text} {field:instance}");
        let (announcer, deliveries) = start(webhook, &metrics);
        announcer.tell(&notice(Step::ResolveServed, "below the level"));
        announcer.tell(&notice(Step::InstanceEnding, "a <b>"));
        assert_eq!(hook.wait_for(1).await, [expected], "{format:?}");
        deliveries.finish().await;
        assert_eq!(count(&metrics, "sent"), 1);
    }
}

#[tokio::test]
async fn a_temporary_failure_is_retried_and_logged_once_without_the_address() {
    let (log, _guard) = Log::keep();
    let busy: Answer = Some("503 Service Unavailable\r\n");
    let hook = Hook::start(&[busy, busy, OK]).await;
    let metrics = Metrics::new();
    let (announcer, deliveries) = start(webhook(&hook.url, Format::Slack, "{text}"), &metrics);
    announcer.tell(&notice(Step::PolicyFailed, "first"));
    announcer.tell(&notice(Step::PolicyFailed, "second"));
    let expected = ["first", "first", "first", "second"].map(|text| json!({ "text": text }));
    assert_eq!(hook.wait_for(4).await, expected);
    deliveries.finish().await;
    assert_eq!((count(&metrics, "sent"), count(&metrics, "failed")), (2, 0));
    let log = log.text();
    assert_eq!(
        log.matches("it answered 503; the host retries").count(),
        1,
        "{log}"
    );
    assert!(
        log.contains("delivered again") && !log.contains(SECRET),
        "{log}"
    );
}

#[tokio::test]
async fn a_webhook_that_says_when_to_come_back_is_asked_then() {
    let hook = Hook::start(&[Some("429 Too Many Requests\r\nRetry-After: 0.4\r\n"), OK]).await;
    let metrics = Metrics::new();
    let (announcer, deliveries) = start(webhook(&hook.url, Format::Json, "{text}"), &metrics);
    announcer.tell(&notice(Step::BoxAlarm, "look"));
    hook.wait_for(1).await;
    let limited = Instant::now();
    hook.wait_for(2).await;
    // The test sees the first request a little late, so less than the full pause remains.
    assert!(
        limited.elapsed() > Duration::from_millis(300),
        "{:?}",
        limited.elapsed()
    );
    deliveries.finish().await;
    assert_eq!(count(&metrics, "sent"), 1);
}

#[tokio::test]
async fn a_refused_message_is_sent_once_and_logged_once_per_cause() {
    let (log, _guard) = Log::keep();
    let gone: Answer = Some("404 Not Found\r\n");
    let hook = Hook::start(&[gone, gone, Some("403 Forbidden\r\n")]).await;
    let metrics = Metrics::new();
    let (announcer, deliveries) = start(webhook(&hook.url, Format::Json, "{text}"), &metrics);
    for number in 0..4 {
        announcer.tell(&notice(Step::BoxAlarm, &number.to_string()));
    }
    assert_eq!(hook.wait_for(4).await.len(), 4);
    deliveries.finish().await;
    assert_eq!(count(&metrics, "failed"), 4);
    let log = log.text();
    assert_eq!(
        log.matches("it answered 404; the host does not retry")
            .count(),
        1,
        "{log}"
    );
    assert_eq!(
        log.matches("it answered 403; the host does not retry")
            .count(),
        1,
        "{log}"
    );
    assert!(
        !log.contains(SECRET) && !log.contains("Cannot POST"),
        "{log}"
    );
}

#[tokio::test]
async fn a_webhook_that_cannot_be_reached_is_given_up_after_its_tries() {
    let (log, _guard) = Log::keep();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let unused = format!("http://{}/{SECRET}", listener.local_addr().unwrap());
    drop(listener);
    let metrics = Metrics::new();
    let (announcer, deliveries) = start(webhook(&unused, Format::Json, "{text}"), &metrics);
    announcer.tell(&notice(Step::BoxAlarm, "look"));
    deliveries.finish().await;
    assert_eq!(count(&metrics, "failed"), 1);
    let log = log.text();
    assert!(
        log.contains("no connection: connection refused; the message is dropped"),
        "{log}"
    );
    assert!(!log.contains(SECRET) && !log.contains("127.0.0.1"), "{log}");
}

#[tokio::test]
async fn a_silent_webhook_delays_no_caller_and_its_messages_are_counted() {
    let hook = Hook::start(&[None]).await;
    let metrics = Metrics::new();
    let (announcer, deliveries) = start(webhook(&hook.url, Format::Json, "{text}"), &metrics);
    announcer.tell(&notice(Step::BoxAlarm, "first"));
    hook.wait_for(1).await;
    let told = Instant::now();
    for number in 0..1_000 {
        announcer.tell(&notice(Step::BoxAlarm, &number.to_string()));
    }
    assert!(
        told.elapsed() < Duration::from_secs(1),
        "{:?}",
        told.elapsed()
    );
    assert_eq!(count(&metrics, "dropped"), 900, "a hundred wait");
    let ending = Instant::now();
    deliveries.finish().await;
    assert!(
        ending.elapsed() < Duration::from_secs(8),
        "{:?}",
        ending.elapsed()
    );
    assert_eq!(
        count(&metrics, "dropped"),
        1_001,
        "queued messages and the one being sent"
    );
    assert_eq!(count(&metrics, "sent"), 0);
}

#[tokio::test]
async fn queued_messages_and_the_summary_are_sent_at_shutdown() {
    let hook = Hook::start(&[OK]).await;
    let metrics = Metrics::new();
    let (announcer, deliveries) = start(webhook(&hook.url, Format::Json, "{text}"), &metrics);
    for number in 0..PER_MINUTE_MAX + 5 {
        announcer.tell(&notice(Step::InstanceEnding, &number.to_string()));
    }
    deliveries.finish().await;
    let received = hook.received();
    assert_eq!(received.len(), PER_MINUTE_MAX + 1);
    let last = &received[PER_MINUTE_MAX];
    assert_eq!(last["step"], "notifications_left_out");
    assert_eq!(last["fields"], json!({ "instance_ending": "5" }));
    assert_eq!(count(&metrics, "left_out"), 5);
}

#[tokio::test]
async fn an_address_in_a_file_is_read_and_never_quoted() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ops.url");
    let mut webhook = webhook("http://127.0.0.1/", Format::Json, "{text}");
    webhook.address = AddressSource::File(file.clone());
    let refused = |webhook: &Webhook| {
        let error = Webhooks::open(std::slice::from_ref(webhook)).err().unwrap();
        format!("{:#}", anyhow::Error::new(error))
    };
    let missing = refused(&webhook);
    assert!(
        missing.contains("[notify.ops]") && missing.contains("ops.url"),
        "{missing}"
    );
    std::fs::write(&file, format!("ftp://{SECRET}\n")).unwrap();
    let wide = refused(&webhook);
    assert!(
        wide.contains("chmod 600") && !wide.contains(SECRET),
        "{wide}"
    );
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let error = refused(&webhook);
    assert!(
        error.contains("accepted: https://") && !error.contains(SECRET),
        "{error}"
    );
    let hook = Hook::start(&[OK]).await;
    std::fs::write(&file, format!("{}\n", hook.url)).unwrap();
    let (announcer, deliveries) = start(webhook, &Metrics::new());
    announcer.tell(&notice(Step::BoxAlarm, "look"));
    deliveries.finish().await;
    assert_eq!(hook.received().len(), 1);
}
