use super::*;
use crate::model::member::MemberId;
use crate::testing::{at, workspace};

const LOCKFILE: &str = "\
lockfileVersion: '9.0'

importers:

  .:
    devDependencies:
      turbo:
        specifier: '2'
        version: 2.0.0

  apps/a:
    dependencies:
      react:
        specifier: '18'
        version: 18.0.0
      ui:
        specifier: workspace:*
        version: link:../../packages/ui
    devDependencies:
      tool:
        specifier: workspace:*
        version: link:../../packages/tool

  packages/tool:
    dependencies:
      turbo:
        specifier: '2'
        version: 2.0.0

  packages/ui:
    devDependencies:
      react:
        specifier: '18'
        version: 18.0.0
      typescript:
        specifier: '5'
        version: 5.0.0

packages:

  react@18.0.0:
    resolution: {integrity: sha512-r}

  turbo@2.0.0:
    resolution: {integrity: sha512-t}

  typescript@5.0.0:
    resolution: {integrity: sha512-ts}

snapshots:

  react@18.0.0: {}

  turbo@2.0.0: {}

  typescript@5.0.0: {}
";

fn in_closures(show: impl Fn(&Workspace, &Closure<'_, '_>, &Closure<'_, '_>)) {
    let (_dir, workspace) = workspace(&[
        ("pnpm-lock.yaml", LOCKFILE),
        ("package.json", r#"{"devDependencies": {"turbo": "2"}}"#),
        (
            "apps/a/package.json",
            r#"{"dependencies": {"react": "18", "ui": "workspace:*"}, "devDependencies": {"tool": "workspace:*"}}"#,
        ),
        (
            "packages/tool/package.json",
            r#"{"dependencies": {"turbo": "2"}}"#,
        ),
        (
            "packages/ui/package.json",
            r#"{"devDependencies": {"react": "18", "typescript": "5"}, "peerDependencies": {"react": "18", "typescript": "5"}}"#,
        ),
        ("packages/unused/package.json", "{}"),
    ]);
    let lockfiles = Lockfiles::parse(&workspace.lockfiles).unwrap();
    let app = at(&workspace, "apps/a");
    let build = Closure::build(&workspace, &lockfiles, &[app], &BTreeMap::new()).unwrap();
    let none = BTreeSet::new();
    let runtime = Closure::runtime(&workspace, &lockfiles, &[app], &none, Tools::Spared).unwrap();
    show(&workspace, &build, &runtime);
}

fn dirs(workspace: &Workspace, closure: &Closure<'_, '_>) -> String {
    let dirs: Vec<String> = closure
        .members
        .keys()
        .map(|&at| workspace.members[at].dir.to_string())
        .collect();
    dirs.join(" ")
}

#[test]
fn runtime_is_within_build_and_build_within_the_workspace() {
    in_closures(|workspace, build, runtime| {
        assert_eq!(dirs(workspace, build), ". apps/a packages/tool packages/ui");
        assert_eq!(dirs(workspace, runtime), "apps/a packages/ui");
        assert_eq!(build.reaches[0].snapshot_keys().count(), 3);
    });
}

#[test]
fn a_peer_that_another_member_brings_counts_at_run_time() {
    in_closures(|workspace, _, runtime| {
        // react is the app's own dependency. No member needs typescript at run time, so it
        // remains a tool.
        assert_eq!(
            runtime.reaches[0].snapshot_keys().collect::<Vec<_>>(),
            ["react@18.0.0"]
        );
        let ui = at(workspace, "packages/ui");
        insta::assert_snapshot!(runtime.skeleton(workspace, ui), @r#"
        {
          "devDependencies": {
            "react": "18"
          },
          "peerDependencies": {
            "react": "18"
          }
        }
        "#);
        let text = &runtime.lockfiles(workspace)[0].1;
        assert!(text.contains("\n  .: {}\n"), "{text}");
        assert!(
            !text.contains("typescript") && !text.contains("turbo") && !text.contains("tool"),
            "{text}"
        );
        assert_eq!(runtime.skeleton(workspace, MemberId::ROOT), "{}\n");
    });
}

#[test]
fn what_a_start_names_counts_at_run_time() {
    in_closures(|workspace, _, runtime| {
        let app = at(workspace, "apps/a");
        let named = [
            (app, "tool".to_owned()),
            (MemberId::ROOT, "turbo".to_owned()),
        ]
        .into();
        let with =
            Closure::runtime(workspace, runtime.lockfiles, &[app], &named, Tools::Spared).unwrap();
        assert_eq!(dirs(workspace, &with), ". apps/a packages/tool packages/ui");
        assert!(with.skeleton(workspace, app).contains("\"tool\""));
        assert!(
            with.skeleton(workspace, MemberId::ROOT)
                .contains("\"turbo\"")
        );
        let text = &with.lockfiles(workspace)[0].1;
        assert!(
            text.contains("link:../../packages/tool") && text.contains("turbo@2.0.0:"),
            "{text}"
        );
        assert!(!text.contains("typescript"), "{text}");
    });
}

/// A lockfile whose `client` has optional peers: two tools and a package that it may load.
const PEERS: &str = "\
lockfileVersion: '9.0'

importers:

  .: {}

  apps/a:
    dependencies:
      client:
        specifier: '1'
        version: 1.0.0(pg@8.0.0)(prisma@6.0.0)(typescript@5.0.0)
    devDependencies:
      pg:
        specifier: '8'
        version: 8.0.0
      prisma:
        specifier: '6'
        version: 6.0.0(typescript@5.0.0)
      typescript:
        specifier: '5'
        version: 5.0.0

packages:

  client@1.0.0:
    resolution: {integrity: sha512-c}
    peerDependencies:
      pg: '*'
      prisma: '*'
      typescript: '*'
    peerDependenciesMeta:
      pg:
        optional: true
      prisma:
        optional: true
      typescript:
        optional: true

  engines@6.0.0:
    resolution: {integrity: sha512-e}

  pg@8.0.0:
    resolution: {integrity: sha512-p}

  prisma@6.0.0:
    resolution: {integrity: sha512-pr}
    peerDependencies:
      typescript: '*'
    peerDependenciesMeta:
      typescript:
        optional: true

  typescript@5.0.0:
    resolution: {integrity: sha512-ts}

snapshots:

  client@1.0.0(pg@8.0.0)(prisma@6.0.0)(typescript@5.0.0):
    optionalDependencies:
      pg: 8.0.0
      prisma: 6.0.0(typescript@5.0.0)
      typescript: 5.0.0

  engines@6.0.0: {}

  pg@8.0.0: {}

  prisma@6.0.0(typescript@5.0.0):
    dependencies:
      engines: 6.0.0
    optionalDependencies:
      typescript: 5.0.0

  typescript@5.0.0: {}
";

/// The packages of the runtime closure of an app with this lockfile and these dependencies, and the
/// lockfile of its production install.
fn production(lockfile: &str, dependencies: &str, tools: Tools) -> (String, String) {
    let manifest = format!(
        r#"{{"dependencies": {{{dependencies}}}, "devDependencies": {{"pg": "8", "prisma": "6", "typescript": "5"}}}}"#
    );
    let (_dir, workspace) = workspace(&[
        ("pnpm-lock.yaml", lockfile),
        ("package.json", "{}"),
        ("apps/a/package.json", &manifest),
    ]);
    let lockfiles = Lockfiles::parse(&workspace.lockfiles).unwrap();
    let apps = [at(&workspace, "apps/a")];
    let none = BTreeSet::new();
    let closure = Closure::runtime(&workspace, &lockfiles, &apps, &none, tools).unwrap();
    let packages: Vec<&str> = closure.entries().map(|(_, key, _)| key).collect();
    let text = closure.lockfiles(&workspace).remove(0).1;
    (packages.join(" "), text)
}

#[test]
fn tools_that_are_only_optional_peers_are_spared() {
    let client = r#""client": "1""#;
    let (packages, text) = production(PEERS, client, Tools::Spared);
    let of_client = "client@1.0.0(pg@8.0.0)(prisma@6.0.0)(typescript@5.0.0)";
    assert_eq!(packages, format!("{of_client} pg@8.0.0"));
    insta::assert_snapshot!(&text[text.find("snapshots:").unwrap()..], @"
    snapshots:

      client@1.0.0(pg@8.0.0)(prisma@6.0.0)(typescript@5.0.0):
        optionalDependencies:
          pg: 8.0.0

      pg@8.0.0:
        optional: true
    ");
    let (packages, text) = production(PEERS, client, Tools::Stay);
    assert!(packages.ends_with("prisma@6.0.0(typescript@5.0.0) typescript@5.0.0"));
    assert!(text.contains("      prisma: 6.0.0(typescript@5.0.0)\n"));
}

#[test]
fn a_tool_that_something_needs_is_no_spared_peer() {
    // prisma depends on it properly now, and the app on prisma.
    let lockfile = PEERS.replacen(
        "    devDependencies:\n      pg:",
        "      prisma:\n        specifier: '6'\n        version: 6.0.0(typescript@5.0.0)\n    devDependencies:\n      pg:",
        1,
    );
    let both = r#""client": "1", "prisma": "6""#;
    let (packages, text) = production(&lockfile, both, Tools::Spared);
    assert!(
        packages.contains("engines@6.0.0") && !packages.contains(" typescript@"),
        "{packages}"
    );
    let snapshots = &text[text.find("snapshots:").unwrap()..];
    // The client finds it, as it would with pnpm.
    assert!(
        snapshots.contains("      prisma: 6.0.0(typescript@5.0.0)\n"),
        "{snapshots}"
    );
    assert!(
        !snapshots.contains("      typescript: 5.0.0\n"),
        "{snapshots}"
    );
    assert!(
        snapshots.contains(
            "  prisma@6.0.0(typescript@5.0.0):\n    dependencies:\n      engines: 6.0.0\n"
        ),
        "{snapshots}"
    );
}

#[test]
fn an_entry_without_its_last_line_stays_a_map() {
    let lockfile = PEERS
        .replace("      pg: 8.0.0\n", "")
        .replace("      pg: '*'\n", "")
        .replace("      pg:\n        optional: true\n", "");
    let (packages, text) = production(&lockfile, r#""client": "1""#, Tools::Spared);
    assert_eq!(
        packages,
        "client@1.0.0(pg@8.0.0)(prisma@6.0.0)(typescript@5.0.0)"
    );
    let end = "snapshots:\n\n  client@1.0.0(pg@8.0.0)(prisma@6.0.0)(typescript@5.0.0): {}\n";
    assert!(text.ends_with(end), "{text}");
}
