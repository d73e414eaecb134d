//! AWS's Signature Version 4 with an HMAC, for requests whose query is canonical already (AWS's IAM
//! user guide, "Create a signed AWS API request").

use ring::{digest, hmac};

/// The parts of a request that a signature covers.
#[derive(Clone, Debug)]
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    /// All headers; those with a name in `names` are covered.
    pub(super) headers: &'a [(String, String)],
    /// The names of the signed headers, in the order of `SignedHeaders`.
    pub(super) names: &'a [&'a str],
    pub(super) body: &'a [u8],
}

/// For what a key is derived: `DAY/REGION/SERVICE/aws4_request`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    pub(super) day: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

/// The signature in hexadecimal digits. `time` is the value of `x-amz-date`.
pub(super) fn signature(secret_key: &str, scope: Scope<'_>, time: &str, of: &Signed<'_>) -> String {
    let key = [scope.day, scope.region, scope.service, "aws4_request"]
        .iter()
        .fold(format!("AWS4{secret_key}").into_bytes(), |key, part| {
            hmac_sha_256(&key, part)
        });
    hex::encode(hmac_sha_256(&key, &string_to_sign(scope, time, of)))
}

fn string_to_sign(scope: Scope<'_>, time: &str, of: &Signed<'_>) -> String {
    let Scope {
        day,
        region,
        service,
    } = scope;
    let digest = sha_256(canonical(of).as_bytes());
    format!("AWS4-HMAC-SHA256\n{time}\n{day}/{region}/{service}/aws4_request\n{digest}")
}

/// The canonical request.
fn canonical(of: &Signed<'_>) -> String {
    let mut query: Vec<&str> = of.query.split('&').collect();
    query.sort_unstable();
    let headers: String = of
        .names
        .iter()
        .map(|name| format!("{name}:{}\n", values(of.headers, name)))
        .collect();
    format!(
        "{}\n{}\n{}\n{headers}\n{}\n{}",
        of.method,
        of.path,
        query.join("&"),
        of.names.join(";"),
        sha_256(of.body)
    )
}

/// The values of all headers with this name: trimmed, with single spaces, and commas between them.
fn values(headers: &[(String, String)], name: &str) -> String {
    let named = headers
        .iter()
        .filter(|(found, _)| found.eq_ignore_ascii_case(name));
    let values = named.map(|(_, value)| {
        let words: Vec<&str> = value.split_ascii_whitespace().collect();
        words.join(" ")
    });
    values.collect::<Vec<_>>().join(",")
}

/// The SHA-256 in hexadecimal digits.
pub(super) fn sha_256(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

fn hmac_sha_256(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The public key of AWS's examples.
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    fn headers(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn scope(service: &'static str) -> Scope<'static> {
        Scope {
            day: "20150830",
            region: "us-east-1",
            service,
        }
    }

    /// `get-vanilla` and `post-x-www-form-urlencoded` of AWS's Signature Version 4 test suite.
    #[test]
    fn the_signatures_of_awss_test_suite_are_made() {
        let common = [
            ("Host", "example.amazonaws.com"),
            ("X-Amz-Date", "20150830T123600Z"),
        ];
        let get = Signed {
            method: "GET",
            path: "/",
            query: "",
            headers: &headers(&common),
            names: &["host", "x-amz-date"],
            body: b"",
        };
        assert_eq!(
            signature(SECRET, scope("service"), "20150830T123600Z", &get),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
        let form = ("Content-Type", "application/x-www-form-urlencoded");
        let post = Signed {
            method: "POST",
            headers: &headers(&[form, common[0], common[1]]),
            names: &["content-type", "host", "x-amz-date"],
            body: b"Param1=value1",
            ..get
        };
        assert_eq!(
            signature(SECRET, scope("service"), "20150830T123600Z", &post),
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
        );
    }

    /// The example of AWS's guide: ListUsers of IAM.
    #[test]
    fn the_signature_of_awss_guide_is_made() {
        let list = Signed {
            method: "GET",
            path: "/",
            query: "Version=2010-05-08&Action=ListUsers",
            headers: &headers(&[
                (
                    "content-type",
                    "application/x-www-form-urlencoded;  charset=utf-8 ",
                ),
                ("host", "iam.amazonaws.com"),
                ("x-amz-date", "20150830T123600Z"),
            ]),
            names: &["content-type", "host", "x-amz-date"],
            body: b"",
        };
        assert_eq!(
            sha_256(canonical(&list).as_bytes()),
            "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59"
        );
        assert_eq!(
            signature(SECRET, scope("iam"), "20150830T123600Z", &list),
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        );
    }
}
