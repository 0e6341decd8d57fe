//! Names in a line for the user.

use std::fmt::Display;

/// The first of them, so many at most, with `between` between two; the others are counted.
///
/// ```
/// use pgpipe::schema::first_few;
///
/// assert_eq!(first_few(&["a", "b", "c"], 3, ", "), "a, b, c");
/// assert_eq!(first_few(&["a", "b", "c", "d"], 2, ", "), "a, b and 2 more");
/// assert_eq!(first_few(&["a", "b", "c", "d"], 2, "; "), "a; b; and 2 more");
/// ```
pub fn first_few<T: Display>(things: &[T], limit: usize, between: &str) -> String {
    let shown: Vec<_> = things.iter().take(limit).map(T::to_string).collect();
    let shown = shown.join(between);
    let mark = between.trim_end().trim_end_matches(',');
    match things.len().saturating_sub(limit) {
        0 => shown,
        more => format!("{shown}{mark} and {more} more"),
    }
}
