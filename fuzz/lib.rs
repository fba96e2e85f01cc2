//! What the targets share: what is checked is in the crate (`src/fuzzing.rs`); here is how inputs are changed.
//!
//! The files are made of lines, and lines of words: beside libFuzzer's own changes of bytes, lines are moved, doubled, taken away and indented anew,
//! and words are put in the place of others, here or everywhere. That keeps most inputs readable, so that the fuzzer gets behind the parsers.

/// The entry points of one target.
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        ::libfuzzer_sys::fuzz_target!(|data: &[u8]| ::slimbuild::fuzzing::run($name, data));
        ::libfuzzer_sys::fuzz_mutator!(|data: &mut [u8],
                                        size: usize,
                                        max_size: usize,
                                        seed: u32| {
            $crate::mutate(data, size, max_size, seed)
        });
    };
}

/// A small generator of random numbers (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).unwrap_or_default() % limit.max(1)
    }
}

/// Changes an input in place; returns its new length.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut random = Random(u64::from(seed) | 1 << 40);
    if random.below(3) == 0 {
        return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    }
    let Ok(text) = std::str::from_utf8(&data[..size]) else {
        return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    };
    let mut text = text.to_owned();
    for _ in 0..=random.below(4) {
        text = if random.below(2) == 0 {
            by_line(&text, &mut random)
        } else {
            by_word(&text, &mut random)
        };
    }
    let mut end = text.len().min(max_size).min(data.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    data[..end].copy_from_slice(&text.as_bytes()[..end]);
    end
}

fn by_line(text: &str, random: &mut Random) -> String {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    if lines.is_empty() {
        return text.to_owned();
    }
    let at = random.below(lines.len());
    let count = 1 + random.below(6).min(lines.len() - at - 1);
    match random.below(8) {
        0 => drop(lines.drain(at..at + count)),
        1 | 2 => {
            let block: Vec<String> = lines[at..at + count].to_vec();
            let to = random.below(lines.len() + 1);
            lines.splice(to..to, block);
        }
        3 => {
            let block: Vec<String> = lines.drain(at..at + count).collect();
            let to = random.below(lines.len() + 1);
            lines.splice(to..to, block);
        }
        4 => {
            let spaces = "  ".repeat(random.below(5));
            lines[at] = format!("{spaces}{}", lines[at].trim_start_matches(' '));
        }
        5 => lines.insert(at, "\n".to_owned()),
        6 => {
            let line = lines[at].trim_end().to_owned();
            let end = ["", "\r\n", " {}\n", ":\n", " # x\n", "  \n", " |-\n"][random.below(7)];
            lines[at] = format!("{line}{end}");
        }
        _ => {
            let other = random.below(lines.len());
            lines.swap(at, other);
        }
    }
    lines.concat()
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || "@/._-*$^#".contains(letter)
}

/// The words of a text: where each begins and ends.
fn words(text: &str) -> Vec<(usize, usize)> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, letter) in text.char_indices() {
        match (start, is_word(letter)) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                words.push((from, at));
                start = None;
            }
            _ => {}
        }
    }
    words.extend(start.map(|from| (from, text.len())));
    words
}

fn by_word(text: &str, random: &mut Random) -> String {
    let words = words(text);
    if words.is_empty() {
        return text.to_owned();
    }
    let (start, end) = words[random.below(words.len())];
    let (from, to) = words[random.below(words.len())];
    let (old, new) = (&text[start..end], &text[from..to]);
    let replaced = |new: &str| format!("{}{new}{}", &text[..start], &text[end..]);
    match random.below(7) {
        0 => replaced(new),
        1 => text.replace(old, new),
        2 => replaced(&format!("'{}'", old.replace('\'', "''"))),
        3 => replaced(&format!("{old}({new})")),
        4 => replaced(""),
        5 => replaced(&format!("{old}{new}")),
        _ => text.replace(
            old,
            &format!(
                "{old}{}",
                ["x", "(a@1)", "_a@1", "/..", "é"][random.below(5)]
            ),
        ),
    }
}
