//! Sources: what each file of a member is for. Some are read only by the build, some are kept in
//! the image, some are for people.
//!
//! Input: a path in its package, and how the package is used. Output: a [`Role`] with its reason.
//! Rules are conservative: a file that may be read at run time is kept, and `--include` and
//! `--exclude` override them.

use serde::Serialize;

use crate::detect::exports::is_code;
use crate::files::forbidden::{self, Area};
use crate::lockfile;
use crate::plan::config;

/// What happens to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Only the build gets it.
    Build,
    /// The build gets it, and the image too, unchanged.
    Image,
    /// Neither gets it.
    Out,
}

/// How a package's files are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// Only builds need the package.
    BuildOnly,
    /// The image needs its build output; the source code is left out.
    Outputs,
    /// The image needs its sources: nothing is compiled, or an entry point is a source.
    Sources,
}

/// Tools whose `NAME.config.*` at a package's top is read only by builds or tests.
const TOOLS: [&str; 29] = [
    "babel",
    "biome",
    "commitlint",
    "cypress",
    "drizzle",
    "esbuild",
    "eslint",
    "jest",
    "knip",
    "lint-staged",
    "lint",
    "oxlint",
    "playwright",
    "postcss",
    "prettier",
    "release",
    "rollup",
    "rspack",
    "stylelint",
    "svgo",
    "swc",
    "tailwind",
    "tsdown",
    "tsup",
    "unbuild",
    "vite",
    "vitest",
    "webpack",
    "wrangler",
];

/// Directories at a package's top that are for development.
const WORKSHOP: [&str; 26] = [
    "test",
    "tests",
    "__tests__",
    "__mocks__",
    "e2e",
    "cypress",
    "playwright",
    "coverage",
    "docs",
    "scripts",
    ".storybook",
    ".changeset",
    ".circleci",
    ".claude",
    ".cursor",
    ".devcontainer",
    ".github",
    ".gitlab",
    ".husky",
    ".idea",
    ".vscode",
    ".yarn",
    ".zed",
    "bench",
    "benchmark",
    "examples",
];

/// The role of a file at `path` (relative to its package), with the reason.
pub fn role(path: &str, usage: Usage) -> (Role, &'static str) {
    let (top, below) = path
        .split_once('/')
        .map_or((path, None), |(top, below)| (top, Some(below)));
    let name = path.rsplit('/').next().unwrap_or_default();
    if below.is_none() && is_prose(name) {
        return (Role::Out, "documentation at the package's top");
    }
    if below.is_none() && name == config::FILE {
        return (Role::Out, "slimbuild alone reads it");
    }
    if below.is_none() && is_docker(name) {
        return (Role::Out, "another way to make an image");
    }
    if below.is_none() && name.ends_with(".oci.tar") {
        return (Role::Out, "an image");
    }
    if path == lockfile::FILE {
        return (Role::Out, "installs get what they need of it");
    }
    if usage == Usage::BuildOnly {
        return (Role::Build, "only builds need this package");
    }
    if path == "package.json" {
        return (Role::Image, "node resolves modules by it");
    }
    if is_test(path) {
        return (Role::Build, "a test");
    }
    if path.ends_with(".patch") {
        return (Role::Build, "a patch");
    }
    if below.is_some() && WORKSHOP.contains(&top) {
        return (Role::Build, "for developing the package");
    }
    // It is here only where `publicEnvFiles` names it.
    if forbidden::barred(path, Area::Sources).is_some_and(forbidden::Rule::can_be_public) {
        return (Role::Image, "named by `publicEnvFiles`");
    }
    if below.is_none() && is_configuration(name) {
        return (Role::Build, "configuration of a tool");
    }
    match usage {
        Usage::Outputs if is_compiled(path, top) => {
            (Role::Build, "the image gets what is built from it")
        }
        Usage::Sources if is_code(name) => (Role::Image, "the package is used as it is"),
        _ => (Role::Image, "no code: it may be read at run time"),
    }
}

