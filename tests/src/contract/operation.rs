//! Finding what the contract says of a method and a path.

use serde_json::{Map, Value, json};

use super::Violation;

/// One operation of the document.
pub(super) struct Operation<'a> {
    template: &'a str,
    method: String,
    operation: &'a Map<String, Value>,
}

impl<'a> Operation<'a> {
    /// The operation with the most literal path that fits.
    pub(super) fn find(document: &'a Value, method: &str, path: &str) -> Option<Self> {
        let path = without_query(path);
        let paths = document["paths"].as_object()?.iter();
        let fits = paths.filter(|(template, _)| named(template, path).is_some());
        let literal = |template: &str| template.matches('{').count();
        let (template, operations) = fits.min_by_key(|(template, _)| literal(template))?;
        let method = method.to_ascii_lowercase();
        let operation = operations.get(&method)?.as_object()?;
        Some(Self {
            template,
            method,
            operation,
        })
    }

    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method, self.template)
    }

    pub(super) fn request_body(&self) -> Option<&Value> {
        self.operation.get("requestBody")
    }

    /// The answer with this status. A 5xx is judged as a 4xx: the contract has none, and
    /// Cloudflare's failures have one envelope.
    pub(super) fn response(&self, status: u16) -> Option<&Value> {
        let responses = self.operation.get("responses")?;
        let exact = responses.get(status.to_string());
        exact.or_else(|| responses.get("4XX").filter(|_| status >= 400))
    }

    /// What is wrong with the parameters in the path and in the query; `complain` judges one value.
    pub(super) fn parameters(
        &self,
        path: &str,
        complain: impl Fn(&Value, &Value) -> Vec<(String, String)>,
    ) -> Vec<Violation> {
        let mut violations = Vec::new();
        for (place, name, text) in self.given(path) {
            let mut all = self.declared();
            let declared = all.find(|one| one["in"] == place && one["name"] == *name);
            let Some(parameter) = declared else {
                violations.push(Violation::UnknownParameter(name));
                continue;
            };
            // A parameter is text; what type it stands for is the schema's.
            let readings = readings(&text);
            let complaints = readings.iter().map(|value| complain(parameter, value));
            let fewest = complaints.min_by_key(Vec::len).unwrap_or_default();
            let wrong = fewest.into_iter().next();
            violations.extend(wrong.map(|(_, why)| Violation::Parameter(name, why)));
        }
        violations
    }

    fn declared(&self) -> impl Iterator<Item = &Value> {
        let list = self.operation.get("parameters").and_then(Value::as_array);
        list.into_iter().flatten()
    }

    fn given(&self, path: &str) -> Vec<(&'static str, String, String)> {
        let in_path = named(self.template, without_query(path)).unwrap_or_default();
        let in_path = in_path.into_iter().map(|(name, text)| ("path", name, text));
        let query = path.split_once('?').map_or("", |(_, query)| query);
        let in_query = form_urlencoded::parse(query.as_bytes());
        let in_query = in_query.map(|(name, text)| ("query", name.into_owned(), text.into_owned()));
        in_path.chain(in_query).collect()
    }
}

/// The template's parameters with their texts, where the path fits.
fn named(template: &str, path: &str) -> Option<Vec<(String, String)>> {
    let (expected, given) = (template.split('/'), path.split('/'));
    if expected.clone().count() != given.clone().count() {
        return None;
    }
    let mut names = Vec::new();
    for (expected, given) in expected.zip(given) {
        match expected
            .strip_prefix('{')
            .and_then(|name| name.strip_suffix('}'))
        {
            Some(_) if given.is_empty() => return None,
            Some(name) => names.push((name.to_owned(), given.to_owned())),
            None if expected == given => {}
            None => return None,
        }
    }
    Some(names)
}

fn readings(text: &str) -> Vec<Value> {
    let parsed = serde_json::from_str::<Value>(text).ok();
    let scalar = parsed.filter(|value| value.is_number() || value.is_boolean());
    [Some(json!(text)), scalar].into_iter().flatten().collect()
}

fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}
