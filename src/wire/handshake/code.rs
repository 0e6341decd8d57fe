//! The pairing code: 160 random bits that recv shows once and send is given.
//!
//! ```text
//! pgp-XXXXX-XXXXX-XXXXX-XXXXX-XXXXX-XXXXX-XXXC    32 symbols of Crockford's base32, 1 of checksum
//! ```

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::rand;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// Bytes of secret: 160 bits, a whole number of base32 symbols.
const BYTES: usize = 20;
/// Symbols that carry them, five bits each.
const SYMBOLS: usize = BYTES * 8 / 5;
/// Symbols between two dashes: what one keeps in mind while typing.
const GROUP: usize = 5;
const PREFIX: &str = "pgp";

/// Crockford's base32: no I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// The five symbols that only a checksum may take: it counts modulo 37.
const CHECK_ONLY: &[u8; 5] = b"*~$=U";
const CHECK_MODULUS: u32 = 37;

/// A one-time secret of 160 bits. `Display` shows it; `Debug` and everything logged does not.
#[derive(Clone, PartialEq, Eq)]
pub struct PairCode([u8; BYTES]);

/// Why a text is not a pairing code. The text itself is never repeated: it may be nearly right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PairCodeError {
    #[error("pairing code is empty; give the code that recv printed")]
    Empty,
    #[error(
        "pairing code has {symbols} symbols instead of {}; copy it whole from recv",
        SYMBOLS + 1
    )]
    Length { symbols: usize },
    #[error("pairing code cannot contain {0:?}; copy it again from recv")]
    Symbol(char),
    #[error("pairing code has a typing mistake (its checksum is wrong); copy it again from recv")]
    Checksum,
}

impl PairCode {
    /// A new code from the system's random source.
    pub fn generate() -> Self {
        let mut bytes = [0; BYTES];
        rand::fill(&mut bytes).expect("the system's random source works");
        Self(bytes)
    }

    /// The secret itself, as the key of a proof.
    pub(super) fn secret(&self) -> &[u8] {
        &self.0
    }

    fn symbols(&self) -> [u8; SYMBOLS] {
        let mut symbols = [0; SYMBOLS];
        for (i, symbol) in symbols.iter_mut().enumerate() {
            let (byte, shift) = (i * 5 / 8, i * 5 % 8);
            let next = self.0.get(byte + 1).copied().unwrap_or(0);
            let pair = u16::from_be_bytes([self.0[byte], next]);
            *symbol = ((pair >> (11 - shift)) & 31) as u8;
        }
        symbols
    }

    fn from_symbols(symbols: &[u8; SYMBOLS]) -> Self {
        let mut bytes = [0_u8; BYTES];
        for (i, &symbol) in symbols.iter().enumerate() {
            let (byte, shift) = (i * 5 / 8, i * 5 % 8);
            let pair = (u16::from(symbol) << (11 - shift)).to_be_bytes();
            bytes[byte] |= pair[0];
            if let Some(next) = bytes.get_mut(byte + 1) {
                *next |= pair[1];
            }
        }
        Self(bytes)
    }
}

/// Finds every wrong symbol and every swap of neighbours, as 37 is prime and above 32.
fn checksum(symbols: &[u8; SYMBOLS]) -> u8 {
    let sum = symbols
        .iter()
        .fold(0, |sum, &s| (sum * 32 + u32::from(s)) % CHECK_MODULUS);
    sum as u8
}

/// The value of one typed symbol, 0 to 36; above 31 only a checksum.
fn symbol_value(typed: char) -> Option<u8> {
    let upper = match typed.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let byte = u8::try_from(upper).ok()?;
    let position = |of: &[u8]| of.iter().position(|&b| b == byte);
    let value = position(ALPHABET).or_else(|| position(CHECK_ONLY).map(|i| i + ALPHABET.len()));
    value.map(|v| v as u8)
}

fn symbol_char(value: u8) -> char {
    let value = usize::from(value);
    let symbol = ALPHABET
        .get(value)
        .or_else(|| CHECK_ONLY.get(value - ALPHABET.len()));
    char::from(*symbol.expect("a symbol's value is below 37"))
}

