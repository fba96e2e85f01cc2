use super::*;
use crate::lockfile::keys::package_key;
use crate::show::report;
use crate::testing::{at, workspace};

/// An importer's entry: `field alias version` a line.
fn importer(dir: &str, dependencies: &[&str]) -> String {
    let mut lines = vec![format!("\n  {dir}:")];
    let mut last = "";
    for dependency in dependencies {
        let words: Vec<&str> = dependency.split(' ').collect();
        if words[0] != last {
            lines.push(format!("    {}:", words[0]));
            last = words[0];
        }
        lines.push(format!("      {}:", words[1]));
        lines.push("        specifier: '*'".to_owned());
        lines.push(format!("        version: {}", words[2]));
    }
    lines.join("\n") + "\n"
}

/// Entries of `packages` and `snapshots`: a key and what it needs, as `alias version`.
fn entries(entries: &[(&str, &[&str])]) -> String {
    let package = |(key, _): &(&str, &[&str])| package_key(key).to_owned();
    let mut lines = vec!["\npackages:\n".to_owned()];
    for key in entries.iter().map(package).collect::<BTreeSet<String>>() {
        let resolution = match key.split_once("@file:") {
            Some((_, dir)) => format!("{{directory: {dir}, type: directory}}"),
            None => "{integrity: sha512-x}".to_owned(),
        };
        lines.push(format!("  {key}:\n    resolution: {resolution}\n"));
    }
    lines.push("snapshots:\n".to_owned());
    for (key, needs) in entries {
        if needs.is_empty() {
            lines.push(format!("  {key}: {{}}\n"));
            continue;
        }
        lines.push(format!("  {key}:\n    dependencies:"));
        let needs = needs.iter().map(|need| need.replacen(' ', ": ", 1));
        lines.extend(needs.map(|need| format!("      {need}")));
        lines.push(String::new());
    }
    lines.join("\n") + "\n"
}

