//! Properties of any globs of `packages:`.

use std::collections::BTreeMap;

use super::globs::Globs;

/// The directories in which globs are tried.
const DIRS: [&str; 16] = [
    "apps",
    "apps/a",
    "apps/b",
    "apps/a/b",
    "apps/a/b/c",
    "packages",
    "packages/a",
    "packages/ab",
    "packages/a-b",
    "packages/a.b",
    "packages/é",
    "packages/[a]",
    "packages/{a}",
    "x",
    "a",
    "b",
];

/// One glob per line. Globs are refused, or together match what each matches alone; simple ones
/// match what a simple matcher does.
pub fn globs(text: &str) {
    let globs: Vec<String> = text.lines().map(str::to_owned).collect();
    let all = Globs::compile(&globs);
    let each: Vec<_> = globs
        .iter()
        .map(std::slice::from_ref)
        .map(Globs::compile)
        .collect();
    assert_eq!(all.is_ok(), each.iter().all(Result::is_ok), "{globs:?}");
    let Ok(all) = all else { return };
    let compiled: BTreeMap<&String, Option<Globs>> = globs
        .iter()
        .map(|glob| {
            let plain = glob.trim_start_matches('!').to_owned();
            (glob, Globs::compile(&[plain]).ok())
        })
        .collect();
    for dir in DIRS {
        let named = |glob: &String| compiled[glob].as_ref().is_some_and(|glob| glob.name(dir));
        let bangs = |glob: &String| glob.len() - glob.trim_start_matches('!').len();
        if globs.iter().any(|glob| bangs(glob) > 1) {
            continue;
        }
        let (unwanted, wanted): (Vec<&String>, Vec<&String>) =
            globs.iter().partition(|glob| bangs(glob) == 1);
        let expected = wanted.into_iter().any(named) && !unwanted.into_iter().any(named);
        assert_eq!(all.name(dir), expected, "{globs:?} {dir}");
        for glob in globs
            .iter()
            .filter(|glob| is_simple(glob) && dir.is_ascii())
        {
            let parts: Vec<&str> = glob.split('/').filter(|part| *part != ".").collect();
            let names: Vec<&str> = dir.split('/').collect();
            let expected = simple(&parts, &names);
            assert_eq!(named(glob), expected, "{glob} {dir}");
        }
    }
}

/// Consists of names, `*`, `?`, and `**` between slashes.
fn is_simple(glob: &str) -> bool {
    let is_simple = |part: &str| {
        part == "**"
            || !(part.is_empty()
                || part == "."
                || part.contains("**")
                || part.contains(['!', '[', ']', '{', '}', '\\', '(']))
    };
    glob.split('/').all(is_simple)
}

fn simple(parts: &[&str], names: &[&str]) -> bool {
    match (parts, names) {
        ([], names) => names.is_empty(),
        (["**", rest @ ..], names) => (0..=names.len()).any(|at| simple(rest, &names[at..])),
        (_, []) => false,
        ([part, parts @ ..], [name, names @ ..]) => {
            let (part, name): (Vec<char>, Vec<char>) =
                (part.chars().collect(), name.chars().collect());
            is_like(&part, &name) && simple(parts, names)
        }
    }
}

fn is_like(part: &[char], name: &[char]) -> bool {
    match (part, name) {
        ([], name) => name.is_empty(),
        (['*', rest @ ..], name) => (0..=name.len()).any(|at| is_like(rest, &name[at..])),
        (['?', part @ ..], [_, name @ ..]) => is_like(part, name),
        ([one, part @ ..], [other, name @ ..]) => one == other && is_like(part, name),
        (_, []) => false,
    }
}
