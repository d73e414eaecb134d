//! STS behind a [`Gateway`](reeve_tests::gateway::Gateway): it verifies signatures, as AWS does. The
//! emulator accepts any.

use std::time::SystemTime;

use jiff::Timestamp;
use reeve_identity::testing::sts::{Request, Sts};

/// Answers calls to STS as AWS does. The emulator accepts any signature.
pub(crate) fn answer(sts: &Sts, call: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(call);
    let (head, body) = text.split_once("\r\n\r\n")?;
    if !body.contains("Action=GetCallerIdentity") {
        return None;
    }
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ');
    let headers = lines.filter_map(|line| line.split_once(':'));
    let request = Request {
        method: words.next()?,
        path: words.next()?,
        query: "",
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect(),
        body: body.as_bytes(),
    };
    let now = Timestamp::try_from(SystemTime::now()).ok()?;
    let answer = sts.answer(&request, now);
    let head = format!(
        "HTTP/1.1 {} -\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        answer.status,
        answer.content_type,
        answer.body.len()
    );
    Some((head + &answer.body).into_bytes())
}
