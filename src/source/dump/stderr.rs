//! What a program complained about last.

use std::io::{self, Read};

/// Enough for the error, its detail and the statement that pg_dump was at.
const TAIL_BYTES: usize = 8 << 10;

/// Of a line: a statement may name every table of a database.
const LINE_BYTES: usize = 1 << 10;

/// Reads to the end and keeps the last [`TAIL_BYTES`], from the beginning of a line, and of each line what
/// it begins with.
pub(super) fn tail(mut pipe: impl Read) -> io::Result<String> {
    let mut kept = Vec::new();
    let mut buffer = [0; 4096];
    let (mut cut, mut line) = (false, 0);
    loop {
        let read = match pipe.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        for &byte in &buffer[..read] {
            line = if byte == b'\n' { 0 } else { line + 1 };
            if line <= LINE_BYTES {
                kept.push(byte);
            }
        }
        if kept.len() > TAIL_BYTES {
            kept.drain(..kept.len() - TAIL_BYTES);
            cut = true;
        }
    }
    let text = String::from_utf8_lossy(&kept);
    let whole = match (cut, text.split_once('\n')) {
        (true, Some((_, rest))) => rest,
        _ => &text,
    };
    Ok(whole.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_output_keeps_its_end() {
        let text = "some line\n".repeat(5000) + "the end\n";
        let tail = tail(text.as_bytes()).unwrap();
        assert!(tail.len() <= TAIL_BYTES);
        assert!(tail.starts_with("some line\n"));
        assert!(tail.ends_with("the end"));
        assert_eq!(super::tail(&b"short\n"[..]).unwrap(), "short");
    }

    #[test]
    fn what_stands_before_a_long_line_is_kept() {
        let text = format!("the error\nits statement {}\n", "x".repeat(100_000));
        let tail = tail(text.as_bytes()).unwrap();
        assert!(tail.starts_with("the error\nits statement x"));
        assert!(tail.len() < 2 * LINE_BYTES);
    }
}
