//! Frames of the control stream: how one message is cut out of a byte stream.
//!
//! ```text
//! frame   length: u32 LE | body: length bytes
//! body    one postcard value, nothing behind it
//! ```

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// Bytes before the body: its length.
pub const HEADER_BYTES: usize = 4;

/// The longest body before both sides are authenticated: a handshake message needs under 100 bytes.
pub const UNPROVEN_LIMIT: usize = 16 << 10;

/// The longest body between authenticated sides: the report on 40,000 tables.
pub const LIMIT: usize = 16 << 20;

/// Why bytes are not a frame, or a value cannot become one.
#[derive(Debug, Error)]
pub enum FrameError {
    #[error("message of {bytes} bytes is longer than the {limit} that are allowed here")]
    TooLong { bytes: usize, limit: usize },
    #[error("message has {bytes} bytes behind its end")]
    Trailing { bytes: usize },
    #[error("message ends in the middle of its frame ({bytes} bytes seen)")]
    Truncated { bytes: usize },
    #[error("message of {bytes} bytes cannot be decoded")]
    Malformed {
        bytes: usize,
        source: postcard::Error,
    },
    #[error("message cannot be encoded")]
    Encode { source: postcard::Error },
}

/// Encodes one value as a frame, header included.
pub fn encode<T: Serialize + ?Sized>(value: &T, limit: usize) -> Result<Vec<u8>, FrameError> {
    let frame = postcard::to_extend(value, vec![0; HEADER_BYTES])
        .map_err(|source| FrameError::Encode { source })?;
    seal(frame, limit)
}

/// Makes a frame of a body that is already encoded.
pub fn encode_body(body: &[u8], limit: usize) -> Result<Vec<u8>, FrameError> {
    let mut frame = vec![0; HEADER_BYTES];
    frame.extend_from_slice(body);
    seal(frame, limit)
}

/// Writes the length into the reserved header.
fn seal(mut frame: Vec<u8>, limit: usize) -> Result<Vec<u8>, FrameError> {
    let bytes = frame.len() - HEADER_BYTES;
    let length = checked_length(bytes, limit)?;
    frame[..HEADER_BYTES].copy_from_slice(&length.to_le_bytes());
    Ok(frame)
}

fn checked_length(bytes: usize, limit: usize) -> Result<u32, FrameError> {
    match u32::try_from(bytes) {
        Ok(length) if bytes <= limit => Ok(length),
        _ => Err(FrameError::TooLong { bytes, limit }),
    }
}

/// The length that a frame's header announces, checked.
pub fn body_length(header: [u8; HEADER_BYTES], limit: usize) -> Result<usize, FrameError> {
    let bytes = u32::from_le_bytes(header) as usize;
    checked_length(bytes, limit)?;
    Ok(bytes)
}

/// The body at the front of `buffer`, once all of it is there; the frame's length is judged as
/// soon as its header is, so that a peer cannot make us gather more than `limit`.
pub fn split(buffer: &[u8], limit: usize) -> Result<Option<&[u8]>, FrameError> {
    let Some((header, rest)) = buffer.split_first_chunk::<HEADER_BYTES>() else {
        return Ok(None);
    };
    let bytes = u32::from_le_bytes(*header) as usize;
    checked_length(bytes, limit)?;
    Ok(rest.get(..bytes))
}

/// Decodes a body; refuses bytes behind the value.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    let (value, rest) =
        postcard::take_from_bytes(body).map_err(|source| FrameError::Malformed {
            bytes: body.len(),
            source,
        })?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(FrameError::Trailing { bytes: rest.len() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_frame_is_its_length_and_its_body() {
        let frame = encode(&("ab", 7_u8), LIMIT).unwrap();
        assert_eq!(frame, [4, 0, 0, 0, 2, b'a', b'b', 7]);
        let body = split(&frame, LIMIT).unwrap().unwrap();
        assert_eq!(decode::<(String, u8)>(body).unwrap(), ("ab".to_owned(), 7));
    }

    #[test]
    fn an_incomplete_frame_waits_for_more() {
        let frame = encode(&"abc", LIMIT).unwrap();
        for end in 0..frame.len() {
            assert!(split(&frame[..end], LIMIT).unwrap().is_none());
        }
    }

    #[test]
    fn an_oversized_frame_is_refused_by_its_header_alone() {
        let header = (UNPROVEN_LIMIT as u32 + 1).to_le_bytes();
        let error = split(&header, UNPROVEN_LIMIT).unwrap_err();
        assert!(matches!(error, FrameError::TooLong { bytes: 16385, .. }));
        assert!(encode(&vec![0_u8; 100], 50).is_err());
    }

    #[test]
    fn trailing_and_missing_bytes_are_refused() {
        assert!(matches!(
            decode::<u8>(&[1, 2]).unwrap_err(),
            FrameError::Trailing { bytes: 1 }
        ));
        assert!(matches!(
            decode::<String>(&[5, b'a']).unwrap_err(),
            FrameError::Malformed { .. }
        ));
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_are_refused(bytes: Vec<u8>) {
            let _ = split(&bytes, UNPROVEN_LIMIT);
            let _ = decode::<(String, Vec<u64>, Option<[u8; 32]>)>(&bytes);
        }
    }
}
