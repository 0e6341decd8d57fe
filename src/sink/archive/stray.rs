//! SQL of a database without an encoding, whose bytes need not be UTF-8, as text: what makes no character
//! stands in it byte by byte as characters that nobody uses, and becomes the same bytes again.

use std::borrow::Cow;

/// Stands for the byte 0; those that stand for 0x80 to 0xFF are the last ones of Unicode's last private
/// area. Where the SQL has such a character itself, its bytes are stood for too.
const BASE: u32 = 0x10_FF00;
const FIRST: char = '\u{10FF80}';

fn stands_for_a_byte(c: char) -> bool {
    c >= FIRST
}

/// Whether the SQL holds bytes that are not UTF-8.
pub(super) fn has_stray_bytes(sql: &str) -> bool {
    sql.contains(stands_for_a_byte)
}

/// The text that stands for these bytes.
pub(super) fn text(bytes: Vec<u8>) -> String {
    let bytes = match String::from_utf8(bytes) {
        Ok(text) if !has_stray_bytes(&text) => return text,
        Ok(text) => text.into_bytes(),
        Err(error) => error.into_bytes(),
    };
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match stands_for_a_byte(c) {
                true => text.extend(c.encode_utf8(&mut [0; 4]).bytes().map(stand_in)),
                false => text.push(c),
            }
        }
        text.extend(chunk.invalid().iter().copied().map(stand_in));
    }
    text
}

/// The bytes that this text stands for.
pub fn sql_bytes(text: &str) -> Cow<'_, [u8]> {
    if !has_stray_bytes(text) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match stands_for_a_byte(c) {
            true => bytes.push(c as u8),
            false => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Cow::Owned(bytes)
}

/// The text for people, and for what only holds UTF-8.
pub fn legible(text: &str) -> Cow<'_, str> {
    match has_stray_bytes(text) {
        true => Cow::Owned(text.replace(stands_for_a_byte, "\u{FFFD}")),
        false => Cow::Borrowed(text),
    }
}

/// For a byte that is no ASCII.
fn stand_in(byte: u8) -> char {
    char::from_u32(BASE + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_come_back() {
        let all: Vec<u8> = (0..=255).collect();
        let own = "a\u{10FF7F}\u{10FF80}\u{10FFE9}\u{10FFFF}".as_bytes();
        for bytes in [&all[..], own, b"caf\xe9 \xc3\xa9 \xf4\x8f", b"plain", b""] {
            assert_eq!(*sql_bytes(&text(bytes.to_vec())), *bytes);
        }
    }

    #[test]
    fn only_what_is_no_character_is_another_one() {
        assert_eq!(text("Straße, \u{10FF7F}".into()), "Straße, \u{10FF7F}");
        let mixed = text(b"caf\xe9 \xc3\xa9".to_vec());
        assert!(has_stray_bytes(&mixed));
        assert_eq!(legible(&mixed), "caf\u{FFFD} é");
        assert_eq!(legible("é"), "é");
    }
}
