//! The rules for the headers that a login's signature covers.

use super::error::LoginError;
use crate::quote::quoted;

/// Headers that every login signs. Without `x-reeve-audience`, a signature for one fleet, or for
/// another service that asks STS in the same way, could be used here.
const REQUIRED: [&str; 3] = ["host", "x-amz-date", "x-reeve-audience"];

/// The header that a login signs exactly if it has a security token.
const TOKEN: &str = "x-amz-security-token";

/// Headers that a login may sign. The host sends each with the one possible value.
const OPTIONAL: [&str; 3] = ["content-length", "content-type", "x-amz-content-sha256"];

/// Checks a list of names with semicolons between them. It has to be sorted, as AWS's signing
/// process prescribes, so that a set of headers has one text.
///
/// # Errors
/// The list has an unknown name, has a name twice, is not sorted, or lacks a required name.
pub(super) fn check(list: &str, has_token: bool) -> Result<(), LoginError> {
    let names: Vec<&str> = list.split(';').collect();
    let refuse = |found: String| Err(refused(found, has_token));
    for name in &names {
        let is_known = REQUIRED.contains(name) || OPTIONAL.contains(name) || *name == TOKEN;
        if !is_known {
            return refuse(format!("name {}", quoted(name)));
        }
    }
    if !names.is_sorted_by(|one, other| one < other) {
        return refuse("are not sorted, or name one twice".to_owned());
    }
    if let Some(missing) = REQUIRED.iter().find(|name| !names.contains(*name)) {
        return refuse(format!("lack {missing}"));
    }
    match (names.contains(&TOKEN), has_token) {
        (true, false) => refuse(format!("name {TOKEN}, and the login has none")),
        (false, true) => refuse(format!("lack {TOKEN}, and the login has one")),
        _ => Ok(()),
    }
}

fn refused(found: String, has_token: bool) -> LoginError {
    let mut required = REQUIRED.to_vec();
    if has_token {
        required.push(TOKEN);
        required.sort_unstable();
    }
    LoginError::SignedHeaders {
        found,
        required: required.join(", "),
        optional: OPTIONAL.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "host;x-amz-date;x-reeve-audience";
    const WITH_TOKEN: &str = "host;x-amz-date;x-amz-security-token;x-reeve-audience";
    const MOST: &str = "content-length;content-type;host;x-amz-content-sha256;x-amz-date;\
                        x-amz-security-token;x-reeve-audience";

    #[test]
    fn the_headers_that_the_host_sends_may_be_signed() {
        assert_eq!(check(LEAST, false), Ok(()));
        assert_eq!(check(WITH_TOKEN, true), Ok(()));
        assert_eq!(check(MOST, true), Ok(()));
        assert_eq!(check(&format!("content-type;{LEAST}"), false), Ok(()));
    }

    #[test]
    fn another_list_is_refused() {
        let cases = [
            ("", false),
            ("host", false),
            ("host;x-amz-date", false),
            ("host;x-reeve-audience", false),
            ("x-amz-date;x-reeve-audience", false),
            (LEAST, true),
            (WITH_TOKEN, false),
            ("host;x-reeve-audience;x-amz-date", false),
            ("host;host;x-amz-date;x-reeve-audience", false),
            ("Host;x-amz-date;x-reeve-audience", false),
            ("host;x-amz-date;x-reeve-audience;", false),
            (";host;x-amz-date;x-reeve-audience", false),
            ("host;x-amz-date; x-reeve-audience", false),
            ("date;host;x-amz-date;x-reeve-audience", false),
            ("host;user-agent;x-amz-date;x-reeve-audience", false),
            ("host;x-amz-date;x-amz-target;x-reeve-audience", false),
            ("host;x-amz-date;x-reeve-audience;x-y\r\nz", false),
        ];
        for (list, has_token) in cases {
            let error = check(list, has_token).unwrap_err();
            assert_eq!(error.code(), "login_signed_headers", "{list:?}");
            let text = error.to_string();
            assert!(!text.contains('\n') && text.contains("x-reeve-audience"));
        }
    }
}
