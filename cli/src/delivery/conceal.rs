//! What another program said, without the lines that may hold a secret.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroizing;

use crate::output::printable;

/// The text without the lines that share more than a few characters in a row with the secret,
/// raw, in hexadecimal or in base64.
pub(super) fn conceal(text: &str, secret: &str) -> String {
    let spellings = spellings(secret);
    let holds = |line: &str| {
        let windows = spellings.iter().flat_map(|spelling| windows(spelling));
        windows.into_iter().any(|window| line.contains(window))
    };
    let lines = text.lines().map(|line| {
        if holds(line) {
            "  (a line that may hold the secret is not shown)\n".to_owned()
        } else {
            format!("  {}\n", printable(line))
        }
    });
    lines.collect::<String>().trim_end().to_owned()
}

fn spellings(secret: &str) -> Vec<Zeroizing<String>> {
    let hex: String = secret.bytes().map(|octet| format!("{octet:02x}")).collect();
    let mut spellings = vec![
        Zeroizing::new(secret.to_owned()),
        Zeroizing::new(hex.to_ascii_uppercase()),
        Zeroizing::new(hex),
    ];
    // Base64 looks different at each of its three alignments.
    for padding in 0..3 {
        let text = Zeroizing::new([&vec![b'x'; padding], secret.as_bytes()].concat());
        let encoded = Zeroizing::new(STANDARD_NO_PAD.encode(&*text));
        // The first characters mix with what stands before.
        spellings.push(Zeroizing::new(encoded.chars().skip(4).collect()));
    }
    spellings
}

fn windows(spelling: &str) -> impl Iterator<Item = &str> {
    let last = spelling.len().saturating_sub(WINDOW);
    (0..=last).filter_map(move |start| spelling.get(start..(start + WINDOW).min(spelling.len())))
}

/// Fewer characters would be found by chance.
const WINDOW: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_the_secret_in_any_spelling_is_not_shown() {
        let secret = "cfast_0123456789abcdefghij";
        let hex: String = secret.bytes().map(|octet| format!("{octet:02X}")).collect();
        let said = format!(
            "HTTP 403\nvalue={secret}\npart {}\n{hex}\n{}\nbye",
            &secret[6..20],
            STANDARD_NO_PAD.encode(format!("a.access:{secret}\n"))
        );
        let shown = conceal(&said, secret);
        assert!(
            shown.contains("HTTP 403") && shown.contains("bye"),
            "{shown}"
        );
        assert_eq!(shown.matches("not shown").count(), 4, "{shown}");
    }
}
