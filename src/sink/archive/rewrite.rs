//! What index and key entries build, and how they are split in two transactions, so that a table's indexes
//! build side by side.
//!
//! `ADD CONSTRAINT … PRIMARY KEY` builds its index under ACCESS EXCLUSIVE, one at a time. A unique
//! index built under SHARE and then adopted by the constraint gives the same catalog entries.

use super::lexer;

/// An entry as two transactions. Both in one would upgrade the lock on the table from SHARE, and
/// deadlock with another that does the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TwoStep {
    /// Settings that the entry begins with, and `CREATE INDEX`: holds SHARE on the table.
    pub build: String,
    /// Whatever follows: takes stronger locks, for moments.
    pub finish: String,
}

/// The two steps of an entry of either kind, `None` where it is to be run as it is.
///
/// `on_plain_table` is [`crate::phase::Task::on_plain_table`]: keys of partitioned tables cannot
/// adopt an index.
pub fn two_steps(sql: &str, on_plain_table: bool) -> Option<TwoStep> {
    let key = || on_plain_table.then(|| rewrite_constraint(sql)).flatten();
    split_index(sql).or_else(key)
}

/// An `INDEX` entry that goes on after its `CREATE INDEX` (`CLUSTER ON`, `REPLICA IDENTITY`,
/// `SET STATISTICS`).
pub fn split_index(sql: &str) -> Option<TwoStep> {
    let entry = Entry::parse(sql)?;
    let creates = ["CREATE INDEX ", "CREATE UNIQUE INDEX "];
    let is_index = creates.iter().any(|start| entry.main.starts_with(start));
    if !is_index || entry.rest.is_empty() {
        return None;
    }
    Some(TwoStep {
        build: entry.after_settings(entry.main),
        finish: entry.rest.join("\n"),
    })
}

/// A `CONSTRAINT` entry of the plain form
///
/// ```text
/// ALTER TABLE ONLY s.t
///     ADD CONSTRAINT n PRIMARY KEY (a, b);       or UNIQUE
/// ```
///
/// with nothing after the column list. What follows the statement becomes part of the second step.
/// The table must be an ordinary one; the text does not tell.
pub fn rewrite_constraint(sql: &str) -> Option<TwoStep> {
    let entry = Entry::parse(sql)?;
    let mut words = Words(entry.main);
    words.expect("ALTER TABLE ONLY ")?;
    let table = words.qualified_name()?;
    words.expect("\n    ADD CONSTRAINT ")?;
    let name = words.identifier()?;
    let kind = ["PRIMARY KEY", "UNIQUE"]
        .into_iter()
        .find(|kind| words.expect(&format!(" {kind} (")).is_some())?;
    let columns = words.columns()?;
    if words.0 != ");" {
        return None;
    }
    let index = format!("CREATE UNIQUE INDEX {name} ON {table} ({columns});");
    let mut finish =
        format!("ALTER TABLE ONLY {table}\n    ADD CONSTRAINT {name} {kind} USING INDEX {name};");
    for statement in &entry.rest {
        finish.push('\n');
        finish.push_str(statement);
    }
    Some(TwoStep {
        build: entry.after_settings(&index),
        finish,
    })
}

/// Whether an index or constraint entry builds a B-tree.
pub fn builds_b_tree(sql: &str) -> bool {
    let main = Entry::parse(sql).map(|entry| entry.main);
    let method = main.and_then(|main| index_method(main).or_else(|| constraint_method(main)));
    method == Some("btree")
}

/// The access method of a `CREATE INDEX`, as `pg_get_indexdef` writes it.
fn index_method(statement: &str) -> Option<&str> {
    let mut words = Words(statement);
    words.expect("CREATE ")?;
    let _ = words.expect("UNIQUE ");
    words.expect("INDEX ")?;
    words.identifier()?;
    words.expect(" ON ")?;
    let _ = words.expect("ONLY ");
    words.qualified_name()?;
    words.expect(" USING ")?;
    words.identifier()
}

/// The access method of the index that a constraint brings.
fn constraint_method(statement: &str) -> Option<&str> {
    let mut words = Words(statement);
    words.expect("ALTER TABLE ")?;
    let _ = words.expect("ONLY ");
    words.qualified_name()?;
    words.expect("\n    ADD CONSTRAINT ")?;
    words.identifier()?;
    if words.expect(" EXCLUDE USING ").is_some() {
        return words.identifier();
    }
    let is_key = [" PRIMARY KEY ", " UNIQUE "]
        .into_iter()
        .any(|kind| words.0.starts_with(kind));
    is_key.then(|| match words.0.contains(" WITHOUT OVERLAPS)") {
        true => "gist",
        false => "btree",
    })
}

/// What of an entry gives its object to the owner: the statements that its SQL has and that without
/// owners has not, as pg_dump writes them, each on a line of its own.
pub fn owner_statements<'a>(sql: &'a str, bare: &str) -> Vec<&'a str> {
    let gives = |line: &&str| {
        line.starts_with("ALTER ")
            && line.contains(" OWNER TO ")
            && line.ends_with(';')
            && !bare.contains(*line)
    };
    sql.lines().filter(gives).collect()
}

