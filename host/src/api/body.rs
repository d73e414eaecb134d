//! A request's JSON, bounded in length and in time.

use std::time::Duration;

use axum::body::{Body, HttpBody as _, to_bytes};
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// An identity document has 2 to 3 KiB; nothing that is sent here needs more than this.
const BYTES_MAX: usize = 64 << 10;
/// How long a client may take to send it.
const TIME_MAX: Duration = Duration::from_secs(10);

/// Reads a body as JSON; an empty one as an empty object.
///
/// # Errors
/// The refusal: too long, too slow, or not what is accepted.
pub(super) async fn json<T: DeserializeOwned>(body: Body) -> Result<T, Problem> {
    let announced = body.size_hint().lower();
    if announced > BYTES_MAX as u64 {
        return Err(too_long(&format!("{announced} bytes are announced")));
    }
    let read = tokio::time::timeout(TIME_MAX, to_bytes(body, BYTES_MAX)).await;
    let bytes = match read {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => return Err(too_long("it is longer, or was broken off")),
        Err(_elapsed) => {
            let detail = format!(
                "the body did not arrive within {} s; send it at once",
                TIME_MAX.as_secs()
            );
            return Err(Problem::new(
                "too_slow",
                "The body comes too slowly",
                detail,
            ));
        }
    };
    let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
    serde_json::from_slice(text).map_err(|error| Problem::bad_request(format!("the body: {error}")))
}

fn too_long(found: &str) -> Problem {
    let detail = format!("the body: {found}; accepted: at most {BYTES_MAX} bytes");
    Problem::new("too_long", "The body is too long", detail)
}
