//! [`Mask`] replaces secrets in a program's output by `***`.
//!
//! Input: the values of secrets, then bytes in chunks of any size. Output: the same bytes with
//! stars in place of the values. A value is also found in other forms: in JSON, in a URL, in XML,
//! and in base64, at any offset of the encoded text. Each line of a multi-line value is hidden on
//! its own, because logs are read by line. Values shorter than [`MIN_LENGTH`] bytes are not hidden:
//! any log contains such words.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// Shorter values are not hidden. In bytes.
pub const MIN_LENGTH: usize = 4;
/// The same limit for a line of a multi-line value: many files contain `}` and `"type": 1`.
const SHORTEST_LINE: usize = 8;
/// What stands in the place of a secret.
const STARS: &[u8] = b"***";

/// The secrets to hide. Its `Debug` output is only their number.
#[derive(Clone, Default)]
pub struct Mask(Option<Arc<Needles>>);

struct Needles {
    /// Sorted. None contains a line break.
    all: Vec<Vec<u8>>,
    search: AhoCorasick,
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = self.0.as_ref().map_or(0, |needles| needles.all.len());
        write!(f, "Mask of {count}")
    }
}

impl Mask {
    /// Hides these values.
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s [u8]>) -> Self {
        let all: BTreeSet<Vec<u8>> = secrets.into_iter().flat_map(forms).collect();
        let all: Vec<Vec<u8>> = all.into_iter().collect();
        if all.is_empty() {
            return Self::default();
        }
        // Only patterns of gigabytes are refused, and a secret has at most 500 kB.
        let search = AhoCorasick::new(&all).ok();
        Self(search.map(|search| Arc::new(Needles { all, search })))
    }

    /// Whether there is nothing to hide.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Hides the secrets in a complete text.
    pub fn text(&self, text: &str) -> String {
        if self.is_empty() {
            return text.to_owned();
        }
        let mut stream = self.stream();
        let mut bytes = stream.push(text.as_bytes());
        bytes.extend(stream.end());
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Hides the secrets in bytes that come in chunks.
    pub fn stream(&self) -> Stream {
        Stream {
            mask: self.clone(),
            held: Vec::new(),
            hidden: 0,
        }
    }
}

/// Hides secrets in a stream of bytes, including those split over chunks. It holds back only what
/// may be the start of a secret, never a whole line.
#[derive(Debug, Default)]
pub struct Stream {
    mask: Mask,
    held: Vec<u8>,
    /// How many bytes at the start of `held` belong to a secret whose stars were already written.
    hidden: usize,
}

impl Stream {
    /// Takes a chunk and returns what can be shown.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Some(needles) = self.mask.0.clone() else {
            return bytes.to_vec();
        };
        self.held.extend_from_slice(bytes);
        let end = needles.undecided(&self.held);
        self.show(&needles, end)
    }

    /// Ends the stream and returns what was held back.
    pub fn end(&mut self) -> Vec<u8> {
        let Some(needles) = self.mask.0.clone() else {
            return Vec::new();
        };
        let end = self.held.len();
        self.show(&needles, end)
    }

    /// Returns the held bytes up to `end`, masked.
    fn show(&mut self, needles: &Needles, end: usize) -> Vec<u8> {
        let mut shown = Vec::with_capacity(end);
        let mut at = 0;
        let mut hidden = self.hidden.saturating_sub(end);
        for secret in needles.found(&self.held, self.hidden) {
            if secret.start >= end {
                break;
            }
            shown.extend_from_slice(&self.held[at..secret.start]);
            if secret.start > 0 || self.hidden == 0 {
                shown.extend_from_slice(STARS);
            }
            at = secret.end.min(end);
            hidden = secret.end.saturating_sub(end);
        }
        shown.extend_from_slice(&self.held[at..end]);
        self.held.drain(..end);
        self.hidden = hidden;
        shown
    }
}

