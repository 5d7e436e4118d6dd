//! Errors of the configuration, each with its place in the file.

use std::{fmt, ops::Range};

use toml::Spanned;

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError {
    /// The octets of the file it is about.
    pub span: Option<Range<usize>>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl ConfigError {
    /// Line and column of the error in the file's text, both from 1; the column counts characters.
    pub fn line_and_column(&self, source: &str) -> Option<(usize, usize)> {
        let before = source.get(..self.span.as_ref()?.start)?;
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..)?.chars().count();
        Some((before.matches('\n').count() + 1, column + 1))
    }

    pub(super) fn at(span: Range<usize>, message: impl fmt::Display) -> Self {
        Self {
            span: Some(span),
            message: message.to_string(),
            hint: None,
        }
    }

    pub(super) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hint
            .as_ref()
            .map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

impl std::error::Error for ConfigError {}

impl From<toml::de::Error> for ConfigError {
    fn from(error: toml::de::Error) -> Self {
        Self {
            span: error.span(),
            message: error.message().into(),
            hint: None,
        }
    }
}

/// Collects every error instead of stopping at the first; `context` names the place in words.
#[derive(Debug, Default)]
pub(super) struct Collector {
    context: String,
    errors: Vec<ConfigError>,
}

impl Collector {
    /// From here on errors begin with `context`.
    pub(super) fn enter(&mut self, context: String) {
        self.context = context;
    }

    pub(super) fn push(&mut self, error: ConfigError) {
        let message = if self.context.is_empty() {
            error.message
        } else {
            format!("{}: {}", self.context, error.message)
        };
        self.errors.push(ConfigError { message, ..error });
    }

    pub(super) fn keep<T>(&mut self, result: Result<T, ConfigError>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// Parses one text of the file.
    pub(super) fn parse<T, E: fmt::Display>(
        &mut self,
        text: &Spanned<String>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.keep(parse(text.get_ref()).map_err(|error| ConfigError::at(text.span(), error)))
    }

    /// Parses a text that need not be there; `None` only for an error.
    pub(super) fn parse_optional<T, E: fmt::Display>(
        &mut self,
        text: Option<&Spanned<String>>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Option<T>> {
        text.map_or(Some(None), |text| self.parse(text, parse).map(Some))
    }

    /// Parses a list of texts; what fails is reported and left out.
    pub(super) fn parse_all<T, E: fmt::Display>(
        &mut self,
        texts: &[Spanned<String>],
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<T> {
        texts
            .iter()
            .filter_map(|text| self.parse(text, &parse))
            .collect()
    }

    pub(super) fn finish<T>(self, value: T) -> Result<T, Vec<ConfigError>> {
        if self.errors.is_empty() {
            Ok(value)
        } else {
            Err(self.errors)
        }
    }
}
