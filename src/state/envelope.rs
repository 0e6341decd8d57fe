//! The envelope of a state file: JSON that says what it is and shows when it is torn.
//!
//! ```text
//! {"pgpipe":"<kind>","version":1,"xxh3":"<16 hex digits>","body":<JSON>}\n
//! ```
//!
//! The hash is over the body's bytes as they stand, so the file is JSON to everybody, but written
//! and cut by us to the byte.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use super::error::StateError;

const VERSION: u32 = 1;
const BODY_KEY: &str = ",\"body\":";
const END: &str = "}\n";

#[derive(Serialize, Deserialize)]
struct Header {
    pgpipe: String,
    version: u32,
    xxh3: String,
}

/// The whole text of the file at `path` that holds `value` as `kind`.
pub(super) fn seal<T: Serialize>(path: &Path, kind: &str, value: &T) -> Result<String, StateError> {
    let encode = |source| StateError::Encode {
        path: path.to_owned(),
        source,
    };
    let body = serde_json::to_string(value).map_err(encode)?;
    let header = Header {
        pgpipe: kind.to_owned(),
        version: VERSION,
        xxh3: hash(&body),
    };
    let header = serde_json::to_string(&header).map_err(encode)?;
    let open = header.trim_end_matches('}');
    Ok(format!("{open}{BODY_KEY}{body}{END}"))
}

/// The value in the text of the file at `path`.
pub(super) fn open<T: DeserializeOwned>(
    path: &Path,
    kind: &str,
    text: &[u8],
) -> Result<T, StateError> {
    let torn = |what| StateError::Torn {
        path: path.to_owned(),
        what,
    };
    if text.is_empty() {
        return Err(torn("it is empty"));
    }
    let text = str::from_utf8(text).map_err(|_| foreign(path, kind))?;
    if !text.starts_with("{\"pgpipe\":\"") {
        return Err(foreign(path, kind));
    }
    let (header, rest) = text
        .split_once(BODY_KEY)
        .ok_or_else(|| torn("its end is missing"))?;
    let header = read_header(path, kind, header)?;
    let body = rest
        .strip_suffix(END)
        .ok_or_else(|| torn("its end is missing"))?;
    if hash(body) != header.xxh3 {
        return Err(torn("its checksum is wrong"));
    }
    serde_json::from_str(body).map_err(|source| StateError::Body {
        path: path.to_owned(),
        source,
    })
}

/// Version first: another version may name its kinds otherwise.
fn read_header(path: &Path, kind: &str, text: &str) -> Result<Header, StateError> {
    let header: Header =
        serde_json::from_str(&format!("{text}}}")).map_err(|_| foreign(path, kind))?;
    if header.version != VERSION {
        return Err(StateError::Version {
            path: path.to_owned(),
            version: header.version,
            known: VERSION,
        });
    }
    if header.pgpipe != kind {
        return Err(foreign(path, kind));
    }
    Ok(header)
}

fn foreign(path: &Path, kind: &str) -> StateError {
    StateError::Foreign {
        path: path.to_owned(),
        kind: kind.to_owned(),
    }
}

fn hash(body: &str) -> String {
    format!("{:016x}", XxHash3_64::oneshot(body.as_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path() -> &'static Path {
        Path::new("/state/plan")
    }

    fn read(text: &[u8]) -> Result<Vec<u128>, StateError> {
        open(path(), "plan", text)
    }

    #[test]
    fn a_file_is_plain_json_and_comes_back() {
        let value = vec![1_u128, u128::MAX];
        let text = seal(path(), "plan", &value).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["pgpipe"], "plan");
        assert_eq!(json["version"], 1);
        assert_eq!(read(text.as_bytes()).unwrap(), value);
    }

    #[test]
    fn every_cut_is_noticed_and_named() {
        let text = seal(path(), "plan", &vec![1_u128, 2, 3]).unwrap();
        for end in 0..text.len() {
            let error = read(&text.as_bytes()[..end]).unwrap_err();
            assert!(error.to_string().contains("/state/plan"), "{end}: {error}");
        }
    }

    #[test]
    fn a_flipped_digit_is_torn() {
        let text = seal(path(), "plan", &vec![1_u128, 2]).unwrap();
        let error = read(text.replace("[1,2]", "[1,3]").as_bytes()).unwrap_err();
        assert!(matches!(error, StateError::Torn { .. }));
    }

    #[test]
    fn foreign_files_and_versions_are_told_apart() {
        let text = seal(path(), "peer", &vec![1_u128]).unwrap();
        let error = read(text.as_bytes()).unwrap_err();
        assert!(matches!(error, StateError::Foreign { .. }));
        for foreign in [&b"hello"[..], b"{}", b"\xff\xfe"] {
            let error = read(foreign).unwrap_err();
            assert!(matches!(error, StateError::Foreign { .. }));
        }
        let newer = text.replace("\"version\":1", "\"version\":2");
        let error = read(newer.as_bytes()).unwrap_err();
        assert!(matches!(error, StateError::Version { version: 2, .. }));
        let body = seal(path(), "plan", &"text").unwrap();
        let error = read(body.as_bytes()).unwrap_err();
        assert!(matches!(error, StateError::Body { .. }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(text: Vec<u8>) {
            let _ = read(&text);
        }
    }
}
