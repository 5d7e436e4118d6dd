//! Long lists, for people.

use std::fmt::Display;

/// The first few of a list, and how many more there are.
pub fn shown<T: Display>(list: impl IntoIterator<Item = T>) -> String {
    const SHOWN: usize = 4;
    let mut list = list.into_iter();
    let first: Vec<String> = list.by_ref().take(SHOWN).map(|it| it.to_string()).collect();
    let first = first.join(", ");
    match list.count() {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn a_long_list_is_counted() {
        assert_eq!(shown(["a", "b"]), "a, b");
        assert_eq!(shown(1..=7), "1, 2, 3, 4 and 3 more");
        assert_eq!(shown(Vec::<u8>::new()), "");
    }
}
