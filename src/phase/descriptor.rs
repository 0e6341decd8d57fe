//! The descriptors that pg_dump gives to entries, as `pg_restore -l` prints them.
//!
//! A listing separates descriptor, schema, name and owner by single spaces, and all four may contain
//! spaces. Only the descriptor is told apart: by this list, and by `tableoid` where a longer
//! descriptor could also be a shorter one followed by a schema of that name (`TABLE` in the schema
//! `"ATTACH"`).

/// A descriptor of several words, and the `tableoid` that its entries carry where that is needed
/// to tell it from a shorter one.
type Known = (&'static str, Option<u32>);

/// From pg_dump.c, versions 12 to 18: those of several words; every other one is a single word.
const SEVERAL_WORDS: &[Known] = &[
    ("ACCESS METHOD", None),
    ("ACL LANGUAGE", Some(0)),
    ("BLOB COMMENTS", Some(0)),
    ("BLOB METADATA", None),
    ("CHECK CONSTRAINT", None),
    ("DATABASE PROPERTIES", Some(0)),
    ("DEFAULT ACL", Some(826)),
    ("DUMMY TYPE", None),
    ("EVENT TRIGGER", None),
    ("FK CONSTRAINT", None),
    ("FOREIGN DATA WRAPPER", None),
    ("FOREIGN SERVER", None),
    ("FOREIGN TABLE", None),
    ("INDEX ATTACH", Some(0)),
    ("LARGE OBJECT", None),
    ("MATERIALIZED VIEW DATA", Some(0)),
    ("MATERIALIZED VIEW", None),
    ("OPERATOR CLASS", Some(2616)),
    ("OPERATOR FAMILY", Some(2753)),
    ("PROCEDURAL LANGUAGE", None),
    ("PUBLICATION TABLES IN SCHEMA", Some(6237)),
    ("PUBLICATION TABLE", Some(6106)),
    ("ROW SECURITY", None),
    ("SECURITY LABEL", None),
    ("SEQUENCE OWNED BY", Some(0)),
    ("SEQUENCE SET", Some(0)),
    ("SHELL TYPE", None),
    ("STATISTICS DATA", Some(0)),
    ("SUBSCRIPTION TABLE", Some(6102)),
    ("TABLE ATTACH", Some(0)),
    ("TABLE DATA", Some(0)),
    ("TEXT SEARCH CONFIGURATION", None),
    ("TEXT SEARCH DICTIONARY", None),
    ("TEXT SEARCH PARSER", None),
    ("TEXT SEARCH TEMPLATE", None),
    ("USER MAPPING", None),
];

/// Splits `text` into the descriptor and what follows it (schema, name and owner).
pub(super) fn split(tableoid: u32, text: &str) -> (&str, &str) {
    let longest = SEVERAL_WORDS
        .iter()
        .filter(|(_, needed)| needed.is_none_or(|oid| oid == tableoid))
        .filter(|(desc, _)| {
            text.strip_prefix(desc)
                .is_some_and(|rest| rest.starts_with(' '))
        })
        .map(|(desc, _)| desc.len())
        .max();
    let end = longest.unwrap_or_else(|| text.find(' ').unwrap_or(text.len()));
    let (desc, rest) = text.split_at(end);
    (desc, rest.strip_prefix(' ').unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_descriptor_wins() {
        assert_eq!(
            split(6237, "PUBLICATION TABLES IN SCHEMA app pub2 app postgres"),
            ("PUBLICATION TABLES IN SCHEMA", "app pub2 app postgres")
        );
        assert_eq!(
            split(0, "INDEX ATTACH app i o"),
            ("INDEX ATTACH", "app i o")
        );
        assert_eq!(split(1259, "INDEX app i o"), ("INDEX", "app i o"));
    }

    #[test]
    fn a_schema_may_be_called_like_the_rest_of_a_descriptor() {
        assert_eq!(split(1259, "TABLE ATTACH t o"), ("TABLE", "ATTACH t o"));
        assert_eq!(split(1259, "INDEX ATTACH i o"), ("INDEX", "ATTACH i o"));
        assert_eq!(split(2604, "DEFAULT ACL t c o"), ("DEFAULT", "ACL t c o"));
        assert_eq!(split(1259, "TABLE DATABASE t o"), ("TABLE", "DATABASE t o"));
    }

    #[test]
    fn an_unknown_descriptor_is_its_first_word() {
        assert_eq!(split(9999, "WIDGET app w o"), ("WIDGET", "app w o"));
        assert_eq!(split(9999, "WIDGET"), ("WIDGET", ""));
    }
}
