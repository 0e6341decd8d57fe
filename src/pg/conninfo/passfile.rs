//! The password file: `host:port:database:user:password` lines, `*` matches anything.
//!
//! Source: PostgreSQL documentation, "The Password File", and `passwordFromFile` in `fe-connect.c`.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

#[derive(Clone, PartialEq, Eq)]
struct Entry {
    /// Host, port, database and user; `None` is `*`.
    keys: [Option<String>; 4],
    password: String,
}

/// The lines of a password file, in order: the first that matches is the one.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Passfile(Vec<Entry>);

impl Passfile {
    /// Reads `path`; a file that others could read is left alone with a warning, as libpq does.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error),
        };
        if !metadata.is_file() {
            tracing::warn!(path = %path.display(), "password file ignored: not a plain file");
            return Ok(Self::default());
        }
        if metadata.mode() & 0o077 != 0 {
            tracing::warn!(path = %path.display(), "password file ignored: others may access it; chmod 0600 it");
            return Ok(Self::default());
        }
        Ok(Self::parse(&fs::read_to_string(path)?))
    }

    fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self(lines.filter_map(parse_line).collect())
    }

    /// The password for these, if a line matches them.
    pub(super) fn find(&self, host: &str, port: u16, dbname: &str, user: &str) -> Option<&str> {
        let wanted = [host, &port.to_string(), dbname, user];
        let matches = |entry: &&Entry| {
            entry
                .keys
                .iter()
                .zip(wanted)
                .all(|(key, wanted)| key.as_deref().is_none_or(|key| key == wanted))
        };
        self.0
            .iter()
            .find(matches)
            .map(|entry| entry.password.as_str())
    }
}

/// `None` for lines with fewer than five fields.
fn parse_line(line: &str) -> Option<Entry> {
    let mut rest = line;
    let mut keys = [const { None }; 4];
    for key in &mut keys {
        let (field, after) = take_field(rest);
        let after = after?;
        // an escaped star is a name, not a wildcard
        *key = (!rest.starts_with("*:")).then_some(field);
        rest = after;
    }
    // libpq too ends the password at an unescaped colon
    let (password, _) = take_field(rest);
    (!password.is_empty()).then_some(Entry { keys, password })
}

/// The field up to the next unescaped colon, unescaped; and what follows the colon, if there is one.
fn take_field(text: &str) -> (String, Option<&str>) {
    let mut field = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => field.extend(chars.next().map(|(_, escaped)| escaped)),
            ':' => return (field, Some(&text[at + 1..])),
            c => field.push(c),
        }
    }
    (field, None)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_first_match_wins() {
        let file = Passfile::parse(
            "# comment\nshort:1:x\nh:5432:db:u:one\n*:5432:*:u:two\nlocalhost:*:*:*:three\n",
        );
        assert_eq!(file.find("h", 5432, "db", "u"), Some("one"));
        assert_eq!(file.find("other", 5432, "db", "u"), Some("two"));
        assert_eq!(file.find("localhost", 1, "a", "b"), Some("three"));
        assert_eq!(file.find("h", 5433, "db", "u"), None);
    }

    #[test]
    fn colons_and_backslashes_are_escaped() {
        let file = Passfile::parse("\\:\\:1:*:*:a\\\\b:p\\:w\\\\x\n\\*:*:*:*:star\n");
        assert_eq!(file.find("::1", 1, "d", "a\\b"), Some("p:w\\x"));
        assert_eq!(file.find("*", 1, "d", "u"), Some("star"));
        assert_eq!(file.find("h", 1, "d", "u"), None);
    }

    #[test]
    fn a_file_that_others_can_read_is_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pgpass");
        fs::write(&path, "*:*:*:*:secret\n").unwrap();
        let find = |mode| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let file = Passfile::read(&path).unwrap();
            file.find("h", 1, "d", "u").map(str::to_owned)
        };
        assert_eq!(find(0o600).as_deref(), Some("secret"));
        assert_eq!(find(0o640), None);
        assert!(Passfile::read(&dir.path().join("none")).unwrap() == Passfile::default());
        assert!(Passfile::read(dir.path()).unwrap() == Passfile::default());
    }
}
