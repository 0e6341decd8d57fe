//! The keywords of libpq, which of them pgpipe honours, and the `key = 'value'` syntax.
//!
//! Source: PostgreSQL documentation, "Database Connection Control Functions", and
//! `conninfo_parse` in `fe-connect.c`.

use std::collections::BTreeMap;

use super::ConnInfoError;

/// Values by the keyword's canonical name.
pub(super) type Values = BTreeMap<&'static str, String>;

/// What becomes of a keyword that libpq knows.
enum Support {
    Used,
    /// Accepted: pgpipe sets its own value for each session.
    Replaced,
    /// Accepted with these values, which ask for nothing that is missing here.
    Only(&'static [&'static str], &'static str),
    Refused(&'static str),
}

pub(super) struct Keyword {
    pub(super) name: &'static str,
    pub(super) env: Option<&'static str>,
    support: Support,
}

const fn key(name: &'static str, env: &'static str, support: Support) -> Keyword {
    Keyword {
        name,
        env: Some(env),
        support,
    }
}

const fn plain(name: &'static str, support: Support) -> Keyword {
    Keyword {
        name,
        env: None,
        support,
    }
}

const NO_GSS: &str = "pgpipe has no GSSAPI; use a password, a certificate or a local socket";
const NO_CRL: &str = "pgpipe does not check revocation lists";
const NO_OAUTH: &str = "pgpipe has no OAuth authentication";

pub(super) const KEYWORDS: &[Keyword] = &[
    key("application_name", "PGAPPNAME", Support::Replaced),
    key("channel_binding", "PGCHANNELBINDING", Support::Used),
    key("client_encoding", "PGCLIENTENCODING", Support::Replaced),
    key("connect_timeout", "PGCONNECT_TIMEOUT", Support::Used),
    key("dbname", "PGDATABASE", Support::Used),
    plain("fallback_application_name", Support::Replaced),
    key(
        "gssencmode",
        "PGGSSENCMODE",
        Support::Only(&["disable", "prefer"], NO_GSS),
    ),
    plain("gssdelegation", Support::Only(&["0"], NO_GSS)),
    plain("gsslib", Support::Refused(NO_GSS)),
    key("host", "PGHOST", Support::Used),
    key("hostaddr", "PGHOSTADDR", Support::Used),
    plain("keepalives", Support::Used),
    plain("keepalives_count", Support::Used),
    plain("keepalives_idle", Support::Used),
    plain("keepalives_interval", Support::Used),
    plain("krbsrvname", Support::Refused(NO_GSS)),
    key(
        "load_balance_hosts",
        "PGLOADBALANCEHOSTS",
        Support::Only(&["disable"], "hosts are tried in the order given"),
    ),
    plain(
        "max_protocol_version",
        Support::Only(&["3.0", "3.2", "latest"], "pgpipe speaks 3.0"),
    ),
    plain(
        "min_protocol_version",
        Support::Only(&["3.0"], "pgpipe speaks 3.0"),
    ),
    plain("oauth_client_id", Support::Refused(NO_OAUTH)),
    plain("oauth_client_secret", Support::Refused(NO_OAUTH)),
    plain("oauth_issuer", Support::Refused(NO_OAUTH)),
    plain("oauth_scope", Support::Refused(NO_OAUTH)),
    key("options", "PGOPTIONS", Support::Used),
    key("passfile", "PGPASSFILE", Support::Used),
    key("password", "PGPASSWORD", Support::Used),
    key("port", "PGPORT", Support::Used),
    plain(
        "replication",
        Support::Only(&["false", "off", "no", "0"], "pgpipe reads through COPY"),
    ),
    key(
        "require_auth",
        "PGREQUIREAUTH",
        Support::Refused("pgpipe takes the method that the server asks for"),
    ),
    key(
        "requirepeer",
        "PGREQUIREPEER",
        Support::Refused("pgpipe does not check the owner of a socket"),
    ),
    plain(
        "scram_client_key",
        Support::Refused("give the password instead"),
    ),
    plain(
        "scram_server_key",
        Support::Refused("give the password instead"),
    ),
    key("service", "PGSERVICE", Support::Used),
    key("servicefile", "PGSERVICEFILE", Support::Used),
    key("sslcert", "PGSSLCERT", Support::Used),
    key(
        "sslcertmode",
        "PGSSLCERTMODE",
        Support::Only(
            &["allow"],
            "the client certificate is sent when the server asks for it",
        ),
    ),
    // libpq ignores it where OpenSSL has no compression, which is everywhere by now.
    key(
        "sslcompression",
        "PGSSLCOMPRESSION",
        Support::Only(&["0", "1"], "TLS has no compression"),
    ),
    key("sslcrl", "PGSSLCRL", Support::Refused(NO_CRL)),
    key("sslcrldir", "PGSSLCRLDIR", Support::Refused(NO_CRL)),
    key("sslkey", "PGSSLKEY", Support::Used),
    plain(
        "sslkeylogfile",
        Support::Refused("pgpipe does not write TLS secrets to files"),
    ),
    key(
        "ssl_max_protocol_version",
        "PGSSLMAXPROTOCOLVERSION",
        Support::Used,
    ),
    key(
        "ssl_min_protocol_version",
        "PGSSLMINPROTOCOLVERSION",
        Support::Used,
    ),
    key("sslmode", "PGSSLMODE", Support::Used),
    key(
        "sslnegotiation",
        "PGSSLNEGOTIATION",
        Support::Only(&["postgres"], "pgpipe asks for TLS with an SSLRequest"),
    ),
    plain(
        "sslpassword",
        Support::Refused("give a key file without a password"),
    ),
    key("sslrootcert", "PGSSLROOTCERT", Support::Used),
    key("sslsni", "PGSSLSNI", Support::Used),
    key(
        "target_session_attrs",
        "PGTARGETSESSIONATTRS",
        Support::Used,
    ),
    plain("tcp_user_timeout", Support::Used),
    key("user", "PGUSER", Support::Used),
];

/// Sets `key`, refusing what libpq does not know and what pgpipe cannot honour.
pub(super) fn set(values: &mut Values, key: &str, value: String) -> Result<(), ConnInfoError> {
    let keyword = KEYWORDS
        .iter()
        .find(|keyword| keyword.name == key)
        .ok_or_else(|| ConnInfoError::UnknownOption {
            key: key.to_owned(),
        })?;
    accept(keyword, value, values)
}

/// Fills in from the environment what is not set yet.
pub(super) fn fill_from_env(
    values: &mut Values,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(), ConnInfoError> {
    for keyword in KEYWORDS {
        if values.contains_key(keyword.name) {
            continue;
        }
        if let Some(value) = keyword.env.and_then(env) {
            accept(keyword, value, values)?;
        }
    }
    Ok(())
}

fn accept(keyword: &Keyword, value: String, values: &mut Values) -> Result<(), ConnInfoError> {
    let refuse = |why, value| {
        Err(ConnInfoError::Unsupported {
            key: keyword.name,
            value,
            why,
        })
    };
    match keyword.support {
        _ if value.is_empty() => {}
        Support::Refused(why) => return refuse(why, "…".to_owned()),
        Support::Only(accepted, why) if !accepted.contains(&value.as_str()) => {
            return refuse(why, value);
        }
        _ => {}
    }
    values.insert(keyword.name, value);
    Ok(())
}

/// Parses `key = value` pairs; values may be quoted, a backslash takes the next character as it is.
pub(super) fn parse(text: &str, values: &mut Values) -> Result<(), ConnInfoError> {
    use ConnInfoError::{AfterPassword, MissingEquals, UnknownOption, UnterminatedQuote};
    pairs(text, values).map_err(|error| match error {
        MissingEquals { .. } | UnknownOption { .. } | UnterminatedQuote { .. }
            if values.contains_key("password") =>
        {
            AfterPassword
        }
        error => error,
    })
}

fn pairs(text: &str, values: &mut Values) -> Result<(), ConnInfoError> {
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| c == '=' || c.is_whitespace())
            .unwrap_or(rest.len());
        let (key, after) = rest.split_at(end);
        let after =
            after
                .trim_start()
                .strip_prefix('=')
                .ok_or_else(|| ConnInfoError::MissingEquals {
                    key: key.to_owned(),
                })?;
        let (value, after) = take_value(key, after.trim_start())?;
        set(values, key, value)?;
        rest = after.trim_start();
    }
    Ok(())
}

