//! Gives roles their names on the target, in the SQL that pg_restore prints: only where a statement
//! names a role, never in a string, a comment or a body.
//!
//! ```text
//! ALTER … OWNER TO role;
//! GRANT … TO role …;  REVOKE … FROM role …;        … GRANTED BY role
//! SET SESSION AUTHORIZATION role;                  before what another than the owner has granted
//! ALTER DEFAULT PRIVILEGES FOR ROLE role … GRANT … TO role;
//! CREATE POLICY … TO role, role USING …;
//! CREATE USER MAPPING FOR role SERVER …;           DROP … too
//! ```
//!
//! pg_dump writes key words in capitals, and names without quotes only in small letters: a word in
//! capitals is a key word.

use super::lexer::{self, Token};
use crate::schema::quote_ident_always;
use crate::schema::roles::RoleMap;

/// The script by the target's names; nothing where it ends inside of a string or a name.
pub(super) fn rename(sql: &str, map: &RoleMap) -> Option<String> {
    let mut renamed = String::with_capacity(sql.len());
    let mut copied = 0;
    let mut statement = Vec::new();
    let mut at = 0;
    while let Some(token) = lexer::token(sql, at)? {
        at = token.end;
        if token.text(sql) != ";" {
            statement.push(token);
            continue;
        }
        let words: Vec<_> = statement.iter().map(|t: &Token| t.text(sql)).collect();
        for place in roles(&words) {
            let (token, role) = (&statement[place], name(words[place]));
            if let Some(role) = role.filter(|role| map.name(role) != role) {
                renamed += &sql[copied..token.start];
                renamed += &quote_ident_always(map.name(&role));
                copied = token.end;
            }
        }
        statement.clear();
    }
    renamed += &sql[copied..];
    Some(renamed)
}

/// Where in a statement a role may stand.
fn roles(words: &[&str]) -> Vec<usize> {
    match words {
        ["ALTER", "DEFAULT", "PRIVILEGES", ..] => {
            let owners = after(words, &["ROLE", "USER"]);
            owners.into_iter().chain(grantees(words)).collect()
        }
        ["ALTER", .., "OWNER", "TO", _] => vec![words.len() - 1],
        ["GRANT" | "REVOKE", ..] => grantees(words),
        ["SET", "SESSION", "AUTHORIZATION", _] => vec![3],
        ["CREATE", "POLICY", ..] => after(words, &["TO"]),
        ["CREATE" | "DROP", "USER", "MAPPING", ..] => after(words, &["FOR"]),
        _ => Vec::new(),
    }
}

fn grantees(words: &[&str]) -> Vec<usize> {
    let mut places = after(words, &["TO", "FROM"]);
    let granted_by = words.windows(2).position(|pair| pair == ["GRANTED", "BY"]);
    places.extend(granted_by.map(|at| at + 2).filter(|&at| at < words.len()));
    places
}

