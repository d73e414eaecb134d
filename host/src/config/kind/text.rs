//! Kinds that are written as a text.

use std::net::SocketAddr;

use jiff::tz::TimeZone;
use reeve_core::id::{Digest, PointerName, Region};
use reeve_identity::login::ArnPattern;
use reeve_policy::SignerKey;
use toml::Spanned;
use toml::de::DeValue;

use super::{Findings, Kind, Show, text as text_of};
use crate::access::{NamePattern, WorkerPattern};
use crate::notify::address::Address as WebhookUrl;
use crate::notify::template::Template;

/// Kinds of texts: for each, what is checked, and the value that is made of the text.
macro_rules! texts {
    ($( $(#[doc = $doc:literal])+ $kind:ident: $check:expr, $make:expr => $value:ty; )+) => { $(
        $(#[doc = $doc])+
        pub(in crate::config) enum $kind {}

        impl Kind for $kind {
            type Value = $value;

            fn read(findings: &mut Findings<'_>, found: &Spanned<DeValue<'_>>) -> Option<$value> {
                let text = text_of(findings, found)?;
                let check: fn(&str) -> Result<(), String> = $check;
                if let Err(finding) = check(text) {
                    findings.refuse(found.span(), finding);
                }
                Some($make(text))
            }
        }
    )+ };
}

/// Kinds of texts that mean something only if they are right: for each, the function that reads
/// the text.
macro_rules! parsed {
    ($( $(#[doc = $doc:literal])+ $kind:ident: $parse:expr => $value:ty; )+) => { $(
        $(#[doc = $doc])+
        pub(in crate::config) enum $kind {}

        impl Kind for $kind {
            type Value = $value;

            fn read(findings: &mut Findings<'_>, found: &Spanned<DeValue<'_>>) -> Option<$value> {
                let parse: fn(&str) -> Result<$value, String> = $parse;
                match parse(text_of(findings, found)?) {
                    Ok(value) => Some(value),
                    Err(finding) => {
                        findings.refuse(found.span(), finding);
                        None
                    }
                }
            }
        }
    )+ };
}

texts! {
    /// The name of a fleet.
    FleetName: name, str::to_owned => String;

    /// A region's name.
    RegionName: region, Region::from => Region;

    /// The name of a DynamoDB table.
    TableName: table, str::to_owned => String;

    /// A cluster of ECS.
    Cluster: |text| ecs_name("cluster", text), str::to_owned => String;

    /// A container of a task definition.
    Container: |text| ecs_name("container", text), str::to_owned => String;

    /// A task definition of ECS.
    TaskDefinition: task_definition, str::to_owned => String;

    /// The id of a subnet.
    Subnet: |id| id_with("subnet-", id), str::to_owned => String;

    /// The id of a security group.
    SecurityGroup: |id| id_with("sg-", id), str::to_owned => String;

    /// The key of a tag.
    TagKey: tag_key, str::to_owned => String;

    /// The value of a tag.
    TagValue: tag_value, str::to_owned => String;

    /// The name of an SSM parameter.
    PointerText: pointer, PointerName::from => PointerName;

    /// The name of a component's file.
    PolicyFile: policy_file, str::to_owned => String;

    /// The value of a metric's dimension, with placeholders.
    DimensionValue: dimension_value, str::to_owned => String;

    /// The path of an HTTP probe.
    HttpPath: http_path, str::to_owned => String;
}

parsed! {
    /// An address of this machine only, because no client there has to say who it is, or "none".
    Loopback: loopback => Option<SocketAddr>;

    /// A worker's name, or the beginning of some.
    WorkerNames: str::parse => WorkerPattern;

    /// Identities of AWS IAM.
    Arns: arn => ArnPattern;

    /// A role of AWS IAM.
    RoleArn: role_arn => ArnPattern;

    /// A name in a certificate, or the beginning of some.
    CertificateNames: str::parse => NamePattern;

    /// An address and a port to listen on.
    Address: address => SocketAddr;

    /// A zone of the IANA time zone database.
    ZoneName: zone => TimeZone;

    /// A SHA-256 in hexadecimal digits.
    Sha256: sha256 => Digest;

    /// A public key of minisign.
    PolicyKey: signer => SignerKey;

    /// The text of a message.
    TemplateText: Template::parse => Template;

    /// The address of a webhook: a secret, so a finding does not quote it.
    WebhookAddress: webhook => WebhookUrl;
}

impl Show for TagKey {
    fn show(value: &String) -> String {
        format!("{value:?}")
    }
}

/// Any text of at most `CHARS_MAX` characters, none of them a control character.
pub(in crate::config) enum Text<const CHARS_MAX: usize> {}

impl<const CHARS_MAX: usize> Kind for Text<CHARS_MAX> {
    type Value = String;

    fn read(findings: &mut Findings<'_>, found: &Spanned<DeValue<'_>>) -> Option<String> {
        let text = text_of(findings, found)?;
        if let Err(finding) = printable(text, CHARS_MAX) {
            findings.refuse(found.span(), finding);
        }
        Some(text.to_owned())
    }
}

/// Names of fleets, pools and workers. They appear in addresses, metrics and launch tokens.
pub(crate) fn name(name: &str) -> Result<(), String> {
    const BYTES_MAX: usize = 64;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=BYTES_MAX).contains(&name.len()) && name.chars().all(fits) && !name.starts_with('.') {
        return Ok(());
    }
    Err(format!(
        "the name {name:?} cannot be used; accepted: 1 to {BYTES_MAX} letters, digits, `-`, `_` and `.`, \
         not beginning with `.`"
    ))
}

fn printable(text: &str, chars_max: usize) -> Result<(), String> {
    let length = text.chars().count();
    if (1..=chars_max).contains(&length) && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(format!(
        "found a text of {length} characters; accepted: 1 to {chars_max}, without control characters"
    ))
}
/// A DynamoDB table's name (DynamoDB developer guide, "Naming rules"). An ARN is refused: it may
/// name a table of another account.
fn table(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if (3..=255).contains(&name.len()) && name.chars().all(fits) {
        return Ok(());
    }
    Err(format!(
        "found the table name {name:?}; accepted: 3 to 255 letters, digits, `_`, `-` and `.`"
    ))
}

/// The name of an ECS cluster or container (ECS API reference, CreateCluster, ContainerDefinition).
/// A cluster may be given by its ARN.
fn ecs_name(what: &str, name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let is_name = (1..=255).contains(&name.len()) && name.chars().all(fits);
    if is_name || (what == "cluster" && is_arn(name)) {
        return Ok(());
    }
    let or_arn = match what {
        "cluster" => ", or its ARN",
        _ => "",
    };
    Err(format!(
        "found the {what} {name:?}; accepted: its name of 1 to 255 letters, digits, `-` and `_`{or_arn}"
    ))
}

/// A task definition's family, with its revision or without, or its ARN (ECS API reference,
/// RunTask).
fn task_definition(name: &str) -> Result<(), String> {
    let (family, revision) = name.split_once(':').unwrap_or((name, "1"));
    let is_number = !revision.is_empty() && revision.chars().all(|c| c.is_ascii_digit());
    if is_arn(name) || (ecs_name("family", family).is_ok() && is_number) {
        return Ok(());
    }
    Err(format!(
        "found the task definition {name:?}; accepted: a family such as agent (its latest active revision), a revision \
         such as agent:7, or an ARN"
    ))
}

fn is_arn(text: &str) -> bool {
    text.starts_with("arn:") && text.len() <= 2048 && text.chars().all(|c| c.is_ascii_graphic())
}

/// An AWS id with this prefix, such as `subnet-0123456789abcdef0`.
fn id_with(prefix: &str, id: &str) -> Result<(), String> {
    let digits = id.strip_prefix(prefix).unwrap_or_default();
    if (1..=40).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Ok(());
    }
    Err(format!(
        "found the id {id:?}; accepted: one such as {prefix}0123456789abcdef0"
    ))
}

/// A region's name, such as `us-east-1`. The check does not know which regions exist.
fn region(region: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let words = region.split('-').filter(|word| !word.is_empty()).count();
    if words >= 3 && region.len() <= 32 && region.chars().all(fits) {
        return Ok(());
    }
    Err(format!(
        "found the region {region:?}; accepted: a name such as us-east-1"
    ))
}

/// A tag's key, at most 128 characters and not AWS's own (EC2 user guide, "Tag restrictions").
fn tag_key(key: &str) -> Result<(), String> {
    printable(key, 128)?;
    if key.to_ascii_lowercase().starts_with("aws:") {
        return Err(format!(
            "found the tag key {key:?}; keys that begin with `aws:` are AWS's own"
        ));
    }
    Ok(())
}

/// A tag's value, at most 256 characters (EC2 user guide, "Tag restrictions").
fn tag_value(value: &str) -> Result<(), String> {
    printable(value, 256)?;
    // DescribeInstances treats `*` and `?` in filters as wildcards, so other workers' instances
    // would match.
    if value.contains(['*', '?', '\\']) {
        return Err(format!(
            "found the tag value {value:?}; EC2's filters give `*`, `?` and `\\` a special meaning"
        ));
    }
    Ok(())
}

/// The name of an SSM parameter (Systems Manager API reference, "PutParameter").
fn pointer(name: &str) -> Result<(), String> {
    const BYTES_MAX: usize = 1011;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    let slashes = name.matches('/').count();
    let rooted = slashes == 0 || name.starts_with('/');
    if (1..=BYTES_MAX).contains(&name.len())
        && name.chars().all(fits)
        && rooted
        && !name.ends_with('/')
    {
        return Ok(());
    }
    Err(format!(
        "found the pointer {name:?}; accepted: the name of an SSM parameter such as /chat/instance_id: \
         letters, digits, `-`, `_`, `.`, and `/` only if it begins with one"
    ))
}

/// A component's file in the policy directory.
fn policy_file(file: &str) -> Result<(), String> {
    let stem = file.strip_suffix(".wasm").unwrap_or_default();
    if !stem.is_empty() && !stem.starts_with('.') && !file.contains(['/', '\\', '\0']) {
        return Ok(());
    }
    Err(format!(
        "found the file {file:?}; accepted: the name of a .wasm file in the policies' directory, without a path"
    ))
}

fn signer(text: &str) -> Result<SignerKey, String> {
    text.parse().map_err(|error| format!("{error}"))
}

fn sha256(text: &str) -> Result<Digest, String> {
    text.parse().map_err(|error| format!("{error}"))
}

/// Refuses misspelt placeholders: CloudWatch would get them verbatim and find no metric. The length
/// is CloudWatch's (CloudWatch API reference, Dimension, `Value`).
fn dimension_value(text: &str) -> Result<(), String> {
    const PLACEHOLDERS: [&str; 3] = ["instance", "worker", "tag_value"];
    printable(text, 1024)?;
    let accepted = PLACEHOLDERS.map(|name| format!("{{{name}}}")).join(", ");
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('{') {
        let (name, rest_after) = after.split_once('}').ok_or_else(|| {
            format!("found {text:?}, where a `{{` is not closed; accepted: {accepted}")
        })?;
        if !PLACEHOLDERS.contains(&name) {
            return Err(format!(
                "found the placeholder {{{name}}}; accepted: {accepted}"
            ));
        }
        rest = rest_after;
    }
    Ok(())
}

/// An absolute path as a request line can carry it.
fn http_path(text: &str) -> Result<(), String> {
    const BYTES_MAX: usize = 1_024;
    let fits = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if text.starts_with('/') && !text.starts_with("//") && text.len() <= BYTES_MAX && fits {
        return Ok(());
    }
    Err(format!(
        "found the path {text:?}; accepted: one that begins with a single `/`, such as /health, of at most {BYTES_MAX} \
         visible ASCII characters without `#`"
    ))
}

fn loopback(text: &str) -> Result<Option<SocketAddr>, String> {
    const ACCEPTED: &str = "accepted: a loopback address and a port, such as 127.0.0.1:7433 or [::1]:7433, or \"none\"";
    if text == "none" {
        return Ok(None);
    }
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(Some(address)),
        Ok(address) => Err(format!(
            "found {address}, which other machines may reach; {ACCEPTED}; [api] has an interface for other machines"
        )),
        Err(_) => Err(format!("found {text:?}; {ACCEPTED}")),
    }
}

fn arn(text: &str) -> Result<ArnPattern, String> {
    text.parse::<ArnPattern>()
        .map_err(|error| error.to_string())
}

fn role_arn(text: &str) -> Result<ArnPattern, String> {
    let role = text
        .parse::<ArnPattern>()
        .ok()
        .filter(|arn| arn.role().is_some());
    role.ok_or_else(|| {
        format!(
            "found the role {text:?}; accepted: the ARN of one role without its path, such as \
             arn:aws:iam::123456789012:role/gpu-box"
        )
    })
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!(
            "found {text:?}; accepted: an address and a port, such as 10.0.0.5:7434 or 0.0.0.0:7434"
        )
    })
}

fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| {
        format!(
            "found the time zone {name:?}; accepted: a name of the IANA time zone database such as Europe/Berlin or UTC"
        )
    })
}

fn webhook(text: &str) -> Result<WebhookUrl, String> {
    WebhookUrl::parse(text).map_err(|why| format!("`url` cannot be used: {why}"))
}
