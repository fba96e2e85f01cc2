//! Dependencies that need a program which no npm package provides: a shell, git, a browser.
//!
//! Only direct dependencies of packages in the image count: deeper ones may be there for a case
//! that never occurs. Programs that an app's own code starts are not detected: use `systemPackages`
//! and `base`.

use super::PlanOptions;
use crate::detect::Delivery;
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::workspace::Workspace;

/// A shell and the usual programs of a distribution.
const SHELL: &str = "";

/// Dependencies, the program that each calls, and Debian's package for it.
const CALLERS: [(&str, &str, &str); 19] = [
    ("@lydell/node-pty", "a shell", SHELL),
    ("find-process", "`ps` and `ss`", SHELL),
    ("fluent-ffmpeg", "`ffmpeg`", "ffmpeg"),
    ("gm", "`gm`", "graphicsmagick"),
    ("imagemagick", "`convert`", "imagemagick"),
    ("libreoffice-convert", "`soffice`", "libreoffice"),
    ("node-cmd", "a shell", SHELL),
    ("node-pty", "a shell", SHELL),
    ("playwright", "a browser", "chromium"),
    ("playwright-core", "a browser", "chromium"),
    ("ps-list", "`ps`", "procps"),
    ("ps-tree", "`ps`", "procps"),
    ("puppeteer", "a browser", "chromium"),
    ("puppeteer-core", "a browser", "chromium"),
    ("shelljs", "a shell", SHELL),
    ("simple-git", "`git`", "git"),
    ("systeminformation", "a shell", SHELL),
    ("tree-kill", "`ps`", "procps"),
    ("zx", "`bash`", SHELL),
];

/// Packages that provide the program of another.
const PROVIDERS: [(&str, &[&str]); 1] = [(
    "fluent-ffmpeg",
    &["ffmpeg-static", "@ffmpeg-installer/ffmpeg"],
)];

/// A dependency and the program that it calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// The package.
    pub(super) name: &'static str,
    /// The package that depends on it.
    pub(super) of: RepoPath,
    /// The description of the program.
    program: &'static str,
    /// Debian's package that is still missing.
    missing: Option<&'static str>,
}

impl Caller {
    /// `zx` calls `bash` (apps/api)
    pub(super) fn words(&self) -> String {
        format!("`{}` calls {} ({})", self.name, self.program, self.of)
    }

    /// The user's next step, if any.
    fn warning(&self) -> Option<String> {
        let package = self.missing?;
        Some(format!(
            "{}, which is in no base: add it with `\"systemPackages\": {{\"runtime\": [\"{package}\"]}}`",
            self.words()
        ))
    }
}

/// The user's next steps, if the image runs a program that calls others.
pub(super) fn warnings(callers: &[Caller], delivery: &Delivery) -> Vec<String> {
    let callers = callers.iter().filter(|_| delivery.start().is_some());
    callers.filter_map(Caller::warning).collect()
}

/// The dependencies of these members that call programs.
pub(super) fn callers(
    workspace: &Workspace,
    members: impl Iterator<Item = MemberId>,
    options: &PlanOptions,
) -> Vec<Caller> {
    let mut found = Vec::new();
    for at in members {
        let member = &workspace.members[at];
        let has = |name: &str| {
            ["dependencies", "optionalDependencies"].iter().any(|map| {
                let map = member.manifest.get(map);
                map.is_some_and(|map| map.get(name).is_some())
            })
        };
        for (name, program, package) in CALLERS {
            let brought = PROVIDERS
                .iter()
                .any(|(one, by)| *one == name && by.iter().any(|by| has(by)));
            if !has(name) || brought {
                continue;
            }
            let given = &options.runtime_packages;
            let is_there = package == SHELL || given.iter().any(|one| one.value == package);
            found.push(Caller {
                name,
                of: member.dir.clone(),
                program,
                missing: (!is_there).then_some(package),
            });
        }
    }
    found
}
