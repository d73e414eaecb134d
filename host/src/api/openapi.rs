//! The interfaces as an OpenAPI 3.1 document: made of the tables of [`paths`](super::paths) and of
//! the types that requests and responses are read and written with.
//!
//! Each operation has `x-reeve-doors`, the interfaces that have it, and `x-reeve-role`, the role
//! that callers need; `null` if none.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::json::JSON;
use super::paths::{BOXES, CALLERS, Row, Takes};
use super::problem::{PROBLEM_JSON, ProblemBody};

/// What a request carries besides its path.
pub(super) enum Asks {
    Nothing,
    /// `?wait=`
    Wait,
    Body(Box<Typed>),
}

/// What an operation responds with, if it is no problem.
pub(super) struct Gives {
    media_type: &'static str,
    /// `None`: text.
    typed: Option<Typed>,
    /// The other status with a body of the same form.
    or: Option<u16>,
}

/// A type of the interface.
pub(super) struct Typed {
    name: String,
    schema: RefOr<Schema>,
    /// The types that it is made of.
    parts: Vec<(String, RefOr<Schema>)>,
}

impl Typed {
    fn of<T: ToSchema>() -> Self {
        let mut parts = Vec::new();
        T::schemas(&mut parts);
        Self {
            name: T::name().into_owned(),
            schema: <T as PartialSchema>::schema(),
            parts,
        }
    }

    /// Whether an empty object is no value of the type.
    fn has_required_members(&self) -> bool {
        matches!(&self.schema, RefOr::T(Schema::Object(object)) if !object.required.is_empty())
    }
}

/// A request without a body.
pub(super) fn nothing() -> Asks {
    Asks::Nothing
}

/// A request that may name how long the caller waits.
pub(super) fn wait() -> Asks {
    Asks::Wait
}

/// A request with this body.
pub(super) fn body<T: ToSchema>() -> Asks {
    Asks::Body(Box::new(Typed::of::<T>()))
}

/// A response in JSON.
pub(super) fn json<T: ToSchema>() -> Gives {
    Gives {
        media_type: JSON,
        typed: Some(Typed::of::<T>()),
        or: None,
    }
}

/// A response in text.
pub(super) fn text(media_type: &'static str) -> Gives {
    Gives {
        media_type,
        typed: None,
        or: None,
    }
}

impl Gives {
    /// The same with another status as well.
    pub(super) fn or(self, status: u16) -> Self {
        let or = Some(status);
        Self { or, ..self }
    }
}

/// `GET /v1/openapi.json`
pub(super) async fn show() -> Response {
    static TEXT: LazyLock<String> = LazyLock::new(document);
    ([(header::CONTENT_TYPE, JSON)], TEXT.as_str()).into_response()
}

/// The document.
pub(crate) fn document() -> String {
    let mut types = Types::default();
    types.take(Typed::of::<ProblemBody>());
    let mut paths = Map::new();
    let only_boxes = BOXES.0.iter().filter(|row| CALLERS.same(row).is_none());
    for row in CALLERS.0.iter().chain(only_boxes) {
        let path = paths.entry(row.path).or_insert_with(|| json!({}));
        path[row.method.as_str().to_lowercase()] = operation(row, &mut types);
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "reeve",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Where workers are, and what may be done with them. The interfaces on this machine know \
                            callers by the connection, and take neither a token nor a certificate.",
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": types.0,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of `reeve token create`, or of POST /v1/login",
                },
                "certificate": {
                    "type": "mutualTLS",
                    "description": "A certificate of an authority that `[api.tls]` names",
                },
                "box": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token that a register or a heartbeat gave the box",
                },
            },
        },
    });
    format!("{document:#}\n")
}

/// The types that operations refer to, by their names.
#[derive(Default)]
struct Types(BTreeMap<String, RefOr<Schema>>);

