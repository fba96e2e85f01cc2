//! The template's variables for build steps and installs.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::layers::{self, Gather};
use super::{app_stage, below_root};
use crate::model::path::RepoPath;
use crate::plan::template::{Syntax, text};
use crate::plan::{AUTHORITY, BuildStep, NPMRC, Plan, Reason, Secrets};

/// What a step gets that no layer holds. A variable holds a secret only while the step's command
/// runs.
#[derive(Serialize)]
pub(super) struct SecretsView {
    /// `--mount=type=secret,…`
    mounts: Vec<Syntax>,
    /// The text before the command.
    exports: Syntax,
}

#[derive(Serialize)]
pub(super) struct StepView<'p> {
    name: &'p str,
    dir: String,
    stage: &'p str,
    is_app: bool,
    handed_over: bool,
    tasks: Vec<TaskView<'p>>,
    env: &'p BTreeMap<String, String>,
    copies: Vec<Syntax>,
    /// The `COPY` arguments for outputs of earlier stages.
    needs: Vec<Syntax>,
    gathers: Vec<Gather>,
    continues: &'p [String],
    copied: Option<Copied<'p>>,
    writes: Option<&'p str>,
    /// Whether its output is trimmed for the image.
    trimmed: bool,
    /// Directories of its output that the image gets without the package.
    brought: Vec<&'p str>,
    /// The packages of the image that the root's scripts write into.
    parts: Vec<&'p str>,
    /// Packages that the image does not get, and that the build of an app around them may write to.
    strays: Vec<&'p str>,
}

/// A package that pnpm copies into `node_modules`.
#[derive(Serialize)]
struct Copied<'p> {
    /// What is copied there later, and the directories that may contain copies.
    name: &'p str,
    from: String,
    below: Vec<String>,
}

#[derive(Serialize)]
struct TaskView<'p> {
    script: &'p str,
    /// The name of the task: `@shop/ui#prepare`. Scripts of an install have only a name.
    install: Option<String>,
    secrets: SecretsView,
    /// Variables that no earlier task declares.
    args: Vec<&'p str>,
}

/// Facts about all stages.
pub(super) struct Stages<'p> {
    /// Stages that gather packages.
    gathers: BTreeSet<&'p str>,
    /// Stages whose package is trimmed for the image.
    trimmed: BTreeSet<&'p str>,
}

impl<'p> Stages<'p> {
    pub(super) fn new(plan: &'p Plan) -> Self {
        let gathers = plan.steps().iter().flat_map(|step| &step.gathers);
        let packages = plan.image_packages.iter().filter(|_| plan.trim().is_some());
        Self {
            gathers: gathers.map(|gather| gather.stage.as_str()).collect(),
            trimmed: packages.filter_map(|one| one.stage.as_deref()).collect(),
        }
    }

    /// The `COPY` arguments for everything in a stage.
    fn held(&self, stage: &str) -> Syntax {
        if self.gathers.contains(stage) {
            layers::whole(stage)
        } else {
            layers::built(stage, self.trimmed.contains(stage))
        }
    }
}

/// The `COPY` arguments for a directory of the context.
fn copied_in(copy: &crate::plan::Copy) -> Syntax {
    let words = copy.from.iter().chain([&copy.to]);
    let words: Vec<&str> = words.map(String::as_str).collect();
    text::copy(&words)
}

/// The variables for a step.
pub(super) fn step<'p>(plan: &'p Plan, stages: &Stages<'p>, step: &'p BuildStep) -> StepView<'p> {
    let is_app = app_stage(plan) == Some(&step.stage);
    let held = |stage: &String| stages.held(stage);
    let gather = |gather: &crate::plan::Gather| Gather {
        stage: gather.stage.clone(),
        copies: {
            let copies = gather.copies.iter().map(copied_in);
            copies.chain(gather.needs.iter().map(held)).collect()
        },
    };
    let sources = step.sources.iter().map(held);
    StepView {
        name: &step.name,
        dir: step.dir.to_string(),
        stage: &step.stage,
        is_app,
        handed_over: !is_app || plan.delivery.has_modules(),
        tasks: tasks(step, plan.secrets()),
        env: &step.env,
        copies: sources.chain(step.copies.iter().map(copied_in)).collect(),
        needs: step.needs.iter().map(held).collect(),
        gathers: step.gathers.iter().map(gather).collect(),
        continues: &step.continues,
        copied: step.copied.as_deref().map(|name| copied(plan, step, name)),
        writes: step.writes.as_deref(),
        trimmed: stages.trimmed.contains(step.stage.as_str()),
        brought: {
            let last = plan.steps().iter().rfind(|one| one.dir == step.dir);
            let is_last = last.is_some_and(|last| last.stage == step.stage);
            let own = plan
                .brought
                .iter()
                .filter(|one| is_last && one.of == step.dir);
            own.map(|one| one.path.as_str()).collect()
        },
        strays: if is_app && plan.delivery.has_modules() {
            strays(plan)
        } else {
            Vec::new()
        },
        parts: if step.dir.is_root() && !is_app {
            let packages = plan.image_packages.iter();
            packages.map(|package| package.dir.as_str()).collect()
        } else {
            Vec::new()
        },
    }
}

