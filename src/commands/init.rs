//! `slimbuild init [APP]`: a commented `slimbuild.json` with what was detected, and what turbo needs to build
//! the image.

use std::fmt::Write as _;

use super::{AppChoice, which_app};
use crate::ask::listing;
use crate::ask::starter::{self, Starter};
use crate::ask::turbo_task::{self, Edit, TASK};
use crate::commands::error::Error;
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::plan::{Plan, PlanError, PlanOptions, config};
use crate::show::report;
use crate::show::ui::Ui;
use crate::system::atomic_file::AtomicFile;
use crate::workspace::{Workspace, find_root};

/// Writes the file beside the app, or at the root if no app is named; and what turbo needs, if that is
/// wanted.
pub fn run(place: &AppChoice<'_>, force: bool, turbo: bool, ui: &mut Ui) -> Result<(), Error> {
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
    let is_there = fs_err::symlink_metadata(&target).is_ok();
    if is_there && !force && !turbo {
        return Err(Error::Usage {
            message: format!("`{file}` is there already"),
            hint: Some("`--force` replaces it".to_owned()),
        });
    }
    let plan = at.map(|at| plan(&workspace, at));
    let edits = match at {
        Some(at) if turbo => edits(&workspace, at, plan.as_ref())?,
        None if turbo => return Err(which_app(&workspace)),
        _ => Vec::new(),
    };
    let mut texts = Vec::new();
    if !is_there || force {
        let schema = RepoPath::child(&RepoPath::ROOT, starter::SCHEMA_FILE);
        let schema = workspace.tree.is_file(&schema)?;
        let text = match (at, &plan) {
            (Some(at), Some(plan)) => of_app(&workspace, at, plan.as_ref(), schema),
            _ => of_all(&workspace, schema),
        };
        texts.push((&file, text));
    }
    let changed = edits.iter().filter(|edit| edit.before != edit.after);
    texts.extend(changed.map(|edit| (&edit.file, edit.after.clone())));
    // All can be written, or none is.
    let begun = texts.into_iter().map(|(file, text)| {
        let begun = AtomicFile::begin_inside(&root, &file.on_disk(&root))?;
        Ok((file, begun, text))
    });
    for (file, begun, text) in begun.collect::<Result<Vec<_>, Error>>()? {
        begun.write(|out| out.write_all(text.as_bytes()))?;
        writeln!(ui.out(), "{file}").map_err(Error::io("cannot write to stdout"))?;
    }
    let told = if turbo {
        added(&edits, &dir)
    } else {
        next(&workspace, at)
    };
    ui.report(&told)
        .map_err(Error::io("cannot write to stderr"))
}

/// What turbo needs.
fn edits(
    workspace: &Workspace,
    at: MemberId,
    plan: Option<&Result<Plan, PlanError>>,
) -> Result<Vec<Edit>, Error> {
    let plan = plan.and_then(|plan| plan.as_ref().ok());
    let edits = turbo_task::edits(workspace, at, plan).map_err(|error| Error::Usage {
        hint: error.hint(),
        message: error.to_string(),
    })?;
    Ok(edits.into())
}

/// What was added for turbo, and what was there.
fn added(edits: &[Edit], dir: &RepoPath) -> String {
    let mut text = String::new();
    for edit in edits {
        if edit.before != edit.after {
            let file = edit.file.to_string();
            text += &report::difference(&file, &edit.before, &edit.after);
            text.push('\n');
        }
        for key in &edit.kept {
            let _ = writeln!(text, "`{key}` is in {} already, and stays\n", edit.file);
        }
    }
    let _ = writeln!(text, "next: turbo run {TASK} --filter=./{dir}");
    text
}

fn plan(workspace: &Workspace, at: MemberId) -> Result<Plan, PlanError> {
    // The content of the file that is replaced does not count.
    let options = if at.is_root() {
        Ok(PlanOptions::default())
    } else {
        config::inherited(workspace, at)
    };
    options
        .map_err(PlanError::from)
        .and_then(|options| Plan::new(workspace, at, &options))
}

/// The file of one app.
fn of_app(
    workspace: &Workspace,
    at: MemberId,
    plan: Result<&Plan, &PlanError>,
    schema: bool,
) -> String {
    let member = &workspace.members[at];
    let (dir, name) = (&member.dir, &member.label());
    Starter { dir, name, schema }.app(plan)
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
            "\n`slimbuild init {dir} --turbo` has `turbo run {TASK}` build the image\n"
        );
    }
    let _ = writeln!(text, "\nnext: slimbuild plan {dir}");
    text
}
