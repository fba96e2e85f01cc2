//! Pruning: the lockfile's text without the entries that nothing reaches. Ranges are left out; what stays is byte-identical.

use std::collections::BTreeSet;
use std::ops::Range;

use super::document::Entry;
use super::importer::BlockKind;
use super::keys::Format;
use super::reach::{Reach, Reached};
use super::{Dependency, Field, Importer, Lockfile};

/// Which projects stay, and which of their direct dependencies.
///
/// A manifest that loses a dependency must lose it in the lockfile too: `pnpm install
/// --frozen-lockfile` compares the two even for dependencies that it does not install.
pub struct Kept<'k> {
    /// Keys of importers.
    pub importers: &'k BTreeSet<String>,
    /// Whether an importer keeps the dependency with this alias.
    pub dependency: &'k dyn Fn(&str, Field, &str) -> bool,
}

/// Leaves out all importers but those that are kept, of these the dependencies for which the predicate is false, and all entries that `reach`
/// lacks. Where that changes why an entry is needed, its flags `optional` and `dev` are set as pnpm would set them.
pub fn prune(lockfile: &Lockfile<'_>, kept: &Kept<'_>, reach: &Reach<'_, '_>) -> String {
    let mut cuts = Cuts::default();
    for importer in lockfile.importers() {
        match &importer.range {
            Some(range) if !kept.importers.contains(&*importer.key) => {
                cuts.leave_out(range.clone());
            }
            _ => prune_importer(lockfile, importer, kept, &mut cuts),
        }
    }
    let unpruned = cuts.0.is_empty();
    let packages = lockfile
        .packages()
        .iter()
        .enumerate()
        .filter(|(at, _)| !reach.has_package(*at));
    let nodes = lockfile
        .nodes()
        .iter()
        .enumerate()
        .filter(|(at, _)| reach.node(*at).is_none());
    for (_, entry) in packages.chain(nodes) {
        cuts.leave_out(entry.range.clone());
    }
    if !unpruned {
        for (at, entry) in lockfile.nodes().iter().enumerate() {
            if let Some(reached) = reach.node(at) {
                set_flags(lockfile, entry, reached, &mut cuts);
            }
        }
    }
    leave_out_empty_sections(lockfile, reach, &mut cuts);
    let mut text = apply(lockfile.text(), cuts.0);
    let missing: Vec<&str> = kept
        .importers
        .iter()
        .map(String::as_str)
        .filter(|key| lockfile.importer(key).is_none())
        .collect();
    if !missing.is_empty() {
        text = with_empty_importers(&text, &missing);
    }
    // A section at the end that went took the text's last line with it; the blank lines before it stay behind.
    while text.ends_with("\n\n") {
        text.pop();
    }
    text
}

/// Ranges of the text with what comes in their place.
#[derive(Default)]
struct Cuts(Vec<(Range<usize>, String)>);

impl Cuts {
    fn leave_out(&mut self, range: Range<usize>) {
        self.0.push((range, String::new()));
    }

    fn insert(&mut self, at: usize, text: String) {
        self.0.push((at..at, text));
    }
}

fn prune_importer(
    lockfile: &Lockfile<'_>,
    importer: &Importer<'_>,
    kept: &Kept<'_>,
    cuts: &mut Cuts,
) {
    let keep = |one: &Dependency<'_>| (kept.dependency)(&importer.key, one.field, &one.alias);
    let mut within = Cuts::default();
    let mut left = 0;
    for block in &importer.blocks {
        let all: Vec<&Dependency<'_>> = match block.kind {
            BlockKind::Field(field) => importer
                .dependencies
                .iter()
                .filter(|one| one.field == field)
                .collect(),
            BlockKind::Specifiers => importer.dependencies.iter().collect(),
            BlockKind::Other => Vec::new(),
        };
        let own = |one: &Dependency<'_>| match block.kind {
            BlockKind::Specifiers => one.specifier_range.as_deref().cloned(),
            _ => Some(one.range.clone()),
        };
        let emptied = !all.is_empty() && !all.iter().any(|one| keep(one));
        match (block.kind, emptied) {
            (BlockKind::Field(_), true) => within.leave_out(block.range.clone()),
            (BlockKind::Specifiers, true) => {
                // The map stays, as pnpm 6 and 7 write it for a project without dependencies.
                let line = lockfile.text()[block.range.clone()]
                    .split_inclusive('\n')
                    .next()
                    .unwrap_or_default();
                within.0.push((block.range.clone(), as_empty_map(line)));
                left += 1;
            }
            _ => {
                left += 1;
                all.into_iter()
                    .filter(|one| !keep(one))
                    .filter_map(own)
                    .for_each(|range| within.leave_out(range));
            }
        }
    }
    match &importer.range {
        Some(range) if left == 0 && !importer.blocks.is_empty() => {
            // pnpm calls an empty value a broken lockfile.
            let line = lockfile.text()[importer.head..range.end]
                .split_inclusive('\n')
                .next()
                .unwrap_or_default();
            cuts.0.push((importer.head..range.end, as_empty_map(line)));
        }
        _ => cuts.0.append(&mut within.0),
    }
}

