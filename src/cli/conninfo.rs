//! Passwords where other users of the host can read them.

/// A warning if `conninfo`, given as `option`, holds a password; libpq takes it, so do we.
pub fn password_warning(option: &str, conninfo: &str) -> Option<String> {
    holds_password(conninfo).then(|| {
        format!(
            "warning: the password in {option} can be read in the process list; \
             .pgpass or PGPASSWORD hides it"
        )
    })
}

fn holds_password(conninfo: &str) -> bool {
    let uri = conninfo
        .strip_prefix("postgresql://")
        .or_else(|| conninfo.strip_prefix("postgres://"));
    let in_userinfo = uri.is_some_and(|rest| {
        let authority = rest.split(['/', '?']).next().unwrap_or(rest);
        let userinfo = authority.rsplit_once('@').map(|(user, _)| user);
        userinfo.is_some_and(|u| u.split_once(':').is_some_and(|(_, p)| !p.is_empty()))
    });
    in_userinfo || names_password(conninfo)
}

/// `password=` as a keyword or URI parameter, `sslpassword=` among them.
fn names_password(conninfo: &str) -> bool {
    conninfo
        .match_indices("password")
        .any(|(at, word)| conninfo[at + word.len()..].trim_start().starts_with('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_noticed_in_both_forms() {
        for text in [
            "host=a password=x",
            "password = 'x y' host=a",
            "sslpassword=x",
            "postgresql://u:p@h/db",
            "postgres://u@h/db?password=x",
        ] {
            assert!(password_warning("--source", text).is_some(), "{text}");
        }
    }

    #[test]
    fn other_strings_are_left_alone() {
        for text in [
            "",
            "dbname=passwords",
            "postgresql://u@h:5432/db",
            "postgresql://u:@h/db",
            "host=h passfile=/a:b@c",
        ] {
            assert_eq!(password_warning("--source", text), None, "{text}");
        }
    }
}
