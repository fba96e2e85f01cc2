//! What `slimbuild rebase` has done, as text.

use super::lines::Lines;
use super::{count, size};
use crate::ask::rebase::{BaseChange, Rebase, RebaseState, RebasedImage, VersionChange};

/// The changes of the bases, and a row for each image.
pub fn rebase(done: &Rebase) -> String {
    let mut text = Lines::default();
    for change in &done.bases {
        base(&mut text, change);
        text.gap();
    }
    let widths = done.images.iter().map(|image| image.name.to_string().len());
    let width = widths.max().unwrap_or_default();
    for image in &done.images {
        row(&mut text, image, width);
    }
    let states = [
        RebaseState::Rebased,
        RebaseState::Changed,
        RebaseState::Unchanged,
        RebaseState::Failed,
    ];
    let counts = states.into_iter().filter_map(|state| {
        let number = done.images.iter().filter(|image| image.state == state);
        let number = number.count();
        (number > 0).then(|| format!("{number} {}", state.word()))
    });
    let counts: Vec<String> = counts.collect();
    text.gap();
    text.line(format_args!(
        "{}: {}; {} received, {} sent",
        count(done.images.len(), "image"),
        counts.join(", "),
        size(done.received),
        size(done.sent),
    ));
    text.into_text()
}

fn row(text: &mut Lines, image: &RebasedImage, width: usize) {
    let name = image.name.to_string();
    let proved = if image.proved { ", started" } else { "" };
    let digest = image.digest.as_ref();
    let digest = digest.map_or_else(String::new, |digest| format!("  {digest}"));
    let state = image.state.word();
    text.line(format_args!("{name:<width$}  {state}{proved}{digest}"));
    let problem = image.problem.iter().map(String::as_str);
    let hint = image.hint.iter().map(|hint| format!("hint: {hint}"));
    let hint: Vec<String> = hint.collect();
    let more = problem.chain(hint.iter().map(String::as_str));
    for line in more.chain(image.notes.iter().map(String::as_str)) {
        text.line(format_args!("    {line}"));
    }
}

fn base(text: &mut Lines, change: &BaseChange) {
    text.line(format_args!("{} ({})", change.new, change.platform));
    text.line(format_args!("  instead of {}", change.old));
    for version in change.packages.iter().chain(&change.node) {
        text.line(format_args!("  {}", versions(version)));
    }
    if change.packages.is_empty() && change.node.is_none() {
        text.line(format_args!(
            "  no package of the system has another version"
        ));
    }
}

fn versions(change: &VersionChange) -> String {
    let VersionChange { name, old, new } = change;
    match (old.as_deref(), new.as_deref()) {
        (Some(old), Some(new)) => format!("{name} {old} → {new}"),
        (None, Some(new)) => format!("{name} {new} (new)"),
        (old, None) => format!("{name} {} (gone)", old.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::model::digest::Digest;

    #[test]
    fn bases_come_first_and_then_the_images() {
        let image = |name: &str, state| RebasedImage {
            image: name.parse().unwrap(),
            name: name.parse().unwrap(),
            state,
            before: None,
            digest: (state == RebaseState::Rebased).then(|| Digest::of(b"x")),
            base: None,
            platforms: Vec::new(),
            proved: false,
            notes: Vec::new(),
            problem: None,
            hint: None,
        };
        let version = |name: &str, old: Option<&str>, new: Option<&str>| VersionChange {
            name: name.to_owned(),
            old: old.map(str::to_owned),
            new: new.map(str::to_owned),
        };
        let done = Rebase {
            images: vec![
                RebasedImage {
                    proved: true,
                    notes: vec!["a note".to_owned()],
                    ..image("shop.example.com/server:1", RebaseState::Rebased)
                },
                image("shop.example.com/web:1", RebaseState::Unchanged),
                RebasedImage {
                    problem: Some("it has no base\n".to_owned()),
                    hint: Some("build it".to_owned()),
                    ..image("shop.example.com/x:1", RebaseState::Failed)
                },
            ],
            bases: vec![BaseChange {
                old: "base@sha256:1".to_owned(),
                new: "base@sha256:2".to_owned(),
                platform: "linux/amd64".to_owned(),
                packages: vec![
                    version("libssl3", Some("3.0.1"), Some("3.0.2")),
                    version("new", None, Some("1")),
                    version("old", Some("1"), None),
                ],
                node: Some(version("node", Some("22.1.0"), Some("22.2.0"))),
            }],
            received: 45_000_000,
            sent: 2_000,
        };
        assert_snapshot!(rebase(&done), @r"
        base@sha256:2 (linux/amd64)
          instead of base@sha256:1
          libssl3 3.0.1 → 3.0.2
          new 1 (new)
          old 1 (gone)
          node 22.1.0 → 22.2.0

        shop.example.com/server:1  rebased, started  sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881
            a note
        shop.example.com/web:1     unchanged
        shop.example.com/x:1       failed
            it has no base\n
            hint: build it

        3 images: 1 rebased, 1 unchanged, 1 failed; 45.00 MB received, 2.00 kB sent
        ");
    }
}
