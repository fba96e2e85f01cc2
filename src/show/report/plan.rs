//! The plan as text: every decision with its reason.

use std::collections::BTreeMap;

use super::lines::Lines;
use super::{KEEP_TOOL, count, size};
use crate::detect::Delivery;
use crate::needs::closure::Because;
use crate::plan::{ClosurePlan, Place, Plan, Reason};

/// The plan as text.
pub fn plan(plan: &Plan) -> String {
    let mut text = Lines::default();
    Words(plan).all(&mut text);
    text.into_text()
}

struct Words<'p>(&'p Plan);

impl Words<'_> {
    fn all(&self, text: &mut Lines) {
        let plan = self.0;
        let (name, dir) = (&plan.app.name, plan.app.dir.to_string());
        if *name == dir {
            text.line(format_args!("{name}"));
        } else {
            text.line(format_args!("{name} in {dir}"));
        }
        text.gap();
        let kind = plan.app.detected.label();
        decision(text, "kind", &kind, &plan.app.detected.evidence.join("; "));
        decision(text, "node", &plan.node.value, &plan.node.reason);
        decision(text, "pnpm", &plan.pnpm.value, &plan.pnpm.reason);
        decision(
            text,
            "builds in",
            &plan.build_base.value,
            &plan.build_base.reason,
        );
        decision(
            text,
            "runs in",
            &plan.runtime_base.value.image,
            &plan.runtime_base.reason,
        );
        self.delivery(text);
        self.native(text);
        self.configured(text);
        self.closure(text, "needed to build", &plan.build);
        if let Some(runtime) = &plan.runtime {
            self.closure(text, "needed to run", runtime);
        }
        self.root_files(text);
        self.steps(text);
        self.context(text);
    }
}

/// `  node      22` and the reason in its own column.
fn decision(text: &mut Lines, what: &str, value: &str, reason: &str) {
    text.line(format_args!("  {what:<10} {value}"));
    text.line(format_args!("  {:<10}   {reason}", ""));
}

