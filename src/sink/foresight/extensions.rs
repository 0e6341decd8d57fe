//! Extensions that the target's server lacks, refuses, or has otherwise.

use super::facts::{Available, Facts};
use super::{DIFFERS, SKIPPED};
use crate::phase::Entry;
use crate::schema::database::Extension;

/// `source` are the extensions as they are there.
pub(super) fn lines(facts: &Facts, entries: &[Entry], source: &[Extension]) -> Vec<String> {
    let extensions = entries.iter().filter(|entry| entry.desc == "EXTENSION");
    extensions
        .filter_map(|entry| {
            // Listed as `- NAME `.
            let name = entry.name.strip_prefix("- ").unwrap_or(&entry.name);
            line(facts, name.trim_end(), source)
        })
        .collect()
}

fn line(facts: &Facts, name: &str, source: &[Extension]) -> Option<String> {
    let skipped = |why: &str| Some(format!("{SKIPPED}extension {name}: {why}"));
    let Some(found) = facts.extensions.get(name) else {
        return skipped("is not installed on the target's host");
    };
    if found.schema.is_none() && !found.is_trusted && !facts.is_superuser {
        return skipped("only a superuser can make it; let one do that beforehand");
    }
    let source = source.iter().find(|extension| extension.name == name)?;
    difference(found, source).map(|what| format!("{DIFFERS}extension {name}: {what}"))
}

fn difference(found: &Available, source: &Extension) -> Option<String> {
    let Extension {
        version, schema, ..
    } = source;
    match &found.schema {
        Some(there) if there != schema => Some(format!(
            "is in schema {there} on the target, in {schema} on the source; what names it there will be refused"
        )),
        _ if found.version != *version => Some(format!(
            "version {} on the target, {version} on the source",
            found.version
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn available(version: &str, schema: Option<&str>, is_trusted: bool) -> Available {
        Available {
            version: version.into(),
            schema: schema.map(str::to_owned),
            is_trusted,
        }
    }

    fn told(facts: &Facts, name: &str) -> Option<String> {
        let source = Extension {
            name: name.into(),
            version: "1.0".into(),
            schema: "app".into(),
        };
        line(facts, name, &[source])
    }

    #[test]
    fn extensions_are_missing_not_trusted_or_other_ones() {
        let mut facts = Facts::default();
        let known = [
            ("trusted", available("1.0", None, true)),
            ("refused", available("1.0", None, false)),
            ("made", available("1.0", Some("app"), false)),
            ("elsewhere", available("1.0", Some("public"), false)),
            ("newer", available("2.0", None, true)),
        ];
        facts
            .extensions
            .extend(known.map(|(name, found)| (name.to_owned(), found)));
        assert_eq!(told(&facts, "trusted"), None);
        assert_eq!(told(&facts, "made"), None);
        let starts = |name: &str, start: &str| told(&facts, name).unwrap().starts_with(start);
        assert!(starts(
            "refused",
            "will be skipped: extension refused: only a superuser"
        ));
        assert!(starts(
            "gone",
            "will be skipped: extension gone: is not installed"
        ));
        assert!(starts(
            "elsewhere",
            "differs: extension elsewhere: is in schema public"
        ));
        assert!(starts(
            "newer",
            "differs: extension newer: version 2.0 on the target"
        ));
        facts.is_superuser = true;
        assert_eq!(told(&facts, "refused"), None);
    }
}
