//! Partitions of AWS, and the name of a region's STS endpoint.

use std::fmt;

use super::error::LoginError;
use crate::quote::quoted;

/// The partitions whose logins are accepted (AWS General Reference, "AWS service namespaces":
/// partition). An account's id belongs to one partition.
///
/// The isolated partitions (`aws-iso*`) and the European Sovereign Cloud (`aws-eusc`) have other
/// endpoints and are not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Partition {
    /// `aws`, with regions like `eu-central-1`.
    Aws,
    /// `aws-cn`, with regions like `cn-north-1`.
    AwsCn,
    /// `aws-us-gov`, with regions like `us-gov-west-1`.
    AwsUsGov,
}

impl Partition {
    /// All accepted partitions.
    pub const ALL: [Self; 3] = [Self::Aws, Self::AwsCn, Self::AwsUsGov];

    /// The partition's name in an ARN.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::AwsCn => "aws-cn",
            Self::AwsUsGov => "aws-us-gov",
        }
    }

    /// The partition with this name in an ARN; `None` if it is not accepted.
    pub(super) fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|partition| partition.as_str() == name)
    }

    /// The partition of a region; `None` if the text is no region of an accepted partition.
    ///
    /// The forms are `regionRegex` of `partitions.json` in AWS's SDKs, without their lists of
    /// prefixes, so that a new region needs no new host.
    fn of_region(region: &str) -> Option<Self> {
        let parts: Vec<&str> = region.split('-').collect();
        let (partition, place, number) = match parts.as_slice() {
            ["us", "gov", place, number] => (Self::AwsUsGov, place, number),
            ["cn", place, number] => (Self::AwsCn, place, number),
            [area, place, number] if area.len() == 2 && is_word(area) => (Self::Aws, place, number),
            _ => return None,
        };
        let is_number = matches!(number.len(), 1..=2) && number.bytes().all(|b| b.is_ascii_digit());
        (matches!(place.len(), 1..=20) && is_word(place) && is_number).then_some(partition)
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn is_word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// The host name of a region's STS: `sts.{region}.amazonaws.com`, in China
/// `sts.{region}.amazonaws.com.cn` (AWS General Reference, "AWS Security Token Service endpoints").
///
/// # Errors
/// The region is not of an accepted partition. So `reeve check` can refuse it before any login.
pub fn sts_host(region: &str) -> Result<String, LoginError> {
    match Partition::of_region(region) {
        Some(Partition::Aws | Partition::AwsUsGov) => Ok(format!("sts.{region}.amazonaws.com")),
        Some(Partition::AwsCn) => Ok(format!("sts.{region}.amazonaws.com.cn")),
        None => Err(LoginError::RegionUnsupported {
            found: quoted(region),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_has_one_endpoint() {
        let cases = [
            ("us-east-1", "sts.us-east-1.amazonaws.com"),
            ("ap-northeast-3", "sts.ap-northeast-3.amazonaws.com"),
            ("mx-central-1", "sts.mx-central-1.amazonaws.com"),
            ("us-gov-west-1", "sts.us-gov-west-1.amazonaws.com"),
            ("cn-north-1", "sts.cn-north-1.amazonaws.com.cn"),
            ("cn-northwest-1", "sts.cn-northwest-1.amazonaws.com.cn"),
        ];
        for (region, host) in cases {
            assert_eq!(sts_host(region).as_deref(), Ok(host));
        }
    }

    #[test]
    fn a_text_that_is_no_region_has_no_endpoint() {
        let texts = [
            "",
            "aws-global",
            "us-east",
            "us-east-1a",
            "US-EAST-1",
            "us-east-1.evil.example",
            "us-east-1/",
            "us-east-1\r\nx: y",
            "us-éast-1",
            "us--1",
            "us-east-",
            "us-east-123",
            "us-iso-east-1",
            "us-isob-east-1",
            "eu-isoe-west-1",
            "eusc-de-east-1",
            "eu-gov-west-1",
            "us-gov-1-1",
        ];
        for text in texts {
            let error = sts_host(text).unwrap_err();
            assert_eq!(error.code(), "login_region_unsupported", "{text:?}");
            assert!(error.to_string().contains("aws-us-gov"), "{error}");
        }
    }
}
