//! How reeve reaches AWS: options, credentials, the HTTP client.

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

/// How to reach AWS. The default finds its way as the AWS command line does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwsOptions {
    /// The profile to use, from the shared configuration and credentials files. `None` goes through
    /// the usual sources in the usual order: environment variables, the profile named by
    /// `AWS_PROFILE` (or `default`), a web identity token (EKS), the container's credentials (ECS, EKS
    /// pod identity), the EC2 instance's role.
    ///
    /// A profile named here comes before the environment's keys, as `--profile` does on the command
    /// line. It may hold keys, run a `credential_process`, or assume a role (`role_arn` with
    /// `source_profile`, `credential_source` or `web_identity_token_file`). IAM Identity Center (`sso_*`)
    /// and `login_session` are not compiled in; the AWS command line does it for them, with
    /// `credential_process = aws configure export-credentials --profile NAME` in a second profile.
    pub profile: Option<String>,
    /// Where all services answer, such as `http://127.0.0.1:5000` for an emulator; none speaks what CloudWatch
    /// does, so demand is unavailable there. `None` is AWS itself, unless `AWS_ENDPOINT_URL` or the profile says
    /// otherwise.
    pub endpoint_url: Option<String>,
    /// How long a call may take.
    pub timeouts: Timeouts,
}

/// How long to wait before a call counts as failed in transit. Each is more than zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection to be made.
    pub connect: Millis,
    /// For one attempt at a question.
    pub query_attempt: Millis,
    /// For a question with its retries and the pauses between them; a scan has this much per page.
    pub query: Millis,
    /// For a mutation. It is tried once.
    pub mutation: Millis,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            // A lost first packet is sent again after 1 s and after 3 s (RFC 6298): room for both.
            connect: Millis::new(3_100),
            // A full page of a scan is several megabytes of XML.
            query_attempt: Millis::from_secs(10),
            // Three attempts would need 33 s with their pauses; a resolve should hear of it sooner.
            query: Millis::from_secs(25),
            // RunInstances may take many seconds, and giving up early gains nothing: the launch goes on.
            mutation: Millis::from_secs(30),
        }
    }
}

/// Why AWS cannot be reached with these options.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The endpoint is no URL of a web server.
    #[error(
        "the endpoint URL {found:?} cannot be used; accepted is http:// or https:// with a host, such as \
         http://127.0.0.1:5000; leave it out to call AWS itself"
    )]
    EndpointUrl {
        /// What was given.
        found: String,
    },
    /// The store's table cannot have this name.
    #[error(
        "the table {found:?} cannot be used; accepted is a DynamoDB table's name, 3 to 255 of a-z A-Z 0-9 _ . \
         and -, or its ARN; give the name that the table was made with"
    )]
    Table {
        /// What was given.
        found: String,
    },
    /// The store's partition key cannot be this long, or empty.
    #[error(
        "a fleet's name of {length} bytes cannot be used; accepted are 1 to 2048 bytes, which DynamoDB takes as \
         a partition key; give every host of the fleet the same name"
    )]
    Fleet {
        /// Its length in bytes.
        length: usize,
    },
    /// Every source was asked, and none has credentials, or one is set up wrongly.
    #[error("looked for AWS credentials in {source_tried} and found none that can be used; {}", source_tried.advice())]
    Credentials {
        /// Where they were looked for.
        source_tried: CredentialsSource,
        /// What was wrong there.
        #[source]
        source: CredentialsError,
    },
}

/// Where credentials were looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialsSource {
    /// In this one profile.
    Profile(String),
    /// In the usual sources in their usual order.
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

/// The SDK's configuration for these options, its credentials tried once.
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

/// The SDK's defaults as of one version, so that an update of the SDK does not change them unseen; but
/// how long a call may take is said by [`Timeouts`] alone. The SDK would also end one that moves less
/// than a byte a second for five seconds, and counts the wait for a connection with it: on a busy machine
/// that ends a mutation whose 30 seconds are not over, and nobody knows what became of it.
pub(crate) fn loader() -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
}

/// TLS by rustls on ring, trusting the machine's certificates: it builds in a fraction of the time of
/// the SDK's own choice. Proxy variables such as `HTTPS_PROXY` are not read.
pub(crate) fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https()
}

/// The credentials of one profile. Made apart from the usual chain, because that one prefers the
/// environment's keys, and then the wrong account may be meant. The settings' region is where a role is
/// assumed.
fn profile_credentials(name: &str, settings: &ProviderConfig) -> ProfileFileCredentialsProvider {
    ProfileFileCredentialsProvider::builder()
        .configure(settings)
        .profile_name(name)
        .build()
}

/// Asks for credentials once, so that a wrong profile is found when reeve starts. A source that fails
/// for the moment (the instance's metadata, the token service) is left to the calls.
async fn try_credentials(
    provider: &impl ProvideCredentials,
    source_tried: CredentialsSource,
) -> Result<(), ConnectError> {
    match provider.provide_credentials().await {
        Err(
            source @ (CredentialsError::CredentialsNotLoaded(_)
            | CredentialsError::InvalidConfiguration(_)),
        ) => Err(ConnectError::Credentials {
            source_tried,
            source,
        }),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Refuses what the SDK would only refuse call by call, as a failure in transit.
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

    #[tokio::test]
    async fn a_source_that_fails_for_the_moment_does_not_keep_reeve_from_starting() {
        #[derive(Debug)]
        struct Busy;
        impl ProvideCredentials for Busy {
            fn provide_credentials<'a>(
                &'a self,
            ) -> aws_credential_types::provider::future::ProvideCredentials<'a>
            where
                Self: 'a,
            {
                aws_credential_types::provider::future::ProvideCredentials::ready(Err(
                    CredentialsError::provider_error("503 from the token service"),
                ))
            }
        }
        let tried = try_credentials(&Busy, CredentialsSource::UsualOrder).await;
        assert!(tried.is_ok());
    }
}
