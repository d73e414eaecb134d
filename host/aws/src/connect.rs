//! How reeve connects to AWS: options, credentials, the HTTP client.

use std::fmt;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::{BehaviorVersion, ConfigLoader, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_ec2::config::SharedHttpClient;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use reeve_core::time::Millis;

/// How to connect to AWS. The default behaves like the AWS command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwsOptions {
    /// The profile to use, from the shared configuration and credentials files. `None` tries the
    /// usual sources in the usual order: environment variables, the profile in `AWS_PROFILE` (or
    /// `default`), a web identity token (EKS), the container's credentials (ECS, EKS pod identity),
    /// the EC2 instance's role.
    ///
    /// A profile set here takes precedence over the environment's keys, as `--profile` does on the
    /// command line. It may hold keys, run a `credential_process`, or assume a role (`role_arn`
    /// with `source_profile`, `credential_source` or `web_identity_token_file`). IAM Identity
    /// Center (`sso_*`) and `login_session` are not compiled in. For those, set `credential_process
    /// = aws configure export-credentials --profile NAME` in a second profile.
    pub profile: Option<String>,
    /// One endpoint for all services, such as `http://127.0.0.1:5000` for an emulator. No emulator
    /// supports CloudWatch's protocol, so demand is unavailable there. `None` is AWS itself, unless
    /// `AWS_ENDPOINT_URL` or the profile sets another.
    pub endpoint_url: Option<String>,
    /// Whether the roles of Fargate tasks are read, which takes `ecs:DescribeTaskDefinition`.
    pub task_roles: bool,
    /// The time limits of calls.
    pub timeouts: Timeouts,
}

/// How long to wait before a call counts as failed in transit. Each limit is above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the connection.
    pub connect: Millis,
    /// For one attempt of a query.
    pub query_attempt: Millis,
    /// For a query with its retries and pauses. A scan has this much time per page.
    pub query: Millis,
    /// For a mutation, which is tried once.
    pub mutation: Millis,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            // Room for two retransmissions of a lost first packet, after 1 s and 3 s (RFC 6298).
            connect: Millis::new(3_100),
            // A full page of a scan is several megabytes of XML.
            query_attempt: Millis::from_secs(10),
            // Three attempts would need 33 s with their pauses; a resolve should get the error
            // sooner.
            query: Millis::from_secs(25),
            // RunInstances may take many seconds, and an early timeout gains nothing, because the
            // launch continues.
            mutation: Millis::from_secs(30),
        }
    }
}

/// Why AWS cannot be reached with these options.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The endpoint is not an HTTP URL.
    #[error(
        "the endpoint URL {found:?} cannot be used; accepted is http:// or https:// with a host, such as \
         http://127.0.0.1:5000; leave it out to call AWS itself"
    )]
    EndpointUrl {
        /// The configured URL.
        found: String,
    },
    /// The store's table name is not valid.
    #[error(
        "the table {found:?} cannot be used; accepted is a DynamoDB table's name, 3 to 255 of a-z A-Z 0-9 _ . \
         and -, or its ARN; give the name that the table was made with"
    )]
    Table {
        /// The configured name.
        found: String,
    },
    /// The store's partition key is too long or empty.
    #[error(
        "a fleet's name of {length} bytes cannot be used; accepted are 1 to 2048 bytes, which DynamoDB takes as \
         a partition key; give every host of the fleet the same name"
    )]
    Fleet {
        /// The name's length in bytes.
        length: usize,
    },
    /// The named profile has no credentials, or a source is configured wrongly.
    #[error("looked for AWS credentials in {source_tried} and found none that can be used; {}", source_tried.advice())]
    Credentials {
        /// Where reeve looked for credentials.
        source_tried: CredentialsSource,
        /// What the SDK reported.
        #[source]
        source: CredentialsError,
    },
}

/// Where reeve looked for credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialsSource {
    /// In this profile only.
    Profile(String),
    /// In the usual sources, in the usual order.
    UsualOrder,
}

impl CredentialsSource {
    fn advice(&self) -> &'static str {
        match self {
            Self::Profile(_) => {
                "accepted are a profile with keys, with a credential_process, or with a role to assume; \
                 correct the profile's name, or leave it out to use the environment or the machine's role; \
                 for IAM Identity Center (sso_*), name a profile with `credential_process = aws configure \
                 export-credentials --profile NAME`"
            }
            Self::UsualOrder => {
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile, or give the machine or \
                 container a role"
            }
        }
    }
}

impl fmt::Display for CredentialsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Profile(name) => write!(f, "the profile {name:?}"),
            Self::UsualOrder => f.write_str(
                "the environment, the profile files, a web identity token, the container's and the EC2 \
                 instance's role",
            ),
        }
    }
}

/// The SDK's configuration for these options. It tries the credentials once. An error is one that
/// no wait mends.
pub(crate) async fn load(options: &AwsOptions) -> Result<SdkConfig, ConnectError> {
    let http_client = http_client();
    let mut loader = loader().http_client(http_client.clone());
    if let Some(found) = &options.endpoint_url {
        check_endpoint_url(found)?;
        loader = loader.endpoint_url(found);
    }
    let Some(name) = &options.profile else {
        let config = loader.load().await;
        if let Some(provider) = config.credentials_provider() {
            try_credentials(&provider, CredentialsSource::UsualOrder).await?;
        }
        return Ok(config);
    };
    let config = loader.profile_name(name).load().await;
    let settings = ProviderConfig::without_region()
        .with_http_client(http_client)
        .with_region(config.region().cloned());
    let provider = profile_credentials(name, &settings);
    try_credentials(&provider, CredentialsSource::Profile(name.clone())).await?;
    Ok(config
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(provider))
        .build())
}

