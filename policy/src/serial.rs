//! Serial numbers of certificates.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::hex;

const MAX_OCTETS: usize = 20;

/// The serial number of a certificate: a positive number of at most 20 octets ([RFC 5280, section
/// 4.1.2.2](https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.2)), printed in lower-case hex.
// Length first: without leading zeros the longer number is the greater one, so the derived order is
// the numbers' own.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SerialNumber {
    length: u8,
    octets: [u8; MAX_OCTETS],
}

impl SerialNumber {
    /// Takes the number as unsigned big-endian octets; leading zeros do not count.
    ///
    /// For the contents of a DER INTEGER use [`Self::from_der_contents`], which knows negative
    /// ones.
    pub fn from_octets(octets: &[u8]) -> Result<Self, SerialNumberError> {
        let zeros = octets.iter().take_while(|&&octet| octet == 0).count();
        let significant = octets.get(zeros..).unwrap_or_default();
        if significant.is_empty() {
            return Err(SerialNumberError::NotPositive);
        }
        let mut serial = Self {
            length: 0,
            octets: [0; MAX_OCTETS],
        };
        let Some(room) = serial.octets.get_mut(..significant.len()) else {
            return Err(SerialNumberError::TooLong {
                octets: significant.len(),
            });
        };
        room.copy_from_slice(significant);
        serial.length = u8::try_from(significant.len()).expect("at most 20");
        Ok(serial)
    }

    /// Takes the contents octets of a DER INTEGER, where a first bit of 1 means a negative number.
    pub fn from_der_contents(contents: &[u8]) -> Result<Self, SerialNumberError> {
        if contents.first().is_some_and(|first| first & 0x80 != 0) {
            return Err(SerialNumberError::NotPositive);
        }
        Self::from_octets(contents)
    }

    /// The number as big-endian octets without leading zeros.
    pub fn as_octets(&self) -> &[u8] {
        self.octets
            .get(..usize::from(self.length))
            .expect("length is at most 20")
    }
}

impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(f, self.as_octets())
    }
}

impl fmt::Debug for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SerialNumber({self})")
    }
}

impl FromStr for SerialNumber {
    type Err = SerialNumberError;

    /// Reads hexadecimal digits, with or without `:` between octets.
    fn from_str(text: &str) -> Result<Self, SerialNumberError> {
        let octets = hex::read(text).ok_or(SerialNumberError::NotHex)?;
        Self::from_octets(&octets)
    }
}

impl Serialize for SerialNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SerialNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Why something is not a serial number.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum SerialNumberError {
    /// It is zero or negative.
    #[error("a serial number must be positive (RFC 5280, section 4.1.2.2)")]
    NotPositive,
    /// It has more than 20 octets.
    #[error(
        "a serial number has at most {MAX_OCTETS} octets (RFC 5280, section 4.1.2.2), this one has {octets}"
    )]
    TooLong {
        /// How many significant octets it has.
        octets: usize,
    },
    /// The text is not hexadecimal.
    #[error("a serial number is written in hexadecimal digits, for example 0a1b2c or 0a:1b:2c")]
    NotHex,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_zeros_do_not_make_another_number() {
        let plain = SerialNumber::from_octets(&[0x80, 1]).unwrap();
        assert_eq!(SerialNumber::from_octets(&[0, 0x80, 1]), Ok(plain));
        assert_eq!("00:80:01".parse(), Ok(plain));
        assert_eq!("8001".parse(), Ok(plain));
        assert_eq!(plain.as_octets(), [0x80, 1]);
        assert_eq!(plain.to_string(), "8001");
    }

    #[test]
    fn a_negative_der_integer_is_not_the_positive_number_of_the_same_octets() {
        assert_eq!(
            SerialNumber::from_der_contents(&[0x80]),
            Err(SerialNumberError::NotPositive)
        );
        assert_eq!(
            SerialNumber::from_der_contents(&[0, 0x80])
                .unwrap()
                .to_string(),
            "80"
        );
    }

    #[test]
    fn zero_and_numbers_over_twenty_octets_are_refused() {
        assert_eq!(
            SerialNumber::from_octets(&[]),
            Err(SerialNumberError::NotPositive)
        );
        assert_eq!(
            SerialNumber::from_octets(&[0; 20]),
            Err(SerialNumberError::NotPositive)
        );
        assert!(SerialNumber::from_octets(&[0xff; 20]).is_ok());
        assert_eq!(
            SerialNumber::from_octets(&[1; 21]),
            Err(SerialNumberError::TooLong { octets: 21 })
        );
        assert_eq!(
            "".parse::<SerialNumber>(),
            Err(SerialNumberError::NotPositive)
        );
        assert_eq!(
            "xyz".parse::<SerialNumber>(),
            Err(SerialNumberError::NotHex)
        );
    }

    #[test]
    fn serial_numbers_sort_as_numbers() {
        let order =
            ["01", "ff", "0100", "ff00", "010000"].map(|s| s.parse::<SerialNumber>().unwrap());
        assert!(order.is_sorted());
    }
}