/// The value at the start of `text`, and what follows it.
fn take_value<'a>(key: &str, text: &'a str) -> Result<(String, &'a str), ConnInfoError> {
    let quoted = text.starts_with('\'');
    let body = if quoted { &text[1..] } else { text };
    let mut value = String::new();
    let mut chars = body.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            '\'' if quoted => return Ok((value, &body[at + 1..])),
            c if !quoted && c.is_whitespace() => return Ok((value, &body[at..])),
            c => value.push(c),
        }
    }
    if quoted {
        return Err(ConnInfoError::UnterminatedQuote {
            key: key.to_owned(),
        });
    }
    Ok((value, ""))
}

/// `value` as the keyword syntax wants it: quoted if empty or if it holds blanks, quotes or backslashes.
pub(super) fn quote(value: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && c != '\'' && c != '\\';
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    let escaped = value.replace('\\', "\\\\").replace('\'', "\\'");
    format!("'{escaped}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Values {
        let mut values = Values::new();
        parse(text, &mut values).unwrap();
        values
    }

    fn refused(text: &str) -> String {
        parse(text, &mut Values::new()).unwrap_err().to_string()
    }

    #[test]
    fn quotes_escapes_and_blanks() {
        let values =
            parsed(r"  host = 'a b'  dbname=it\'s\ one password='q\'\\x' user=é\é  port = 5433");
        assert_eq!(values["host"], "a b");
        assert_eq!(values["dbname"], "it's one");
        assert_eq!(values["password"], r"q'\x");
        assert_eq!(values["user"], "éé");
        assert_eq!(values["port"], "5433");
        assert_eq!(parsed("host='' user=x")["host"], "");
    }

    #[test]
    fn quoting_round_trips() {
        for text in ["", "plain", "two words", r"o'neil\", "tab\there"] {
            assert_eq!(parsed(&format!("dbname={}", quote(text)))["dbname"], text);
        }
    }

    #[test]
    fn mistakes_are_named() {
        assert!(refused("host").contains("missing \"=\" after \"host\""));
        assert!(refused("host = 'abc").contains("unterminated"));
        assert!(refused("hosst=a").contains("unknown option \"hosst\""));
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_by_name() {
        parsed("gssencmode=prefer sslcompression=1 application_name=x replication=off");
        for text in [
            "gssencmode=require",
            "krbsrvname=x",
            "sslcrl=f",
            "require_auth=scram-sha-256",
            "load_balance_hosts=random",
            "sslnegotiation=direct",
        ] {
            let key = text.split('=').next().unwrap();
            assert!(refused(text).contains(key), "{text}");
            assert!(refused(text).contains("not supported"), "{text}");
        }
        assert!(!refused("sslpassword=geheim").contains("geheim"));
    }

    #[test]
    fn no_piece_of_a_password_is_repeated() {
        for text in [
            "password=a geheim",
            "password=a geheim=b",
            "password='it's geheim'",
            "password='geheim",
        ] {
            assert!(!refused(text).contains("geheim"), "{text}");
        }
    }
}
