//! Numbers of bytes, as people write them: `220 MB`, `1.5GiB`.

/// Parses a number with a unit; `None` if it is none. Without a unit, these are bytes.
pub fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let is_number = |letter: char| letter.is_ascii_digit() || letter == '.';
    let end = text.find(|letter: char| !is_number(letter));
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "ki" | "kib" => 1 << 10,
        "mi" | "mib" => 1 << 20,
        "gi" | "gib" => 1 << 30,
        "ti" | "tib" => 1 << 40,
        _ => return None,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    // More digits than a byte needs change nothing.
    let part: String = part.chars().take(12).collect();
    let places = u32::try_from(part.len()).ok()?;
    let parts = part.parse::<u128>().ok()? * u128::from(factor) / 10_u128.pow(places);
    let whole = whole.parse::<u64>().ok()?.checked_mul(factor)?;
    whole.checked_add(u64::try_from(parts).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("220 MB", 220_000_000),
            ("220MB", 220_000_000),
            ("1.5 GB", 1_500_000_000),
            ("1.5GiB", 3 << 29),
            ("0.0000000000001 MB", 0),
            ("12", 12),
            ("7 b", 7),
        ] {
            assert_eq!(parse(text), Some(bytes), "{text}");
        }
        for text in [
            "",
            "MB",
            "1.2.3 MB",
            "-1 MB",
            "1 parsec",
            "99999999999 TB",
            ".5 MB",
            "1. MB",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