/// The answer in words, in a workspace with two ways to `deep`, an alias, a copied member and one
/// that nobody needs.
fn asked(query: &str) -> String {
    let lockfile = [
        "lockfileVersion: '9.0'\n\nimporters:\n",
        &importer(".", &["devDependencies tool 1.0.0"]),
        &importer(
            "apps/a",
            &[
                "dependencies copied file:packages/copied(peer@1.0.0)",
                "dependencies lib link:../../packages/lib",
                "dependencies peer 1.0.0",
                "devDependencies old-deep deep@1.0.0",
                "devDependencies tool 1.0.0",
            ],
        ),
        &importer("packages/copied", &["devDependencies odd 1.0.0"]),
        &importer("packages/idle", &["dependencies alone 1.0.0"]),
        &importer(
            "packages/lib",
            &[
                "dependencies left 1.0.0(peer@1.0.0)",
                "dependencies right 1.0.0",
            ],
        ),
        &entries(&[
            ("alone@1.0.0", &[]),
            ("copied@file:packages/copied(peer@1.0.0)", &["peer 1.0.0"]),
            ("deep@1.0.0", &[]),
            ("deep@10.0.0", &[]),
            ("deep@9.0.0", &[]),
            ("left@1.0.0(peer@1.0.0)", &["deep 9.0.0", "narrow 1.0.0"]),
            ("narrow@1.0.0", &["deep 10.0.0"]),
            ("odd@1.0.0", &[]),
            ("peer@1.0.0", &[]),
            ("right@1.0.0", &["deep 9.0.0"]),
            ("tool@1.0.0", &["peer 1.0.0"]),
        ]),
    ];
    let (_dir, workspace) = workspace(&[
        ("pnpm-lock.yaml", &lockfile.concat()),
        ("apps/a/package.json", r#"{"name": "@s/a"}"#),
        ("packages/copied/package.json", r#"{"name": "copied"}"#),
        ("packages/idle/package.json", r#"{"name": "idle"}"#),
        ("packages/lib/package.json", r#"{"name": "lib"}"#),
    ]);
    match Why::new(&workspace, at(&workspace, "apps/a"), query) {
        Ok(why) => report::why(&why),
        Err(error) => format!("{error}; {}", error.hint().unwrap_or_default()),
    }
}

#[test]
fn each_version_has_its_own_chains() {
    insta::assert_snapshot!(asked("deep"), @"
    deep@1.0.0
      in the build closure:
        apps/a ⇒ (devDependencies) deep@1.0.0 as old-deep
        only through apps/a → (devDependencies) deep@1.0.0 as old-deep: removing that dependency removes it
      not in the runtime closure

    deep@9.0.0
      in the build and the runtime closure:
        apps/a ⇒ (dependencies) packages/lib → (dependencies) left@1.0.0 → deep@9.0.0
        apps/a ⇒ (dependencies) packages/lib → (dependencies) right@1.0.0 → deep@9.0.0
        only through apps/a → (dependencies) packages/lib: removing that dependency removes it

    deep@10.0.0
      in the build and the runtime closure:
        apps/a ⇒ (dependencies) packages/lib ⇒ (dependencies) left@1.0.0 ⇒ narrow@1.0.0 ⇒ deep@10.0.0
        only through apps/a → (dependencies) packages/lib: removing that dependency removes it
        only through packages/lib → (dependencies) left@1.0.0: removing that dependency removes it

    ⇒ every chain goes this way
    ");
    insta::assert_snapshot!(asked("deep@9.0.0"), @"
    deep@9.0.0
      in the build and the runtime closure:
        apps/a ⇒ (dependencies) packages/lib → (dependencies) left@1.0.0 → deep@9.0.0
        apps/a ⇒ (dependencies) packages/lib → (dependencies) right@1.0.0 → deep@9.0.0
        only through apps/a → (dependencies) packages/lib: removing that dependency removes it

    ⇒ every chain goes this way
    ");
}

#[test]
fn closures_are_told_apart() {
    insta::assert_snapshot!(asked("tool"), @"
    tool@1.0.0
      in the build closure:
        apps/a → (devDependencies) tool@1.0.0
        . → (devDependencies) tool@1.0.0
      not in the runtime closure
    ");
    insta::assert_snapshot!(asked("alone"), @"
    alone@1.0.0
      in no closure of apps/a
      elsewhere in the workspace:
        packages/idle ⇒ (dependencies) alone@1.0.0

    ⇒ every chain goes this way
    ");
    insta::assert_snapshot!(asked("idle"), @"
    packages/idle
      in no closure of apps/a
      nothing in the workspace depends on it
    ");
}

#[test]
fn members_are_packages_too() {
    insta::assert_snapshot!(asked("packages/lib/"), @"
    packages/lib
      in the build and the runtime closure:
        apps/a ⇒ (dependencies) packages/lib
        only through apps/a → (dependencies) packages/lib: removing that dependency removes it

    ⇒ every chain goes this way
    ");
    insta::assert_snapshot!(asked("copied"), @"
    packages/copied
      in the build and the runtime closure:
        apps/a ⇒ (dependencies) packages/copied (copied)
        only through apps/a → (dependencies) packages/copied (copied): removing that dependency removes it

    ⇒ every chain goes this way
    ");
    insta::assert_snapshot!(asked("odd"), @"
    odd@1.0.0
      in the build closure:
        apps/a ⇒ (dependencies) packages/copied (copied) ⇒ packages/copied ⇒ (devDependencies) odd@1.0.0
        only through apps/a → (dependencies) packages/copied (copied): removing that dependency removes it
        only through packages/copied → (devDependencies) odd@1.0.0: removing that dependency removes it
      not in the runtime closure

    ⇒ every chain goes this way
    ");
    insta::assert_snapshot!(asked("@s/a"), @"
    apps/a
      in the build and the runtime closure:
        apps/a itself
    ");
}

#[test]
fn aliases_lead_to_what_they_mean() {
    insta::assert_snapshot!(asked("old-deep"), @"
    deep@1.0.0
      in the build closure:
        apps/a ⇒ (devDependencies) deep@1.0.0 as old-deep
        only through apps/a → (devDependencies) deep@1.0.0 as old-deep: removing that dependency removes it
      not in the runtime closure

    ⇒ every chain goes this way
    ");
}

#[test]
fn unknown_names_get_a_hint() {
    insta::assert_snapshot!(asked("dep"), @"there is no package `dep` in this workspace; did you mean `deep`?");
    insta::assert_snapshot!(asked("deep@2"), @"there is no `deep@2` in this workspace; there is deep@1.0.0, deep@9.0.0, deep@10.0.0");
    insta::assert_snapshot!(asked("@none/like-it"), @"there is no package `@none/like-it` in this workspace;");
}

#[test]
fn chains_are_counted_though_few_are_told() {
    let lockfile = |width: usize| {
        let lefts: Vec<String> = (0..width).map(|at| format!("l{at} 1.0.0")).collect();
        let rights: Vec<String> = (0..width).map(|at| format!("r{at} 1.0.0")).collect();
        let lefts_as: Vec<&str> = lefts.iter().map(String::as_str).collect();
        let rights_as: Vec<&str> = rights.iter().map(String::as_str).collect();
        let names: Vec<String> = (0..width)
            .flat_map(|at| [format!("l{at}@1.0.0"), format!("r{at}@1.0.0")])
            .collect();
        let mut all: Vec<(&str, &[&str])> = vec![("end@1.0.0", &[]), ("top@1.0.0", &lefts_as)];
        for name in &names {
            let needs: &[&str] = if name.starts_with('l') {
                &rights_as
            } else {
                &["end 1.0.0"]
            };
            all.push((name, needs));
        }
        [
            "lockfileVersion: '9.0'\n\nimporters:\n",
            &importer("apps/a", &["dependencies top 1.0.0"]),
            &entries(&all),
        ]
        .concat()
    };
    let (_dir, workspace) = workspace(&[
        ("pnpm-lock.yaml", &lockfile(12)),
        ("apps/a/package.json", r#"{"name": "a"}"#),
    ]);
    let why = Why::new(&workspace, at(&workspace, "apps/a"), "end").unwrap();
    let route = why.packages[0].build.as_ref().unwrap();
    assert_eq!((route.chains.len(), route.more), (5, 12 * 12 - 5));
    let only: Vec<bool> = route.chains[4]
        .steps
        .iter()
        .map(|step| step.only_way)
        .collect();
    assert_eq!(only, [true, false, false, false]);
}
