//! Renders a [`Plan`] as a Dockerfile through `templates/Dockerfile.j2`. It is pure and decides
//! nothing.
//!
//! The Dockerfile uses only what the frontend of Docker 20.10 understands, so it needs no `#
//! syntax=` line and no registry for it.

mod layers;
mod native;
mod step;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use serde::Serialize;

use crate::detect::{Bundle, Delivery, Site, Start};
use crate::files::forbidden::{self, Conditions};
use crate::model::image::ImageRef;
use crate::model::path::RepoPath;
use crate::plan::template::{self, Syntax, TemplateError, text};
use crate::plan::{Configured, Decision, NodeCommand, Place, Plan, SystemPackages, Timing};
use layers::{CopyView, Gather};
use native::NativeView;
use step::{SecretsView, StepView};

/// The path of the Dockerfile in a context.
pub const PATH: &str = "Dockerfile";

/// Where the proof keeps the app's layer for the image.
const VERIFIED: &str = "/verified/";

/// The template. A user's template may replace its blocks.
pub const TEMPLATE: &str = include_str!("../../templates/Dockerfile.j2");

/// The name by which a user's template extends it.
pub const NAME: &str = "Dockerfile.j2";

/// The variables of the template.
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
    /// The secrets of an install.
    install: SecretsView,
    /// What the installation of pnpm gets.
    authority: SecretsView,
    root_files: bool,
    /// Other directories in which pnpm puts modules of the runtime closure.
    stores: Vec<&'p str>,
    /// Files that only the install of the runtime closure reads, and their directories.
    install_only: Vec<String>,
    install_only_in: Vec<String>,
    /// The same for the build closure.
    build_stores: Vec<&'p str>,
    /// `find` conditions for virtual stores, which are not outputs of a build.
    passed_over: String,
    /// Names that never enter an image.
    forbidden: Conditions,
    steps: Vec<StepView<'p>>,
    runtime_base: BaseView<'p>,
    /// The files of packages in the image, except the last layer.
    copies: Vec<CopyView<'p>>,
    gathers: Vec<Gather>,
    /// Whether the image gets files from other places; then the `COPY` arguments for outputs of
    /// other packages.
    beside: bool,
    brought: Vec<Syntax>,
    start: Option<&'p Start>,
    command: Option<Syntax>,
    /// The entrypoint of a command, which takes the arguments after the image's name in `docker
    /// run`.
    entrypoint: Option<Syntax>,
    /// Programs of dependencies that node starts, or a shell.
    programs: Vec<&'p str>,
    /// Why a shell starts the app, if one does.
    shell: Option<&'p str>,
    bundle: Option<&'p Bundle>,
    site: Option<&'p Site>,
    app_stage: Option<&'p str>,
    last: LastView,
    trim: Option<&'p crate::plan::Trim>,
    verify: Option<Syntax>,
    /// Whether steps run on the builder's platform, whatever the image's is.
    portable: bool,
    trial: bool,
    /// Whether the image sets node options that the proof runs without.
    node_options: bool,
    /// The command that makes the writable directories.
    writable: Option<Syntax>,
    port: Option<u16>,
    signals: bool,
    configured: ConfiguredView<'p>,
    prebuilt: Option<Prebuilt>,
    native: NativeView<'p>,
}

/// The layers of a workspace that is used as it is on disk.
#[derive(Serialize)]
struct Prebuilt {
    modules: bool,
    packages: bool,
    /// Whether the app is a layer of its own before the last, because the last one holds its
    /// writable files.
    app: bool,
}

/// What the user's configuration adds.
#[derive(Serialize)]
struct ConfiguredView<'p> {
    env: BTreeMap<&'p str, &'p str>,
    labels: BTreeMap<&'p str, &'p str>,
    oci_labels: bool,
    healthcheck: Option<Syntax>,
    build_packages: Option<&'p SystemPackages>,
    runtime_packages: Option<&'p SystemPackages>,
}

/// The image's last layer, the app's own files, which the proof passes on.
#[derive(Serialize)]
struct LastView {
    /// The source stage and the owner.
    options: Syntax,
    chown: Syntax,
    /// Copies to a separate place in the proof, from which the image takes it.
    hand: Option<Syntax>,
    place: Syntax,
    out: Syntax,
}

#[derive(Serialize)]
struct AppView<'p> {
    name: &'p str,
    dir: String,
    /// What stands before the paths of its files.
    prefix: String,
    /// Where it is in the image.
    home: String,
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

/// The variables of a user's template: the same, and the whole plan.
#[derive(Serialize)]
struct OwnView<'p> {
    #[serde(flatten)]
    view: View<'p>,
    plan: &'p Plan,
}

