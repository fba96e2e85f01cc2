//! Real workspaces.

use super::*;
use crate::toolchain;

/// Those that the real pnpm refuses too.
const REFUSED: [&str; 2] = [
    "nextjs-express-turborepo-starter: outdated",
    "pnpm-turbo-repo: incompatible",
];

/// `SLIMBUILD_CORPUS=DIR cargo test corpus -- --ignored --nocapture`: real workspaces, of which pnpm refuses those that are named here.
#[test]
#[ignore = "needs the corpus of real workspaces"]
fn corpus() {
    let dir = std::path::PathBuf::from(std::env::var_os("SLIMBUILD_CORPUS").unwrap());
    let mut refused = Vec::new();
    for entry in fs_err::read_dir(dir).unwrap() {
        let root = entry.unwrap().path();
        let name = root.file_name().unwrap().to_string_lossy().into_owned();
        let Ok(workspace) = Workspace::load(&root) else {
            continue;
        };
        let lockfile = Lockfile::parse(&workspace.lockfile_text).unwrap();
        let pinned = toolchain::pnpm(&workspace).unwrap();
        for pnpm in [Some(&*pinned.value), None] {
            for at in 0..workspace.members.len() {
                if let Err(error) = check(&workspace, &lockfile, [at], pnpm) {
                    let problem = match error {
                        LockfileError::Outdated { .. } => "outdated",
                        LockfileError::Incompatible { .. } => "incompatible",
                        _ => panic!("{name} with pnpm {pnpm:?}: {error}"),
                    };
                    refused.push(format!("{name}: {problem}"));
                }
            }
        }
    }
    refused.sort();
    refused.dedup();
    assert_eq!(refused, REFUSED);
}
