//! Who provides the security labels that a script gives.

use super::{lexer, roles};

/// The providers of its labels, each as often as it has one; none where the script is unfinished.
pub fn label_providers(sql: &str) -> Vec<String> {
    let statements = lexer::statements(sql).unwrap_or_default();
    statements.into_iter().filter_map(provider).collect()
}

fn provider(statement: &str) -> Option<String> {
    let rest = statement.strip_prefix("SECURITY LABEL FOR ")?;
    roles::name(lexer::token(rest, 0)??.text(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_label_names_its_provider() {
        let sql = "--\n-- Name: t; Type: SECURITY LABEL\n--\n\nSECURITY LABEL FOR dummy ON TABLE a.t IS 'x;\nSECURITY LABEL FOR other ON TABLE b IS ''y''';\n\
            SECURITY LABEL FOR \"Odd \"\"one\" ON COLUMN a.t.i IS E'\\'';\n\n";
        assert_eq!(label_providers(sql), ["dummy", "Odd \"one"]);
        assert!(label_providers("COMMENT ON TABLE a.t IS 'SECURITY LABEL FOR x';").is_empty());
        assert!(label_providers("SECURITY LABEL FOR").is_empty());
    }
}
