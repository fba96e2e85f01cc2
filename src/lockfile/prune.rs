//! Pruning: the lockfile's text without the entries that nothing reaches. Ranges are left out; what stays is byte-identical.

use std::collections::BTreeSet;
use std::ops::Range;

use super::reach::Reach;
use super::{Dependency, Field, Lockfile};

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

/// Leaves out all importers but `kept`, of those the dependencies for which the predicate is false, and all entries that `reach` lacks.
pub fn prune(lockfile: &Lockfile<'_>, kept: &Kept<'_>, reach: &Reach<'_, '_>) -> String {
    let mut cuts: Vec<(Range<usize>, String)> = Vec::new();
    for importer in lockfile.importers() {
        if !kept.importers.contains(&*importer.key) {
            cuts.push((importer.range.clone(), String::new()));
            continue;
        }
        let keep = |one: &Dependency<'_>| (kept.dependency)(&importer.key, one.field, &one.alias);
        let mut left = importer.blocks.len();
        let mut within: Vec<(Range<usize>, String)> = Vec::new();
        for block in &importer.blocks {
            let of_block = || {
                importer
                    .dependencies
                    .iter()
                    .filter(|one| Some(one.field) == block.field)
            };
            if block.field.is_some() && !of_block().any(&keep) {
                within.push((block.range.clone(), String::new()));
                left -= 1;
            } else {
                within.extend(
                    of_block()
                        .filter(|one| !keep(one))
                        .map(|one| (one.range.clone(), String::new())),
                );
            }
        }
        if left == 0 && !importer.blocks.is_empty() {
            // pnpm calls an empty value a broken lockfile.
            let line = lockfile.text()[importer.head..importer.range.end]
                .split_inclusive('\n')
                .next()
                .unwrap_or_default();
            let end = line.trim_end().len();
            let head = importer.head..importer.head + line.len();
            within = vec![(
                head.start..importer.range.end,
                format!("{} {{}}{}", &line[..end], &line[end..]),
            )];
        }
        cuts.extend(within);
    }
    let drop_packages = lockfile
        .packages()
        .iter()
        .enumerate()
        .filter(|(at, _)| !reach.has_package(*at));
    let drop_snapshots = lockfile
        .snapshots()
        .iter()
        .enumerate()
        .filter(|(at, _)| !reach.has_snapshot(*at));
    cuts.extend(
        drop_packages
            .chain(drop_snapshots)
            .map(|(_, entry)| (entry.range.clone(), String::new())),
    );
    // pnpm omits a section that is empty.
    let empty = |entries: usize, kept: usize| entries > 0 && kept == 0;
    let kept_snapshots = (0..lockfile.snapshots().len())
        .filter(|at| reach.has_snapshot(*at))
        .count();
    for (name, gone) in [
        (
            "packages",
            empty(lockfile.packages().len(), reach.package_count()),
        ),
        (
            "snapshots",
            empty(lockfile.snapshots().len(), kept_snapshots),
        ),
    ] {
        if let Some(section) = lockfile.section(name).filter(|_| gone) {
            cuts.retain(|(range, _)| !(section.start <= range.start && range.end <= section.end));
            cuts.push((section, String::new()));
        }
    }
    let mut text = apply(lockfile.text(), cuts);
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

/// Applies replacements to a text; the ranges must not overlap.
pub(crate) fn apply(text: &str, mut cuts: Vec<(Range<usize>, String)>) -> String {
    cuts.sort_by_key(|(range, _)| range.start);
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
            "`pnpm-lock.yaml`: `turbo` in `.` needs `turbo@2.1.0`, which the file does not hold"
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
            error("lockfileVersion: 5.4\n"),
            "`pnpm-lock.yaml` has format 5.4, which slimbuild does not read yet: it reads 9.0"
        );
        assert_eq!(
            error("lockfileVersion: '12.0'\n"),
            "`pnpm-lock.yaml` has the unknown format 12.0: slimbuild reads 9.0"
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
}
