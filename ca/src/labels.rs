//! Free key-value pairs of a device, such as `site=plant-2`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Key-value pairs, each key once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(BTreeMap<String, String>);

/// One pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    key: String,
    value: String,
}

/// Why a text is no label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// There is no `=`.
    #[error("{0:?} is no label: write KEY=VALUE")]
    NoPair(String),
    /// The key is empty, too long, or holds other characters.
    #[error("{0:?} is no label's key: it has 1 to 64 letters, digits and . _ - /")]
    Key(String),
    /// The value is empty, too long, or holds characters that separate labels or steer a terminal.
    #[error("{0:?} is no label's value: it has 1 to 128 printable characters, and no ;")]
    Value(String),
    /// More of them than anybody reads: they are on every certificate of the device.
    #[error("{0} labels are too many: at most {MAX}")]
    TooMany(usize),
    /// A key twice.
    #[error("the label {0:?} is there twice")]
    Twice(String),
}

impl Labels {
    /// Reads `site=plant-2;rack=7`; nothing at all is no labels.
    ///
    /// # Errors
    /// Says which pair is none.
    pub fn parse(text: &str) -> Result<Self, LabelError> {
        let mut labels = BTreeMap::new();
        let pairs = text.split(';').map(str::trim);
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            let Label { key, value } = pair.parse()?;
            if let Some(key) = labels.insert(key.clone(), value).map(|_| key) {
                return Err(LabelError::Twice(key));
            }
        }
        match labels.len() {
            count if count > MAX => Err(LabelError::TooMany(count)),
            _ => Ok(Self(labels)),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `label` is one of them.
    pub fn contain(&self, label: &Label) -> bool {
        self.0.get(&label.key) == Some(&label.value)
    }

    /// As a JSON object, keys in order.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self.0.iter().map(|(key, value)| format!("{key}={value}"));
        f.write_str(&pairs.collect::<Vec<_>>().join(";"))
    }
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        let pair = text.split_once('=');
        let (key, value) = pair.ok_or_else(|| LabelError::NoPair(text.to_owned()))?;
        let is_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
        if !(1..=64).contains(&key.len()) || !key.chars().all(is_key) {
            return Err(LabelError::Key(key.to_owned()));
        }
        let is_value = |c: char| !c.is_control() && c != ';';
        if !(1..=128).contains(&value.chars().count()) || !value.chars().all(is_value) {
            return Err(LabelError::Value(value.to_owned()));
        }
        Ok(Self {
            key: key.to_owned(),
            value: value.to_owned(),
        })
    }
}

const MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_written_as_they_are_read() {
        let labels = Labels::parse("site=plant-2; rack=7;").unwrap();
        assert_eq!(labels.to_string(), "rack=7;site=plant-2");
        assert_eq!(labels.to_json(), r#"{"rack":"7","site":"plant-2"}"#);
        assert!(labels.contain(&"rack=7".parse().unwrap()));
        assert!(!labels.contain(&"rack=8".parse().unwrap()));
        assert!(Labels::parse("").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_pair_is_refused_by_name() {
        let twice = LabelError::Twice(String::from("a"));
        assert_eq!(Labels::parse("a=1;a=2"), Err(twice));
        let many: Vec<String> = (0..65).map(|n| format!("k{n}=v")).collect();
        assert_eq!(Labels::parse(&many.join(";")), Err(LabelError::TooMany(65)));
        let bare = LabelError::NoPair(String::from("plant"));
        assert_eq!(Labels::parse("plant"), Err(bare));
        let spaced = LabelError::Key(String::from("a b"));
        assert_eq!(Labels::parse("a b=1"), Err(spaced));
        let empty = LabelError::Value(String::new());
        assert_eq!(Labels::parse("a="), Err(empty));
    }
}
