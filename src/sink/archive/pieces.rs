//! Cuts what `pg_restore --verbose` prints of many entries into the SQL of each.
//!
//! ```text
//! SET default_tablespace = '';             stands before the entry it is for, and only where it
//!                                          differs from the entry before
//! --
//! -- TOC entry 3316 (class 1259 OID 16418)
//! -- Dependencies: 218
//! -- Name: i1; Type: INDEX; Schema: app; Owner: postgres
//! --
//! ```

use crate::phase::DumpId;

const HEAD: &str = "--\n-- TOC entry ";
/// Settings that pg_restore prints where they change (`_selectTablespace`,
/// `_selectTableAccessMethod` in pg_backup_archiver.c).
const SETTINGS: [&str; 2] = [
    "SET default_tablespace = ",
    "SET default_table_access_method = ",
];

/// The SQL of each entry, in the order of `ids`, with the settings that are in force there.
///
/// Nothing where the text does not show exactly these entries in this order: a name may contain
/// what looks like a head. The caller then asks for them one by one.
pub(super) fn split(body: &str, ids: &[DumpId]) -> Option<Vec<String>> {
    let mut heads = body.split(HEAD);
    let mut settings = Settings::default();
    settings.take_from(heads.next()?);
    let mut pieces = Vec::with_capacity(ids.len());
    for (id, text) in ids.iter().zip(heads.by_ref()) {
        let (head, _) = text.split_once(' ')?;
        (head.parse() == Ok(id.0)).then_some(())?;
        pieces.push(format!("{}{HEAD}{text}", settings.in_force()));
        settings.take_from(text);
    }
    (pieces.len() == ids.len() && heads.next().is_none()).then_some(pieces)
}

#[derive(Default)]
struct Settings<'a>([Option<&'a str>; SETTINGS.len()]);

impl<'a> Settings<'a> {
    fn take_from(&mut self, text: &'a str) {
        for line in text.lines() {
            for (place, start) in self.0.iter_mut().zip(SETTINGS) {
                if line.starts_with(start) {
                    *place = Some(line);
                }
            }
        }
    }

    fn in_force(&self) -> String {
        self.0
            .iter()
            .flatten()
            .map(|line| format!("{line}\n"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: u32, sql: &str) -> String {
        format!("--\n-- TOC entry {id} (class 1259 OID 1)\n-- Name: x\n--\n\n{sql}\n\n\n")
    }

    #[test]
    fn settings_stay_in_force_until_they_change() {
        let body = format!(
            "SET default_tablespace = fast;\n\n{}{}SET default_tablespace = '';\n\n{}",
            entry(1, "CREATE INDEX a ON t (a);"),
            entry(2, "CREATE INDEX b ON t (b);"),
            entry(7, "CREATE INDEX c ON t (c);"),
        );
        let pieces = split(&body, &[DumpId(1), DumpId(2), DumpId(7)]).unwrap();
        assert!(pieces[0].starts_with("SET default_tablespace = fast;\n--\n-- TOC entry 1 "));
        assert!(pieces[1].starts_with("SET default_tablespace = fast;\n--\n-- TOC entry 2 "));
        assert!(pieces[2].starts_with("SET default_tablespace = '';\n--\n-- TOC entry 7 "));
        assert!(pieces[2].contains("CREATE INDEX c ON t (c);"));
    }

    #[test]
    fn other_entries_than_asked_for_are_not_believed() {
        let body = format!("{}{}", entry(1, "a;"), entry(2, "b;"));
        assert!(split(&body, &[DumpId(1), DumpId(3)]).is_none());
        assert!(split(&body, &[DumpId(1)]).is_none());
        assert!(split(&body, &[DumpId(1), DumpId(2), DumpId(3)]).is_none());
        let hostile = entry(1, "CREATE INDEX \"x\n--\n-- TOC entry 2 (\" ON t (a);");
        assert!(split(&hostile, &[DumpId(1)]).is_none());
    }
}