/// The list of names that follows the first of these key words outside of parentheses.
fn after(words: &[&str], keys: &[&str]) -> Vec<usize> {
    let mut depth = 0;
    let key = words.iter().position(|word| {
        match *word {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        depth == 0 && keys.contains(word)
    });
    let Some(key) = key else { return Vec::new() };
    let mut places = Vec::new();
    let mut at = key + 1;
    while at < words.len() {
        places.push(at);
        match words.get(at + 1) {
            Some(&",") => at += 2,
            _ => break,
        }
    }
    places
}

/// A role's or provider's name; none where it is a key word (`PUBLIC`).
pub(super) fn name(word: &str) -> Option<String> {
    if let Some(quoted) = word.strip_prefix('"').and_then(|w| w.strip_suffix('"')) {
        return Some(quoted.replace("\"\"", "\""));
    }
    let is_key_word = word.contains(|c: char| c.is_ascii_uppercase());
    (!is_key_word).then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renamed(sql: &str) -> String {
        let renames = ["bob=ann", "\"Old \"\"Name\"=\"New;Name\"", "public_too=x"];
        let renames = renames.map(|text| text.parse().unwrap());
        rename(sql, &RoleMap::new(&renames).unwrap()).unwrap()
    }

    #[track_caller]
    fn becomes(sql: &str, expected: &str) {
        assert_eq!(renamed(sql), expected);
    }

    #[test]
    fn roles_are_renamed_where_statements_name_them() {
        becomes(
            "ALTER TABLE bob.bob OWNER TO bob;",
            "ALTER TABLE bob.bob OWNER TO \"ann\";",
        );
        becomes(
            "--\n-- Name: f; Owner: bob\n--\n\nALTER FUNCTION app.f(bob text) OWNER TO \"Old \"\"Name\";\n",
            "--\n-- Name: f; Owner: bob\n--\n\nALTER FUNCTION app.f(bob text) OWNER TO \"New;Name\";\n",
        );
        becomes(
            "SET SESSION AUTHORIZATION bob;\nGRANT SELECT(bob),UPDATE(x) ON TABLE bob.t TO bob WITH GRANT OPTION;\nRESET SESSION AUTHORIZATION;\n",
            "SET SESSION AUTHORIZATION \"ann\";\nGRANT SELECT(bob),UPDATE(x) ON TABLE bob.t TO \"ann\" WITH GRANT OPTION;\nRESET SESSION AUTHORIZATION;\n",
        );
        becomes(
            "REVOKE ALL ON TABLE t FROM PUBLIC;REVOKE ALL ON TABLE t FROM bob GRANTED BY bob;",
            "REVOKE ALL ON TABLE t FROM PUBLIC;REVOKE ALL ON TABLE t FROM \"ann\" GRANTED BY \"ann\";",
        );
        becomes(
            "ALTER DEFAULT PRIVILEGES FOR ROLE bob IN SCHEMA bob REVOKE ALL ON TABLES  FROM bob;",
            "ALTER DEFAULT PRIVILEGES FOR ROLE \"ann\" IN SCHEMA bob REVOKE ALL ON TABLES  FROM \"ann\";",
        );
        becomes(
            "CREATE POLICY bob ON app.t AS RESTRICTIVE FOR SELECT TO alice, bob USING ((bob = 'TO bob'::text));",
            "CREATE POLICY bob ON app.t AS RESTRICTIVE FOR SELECT TO alice, \"ann\" USING ((bob = 'TO bob'::text));",
        );
        becomes(
            "CREATE USER MAPPING FOR bob SERVER bob OPTIONS (\n    \"user\" 'bob'\n);DROP USER MAPPING IF EXISTS FOR bob SERVER s;",
            "CREATE USER MAPPING FOR \"ann\" SERVER bob OPTIONS (\n    \"user\" 'bob'\n);DROP USER MAPPING IF EXISTS FOR \"ann\" SERVER s;",
        );
    }

    #[test]
    fn whatever_else_looks_like_a_role_stays() {
        for sql in [
            "CREATE FUNCTION app.f() RETURNS void LANGUAGE sql AS $$\nGRANT x TO bob; ALTER TABLE t OWNER TO bob;\n$$;\n",
            "CREATE FUNCTION app.f() RETURNS void LANGUAGE sql AS ' ;\nALTER TABLE t OWNER TO bob;''';\n",
            "CREATE FUNCTION app.f() RETURNS int LANGUAGE sql\n    BEGIN ATOMIC\n SELECT bob.bob FROM bob;\nEND;\n",
            "CREATE POLICY p ON app.t USING ((\"TO\" = bob));",
            "CREATE VIEW bob AS SELECT bob.x FROM bob;",
            "COMMENT ON ROLE bob IS 'GRANT TO bob;';",
            "-- GRANT ALL ON t TO bob;\nSELECT 1;",
            "ALTER TABLE ONLY bob ALTER COLUMN bob SET DEFAULT E'\\'; ALTER TABLE t OWNER TO bob;';",
            "GRANT ALL ON TABLE bob TO PUBLIC;",
            "SET default_tablespace = bob;",
            "\\restrict k3Y\n\nSET row_security = off;\n",
        ] {
            becomes(sql, sql);
        }
    }

    #[test]
    fn an_unfinished_script_is_not_believed() {
        let map = RoleMap::default();
        for sql in ["SELECT 'x;", "SELECT \"x;", "SELECT $a$;"] {
            assert_eq!(rename(sql, &map), None, "{sql}");
        }
    }
}
