//! Connection URIs: `postgresql://user:password@host:port,host2:port2/dbname?key=value`.
//!
//! Source: `conninfo_uri_parse` in PostgreSQL's `fe-connect.c`.

use super::ConnInfoError;
use super::keywords::{Values, set};

/// What a password that was not escaped looks like is not repeated.
const ESCAPE: &str = "a host is followed by \":\" and a number at most; in a password write %40 for \"@\" and %2F for \"/\"";

/// What follows the scheme, if `text` is a connection URI.
pub(super) fn strip_scheme(text: &str) -> Option<&str> {
    text.strip_prefix("postgresql://")
        .or_else(|| text.strip_prefix("postgres://"))
}

/// Parses what follows the scheme.
pub(super) fn parse(rest: &str, values: &mut Values) -> Result<(), ConnInfoError> {
    let rest = match rest.find(['@', '/']) {
        Some(at) if rest.as_bytes()[at] == b'@' => {
            user_info(&rest[..at], values)?;
            &rest[at + 1..]
        }
        _ => rest,
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    hosts(authority, values)?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let dbname = path.strip_prefix('/').unwrap_or(path);
    if !dbname.is_empty() {
        set(values, "dbname", decode(dbname, "database name")?)?;
    }
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .try_for_each(|pair| parameter(pair, values))
}

fn user_info(text: &str, values: &mut Values) -> Result<(), ConnInfoError> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    if !user.is_empty() {
        set(values, "user", decode(user, "user name")?)?;
    }
    if !password.is_empty() {
        set(values, "password", decode(password, "password")?)?;
    }
    Ok(())
}

fn hosts(authority: &str, values: &mut Values) -> Result<(), ConnInfoError> {
    let mut names = Vec::new();
    let mut ports = Vec::new();
    for part in authority.split(',') {
        let (name, port) = host_and_port(part)?;
        if name.contains('@') || !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ConnInfoError::Uri { what: ESCAPE });
        }
        names.push(decode(name, "host")?);
        ports.push(port.to_owned());
    }
    if names.iter().any(|name| !name.is_empty()) {
        set(values, "host", names.join(","))?;
    }
    if ports.iter().any(|port| !port.is_empty()) {
        set(values, "port", ports.join(","))?;
    }
    Ok(())
}

/// `host:port`, `[2001:db8::1]:port`; both parts may be empty.
fn host_and_port(text: &str) -> Result<(&str, &str), ConnInfoError> {
    let Some(bracketed) = text.strip_prefix('[') else {
        return Ok(text.split_once(':').unwrap_or((text, "")));
    };
    let what =
        "an IPv6 address in brackets must end with \"]\" and be followed by \":port\" at most";
    let malformed = || ConnInfoError::Uri { what };
    let (name, after) = bracketed.split_once(']').ok_or_else(malformed)?;
    match after.strip_prefix(':') {
        Some(port) => Ok((name, port)),
        None if after.is_empty() => Ok((name, "")),
        None => Err(malformed()),
    }
}

fn parameter(pair: &str, values: &mut Values) -> Result<(), ConnInfoError> {
    let what = "a parameter after \"?\" must be key=value";
    let (key, value) = pair.split_once('=').ok_or(ConnInfoError::Uri { what })?;
    if value.contains('=') {
        return Err(ConnInfoError::Uri { what });
    }
    let key = decode(key, "parameter name")?;
    let value = decode(value, "parameter value")?;
    // what JDBC calls it
    if key == "ssl" && value == "true" {
        return set(values, "sslmode", "require".to_owned());
    }
    set(values, &key, value)
}

fn decode(text: &str, part: &'static str) -> Result<String, ConnInfoError> {
    let bad = || ConnInfoError::Percent { part };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let (pair, after) = rest.split_at_checked(2).ok_or_else(bad)?;
        let digit = |byte: u8| char::from(byte).to_digit(16).ok_or_else(bad);
        match digit(pair[0])? * 16 + digit(pair[1])? {
            0 => return Err(bad()),
            byte => bytes.push(byte as u8),
        }
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Values, ConnInfoError> {
        let mut values = Values::new();
        parse(strip_scheme(text).unwrap(), &mut values)?;
        Ok(values)
    }

    fn pairs(text: &str) -> Vec<(&'static str, String)> {
        parsed(text).unwrap().into_iter().collect()
    }

    fn owned(list: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
        list.iter().map(|(k, v)| (*k, (*v).to_owned())).collect()
    }

    #[test]
    fn all_parts() {
        assert_eq!(
            pairs("postgresql://u%40x:p%3Aw%25@h:5433/d%2Fb?sslmode=require&connect_timeout=3"),
            owned(&[
                ("connect_timeout", "3"),
                ("dbname", "d/b"),
                ("host", "h"),
                ("password", "p:w%"),
                ("port", "5433"),
                ("sslmode", "require"),
                ("user", "u@x"),
            ])
        );
    }

    #[test]
    fn parts_may_be_missing() {
        assert_eq!(pairs("postgres://"), vec![]);
        assert_eq!(pairs("postgres:///db"), owned(&[("dbname", "db")]));
        assert_eq!(pairs("postgres://u@"), owned(&[("user", "u")]));
        assert_eq!(
            pairs("postgres://?ssl=true"),
            owned(&[("sslmode", "require")])
        );
        assert_eq!(
            pairs("postgres://:5433?user=a"),
            owned(&[("port", "5433"), ("user", "a")])
        );
    }

    #[test]
    fn ipv6_sockets_and_several_hosts() {
        assert_eq!(
            pairs("postgres://[2001:db8::1]:5433,[::1],%2Ftmp%2Fsock:1/x"),
            owned(&[
                ("dbname", "x"),
                ("host", "2001:db8::1,::1,/tmp/sock"),
                ("port", "5433,,1"),
            ])
        );
    }

    #[test]
    fn mistakes_are_refused() {
        for text in [
            "postgres://h/%zz",
            "postgres://h/%1",
            "postgres://h/%00",
            "postgres://h/%ff",
            "postgres://[::1/x",
            "postgres://[::1]x/",
            "postgres://h/d?user",
            "postgres://h/d?user=a=b",
            "postgres://h/d?nosuch=1",
            "postgres://u:geheim/9@h/d",
            "postgres://u:a@geheim@h/d",
        ] {
            let error = parsed(text).unwrap_err().to_string();
            assert!(!error.contains("geheim"), "{error}");
        }
    }
}