/// An event trigger that acts when a session begins: recv's own, until it has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginTrigger {
    /// As it stands in SQL.
    pub name: String,
    /// What lets it act as it does on the source.
    pub enable: String,
}

/// An `EVENT TRIGGER` entry that creates one (17 and later) which is not disabled.
pub fn login_trigger(sql: &str) -> Option<LoginTrigger> {
    let entry = Entry::parse(sql)?;
    let mut words = Words(entry.main);
    words.expect("CREATE EVENT TRIGGER ")?;
    let name = words.identifier()?;
    words.expect(" ON login\n")?;
    let says = |state: &str| entry.rest.iter().any(|s| s.ends_with(state));
    let state = match () {
        () if says(" DISABLE;") => return None,
        () if says(" ENABLE ALWAYS;") => "ENABLE ALWAYS",
        () if says(" ENABLE REPLICA;") => "ENABLE REPLICA",
        () => "ENABLE",
    };
    Some(LoginTrigger {
        name: name.to_owned(),
        enable: format!("ALTER EVENT TRIGGER {name} {state}"),
    })
}

/// The statements of one entry: leading SETs, the one that creates, what follows it.
struct Entry<'a> {
    settings: Vec<&'a str>,
    main: &'a str,
    rest: Vec<&'a str>,
}

impl<'a> Entry<'a> {
    fn parse(sql: &'a str) -> Option<Self> {
        let statements = lexer::statements(sql)?;
        let is_setting = |s: &&&str| s.starts_with("SET ");
        let settings: Vec<_> = statements.iter().take_while(is_setting).copied().collect();
        let (main, rest) = statements[settings.len()..].split_first()?;
        Some(Self {
            settings,
            main,
            rest: rest.to_vec(),
        })
    }

    fn after_settings(&self, statement: &str) -> String {
        let mut sql: String = self.settings.iter().flat_map(|s| [s, "\n"]).collect();
        sql.push_str(statement);
        sql
    }
}

