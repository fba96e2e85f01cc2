//! Programs of dependencies that start an app: `react-router-serve ./build/server/index.js`.
//!
//! pnpm puts shell scripts into `node_modules/.bin`, but the image has no shell. So the stage with
//! the modules replaces them by links to the files, and node starts those. Only the package knows
//! the file, and it changes: `bin.js` of `@react-router/serve` 7 is `bin.cjs` in 8.

use std::collections::BTreeMap;

use serde_json::Value;

use super::start::{START_SCRIPTS, Start, shell};
use super::subject::Subject;
use super::{DetectError, loader};
use crate::lockfile::Field;

/// Programs that start an app or run before it, and their packages. If the package is a dev
/// dependency, the image keeps it.
const PROGRAMS: [(&str, &str); 33] = [
    ("react-router-serve", "@react-router/serve"),
    ("remix-serve", "@remix-run/serve"),
    ("fastify", "fastify-cli"),
    ("keystone", "@keystone-6/core"),
    ("medusa", "@medusajs/medusa"),
    ("moleculer-runner", "moleculer"),
    ("sirv", "sirv-cli"),
    ("strapi", "@strapi/strapi"),
    ("pm2-runtime", "pm2"),
    ("pm2-docker", "pm2"),
    ("pm2", "pm2"),
    ("next", "next"),
    ("serve", "serve"),
    ("http-server", "http-server"),
    ("srvx", "srvx"),
    ("json-server", "json-server"),
    ("prisma", "prisma"),
    ("drizzle-kit", "drizzle-kit"),
    ("knex", "knex"),
    ("sequelize", "sequelize-cli"),
    ("sequelize-cli", "sequelize-cli"),
    ("typeorm", "typeorm"),
    ("typeorm-ts-node-commonjs", "typeorm"),
    ("typeorm-ts-node-esm", "typeorm"),
    ("mikro-orm", "@mikro-orm/cli"),
    ("mikro-orm-esm", "@mikro-orm/cli"),
    ("migrate-mongo", "migrate-mongo"),
    ("node-pg-migrate", "node-pg-migrate"),
    ("db-migrate", "db-migrate"),
    ("kysely", "kysely-ctl"),
    ("payload", "payload"),
    ("wait-on", "wait-on"),
    ("wait-port", "wait-port"),
];

/// pnpm's directory of programs. In the image it contains links instead of scripts.
pub const BIN: &str = "node_modules/.bin/";

/// The program that the first start script runs, if it is one of these.
pub(super) fn started(subject: &Subject<'_>) -> Result<Option<Start>, DetectError> {
    for name in START_SCRIPTS {
        let Some(command) = shell::plain(subject, name) else {
            continue;
        };
        if command.program() == "node" {
            return Ok(None);
        }
        // A server for developers (`astro dev`) is no server, even if the image would have it.
        if shell::is_for_development(&command) {
            continue;
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
            return Err(DetectError::Undecided {
                app: subject.member().dir.clone(),
                problem: format!(
                    "{reason} runs a program of `{package}`, which is not among the dependencies"
                ),
                fix: format!("move `{package}` to the dependencies, or start a file with node"),
            });
        }
    }
    Ok(None)
}

/// Whether it is known which package brings a program.
pub(super) fn is_known(program: &str) -> bool {
    known(program).is_some()
}

fn known(program: &str) -> Option<&'static str> {
    let known = PROGRAMS.into_iter().find(|(name, _)| *name == program);
    known.map(|(_, package)| package)
}

/// The package of a program, as far as it is known.
pub(super) fn package(program: &str) -> &str {
    known(program).unwrap_or(program)
}

/// Whether the image has a program: its package is a production dependency, or is kept.
pub(super) fn is_brought(subject: &Subject<'_>, program: &str) -> bool {
    let kept = match known(program) {
        Some(package) => loader::is_at_hand(subject, package),
        None => program == "tsx" && loader::needs_program(subject) && subject.depends_on(program),
    };
    kept || subject.ships(package(program))
}

/// A program with its arguments, if its package is a production dependency.
pub(super) fn of(
    subject: &Subject<'_>,
    program: &str,
    args: &[String],
    reason: &str,
) -> Option<Start> {
    // A TypeScript loader is kept even if it is a dev dependency.
    let entry = match of_member(subject, program) {
        Some(file) => file,
        None if is_brought(subject, program) => format!("{BIN}{program}"),
        None => return None,
    };
    let tidy = |word: &String| word.trim_start_matches("./").to_owned();
    // The argument that names a file must be written by the build.
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
        shell: shell::caller(program, reason),
        reason: reason.to_owned(),
        warnings: Vec::new(),
    })
}

/// The file of another workspace package's program. pnpm links it only if it exists at install
/// time, but its name is known.
pub(super) fn of_member(subject: &Subject<'_>, program: &str) -> Option<String> {
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
