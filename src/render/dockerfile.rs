//! The Dockerfile: a [`Plan`] as text, through `templates/Dockerfile.j2`. Pure, and decides nothing.
//!
//! It uses only what the frontend inside of Docker 20.10 understands, so that no `# syntax=` line has to reach a registry.

mod layers;
mod native;
mod step;

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::Serialize;

use crate::detect::{Bundle, Delivery, Site, Start};
use crate::files::forbidden::{self, Conditions};
use crate::model::image::ImageRef;
use crate::model::path::RepoPath;
use crate::plan::template::{self, Syntax, TemplateError, text};
use crate::plan::{Configured, Decision, NodeCommand, Plan, SystemPackages, Timing, place};
use layers::{CopyView, Gather};
use native::NativeView;
use step::{SecretsView, StepView};

/// The path of the Dockerfile in a context.
pub const PATH: &str = "Dockerfile";

/// Where the proof keeps the layer that it hands on.
const VERIFIED: &str = "/verified/";

/// The template, whose blocks a template of the user's may replace.
pub const TEMPLATE: &str = include_str!("../../templates/Dockerfile.j2");

/// The name by which it is extended.
pub const NAME: &str = "Dockerfile.j2";

/// What the template sees.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a condition of the template"
)]
#[derive(Serialize)]
struct View<'p> {
    app: AppView<'p>,
    image: &'p str,
    node: &'p crate::plan::Decision<String>,
    pnpm: &'p crate::plan::Decision<String>,
    pnpm_package: String,
    build_base: &'p str,
    build_on_alpine: bool,
    build: Count,
    runtime: Option<Count>,
    /// What an install gets of secrets.
    install: SecretsView,
    root_files: bool,
    /// Below which directories else pnpm puts modules of the runtime closure.
    stores: Vec<&'p str>,
    /// The same of the build closure.
    build_stores: Vec<&'p str>,
    /// Conditions of `find` for the virtual stores that a build may not mistake for its output.
    passed_over: String,
    /// Names that never enter an image.
    forbidden: Conditions,
    steps: Vec<StepView<'p>>,
    runtime_base: BaseView<'p>,
    /// What the image gets of packages, but for the last layer.
    copies: Vec<CopyView<'p>>,
    gathers: Vec<Gather>,
    /// Whether the image gets files of other places, and the arguments of `COPY` for outputs of other packages.
    beside: bool,
    brought: Vec<Syntax>,
    start: Option<&'p Start>,
    command: Option<Syntax>,
    /// The same of a command, which takes what follows the image's name in `docker run`.
    entrypoint: Option<Syntax>,
    /// Programs of dependencies that node starts, or a shell.
    programs: Vec<&'p str>,
    /// Why a shell starts the app, where one does.
    shell: Option<&'p str>,
    bundle: Option<&'p Bundle>,
    site: Option<&'p Site>,
    app_stage: Option<&'p str>,
    last: LastView,
    trim: Option<crate::plan::Trim>,
    verify: Option<Syntax>,
    trial: bool,
    /// Whether the image sets options of node that the proof runs without.
    node_options: bool,
    /// What makes the directories that the app writes to.
    writable: Option<Syntax>,
    port: Option<u16>,
    signals: bool,
    configured: ConfiguredView<'p>,
    prebuilt: Option<Prebuilt>,
    native: NativeView<'p>,
}

/// Which layers there are of a workspace that is taken as it lies on the disk.
#[derive(Serialize)]
struct Prebuilt {
    modules: bool,
    packages: bool,
    /// What the app writes to is the last layer; then the rest of it is one before.
    app: bool,
}

/// What the user adds.
#[derive(Serialize)]
struct ConfiguredView<'p> {
    env: BTreeMap<&'p str, &'p str>,
    labels: BTreeMap<&'p str, &'p str>,
    healthcheck: Option<Syntax>,
    build_packages: Option<&'p SystemPackages>,
    runtime_packages: Option<&'p SystemPackages>,
}

/// The image's last layer, the app's own files: the proof hands it on.
#[derive(Serialize)]
struct LastView {
    /// Where it comes from, and whose it is.
    options: Syntax,
    chown: Syntax,
    /// To a place of its own in the proof, from which it comes out again.
    hand: Option<Syntax>,
    place: Syntax,
    out: Syntax,
}

#[derive(Serialize)]
struct AppView<'p> {
    name: &'p str,
    dir: String,
}

#[derive(Serialize)]
struct Count {
    members: usize,
    packages: usize,
}

#[derive(Serialize)]
struct BaseView<'p> {
    image: &'p str,
    reason: &'p str,
    node: Option<NodeCommand>,
    user: &'p str,
}

/// What a template of the user's sees: the same, and the whole plan.
#[derive(Serialize)]
struct OwnView<'p> {
    #[serde(flatten)]
    view: View<'p>,
    plan: &'p Plan,
}

