//! One line of a `.gitignore`, read and matched as git does it, byte by byte.
//!
//! Input: a line. Output: whether it matches a path. This is a port of git's code: `dir.c` splits
//! the line (<https://github.com/git/git/blob/master/dir.c>), `wildmatch.c` matches
//! (<https://github.com/git/git/blob/master/wildmatch.c>). So undocumented behaviour is the same:
//! `?` matches a byte, `a**/b` means `a` followed by `**/b`, and an unclosed class matches nothing.

/// The longest pattern in bytes. A longer one is ignored: no path is that long.
const MAX_LENGTH: usize = 4096;

/// A compiled line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    /// The text as written, without trailing blanks.
    pub(super) written: String,
    /// Whether it begins with `!`.
    pub(super) negative: bool,
    directories_only: bool,
    /// A pattern without a slash matches the name at any depth.
    name_only: bool,
    /// The prefix before the first wildcard.
    literal: Vec<u8>,
    /// The rest, from the first wildcard on.
    wild: Vec<u8>,
}

impl Pattern {
    /// Parses a line without its line end; `None` for a comment or an empty pattern.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        if line.first() == Some(&b'#') {
            return None;
        }
        let line = line.split(|byte| *byte == 0).next().unwrap_or_default();
        let line = trim(line);
        let (negative, pattern) = match line.strip_prefix(b"!") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let (directories_only, pattern) = match pattern.strip_suffix(b"/") {
            Some(rest) => (true, rest),
            None => (false, pattern),
        };
        let name_only = !pattern.contains(&b'/');
        let pattern = pattern.strip_prefix(b"/").unwrap_or(pattern);
        if pattern.is_empty() {
            return None;
        }
        // No path is that long, and matching takes time in proportion to the length.
        if pattern.len() > MAX_LENGTH {
            return None;
        }
        let pattern = without_repetition(pattern);
        let wild = pattern.iter().position(|byte| is_special(*byte));
        let (literal, wild) = pattern.split_at(wild.unwrap_or(pattern.len()));
        Some(Self {
            written: String::from_utf8_lossy(line).into_owned(),
            negative,
            directories_only,
            name_only,
            // A name is matched from its start, wildcards included.
            literal: literal.to_vec(),
            wild: wild.to_vec(),
        })
    }

    /// Whether it matches a path, relative to the file's directory.
    pub(super) fn matches(&self, path: &str, is_directory: bool) -> bool {
        if self.directories_only && !is_directory {
            return false;
        }
        let text = match path.rsplit_once('/') {
            Some((_, name)) if self.name_only => name,
            _ => path,
        };
        match text.as_bytes().strip_prefix(self.literal.as_slice()) {
            None => false,
            Some(rest) if self.wild.is_empty() => rest.is_empty(),
            Some(rest) => Wild::new(&self.wild).matches(rest),
        }
    }
}

/// Collapses `a/**/**/b` to the equivalent `a/**/b`: each repetition would nest another call.
fn without_repetition(pattern: &[u8]) -> Vec<u8> {
    const ANY: &[u8] = b"**/";
    let mut short: Vec<u8> = Vec::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some((&byte, after)) = rest.split_first() {
        let before = short.strip_suffix(ANY);
        let whole = before.is_some_and(|before| before.last().is_none_or(|last| *last == b'/'));
        match rest.strip_prefix(ANY) {
            Some(behind) if whole => rest = behind,
            _ => {
                short.push(byte);
                rest = after;
            }
        }
    }
    short
}

/// Removes trailing blanks up to an escaped one.
fn trim(line: &[u8]) -> &[u8] {
    let (mut end, mut at) = (0, 0);
    while let Some(byte) = line.get(at) {
        at += if *byte == b'\\' { 2 } else { 1 };
        if *byte != b' ' {
            end = at.min(line.len());
        }
    }
    &line[..end]
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'*' | b'?' | b'[' | b'\\')
}

/// A pattern with wildcards, and the positions where it is known to fail. Without them, some
/// patterns would take exponential time.
struct Wild<'p> {
    pattern: &'p [u8],
    /// A bit for each pair of positions in pattern and text; empty before the first failure.
    failed: Vec<u64>,
}

impl<'p> Wild<'p> {
    fn new(pattern: &'p [u8]) -> Self {
        let failed = Vec::new();
        Self { pattern, failed }
    }

    fn matches(&mut self, text: &[u8]) -> bool {
        self.from(0, text, 0)
    }

