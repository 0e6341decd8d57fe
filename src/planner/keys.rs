//! Ranges of a key, chosen by a sample of the table's pages.
//!
//! A range is read through an index. That is as good as reading its pages only where its rows lie
//! together, as those of a serial number or of a time do, and where all ranges hold about as many.
//! A sample of whole pages tells both, and tells it of today: statistics may be out of date, and
//! their correlation says nothing of a table whose deleted rows were replaced by new ones.

use crate::chunk::{KeyKind, KeyRange, Range};

/// Pages of the sample for each range, so that the shares of two ranges differ by a fifth.
const PAGES_PER_RANGE: u32 = 32;
/// A sample of less is chance; one of more takes seconds where each page is a seek.
const SAMPLED_PAGES: (u32, u32) = (256, 2048);
/// Sampled pages between two values that are taken for quantiles; further ones are interpolated.
const PAGES_PER_ANCHOR: usize = 8;
/// How often a heap page may be read, all ranges together. Beyond it, in a table larger than memory,
/// reading row by row at known addresses is cheaper: it takes three times as long as a whole scan
/// from memory, but each page is read once (docs/benchmarks.md).
const MOST_READS: f64 = 2.0;
/// The largest range may hold so many times its fair share.
const MOST_UNEVEN: f64 = 3.0;

/// How many pages to sample for a table that is to become so many ranges.
pub fn sample_pages(ranges: u32) -> u32 {
    let (least, most) = SAMPLED_PAGES;
    ranges.saturating_mul(PAGES_PER_RANGE).clamp(least, most)
}

/// A column that leads an index, and the sample of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub column: String,
    pub kind: KeyKind,
    pub nullable: bool,
    /// The keys by page. The infinities are the ends of `i64`.
    pub pages: Vec<Vec<Option<i64>>>,
}

/// The ranges of the best of the candidates: the first of those that read the fewest pages twice.
pub(super) fn choose(candidates: &[Candidate], count: u32) -> Option<Vec<Range>> {
    let judged = candidates.iter().filter_map(|candidate| {
        let cuts = candidate.cuts(count as usize);
        let reads = candidate.reads(&cuts)?;
        let fits = reads <= MOST_READS && candidate.largest_share(&cuts) <= largest(count);
        // By tenths: less is chance.
        fits.then_some(((reads * 10.0) as u64, candidate, cuts))
    });
    let (_, candidate, cuts) = judged.min_by_key(|(reads, ..)| *reads)?;
    Some(candidate.ranges(&cuts))
}

/// The largest share of the rows that one range may have. A half is cut worse by 3 : 1 than not at all.
fn largest(count: u32) -> f64 {
    let fair = 1.0 / f64::from(count);
    (MOST_UNEVEN * fair).min((1.0 + fair) / 2.0)
}

impl Candidate {
    /// Where to cut into so many ranges of equally many rows: ascending, none twice, none at the
    /// first value. Fewer where values repeat.
    fn cuts(&self, count: usize) -> Vec<i64> {
        let finite = |key: &i64| *key != i64::MIN && *key != i64::MAX;
        let mut keys: Vec<i64> = self.keys().flatten().filter(finite).collect();
        keys.sort_unstable();
        let Some((&first, last)) = keys.first().zip(keys.len().checked_sub(1)) else {
            return Vec::new();
        };
        let anchors = count.min(self.pages.len() / PAGES_PER_ANCHOR).max(1);
        let anchor = |i: usize| keys[last * i.min(anchors) / anchors];
        let mut cuts: Vec<_> = (1..count)
            .map(|i| {
                let (before, rest) = (i * anchors / count, i * anchors % count);
                between(anchor(before), anchor(before + 1), rest, count)
            })
            .filter(|cut| *cut > first)
            .collect();
        cuts.dedup();
        cuts
    }

    fn keys(&self) -> impl Iterator<Item = Option<i64>> {
        self.pages.iter().flatten().copied()
    }

    /// How often a page is read on average: once for each range that has rows on it.
    fn reads(&self, cuts: &[i64]) -> Option<f64> {
        let filled = || self.pages.iter().filter(|page| !page.is_empty());
        let reads = |page: &Vec<_>| {
            let mut ranges: Vec<_> = page.iter().map(|key| range_of(*key, cuts)).collect();
            ranges.sort_unstable();
            ranges.dedup();
            ranges.len()
        };
        let pages = filled().count();
        (pages > 0).then(|| filled().map(reads).sum::<usize>() as f64 / pages as f64)
    }

    /// What the range with the most rows has of all, less what may be chance in the sample.
    fn largest_share(&self, cuts: &[i64]) -> f64 {
        let mut rows = vec![0u64; cuts.len() + 1];
        for key in self.keys() {
            rows[range_of(key, cuts)] += 1;
        }
        let (most, all) = (rows.iter().max(), rows.iter().sum::<u64>());
        let chance = PAGES_PER_ANCHOR as f64 / self.pages.len().max(1) as f64;
        *most.unwrap_or(&0) as f64 / all.max(1) as f64 - chance
    }

