//! Programs of dependencies that start an app: `react-router-serve ./build/server/index.js`.
//!
//! What pnpm puts into `node_modules/.bin` is a script for a shell, which the image has not: where the modules are installed, a link to the
//! file takes its place, and node starts that. Which file it is the package alone knows, and it changes: `bin.js` of `@react-router/serve` 7
//! is `bin.cjs` of 8.

use std::collections::BTreeMap;

use serde_json::Value;

use super::start::{START_SCRIPTS, Start};
use super::subject::Subject;
use super::{DetectError, loader};
use crate::lockfile::Field;

/// Programs that are not named as the package that has them.
const PROGRAMS: [(&str, &str); 8] = [
    ("react-router-serve", "@react-router/serve"),
    ("remix-serve", "@remix-run/serve"),
    ("fastify", "fastify-cli"),
    ("keystone", "@keystone-6/core"),
    ("medusa", "@medusajs/medusa"),
    ("moleculer-runner", "moleculer"),
    ("sirv", "sirv-cli"),
    ("strapi", "@strapi/strapi"),
];

/// Where pnpm puts programs; the image has a link there instead of pnpm's script.
pub const BIN: &str = "node_modules/.bin/";

/// What the first start script runs, where that is such a program.
pub(super) fn started(subject: &Subject<'_>) -> Result<Option<Start>, DetectError> {
    for name in START_SCRIPTS {
        let Some(command) = subject.commands(name).pop() else {
            continue;
        };
        if command.program() == "node" {
            return Ok(None);
        }
        let reason = format!("the `{name}` script (`{}`)", command.words.join(" "));
        if let Some(mut start) = of(subject, command.program(), &command.words[1..], &reason) {
            let own = command
                .env
                .into_iter()
                .filter(|(name, _)| name != "NODE_ENV");
            start.env.extend(own);
            return Ok(Some(start));
        }
        if let Some(package) = known(command.program()) {
            let dev = subject.depends_on(package);
            return Err(DetectError::Undecided {
                app: subject.member().dir.clone(),
                problem: format!(
                    "{reason} runs a program of `{package}`, which {}",
                    if dev {
                        "is a dev dependency: the image does not get it"
                    } else {
                        "is not among the dependencies"
                    }
                ),
                fix: format!("move `{package}` to the dependencies, or start a file with node"),
            });
        }
    }
    Ok(None)
}

fn known(program: &str) -> Option<&'static str> {
    let known = PROGRAMS.into_iter().find(|(name, _)| *name == program);
    known.map(|(_, package)| package)
}

/// A program with its arguments, where its package is a production dependency.
pub(super) fn of(
    subject: &Subject<'_>,
    program: &str,
    args: &[String],
    reason: &str,
) -> Option<Start> {
    // A loader of TypeScript is kept where it is for developers too.
    let kept = program == "tsx" && loader::needs_program(subject) && subject.depends_on(program);
    let entry = match of_member(subject, program) {
        Some(file) => file,
        None if kept || subject.ships(known(program).unwrap_or(program)) => {
            format!("{BIN}{program}")
        }
        None => return None,
    };
    let tidy = |word: &String| word.trim_start_matches("./").to_owned();
    // The argument that names a file is what the build must have written.
    let loads = args
        .iter()
        .find(|word| {
            !word.starts_with('-')
                && [".js", ".mjs", ".cjs"]
                    .iter()
                    .any(|end| word.ends_with(end))
        })
        .map(tidy)
        .filter(|file| !subject.files.contains(file));
    Some(Start {
        entry,
        node_args: Vec::new(),
        args: args.to_vec(),
        env: BTreeMap::new(),
        built: loads.is_some(),
        loads,
        command: false,
        reason: reason.to_owned(),
        warnings: Vec::new(),
    })
}

/// The file behind a program of another package of the workspace. pnpm links it only where it is built before the install, but its name is known.
fn of_member(subject: &Subject<'_>, program: &str) -> Option<String> {
    let workspace = subject.workspace;
    let fields = [Field::Prod, Field::Optional];
    let mut packages = fields
        .into_iter()
        .flat_map(|field| subject.manifest().dependencies(field).into_keys());
    packages.find_map(|package| {
        let manifest = &workspace.members[workspace.named(package)?].manifest;
        let file = match manifest.get("bin")? {
            Value::String(file) if package.rsplit('/').next() == Some(program) => file,
            Value::Object(map) => map.get(program)?.as_str()?,
            _ => return None,
        };
        let file = file.trim_start_matches("./");
        Some(format!("node_modules/{package}/{file}"))
    })
}
