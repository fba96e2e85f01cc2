//! The YAML scalars that pnpm's dump writes on one line: plain, single-quoted, double-quoted.
//!
//! Input: the text after the indentation of one line. Output: the key, and the value's text.
//! What pnpm never writes (anchors, tags, comments, flow maps where a block is due) is refused, not
//! guessed at.

use std::borrow::Cow;

/// Splits `key: value` or `key:` into its scalars. The value is `None` if a block follows on the
/// next lines.
pub(super) fn split_entry(text: &str) -> Result<(Cow<'_, str>, Option<&str>), String> {
    let (key, rest) = match text.as_bytes().first() {
        Some(b'\'' | b'"') => {
            let (key, rest) = quoted(text)?;
            let rest = rest
                .strip_prefix(':')
                .ok_or_else(|| format!("expected `:` after the key in `{text}`"))?;
            (key, rest)
        }
        Some(
            b'?' | b'-' | b'&' | b'*' | b'!' | b'|' | b'>' | b'{' | b'[' | b'#' | b'%' | b'@'
            | b'`',
        ) => {
            return Err(format!(
                "`{}` is not the start of a key as pnpm writes it",
                shorten(text)
            ));
        }
        _ => plain_key(text)?,
    };
    let value = rest.trim_start_matches(' ');
    if !value.is_empty() && value.len() == rest.len() {
        return Err(format!("expected a space after `:` in `{}`", shorten(text)));
    }
    Ok((key, (!value.is_empty()).then_some(value)))
}

/// A plain key ends at the first colon before a space or the line end.
fn plain_key(text: &str) -> Result<(Cow<'_, str>, &str), String> {
    let bytes = text.as_bytes();
    let end = (0..bytes.len())
        .find(|&at| bytes[at] == b':' && matches!(bytes.get(at + 1), None | Some(b' ')))
        .ok_or_else(|| format!("expected `key: value`, found `{}`", shorten(text)))?;
    if end == 0 {
        return Err(format!("there is no key in `{}`", shorten(text)));
    }
    if has(&text[..end], [b' ', b'#']) {
        return Err(format!("there is a comment in `{}`", shorten(text)));
    }
    Ok((Cow::Borrowed(&text[..end]), &text[end + 1..]))
}

/// Whether the text has these two bytes side by side. The texts are short, and the searcher of
/// `str::contains` takes longer to prepare than they take to read.
fn has(text: &str, pair: [u8; 2]) -> bool {
    text.as_bytes().windows(2).any(|bytes| bytes == pair)
}

/// The value of a scalar that takes the rest of its line.
pub(super) fn value(text: &str) -> Result<Cow<'_, str>, String> {
    match text.as_bytes().first() {
        Some(b'\'' | b'"') => {
            let (value, rest) = quoted(text)?;
            if rest.trim_end().is_empty() {
                Ok(value)
            } else {
                Err(format!(
                    "unexpected `{}` after a quoted text",
                    shorten(rest)
                ))
            }
        }
        Some(b'|' | b'>' | b'{' | b'[' | b'&' | b'*' | b'!' | b'#' | b'%' | b'@' | b'`') | None => {
            Err(format!(
                "expected one plain or quoted text, found `{}`",
                shorten(text)
            ))
        }
        _ if has(text, [b' ', b'#']) => Err(format!("there is a comment in `{}`", shorten(text))),
        // In YAML this would be a map.
        _ if has(text, [b':', b' ']) || text.trim_end().ends_with(':') => Err(format!(
            "expected one plain or quoted text, found `{}`",
            shorten(text)
        )),
        _ => Ok(Cow::Borrowed(text.trim_end())),
    }
}

/// A quoted scalar at the start of `text`, and the text after it.
fn quoted(text: &str) -> Result<(Cow<'_, str>, &str), String> {
    if let Some(body) = text.strip_prefix('\'') {
        let bytes = body.as_bytes();
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'\'' if bytes.get(at + 1) == Some(&b'\'') => at += 2,
                b'\'' => {
                    let inner = &body[..at];
                    let value = if has(inner, [b'\'', b'\'']) {
                        Cow::Owned(inner.replace("''", "'"))
                    } else {
                        Cow::Borrowed(inner)
                    };
                    return Ok((value, &body[at + 1..]));
                }
                _ => at += 1,
            }
        }
    } else if let Some(body) = text.strip_prefix('"') {
        let bytes = body.as_bytes();
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'\\' => at += 2,
                b'"' => {
                    let inner = &body[..at];
                    if !inner.contains('\\') {
                        return Ok((Cow::Borrowed(inner), &body[at + 1..]));
                    }
                    // YAML's double-quote escapes include JSON's, and js-yaml writes no others that
                    // can occur in a key.
                    let value = serde_json::from_str(&text[..at + 2])
                        .map_err(|_| format!("cannot read the quoted text `{}`", shorten(text)))?;
                    return Ok((Cow::Owned(value), &body[at + 1..]));
                }
                _ => at += 1,
            }
        }
    }
    Err(format!(
        "a quoted text does not end on its line: `{}`",
        shorten(text)
    ))
}

/// A line shortened for messages.
pub(super) fn shorten(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(60) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> (String, Option<String>) {
        let (key, rest) = split_entry(text).unwrap();
        (key.into_owned(), rest.map(str::to_owned))
    }

    #[test]
    fn keys() {
        assert_eq!(entry("foo@1.0.0:"), ("foo@1.0.0".into(), None));
        assert_eq!(entry("foo: {}"), ("foo".into(), Some("{}".into())));
        assert_eq!(
            entry("'@a/b@1.0.0(c@2)':"),
            ("@a/b@1.0.0(c@2)".into(), None)
        );
        assert_eq!(
            entry("'it''s': 'x: y'"),
            ("it's".into(), Some("'x: y'".into()))
        );
        assert_eq!(entry("\"a\\tb\": 1"), ("a\tb".into(), Some("1".into())));
        assert_eq!(
            entry("r@https://h/o/r/tar.gz/abc:"),
            ("r@https://h/o/r/tar.gz/abc".into(), None)
        );
        assert_eq!(
            entry("node@runtime:22.0.0:"),
            ("node@runtime:22.0.0".into(), None)
        );
    }

    #[test]
    fn refuses_what_pnpm_does_not_write() {
        for text in [
            "? foo",
            "- foo",
            "foo",
            "'foo",
            "'foo' bar",
            "*a: b",
            "foo # x: 1",
            "{a: b}",
            ":",
            ": a",
        ] {
            assert!(split_entry(text).is_err(), "{text}");
        }
        for text in ["{a: b}", "|-", "&x y", "a # comment", "'a' b", "'a"] {
            assert!(value(text).is_err(), "{text}");
        }
    }

    #[test]
    fn values() {
        assert_eq!(
            value("link:../../packages/lib").unwrap(),
            "link:../../packages/lib"
        );
        assert_eq!(value("'>=1 || 2'").unwrap(), ">=1 || 2");
        assert_eq!(value("file:a(b@1)").unwrap(), "file:a(b@1)");
    }
}