    /// Both ends are open, and the first range has the rows without a key: so no row is in none of
    /// them, and none in two.
    fn ranges(&self, cuts: &[i64]) -> Vec<Range> {
        let starts = std::iter::once(None).chain(cuts.iter().copied().map(Some));
        let ends = cuts.iter().copied().map(Some).chain([None]);
        starts
            .zip(ends)
            .map(|(from, to)| {
                Range::Keys(KeyRange {
                    column: self.column.clone(),
                    kind: self.kind,
                    from,
                    to,
                    nulls: from.is_none() && self.nullable,
                })
            })
            .collect()
    }
}

/// `part` of `whole` on the way between two values.
fn between(from: i64, to: i64, part: usize, whole: usize) -> i64 {
    let way = (i128::from(to) - i128::from(from)) * part as i128 / whole.max(1) as i128;
    i64::try_from(i128::from(from) + way).unwrap_or(to)
}

fn range_of(key: Option<i64>, cuts: &[i64]) -> usize {
    key.map_or(0, |key| cuts.partition_point(|cut| *cut <= key))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `pages` pages of ten rows, whose keys `key` gives by the row's number.
    fn candidate(pages: i64, key: impl Fn(i64) -> Option<i64>) -> Candidate {
        let page = |page: i64| (0..10).map(|row| key(page * 10 + row)).collect();
        Candidate {
            column: "k".into(),
            kind: KeyKind::Int8,
            nullable: true,
            pages: (0..pages).map(page).collect(),
        }
    }

    fn count(candidate: Candidate, wanted: u32) -> Option<usize> {
        choose(&[candidate], wanted).map(|ranges| ranges.len())
    }

    fn has(range: &Range, key: Option<i64>) -> bool {
        let Range::Keys(range) = range else {
            panic!("{range:?}")
        };
        key.map_or(range.nulls, |key| {
            range.from.is_none_or(|from| from <= key) && range.to.is_none_or(|to| key < to)
        })
    }

    #[test]
    fn a_key_in_the_order_of_the_rows_is_cut_evenly() {
        let serial = candidate(640, Some);
        assert_eq!(serial.cuts(4), [1599, 3199, 4799]);
        assert_eq!(count(serial, 4), Some(4));
        // The rows of the first half were deleted, and later ones took their place.
        let refilled = candidate(640, |row| Some((row + 3200) % 6400));
        assert_eq!(count(refilled, 20), Some(20));
        assert_eq!(count(candidate(256, Some), 200), Some(200));
    }

    #[test]
    fn a_key_that_is_scattered_is_none() {
        assert_eq!(
            count(candidate(640, |row| Some(row * 7919 % 6400)), 4),
            None
        );
    }

    #[test]
    fn uneven_ranges_are_none() {
        let same = candidate(640, |_| Some(5));
        assert_eq!(count(same, 4), None);
        assert_eq!(count(candidate(640, |_| None), 4), None);
        let open = candidate(640, |row| Some(if row < 4000 { row } else { i64::MAX }));
        assert_eq!(count(open, 8), None);
        assert_eq!(count(candidate(0, Some), 4), None);
    }

    #[test]
    fn few_outliers_and_nulls_do_no_harm() {
        let key = |row| match row {
            0..100 => None,
            100 => Some(i64::MIN + 1),
            6300 => Some(i64::MAX - 1),
            _ => Some(row),
        };
        assert_eq!(count(candidate(640, key), 16), Some(16));
    }

    #[test]
    fn of_several_the_first_good_one_is_taken() {
        let named = |column: &str, candidate: Candidate| Candidate {
            column: column.into(),
            ..candidate
        };
        let candidates = [
            named("scattered", candidate(640, |row| Some(row * 7919 % 6400))),
            named("first", candidate(640, |row| Some(row / 2))),
            named("second", candidate(640, Some)),
        ];
        let ranges = choose(&candidates, 4).unwrap();
        assert!(matches!(&ranges[0], Range::Keys(range) if range.column == "first"));
    }

    fn key() -> impl Strategy<Value = Option<i64>> {
        let special = [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX];
        prop_oneof![
            Just(None),
            prop::sample::select(special.to_vec()).prop_map(Some),
            (-20i64..20).prop_map(Some),
            any::<i64>().prop_map(Some),
        ]
    }

    proptest! {
        /// Whatever was sampled and whatever the table holds: each row is in exactly one range.
        #[test]
        fn each_row_is_in_one_range(
            pages in prop::collection::vec(prop::collection::vec(key(), 0..5), 0..300),
            wanted in 2usize..400,
            others in prop::collection::vec(key(), 0..50),
        ) {
            let sampled = Candidate { column: "k".into(), kind: KeyKind::Int8, nullable: true, pages };
            let cuts = sampled.cuts(wanted);
            let ranges = sampled.ranges(&cuts);
            prop_assert!(ranges.len() <= wanted);
            prop_assert!(cuts.windows(2).all(|pair| pair[0] < pair[1]));
            for key in sampled.keys().chain(others).chain(cuts.into_iter().map(Some)) {
                let holding = ranges.iter().filter(|range| has(range, key)).count();
                prop_assert_eq!(holding, 1);
            }
        }
    }
}
