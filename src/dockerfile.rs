//! The Dockerfile: a [`Plan`] as text, through `templates/Dockerfile.j2`. Pure, and decides nothing.
//!
//! It uses only what the frontend inside of Docker 20.10 understands, so that no `# syntax=` line has to reach a registry.

use std::collections::BTreeSet;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use crate::detect::Start;
use crate::plan::{BuildStep, ImagePackage, NodeCommand, Plan, place};

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
    runtime: Count,
    root_files: bool,
    steps: Vec<StepView<'p>>,
    runtime_base: BaseView<'p>,
    packages: Vec<PackageView<'p>>,
    start: &'p Start,
    command: String,
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
    tasks: Vec<TaskView<'p>>,
    copies: Vec<String>,
    needs: &'p [String],
    continues: &'p [String],
    writes: Option<String>,
    in_image: bool,
}

#[derive(Serialize)]
struct TaskView<'p> {
    script: &'p str,
    /// Variables that no task before this one has.
    args: Vec<&'p str>,
}

#[derive(Serialize)]
struct BaseView<'p> {
    image: &'p str,
    reason: &'p str,
    node: NodeCommand,
    user: &'p str,
}

#[derive(Serialize)]
struct PackageView<'p> {
    stage: Option<&'p str>,
    kept: Option<String>,
    is_app: bool,
}

/// Renders the plan.
///
/// # Panics
///
/// Never, but for a broken template: it is compiled in, and every test renders it.
pub fn render(plan: &Plan) -> String {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .keep_trailing_newline(true)
            .build()
            .unwrap_or_default(),
    );
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.add_filter("quote", |text: String| quote(&text));
    environment.add_filter("quote_word", |text: String| quote_word(&text));
    let rendered = environment.render_str(TEMPLATE, Serde(view(plan)));
    rendered.unwrap_or_else(|error| panic!("templates/Dockerfile.j2 is broken: {error:#}"))
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
        runtime: Count {
            members: members(&plan.runtime),
            packages: plan.runtime.packages,
        },
        root_files: plan.has_root_files,
        steps: plan.steps.iter().map(step).collect(),
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
        start: &plan.start,
        command: command(plan),
    }
}

fn step(step: &BuildStep) -> StepView<'_> {
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
        tasks: tasks(step),
        copies: step.copies.iter().map(copy).collect(),
        needs: &step.needs,
        continues: &step.continues,
        writes: step.writes.as_ref().map(ToString::to_string),
        in_image: step.in_image,
    }
}

/// An `ARG` holds from where it stands to the stage's end, so it stands before the first task that declares it.
fn tasks(step: &BuildStep) -> Vec<TaskView<'_>> {
    let mut known = BTreeSet::new();
    let mut views = Vec::new();
    for task in &step.tasks {
        let args = task.args.iter().map(String::as_str);
        let args = args.filter(|arg| known.insert(*arg)).collect();
        views.push(TaskView {
            script: &task.script,
            args,
        });
    }
    views
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
fn command(plan: &Plan) -> String {
    let start = &plan.start;
    let program = match plan.runtime_base.value.node {
        NodeCommand::OnPath => Some("node"),
        NodeCommand::Entrypoint | NodeCommand::Copied => None,
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

/// A word for a shell.
fn quote(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@%+=:,./_-".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// A word for an instruction that is not a shell's.
fn quote_word(text: &str) -> String {
    if text.contains(char::is_whitespace) {
        format!("\"{text}\"")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes() {
        assert_eq!(quote("packages/a"), "packages/a");
        assert_eq!(quote("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(copy_words(&["src/a/", "a/"]), "src/a/ a/");
        assert_eq!(copy_words(&["src/a b/", "a b/"]), r#"["src/a b/", "a b/"]"#);
    }
}