fn is_prose(name: &str) -> bool {
    let upper = name.to_uppercase();
    let stem = upper.split('.').next().unwrap_or_default();
    let known = [
        "README",
        "CHANGELOG",
        "CONTRIBUTING",
        "CODE_OF_CONDUCT",
        "SECURITY",
        "HISTORY",
        "AUTHORS",
        "TODO",
    ];
    known.contains(&stem) && (upper == stem || upper.ends_with(".MD") || upper.ends_with(".TXT"))
}

fn is_docker(name: &str) -> bool {
    name.starts_with("Dockerfile")
        || name.ends_with(".dockerfile")
        || name == ".dockerignore"
        || name == "fly.toml"
        || (name.contains("compose")
            && matches!(name.rsplit_once('.'), Some((_, "yml" | "yaml")))
            && name.starts_with(['d', 'c']))
}

fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let marked = [".test.", ".spec.", ".stories.", "-spec.", ".e2e-"]
        .iter()
        .any(|mark| name.contains(mark));
    (marked && is_code(name)) || path.split('/').any(|part| part == "__tests__")
}

fn is_configuration(name: &str) -> bool {
    let tool = |stem: &str| TOOLS.contains(&stem);
    name.starts_with('.')
        || (name.starts_with("tsconfig") && name.ends_with(".json"))
        || matches!(
            name,
            "turbo.json"
                | "turbo.jsonc"
                | "nest-cli.json"
                | "biome.json"
                | "nodemon.json"
                | "components.json"
                | "jest.json"
        )
        || matches!(
            name,
            "slimbuild.json"
                | "api-extractor.json"
                | "Makefile"
                | "justfile"
                | "Procfile"
                | "vercel.json"
                | "netlify.toml"
                | "renovate.json"
                | "slimbuild.schema.json"
        )
        || name
            .split_once(".config.")
            .is_some_and(|(stem, _)| tool(stem.split('.').next().unwrap_or_default()))
        || name
            .split_once(".setup.")
            .is_some_and(|(stem, _)| tool(stem))
        || name
            .split_once(".workspace.")
            .is_some_and(|(stem, _)| tool(stem))
}

/// Whether a build compiles the file. Languages that node does not run always are compiled;
/// JavaScript outside of `src/` is usually data or a separate program (migrations, seeds,
/// configuration read at run time).
fn is_compiled(path: &str, top: &str) -> bool {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension {
        "js" | "mjs" | "cjs" => matches!(top, "src" | "lib" | "source"),
        _ => is_code(path) || matches!(extension, "css" | "scss" | "sass" | "less"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles() {
        use Role::{Build, Image, Out};
        for (path, built, as_it_is) in [
            ("package.json", Image, Image),
            ("README.md", Out, Out),
            ("Dockerfile.ci", Out, Out),
            ("docker-compose.yml", Out, Out),
            ("src/main.ts", Build, Image),
            ("src/main.js", Build, Image),
            ("src/mail.hbs", Image, Image),
            ("src/a.test.ts", Build, Build),
            ("src/docs/swagger.js", Build, Image),
            ("test/x.ts", Build, Build),
            ("prisma/schema.prisma", Image, Image),
            ("prisma/seed.js", Image, Image),
            ("prisma/seed.ts", Build, Image),
            ("config/default.js", Image, Image),
            ("public/index.html", Image, Image),
            ("scripts/generate.mjs", Build, Build),
            ("tsconfig.build.json", Build, Build),
            ("vitest.config.e2e.ts", Build, Build),
            (".eslintrc.js", Build, Build),
            ("nest-cli.json", Build, Build),
            ("openapi.yaml", Image, Image),
        ] {
            assert_eq!(role(path, Usage::Outputs).0, built, "{path}, built");
            assert_eq!(role(path, Usage::Sources).0, as_it_is, "{path}, as it is");
            let only = if built == Out { Out } else { Build };
            assert_eq!(role(path, Usage::BuildOnly).0, only, "{path}, build only");
        }
    }
}
