//! Data on standard output, as a table or as JSON; everything else goes to standard error.

use std::io::{self, ErrorKind, Write, stderr, stdout};

use clap::ValueEnum;
use comfy_table::{Table, presets};
use serde_json::{Value, json};

use crate::error::{CommandError, Kind};

/// How data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// One JSON document with a `schema` field.
    Json,
    /// One JSON object a line.
    Jsonl,
}

/// Rows of one kind.
pub(crate) struct Listing {
    /// Names the shape of the JSON, which only grows.
    pub(crate) schema: &'static str,
    pub(crate) columns: &'static [&'static str],
    pub(crate) rows: Vec<Row>,
}

/// The same thing twice: for people and for machines.
pub(crate) struct Row {
    pub(crate) cells: Vec<String>,
    pub(crate) json: Value,
}

impl Listing {
    pub(crate) fn print(self, format: Format) -> Result<(), CommandError> {
        match format {
            Format::Table => print(&self.table()),
            Format::Json => {
                let items: Vec<Value> = self.rows.into_iter().map(|row| row.json).collect();
                print_json(&json!({ "schema": self.schema, "items": items }))
            }
            Format::Jsonl => {
                for row in self.rows {
                    print(&format!("{}\n", with_schema(self.schema, row.json)))?;
                }
                Ok(())
            }
        }
    }

    fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(self.columns.iter().copied());
        for row in &self.rows {
            table.add_row(row.cells.iter().map(|cell| printable(cell)));
        }
        // The first column's padding would indent everything.
        let lines = table
            .lines()
            .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(&line).trim_end()));
        lines.collect()
    }
}

/// Prints one thing: `fields` for people, `json` for machines.
pub(crate) fn print_object(
    format: Format,
    schema: &'static str,
    fields: &[(&str, String)],
    json: Value,
) -> Result<(), CommandError> {
    match format {
        Format::Json => print_json(&with_schema(schema, json)),
        Format::Jsonl => print(&format!("{}\n", with_schema(schema, json))),
        Format::Table => {
            let width = fields
                .iter()
                .map(|(name, _)| name.len())
                .max()
                .unwrap_or_default();
            let lines = fields
                .iter()
                .map(|(name, value)| format!("{name:width$}  {}\n", printable(value)));
            print(&lines.collect::<String>())
        }
    }
}

/// Prints a thing that is no table: `text` for people, `json` for machines.
pub(crate) fn print_document(
    format: Format,
    schema: &'static str,
    text: &str,
    json: Value,
) -> Result<(), CommandError> {
    match format {
        Format::Json => print_json(&with_schema(schema, json)),
        Format::Jsonl => print(&format!("{}\n", with_schema(schema, json))),
        // Names come from outside; line ends are ours.
        Format::Table => {
            let lines = text.lines().map(|line| format!("{}\n", printable(line)));
            print(&lines.collect::<String>())
        }
    }
}

fn with_schema(schema: &str, mut json: Value) -> Value {
    if let Value::Object(fields) = &mut json {
        fields.insert(String::from("schema"), Value::from(schema));
    }
    json
}

fn print_json(value: &Value) -> Result<(), CommandError> {
    print(&format!("{value:#}\n"))
}

/// Writes to standard output. A reader that went away (`| head`) is not an error.
pub(crate) fn print(text: &str) -> Result<(), CommandError> {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(CommandError::new(
            Kind::Failure,
            format!("cannot write to standard output: {error}"),
        )),
        _ => Ok(()),
    }
}

/// Tells the person; a closed standard error is no reason to fail.
pub(crate) fn tell(text: &str) {
    let written: io::Result<()> = writeln!(stderr().lock(), "{text}");
    drop(written);
}

/// Names come from certificates and CSRs: nothing of them may steer the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|character| {
            let escape = character.is_control() || is_format_character(character);
            let escaped: String = if escape {
                character.escape_unicode().collect()
            } else {
                character.into()
            };
            escaped.chars().collect::<Vec<_>>()
        })
        .collect()
}

/// Invisible characters that reorder or hide text.
fn is_format_character(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
