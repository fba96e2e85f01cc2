//! The Prisma client of a package, where nothing in the build generates it: many teams do that by hand,
//! with a script beside `build`. On a developer's disk the client is there, in a build it is not.
//!
//! Input: the tasks of a build. Output: the scripts that have to run too, and what to tell the user.

use crate::detect::script::{self, Command};
use crate::lockfile::Field;
use crate::model::member::MemberId;
use crate::needs::tasks::Tasks;
use crate::plan::PlanOptions;
use crate::plan::config::ALL_SCRIPTS;
use crate::workspace::manifest::package::Manifest;
use crate::workspace::{Member, Workspace};

/// The package with the client.
const CLIENT: &str = "@prisma/client";
/// Where Prisma looks for a schema.
const SCHEMAS: [&str; 3] = ["prisma/schema.prisma", "schema.prisma", "prisma/schema"];

/// What is missing in a build.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Missing {
    /// The scripts that generate, by member.
    pub(super) run: Vec<(MemberId, String)>,
    /// Warnings for the user.
    pub(super) warnings: Vec<String>,
}

/// Finds the members of a build that have a client of Prisma's to generate, unless a task or an
/// install script of the build generates anything.
pub(super) fn missing(
    workspace: &Workspace,
    needed: &[MemberId],
    tasks: &Tasks,
    options: &PlanOptions,
) -> Missing {
    let mut missing = Missing::default();
    let generated = tasks.nodes.iter().filter(|node| node.runs).any(|node| {
        let manifest = &workspace.members[node.member].manifest;
        let mut commands = script::commands(manifest, &node.name).into_iter();
        commands.any(|command| makes_client(&command))
    });
    // A built workspace has its clients.
    if generated || options.prebuilt {
        return missing;
    }
    missing.warnings.extend(elsewhere(workspace, needed));
    for &at in needed {
        let member = &workspace.members[at];
        if !has_client(workspace, member) {
            continue;
        }
        let label = if at.is_root() {
            "//".to_owned()
        } else {
            member.label()
        };
        let Some(name) = generating(&member.manifest) else {
            missing.warnings.push(format!(
                "nothing in the build generates the Prisma client of {label}: begin its `build` script with `prisma generate && `"
            ));
            continue;
        };
        let id = format!("{label}#{name}");
        let said = options.lifecycle.get(&id);
        if said
            .or_else(|| options.lifecycle.get(ALL_SCRIPTS))
            .is_some_and(|said| !said.value)
        {
            continue;
        }
        if said.is_none() {
            missing.warnings.push(format!(
                "nothing in the build generates the Prisma client of {label}, so its script `{name}` runs first: name it in `dependsOn` of turbo.json, or leave it out with `\"lifecycle\": {{\"{id}\": false}}` in slimbuild.json"
            ));
        }
        missing.run.push((at, name));
    }
    missing
}

/// What to say where members use a client whose schema is in a package that the app does not need.
fn elsewhere(workspace: &Workspace, needed: &[MemberId]) -> Option<String> {
    let all = || workspace.members.all().iter();
    let schema = |member: &Member| has_client(workspace, member);
    if needed.iter().any(|&at| schema(&workspace.members[at])) {
        return None;
    }
    let uses = |member: &&Member| {
        let uses = member.manifest.dependencies(Field::Prod);
        uses.contains_key(CLIENT)
    };
    let user = needed.iter().map(|&at| &workspace.members[at]).find(uses)?;
    let mut owners = all().filter(|member| schema(member));
    let (owner, None) = (owners.next()?, owners.next()) else {
        return None;
    };
    Some(format!(
        "{} uses `{CLIENT}`, and the schema is in {}, which the app does not depend on: name that package in `dependencies`, so that the build generates the client",
        user.dir, owner.dir
    ))
}

/// Whether a configured name is that of a script which generates a client.
pub(super) fn is_script(workspace: &Workspace, at: MemberId, script: &str) -> bool {
    let manifest = &workspace.members[at].manifest;
    manifest.script(script).is_some() && only_generates(manifest, script)
}

/// Whether the member's code uses a client of its own schema.
fn has_client(workspace: &Workspace, member: &Member) -> bool {
    let uses = member.manifest.dependencies(Field::Prod);
    let there = |name: &&str| {
        let path = member.dir.join(name);
        path.is_ok_and(|path| workspace.tree.metadata(&path).is_ok())
    };
    uses.contains_key(CLIENT) && SCHEMAS.iter().any(there)
}

