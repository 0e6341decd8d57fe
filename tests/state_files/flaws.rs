//! What can have become of a sealed file, and what is said of it.

/// Each flaw of a file with this content, and words of its line.
pub(crate) fn flaws(content: &[u8]) -> Vec<(Vec<u8>, &'static str)> {
    let text = str::from_utf8(content).unwrap();
    let newer = text.replacen("\"version\":1", "\"version\":2", 1);
    let mut changed = content.to_vec();
    // In the body, which ends `}` and a newline after the value's own end.
    let last = changed.len() - 4;
    changed[last] ^= 1;
    vec![
        (vec![], "is damaged (it is empty); restore it"),
        (
            content[..content.len() / 2].to_vec(),
            "is damaged (its end is missing)",
        ),
        (
            content[..content.len() - 1].to_vec(),
            "is damaged (its end is missing)",
        ),
        (changed, "is damaged (its checksum is wrong)"),
        (
            b"# a note\n".to_vec(),
            "move it away or give another --state",
        ),
        (vec![0xff; 4096], "move it away or give another --state"),
        (
            newer.into_bytes(),
            "has format version 2, this pgpipe knows 1",
        ),
    ]
}