impl fmt::Display for PairCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let symbols = self.symbols();
        f.write_str(PREFIX)?;
        for (i, &symbol) in symbols.iter().chain([&checksum(&symbols)]).enumerate() {
            if i % GROUP == 0 {
                f.write_str("-")?;
            }
            write!(f, "{}", symbol_char(symbol))?;
        }
        Ok(())
    }
}

impl FromStr for PairCode {
    type Err = PairCodeError;

    /// Takes either case, ignores dashes and white space, reads O as 0, I and L as 1; the prefix
    /// may be left out.
    fn from_str(text: &str) -> Result<Self, PairCodeError> {
        let typed: Vec<char> = text
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .collect();
        let typed = without_prefix(&typed);
        if typed.is_empty() {
            return Err(PairCodeError::Empty);
        }
        let values = typed
            .iter()
            .map(|&c| symbol_value(c).ok_or(PairCodeError::Symbol(c)))
            .collect::<Result<Vec<u8>, _>>()?;
        let wrong_length = PairCodeError::Length {
            symbols: values.len(),
        };
        let (check, symbols) = values.split_last().ok_or(wrong_length)?;
        let symbols = symbols.try_into().map_err(|_| wrong_length)?;
        if *check != checksum(symbols) {
            return Err(PairCodeError::Checksum);
        }
        Ok(Self::from_symbols(symbols))
    }
}

/// Only a text too long to be bare symbols has the prefix: a code may begin with PGP by chance.
fn without_prefix(typed: &[char]) -> &[char] {
    let prefixed = typed.len() > SYMBOLS + 1
        && PREFIX
            .chars()
            .zip(typed)
            .all(|(p, t)| t.eq_ignore_ascii_case(&p));
    if prefixed {
        &typed[PREFIX.len()..]
    } else {
        typed
    }
}

impl fmt::Debug for PairCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairCode(…)")
    }
}

impl Serialize for PairCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PairCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_text_is_grouped_and_read_back() {
        let code = PairCode(*b"0123456789abcdefghij");
        let text = code.to_string();
        assert_eq!(text.len(), 3 + 33 + 7);
        assert!(text.starts_with("pgp-"));
        assert_eq!(text.parse(), Ok(code));
    }

    #[test]
    fn reading_forgives_case_dashes_and_lookalikes() {
        let code = PairCode([0; BYTES]);
        let zeroes = "pGp OOOOO-00000oOOOO 00000\n00000-00000-000".parse();
        assert_eq!(zeroes, Ok(code.clone()));
        let bare = "0".repeat(SYMBOLS + 1);
        assert_eq!(bare.parse(), Ok(code));
        assert_eq!(symbol_value('l'), symbol_value('1'));
        assert_eq!(symbol_value('I'), symbol_value('1'));
    }

    #[test]
    fn a_typo_is_told_apart() {
        let text = PairCode([0; BYTES]).to_string();
        let typo = text.replacen("-0", "-7", 1);
        assert_eq!(typo.parse::<PairCode>(), Err(PairCodeError::Checksum));
        assert_eq!("".parse::<PairCode>(), Err(PairCodeError::Empty));
        assert_eq!(
            text[..text.len() - 1].parse::<PairCode>(),
            Err(PairCodeError::Length { symbols: 32 })
        );
        assert_eq!(
            text.replacen("-0", "-é", 1).parse::<PairCode>(),
            Err(PairCodeError::Symbol('é'))
        );
    }

    #[test]
    fn debug_is_redacted_and_codes_differ() {
        let code = PairCode::generate();
        assert_eq!(format!("{code:?}"), "PairCode(…)");
        assert_ne!(code, PairCode::generate());
    }

    proptest! {
        #[test]
        fn every_code_survives_its_text(bytes: [u8; BYTES]) {
            let code = PairCode(bytes);
            prop_assert_eq!(code.to_string().parse(), Ok(code.clone()));
            prop_assert_eq!(code.to_string().to_lowercase().parse(), Ok(code));
        }

        #[test]
        fn every_wrong_symbol_is_found(bytes: [u8; BYTES], at in 0..SYMBOLS, by in 1..32_u8) {
            let mut symbols = PairCode(bytes).symbols();
            let check = checksum(&symbols);
            symbols[at] = (symbols[at] + by) % 32;
            prop_assert_ne!(checksum(&symbols), check);
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = text.parse::<PairCode>();
        }
    }
}