/// `key:` as `key: {}`, with the same end of the line.
fn as_empty_map(line: &str) -> String {
    let end = line.trim_end().len();
    format!("{} {{}}{}", &line[..end], &line[end..])
}

/// Sets `optional` and `dev` anew. Both stand at the end of an entry, in this order: `dev`, `optional`.
fn set_flags(lockfile: &Lockfile<'_>, entry: &Entry<'_>, reached: &Reached, cuts: &mut Cuts) {
    let text = lockfile.text();
    let line_break = if text[entry.head..entry.body].ends_with("\r\n") {
        "\r\n"
    } else {
        "\n"
    };
    let (was, is) = (reached.optional.is_some(), reached.is_optional());
    let dev_is = if lockfile.format() == Format::V9 {
        None
    } else {
        reached.is_dev()
    };
    let dev_was = reached.dev.as_ref().map(|(dev, _)| *dev);
    if was == is && dev_was == dev_is {
        return;
    }
    let mut added = String::new();
    if dev_was != dev_is {
        if let Some((_, range)) = &reached.dev {
            cuts.leave_out(range.clone());
        }
        if let Some(dev) = dev_is {
            // Before `optional`, wherever that stands.
            let line = format!("    dev: {dev}{line_break}");
            match reached.optional.as_ref().filter(|_| is) {
                Some(optional) => cuts.insert(optional.start, line),
                None => added.push_str(&line),
            }
        }
    }
    if was && !is {
        cuts.0
            .extend(reached.optional.clone().map(|range| (range, String::new())));
    } else if is && !was {
        added.push_str("    optional: true");
        added.push_str(line_break);
    }
    let body = text[entry.body..entry.range.end].trim_end();
    let head = &text[entry.head..entry.body];
    if body.is_empty() && !added.is_empty() {
        // `key: {}` becomes a block.
        let key = head.trim_end().trim_end_matches("{}").trim_end();
        cuts.0
            .push((entry.head..entry.body, format!("{key}{line_break}{added}")));
    } else if added.is_empty() && was && !is && body.lines().count() == 1 {
        cuts.0.push((entry.head..entry.body, as_empty_map(head)));
    } else if !added.is_empty() {
        let end = entry.body + body.len();
        let end = end + text[end..entry.range.end].find('\n').map_or(0, |at| at + 1);
        cuts.insert(
            end,
            if text[..end].ends_with('\n') {
                added
            } else {
                format!("{line_break}{}", added.trim_end())
            },
        );
    }
}

/// pnpm omits a section that is empty.
fn leave_out_empty_sections(lockfile: &Lockfile<'_>, reach: &Reach<'_, '_>, cuts: &mut Cuts) {
    let no_node = (0..lockfile.nodes().len()).all(|at| reach.node(at).is_none());
    for (name, gone) in [
        (
            "packages",
            no_node && !(lockfile.nodes().is_empty() && lockfile.packages().is_empty()),
        ),
        ("snapshots", no_node && !lockfile.nodes().is_empty()),
    ] {
        if let Some(section) = lockfile.section(name).filter(|_| gone) {
            cuts.0
                .retain(|(range, _)| !(section.start <= range.start && range.end <= section.end));
            cuts.leave_out(section);
        }
    }
}

/// Applies replacements to a text; the ranges must not overlap.
pub(crate) fn apply(text: &str, mut cuts: Vec<(Range<usize>, String)>) -> String {
    // What is inserted before a range comes before what replaces it.
    cuts.sort_by_key(|(range, _)| (range.start, range.end));
    let mut pruned = String::with_capacity(text.len());
    let mut at = 0;
    for (range, replacement) in cuts {
        pruned.push_str(&text[at..range.start]);
        pruned.push_str(&replacement);
        at = range.end;
    }
    pruned.push_str(&text[at..]);
    pruned
}