/// The script that does nothing but generate the client.
fn generating(manifest: &Manifest) -> Option<String> {
    let scripts = manifest.get("scripts")?.as_object()?;
    let mut names = scripts.keys().filter(|name| only_generates(manifest, name));
    names.next().cloned()
}

fn only_generates(manifest: &Manifest, script: &str) -> bool {
    let commands = script::commands(manifest, script);
    matches!(&commands[..], [one] if one.words.iter().any(|word| word == "prisma")
        && one.words.iter().any(|word| word == "generate")
        && !one.words.iter().any(|word| word == "--watch"))
}

/// Whether a command generates a client, or may.
fn makes_client(command: &Command) -> bool {
    let has = |part: &str| command.words.iter().any(|word| word.contains(part));
    has("generate") || has("zenstack") || (has("prisma") && (has("push") || has("migrate")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lockfile::Lockfiles;
    use crate::needs::graph::Graph;
    use crate::testing;

    /// What is missing in the build of an app that uses `packages/db`.
    fn of(app_build: &str, db: &str, schema: bool, options: &PlanOptions) -> Missing {
        let app = format!(
            r#"{{"name": "api", "scripts": {{"build": "{app_build}"}}, "dependencies": {{"db": "workspace:*"}}}}"#
        );
        let db = format!(
            r#"{{"name": "db", "scripts": {{{db}}}, "dependencies": {{"@prisma/client": "^6.0.0"}}}}"#
        );
        let lockfile = "lockfileVersion: '9.0'\nimporters:\n\n  .: {}\n\n  apps/api:\n    dependencies:\n      db:\n        \
                        specifier: workspace:*\n        version: link:../../packages/db\n\n  packages/db: {}\n";
        let mut files = vec![
            ("pnpm-lock.yaml", lockfile),
            ("apps/api/package.json", &*app),
            ("packages/db/package.json", &*db),
        ];
        if schema {
            files.push(("packages/db/prisma/schema.prisma", ""));
        }
        let (_dir, workspace) = testing::workspace(&files);
        let lockfiles = Lockfiles::parse(&workspace.lockfiles).unwrap();
        let graph = Graph::new(&workspace, &lockfiles);
        let app = testing::at(&workspace, "apps/api");
        let tasks = Tasks::new(&workspace, &graph, &[app]);
        let needed = tasks.needed(&workspace, &graph, &[app]).members;
        missing(&workspace, &needed, &tasks, options)
    }

    const BY_HAND: &str = r#""build": "tsc", "db:generate": "prisma generate""#;

    #[test]
    fn what_is_generated_by_hand_is_generated_in_the_build() {
        let options = PlanOptions::default();
        let found = of("tsc", BY_HAND, true, &options);
        let names: Vec<&str> = found.run.iter().map(|(_, name)| &**name).collect();
        assert_eq!(names, ["db:generate"]);
        assert!(found.warnings[0].contains("so its script `db:generate` runs first"));
        // With words of its own.
        let own = r#""generate": "dotenv -e ../../.env -- prisma generate --schema prisma/schema.prisma""#;
        assert_eq!(of("tsc", own, true, &options).run.len(), 1);
    }

    #[test]
    fn nothing_runs_twice_or_without_a_client() {
        let options = PlanOptions::default();
        let none = Missing::default();
        for (app, db, schema) in [
            ("tsc", BY_HAND, false),
            (
                "prisma generate --schema ../../packages/db/prisma/schema.prisma && tsc",
                BY_HAND,
                true,
            ),
            ("pnpm --filter db db:generate && tsc", BY_HAND, true),
            (
                "tsc",
                r#""build": "pnpm run db:generate && tsc", "db:generate": "prisma generate""#,
                true,
            ),
        ] {
            assert_eq!(of(app, db, schema, &options), none, "{app}, {db}");
        }
        let built = PlanOptions {
            prebuilt: true,
            ..PlanOptions::default()
        };
        assert_eq!(of("tsc", BY_HAND, true, &built), none);
    }

    #[test]
    fn without_such_a_script_it_is_only_said() {
        let found = of("tsc", r#""build": "tsc""#, true, &PlanOptions::default());
        assert!(found.run.is_empty());
        assert!(
            found.warnings[0].contains("nothing in the build generates the Prisma client of db")
        );
    }
}
