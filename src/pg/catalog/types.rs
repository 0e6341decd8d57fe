//! Which types may travel in binary, decided on the real type tree (domains, arrays, composites,
//! ranges), never on names of columns, and when it means the same on two servers.

use std::collections::HashMap;

use crate::pg::{Client, PgError};
use crate::schema::Oid;

const TYPES: &str = include_str!("types.sql");
/// Objects made by the user have OIDs from here on (`FirstNormalObjectId`, access/transam.h);
/// below [`FIRST_GENBKI_OID`] one means the same on every server of a major version or later.
const FIRST_NORMAL_OID: u32 = 16384;
/// From here to there OIDs are given anew by each build and each initdb (`FirstGenbkiObjectId`): domains of
/// information_schema, row types of system views. A server before 14 refuses a value in which such an OID is
/// another one than its own.
const FIRST_GENBKI_OID: u32 = 10000;
/// Nesting of domains, arrays and composites that we follow; PostgreSQL's own types go 3 deep.
const MAX_DEPTH: u8 = 32;

/// Types of which the server refuses its own binary form where they are empty: "operand not found",
/// "invalid int2vector data" (seen on 15).
const NOT_READ_BACK: [&str; 3] = ["tsquery", "int2vector", "oidvector"];

/// Read and written alike, each by the rules of its own length.
const TEXTS: [&str; 3] = ["text", "varchar", "bpchar"];

/// A row of `pg_type`, reduced to what the decision needs; zero OIDs mean none.
#[derive(Debug, Clone)]
struct Type {
    name: String,
    /// `typtype`: b, c, d, e, m, p or r.
    kind: char,
    element: u32,
    base: u32,
    subtype: u32,
    has_binary: bool,
    fields: Vec<u32>,
}

/// All types of a database by OID.
#[derive(Debug, Default)]
pub struct Types(HashMap<u32, Type>);

impl Types {
    /// Reads them.
    pub fn read(client: &mut Client) -> Result<Self, PgError> {
        let mut types = Self::default();
        for row in client.query(TYPES)? {
            let found = Type {
                name: row.text(1)?.to_owned(),
                kind: row.text(2)?.chars().next().unwrap_or('?'),
                element: row.parse(3)?,
                base: row.parse(4)?,
                subtype: row.parse(5)?,
                has_binary: row.bool(6)?,
                fields: row
                    .text(7)?
                    .split(' ')
                    .filter_map(|oid| oid.parse().ok())
                    .collect(),
            };
            types.0.insert(row.parse(0)?, found);
        }
        Ok(types)
    }

    /// A word for how values of this type look in binary: the same on another server where they are
    /// read there as what they are here.
    pub fn form(&self, oid: Oid) -> String {
        self.form_of(oid.0, 0)
    }

    fn form_of(&self, oid: u32, depth: u8) -> String {
        let Some(found) = self.0.get(&oid).filter(|_| depth < MAX_DEPTH) else {
            return format!("type {oid}");
        };
        let name = found.name.as_str();
        match found.kind {
            _ if oid < FIRST_NORMAL_OID && TEXTS.contains(&name) => "text".to_owned(),
            _ if oid < FIRST_NORMAL_OID => name.to_owned(),
            'd' => self.form_of(found.base, depth + 1),
            'e' => "enum".to_owned(),
            'r' => format!("range of {}", self.form_of(found.subtype, depth + 1)),
            // The OIDs of the fields' types are part of a value.
            'c' => format!("({})", self.names(&found.fields)),
            'b' if found.element != 0 => {
                format!("array of {}", self.form_of(found.element, depth + 1))
            }
            _ => format!("another {name}"),
        }
    }

    fn names(&self, oids: &[u32]) -> String {
        let names = oids.iter().filter_map(|oid| self.0.get(oid));
        let names: Vec<_> = names.map(|found| found.name.as_str()).collect();
        names.join(", ")
    }

    /// Says why a value of this type must travel as text, or nothing where binary is safe.
    pub fn text_because(&self, oid: Oid) -> Option<String> {
        self.unsafe_reason(oid.0, 0)
    }

    fn unsafe_reason(&self, oid: u32, depth: u8) -> Option<String> {
        let Some(found) = self.0.get(&oid).filter(|_| depth < MAX_DEPTH) else {
            return Some(format!("type with OID {oid} is unknown"));
        };
        let name = &found.name;
        if !found.has_binary {
            return Some(format!("type {name} has no send and receive functions"));
        }
        if oid < FIRST_NORMAL_OID && NOT_READ_BACK.contains(&name.as_str()) {
            return Some(format!("an empty {name} cannot be read back in binary"));
        }
        match found.kind {
            'e' => None,
            'd' => self.unsafe_reason(found.base, depth + 1),
            'r' | 'm' if oid < FIRST_NORMAL_OID => None,
            'r' => self.unsafe_reason(found.subtype, depth + 1),
            'c' => self.composite_reason(found, depth),
            'b' if found.element != 0 => self.embedded_reason(name, found.element, depth),
            'b' => base_reason(oid, name),
            _ => Some(format!(
                "type {name} has no binary form that is known to be portable"
            )),
        }
    }