impl Words<'_> {
    fn delivery(&self, text: &mut Lines) {
        let dirs = |dirs: &[String]| dirs.join(", ");
        match &self.0.delivery {
            Delivery::Modules(start) => {
                let made = match &start.loads {
                    Some(file) => format!("the build writes {file}"),
                    None if start.built => "the build writes it".to_owned(),
                    None => "it is there without a build".to_owned(),
                };
                let reason = format!("{}; {made}", start.reason);
                decision(text, "starts", &start.command(), &reason);
            }
            Delivery::Bundle(bundle) => {
                decision(
                    text,
                    "starts",
                    &bundle.start.command(),
                    &bundle.start.reason,
                );
                let from: Vec<String> = bundle
                    .pieces
                    .iter()
                    .map(|piece| piece.from.clone())
                    .collect();
                let reason = "the build puts there what the app needs when it runs";
                decision(text, "holds", &dirs(&from), reason);
            }
            Delivery::Site(site) => {
                decision(text, "serves", &site.dir, &site.reason);
                let page = site.fallback.page.as_deref().unwrap_or("404");
                decision(text, "otherwise", page, &site.fallback.reason);
            }
        }
    }

    fn native(&self, text: &mut Lines) {
        let native = &self.0.native;
        for (what, packages) in [("to build", &native.build), ("to run", &native.runtime)] {
            if let Some(packages) = packages {
                decision(text, what, &packages.names.join(" "), &packages.reason);
            }
        }
    }

    fn configured(&self, text: &mut Lines) {
        let configured = &self.0.configured;
        if let (Some(port), Some(reason)) = (self.0.port, &configured.port_reason) {
            decision(text, "port", &port.to_string(), reason);
        }
        for (what, decisions) in [("variable", &configured.env), ("label", &configured.labels)] {
            for (name, value) in decisions {
                decision(
                    text,
                    what,
                    &format!("{name}={}", value.value),
                    &value.reason,
                );
            }
        }
        for directory in &configured.writable {
            decision(text, "writes to", &directory.value, &directory.reason);
        }
        for (name, value) in &configured.build_args {
            let shown = match &value.value {
                Some(value) => format!("{name}={value}"),
                None => name.clone(),
            };
            decision(text, "build arg", &shown, &value.reason);
        }
        for secret in &self.0.secrets().secrets {
            decision(text, "secret", &secret.id, &secret.reason);
        }
        if let Some(check) = &configured.healthcheck {
            let command = check.value.command.as_ref().map(|words| words.join(" "));
            decision(
                text,
                "healthy if",
                command.as_deref().unwrap_or("nobody asks"),
                &check.reason,
            );
        }
        for (when, packages) in [
            ("to build", &configured.build_packages),
            ("to run", &configured.runtime_packages),
        ] {
            if let Some(packages) = packages {
                decision(text, when, &packages.names.join(" "), &packages.reason);
            }
        }
        if let Some(tags) = &configured.tags {
            decision(text, "named", &tags.value.join(", "), &tags.reason);
        }
        if let Some(template) = &configured.template {
            decision(text, "template", template.path.as_str(), &template.reason);
        }
    }

    fn closure(&self, text: &mut Lines, name: &str, closure: &ClosurePlan) {
        let plan = self.0;
        let members = closure.packages().count();
        text.gap();
        text.line(format_args!(
            "{name}: {members} of {}, {} of {} from registries",
            count(plan.workspace_members, "package"),
            closure.packages,
            plan.workspace_packages
        ));
        for member in &closure.members {
            let why = why_kept(&member.because);
            text.line(format_args!("  {:<24} {why}", member.dir.to_string()));
        }
        for peer in &closure.peers {
            text.line(format_args!("  {peer}: a dev dependency that counts, since it is a peer that another package brings"));
        }
        for named in &closure.named {
            text.line(format_args!(
                "  {named}: a dev dependency that counts, since the app starts with it"
            ));
        }
        for spared in &closure.spared {
            text.line(format_args!(
                "  {:<24} left out: a developer's tool, and only an optional peer of {}; {KEEP_TOOL}",
                spared.package,
                spared.peer_of.join(" ")
            ));
        }
    }

    fn root_files(&self, text: &mut Lines) {
        let plan = self.0;
        if !plan.recipe().is_some_and(|recipe| recipe.has_root_files) {
            return;
        }
        text.gap();
        text.line(format_args!("files at the root"));
        for entry in plan.context() {
            if entry.place == Place::Root {
                let path = entry.path.to_string();
                text.line(format_args!("  {path:<24} {}", entry.why));
            }
        }
    }

    fn steps(&self, text: &mut Lines) {
        let plan = self.0;
        text.gap();
        text.line(format_args!("build steps"));
        if plan.steps().is_empty() {
            text.line(format_args!("  none: the image is made of sources"));
        }
        // The number of stages behind each gathering stage.
        let mut gathered: BTreeMap<&str, usize> = BTreeMap::new();
        for step in plan.steps() {
            for gather in &step.gathers {
                let behind = |stage: &String| gathered.get(stage.as_str()).copied().unwrap_or(1);
                let all = gather.needs.iter().map(behind).sum();
                gathered.insert(&gather.stage, all);
            }
            let behind = |stage: &String| gathered.get(stage.as_str()).copied();
            let after = if step.needs.is_empty() {
                String::new()
            } else if step.needs.iter().all(|stage| behind(stage).is_none()) {
                format!(" (after {})", step.needs.join(", "))
            } else {
                let all = step.needs.iter().map(|stage| behind(stage).unwrap_or(1));
                format!(" (after {})", count(all.sum(), "step"))
            };
            let scripts: Vec<&str> = step.tasks.iter().map(|task| task.script.as_str()).collect();
            text.line(format_args!(
                "  {:<24} {}{after}",
                step.dir.to_string(),
                scripts.join(", ")
            ));
            for task in &step.tasks {
                let why = why_run(&task.because);
                text.line(format_args!("  {:<24}   {}: {why}", "", task.script));
                if !task.args.is_empty() {
                    text.line(format_args!(
                        "  {:<24}   reads {}",
                        "",
                        task.args.join(", ")
                    ));
                }
                if !task.secrets.is_empty() {
                    let secrets = task.secrets.join(", ");
                    text.line(format_args!("  {:<24}   reads {secrets}, as a secret", ""));
                }
            }
        }
        let left_out = plan.recipe().map_or(&[][..], |recipe| &recipe.left_out);
        if !left_out.is_empty() {
            text.gap();
            text.line(format_args!("scripts that do not run"));
        }
        for script in left_out {
            let dir = script.dir.to_string();
            text.line(format_args!(
                "  {dir:<24} {}: {}",
                script.script, script.reason
            ));
        }
    }

    fn context(&self, text: &mut Lines) {
        let plan = self.0;
        text.gap();
        text.line(format_args!(
            "context: {} in {}",
            size(plan.context_size()),
            count(plan.context().len(), "file")
        ));
        for (place, what) in [
            (
                Place::Build,
                "manifests and lockfile for the build's install",
            ),
            (
                Place::Prod,
                "manifests and lockfile for the image's install",
            ),
            (Place::Root, "files at the root that builds read"),
            (Place::Top, "files at the root that its own tasks read"),
            (Place::Home, "files of the root that the image gets"),
            (Place::Src, "sources that only builds read"),
            (Place::Run, "files that the image gets unchanged"),
            (
                Place::Beside,
                "files from elsewhere in the workspace that the image gets",
            ),
            (Place::Serve, "the configuration of nginx"),
            (Place::Own, "the script that makes directories writable"),
            (
                Place::Trim,
                "the script that removes spare files from modules",
            ),
            (
                Place::Verify,
                "the scripts that prove the image; it does not get them",
            ),
        ] {
            let inside = || plan.context().iter().filter(|entry| entry.place == place);
            let files = inside().count();
            if files > 0 {
                let bytes = size(inside().map(|entry| entry.content.size()).sum());
                text.line(format_args!(
                    "  {:<7} {bytes:>10} in {:<10} {what}",
                    format!("{place}/"),
                    count(files, "file")
                ));
            }
        }
    }
}

/// Why a task runs, in words.
fn why_run(because: &Reason) -> String {
    match because {
        Reason::App => "it makes the app".to_owned(),
        Reason::Asked { by, entry } => format!("`{entry}` in `dependsOn` of {by}"),
        Reason::Beside { of } => format!("it runs `with` {of}"),
        Reason::Dependency { of } => {
            format!("{of} depends on the package, though no `dependsOn` asks for its build")
        }
        Reason::Lifecycle => "pnpm runs it when it installs".to_owned(),
        Reason::Generates => "nothing else in the build generates this code".to_owned(),
    }
}

/// Why a member is in a closure, in words.
pub(super) fn why_kept(because: &Because) -> String {
    match because {
        Because::App => "the app".to_owned(),
        Because::Root => "the root project, whose tools every build may use".to_owned(),
        Because::Dependency { of, field } => format!("`{field}` of {of}"),
        Because::Task { task } => format!("a task names `{task}`"),
    }
}
