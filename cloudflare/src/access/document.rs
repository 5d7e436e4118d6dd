//! A JSON object that keeps what we do not understand of it.

use thiserror::Error;

/// The API gave something else than an object.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("it is no JSON object")]
pub struct NotAnObject;

/// Makes a type of a document.
macro_rules! document {
    ($(#[$attribute:meta])* $name:ident) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, Default, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(serde_json::Map<String, serde_json::Value>);

        impl $name {
            /// Its id; empty for one that is not at Cloudflare yet.
            pub fn id(&self) -> &str {
                self.text("id").unwrap_or_default()
            }

            /// Its name; empty where it has none.
            pub fn name(&self) -> &str {
                self.text("name").unwrap_or_default()
            }

            /// When it was made, RFC 3339.
            pub fn created_at(&self) -> Option<&str> {
                self.text("created_at")
            }

            /// One field.
            pub fn get(&self, key: &str) -> Option<&serde_json::Value> {
                self.0.get(key).filter(|value| !value.is_null())
            }

            /// Sets one field and leaves the others as they are.
            pub fn set(&mut self, key: &str, value: serde_json::Value) {
                self.0.insert(key.to_owned(), value);
            }

            /// Removes one field.
            pub fn remove(&mut self, key: &str) {
                self.0.remove(key);
            }

            /// The whole document.
            pub fn as_map(&self) -> &serde_json::Map<String, serde_json::Value> {
                &self.0
            }

            fn text(&self, key: &str) -> Option<&str> {
                self.get(key).and_then(serde_json::Value::as_str)
            }

            #[allow(dead_code, reason = "not every document has lists of texts")]
            fn texts(&self, key: &str) -> Vec<String> {
                let items = self.get(key).and_then(serde_json::Value::as_array);
                let texts = items.into_iter().flatten().filter_map(serde_json::Value::as_str);
                texts.map(str::to_owned).collect()
            }

            #[allow(dead_code, reason = "not every document is made by us")]
            fn of(value: serde_json::Value) -> Self {
                match value {
                    serde_json::Value::Object(fields) => Self(fields),
                    _ => Self::default(),
                }
            }
        }

        impl TryFrom<serde_json::Value> for $name {
            type Error = $crate::access::NotAnObject;

            fn try_from(value: serde_json::Value) -> Result<Self, Self::Error> {
                match value {
                    serde_json::Value::Object(fields) => Ok(Self(fields)),
                    _ => Err($crate::access::NotAnObject),
                }
            }
        }
    };
}

pub(crate) use document;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::access::App;

    #[test]
    fn an_unknown_field_survives_a_read_a_change_and_a_write() {
        let mut app: App = serde_json::from_value(json!({
            "id": "a", "name": "n", "new_in_2027": { "deep": [1, null] }, "nothing": null,
        }))
        .unwrap();
        app.set("session_duration", json!("24h"));
        assert_eq!(
            serde_json::to_value(&app).unwrap(),
            json!({
                "id": "a", "name": "n", "new_in_2027": { "deep": [1, null] }, "nothing": null,
                "session_duration": "24h",
            })
        );
    }

    #[test]
    fn a_policy_of_an_application_is_sent_back_as_a_link() {
        let app: App = serde_json::from_value(json!({
            "id": "a", "aud": "b", "name": "n", "created_at": "t",
            "policies": [{ "id": "p", "precedence": 2, "name": "x", "include": [] }],
        }))
        .unwrap();
        assert_eq!(
            serde_json::to_value(app.for_update()).unwrap(),
            json!({ "name": "n", "policies": [{ "id": "p", "precedence": 2 }] })
        );
    }
}