/// The SDK's defaults as of one version, so that an SDK update does not change them unnoticed. Only
/// [`Timeouts`] limits a call, though. The SDK would also end a call that moves less than a byte
/// per second for five seconds, and it counts the wait for a connection. On a busy machine that
/// would end a mutation before its 30 seconds, with an unknown outcome.
pub(crate) fn loader() -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
}

/// TLS by rustls on ring, with the machine's trusted certificates. It compiles much faster than the
/// SDK's default. Proxy variables such as `HTTPS_PROXY` are not read.
pub(crate) fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https()
}

/// The credentials of one profile. The usual chain prefers the environment's keys, which may belong
/// to another account, so this bypasses it. A role is assumed in the settings' region.
fn profile_credentials(name: &str, settings: &ProviderConfig) -> ProfileFileCredentialsProvider {
    ProfileFileCredentialsProvider::builder()
        .configure(settings)
        .profile_name(name)
        .build()
}

/// Requests credentials once, so that a wrong profile is found at start. A source that fails
/// temporarily (instance metadata, the token service) does not prevent the start. Nor do the usual
/// sources if they have none: a machine or container may get its role later, and each call until
/// then fails as `Credentials`.
async fn try_credentials(
    provider: &impl ProvideCredentials,
    source_tried: CredentialsSource,
) -> Result<(), ConnectError> {
    let Err(source) = provider.provide_credentials().await else {
        return Ok(());
    };
    let may_come_later = match source {
        CredentialsError::InvalidConfiguration(_) => false,
        CredentialsError::CredentialsNotLoaded(_) => source_tried == CredentialsSource::UsualOrder,
        _ => true,
    };
    match may_come_later {
        true => Ok(()),
        false => Err(ConnectError::Credentials {
            source_tried,
            source,
        }),
    }
}

/// Refuses a URL that the SDK would only refuse at each call, as a failure in transit.
fn check_endpoint_url(found: &str) -> Result<(), ConnectError> {
    let host_and_path = found
        .strip_prefix("https://")
        .or_else(|| found.strip_prefix("http://"));
    let host = host_and_path.map(|rest| rest.split('/').next().unwrap_or_default());
    let odd = |c: char| c.is_whitespace() || c.is_control();
    match host {
        Some(host) if !host.is_empty() && !host.starts_with(':') && !found.contains(odd) => Ok(()),
        Some(_) | None => Err(ConnectError::EndpointUrl {
            found: found.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use aws_credential_types::provider::future;

    use super::*;

    #[test]
    fn an_endpoint_is_a_web_address_with_a_host() {
        let accepted = [
            "http://127.0.0.1:5000",
            "https://ec2.eu-central-1.amazonaws.com/",
            "http://[::1]:5000",
        ];
        for url in accepted {
            assert!(check_endpoint_url(url).is_ok(), "{url:?}");
        }
        let refused = [
            "",
            "127.0.0.1:5000",
            "ftp://host",
            "http://",
            "https:///path",
            "http://:5000",
            "http://a host",
        ];
        for url in refused {
            let error = check_endpoint_url(url).unwrap_err();
            assert!(error.to_string().contains(&format!("{url:?}")), "{error}");
        }
    }

    #[tokio::test]
    async fn a_call_that_waits_for_a_connection_is_ended_by_our_timeouts_alone() {
        let base = crate::testing::sealed_loader("http://127.0.0.1:9")
            .load()
            .await;
        let found = aws_sdk_ec2::config::Builder::from(&base).build();
        let found = found.stalled_stream_protection().unwrap();
        assert!(!found.is_enabled(), "{found:?}");
    }

    #[tokio::test]
    async fn a_profile_that_does_not_exist_is_named_in_the_error() {
        let settings = ProviderConfig::without_region().with_http_client(http_client());
        let provider = profile_credentials("no-such-profile-anywhere", &settings);
        let source = CredentialsSource::Profile("no-such-profile-anywhere".to_owned());
        let error = try_credentials(&provider, source).await.unwrap_err();
        assert!(
            error.to_string().contains("\"no-such-profile-anywhere\""),
            "{error}"
        );
        assert!(error.source().is_some());
    }

    /// A source that fails with this error.
    #[derive(Debug)]
    struct Fails(fn() -> CredentialsError);

    impl ProvideCredentials for Fails {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::ready(Err((self.0)()))
        }
    }

    #[tokio::test]
    async fn credentials_that_may_come_later_do_not_keep_reeve_from_starting() {
        let busy = || CredentialsError::provider_error("503 from the token service");
        let none = || CredentialsError::not_loaded("no source has keys");
        let wrong = || CredentialsError::invalid_configuration("no role_arn");
        type Failure = fn() -> CredentialsError;
        let cases: [(Failure, bool, bool); 3] = [
            (busy, true, true),
            (none, true, false),
            (wrong, false, false),
        ];
        for (error, usual_starts, profile_starts) in cases {
            let usual = try_credentials(&Fails(error), CredentialsSource::UsualOrder).await;
            assert_eq!(usual.is_ok(), usual_starts, "{usual:?}");
            let profile = CredentialsSource::Profile("ops".to_owned());
            let profile = try_credentials(&Fails(error), profile).await;
            assert_eq!(profile.is_ok(), profile_starts, "{profile:?}");
        }
    }
}
