//! Cloudflare's own schema of the Access API as a judge over recorded calls.

mod operation;
mod schema;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jsonschema::Validator;
use postern_fixtures::access::Exchange;
use serde_json::{Value, json};
use thiserror::Error;

use crate::postern::note_skip;
use operation::Operation;
use schema::Direction;

/// The contract, read in place.
pub struct Contract {
    document: Value,
    /// Building a validator takes longer than using it.
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// How a call breaks the contract.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum Violation {
    /// No operation has this method and path.
    #[error("{0} is no operation of the contract")]
    NoOperation(String),
    /// A parameter that the operation does not have.
    #[error("parameter {0} is unknown")]
    UnknownParameter(String),
    /// A parameter that is not as it should be.
    #[error("parameter {0}: {1}")]
    Parameter(String, String),
    /// The operation takes no body.
    #[error("the operation takes no body")]
    UnexpectedBody,
    /// The operation takes a body.
    #[error("the operation needs a body")]
    MissingBody,
    /// A status that the operation does not have.
    #[error("status {0} is not in the contract")]
    Status(u16),
    /// A place in the body, and what is wrong there.
    #[error("body {0}: {1}")]
    Body(String, String),
}

impl Contract {
    /// Reads `../shared/cloudflare/openapi-access.json`, or what `POSTERN_ACCESS_OPENAPI` names.
    /// None, and a notice, where it is not there.
    ///
    /// # Panics
    /// Where the file is no JSON.
    pub fn load() -> Option<Self> {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../shared/cloudflare/openapi-access.json");
        let path = std::env::var_os("POSTERN_ACCESS_OPENAPI").map_or(beside, PathBuf::from);
        let Ok(text) = std::fs::read(&path) else {
            note_skip("no Access schema beside the workspace; POSTERN_ACCESS_OPENAPI names it");
            return None;
        };
        Some(Self {
            document: serde_json::from_slice(&text).expect("the contract is JSON"),
            validators: Mutex::default(),
        })
    }

    /// Judges both halves of a recorded call. A call that was cut has only the first.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn check(&self, exchange: &Exchange) -> Result<(), Vec<Violation>> {
        let (method, path) = (&exchange.method, &exchange.path);
        let mut violations = Vec::new();
        let request = self.check_request(method, path, &exchange.request);
        violations.extend(request.err().into_iter().flatten());
        if let Some(status) = exchange.status {
            let response = self.check_response(method, path, status, &exchange.response);
            violations.extend(response.err().into_iter().flatten());
        }
        none(violations)
    }

    /// Judges every call of a recording but those to GraphQL, which is no part of the contract,
    /// and gives how many there were.
    ///
    /// # Panics
    /// Where one breaks the contract; the message says which and how.
    pub fn expect_all(&self, exchanges: &[Exchange]) -> usize {
        let judged = exchanges.iter().filter(|one| one.path != "/graphql");
        let count = judged.clone().count();
        let broken: Vec<_> = judged
            .filter_map(|one| {
                let violations = self.check(one).err()?;
                Some(format!("{} {}: {violations:#?}", one.method, one.path))
            })
            .collect();
        assert!(broken.is_empty(), "{}", broken.join("\n"));
        count
    }

    /// Judges a request: its path below `/client/v4`, the query, and the body (`Null` for none).
    ///
    /// # Errors
    /// All that is wrong.
    pub fn check_request(
        &self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<(), Vec<Violation>> {
        let operation = self.operation(method, path)?;
        let mut violations = operation.parameters(path, |parameter, value| {
            let key = format!("{} {}", operation.name(), parameter["name"]);
            self.complaints(&key, &parameter["schema"], Direction::Parameter, value)
        });
        let declared = operation.request_body();
        let required = declared.and_then(|body| body["required"].as_bool());
        match (declared, body) {
            (None, Value::Null) => {}
            (None, _) => violations.push(Violation::UnexpectedBody),
            (Some(_), Value::Null) if required == Some(true) => {
                violations.push(Violation::MissingBody);
            }
            (Some(_), Value::Null) => {}
            (Some(declared), body) => {
                let schema = &declared["content"]["application/json"]["schema"];
                let key = format!("{} request", operation.name());
                violations.extend(self.body(&key, schema, Direction::Request, body));
            }
        }
        none(violations)
    }

    /// Judges an answer.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn check_response(
        &self,
        method: &str,
        path: &str,
        status: u16,
        body: &Value,
    ) -> Result<(), Vec<Violation>> {
        let operation = self.operation(method, path)?;
        let Some(response) = operation.response(status) else {
            return Err(vec![Violation::Status(status)]);
        };
        let schema = &response["content"]["application/json"]["schema"];
        let key = format!("{} {status}", operation.name());
        none(self.body(&key, schema, Direction::Response, body))
    }

    fn operation(&self, method: &str, path: &str) -> Result<Operation<'_>, Vec<Violation>> {
        let found = Operation::find(&self.document, method, path);
        found.ok_or_else(|| vec![Violation::NoOperation(format!("{method} {path}"))])
    }

    fn body(
        &self,
        key: &str,
        schema: &Value,
        direction: Direction,
        body: &Value,
    ) -> Vec<Violation> {
        let complaints = self.complaints(key, schema, direction, body).into_iter();
        complaints
            .map(|(place, why)| Violation::Body(place, why))
            .collect()
    }

    fn complaints(
        &self,
        key: &str,
        schema: &Value,
        direction: Direction,
        value: &Value,
    ) -> Vec<(String, String)> {
        let validator = self.validator(key, schema, direction);
        let errors = validator.iter_errors(value);
        errors
            .map(|error| (error.instance_path().to_string(), error.to_string()))
            .collect()
    }

    fn validator(&self, key: &str, schema: &Value, direction: Direction) -> Arc<Validator> {
        let mut validators = self
            .validators
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let made = validators.entry(key.to_owned()).or_insert_with(|| {
            let components = schema::components(&self.document, direction);
            let whole = json!({
                "allOf": [schema::translate(schema, &self.document, direction)],
                "components": { "schemas": components },
            });
            let built = jsonschema::draft4::options()
                .should_validate_formats(true)
                .should_ignore_unknown_formats(true)
                .build(&whole);
            Arc::new(built.expect("the contract's schemas can be read"))
        });
        Arc::clone(made)
    }
}

fn none(violations: Vec<Violation>) -> Result<(), Vec<Violation>> {
    if violations.is_empty() {
        Ok(())
    } else {
        Err(violations)
    }
}