impl Types {
    /// Keeps the type, and returns a reference to it.
    fn take(&mut self, typed: Typed) -> Value {
        self.0.extend(typed.parts);
        let reference = reference(&typed.name);
        self.0.insert(typed.name, typed.schema);
        reference
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// One operation. Where both interfaces have it, it is the same but for who may ask.
fn operation(row: &Row, types: &mut Types) -> Value {
    let (doors, securities) = who_asks(row);
    let mut parameters = Vec::new();
    if row.path.contains("{name}") {
        parameters.push(json!({
            "name": "name", "in": "path", "required": true, "description": "The worker's name",
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
        }));
    }
    let mut operation = json!({
        "operationId": id(row),
        "summary": row.summary.trim(),
        "responses": responses((row.gives)(), types),
        "security": securities.iter().map(|scheme| json!({*scheme: []})).collect::<Vec<_>>(),
        "x-reeve-doors": doors,
        "x-reeve-role": row.takes.role().map(|role| role.to_string()),
    });
    match (row.asks)() {
        Asks::Nothing => {}
        Asks::Wait => parameters.push(json!({
            "name": "wait", "in": "query",
            "description": "How long the caller waits for an address, at most 300 s: `5s`, `500ms` or `2`",
            "schema": {"type": "string", "pattern": "^([0-9]{1,2}s?|[12][0-9]{2}s?|[0-9]{1,5}ms)$"},
        })),
        Asks::Body(typed) => {
            let required = typed.has_required_members();
            let content = json!({JSON: {"schema": types.take(*typed)}});
            operation["requestBody"] = json!({"required": required, "content": content});
        }
    }
    operation["parameters"] = parameters.into();
    operation
}

/// The interfaces that have the operation, and the ways to show who asks.
fn who_asks(row: &Row) -> (Vec<&'static str>, Vec<&'static str>) {
    let (mut doors, mut securities) = (Vec::new(), Vec::new());
    if let Some(row) = CALLERS.same(row) {
        if row.takes != Takes::Login {
            doors.push("local");
        }
        doors.push("network");
        if row.takes.role().is_some() {
            securities.extend(["token", "certificate"]);
        }
    }
    if let Some(row) = BOXES.same(row) {
        doors.push("boxes");
        if row.takes == Takes::Token {
            securities.push("box");
        }
    }
    (doors, securities)
}

fn responses(gives: Gives, types: &mut Types) -> Value {
    let schema = match gives.typed {
        Some(typed) => types.take(typed),
        None => json!({"type": "string"}),
    };
    let content = json!({gives.media_type: {"schema": schema}});
    let problem = json!({PROBLEM_JSON: {"schema": reference(&ProblemBody::name())}});
    let mut responses = json!({
        "200": {"description": "Done", "content": content},
        "default": {"description": "Refused, or not yet: `code` says why", "content": problem},
    });
    if let Some(status) = gives.or {
        responses[status.to_string()] =
            json!({"description": "Not all is well", "content": content});
    }
    responses
}

/// A name that no other operation has.
fn id(row: &Row) -> String {
    let (module, name) = row.handled_by;
    let other = |it: &Row| it.path == row.path && it.method == Method::POST;
    let by = match row.method == Method::GET && CALLERS.0.iter().any(other) {
        true => "_by_get",
        false => "",
    };
    match module == name {
        true => format!("{name}{by}"),
        false => format!("{module}_{name}{by}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_committed_document_is_that_of_the_code() {
        let committed = include_str!("../../../docs/openapi.json");
        assert!(
            committed == document(),
            "docs/openapi.json differs from host/src/api/paths.rs; run `cargo xtask docs`"
        );
    }

    #[test]
    fn no_two_operations_have_one_id() {
        let document: Value = serde_json::from_str(&document()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let operations = paths
            .values()
            .flat_map(|path| path.as_object().unwrap().values());
        let ids: Vec<_> = operations
            .map(|it| it["operationId"].as_str().unwrap())
            .collect();
        assert_eq!(
            ids.len(),
            ids.iter().collect::<BTreeSet<_>>().len(),
            "{ids:?}"
        );
    }

    #[test]
    fn every_reference_leads_to_a_type() {
        let text = document();
        let document: Value = serde_json::from_str(&text).unwrap();
        for reference in text.split("#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(
                document["components"]["schemas"].get(name).is_some(),
                "{name}"
            );
        }
    }

    #[test]
    fn an_operation_of_both_interfaces_takes_the_token_of_either() {
        let document: Value = serde_json::from_str(&document()).unwrap();
        let busy = &document["paths"]["/v1/workers/{name}/busy"]["post"];
        assert_eq!(busy["x-reeve-doors"], json!(["local", "network", "boxes"]));
        assert_eq!(
            busy["security"],
            json!([{"token": []}, {"certificate": []}, {"box": []}])
        );
        assert_eq!(busy["x-reeve-role"], "report");
    }
}
