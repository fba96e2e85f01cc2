//! `slimbuild init [APP]`: a commented `slimbuild.json` with what was detected.

use std::fmt::Write as _;

use super::AppChoice;
use crate::ask::listing;
use crate::ask::starter::{self, Starter};
use crate::commands::error::Error;
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::plan::{Plan, PlanError, PlanOptions, config};
use crate::show::ui::Ui;
use crate::system::atomic_file::AtomicFile;
use crate::workspace::{Workspace, find_root};

/// The name of the script and the turbo task that build an image.
const TASK: &str = "image";

/// Writes the file beside the app, or at the root if no app is named.
pub fn run(place: &AppChoice<'_>, force: bool, ui: &mut Ui) -> Result<(), Error> {
    let root = find_root(place.cwd)?;
    let workspace = Workspace::load(&root)?;
    let at = match &place.app {
        Some(name) => Some(workspace.find_app(name, place.cwd)?),
        None => workspace.find_app(".", place.cwd).ok(),
    };
    // The file at the root is about all apps, where there are others.
    let alone = workspace.members.is_alone();
    let at = at.filter(|at| !at.is_root() || alone);
    let dir = at.map_or(RepoPath::ROOT, |at| workspace.members[at].dir.clone());
    let file = dir.join(config::FILE).unwrap_or_default();
    let target = file.on_disk(&root);
    if fs_err::symlink_metadata(&target).is_ok() && !force {
        return Err(Error::Usage {
            message: format!("`{file}` is there already"),
            hint: Some("`--force` replaces it".to_owned()),
        });
    }
    let schema = RepoPath::child(&RepoPath::ROOT, starter::SCHEMA_FILE);
    let schema = workspace.tree.is_file(&schema)?;
    let text = match at {
        Some(at) => of_app(&workspace, at, schema),
        None => of_all(&workspace, schema),
    };
    AtomicFile::begin_inside(&root, &target)?.write(|out| out.write_all(text.as_bytes()))?;
    writeln!(ui.out(), "{file}").map_err(Error::io("cannot write to stdout"))?;
    ui.report(&next(&workspace, at))
        .map_err(Error::io("cannot write to stderr"))
}

/// The file of one app.
fn of_app(workspace: &Workspace, at: MemberId, schema: bool) -> String {
    // The content of the file that is replaced does not count.
    let options = if at.is_root() {
        Ok(PlanOptions::default())
    } else {
        config::inherited(workspace, at)
    };
    let plan = options
        .map_err(PlanError::from)
        .and_then(|options| Plan::new(workspace, at, &options));
    let member = &workspace.members[at];
    let (dir, name) = (&member.dir, &member.label());
    Starter { dir, name, schema }.app(plan.as_ref())
}

/// The file at the root, for all apps.
fn of_all(workspace: &Workspace, schema: bool) -> String {
    let mut apps = workspace.app_dirs();
    if listing::root_may_be_an_app(workspace) {
        apps.insert(0, RepoPath::ROOT.to_string());
    }
    starter::root(&apps, schema)
}

/// The next steps for the user.
fn next(workspace: &Workspace, at: Option<MemberId>) -> String {
    let Some(at) = at else {
        return "all of it is comments: it changes nothing until you uncomment a line\n\nnext: slimbuild ls\n".to_owned();
    };
    let member = &workspace.members[at];
    let dir = &member.dir;
    let mut text =
        "all of it is comments: it changes nothing until you uncomment a line\n".to_owned();
    if workspace.turbo.is_some() && member.manifest.script(TASK).is_none() {
        let _ = write!(
            text,
            "\nto build the image by `turbo run {TASK}`, add\n  to `scripts` in {}:  \"{TASK}\": \"slimbuild . --progress plain\"\n  to `tasks` in turbo.json:  \"{TASK}\": {{ \"cache\": false }}\n",
            member.manifest.file()
        );
    }
    let _ = writeln!(text, "\nnext: slimbuild plan {dir}");
    text
}