/// Renders the plan, through the user's own template where there is one: that may fail.
pub fn render(plan: &Plan) -> Result<String, TemplateError> {
    let view = view(plan);
    match &plan.configured.template {
        None => Ok(template::render(NAME, TEMPLATE, &view)?),
        Some(own) => {
            let data = OwnView { view, plan };
            template::render_own((NAME, TEMPLATE), own.path.as_str(), &own.text, &data)
        }
    }
}

fn view(plan: &Plan) -> View<'_> {
    let (gathers, copies) = layers::image(plan);
    let stages = step::Stages::new(plan);
    // The root project is there for its tools, and is not counted among the packages.
    let members = |closure: &crate::plan::ClosurePlan| {
        closure
            .members
            .iter()
            .filter(|member| !member.dir.is_root())
            .count()
    };
    let base = &plan.runtime_base;
    View {
        app: AppView {
            name: &plan.app.name,
            dir: plan.app.dir.to_string(),
        },
        image: &plan.image,
        node: &plan.node,
        pnpm: &plan.pnpm,
        pnpm_package: format!("pnpm@{}", plan.pnpm.value),
        build_base: &plan.build_base.value,
        build_on_alpine: is_alpine(&plan.build_base.value),
        build: Count {
            members: members(&plan.build),
            packages: plan.build.packages,
        },
        runtime: plan.runtime.as_ref().map(|runtime| Count {
            members: members(runtime),
            packages: runtime.packages,
        }),
        install: step::install(plan.secrets()),
        root_files: plan.recipe().is_some_and(|recipe| recipe.has_root_files),
        stores: stores(&plan.installed_alone.runtime),
        build_stores: stores(&plan.installed_alone.build),
        passed_over: passed_over(&plan.installed_alone.build),
        forbidden: forbidden::conditions(&plan.include, &plan.public_env_files),
        steps: plan
            .steps()
            .iter()
            .map(|step| step::step(plan, &stages, step))
            .collect(),
        runtime_base: BaseView {
            image: &base.value.image,
            reason: &base.reason,
            node: base.value.node,
            user: &base.value.user,
        },
        copies,
        gathers,
        beside: plan.holds(&format!("{}/", place::BESIDE)),
        brought: layers::brought(plan),
        start: plan.delivery.start(),
        command: plan.delivery.start().map(|_| command(plan, false)),
        entrypoint: plan.delivery.start().map(|_| command(plan, true)),
        programs: plan
            .delivery
            .start()
            .map_or_else(Vec::new, |start| start.programs().collect()),
        shell: plan.delivery.start().and_then(|start| {
            start.line()?;
            Some(start.shell.as_ref()?.reason.as_str())
        }),
        bundle: match &plan.delivery {
            Delivery::Bundle(bundle) => Some(bundle),
            Delivery::Modules(_) | Delivery::Site(_) => None,
        },
        site: match &plan.delivery {
            Delivery::Site(site) => Some(site),
            Delivery::Modules(_) | Delivery::Bundle(_) => None,
        },
        app_stage: app_stage(plan),
        last: last(plan),
        trim: plan.trim(),
        verify: plan.verify.then(|| verify(plan)),
        trial: plan.trial,
        node_options: plan.node_options().is_some(),
        writable: writable(plan),
        port: plan.port,
        signals: plan.signals.is_some(),
        configured: configured(&plan.configured),
        prebuilt: plan.is_finished().then(|| prebuilt(plan)),
        native: NativeView::new(&plan.native),
    }
}

/// The exec form of what starts the app; of a command, with node's path before it where it is not there already.
fn command(plan: &Plan, entrypoint: bool) -> Syntax {
    let command = plan.runs().command;
    let words = command.iter().map(String::as_str);
    let node = plan.runtime_base.value.node;
    let apart = entrypoint && node.is_some_and(NodeCommand::is_entrypoint);
    let node = apart.then_some("/nodejs/bin/node");
    text::exec(&node.into_iter().chain(words).collect::<Vec<_>>())
}

fn prebuilt(plan: &Plan) -> Prebuilt {
    let has = |place: &str| plan.holds(&format!("{place}/"));
    Prebuilt {
        modules: has(place::MODULES),
        packages: has(place::PACKAGES),
        app: has(place::WRITABLE),
    }
}

fn is_alpine(image: &str) -> bool {
    image.parse().is_ok_and(|image: ImageRef| image.is_alpine())
}

