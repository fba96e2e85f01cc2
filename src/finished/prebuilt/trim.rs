//! Finds files of modules that are not needed at run time, with the same program that a build stage
//! uses.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::PrebuiltError;
use crate::model::path::RepoPath;
use crate::plan::{MachineCode, Trim};

const PROGRAM: &str = include_str!("../../../templates/trim.mjs");

/// The files to leave out.
#[derive(Default)]
pub(super) struct Spare {
    /// Paths from the workspace root.
    pub(super) files: BTreeSet<String>,
    /// A warning for the user.
    pub(super) warning: Option<String>,
}

/// Has node list the files of these packages that are not needed at run time, and the same for
/// build outputs of `members`, which are workspace packages.
pub(super) fn spare<'p>(
    root: &Path,
    packages: impl Iterator<Item = &'p RepoPath>,
    members: impl Iterator<Item = &'p RepoPath>,
    wish: &Trim,
) -> Result<Spare, PrebuiltError> {
    let mut node = Command::new("node");
    // With `--eval`, the first word after `--` is the first argument of the program.
    node.args([
        "--input-type=module",
        "--eval",
        PROGRAM,
        "--",
        "trim",
        "--list",
    ]);
    if wish.maps {
        node.arg("--keep-maps");
    }
    node.args(match wish.machine_code {
        MachineCode::All => None,
        MachineCode::System => Some("--machine"),
        MachineCode::Glibc => Some("--machine=glibc"),
    });
    if !wish.databases.is_empty() {
        let databases: Vec<&str> = wish.databases.iter().map(String::as_str).collect();
        node.arg(format!("--databases={}", databases.join(",")));
    }
    node.arg("--outputs=.");
    node.args(members.map(RepoPath::as_str));
    node.current_dir(root)
        .env_remove("NODE_OPTIONS")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = match node.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Spare {
                warning: Some(
                    "modules stay whole: `node`, which tells what can be spared, is not on the path"
                        .to_owned(),
                ),
                ..Spare::default()
            });
        }
        Err(error) => return Err(PrebuiltError::Trim(error.to_string())),
    };
    let list: Vec<&str> = packages.map(RepoPath::as_str).collect();
    let list = list.join("\0");
    let input = child.stdin.take();
    // The program reads all input before it writes, so neither side blocks.
    let written = input.map_or(Ok(()), |mut input| input.write_all(list.as_bytes()));
    let output = child
        .wait_with_output()
        .map_err(|error| PrebuiltError::Trim(error.to_string()))?;
    if !output.status.success() || written.is_err() {
        let said = String::from_utf8_lossy(&output.stderr);
        let line = said.lines().find(|line| line.contains("Error"));
        let line = line.unwrap_or("it failed").trim();
        return Err(PrebuiltError::Trim(line.to_owned()));
    }
    let listed = String::from_utf8_lossy(&output.stdout);
    let files = listed.split('\0').filter(|path| !path.is_empty());
    Ok(Spare {
        files: files.map(str::to_owned).collect(),
        warning: None,
    })
}
