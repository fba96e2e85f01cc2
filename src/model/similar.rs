//! Names that look alike, for "did you mean".

/// Two names look alike if their likeness is above this.
const MIN_LIKENESS: f64 = 0.55;

/// How alike two names are, from 0 to 1, ignoring case.
pub fn likeness(one: &str, other: &str) -> f64 {
    strsim::normalized_damerau_levenshtein(&one.to_lowercase(), &other.to_lowercase())
}

/// Up to `most` names that look like `wanted`, the best first.
pub fn nearest<N: AsRef<str>>(
    wanted: &str,
    known: impl IntoIterator<Item = N>,
    most: usize,
) -> Vec<String> {
    let scored = known.into_iter().map(|name| {
        let name = name.as_ref();
        (likeness(wanted, name), name.to_owned())
    });
    best(scored, most)
}

/// Up to `most` names whose likeness is high enough, the best first; ties are sorted by name.
pub fn best(scored: impl IntoIterator<Item = (f64, String)>, most: usize) -> Vec<String> {
    let mut found: Vec<(f64, String)> = scored
        .into_iter()
        .filter(|(likeness, _)| *likeness > MIN_LIKENESS)
        .collect();
    found.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1)));
    found.into_iter().take(most).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_names_come_first_and_strangers_not_at_all() {
        let known = ["exclude", "include", "includes", "port"];
        assert_eq!(nearest("inclde", known, 2), ["include", "includes"]);
        assert_eq!(nearest("INCLUDE", known, 1), ["include"]);
        assert!(nearest("zzz", known, 3).is_empty());
    }
}
