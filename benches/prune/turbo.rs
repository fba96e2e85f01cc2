//! turbo, out of npm.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Result, SCRATCH};

/// The version that slimbuild is held against.
pub(crate) const VERSION: &str = "2.11.11";

/// turbo's native program. npm brings it once, to below `target/`.
pub(crate) fn fetch() -> Result<PathBuf> {
    let dir = Path::new(SCRATCH).join(format!("turbo-{VERSION}"));
    let program = program(&dir);
    if !program.is_file() {
        fs_err::create_dir_all(&dir)?;
        let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
        let output = Command::new(npm)
            .args(["install", "--no-save", "--no-audit", "--no-fund"])
            .arg("--prefix")
            .arg(&dir)
            .arg(format!("turbo@{VERSION}"))
            .output()?;
        if !output.status.success() {
            return Err(format!(
                "npm cannot install turbo: {}",
                String::from_utf8_lossy(&output.stderr)
            )
            .into());
        }
    }
    if program.is_file() {
        Ok(program)
    } else {
        Err(format!("npm's turbo has no {}", program.display()).into())
    }
}

fn program(dir: &Path) -> PathBuf {
    let system = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let processor = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "64",
    };
    let name = format!("turbo{}", std::env::consts::EXE_SUFFIX);
    dir.join("node_modules/@turbo")
        .join(format!("{system}-{processor}"))
        .join("bin")
        .join(name)
}
