//! Checks of single values. Each error says what was found and what is accepted.

/// Names of fleets, pools and workers. They appear in addresses, metrics and launch tokens.
pub(super) fn name(name: &str) -> Result<(), String> {
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

/// A number within bounds, both inclusive.
pub(super) fn within(number: u64, (least, most): (u64, u64)) -> Result<(), String> {
    if (least..=most).contains(&number) {
        return Ok(());
    }
    Err(format!("found {number}; accepted: {least} to {most}"))
}

/// Any text without control characters.
pub(super) fn text(text: &str, chars_max: usize) -> Result<(), String> {
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
pub(super) fn table(name: &str) -> Result<(), String> {
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
pub(super) fn ecs_name(what: &str, name: &str) -> Result<(), String> {
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
pub(super) fn task_definition(name: &str) -> Result<(), String> {
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
pub(super) fn id_with(prefix: &str, id: &str) -> Result<(), String> {
    let digits = id.strip_prefix(prefix).unwrap_or_default();
    if (1..=40).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Ok(());
    }
    Err(format!(
        "found the id {id:?}; accepted: one such as {prefix}0123456789abcdef0"
    ))
}

/// A region's name, such as `us-east-1`. The check does not know which regions exist.
pub(super) fn region(region: &str) -> Result<(), String> {
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
pub(super) fn tag_key(key: &str) -> Result<(), String> {
    text(key, 128)?;
    if key.to_ascii_lowercase().starts_with("aws:") {
        return Err(format!(
            "found the tag key {key:?}; keys that begin with `aws:` are AWS's own"
        ));
    }
    Ok(())
}

/// A tag's value, at most 256 characters (EC2 user guide, "Tag restrictions").
pub(super) fn tag_value(value: &str) -> Result<(), String> {
    text(value, 256)?;
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
pub(super) fn pointer(name: &str) -> Result<(), String> {
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
pub(super) fn policy_file(file: &str) -> Result<(), String> {
    let stem = file.strip_suffix(".wasm").unwrap_or_default();
    if !stem.is_empty() && !stem.starts_with('.') && !file.contains(['/', '\\', '\0']) {
        return Ok(());
    }
    Err(format!(
        "found the file {file:?}; accepted: the name of a .wasm file in the policies' directory, without a path"
    ))
}
