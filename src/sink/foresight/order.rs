//! By what the two databases sort text: where it is not the same, order and upper and lower case may not be.

use crate::pg::{Client, PgError, catalog};
use crate::wire::message::{Locale, SourceInfo};

/// Nothing where encoding and collation are the source's.
pub(super) fn line(client: &mut Client, source: &SourceInfo) -> Result<Option<String>, PgError> {
    let (encoding, locale) = catalog::locale(client)?;
    Ok(difference(
        &order(&encoding, &locale),
        &order(&source.encoding, &source.locale),
    ))
}

fn difference(here: &str, there: &str) -> Option<String> {
    (spelt(here) != spelt(there)).then(|| {
        format!(
            "the target database sorts by {here}, the source's by {there}: \
             order may differ, and unique indexes on expressions such as lower() may be refused"
        )
    })
}

/// What decides how text compares, for people.
fn order(encoding: &str, locale: &Locale) -> String {
    let Locale { collate, ctype, .. } = locale;
    let mut text = match (locale.provider, &locale.provider_locale) {
        ('i', Some(name)) => format!("icu {name}"),
        ('b', Some(name)) => format!("builtin {name}"),
        _ if ctype == collate => format!("libc {collate}"),
        _ => format!("libc {collate}, ctype {ctype}"),
    };
    if let Some(rules) = &locale.icu_rules {
        text += &format!(" with rules {rules}");
    }
    format!("{text} in {encoding}")
}

/// One locale has several names: `en_US.UTF-8` and `en_US.utf8`, `de-DE` and `de_DE`, `POSIX` and `C`, which
/// is libc's and builtin.
fn spelt(order: &str) -> String {
    let plain = order.to_lowercase().replace(['-', '_'], "");
    plain
        .replace("posix", "c")
        .replace("builtin c in ", "libc c in ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn libc(collate: &str, ctype: &str) -> Locale {
        Locale {
            collate: collate.into(),
            ctype: ctype.into(),
            provider: 'c',
            provider_locale: None,
            icu_rules: None,
        }
    }

    fn icu(name: &str, rules: Option<&str>) -> Locale {
        Locale {
            provider: 'i',
            provider_locale: Some(name.into()),
            icu_rules: rules.map(str::to_owned),
            ..libc("C", "C")
        }
    }

    fn told(here: &Locale, there: &Locale) -> Option<String> {
        difference(&order("UTF8", here), &order("UTF8", there))
    }

    #[test]
    fn names_of_one_locale_are_no_difference() {
        for (here, there) in [
            (
                libc("en_US.UTF-8", "en_US.UTF-8"),
                libc("en_US.utf8", "en_US.utf8"),
            ),
            (libc("POSIX", "C"), libc("C", "POSIX")),
            (icu("de-DE", None), icu("de_DE", None)),
        ] {
            assert_eq!(told(&here, &there), None, "{here:?}");
        }
    }

    #[test]
    fn another_order_is_told() {
        let german = libc("de_DE.utf8", "de_DE.utf8");
        assert_eq!(
            told(&libc("C", "C.utf8"), &german).unwrap(),
            "the target database sorts by libc C, ctype C.utf8 in UTF8, the source's by libc de_DE.utf8 in UTF8: \
             order may differ, and unique indexes on expressions such as lower() may be refused"
        );
        let line = told(&icu("de", Some("&a < g")), &icu("de", None)).unwrap();
        assert!(
            line.contains("by icu de with rules &a < g in UTF8, "),
            "{line}"
        );
        let other = difference(&order("UTF8", &german), &order("LATIN1", &german));
        assert!(other.unwrap().contains("de_DE.utf8 in LATIN1"));
    }
}
