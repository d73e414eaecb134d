//! CloudWatch's responses as CBOR, and its requests decoded. The SDK's own encoder writes the
//! bytes.

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_smithy_cbor::data::Type;
use aws_smithy_cbor::{Decoder, Encoder};
use reeve_core::time::Instant;
use serde_json::{Map, Value};

use crate::testing::Step;

/// The headers that the protocol sets on every response (Smithy, "RPC v2 CBOR").
const PROTOCOL: &str = "smithy-protocol: rpc-v2-cbor\r\ncontent-type: application/cbor\r\n";

/// One metric's part of a response.
pub(super) struct Found<'a> {
    pub(super) id: &'a str,
    pub(super) times: &'a [Instant],
    pub(super) values: &'a [f64],
    pub(super) status: &'a str,
}

/// A response with these metrics. An empty token is left out.
pub(super) fn page(found: &[Found<'_>], next_token: &str) -> Step {
    let mut encoder = Encoder::new(Vec::new());
    encoder.begin_map().str("MetricDataResults");
    encoder.array(found.len());
    for metric in found {
        write(&mut encoder, metric);
    }
    if !next_token.is_empty() {
        encoder.str("NextToken").str(next_token);
    }
    encoder.end();
    Step::Answer {
        status: 200,
        headers: PROTOCOL,
        body: encoder.into_writer(),
    }
}

fn write(encoder: &mut Encoder, metric: &Found<'_>) {
    encoder.begin_map();
    encoder.str("Id").str(metric.id);
    encoder.str("Label").str("Invocations");
    encoder.str("Timestamps").array(metric.times.len());
    for time in metric.times {
        let ms = i64::try_from(time.as_ms()).unwrap();
        encoder.timestamp(&DateTime::from_millis(ms));
    }
    encoder.str("Values").array(metric.values.len());
    for value in metric.values {
        encoder.double(*value);
    }
    encoder.str("StatusCode").str(metric.status);
    encoder.end();
}

/// A refusal in CloudWatch's format.
pub(super) fn refusal(status: u16, code: &str) -> Step {
    let mut encoder = Encoder::new(Vec::new());
    encoder.begin_map();
    encoder
        .str("__type")
        .str(&format!("com.amazonaws.cloudwatch#{code}"));
    encoder.str("message").str(&format!("said {code}"));
    encoder.end();
    Step::Answer {
        status,
        headers: PROTOCOL,
        body: encoder.into_writer(),
    }
}

/// A request's body as JSON. Time stamps are seconds.
pub(super) fn json(bytes: &[u8]) -> Value {
    value(&mut Decoder::new(bytes))
}

fn value(decoder: &mut Decoder<'_>) -> Value {
    match decoder.datatype().unwrap() {
        Type::Map | Type::MapIndef => {
            let mut left = decoder.map().unwrap();
            let mut map = Map::new();
            while has_more(decoder, &mut left) {
                let key = decoder.str().unwrap().into_owned();
                map.insert(key, value(decoder));
            }
            Value::Object(map)
        }
        Type::Array | Type::ArrayIndef => {
            let mut left = decoder.list().unwrap();
            let mut list = Vec::new();
            while has_more(decoder, &mut left) {
                list.push(value(decoder));
            }
            Value::Array(list)
        }
        Type::String | Type::StringIndef => decoder.string().unwrap().into(),
        Type::Tag => decoder.timestamp().unwrap().secs().into(),
        _ => decoder.long().unwrap().into(),
    }
}

/// Whether a collection has another element. Skips the end of a collection without a length.
fn has_more(decoder: &mut Decoder<'_>, left: &mut Option<u64>) -> bool {
    match left {
        Some(0) => false,
        Some(left) => {
            *left -= 1;
            true
        }
        None if decoder.datatype().unwrap() == Type::Break => {
            decoder.skip().unwrap();
            false
        }
        None => true,
    }
}