impl Needles {
    /// Where secrets are, in order, overlapping ones merged. The first `hidden` bytes are part of
    /// one.
    fn found(&self, bytes: &[u8], hidden: usize) -> Vec<Range<usize>> {
        let matches = self.search.find_overlapping_iter(bytes);
        let mut all: Vec<Range<usize>> = matches.map(|found| found.range()).collect();
        all.extend((hidden > 0).then_some(0..hidden));
        all.sort_by_key(|range| (range.start, range.end));
        let mut merged: Vec<Range<usize>> = Vec::new();
        for range in all {
            match merged.last_mut() {
                Some(last) if range.start < last.end => last.end = last.end.max(range.end),
                _ => merged.push(range),
            }
        }
        merged
    }

    /// The start of the longest suffix that more bytes could turn into a secret.
    fn undecided(&self, bytes: &[u8]) -> usize {
        let line = memchr::memrchr(b'\n', bytes).map_or(0, |at| at + 1);
        let begins = |at: &usize| {
            let end = &bytes[*at..];
            let next = self.all.partition_point(|needle| needle.as_slice() <= end);
            self.all
                .get(next)
                .is_some_and(|needle| needle.starts_with(end))
        };
        (line..bytes.len()).find(begins).unwrap_or(bytes.len())
    }
}

/// All forms in which a program may print a secret.
fn forms(secret: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut forms = BTreeSet::new();
    let secret = secret.trim_ascii();
    let single = !secret.contains(&b'\n');
    for line in secret.split(|byte| matches!(byte, b'\n' | b'\r')) {
        let line = line.trim_ascii();
        let shortest = if single { MIN_LENGTH } else { SHORTEST_LINE };
        // Such a line of a PEM file only names its content.
        if line.len() < shortest || line.starts_with(b"-----") {
            continue;
        }
        forms.insert(line.to_vec());
        in_base64(line, &mut forms);
        in_url(line, &mut forms);
        if let Ok(text) = std::str::from_utf8(line) {
            in_text(text, &mut forms);
        }
    }
    if !single {
        in_base64(secret, &mut forms);
    }
    forms.retain(|form| form.len() >= MIN_LENGTH);
    forms
}

/// As JSON, XML, a shell's quotes and a terminal show it.
fn in_text(text: &str, forms: &mut BTreeSet<Vec<u8>>) {
    let json = serde_json::Value::from(text).to_string();
    forms.insert(json.as_bytes()[1..json.len() - 1].to_vec());
    let xml = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    forms.insert(xml.replace('"', "&quot;").replace('\'', "&apos;").into());
    forms.insert(xml.into());
    forms.insert(text.replace('\'', "'\\''").into());
    let shown = text.replace('\t', "    ");
    forms.insert(shown.replace(char::is_control, "").into());
}

/// As `encodeURIComponent` and HTML forms encode it.
fn in_url(bytes: &[u8], forms: &mut BTreeSet<Vec<u8>>) {
    let kept: [&[u8]; 3] = [b"-_.~", b"-_.!~*'()", b"-_.*"];
    for kept in kept {
        let mut upper = String::new();
        for &byte in bytes {
            if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
                upper.push(char::from(byte));
            } else {
                let _ = write!(upper, "%{byte:02X}");
            }
        }
        let lower = lower_hex(&upper);
        forms.insert(upper.replace("%20", "+").into());
        forms.insert(lower.replace("%20", "+").into());
        forms.insert(upper.into());
        forms.insert(lower.into());
    }
}

/// Percent-encoding with lowercase digits.
fn lower_hex(text: &str) -> String {
    let mut parts = text.split('%');
    let mut lower = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (hex, rest) = part.split_at(2.min(part.len()));
        lower.push('%');
        lower.push_str(&hex.to_lowercase());
        lower.push_str(rest);
    }
    lower
}

/// Base64 of data that contains the bytes. Three bytes become four letters, so there are three
/// alignments. Letters that share bits with neighbouring bytes are left out.
fn in_base64(bytes: &[u8], forms: &mut BTreeSet<Vec<u8>>) {
    for before in 0..3_usize {
        let mut whole = vec![0; before];
        whole.extend_from_slice(bytes);
        let first = (before * 8).div_ceil(6);
        let last = whole.len() * 8 / 6;
        for alphabet in [STANDARD, URL_SAFE] {
            let text = alphabet.encode(&whole);
            if let Some(letters) = text.as_bytes().get(first..last) {
                forms.insert(letters.to_vec());
            }
        }
    }
}

#[cfg(test)]
mod tests;
