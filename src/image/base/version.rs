//! Compares versions of Debian packages: deb-version(7).

use std::cmp::Ordering;

/// Compares `[epoch:]upstream[-revision]`.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    let parts = |version: &str| {
        let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        (
            epoch.parse::<u64>().unwrap_or_default(),
            upstream.to_owned(),
            revision.to_owned(),
        )
    };
    let (left, right) = (parts(left), parts(right));
    left.0
        .cmp(&right.0)
        .then_with(|| compare_part(&left.1, &right.1))
        .then_with(|| compare_part(&left.2, &right.2))
}

/// Compares non-digits and numbers in turns: `~` sorts before the end, the end before letters,
/// letters before everything else.
fn compare_part(mut left: &str, mut right: &str) -> Ordering {
    let is_digit = |letter: char| letter.is_ascii_digit();
    while !left.is_empty() || !right.is_empty() {
        let (left_text, left_rest) = split(left, |letter| !is_digit(letter));
        let (right_text, right_rest) = split(right, |letter| !is_digit(letter));
        let end = std::iter::once(0);
        let left_order = left_text.bytes().map(order).chain(end.clone());
        let text = left_order.cmp(right_text.bytes().map(order).chain(end));
        if text != Ordering::Equal {
            return text;
        }
        let (left_number, left_rest) = split(left_rest, is_digit);
        let (right_number, right_rest) = split(right_rest, is_digit);
        let (left_number, right_number) = (
            left_number.trim_start_matches('0'),
            right_number.trim_start_matches('0'),
        );
        let longer = left_number.len().cmp(&right_number.len());
        let number = longer.then_with(|| left_number.cmp(right_number));
        if number != Ordering::Equal {
            return number;
        }
        (left, right) = (left_rest, right_rest);
    }
    Ordering::Equal
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|letter| !belongs(letter)).unwrap_or(text.len());
    text.split_at(end)
}

/// The end counts as 0.
fn order(byte: u8) -> i32 {
    match byte {
        b'~' => -1,
        letter if letter.is_ascii_alphabetic() => letter.into(),
        other => i32::from(other) + 256,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_as_dpkg_does() {
        // Each is older than the next, as `dpkg --compare-versions` says.
        let ordered = [
            "1.0~~",
            "1.0~~a",
            "1.0~",
            "1.0",
            "1.0a",
            "1.0+b1",
            "1.0.1",
            "1.9",
            "1.10",
            "2.36-9+deb12u3",
            "2.36-9+deb12u13",
            "2024a-0+deb12u1",
            "2024b-0+deb12u1",
            "1:0.1",
        ];
        for (at, left) in ordered.iter().enumerate() {
            for (other, right) in ordered.iter().enumerate() {
                assert_eq!(compare(left, right), at.cmp(&other), "{left} {right}");
            }
        }
        assert_eq!(compare("1.0-0", "1.0"), Ordering::Equal);
        assert_eq!(compare("1.01", "1.1"), Ordering::Equal);
    }
}
