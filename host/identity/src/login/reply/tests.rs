//! Tests of [`read_reply`].

use super::*;
use crate::login::PrincipalKind;

/// The example of the STS API reference, `GetCallerIdentity`.
const GOOD: &str = r#"<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <GetCallerIdentityResult>
    <Arn>arn:aws:sts::123456789012:assumed-role/my-role-name/my-role-session-name</Arn>
    <UserId>ARO123EXAMPLE123:my-role-session-name</UserId>
    <Account>123456789012</Account>
  </GetCallerIdentityResult>
  <ResponseMetadata>
    <RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId>
  </ResponseMetadata>
</GetCallerIdentityResponse>
"#;

const REFUSAL: &str = r#"<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <Error>
    <Type>Sender</Type>
    <Code>SignatureDoesNotMatch</Code>
    <Message>not the &quot;same&quot; &#39;signature&#39;</Message>
  </Error>
  <RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId>
</ErrorResponse>
"#;

fn read(status: u16, body: &str) -> Result<Principal, ReplyError> {
    read_reply(status, Some("text/xml"), body.as_bytes())
}

fn code(result: Result<Principal, ReplyError>) -> &'static str {
    result.map_or_else(|error| error.code(), |_| "identity")
}

#[test]
fn an_identity_is_read() {
    let principal = read(200, GOOD).unwrap();
    assert_eq!(principal.account, "123456789012");
    assert_eq!(
        principal.kind,
        PrincipalKind::AssumedRole {
            role: "my-role-name".to_owned(),
            session: "my-role-session-name".to_owned()
        }
    );
}

#[test]
fn members_that_aws_may_add_are_ignored() {
    let more = "<UserName>x</UserName>\n    <Account>";
    let reply = GOOD.replace("<Account>", more);
    assert_eq!(code(read(200, &reply)), "identity");
}

#[test]
fn another_identity_reply_is_refused() {
    let cases = [
        ("<Account>123456789012</Account>", ""),
        ("<Account>123456789012<", "<Account>123456789013<"),
        ("<Account>123456789012<", "<Account> 123456789012<"),
        ("<Account>123456789012<", "<Account>12345678901<"),
        ("::123456789012:", "::12345678901:"),
        ("</Arn>", "</Arn><Arn>arn:aws:iam::123456789012:root</Arn>"),
        ("</Arn>", "<!-- --></Arn>"),
        ("</Arn>", "&#49;</Arn>"),
        ("</Arn>", "\n</Arn>"),
        ("<Arn>", "<Arn xmlns=\"x\">"),
        ("<Arn>", "<Arn><![CDATA[x]]>"),
        (
            "GetCallerIdentityResponse ",
            "GetCallerIdentityResponse x=\"y\" ",
        ),
        ("doc/2011-06-15/", "doc/2011-06-14/"),
        (
            "https://sts.amazonaws.com",
            "https://sts.amazonaws.com.evil.example",
        ),
        ("assumed-role", "role"),
        (
            "<GetCallerIdentityResponse",
            "<!DOCTYPE x []><GetCallerIdentityResponse",
        ),
        (
            "<ResponseMetadata>",
            "<GetCallerIdentityResult/><ResponseMetadata>",
        ),
    ];
    for (part, other) in cases {
        let reply = GOOD.replacen(part, other, 1);
        assert_ne!(reply, GOOD, "{part}");
        assert_eq!(code(read(200, &reply)), "sts_reply_unreadable", "{other}");
    }
    let root = GOOD.replace("GetCallerIdentityResponse", "AssumeRoleResponse");
    assert_eq!(code(read(200, &root)), "sts_reply_unreadable");
    // The ARN elsewhere is not the caller's.
    let moved = GOOD.replace("GetCallerIdentityResult", "OtherResult");
    assert_eq!(code(read(200, &moved)), "sts_reply_unreadable");
}

#[test]
fn a_refusal_is_no_passing_fault() {
    assert_eq!(
        read(403, REFUSAL),
        Err(ReplyError::Refused {
            status: 403,
            code: "SignatureDoesNotMatch".to_owned()
        })
    );
    let text = read(403, REFUSAL).unwrap_err().to_string();
    assert!(text.contains("x-reeve-audience"), "{text}");
    for expected in ["Throttling", "ServiceUnavailable"] {
        let reply = REFUSAL.replace("SignatureDoesNotMatch", expected);
        assert_eq!(code(read(400, &reply)), "sts_unavailable", "{expected}");
    }
}

#[test]
fn a_fault_needs_no_readable_body() {
    for (status, body) in [(500, ""), (503, "<html>"), (502, GOOD), (429, "slow down")] {
        let fault = ReplyError::Passing { status, code: None };
        assert_eq!(read(status, body), Err(fault));
    }
    let fault = read(503, REFUSAL).unwrap_err();
    assert!(fault.to_string().contains("503 SignatureDoesNotMatch"));
    let long = vec![b' '; REPLY_BYTES_MAX + 1];
    let fault = read_reply(503, Some("text/xml"), &long);
    assert_eq!(code(fault), "sts_unavailable");
}

#[test]
fn a_refusal_that_is_not_of_sts_is_unreadable() {
    for body in ["", "<html>Forbidden</html>", GOOD, "{}"] {
        assert_eq!(code(read(403, body)), "sts_reply_unreadable", "{body}");
    }
    let long = REFUSAL.replace("SignatureDoesNotMatch", &"x".repeat(65));
    assert_eq!(code(read(403, &long)), "sts_reply_unreadable");
    let odd = REFUSAL.replace("SignatureDoesNotMatch", "a b");
    assert_eq!(code(read(403, &odd)), "sts_reply_unreadable");
}

#[test]
fn only_200_names_an_identity() {
    for status in [0, 100, 201, 204, 206, 301, 302, 307, 399, 600, u16::MAX] {
        assert_eq!(code(read(status, GOOD)), "sts_reply_unreadable", "{status}");
    }
    assert_eq!(code(read(200, REFUSAL)), "sts_reply_unreadable");
}

#[test]
fn only_xml_in_utf_8_is_read() {
    for content_type in [
        "text/xml",
        "Text/XML; charset=UTF-8",
        "text/xml;charset=\"utf-8\"",
    ] {
        let reply = read_reply(200, Some(content_type), GOOD.as_bytes());
        assert_eq!(code(reply), "identity", "{content_type}");
    }
    let others = [
        None,
        Some(""),
        Some("application/xml"),
        Some("text/xml; charset=utf-16"),
        Some("text/xml; charset=utf-8; x=y"),
        Some("text/xml;"),
        Some("text/html"),
        Some("text/xml, text/html"),
    ];
    for content_type in others {
        let reply = read_reply(200, content_type, GOOD.as_bytes());
        assert_eq!(code(reply), "sts_reply_unreadable", "{content_type:?}");
    }
    let bytes = [GOOD.as_bytes(), b"\xff"].concat();
    let reply = read_reply(200, Some("text/xml"), &bytes);
    assert_eq!(code(reply), "sts_reply_unreadable");
}

#[test]
fn a_reply_is_not_read_beyond_its_bound() {
    let padded = |bytes: usize| format!("{GOOD}{}", " ".repeat(bytes - GOOD.len()));
    assert_eq!(code(read(200, &padded(REPLY_BYTES_MAX))), "identity");
    let reply = read(200, &padded(REPLY_BYTES_MAX + 1));
    assert_eq!(code(reply), "sts_reply_unreadable");
}