fn last(plan: &Plan) -> LastView {
    let (dir, stage) = (&plan.app.dir, app_stage(plan));
    let (source, to) = match (&plan.delivery, stage) {
        (Delivery::Site(_), _) if plan.is_finished() => {
            (format!("{}/", place::APP), "/app/".to_owned())
        }
        (
            Delivery::Bundle(Bundle {
                writable: Some(writable),
                ..
            }),
            _,
        ) if plan.is_finished() => (
            format!("{}/{dir}/{writable}/", place::WRITABLE),
            format!("{dir}/{writable}/"),
        ),
        _ if plan.is_finished() => (format!("{}/", place::APP), "./".to_owned()),
        (Delivery::Site(site), _) => (format!("/app/{dir}/{}/", site.dir), "/app/".to_owned()),
        (Delivery::Bundle(bundle), _) => match &bundle.writable {
            Some(writable) => ("/image/writable/".to_owned(), format!("{dir}/{writable}/")),
            None => ("/image/files/".to_owned(), "./".to_owned()),
        },
        (Delivery::Modules(_), Some(_)) => ("/out/files/".to_owned(), "./".to_owned()),
        (Delivery::Modules(_), None) => (format!("{}/{dir}/", place::RUN), format!("{dir}/")),
    };
    // A directory that nothing else is copied into can be taken from where it is.
    let (mut chown, mut alone) = (String::new(), None);
    match &plan.delivery {
        Delivery::Site(_) => alone = Some(to.clone()),
        Delivery::Bundle(Bundle {
            writable: Some(_), ..
        }) => {
            chown = format!("--chown={} ", plan.runtime_base.value.user);
            alone = Some(format!("/app/{to}"));
        }
        Delivery::Bundle(_) | Delivery::Modules(_) => {}
    }
    let from = stage.map_or_else(String::new, |stage| format!("--from={stage} "));
    LastView {
        options: Syntax::of(format!("{from}{chown}")),
        chown: Syntax::of(chown),
        place: text::copy(&[&source, &to]),
        out: text::copy(&[alone.as_deref().unwrap_or(VERIFIED), &to]),
        hand: alone.is_none().then(|| text::copy(&[&source, VERIFIED])),
    }
}

/// The exec form of the proof.
fn verify(plan: &Plan) -> Syntax {
    let Some(start) = plan.delivery.start() else {
        return text::exec(&["nginx", "-t"]);
    };
    let node = plan.runtime_base.value.node;
    let node = node.map_or("node", NodeCommand::program);
    let flags = [
        "--no-warnings",
        "--experimental-vm-modules",
        "--experimental-import-meta-resolve",
    ];
    let trial = plan.trial.then_some("--start");
    let files = ["/verify/verify.mjs", "/verify/image.json"];
    let files = files.into_iter().chain(trial);
    let conditions = start.conditions();
    let words = [node].into_iter().chain(flags).chain(conditions);
    text::exec(&words.chain(files).collect::<Vec<_>>())
}

/// The exec form of what makes the directories that the app writes to.
fn writable(plan: &Plan) -> Option<Syntax> {
    let runs = plan.runs();
    let node = plan.runtime_base.value.node?;
    if runs.writable.is_empty() {
        return None;
    }
    let words = [node.program(), "/writable/writable.cjs", &runs.user];
    let directories = runs.writable.iter().map(String::as_str);
    Some(text::exec(
        &words.into_iter().chain(directories).collect::<Vec<_>>(),
    ))
}

fn passed_over(installed_alone: &[RepoPath]) -> String {
    let conditions: Vec<String> = below_root(installed_alone)
        .map(|dir| text::glob(&format!("./{dir}/node_modules/.pnpm")))
        .filter_map(|path| text::quote(&path).ok())
        .map(|path| format!("-path {path} -prune -o "))
        .collect();
    conditions.concat()
}

fn stores(installed_alone: &[RepoPath]) -> Vec<&str> {
    below_root(installed_alone).map(RepoPath::as_str).collect()
}

/// pnpm installs at the root in any case.
fn below_root(dirs: &[RepoPath]) -> impl Iterator<Item = &RepoPath> {
    dirs.iter().filter(|dir| !dir.is_root())
}

/// The stage that makes the app: its last one.
fn app_stage(plan: &Plan) -> Option<&str> {
    let step = plan.steps().iter().rfind(|step| step.dir == plan.app.dir);
    step.map(|step| &*step.stage)
}

fn configured(configured: &Configured) -> ConfiguredView<'_> {
    ConfiguredView {
        env: texts(&configured.env),
        labels: texts(&configured.labels),
        healthcheck: configured.healthcheck.as_ref().map(|check| {
            let Some(command) = &check.value.command else {
                return Syntax::of("NONE");
            };
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            let before = format!("{}CMD ", options(&check.value.timing));
            text::exec(&words).behind(&before)
        }),
        build_packages: configured.build_packages.as_ref(),
        runtime_packages: configured.runtime_packages.as_ref(),
    }
}

/// `HEALTHCHECK`'s options, with a space behind each.
fn options(timing: &Timing) -> String {
    fn option(name: &str, value: Option<impl Display>) -> String {
        value.map_or_else(String::new, |value| format!("--{name}={value} "))
    }
    [
        option("interval", timing.interval),
        option("timeout", timing.timeout),
        option("start-period", timing.start_period),
        option("retries", timing.retries),
    ]
    .concat()
}

fn texts(decisions: &BTreeMap<String, Decision<String>>) -> BTreeMap<&str, &str> {
    decisions
        .iter()
        .map(|(name, decision)| (name.as_str(), decision.value.as_str()))
        .collect()
}

#[cfg(test)]
mod tests;
