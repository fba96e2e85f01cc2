//! Which apps changes affect: those whose identity differs from that of an earlier commit.

use std::path::Path;

use super::identity::Terms;
use super::prepared::Ground;
use crate::ask::affected::{Before, Cause, Sight};
use crate::ask::listing::{AppState, Listed, Listing};
use crate::commands::error::Error;
use crate::model::digest::Digest;
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::system::env::Env;
use crate::system::threads;
use crate::system::workdir::{self, WorkDir};
use crate::workspace::Workspace;
use crate::workspace::git;
use crate::workspace::history::{BaseName, Commit, History};

/// The affected apps.
pub(super) struct Affected {
    /// The commit that changes are counted from.
    pub(super) base: Commit,
    /// By directory.
    pub(super) apps: Vec<AffectedApp>,
    /// Apps that could not be planned before and cannot be planned now, with what prevents it.
    pub(super) left_out: Vec<String>,
}

/// An affected app.
pub(super) struct AffectedApp {
    /// Its directory.
    pub(super) dir: RepoPath,
    /// The identity that its image would have.
    pub(super) identity: Digest,
    /// Why it is affected.
    pub(super) cause: Cause,
}

impl Affected {
    /// The app in this directory, if it is affected.
    pub(super) fn get(&self, dir: &RepoPath) -> Option<&AffectedApp> {
        self.apps.iter().find(|app| app.dir == *dir)
    }
}

/// Finds the affected apps of a list. `named` is the value of `--affected`, empty for the default.
pub(super) fn affected(
    ground: &Ground<'_>,
    listing: &Listing,
    named: &str,
    terms: &Terms<'_>,
    env: &Env,
) -> Result<Affected, Error> {
    let root = &ground.workspace.root;
    let history = History::around(root)?;
    let base = history.base(base_name(named, env)?.as_ref())?;
    let mut found = Affected {
        base,
        apps: Vec::new(),
        left_out: Vec::new(),
    };
    if history.is_unchanged_since(&found.base)? {
        return Ok(found);
    }
    workdir::sweep();
    let work = WorkDir::new().map_err(Error::io("cannot make a directory to work in"))?;
    let branch = git::branch(root);
    let root = history.lay_out(&found.base, branch.as_deref(), work.path())?;
    let earlier = Workspace::load(&root).map_err(|error| error.to_string());
    let earlier = earlier.as_ref().map(Ground::new);
    if let Ok(earlier) = &earlier {
        // Before threads ask for it, each of which would parse it. An error is told with each app.
        let _parsed = earlier.survey();
    }
    let judged = threads::map(&listing.apps, 1, |app| {
        judge(ground, app, earlier.as_ref(), terms)
    });
    for (app, verdict) in listing.apps.iter().zip(judged) {
        match verdict? {
            Verdict::Same => {}
            Verdict::Affected(one) => found.apps.push(*one),
            Verdict::NeverPlanned(problem) => found.left_out.push(format!(
                "{} is left out: it cannot be planned, and could not before: {problem}",
                app.dir
            )),
        }
    }
    Ok(found)
}

/// What became of an app.
enum Verdict {
    Same,
    Affected(Box<AffectedApp>),
    NeverPlanned(String),
}

fn judge(
    ground: &Ground<'_>,
    app: &Listed,
    earlier: Result<&Ground<'_>, &&String>,
    terms: &Terms<'_>,
) -> Result<Verdict, Error> {
    let before = before(&app.dir, earlier, terms);
    let at = ground
        .workspace
        .member_in(&app.dir)
        .unwrap_or(MemberId::ROOT);
    // What needs a decision has none yet, so nothing more is found out by planning it.
    let now = terms.look(ground, at);
    let ready = matches!(app.state, AppState::Ready(_));
    let now: Sight = match now {
        Ok(now) => now,
        Err(error) => {
            let was_one = match before {
                Before::Seen(_) => true,
                Before::Absent => ready,
                Before::Unplanned(_) => false,
            };
            if was_one {
                return Err(error.of_app(&app.dir));
            }
            return Ok(Verdict::NeverPlanned(error.to_string()));
        }
    };
    let cause = Cause::of(&now, &before);
    Ok(cause.map_or(Verdict::Same, |cause| {
        Verdict::Affected(Box::new(AffectedApp {
            dir: app.dir.clone(),
            identity: now.identity.digest(),
            cause,
        }))
    }))
}

fn before(dir: &RepoPath, earlier: Result<&Ground<'_>, &&String>, terms: &Terms<'_>) -> Before {
    let earlier = match earlier {
        Ok(earlier) => earlier,
        Err(problem) => return Before::Unplanned((*problem).clone()),
    };
    match earlier.workspace.member_in(dir) {
        None => Before::Absent,
        Some(at) => match terms.look(earlier, at) {
            Ok(sight) => Before::Seen(Box::new(sight)),
            Err(error) => Before::Unplanned(error.to_string()),
        },
    }
}

/// The name of the base: the command line's, `TURBO_SCM_BASE`, or what a pipeline says. `None` means
/// the default branch.
fn base_name(named: &str, env: &Env) -> Result<Option<BaseName>, Error> {
    let name = |text: &str, by, is_branch| {
        let text = text.to_owned();
        Ok(Some(BaseName {
            text,
            by,
            is_branch,
        }))
    };
    if !named.is_empty() {
        return name(named, None, false);
    }
    for (variable, is_branch) in [
        ("TURBO_SCM_BASE", false),
        ("GITHUB_BASE_REF", true),
        ("CI_MERGE_REQUEST_DIFF_BASE_SHA", false),
        ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", true),
        ("CI_COMMIT_BEFORE_SHA", false),
    ] {
        if let Some(text) = env.get(variable).filter(|text| !is_none(text)) {
            return name(text, Some(variable), is_branch);
        }
    }
    let event = env.get("GITHUB_EVENT_PATH");
    let event = event.filter(|_| env.get("GITHUB_EVENT_NAME") == Some("push"));
    let before = event.map(|path| pushed_upon(Path::new(path)));
    match before.transpose()?.flatten() {
        Some(before) if !is_none(&before) => name(&before, Some("GitHub's event"), false),
        _ => Ok(None),
    }
}

/// Zeros stand for a branch that was not there.
fn is_none(commit: &str) -> bool {
    commit.bytes().all(|digit| digit == b'0')
}

/// The commit before a push, of GitHub's event.
fn pushed_upon(event: &Path) -> Result<Option<String>, Error> {
    let cannot = || format!("cannot read GitHub's event `{}`", event.display());
    let text = fs_err::read_to_string(event).map_err(Error::io(cannot()))?;
    let event: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| Error::io(cannot())(error.into()))?;
    Ok(event["before"].as_str().map(str::to_owned))
}