/// The packages below the app's directory that only its build needs.
fn strays(plan: &Plan) -> Vec<&str> {
    let app = &plan.app.dir;
    let members = plan.build.members.iter().map(|member| &member.dir);
    let below = members.filter(|dir| *dir != app && dir.is_within(app));
    let kept = |dir: &RepoPath| plan.image_packages.iter().any(|one| one.dir == *dir);
    below
        .filter(|dir| !kept(dir))
        .map(RepoPath::as_str)
        .collect()
}

/// Each secret is mounted as a file and read into a variable. `env=` in a mount needs frontend
/// 1.10.
fn secrets(ids: &[String], plan: &Secrets) -> SecretsView {
    let mount = |id: &String| format!("--mount=type=secret,id={id},required=true");
    let agent = |id: &String| match id.as_str() {
        "default" => "--mount=type=ssh,required=true".to_owned(),
        id => format!("--mount=type=ssh,id={id},required=true"),
    };
    let export = |id: &String| format!("export {id}=\"$(cat /run/secrets/{id})\" && ");
    let (trusted, mut exports) = trusted(plan);
    let mounts = ids.iter().map(mount).chain(plan.ssh.iter().map(agent));
    exports.extend(ids.iter().map(export));
    SecretsView {
        mounts: trusted.into_iter().chain(mounts).map(Syntax::of).collect(),
        exports: Syntax::of(exports),
    }
}

/// What a step gets to trust one more authority, and nothing else.
pub(super) fn authority(plan: &Secrets) -> SecretsView {
    let (mount, exports) = trusted(plan);
    SecretsView {
        mounts: mount.into_iter().map(Syntax::of).collect(),
        exports: Syntax::of(exports),
    }
}

/// The mount and the text before a command, with which it trusts one more authority. The variables
/// that name authorities take a file each, so those that the base has come along, in memory.
fn trusted(plan: &Secrets) -> (Option<String>, String) {
    if !plan.authority {
        return (None, String::new());
    }
    let file = format!("/run/secrets/{AUTHORITY}");
    let exports = format!(
        "{{ cat \"$NODE_EXTRA_CA_CERTS\" {file} > /dev/shm/node.pem; \
         cat \"${{SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}}\" {file} > /dev/shm/ssl.pem; }} 2> /dev/null; \
         export NODE_EXTRA_CA_CERTS=/dev/shm/node.pem SSL_CERT_FILE=/dev/shm/ssl.pem && "
    );
    let mount = format!("--mount=type=secret,id={AUTHORITY},required=true");
    (Some(mount), exports)
}

/// The secrets of installs: variables, and the credentials file at the path of the user's own
/// `.npmrc`.
pub(super) fn install(plan: &Secrets) -> SecretsView {
    let mut view = secrets(&plan.installs, plan);
    if let Some(npmrc) = plan.npmrc() {
        let required = if npmrc.required { ",required=true" } else { "" };
        view.mounts.push(Syntax::of(format!(
            "--mount=type=secret,id={NPMRC},target=/root/.npmrc{required}"
        )));
    }
    view
}

/// Where pnpm puts copies of a package: into its virtual stores, or where modules are hoisted.
fn copied<'p>(plan: &Plan, step: &BuildStep, name: &'p str) -> Copied<'p> {
    let below = below_root(&plan.installed_alone.build).map(|dir| format!("{dir}/"));
    Copied {
        name,
        from: format!("/out/files/{}.", step.dir.prefix()),
        below: [String::new()].into_iter().chain(below).collect(),
    }
}

/// An `ARG` is visible from its line to the end of the stage, so it comes before the first task
/// that declares it.
fn tasks<'p>(step: &'p BuildStep, plan: &Secrets) -> Vec<TaskView<'p>> {
    let mut known = BTreeSet::new();
    let mut views = Vec::new();
    for task in &step.tasks {
        let args = task.args.iter().map(String::as_str);
        let args = args.filter(|arg| known.insert(*arg)).collect();
        let id = || {
            let package = if step.dir.is_root() { "//" } else { &step.name };
            format!("{package}#{}", task.script)
        };
        views.push(TaskView {
            script: &task.script,
            secrets: secrets(&task.secrets, plan),
            install: (task.because == Reason::Lifecycle).then(id),
            args,
        });
    }
    views
}
