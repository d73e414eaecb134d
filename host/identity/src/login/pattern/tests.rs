//! Tests of [`ArnPattern`].

use super::*;

fn fits(pattern: &str, arn: &str) -> bool {
    let pattern: ArnPattern = pattern.parse().unwrap();
    pattern.fits(&arn.parse().unwrap())
}

#[track_caller]
fn check(pattern: &str, fitting: &[&str], others: &[&str]) {
    for arn in fitting {
        assert!(fits(pattern, arn), "{pattern} fits {arn}");
    }
    for arn in others {
        assert!(!fits(pattern, arn), "{pattern} does not fit {arn}");
    }
}

#[test]
fn a_role_fits_all_its_sessions() {
    check(
        "arn:aws:iam::123456789012:role/my-role",
        &[
            "arn:aws:sts::123456789012:assumed-role/my-role/one",
            "arn:aws:sts::123456789012:assumed-role/my-role/two",
        ],
        &[
            "arn:aws:sts::123456789012:assumed-role/my-role-2/one",
            "arn:aws:sts::123456789012:assumed-role/My-Role/one",
            "arn:aws:sts::123456789012:assumed-role/one/my-role",
            "arn:aws:sts::210987654321:assumed-role/my-role/one",
            "arn:aws-cn:sts::123456789012:assumed-role/my-role/one",
            "arn:aws:iam::123456789012:user/my-role",
            "arn:aws:sts::123456789012:federated-user/my-role",
            "arn:aws:iam::123456789012:root",
        ],
    );
}

#[test]
fn a_session_fits_itself() {
    check(
        "arn:aws:sts::123456789012:assumed-role/my-role/one",
        &["arn:aws:sts::123456789012:assumed-role/my-role/one"],
        &[
            "arn:aws:sts::123456789012:assumed-role/my-role/one-2",
            "arn:aws:sts::123456789012:assumed-role/my-role-2/one",
        ],
    );
}

#[test]
fn a_star_stands_for_the_rest_of_one_name() {
    check(
        "arn:aws:iam::123456789012:role/box-*",
        &["arn:aws:sts::123456789012:assumed-role/box-a/one"],
        &["arn:aws:sts::123456789012:assumed-role/box/one"],
    );
    check(
        "arn:aws:sts::123456789012:assumed-role/my-role/i-*",
        &["arn:aws:sts::123456789012:assumed-role/my-role/i-1"],
        &["arn:aws:sts::123456789012:assumed-role/my-role/x-i-1"],
    );
    check(
        "arn:aws:sts::123456789012:assumed-role/*/chat",
        &["arn:aws:sts::123456789012:assumed-role/my-role/chat"],
        &["arn:aws:sts::123456789012:assumed-role/my-role/chat2"],
    );
    check(
        "arn:aws:iam::123456789012:user/*",
        &["arn:aws:iam::123456789012:user/alice"],
        &["arn:aws:iam::123456789012:user/ops/alice"],
    );
    check(
        "arn:aws:iam::123456789012:user/ops/a*",
        &["arn:aws:iam::123456789012:user/ops/alice"],
        &[
            "arn:aws:iam::123456789012:user/alice",
            "arn:aws:iam::123456789012:user/ops/a/lice",
            "arn:aws:iam::123456789012:user/x/ops/alice",
        ],
    );
}

#[test]
fn another_text_is_refused_with_its_reason() {
    let cases = [
        ("*", "arn:PARTITION"),
        ("arn:aws:iam::*:role/my-role", "12 digits"),
        ("arn:aws:iam::12345678901*:role/my-role", "12 digits"),
        ("arn:*:iam::123456789012:role/my-role", "partition"),
        ("arn:aws-iso:iam::123456789012:role/my-role", "partition"),
        (
            "arn:aws:iam::123456789012:role/team/my-role",
            "write role/my-role",
        ),
        ("arn:aws:iam::123456789012:role/", "no name"),
        ("arn:aws:iam::123456789012:role/*x", "no name"),
        ("arn:aws:iam::123456789012:role/x**", "no name"),
        ("arn:aws:iam::123456789012:role/x y", "no name"),
        ("arn:aws:iam::123456789012:*", "only roles"),
        ("arn:aws:iam::123456789012:root", "only roles"),
        ("arn:aws:iam::123456789012:group/x", "only roles"),
        ("arn:aws:sts::123456789012:federated-user/x", "only roles"),
        (
            "arn:aws:sts::123456789012:assumed-role/my-role",
            "no session",
        ),
        ("arn:aws:sts::123456789012:assumed-role/*/*", "two `*`"),
        ("arn:aws:sts::123456789012:assumed-role/a/b/c", "no name"),
        ("arn:aws:iam::123456789012:user/*/alice", "no path"),
        ("arn:aws:iam::123456789012:user/ops/", "no name"),
        (" arn:aws:iam::123456789012:user/alice", "arn:PARTITION"),
    ];
    for (text, reason) in cases {
        let error = text.parse::<ArnPattern>().unwrap_err().to_string();
        assert!(error.contains(reason), "{text}: {error}");
        assert!(error.contains("assumed-role/NAME/SESSION"), "{error}");
    }
}

#[test]
fn a_pattern_is_written_as_it_was_read() {
    let text = "arn:aws:iam::123456789012:role/my-role";
    assert_eq!(text.parse::<ArnPattern>().unwrap().to_string(), text);
}
