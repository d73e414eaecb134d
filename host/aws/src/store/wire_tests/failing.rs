//! Tests refused calls and calls without a response.

use reeve_core::id::Version;
use reeve_core::ports::Store;
use reeve_core::store::{Committed, Refresh, Refreshed, StoreErrorKind};
use reeve_core::time::{Instant, Millis};

use super::{BRISK, done, refused_by, scripted, store_at, write};
use crate::store::{ATTEMPTS_MAX, Patience};
use crate::testing::{SILENCE_MAX, ScriptedServer, Step};

fn counted() -> [Refresh; 2] {
    let at = Instant::from_ms(120);
    [
        Refresh::Delivered { at, count: 1 },
        Refresh::Processed { at, count: 1 },
    ]
}

#[tokio::test]
async fn a_refusal_keeps_its_code_and_has_a_kind() {
    use StoreErrorKind::{Denied, NotWritable, Throttled, Unavailable};
    let cases = [
        (400, "ProvisionedThroughputExceededException", Throttled),
        (400, "ThrottlingException", Throttled),
        (400, "RequestLimitExceeded", Throttled),
        (400, "AccessDeniedException", Denied),
        (400, "UnrecognizedClientException", Denied),
        (400, "ExpiredTokenException", Denied),
        (400, "MissingAuthenticationTokenException", Denied),
        (400, "ValidationException", NotWritable),
        (400, "ItemCollectionSizeLimitExceededException", NotWritable),
        (400, "ResourceNotFoundException", Unavailable),
        (400, "TransactionConflictException", Unavailable),
        (500, "InternalServerError", Unavailable),
        (503, "ServiceUnavailable", Unavailable),
        (500, "SomethingNew", Unavailable),
    ];
    for (status, code, kind) in cases {
        let coded = format!("com.amazonaws.dynamodb.v20120810#{code}");
        let script = (0..ATTEMPTS_MAX).map(|_| Step::json_error(status, &coded));
        let (_server, store) = scripted(script.collect()).await;
        let error = store.commit(write()).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        let start = format!("{code}: said");
        assert!(error.message.starts_with(&start), "{error}");
        assert_eq!(error.doing, "commit the record of chat");
    }
}

#[tokio::test]
async fn a_refusal_that_an_operator_can_end_says_how() {
    let cases = [
        (
            "ResourceNotFoundException",
            "--table-name reeve --region eu-central-1",
        ),
        ("AccessDeniedException", "dynamodb:UpdateItem"),
        ("ValidationException", "partition key fleet (S)"),
    ];
    for (code, advice) in cases {
        let (server, store) = scripted(vec![Step::json_error(400, code)]).await;
        let error = store.read_all().await.unwrap_err();
        assert!(error.message.contains(advice), "{error}");
        assert_eq!(error.doing, "read the records of fleet prod");
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_temporary_failure_is_retried_a_few_times() {
    let passing = || {
        [
            Step::json_error(400, "ThrottlingException"),
            Step::json_error(500, "InternalServerError"),
            Step::HangUp,
        ]
    };
    for step in passing() {
        let (server, store) = scripted(vec![step, done()]).await;
        let written = Committed::Written(Version::new(5));
        assert_eq!(store.commit(write()).await, Ok(written));
        assert_eq!(server.requests().len(), 2);
    }
    let (server, store) = scripted(passing().into_iter().chain([done()]).collect()).await;
    assert!(store.commit(write()).await.is_err());
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_count_is_sent_once_whatever_the_response() {
    for refresh in counted() {
        let steps = [
            Step::json_error(400, "ThrottlingException"),
            Step::json_error(500, "InternalServerError"),
            Step::HangUp,
        ];
        for step in steps {
            let (server, store) = scripted(vec![step, done()]).await;
            assert!(store.refresh("chat".into(), refresh).await.is_err());
            assert_eq!(server.requests().len(), 1);
        }
    }
}

#[tokio::test]
async fn a_time_may_be_sent_again() {
    let until = Instant::from_ms(120);
    for refresh in [Refresh::Heartbeat { at: until }, Refresh::Busy { until }] {
        let (server, store) = scripted(vec![Step::HangUp, done()]).await;
        let refreshed = store.refresh("chat".into(), refresh).await;
        assert_eq!(refreshed, Ok(Refreshed::Written));
        assert_eq!(server.requests().len(), 2);
    }
}

#[tokio::test]
async fn an_outage_is_unavailable() {
    let (_server, store) = scripted(vec![]).await;
    let error = store.commit(write()).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unavailable);
    assert!(error.message.starts_with("Connection: "), "{error}");
}

#[tokio::test]
async fn silence_is_given_up_in_time() {
    let server = ScriptedServer::start(vec![Step::Silence, Step::Silence, Step::Silence]);
    let patience = Patience {
        attempt: SILENCE_MAX,
        ..BRISK
    };
    let store = store_at(&server, patience).await;
    let error = store.read("chat".into()).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unavailable);
    assert!(error.message.starts_with("Timeout: "), "{error}");
    assert_eq!(server.requests().len(), 3);

    let server = ScriptedServer::start(vec![Step::Silence]);
    let patience = Patience {
        call: SILENCE_MAX,
        ..BRISK
    };
    let store = store_at(&server, patience).await;
    assert!(store.read_all().await.is_err());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_call_has_room_for_a_second_attempt_and_ends_within_seconds() {
    let patience = Patience::default();
    assert!(patience.call.get() > 2 * patience.attempt.get());
    assert!(patience.call <= Millis::from_secs(10));
}

#[tokio::test]
async fn an_item_is_unreadable_also_where_it_refuses() {
    let (_server, store) = scripted(vec![refused_by(r#"{"version":{"S":"4"}}"#)]).await;
    let error = store.commit(write()).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unreadable);
    assert!(
        error.message.contains("worker chat in fleet prod"),
        "{error}"
    );
}
