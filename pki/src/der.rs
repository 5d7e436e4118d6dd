//! A strict reader for the few DER structures we walk ourselves.
//!
//! A certificate revocation list of a million entries is read without allocating per entry,
//! which the general parsers do not offer.

/// INTEGER.
pub(crate) const INTEGER: u8 = 0x02;
/// BIT STRING.
pub(crate) const BIT_STRING: u8 = 0x03;
/// OCTET STRING.
pub(crate) const OCTET_STRING: u8 = 0x04;
/// OBJECT IDENTIFIER.
pub(crate) const OID: u8 = 0x06;
/// ENUMERATED.
pub(crate) const ENUMERATED: u8 = 0x0a;
/// BOOLEAN.
pub(crate) const BOOLEAN: u8 = 0x01;
/// SEQUENCE.
pub(crate) const SEQUENCE: u8 = 0x30;
/// UTCTime.
pub(crate) const UTC_TIME: u8 = 0x17;
/// GeneralizedTime.
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`, constructed.
pub(crate) const CONTEXT_0: u8 = 0xa0;

/// The octets are not the DER that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotDer;

/// One element: its tag, its content, and all of its octets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    pub(crate) whole: &'a [u8],
}

/// Reads elements one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the beginning of `octets`.
    pub(crate) fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    /// Whether everything was read.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Fails where octets are left over: trailing data is how two readers see two documents.
    pub(crate) fn finish(&self) -> Result<(), NotDer> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(NotDer)
        }
    }

    /// The next element, whatever it is.
    pub(crate) fn next(&mut self) -> Result<Element<'a>, NotDer> {
        let (&tag, after_tag) = self.rest.split_first().ok_or(NotDer)?;
        if tag & 0x1f == 0x1f {
            return Err(NotDer); // multi-octet tags occur nowhere in X.509
        }
        let (length, after_length) = read_length(after_tag)?;
        let content = after_length.get(..length).ok_or(NotDer)?;
        let header = self.rest.len() - after_length.len();
        let (whole, rest) = self.rest.split_at(header + length);
        self.rest = rest;
        Ok(Element {
            tag,
            content,
            whole,
        })
    }

    /// The next element, which must have this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<Element<'a>, NotDer> {
        let element = self.next()?;
        if element.tag == tag {
            Ok(element)
        } else {
            Err(NotDer)
        }
    }

    /// The next element where it has this tag; otherwise nothing is consumed.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, NotDer> {
        if self.rest.first() == Some(&tag) {
            self.expect(tag).map(Some)
        } else {
            Ok(None)
        }
    }
}

/// The content of the only element in `octets`, which must have this tag.
pub(crate) fn only(octets: &[u8], tag: u8) -> Result<&[u8], NotDer> {
    let mut reader = Reader::new(octets);
    let element = reader.expect(tag)?;
    reader.finish()?;
    Ok(element.content)
}

/// The octets of a BIT STRING without unused bits.
pub(crate) fn whole_bits(content: &[u8]) -> Result<&[u8], NotDer> {
    match content.split_first() {
        Some((0, bits)) => Ok(bits),
        _ => Err(NotDer),
    }
}

/// The octets of a positive INTEGER, without the sign octet. Zero gives no octets.
pub(crate) fn unsigned(content: &[u8]) -> Result<&[u8], NotDer> {
    match content {
        [] => Err(NotDer),
        [0] => Ok(&[]),
        [0, next, ..] if next & 0x80 == 0 => Err(NotDer), // not minimal
        [0, rest @ ..] => Ok(rest),
        [first, ..] if first & 0x80 != 0 => Err(NotDer), // negative
        all => Ok(all),
    }
}

/// DER lengths: definite, minimal, at most four octets.
fn read_length(octets: &[u8]) -> Result<(usize, &[u8]), NotDer> {
    let (&first, rest) = octets.split_first().ok_or(NotDer)?;
    if first < 0x80 {
        return Ok((usize::from(first), rest));
    }
    let count = usize::from(first & 0x7f);
    if count == 0 || count > 4 {
        return Err(NotDer);
    }
    let (digits, rest) = rest.split_at_checked(count).ok_or(NotDer)?;
    let length = digits
        .iter()
        .fold(0_usize, |sum, &digit| (sum << 8) | usize::from(digit));
    if digits.first() == Some(&0) || length < 0x80 {
        return Err(NotDer);
    }
    Ok((length, rest))
}

/// Seconds since 1970 of a UTCTime or GeneralizedTime in the form RFC 5280 section 4.1.2.5
/// requires (with seconds, `Z`, no fraction). Times before 1970 count as 1970.
pub(crate) fn unix_seconds(time: &Element<'_>) -> Result<u64, NotDer> {
    let (year, rest) = match time.tag {
        UTC_TIME => {
            let (digits, rest) = time.content.split_at_checked(2).ok_or(NotDer)?;
            let year = number(digits)?;
            (if year >= 50 { 1900 + year } else { 2000 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (digits, rest) = time.content.split_at_checked(4).ok_or(NotDer)?;
            (number(digits)?, rest)
        }
        _ => return Err(NotDer),
    };
    let &[m1, m2, d1, d2, h1, h2, i1, i2, s1, s2, b'Z'] = rest else {
        return Err(NotDer);
    };
    let (month, day) = (number(&[m1, m2])?, number(&[d1, d2])?);
    let (hour, minute, second) = (number(&[h1, h2])?, number(&[i1, i2])?, number(&[s1, s2])?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return Err(NotDer);
    }
    if hour > 23 || minute > 59 || second > 59 {
        return Err(NotDer);
    }
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Ok(u64::try_from(seconds).unwrap_or(0))
}

fn number(digits: &[u8]) -> Result<i64, NotDer> {
    digits.iter().try_fold(0, |sum, digit| {
        if digit.is_ascii_digit() {
            Ok(sum * 10 + i64::from(digit - b'0'))
        } else {
            Err(NotDer)
        }
    })
}

/// Days in the proleptic Gregorian calendar, counting years from March so that the leap day
/// comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(tag: u8, text: &str) -> Result<u64, NotDer> {
        unix_seconds(&Element {
            tag,
            content: text.as_bytes(),
            whole: &[],
        })
    }

    #[test]
    fn times_of_both_kinds_are_seconds_since_1970() {
        assert_eq!(seconds(UTC_TIME, "700101000000Z"), Ok(0));
        assert_eq!(seconds(UTC_TIME, "240229235959Z"), Ok(1_709_251_199));
        assert_eq!(
            seconds(GENERALIZED_TIME, "20500101000000Z"),
            Ok(2_524_608_000)
        );
        assert_eq!(seconds(UTC_TIME, "500101000000Z"), Ok(0));
    }

    #[test]
    fn times_with_offsets_fractions_or_missing_seconds_are_refused() {
        for text in [
            "2401010000Z",
            "240101000000+0100",
            "240101000000.5Z",
            "241301000000Z",
        ] {
            assert_eq!(seconds(UTC_TIME, text), Err(NotDer), "{text}");
        }
    }

    #[test]
    fn lengths_must_be_minimal_and_within_the_input() {
        assert!(Reader::new(&[0x04, 0x81, 0x01, 0xff]).next().is_err());
        assert!(Reader::new(&[0x04, 0x80, 0x00, 0x00]).next().is_err());
        assert!(Reader::new(&[0x04, 0x02, 0xff]).next().is_err());
        assert!(only(&[0x04, 0x01, 0xff, 0x00], OCTET_STRING).is_err());
    }

    #[test]
    fn integers_must_be_positive_and_minimal() {
        assert_eq!(unsigned(&[0x00, 0x80]), Ok(&[0x80][..]));
        assert_eq!(unsigned(&[0x00]), Ok(&[][..]));
        assert_eq!(unsigned(&[0x80]), Err(NotDer));
        assert_eq!(unsigned(&[0x00, 0x01]), Err(NotDer));
    }
}