    /// Binary composites carry the OID of each field's type.
    fn composite_reason(&self, found: &Type, depth: u8) -> Option<String> {
        if found.fields.is_empty() {
            return Some(format!("type {} is a table's row type", found.name));
        }
        found
            .fields
            .iter()
            .find_map(|&field| self.embedded_reason(&found.name, field, depth))
    }

    /// A type whose OID stands inside the value of another one.
    fn embedded_reason(&self, outer: &str, inner: u32, depth: u8) -> Option<String> {
        let whose = match inner {
            FIRST_NORMAL_OID.. => "a user-defined type",
            FIRST_GENBKI_OID.. => "a type that each server numbers itself",
            _ => return self.unsafe_reason(inner, depth + 1),
        };
        Some(format!("type {outer} carries the OID of {whose}"))
    }
}

fn base_reason(oid: u32, name: &str) -> Option<String> {
    if oid >= FIRST_NORMAL_OID {
        return Some(format!(
            "the binary form of type {name} belongs to its extension's version"
        ));
    }
    // regclass and its kin send the bare OID, which names another object on another server.
    name.starts_with("reg")
        .then(|| format!("type {name} carries an OID of this server"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(types: &mut Types, oid: u32, name: &str, kind: char, edit: impl Fn(&mut Type)) {
        let mut new = Type {
            name: name.into(),
            kind,
            element: 0,
            base: 0,
            subtype: 0,
            has_binary: true,
            fields: vec![],
        };
        edit(&mut new);
        types.0.insert(oid, new);
    }

    fn sample() -> Types {
        let mut types = Types::default();
        add(&mut types, 23, "int4", 'b', |_| ());
        add(&mut types, 1007, "_int4", 'b', |t| t.element = 23);
        add(&mut types, 1033, "aclitem", 'b', |t| t.has_binary = false);
        add(&mut types, 1034, "_aclitem", 'b', |t| t.element = 1033);
        add(&mut types, 2205, "regclass", 'b', |_| ());
        add(&mut types, 2210, "_regclass", 'b', |t| t.element = 2205);
        add(&mut types, 3615, "tsquery", 'b', |_| ());
        add(&mut types, 19, "name", 'b', |_| ());
        add(&mut types, 13000, "sql_identifier", 'd', |t| t.base = 19);
        add(&mut types, 12999, "_sql_identifier", 'b', |t| {
            t.element = 13000
        });
        add(&mut types, 20008, "named", 'c', |t| t.fields = vec![13000]);
        add(&mut types, 20000, "mood", 'e', |_| ());
        add(&mut types, 20001, "_mood", 'b', |t| t.element = 20000);
        add(&mut types, 20002, "acl_domain", 'd', |t| t.base = 1034);
        add(&mut types, 20003, "pair", 'c', |t| {
            t.fields = vec![23, 1007]
        });
        add(&mut types, 20004, "moody", 'c', |t| {
            t.fields = vec![23, 20000]
        });
        add(&mut types, 20005, "hstore", 'b', |_| ());
        add(&mut types, 20006, "int_range", 'r', |t| t.subtype = 23);
        add(&mut types, 20007, "loop", 'd', |t| t.base = 20007);
        types
    }

    #[test]
    fn binary_is_for_types_that_mean_the_same_everywhere() {
        let types = sample();
        for oid in [23, 1007, 13000, 20000, 20003, 20006] {
            assert_eq!(types.text_because(Oid(oid)), None, "{oid}");
        }
    }

    #[test]
    fn forms_tell_what_is_read_as_the_same() {
        let mut types = sample();
        add(&mut types, 20, "int8", 'b', |_| ());
        add(&mut types, 25, "text", 'b', |_| ());
        add(&mut types, 1043, "varchar", 'b', |_| ());
        add(&mut types, 30000, "small", 'd', |t| t.base = 23);
        add(&mut types, 30001, "large", 'd', |t| t.base = 20);
        let form = |oid| types.form(Oid(oid));
        assert_eq!(form(25), form(1043));
        assert_eq!(form(23), form(30000));
        assert_ne!(form(30000), form(30001));
        assert_eq!(form(20003), "(int4, _int4)");
        assert_eq!(form(20000), "enum");
        assert_eq!(form(20006), "range of int4");
        assert!(form(20007).starts_with("type "));
    }

    #[test]
    fn oids_and_missing_functions_are_found_at_any_depth() {
        let types = sample();
        for oid in [
            1033, 1034, 2205, 2210, 3615, 12999, 20001, 20002, 20004, 20005, 20007, 20008, 99999,
        ] {
            assert!(types.text_because(Oid(oid)).is_some(), "{oid}");
        }
    }
}
