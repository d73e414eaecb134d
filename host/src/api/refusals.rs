//! What the interfaces refuse of any bytes, without a host. For fuzzing.

use reeve_core::token::Token;

use super::problem::Problem;
use super::{body, operate, register, reports, unreachable, wait};

/// Reads the bytes as the body of every path, as a query and as a token. Returns the texts of the
/// refusals.
pub(crate) fn of(bytes: &[u8]) -> Vec<String> {
    let refused = [
        body::parse::<reports::Count>(bytes).err(),
        body::parse::<reports::Busy>(bytes).err(),
        body::parse::<reports::Heartbeat>(bytes).err(),
        body::parse::<register::RegisterBody>(bytes).err(),
        body::parse::<unreachable::UnreachableBody>(bytes).err(),
        body::parse(bytes).and_then(operate::request).err(),
        body::parse(bytes).and_then(operate::reason).err(),
        body::parse(bytes).and_then(operate::adoption).err(),
    ];
    let text = std::str::from_utf8(bytes).ok();
    let query = text.and_then(|text| wait::parse(Some(text)).err());
    let token = text.and_then(|text| Token::parse(text).err());
    let more = [query, token.map(|error| error.to_string())];
    let more = more.into_iter().flatten().map(Problem::bad_request);
    let all = refused.into_iter().flatten().chain(more);
    all.map(|problem| problem.text()).collect()
}
