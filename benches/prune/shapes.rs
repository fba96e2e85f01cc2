//! Workspaces whose members are all in one closure: a chain, in which each depends on the next, and a tree, in which each depends on two.

use std::fmt::Write;
use std::io;
use std::path::Path;

use fs_err as fs;

/// How the members depend on each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Chain,
    Tree,
}

impl Shape {
    pub(crate) const ALL: [Self; 2] = [Self::Chain, Self::Tree];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Tree => "tree",
        }
    }

    fn links(self, at: usize, members: usize) -> Vec<usize> {
        let all = match self {
            Self::Chain => vec![at + 1],
            Self::Tree => vec![2 * at + 1, 2 * at + 2],
        };
        all.into_iter().filter(|to| *to < members).collect()
    }

    /// Writes a workspace of so many members; `apps/app` needs all of them.
    pub(crate) fn write(self, root: &Path, members: usize) -> io::Result<()> {
        fs::create_dir_all(root)?;
        for (name, text) in ROOT {
            fs::write(root.join(name), text)?;
        }
        let mut lockfile = "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n".to_owned();
        for at in 0..members {
            let links = self.links(at, members);
            let dir = root.join(directory(at));
            fs::create_dir_all(dir.join("src"))?;
            fs::write(dir.join("package.json"), manifest(at, &links))?;
            fs::write(dir.join("tsconfig.json"), TSCONFIG)?;
            fs::write(
                dir.join("src/index.ts"),
                format!("export const n = {at};\n"),
            )?;
            importer(at, &links, &mut lockfile);
        }
        let hash = "A".repeat(86);
        let _ = write!(
            lockfile,
            "\npackages:\n\n  ms@2.1.3:\n    resolution: {{integrity: sha512-{hash}==}}\n\nsnapshots:\n\n  ms@2.1.3: {{}}\n"
        );
        fs::write(root.join("pnpm-lock.yaml"), lockfile)
    }
}

const ROOT: [(&str, &str); 5] = [
    (
        "pnpm-workspace.yaml",
        "packages:\n  - apps/*\n  - packages/*\n",
    ),
    (
        "package.json",
        r#"{"name": "root", "private": true, "packageManager": "pnpm@10.34.5", "engines": {"node": "22"}}"#,
    ),
    (
        "turbo.json",
        r#"{"tasks": {"build": {"dependsOn": ["^build"], "outputs": ["dist/**"]}}}"#,
    ),
    ("tsconfig.base.json", "{}\n"),
    (".gitignore", "node_modules\ndist\n"),
];

const TSCONFIG: &str = r#"{"extends": "../../tsconfig.base.json", "compilerOptions": {"outDir": "dist", "rootDir": "src"}}"#;

fn directory(member: usize) -> String {
    if member == 0 {
        "apps/app".to_owned()
    } else {
        format!("packages/member-{member}")
    }
}

fn name(member: usize) -> String {
    let dir = directory(member);
    dir.rsplit('/').next().unwrap_or_default().to_owned()
}

fn manifest(at: usize, links: &[usize]) -> String {
    let mut dependencies = r#""ms": "^2.1.3""#.to_owned();
    for &to in links {
        let _ = write!(dependencies, r#", "{}": "workspace:*""#, name(to));
    }
    let start = if at == 0 {
        r#", "start": "node dist/index.js""#
    } else {
        ""
    };
    format!(
        r#"{{"name": "{}", "version": "1.0.0", "main": "dist/index.js", "scripts": {{"build": "tsc"{start}}}, "dependencies": {{{dependencies}}}}}"#,
        name(at)
    )
}

fn importer(at: usize, links: &[usize], text: &mut String) {
    let _ = write!(text, "\n  {}:\n    dependencies:\n", directory(at));
    for &to in links {
        let _ = write!(
            text,
            "      {}:\n        specifier: workspace:*\n        version: link:../../{}\n",
            name(to),
            directory(to)
        );
    }
    text.push_str("      ms:\n        specifier: ^2.1.3\n        version: 2.1.3\n");
}