/// Reads a statement from the left, word by word, as pg_dump writes it.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    fn expect(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    fn take(&mut self, len: usize) -> &'a str {
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }

    fn identifier(&mut self) -> Option<&'a str> {
        if self.0.starts_with('"') {
            let len = lexer::quoted_len(self.0, '"', false)?;
            return Some(self.take(len));
        }
        // pg_dump quotes whatever is not of these.
        let part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let len = self.0.find(|c| !part(c)).unwrap_or(self.0.len());
        (len > 0).then(|| self.take(len))
    }

    fn qualified_name(&mut self) -> Option<&'a str> {
        let start = self.0;
        self.identifier()?;
        self.expect(".")?;
        self.identifier()?;
        Some(&start[..start.len() - self.0.len()])
    }

    fn columns(&mut self) -> Option<&'a str> {
        let start = self.0;
        self.identifier()?;
        while self.expect(", ").is_some() {
            self.identifier()?;
        }
        Some(&start[..start.len() - self.0.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(tail: &str) -> String {
        format!(
            "--\n-- Name: t k; Type: CONSTRAINT\n--\n\nALTER TABLE ONLY app.t\n    ADD CONSTRAINT k {tail}\n\n\n"
        )
    }

    #[test]
    fn a_plain_key_is_rewritten() {
        let sql = format!(
            "SET default_tablespace = space;\n\n{}",
            key("PRIMARY KEY (a, \"B\");")
        );
        let steps = rewrite_constraint(&sql).unwrap();
        assert_eq!(
            steps.build,
            "SET default_tablespace = space;\nCREATE UNIQUE INDEX k ON app.t (a, \"B\");"
        );
        assert_eq!(
            steps.finish,
            "ALTER TABLE ONLY app.t\n    ADD CONSTRAINT k PRIMARY KEY USING INDEX k;"
        );
    }

    #[test]
    fn what_follows_is_kept() {
        let sql = key(
            "UNIQUE (a);\n\nALTER TABLE app.t CLUSTER ON k;\n\n\nALTER TABLE ONLY app.t REPLICA IDENTITY USING INDEX k;",
        );
        let steps = two_steps(&sql, true).unwrap();
        assert_eq!(
            steps.finish,
            "ALTER TABLE ONLY app.t\n    ADD CONSTRAINT k UNIQUE USING INDEX k;\n\
             ALTER TABLE app.t CLUSTER ON k;\nALTER TABLE ONLY app.t REPLICA IDENTITY USING INDEX k;"
        );
        assert_eq!(two_steps(&sql, false), None);
    }

    #[test]
    fn identifiers_may_hold_anything() {
        let sql = "ALTER TABLE ONLY \"S.\"\"(x)\".\"T\nnew ;--\"\n    ADD CONSTRAINT \"pk (a, \"\"b\"\");\nx\" PRIMARY KEY (\"Id (1)\", \"b\"\";\n--\");\n";
        let steps = rewrite_constraint(sql).unwrap();
        assert_eq!(
            steps.build,
            "CREATE UNIQUE INDEX \"pk (a, \"\"b\"\");\nx\" ON \"S.\"\"(x)\".\"T\nnew ;--\" (\"Id (1)\", \"b\"\";\n--\");"
        );
        assert!(
            steps
                .finish
                .ends_with("PRIMARY KEY USING INDEX \"pk (a, \"\"b\"\");\nx\";")
        );
    }

    #[test]
    fn any_other_form_stays_as_it_is() {
        for tail in [
            "PRIMARY KEY (a) INCLUDE (b);",
            "UNIQUE (a) DEFERRABLE INITIALLY DEFERRED;",
            "UNIQUE NULLS NOT DISTINCT (a);",
            "PRIMARY KEY (a) WITH (fillfactor='50');",
            "PRIMARY KEY (a, b WITHOUT OVERLAPS);",
            "EXCLUDE USING btree (n WITH =);",
            "FOREIGN KEY (a) REFERENCES app.u(a);",
            "PRIMARY KEY ();",
            "PRIMARY KEY (a",
        ] {
            assert_eq!(two_steps(&key(tail), true), None, "{tail}");
        }
    }

    #[test]
    fn b_trees_are_told_from_other_indexes() {
        let index = |definition: &str| format!("SET default_tablespace = '';\n\n{definition};\n");
        for sql in [
            index("CREATE INDEX i ON app.t USING btree (a)"),
            index("CREATE UNIQUE INDEX \"I ON x\" ON ONLY \"S\".\"T\" USING btree (lower(a))"),
            index(
                "CREATE INDEX i ON app.t USING btree (a) WITH (fillfactor='50') WHERE (b = ' USING gin ('::text)",
            ),
            key("PRIMARY KEY (a);"),
            key("UNIQUE NULLS NOT DISTINCT (a) INCLUDE (b) DEFERRABLE;"),
            key("EXCLUDE USING btree (n WITH =);"),
        ] {
            assert!(builds_b_tree(&sql), "{sql}");
        }
        for sql in [
            index("CREATE INDEX i ON app.t USING gin (a)"),
            index("CREATE INDEX \" USING btree (\" ON app.t USING hash (a)"),
            index("ALTER INDEX app.i ATTACH PARTITION app.j"),
            key("PRIMARY KEY (a, b WITHOUT OVERLAPS);"),
            key("UNIQUE (a, b WITHOUT OVERLAPS) INCLUDE (c);"),
            key("EXCLUDE USING gist (n WITH =);"),
            key("FOREIGN KEY (a) REFERENCES app.u(a);"),
        ] {
            assert!(!builds_b_tree(&sql), "{sql}");
        }
    }

    #[test]
    fn only_what_names_the_owner_gives_it_to_him() {
        let bare =
            "CREATE FUNCTION s.f() RETURNS text\n    AS $$\nALTER TABLE t OWNER TO x;\n$$;\n";
        let sql = format!("{bare}\n\nALTER FUNCTION s.f() OWNER TO \"Bob o'x\";\n\n");
        let expected = ["ALTER FUNCTION s.f() OWNER TO \"Bob o'x\";"];
        assert_eq!(owner_statements(&sql, bare), expected);
        assert!(owner_statements(bare, bare).is_empty());
    }

    #[test]
    fn a_trigger_at_login_is_told_with_its_state() {
        let create = "--\n-- Name: \"At ;\"; Type: EVENT TRIGGER\n--\n\nCREATE EVENT TRIGGER \"At ;\" ON login\n   EXECUTE FUNCTION public.f();\n\n";
        let enable = |tail: &str| login_trigger(&format!("{create}{tail}\n")).map(|t| t.enable);
        assert_eq!(enable("").unwrap(), "ALTER EVENT TRIGGER \"At ;\" ENABLE");
        let always = "\nALTER EVENT TRIGGER \"At ;\" ENABLE ALWAYS;\n\nALTER EVENT TRIGGER \"At ;\" OWNER TO o;\n";
        assert_eq!(
            enable(always).unwrap(),
            "ALTER EVENT TRIGGER \"At ;\" ENABLE ALWAYS"
        );
        assert_eq!(enable("ALTER EVENT TRIGGER \"At ;\" DISABLE;"), None);
        assert_eq!(
            login_trigger("CREATE EVENT TRIGGER a ON sql_drop\n   EXECUTE FUNCTION f();"),
            None
        );
    }

    #[test]
    fn an_index_is_split_where_it_goes_on() {
        let create = "CREATE INDEX i ON app.t USING btree (((a || ';'::text)));";
        assert_eq!(split_index(create), None);
        let sql = format!(
            "SET default_tablespace = '';\n\n{create}\n\nALTER TABLE app.t CLUSTER ON i;\n"
        );
        let steps = two_steps(&sql, false).unwrap();
        assert_eq!(
            steps.build,
            format!("SET default_tablespace = '';\n{create}")
        );
        assert_eq!(steps.finish, "ALTER TABLE app.t CLUSTER ON i;");
    }
}
