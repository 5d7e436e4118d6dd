//! A `WHERE` from those conditions that were given.

use rusqlite::types::Value;

/// Each condition holds one `?`; one without a value is left out. No condition at all is met by
/// every row.
pub(super) fn all_of<'a>(
    conditions: impl IntoIterator<Item = (&'a str, Option<Value>)>,
) -> (String, Vec<Value>) {
    let given = conditions
        .into_iter()
        .filter_map(|(condition, value)| Some((condition, value?)));
    let (conditions, values): (Vec<_>, Vec<_>) = given.unzip();
    match conditions.is_empty() {
        true => (String::from("1"), values),
        false => (conditions.join(" AND "), values),
    }
}
