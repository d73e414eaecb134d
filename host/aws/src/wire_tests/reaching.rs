//! Tests regions, credentials, and calls without a response.

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use reeve_core::cloud::{CloudErrorKind, Query};
use reeve_core::time::Millis;

use super::{apply, launch, launched, pointer_value};
use crate::testing::{SILENCE_MAX, SMALL, ScriptedServer, Step, dummy_keys, sealed_loader};
use crate::{AwsCloud, Timeouts};

#[tokio::test]
async fn a_mutation_without_an_answer_is_given_up_in_time_and_may_have_been_done() {
    let server = ScriptedServer::start(vec![Step::Silence]);
    let base = sealed_loader(server.endpoint_url())
        .credentials_provider(dummy_keys())
        .load()
        .await;
    let timeouts = Timeouts {
        mutation: SILENCE_MAX,
        ..Timeouts::default()
    };
    let cloud = AwsCloud::over(base, timeouts, SMALL);
    let error = cloud.apply(launch()).await.unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_str()),
        (CloudErrorKind::Transient, "Timeout")
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_refused_connection_counts_as_perhaps_done() {
    let (answer, _) = apply(launch(), vec![]).await;
    let error = answer.unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_str()),
        (CloudErrorKind::Transient, "Connection")
    );
}

#[tokio::test]
async fn every_request_is_signed_for_its_own_region() {
    let server = ScriptedServer::start(vec![pointer_value("i-1"), pointer_value("i-2")]);
    let cloud = server.cloud().await;
    for region in ["eu-central-1", "us-west-2"] {
        let query = Query::Pointer {
            region: region.into(),
            name: "/p".into(),
        };
        cloud.ask(query).await.unwrap();
    }
    let [first, second] = server.requests().try_into().unwrap();
    assert!(first.header_contains("/eu-central-1/ssm/aws4_request"));
    assert!(second.header_contains("/us-west-2/ssm/aws4_request"));
}

#[tokio::test]
async fn the_pause_a_provider_asks_for_is_passed_on() {
    let cases = [
        ("retry-after: 7\r\n", Some(Millis::from_secs(7))),
        ("x-amz-retry-after: 1500\r\n", Some(Millis::new(1_500))),
        ("", None),
    ];
    for (headers, expected) in cases {
        let step = Step::Answer {
            status: 503,
            headers,
            body: Vec::new(),
        };
        let (answer, _) = apply(launch(), vec![step]).await;
        assert_eq!(answer.unwrap_err().retry_after, expected, "{headers}");
    }
}

#[tokio::test]
async fn without_credentials_nothing_is_sent_and_the_answer_is_denied() {
    #[derive(Debug)]
    struct NoKeys;
    impl ProvideCredentials for NoKeys {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("no keys here")))
        }
    }
    let server = ScriptedServer::start(vec![launched()]);
    let base = sealed_loader(server.endpoint_url())
        .credentials_provider(NoKeys)
        .load()
        .await;
    let cloud = AwsCloud::over(base, Timeouts::default(), SMALL);
    let error = cloud.apply(launch()).await.unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::Denied);
    assert!(error.message.contains("no keys here"), "{error}");
    assert!(server.requests().is_empty());
}
