//! Launch templates: how a template is named, and the number of its default version.

use aws_sdk_ec2::types::LaunchTemplateSpecification;
use reeve_core::cloud::CloudError;

use crate::error;

/// The template's default version, so that its owner decides when a new version takes effect.
pub(crate) const DEFAULT_VERSION: &str = "$Default";

/// A template as the user names it.
enum Named<'a> {
    Id(&'a str),
    Name(&'a str),
}

/// By id or by name. A template may be *named* `lt-chat`, so only a valid id counts as an id.
fn named(id_or_name: &str) -> Named<'_> {
    match id_or_name.strip_prefix("lt-") {
        Some(digits)
            if digits.len() >= 8 && digits.chars().all(|digit| digit.is_ascii_hexdigit()) =>
        {
            Named::Id(id_or_name)
        }
        Some(_) | None => Named::Name(id_or_name),
    }
}

/// The template at this version, for a launch.
pub(crate) fn specification(id_or_name: &str, version: &str) -> LaunchTemplateSpecification {
    let specification = LaunchTemplateSpecification::builder().version(version);
    match named(id_or_name) {
        Named::Id(id) => specification.launch_template_id(id).build(),
        Named::Name(name) => specification.launch_template_name(name).build(),
    }
}

/// The number of the template's default version.
pub(crate) async fn version(
    ec2: &aws_sdk_ec2::Client,
    id_or_name: &str,
) -> Result<u64, CloudError> {
    const OPERATION: &str = "DescribeLaunchTemplateVersions";
    let asked = ec2
        .describe_launch_template_versions()
        .versions(DEFAULT_VERSION);
    let asked = match named(id_or_name) {
        Named::Id(id) => asked.launch_template_id(id),
        Named::Name(name) => asked.launch_template_name(name),
    };
    let answer = asked
        .send()
        .await
        .map_err(|failure| error::sorted(OPERATION, &failure))?;
    let found = answer.launch_template_versions().first();
    let number = found.and_then(|version| version.version_number());
    let number = number.and_then(|number| u64::try_from(number).ok());
    number.ok_or_else(|| error::garbled(OPERATION, "no version number".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_given_by_id_or_by_name() {
        let cases = [
            ("lt-0123456789abcdef0", true),
            ("lt-1a2b3c4d", true),
            ("chat", false),
            ("lt-chat", false),
            ("lt-deadbeef-chat", false),
        ];
        for (text, is_id) in cases {
            let specification = specification(text, "7");
            let (id, name) = (
                specification.launch_template_id(),
                specification.launch_template_name(),
            );
            let expected = if is_id {
                (Some(text), None)
            } else {
                (None, Some(text))
            };
            assert_eq!((id, name), expected, "{text}");
            assert_eq!(specification.version(), Some("7"));
        }
    }
}
