//! Programs that run several scripts: npm-run-all, concurrently, turbo and nx; and the patterns
//! that name scripts.

use regex_automata::meta::Regex;
use regex_automata::util::syntax;

use super::End;
use super::runners::{Call, OTHER_PACKAGES, Runs};
use super::words::quote;
use crate::workspace::manifest::package::Manifest;

/// How many bytes arguments may have after placeholders are filled in.
const MAX_FILLED: usize = 1 << 16;

/// The cost of a pattern in addition to its text.
const EXPRESSION: usize = 256;

impl Call<'_> {
    /// The scripts that a pattern matches. The search counts towards the limit.
    pub(super) fn scripts_that(&mut self, pattern: &str) -> Vec<String> {
        let scripts = self
            .manifest
            .and_then(|manifest| manifest.get("scripts")?.as_object());
        let names = scripts.into_iter().flat_map(|scripts| scripts.keys());
        let cost = EXPRESSION + pattern.len() + names.clone().map(String::len).sum::<usize>();
        let Some(left) = self.left.checked_sub(cost) else {
            return Vec::new();
        };
        *self.left = left;
        let Some(pattern) = regex(pattern) else {
            return Vec::new();
        };
        names
            .filter(|name| pattern.is_match(name.as_bytes()))
            .cloned()
            .collect()
    }

    /// npm-run-all: patterns of scripts, which may contain arguments; what follows `--` fills in
    /// `{1}`, `{@}` and `{*}`.
    pub(super) fn run_all(&mut self, name: &str) -> Option<Runs> {
        let values = ["--max-parallel", "--npm-path", "--names", "-P"];
        let end = self.texts.iter().position(|word| word == "--");
        let own = &self.texts[1..end.unwrap_or(self.texts.len())];
        let given = end.map_or(&[][..], |end| &self.texts[end + 1..]);
        if let Some(line) = groups(own, given) {
            return Some(Runs::Line(line));
        }
        let mut together = name == "run-p";
        let (mut race, mut goes_on) = (false, false);
        let mut found = Vec::new();
        let mut rest = own.iter();
        while let Some(word) = rest.next() {
            if word.starts_with('-') {
                if values.contains(&&**word) {
                    rest.next();
                }
                match word.as_str() {
                    "-p" | "--parallel" => together = true,
                    "-s" | "--sequential" | "--serial" => together = false,
                    "-r" | "--race" => race = true,
                    "-c" | "--continue-on-error" => goes_on = true,
                    _ => {}
                }
                continue;
            }
            let (pattern, arguments) = word.split_once(' ').unwrap_or((word, ""));
            let more = filled(arguments, given)?;
            let names = self.that_fit(pattern, "[^:]*");
            // The program itself reports a missing script; the others say what it is about.
            found.extend(names.into_iter().map(|name| (name, more.clone())));
        }
        let end = match together {
            true if race => End::First,
            true if goes_on => End::Alone,
            true => End::Together,
            false => End::InOrder,
        };
        (!found.is_empty()).then_some(Runs::Scripts(found, end))
    }

    /// The scripts that match a name in which `*` matches one part, and `**` any.
    fn that_fit(&mut self, pattern: &str, part: &str) -> Vec<String> {
        if self.has_script(pattern) {
            return vec![pattern.to_owned()];
        }
        if !pattern.contains('*') {
            return Vec::new();
        }
        let mut text = String::from("^");
        for letter in pattern.replace("**", "\0").chars() {
            match letter {
                '\0' => text.push_str(".*"),
                '*' => text.push_str(part),
                letter if letter.is_ascii_alphanumeric() => text.push(letter),
                letter => text.extend(['\\', letter]),
            }
        }
        text.push('$');
        self.scripts_that(&text)
    }

    /// concurrently: shell lines, where `npm:NAME` is a script, and `*` in it a wildcard.
    pub(super) fn concurrently(&mut self) -> Option<Runs> {
        let values = [
            "-n",
            "--names",
            "-c",
            "--prefix-colors",
            "-p",
            "--prefix",
            "-m",
            "--max-processes",
            "--name-separator",
            "--restart-tries",
            "--restart-after",
            "-s",
            "--success",
            "--kill-signal",
            "--ks",
            "--hide",
            "-l",
            "--prefix-length",
            "-t",
            "--timestamp-format",
            "--default-input-target",
            "--cwd",
        ];
        let mut end = End::Alone;
        let mut lines = Vec::new();
        let mut rest = self.texts[1..].iter();
        while let Some(word) = rest.next() {
            if word.starts_with('-') {
                match word.as_str() {
                    "-k" | "--kill-others" => end = End::First,
                    "--kill-others-on-fail" if end == End::Alone => end = End::Together,
                    flag if values.contains(&flag) => {
                        rest.next();
                    }
                    _ => {}
                }
                continue;
            }
            let managers = ["npm:", "pnpm:", "yarn:", "bun:", "node:"];
            match managers.iter().find_map(|prefix| word.strip_prefix(prefix)) {
                Some(script) => {
                    let (name, more) = script.split_once(' ').unwrap_or((script, ""));
                    let names = self.that_fit(name, ".*");
                    if names.is_empty() {
                        return None;
                    }
                    lines.extend(
                        names
                            .iter()
                            .map(|name| format!("npm run {} -- {more}", quote(name))),
                    );
                }
                None => lines.push(word.clone()),
            }
        }
        (!lines.is_empty()).then_some(Runs::Lines(lines, end))
    }

    /// `turbo run x`, `nx x`, for this package.
    pub(super) fn task_runner(&self) -> Option<Runs> {
        let at = self.word_after(1)?;
        let first = match self.texts[at].as_str() {
            "run" => self.word_after(at + 1)?,
            _ => at,
        };
        let own = self.manifest.and_then(Manifest::name);
        let is_own = |package: &str| own == Some(package);
        let mut names = Vec::new();
        for (at, text) in self.texts.iter().enumerate().skip(first) {
            if text.starts_with('-') {
                // Options that lead elsewhere may follow the tasks.
                if text != "--" && self.leads_elsewhere(at) {
                    return None;
                }
                if text == "--" {
                    break;
                }
                continue;
            }
            let name = match text.split_once('#') {
                Some((package, task)) if is_own(package) => task,
                Some(_) => return None,
                None => text,
            };
            let name = match name.split_once(':') {
                Some((package, target)) if is_own(package) => {
                    target.split(':').next().unwrap_or(target)
                }
                _ => name,
            };
            if self.has_script(name) {
                names.push((name.to_owned(), String::new()));
            }
        }
        (!names.is_empty()).then_some(Runs::Scripts(names, End::InOrder))
    }

    fn leads_elsewhere(&self, at: usize) -> bool {
        let text = &self.texts[at];
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let Some((_, takes)) = OTHER_PACKAGES.iter().find(|(flag, _)| *flag == name) else {
            return false;
        };
        let next = self.texts.get(at + 1).map_or("", String::as_str);
        let value = if *takes && value.is_empty() {
            next
        } else {
            value
        };
        !self.is_here(name, value)
    }
}

