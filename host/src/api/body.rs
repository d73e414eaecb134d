//! Reads a request's JSON body, limited in length and time.

use std::time::Duration;

use axum::body::{Body, HttpBody as _, to_bytes};
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// How long a client may take to send the body.
const TIME_MAX: Duration = Duration::from_secs(10);

/// Reads a body of at most `bytes_max` bytes as JSON, whatever its content type. An empty body is
/// an empty object. The door has already refused requests that web pages can send.
///
/// # Errors
/// The body is too long, arrives too slowly, or does not parse.
pub(super) async fn json<T: DeserializeOwned>(body: Body, bytes_max: usize) -> Result<T, Problem> {
    let too_long = |found: &str| {
        let detail = format!("the body: {found}; accepted: at most {bytes_max} bytes");
        Problem::new("too_long", "The body is too long", detail)
    };
    let announced = body.size_hint().lower();
    if announced > bytes_max as u64 {
        return Err(too_long(&format!("{announced} bytes are announced")));
    }
    let read = tokio::time::timeout(TIME_MAX, to_bytes(body, bytes_max)).await;
    let bytes = match read {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => return Err(too_long("it is longer, or the connection broke")),
        Err(_elapsed) => {
            let detail = format!(
                "the body did not arrive within {} s; send it at once",
                TIME_MAX.as_secs()
            );
            return Err(Problem::new(
                "too_slow",
                "The body arrives too slowly",
                detail,
            ));
        }
    };
    let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
    serde_json::from_slice(text).map_err(|error| Problem::bad_request(format!("the body: {error}")))
}
