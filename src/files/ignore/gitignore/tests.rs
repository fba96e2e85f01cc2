//! Single files of patterns, compared with git itself: many at once, since one run of git answers
//! for all of them.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;

const TOKENS: [&str; 42] = [
    "a",
    "b",
    "a",
    "d",
    "*",
    "*",
    "**",
    "***",
    "/",
    "/",
    "/",
    "!",
    "?",
    ".log",
    "[ab]",
    "[!a]",
    "[^a]",
    "[",
    "]",
    "[]",
    "[!]",
    "-",
    "^",
    "\\",
    "\\\\",
    "\\*",
    "\\[",
    "\\]",
    "\\!",
    "\\#",
    "#",
    " ",
    "\\ ",
    "\t",
    "é",
    "{a,b}",
    "[[:alpha:]",
    "[:digit:]",
    "[a-c",
    "[\\]",
    "[z-a]",
    "\r",
];

const PATHS: [&str; 30] = [
    "a",
    "b",
    "ab",
    "aab",
    "a.log",
    "[",
    "]",
    "[a]",
    "*",
    "!a",
    "#a",
    "\\",
    "\\a",
    "a b",
    "a ",
    "é",
    "-",
    "^",
    "1",
    "{a,b}",
    "d/a",
    "d/b",
    "d/ab",
    "d/d/a",
    "d/d/b.log",
    "d/[a]/b",
    "a/b",
    "ab/c/b",
    "a/d/a/b",
    "d/!a/#",
];

/// How many files are compared; `SLIMBUILD_GIT_TREES` asks for more, and for others.
fn count() -> (usize, u64) {
    let more = std::env::var_os("SLIMBUILD_GIT_TREES");
    let more = more.and_then(|count| count.to_str()?.parse().ok());
    let now = || {
        std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(1, |time| time.as_secs())
    };
    more.map_or((400, 1), |count| (count, now()))
}

#[test]
fn patterns_mean_what_they_mean_to_git() {
    let (count, mut state) = count();
    let mut random = |limit: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % limit
    };
    let texts: Vec<String> = (0..count)
        .map(|_| {
            let lines = 1 + random(3);
            let line = |_| {
                (0..=random(6))
                    .map(|_| TOKENS[random(TOKENS.len())])
                    .collect::<String>()
            };
            (0..lines).map(line).collect::<Vec<_>>().join("\n")
        })
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let mut asked = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        let below = dir.path().join(format!("p{at}"));
        fs::create_dir(&below).unwrap();
        fs::write(below.join(NAME), text).unwrap();
        for path in PATHS {
            asked.extend(format!("p{at}/{path}\0").into_bytes());
        }
    }
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "core.excludesFile=/dev/null"])
            .args(args)
            .current_dir(dir.path());
        git.env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env_remove("GIT_DIR");
        git
    };
    if !git(&["init", "--quiet", "--template="])
        .status()
        .is_ok_and(|status| status.success())
    {
        return;
    }
    let mut check = git(&["check-ignore", "--no-index", "-v", "-n", "-z", "--stdin"]);
    let mut check = check
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = check.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(&asked).unwrap());
    let output = check.wait_with_output().unwrap().stdout;
    writer.join().unwrap();
    let fields: Vec<&[u8]> = output.split(|byte| *byte == 0).collect();
    let mut answers = fields.chunks_exact(4);
    let mut wrong = Vec::new();
    for text in &texts {
        let own = GitIgnores::of_text(text);
        for path in PATHS {
            let answer = answers.next().unwrap();
            let expected = !answer[2].is_empty() && !answer[2].starts_with(b"!");
            let is = |path: &str, entry| own.verdict(path, entry) == Some(true);
            let above = path
                .match_indices('/')
                .any(|(at, _)| is(&path[..at], Entry::Directory));
            if (above || is(path, Entry::File)) != expected {
                wrong.push(format!("{text:?} {path:?}: git says {expected}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