/// A call of npm-run-all with several groups (`npm-run-all clean --parallel a b`) as a line of
/// `run-s` and `run-p`.
fn groups(own: &[String], given: &[String]) -> Option<String> {
    let mut groups: Vec<(&str, Vec<&String>)> = vec![("run-s", Vec::new())];
    let mut common = Vec::new();
    for word in own {
        match word.as_str() {
            "-p" | "--parallel" => groups.push(("run-p", Vec::new())),
            "-s" | "--sequential" | "--serial" => groups.push(("run-s", Vec::new())),
            flag if flag.starts_with('-') => common.push(word),
            _ => groups.last_mut()?.1.push(word),
        }
    }
    groups.retain(|(_, words)| !words.is_empty());
    if groups.len() < 2 {
        return None;
    }
    let given = [&["--".to_owned()], given].concat();
    let line = |(program, words): &(&str, Vec<&String>)| {
        let words = words.iter().copied().chain(common.iter().copied());
        let words = words.chain(&given).map(|word| quote(word));
        words.fold((*program).to_owned(), |line, word| line + " " + &word)
    };
    let lines: Vec<String> = groups.iter().map(line).collect();
    Some(lines.join(" && "))
}

/// A JavaScript regular expression, as far as this crate supports it. Classes are ASCII, as in
/// JavaScript without `u`.
fn regex(pattern: &str) -> Option<Regex> {
    Regex::builder()
        .configure(Regex::config().nfa_size_limit(Some(1 << 16)).onepass(false))
        .syntax(syntax::Config::new().unicode(false).utf8(false))
        .build(pattern)
        .ok()
}

/// The placeholders of npm-run-all, filled with what follows `--`.
fn filled(arguments: &str, given: &[String]) -> Option<String> {
    let quoted: Vec<String> = given.iter().map(|word| quote(word)).collect();
    let size: usize = quoted.iter().map(|word| word.len() + 1).sum();
    // A placeholder has at least three letters.
    if size.saturating_mul(arguments.len() / 3) > MAX_FILLED {
        return None;
    }
    let mut text = arguments.to_owned();
    for (at, word) in quoted.iter().enumerate().take(9) {
        text = text.replace(&format!("{{{}}}", at + 1), word);
    }
    text = text.replace("{@}", &quoted.join(" "));
    text = text.replace("{*}", &quote(&given.join(" ")));
    for at in 1..10 {
        text = text.replace(&format!("{{{at}}}"), "");
    }
    Some(text)
}
