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
    let runtime = Closure::runtime(&workspace, &lockfiles, &[app], &none).unwrap();
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
        let with = Closure::runtime(workspace, runtime.lockfiles, &[app], &named).unwrap();
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
