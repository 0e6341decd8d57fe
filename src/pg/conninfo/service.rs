//! Service files: `[name]` sections of `key=value` lines.
//!
//! Source: PostgreSQL documentation, "The Connection Service File".

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::ConnInfoError;
use super::keywords::{Values, set};

/// Where distributions keep the system-wide file, when `PGSYSCONFDIR` does not say.
const SYSTEM_DIRS: [&str; 4] = [
    "/etc/postgresql-common",
    "/etc/sysconfig/pgsql",
    "/usr/local/pgsql/etc",
    "/etc",
];

/// Fills in what `service` defines and `values` does not hold yet.
pub(super) fn fill(
    values: &mut Values,
    service: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(), ConnInfoError> {
    let files = candidates(values.get("servicefile").cloned(), env);
    for path in &files.paths {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !files.named => continue,
            Err(source) => {
                return Err(ConnInfoError::Read {
                    what: "service file",
                    path: path.clone(),
                    source,
                });
            }
        };
        if let Some(found) = section(&text, service, path)? {
            for (key, value) in found {
                values.entry(key).or_insert(value);
            }
            return Ok(());
        }
    }
    let searched: Vec<_> = files
        .paths
        .iter()
        .map(|p| p.display().to_string())
        .collect();
    Err(ConnInfoError::NoSuchService {
        service: service.to_owned(),
        searched: searched.join(", "),
    })
}

struct Candidates {
    paths: Vec<PathBuf>,
    /// The user named the file: it must exist.
    named: bool,
}

fn candidates(given: Option<String>, env: &dyn Fn(&str) -> Option<String>) -> Candidates {
    if let Some(path) = given.or_else(|| env("PGSERVICEFILE")) {
        return Candidates {
            paths: vec![path.into()],
            named: true,
        };
    }
    let own = env("HOME").map(|home| Path::new(&home).join(".pg_service.conf"));
    let system: Vec<String> = match env("PGSYSCONFDIR") {
        Some(dir) => vec![dir],
        None => SYSTEM_DIRS.map(str::to_owned).to_vec(),
    };
    let system = system
        .iter()
        .map(|dir| Path::new(dir).join("pg_service.conf"));
    Candidates {
        paths: own.into_iter().chain(system).collect(),
        named: false,
    }
}

/// The pairs of `[service]`, or `None` if the text has no such section.
fn section(text: &str, service: &str, path: &Path) -> Result<Option<Values>, ConnInfoError> {
    let mut found: Option<Values> = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            found = (name.strip_suffix(']') == Some(service)).then(Values::new);
        } else if let Some(values) = &mut found {
            pair(line, values).map_err(|what| ConnInfoError::ServiceLine {
                path: path.to_owned(),
                line: index + 1,
                what,
            })?;
        }
    }
    Ok(found)
}

fn pair(line: &str, values: &mut Values) -> Result<(), String> {
    if line.starts_with("ldap") {
        return Err("LDAP lookups are not supported".to_owned());
    }
    let (key, value) = line
        .split_once('=')
        .ok_or_else(|| "expected key=value".to_owned())?;
    if key == "service" || key == "servicefile" {
        return Err("a service cannot name another service".to_owned());
    }
    // the first of two equal keys wins, as in libpq
    if values.contains_key(key) {
        return Ok(());
    }
    set(values, key, value.to_owned()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# services\n[one]\nhost=a\nport=1\n\n[two]\n  host=b\nuser=u x\nhost=c\n[bad]\nservice=one\n[worse]\nhosst=1\n";

    fn find(name: &str) -> Result<Option<Values>, ConnInfoError> {
        section(FILE, name, Path::new("f"))
    }

    #[test]
    fn a_section_ends_where_the_next_begins() {
        let one = find("one").unwrap().unwrap();
        assert_eq!(one.len(), 2);
        let two = find("two").unwrap().unwrap();
        assert_eq!((two["host"].as_str(), two["user"].as_str()), ("b", "u x"));
        assert!(find("three").unwrap().is_none());
    }

    #[test]
    fn mistakes_name_file_and_line() {
        assert!(find("bad").unwrap_err().to_string().contains("line 11"));
        assert!(find("worse").unwrap_err().to_string().contains("hosst"));
    }

    #[test]
    fn what_is_given_wins_over_the_service() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("pg_service.conf"), FILE).unwrap();
        let sysconf = dir.path().display().to_string();
        let env = |name: &str| (name == "PGSYSCONFDIR").then(|| sysconf.clone());
        let mut values = Values::from([("host", "given".to_owned())]);
        fill(&mut values, "one", &env).unwrap();
        assert_eq!(values["host"], "given");
        assert_eq!(values["port"], "1");
        let error = fill(&mut values, "none", &env).unwrap_err().to_string();
        assert!(
            error.contains("\"none\"") && error.contains(&sysconf),
            "{error}"
        );
    }
}
