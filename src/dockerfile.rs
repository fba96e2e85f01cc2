//! The Dockerfile: a [`Plan`] as text, through `templates/Dockerfile.j2`. Pure, and decides nothing.
//!
//! It uses only what the frontend inside of Docker 20.10 understands, so that no `# syntax=` line has to reach a registry.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::detect::program::BIN;
use crate::detect::{Bundle, Delivery, Site, Start};
use crate::plan::{BuildStep, ImagePackage, NodeCommand, Plan, place};
use crate::template;

/// The path of the Dockerfile in a context.
pub const PATH: &str = "Dockerfile";

const TEMPLATE: &str = include_str!("../templates/Dockerfile.j2");

/// What the template sees.
#[derive(Serialize)]
struct View<'p> {
    app: AppView<'p>,
    image: &'p str,
    node: &'p crate::plan::Decision<String>,
    pnpm: &'p crate::plan::Decision<String>,
    pnpm_package: String,
    build_base: &'p str,
    build: Count,
    runtime: Option<Count>,
    root_files: bool,
    steps: Vec<StepView<'p>>,
    runtime_base: BaseView<'p>,
    packages: Vec<PackageView<'p>>,
    start: Option<&'p Start>,
    command: Option<String>,
    program: Option<&'p str>,
    bundle: Option<&'p Bundle>,
    site: Option<&'p Site>,
    app_stage: Option<&'p str>,
    port: Option<u16>,
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
struct StepView<'p> {
    name: &'p str,
    dir: String,
    stage: &'p str,
    is_app: bool,
    handed_over: bool,
    scripts: &'p [String],
    env: &'p BTreeMap<String, String>,
    copies: Vec<String>,
    needs: &'p [String],
    writes: Option<&'p str>,
    in_image: bool,
}

#[derive(Serialize)]
struct BaseView<'p> {
    image: &'p str,
    reason: &'p str,
    node: Option<NodeCommand>,
    user: &'p str,
}

#[derive(Serialize)]
struct PackageView<'p> {
    stage: Option<&'p str>,
    kept: Option<String>,
    is_app: bool,
}

/// Renders the plan.
pub fn render(plan: &Plan) -> String {
    template::render("Dockerfile.j2", TEMPLATE, &view(plan))
}

fn view(plan: &Plan) -> View<'_> {
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
        build: Count {
            members: members(&plan.build),
            packages: plan.build.packages,
        },
        runtime: plan.runtime.as_ref().map(|runtime| Count {
            members: members(runtime),
            packages: runtime.packages,
        }),
        root_files: plan.has_root_files,
        steps: plan
            .steps
            .iter()
            .map(|step| self::step(plan, step))
            .collect(),
        runtime_base: BaseView {
            image: &base.value.image,
            reason: &base.reason,
            node: base.value.node,
            user: &base.value.user,
        },
        packages: plan
            .image_packages
            .iter()
            .map(|package| self::package(plan, package))
            .collect(),
        start: plan.delivery.start(),
        command: plan.delivery.start().map(|start| command(plan, start)),
        program: plan
            .delivery
            .start()
            .and_then(|start| start.entry.strip_prefix(BIN)),
        bundle: match &plan.delivery {
            Delivery::Bundle(bundle) => Some(bundle),
            Delivery::Modules(_) | Delivery::Site(_) => None,
        },
        site: match &plan.delivery {
            Delivery::Site(site) => Some(site),
            Delivery::Modules(_) | Delivery::Bundle(_) => None,
        },
        app_stage: plan
            .steps
            .iter()
            .find(|step| step.dir == plan.app.dir)
            .map(|step| &*step.stage),
        port: plan.port,
    }
}

fn step<'p>(plan: &'p Plan, step: &'p BuildStep) -> StepView<'p> {
    let is_app = step.dir == plan.app.dir;
    let copy = |copy: &crate::plan::Copy| {
        let words: Vec<&str> = copy
            .from
            .iter()
            .chain([&copy.to])
            .map(String::as_str)
            .collect();
        copy_words(&words)
    };
    StepView {
        name: &step.name,
        dir: step.dir.to_string(),
        stage: &step.stage,
        is_app,
        handed_over: !is_app || plan.delivery.has_modules(),
        scripts: &step.scripts,
        env: &step.env,
        copies: step.copies.iter().map(copy).collect(),
        needs: &step.needs,
        writes: step.writes.as_deref(),
        in_image: step.in_image,
    }
}

fn package<'p>(plan: &'p Plan, package: &'p ImagePackage) -> PackageView<'p> {
    let from = format!("{}/{}/", place::RUN, package.dir);
    let to = format!("{}/", package.dir);
    let kept = plan
        .context
        .iter()
        .any(|entry| entry.path.starts_with(&from));
    PackageView {
        stage: package.stage.as_deref(),
        kept: kept.then(|| copy_words(&[&from, &to])),
        is_app: package.dir == plan.app.dir,
    }
}

/// The exec form of `CMD`.
fn command(plan: &Plan, start: &Start) -> String {
    let program = match plan.runtime_base.value.node {
        Some(NodeCommand::OnPath) => Some("node"),
        Some(NodeCommand::Entrypoint | NodeCommand::Copied) | None => None,
    };
    let words = start
        .node_args
        .iter()
        .chain([&start.entry])
        .chain(&start.args)
        .map(String::as_str);
    json(&program.into_iter().chain(words).collect::<Vec<_>>())
}

/// The arguments of `COPY`: as they are, or as JSON where one holds a space.
fn copy_words(words: &[&str]) -> String {
    if words.iter().any(|word| word.contains(char::is_whitespace)) {
        json(words)
    } else {
        words.join(" ")
    }
}

fn json(words: &[&str]) -> String {
    let quoted: Vec<String> = words
        .iter()
        .map(|word| serde_json::Value::from(*word).to_string())
        .collect();
    format!("[{}]", quoted.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_spaces_are_json() {
        assert_eq!(copy_words(&["src/a/", "a/"]), "src/a/ a/");
        assert_eq!(copy_words(&["src/a b/", "a b/"]), r#"["src/a b/", "a b/"]"#);
    }
}