/// Adds `{}` for projects without any dependency that an older pnpm left out: a project without an importer is an outdated lockfile.
fn with_empty_importers(text: &str, missing: &[&str]) -> String {
    let entry = |key: &&str| {
        format!(
            "
  '{}': {{}}
",
            key.replace('\'', "''")
        )
    };
    let entries: Vec<String> = missing.iter().map(entry).collect();
    let entries = entries.concat();
    let head = "importers:\n";
    match text
        .strip_prefix(head)
        .map(|_| 0)
        .or_else(|| text.find(&format!("\n{head}")).map(|at| at + 1))
    {
        Some(at) => {
            let at = at + head.len();
            format!("{}{entries}{}", &text[..at], &text[at..])
        }
        None => format!("{text}\n{head}{entries}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lockfile::LockfileError;

    const TEXT: &str = "\
lockfileVersion: '9.0'

settings:
  autoInstallPeers: true

importers:

  .:
    devDependencies:
      turbo:
        specifier: ^2.0.0
        version: 2.1.0

  apps/a:
    dependencies:
      '@s/x':
        specifier: ^1.0.0
        version: 1.0.0(y@2.0.0)
      lib:
        specifier: workspace:*
        version: link:../../packages/lib

  packages/lib:
    devDependencies:
      y:
        specifier: ^2.0.0
        version: 2.0.0

packages:

  '@s/x@1.0.0':
    resolution: {integrity: sha512-x}
    deprecated: |-
      two

      lines

  turbo@2.1.0:
    resolution: {integrity: sha512-t}

  y@2.0.0:
    resolution: {integrity: sha512-y}

snapshots:

  '@s/x@1.0.0(y@2.0.0)':
    dependencies:
      y: 2.0.0

  turbo@2.1.0: {}

  y@2.0.0: {}
";

    /// Prunes to the given importers, with or without their dev dependencies.
    fn pruned(text: &str, importers: &[&str], dev: bool) -> Result<String, LockfileError> {
        let lockfile = Lockfile::parse(text)?;
        let keep = |field: Field| dev || field != Field::Dev;
        let mut reach = Reach::new(&lockfile);
        for key in importers {
            let importer = lockfile.importer(key).unwrap();
            for dependency in importer.dependencies.iter().filter(|one| keep(one.field)) {
                reach.follow(importer, dependency)?;
            }
        }
        let importers = importers.iter().map(|&key| key.to_owned()).collect();
        let kept = Kept {
            importers: &importers,
            dependency: &|_, field, _| keep(field),
        };
        Ok(prune(&lockfile, &kept, &reach))
    }

    #[test]
    fn keeping_all_changes_nothing() {
        assert_eq!(
            pruned(TEXT, &[".", "apps/a", "packages/lib"], true).unwrap(),
            TEXT
        );
    }

    #[test]
    fn leaves_out_importers_and_what_only_they_reach() {
        let text = pruned(TEXT, &["apps/a", "packages/lib"], true).unwrap();
        let expected = TEXT
            .replace("\n  .:\n    devDependencies:\n      turbo:\n        specifier: ^2.0.0\n        version: 2.1.0\n", "")
            .replace("\n  turbo@2.1.0:\n    resolution: {integrity: sha512-t}\n", "")
            .replace("\n  turbo@2.1.0: {}\n", "");
        assert_eq!(text, expected);
    }

    #[test]
    fn an_importer_without_dependencies_reads_as_an_empty_map() {
        let text = pruned(TEXT, &[".", "packages/lib"], false).unwrap();
        insta::assert_snapshot!(text, @r"
        lockfileVersion: '9.0'

        settings:
          autoInstallPeers: true

        importers:

          .: {}

          packages/lib: {}
        ");
    }

    #[test]
    fn a_dangling_reference_is_named() {
        let broken = TEXT.replace("  y@2.0.0: {}\n", "");
        assert_eq!(
            pruned(&broken, &["apps/a"], true).unwrap_err().to_string(),
            "`pnpm-lock.yaml`: `@s/x@1.0.0(y@2.0.0)` needs `y@2.0.0`, which the file does not hold"
        );
        let broken = TEXT.replace(
            "\n  turbo@2.1.0:\n    resolution: {integrity: sha512-t}\n",
            "",
        );
        assert_eq!(
            pruned(&broken, &["."], true).unwrap_err().to_string(),
            "`pnpm-lock.yaml`: `packages` has no entry for `turbo@2.1.0` of `snapshots`"
        );
    }

    #[test]
    fn windows_line_ends_and_a_leading_document_stay() {
        let text = format!("---\nlockfileVersion: '9.0'\nimporters: {{}}\n\n---\n{TEXT}")
            .replace('\n', "\r\n");
        assert_eq!(
            pruned(&text, &[".", "apps/a", "packages/lib"], true).unwrap(),
            text
        );
        let text = pruned(&text, &["apps/a"], true).unwrap();
        assert!(text.starts_with("---\r\nlockfileVersion"), "{text}");
        assert!(!text.contains("turbo"), "{text}");
    }

    #[test]
    fn formats_that_are_not_read() {
        let error = |text: &str| Lockfile::parse(text).unwrap_err().to_string();
        assert_eq!(
            error("lockfileVersion: 5.1\n"),
            "`pnpm-lock.yaml` has format 5.1: slimbuild reads 5.3, 5.4, 6.0, 6.1 and 9.0"
        );
        assert_eq!(
            error("lockfileVersion: '12.0'\n"),
            "`pnpm-lock.yaml` has format 12.0: slimbuild reads 5.3, 5.4, 6.0, 6.1 and 9.0"
        );
        assert_eq!(
            error("settings: {}\n"),
            "`pnpm-lock.yaml` has no `lockfileVersion`"
        );
        assert_eq!(
            error(&format!("{TEXT}<<<<<<< HEAD\n")),
            "`pnpm-lock.yaml`, line 53: there is a merge conflict in the file"
        );
    }

    #[test]
    fn a_layout_that_pnpm_does_not_write_is_refused() {
        for (from, to, expected) in [
            (
                "  apps/a:\n",
                "   apps/a:\n",
                "line 14: a line is indented by 3 spaces",
            ),
            (
                "  turbo@2.1.0: {}",
                "  turbo@2.1.0: {a: b}",
                "the entry `turbo@2.1.0` of `snapshots` is not written as a block",
            ),
            (
                "version: 2.1.0",
                "version: {a: b}",
                "line 12: expected one plain or quoted text",
            ),
            (
                "  y@2.0.0: {}",
                "  y@2.0.0: {}\n\n  y@2.0.0: {}",
                "`y@2.0.0` is there twice in `snapshots`",
            ),
            (
                "        version: 2.1.0\n",
                "",
                "`turbo` of `.` has no version",
            ),
            (
                "importers:\n",
                "importers: {.: {}}\n",
                "`importers` is not written as a block",
            ),
        ] {
            let error = Lockfile::parse(&TEXT.replacen(from, to, 1))
                .map(|_| ())
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    /// Format 5.4 as pnpm 7 writes it: specifiers apart, flags on packages.
    const V5: &str = "\
lockfileVersion: 5.4

importers:

  .:
    specifiers:
      turbo: ^1.0.0
    devDependencies:
      turbo: 1.0.0

  apps/a:
    specifiers:
      '@s/x': ^1.0.0
      lib: workspace:*
    dependencies:
      '@s/x': 1.0.0_y@2.0.0
      lib: link:../../packages/lib

  packages/lib:
    specifiers:
      y: ^2.0.0
    devDependencies:
      y: 2.0.0

packages:

  /@s/x/1.0.0_y@2.0.0:
    resolution: {integrity: sha512-x}
    peerDependencies:
      y: '2'
    dependencies:
      y: 2.0.0
    dev: false

  /turbo/1.0.0:
    resolution: {integrity: sha512-t}
    hasBin: true
    optionalDependencies:
      z: 3.0.0
    dev: true

  /y/2.0.0:
    resolution: {integrity: sha512-y}

  /z/3.0.0:
    resolution: {integrity: sha512-z}
    cpu: [x64]
    requiresBuild: true
    dev: true
    optional: true
";

    /// The lines in which two texts differ.
    fn difference(before: &str, after: &str) -> String {
        let mut lines = String::new();
        for change in similar(before, after) {
            lines.push_str(&change);
        }
        lines
    }

    fn similar(before: &str, after: &str) -> Vec<String> {
        let (old, new): (Vec<&str>, Vec<&str>) =
            (before.lines().collect(), after.lines().collect());
        let mut at = 0;
        let mut changes = Vec::new();
        for line in &new {
            match old[at..].iter().position(|other| other == line) {
                Some(skipped) => {
                    let gone = old[at..at + skipped].iter().filter(|line| !line.is_empty());
                    changes.extend(gone.map(|line| format!("-{line}\n")));
                    at += skipped + 1;
                }
                None => changes.push(format!("+{line}\n")),
            }
        }
        changes.extend(
            old[at..]
                .iter()
                .filter(|line| !line.is_empty())
                .map(|line| format!("-{line}\n")),
        );
        changes
    }

    #[test]
    fn format_5_loses_specifiers_with_dependencies_and_gets_new_flags() {
        assert_eq!(
            pruned(V5, &[".", "apps/a", "packages/lib"], true).unwrap(),
            V5
        );
        let text = pruned(V5, &["apps/a", "packages/lib"], false).unwrap();
        insta::assert_snapshot!(difference(V5, &text), @r"
        -  .:
        -    specifiers:
        -      turbo: ^1.0.0
        -    devDependencies:
        -      turbo: 1.0.0
        +    specifiers: {}
        -    specifiers:
        -      y: ^2.0.0
        -    devDependencies:
        -      y: 2.0.0
        -  /turbo/1.0.0:
        -    resolution: {integrity: sha512-t}
        -    hasBin: true
        -    optionalDependencies:
        -      z: 3.0.0
        -    dev: true
        +    dev: false
        -  /z/3.0.0:
        -    resolution: {integrity: sha512-z}
        -    cpu: [x64]
        -    requiresBuild: true
        -    dev: true
        -    optional: true
        ");
    }

    #[test]
    fn format_6_of_a_single_project() {
        let text = "lockfileVersion: '6.0'\n\nsettings:\n  autoInstallPeers: true\n\ndependencies:\n  a:\n    specifier: 1.0.0\n    version: 1.0.0\n\n\
            devDependencies:\n  b:\n    specifier: 1.0.0\n    version: 1.0.0(a@1.0.0)\n\npackages:\n\n  /a@1.0.0:\n    resolution: {integrity: sha512-a}\n\n  \
            /b@1.0.0(a@1.0.0):\n    resolution: {integrity: sha512-b}\n    dependencies:\n      a: 1.0.0\n    dev: true\n";
        assert_eq!(pruned(text, &["."], true).unwrap(), text);
        insta::assert_snapshot!(pruned(text, &["."], false).unwrap(), @r"
        lockfileVersion: '6.0'

        settings:
          autoInstallPeers: true

        dependencies:
          a:
            specifier: 1.0.0
            version: 1.0.0

        packages:

          /a@1.0.0:
            resolution: {integrity: sha512-a}
            dev: false
        ");
    }

    /// `apps/a` needs x, of which `lib` is the only one to need o without an alternative.
    const OPTIONAL: &str = "\
lockfileVersion: '9.0'

importers:

  apps/a:
    dependencies:
      x:
        specifier: '1'
        version: 1.0.0

  packages/lib:
    dependencies:
      o:
        specifier: '1'
        version: 1.0.0
    optionalDependencies:
      x:
        specifier: '1'
        version: 1.0.0

packages:

  o@1.0.0:
    resolution: {integrity: sha512-o}

  x@1.0.0:
    resolution: {integrity: sha512-x}

snapshots:

  o@1.0.0: {}

  x@1.0.0:
    optionalDependencies:
      o: 1.0.0
";

    #[test]
    fn what_nothing_needs_any_more_becomes_optional_and_back() {
        let text = pruned(OPTIONAL, &["apps/a"], true).unwrap();
        assert!(text.ends_with("  o@1.0.0:\n    optional: true\n\n  x@1.0.0:\n    optionalDependencies:\n      o: 1.0.0\n"), "{text}");
        assert_eq!(pruned(&text, &["apps/a"], true).unwrap(), text);
        let text = pruned(OPTIONAL, &["packages/lib"], true).unwrap();
        assert!(text.ends_with("  o@1.0.0: {}\n\n  x@1.0.0:\n    optionalDependencies:\n      o: 1.0.0\n    optional: true\n"), "{text}");
        let flagged = OPTIONAL.replace("  o@1.0.0: {}", "  o@1.0.0:\n    optional: true");
        let text = pruned(&flagged, &["packages/lib"], true).unwrap();
        assert!(text.contains("  o@1.0.0: {}\n"), "{text}");
    }

    #[test]
    fn keys_that_are_too_long_for_one_line() {
        let long = format!("x@1.0.0({})", "p".repeat(1100));
        let text = OPTIONAL
            .replace(
                "  x@1.0.0:\n    optionalDependencies:\n      o: 1.0.0\n",
                &format!("  ? {long}\n  : optionalDependencies:\n      o: 1.0.0\n"),
            )
            .replacen(
                "        specifier: '1'\n        version: 1.0.0",
                &format!(
                    "        specifier: '1'\n        version: 1.0.0({})",
                    "p".repeat(1100)
                ),
                1,
            );
        let text = text.replace(
            "    optionalDependencies:\n      x:\n        specifier: '1'\n        version: 1.0.0\n",
            "",
        );
        assert_eq!(
            pruned(&text, &["apps/a", "packages/lib"], true).unwrap(),
            text
        );
        assert!(
            pruned(&text, &["apps/a"], true)
                .unwrap()
                .contains("  o@1.0.0:\n    optional: true\n")
        );
    }
}