/// Renders the plan. A user's own template may fail.
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
    let base = &plan.runtime_base;
    View {
        app: AppView {
            name: &plan.app.name,
            dir: plan.app.dir.to_string(),
            prefix: plan.app.dir.prefix(),
            home: plan.home(),
        },
        image: &plan.image,
        node: &plan.node,
        pnpm: &plan.pnpm,
        pnpm_package: format!("pnpm@{}", plan.pnpm.value),
        build_base: &plan.build_base.value,
        build_on_alpine: is_alpine(&plan.build_base.value),
        build: Count {
            members: plan.build.packages().count(),
            packages: plan.build.packages,
        },
        runtime: plan.runtime.as_ref().map(|runtime| Count {
            members: runtime.packages().count(),
            packages: runtime.packages,
        }),
        install: step::install(plan.secrets()),
        authority: step::authority(plan.secrets()),
        root_files: plan.recipe().is_some_and(|recipe| recipe.has_root_files),
        stores: stores(&plan.installed_alone.runtime),
        install_only_in: install_only(plan)
            .filter_map(|path| path.parent().filter(|dir| !dir.is_root()))
            .map(|dir| dir.to_string())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        install_only: install_only(plan).map(ToString::to_string).collect(),
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
        beside: plan.holds(Place::Beside, &RepoPath::ROOT),
        brought: layers::brought(plan),
        start: plan.delivery.start(),
        command: plan.delivery.start().map(|_| exec(&plan.runs().command)),
        entrypoint: plan.runs().entrypoint.as_deref().map(exec),
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
        portable: plan.portable,
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

/// The exec form of a start.
fn exec(words: &[String]) -> Syntax {
    text::exec(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

fn prebuilt(plan: &Plan) -> Prebuilt {
    let has = |place| plan.holds(place, &RepoPath::ROOT);
    Prebuilt {
        modules: has(Place::Modules),
        packages: has(Place::Packages),
        app: has(Place::Writable),
    }
}

fn is_alpine(image: &str) -> bool {
    image.parse().is_ok_and(|image: ImageRef| image.is_alpine())
}

fn last(plan: &Plan) -> LastView {
    let (dir, stage) = (plan.app.dir.prefix(), app_stage(plan));
    let (source, to) = match (&plan.delivery, stage) {
        (Delivery::Site(_), _) if plan.is_finished() => {
            (format!("{}/", Place::App), "/app/".to_owned())
        }
        (
            Delivery::Bundle(Bundle {
                writable: Some(writable),
                ..
            }),
            _,
        ) if plan.is_finished() => (
            format!("{}/{dir}{writable}/", Place::Writable),
            format!("{dir}{writable}/"),
        ),
        _ if plan.is_finished() => (format!("{}/", Place::App), "./".to_owned()),
        (Delivery::Site(site), _) => (format!("/app/{dir}{}/", site.dir), "/app/".to_owned()),
        (Delivery::Bundle(bundle), _) => match &bundle.writable {
            Some(writable) => ("/image/writable/".to_owned(), format!("{dir}{writable}/")),
            None => ("/image/files/".to_owned(), "./".to_owned()),
        },
        (Delivery::Modules(_), Some(_)) => ("/out/files/".to_owned(), "./".to_owned()),
        (Delivery::Modules(_), None) => (
            format!("{}/{dir}", Place::kept(&plan.app.dir)),
            format!("{}/", plan.app.dir),
        ),
    };
    // A directory that nothing else is copied into can be copied from where it is.
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
    if plan.delivery.start().is_none() {
        return text::exec(&["nginx", "-t"]);
    }
    let node = plan.runtime_base.value.node;
    let node = node.map_or("node", NodeCommand::program);
    let trial = plan.trial.then_some("--start");
    let files = ["/verify/verify.mjs", "/verify/image.json"];
    let portable = plan.portable.then_some("--portable");
    let files = files.into_iter().chain(portable).chain(trial);
    let words = [node].into_iter().chain(plan.proof_flags());
    text::exec(&words.chain(files).collect::<Vec<_>>())
}

/// The exec form of the command that makes the writable directories.
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

/// Files of the runtime closure's install that the image does not get.
fn install_only(plan: &Plan) -> impl Iterator<Item = &RepoPath> {
    let recipe = plan.recipe().into_iter();
    recipe.flat_map(|recipe| &recipe.install_only)
}

/// Without the root, where pnpm installs in any case.
fn below_root(dirs: &[RepoPath]) -> impl Iterator<Item = &RepoPath> {
    dirs.iter().filter(|dir| !dir.is_root())
}

/// The last stage that builds the app.
fn app_stage(plan: &Plan) -> Option<&str> {
    let step = plan.steps().iter().rfind(|step| step.dir == plan.app.dir);
    step.map(|step| &*step.stage)
}

fn configured(configured: &Configured) -> ConfiguredView<'_> {
    ConfiguredView {
        env: texts(&configured.env),
        labels: texts(&configured.labels),
        oci_labels: configured.oci_labels,
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

/// The options of `HEALTHCHECK`, each followed by a space.
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
