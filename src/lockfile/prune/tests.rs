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
        "`pnpm-lock.yaml` has format 5.1: slimbuild reads 5.3, 5.4, 6.0, 6.1, 9.0 and 13.0"
    );
    assert_eq!(
        error("lockfileVersion: '12.0'\n"),
        "`pnpm-lock.yaml` has format 12.0: slimbuild reads 5.3, 5.4, 6.0, 6.1, 9.0 and 13.0"
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
            "  turbo@2.1.0: {}",
            "  turbo@2.1.0: {}\n    optional: true",
            "line 51: a line is indented by 4 spaces",
        ),
        (
            "      turbo:\n",
            "      turbo:\n    dependencies:\n",
            "line 12: a line is indented by 8 spaces",
        ),
        (
            "        version: 2.1.0\n",
            "        version: 2.1.0\n    devDependencies:\n      a:\n",
            "line 13: `devDependencies` is there twice",
        ),
        (
            "    devDependencies:\n      turbo:",
            "    dependencies: {a: b}\n    devDependencies:\n      turbo:",
            "line 9: `dependencies` is not written as a block",
        ),
        (
            "    devDependencies:\n      turbo:",
            "    dependencies: {}\n      turbo:",
            "line 10: a line is indented by 6 spaces",
        ),
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
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
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

#[test]
fn a_missing_importer_is_added_where_importers_are() {
    let added = |text: &str| {
        let lockfile = Lockfile::parse(text).unwrap();
        let importers = BTreeSet::from(["it's".to_owned()]);
        let kept = Kept {
            importers: &importers,
            dependency: &|_, _, _| true,
        };
        prune(&lockfile, &kept, &Reach::new(&lockfile))
    };
    for (text, expected) in [
        (
            "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n\nsettings:\n  a: b\n",
            "lockfileVersion: '9.0'\n\nimporters:\n\n  'it''s': {}\n\nsettings:\n  a: b\n",
        ),
        // windows line ends
        (
            "lockfileVersion: '9.0'\r\n\r\nimporters:\r\n\r\n  .: {}\r\n",
            "lockfileVersion: '9.0'\r\n\r\nimporters:\r\n\r\n  'it''s': {}\r\n",
        ),
        // the first document has importers too
        (
            "---\nlockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n\n---\nlockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n",
            "---\nlockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n\n---\nlockfileVersion: '9.0'\n\nimporters:\n\n  'it''s': {}\n",
        ),
        // an empty map, or none
        (
            "lockfileVersion: '9.0'\n\nimporters: {}\n",
            "lockfileVersion: '9.0'\n\nimporters:\n\n  'it''s': {}\n",
        ),
        (
            "lockfileVersion: '9.0'",
            "lockfileVersion: '9.0'\n\nimporters:\n\n  'it''s': {}\n",
        ),
        // the document of a single project
        (
            "lockfileVersion: '6.0'\n\ndependencies: {}\n",
            "lockfileVersion: '6.0'\n\ndependencies: {}\n",
        ),
    ] {
        assert_eq!(added(text), expected, "{text}");
    }
}