    /// Whether the pattern from `at` on matches the text from `from` on.
    fn from(&mut self, mut at: usize, text: &[u8], mut from: usize) -> bool {
        while let Some(&special) = self.pattern.get(at) {
            if special == b'*' {
                return self.stars(at, text, from);
            }
            let Some(&byte) = text.get(from) else {
                return false;
            };
            match special {
                b'?' if byte == b'/' => return false,
                b'?' => {}
                b'[' => match class(self.pattern, at, byte) {
                    Some((end, true)) if byte != b'/' => at = end,
                    _ => return false,
                },
                b'\\' => {
                    at += 1;
                    if self.pattern.get(at) != Some(&byte) {
                        return false;
                    }
                }
                _ if special != byte => return false,
                _ => {}
            }
            at += 1;
            from += 1;
        }
        from == text.len()
    }

    /// Continues [`Self::from`] where the pattern has stars.
    fn stars(&mut self, start: usize, text: &[u8], from: usize) -> bool {
        let pattern = self.pattern;
        let count = pattern[start..].iter().take_while(|byte| **byte == b'*');
        let end = start + count.count();
        let rest = &pattern[end..];
        let begins = start == 0 || pattern[start - 1] == b'/';
        let ends = matches!(rest, [] | [b'/', ..] | [b'\\', b'/', ..]);
        let crosses = end - start > 1 && begins && ends;
        if rest.is_empty() {
            return crosses || !text[from..].contains(&b'/');
        }
        // `**/` may match nothing.
        if crosses && rest[0] == b'/' && self.once(end + 1, text, from) {
            return true;
        }
        for next in from..text.len() {
            if (is_special(rest[0]) || rest[0] == text[next]) && self.once(end, text, next) {
                return true;
            }
            if !crosses && text[next] == b'/' {
                return false;
            }
        }
        false
    }

    /// Like [`Wild::from`], but does not repeat a match that is known to fail.
    fn once(&mut self, at: usize, text: &[u8], from: usize) -> bool {
        let width = text.len() + 1;
        let (place, bit) = ((at * width + from) / 64, 1 << ((at * width + from) % 64));
        if self.failed.get(place).is_some_and(|word| word & bit != 0) {
            return false;
        }
        let matches = self.from(at, text, from);
        if !matches {
            let size = (self.pattern.len() + 1) * width / 64 + 1;
            self.failed.resize(size, 0);
            self.failed[place] |= bit;
        }
        matches
    }
}

/// Whether a byte is in the class that begins at `start`, and where the class ends. `None` if it is
/// not a class.
fn class(pattern: &[u8], start: usize, byte: u8) -> Option<(usize, bool)> {
    let mut at = start + 1;
    let negated = matches!(pattern.get(at), Some(b'!' | b'^'));
    at += usize::from(negated);
    let mut found = false;
    // The start of a range, if a `-` follows.
    let mut low = None;
    let mut first = true;
    loop {
        let mut own = *pattern.get(at)?;
        if own == b']' && !first {
            return Some((at, found != negated));
        }
        first = false;
        let high = pattern.get(at + 1).filter(|next| **next != b']');
        match (own, low, high) {
            (b'\\', ..) => {
                at += 1;
                own = *pattern.get(at)?;
                found |= own == byte;
                low = Some(own);
            }
            (b'-', Some(low_end), Some(&high)) => {
                at += 1;
                let high = if high == b'\\' {
                    at += 1;
                    *pattern.get(at)?
                } else {
                    high
                };
                found |= (low_end..=high).contains(&byte);
                low = None;
            }
            (b'[', _, Some(b':')) => {
                let name = at + 2;
                let end = name + pattern[name..].iter().position(|byte| *byte == b']')?;
                if let Some(name) = pattern[name..end].strip_suffix(b":") {
                    found |= is_of(name, byte)?;
                    at = end;
                    low = None;
                } else {
                    found |= byte == b'[';
                    low = Some(b'[');
                }
            }
            _ => {
                found |= own == byte;
                low = Some(own);
            }
        }
        at += 1;
    }
}

/// Whether a byte is in the named class between `[:` and `:]`.
fn is_of(name: &[u8], byte: u8) -> Option<bool> {
    Some(match name {
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"alpha" => byte.is_ascii_alphabetic(),
        b"blank" => matches!(byte, b' ' | b'\t'),
        b"cntrl" => byte.is_ascii_control(),
        b"digit" => byte.is_ascii_digit(),
        b"graph" => byte.is_ascii_graphic(),
        b"lower" => byte.is_ascii_lowercase(),
        b"print" => byte.is_ascii_graphic() || byte == b' ',
        b"punct" => byte.is_ascii_punctuation(),
        b"space" => matches!(byte, b' ' | b'\t'..=b'\r'),
        b"upper" => byte.is_ascii_uppercase(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
