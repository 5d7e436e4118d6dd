//! An entry of `follow` or `crl` as it stands in `postern.toml`.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::WhenStaleConfig;

/// A path, or a table with the path and terms of its own.
#[derive(Clone, Debug)]
pub struct SourceConfig {
    /// A published directory, or a glob of CRL files.
    pub path: String,
    /// How long it may say nothing new before it counts as stale: `"1h"`.
    pub max_silence: Option<Spanned<String>>,
    /// Instead of `[gateway] when_stale`, for the issuers of this source.
    pub when_stale: Option<WhenStaleConfig>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    path: String,
    max_silence: Option<Spanned<String>>,
    when_stale: Option<WhenStaleConfig>,
}

impl<'de> Deserialize<'de> for SourceConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SourceVisitor)
    }
}

struct SourceVisitor;

impl<'de> Visitor<'de> for SourceVisitor {
    type Value = SourceConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a path, or { path = \"…\", max_silence = \"1h\", when_stale = \"refuse\" }")
    }

    fn visit_str<E: serde::de::Error>(self, path: &str) -> Result<SourceConfig, E> {
        Ok(SourceConfig {
            path: path.to_owned(),
            max_silence: None,
            when_stale: None,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SourceConfig, A::Error> {
        let Table {
            path,
            max_silence,
            when_stale,
        } = Table::deserialize(MapAccessDeserializer::new(map))?;
        Ok(SourceConfig {
            path,
            max_silence,
            when_stale,
        })
    }
}
