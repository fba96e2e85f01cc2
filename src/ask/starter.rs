//! The initial `slimbuild.json`: every detected value with its reason, as comments, so that the
//! file itself changes nothing.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::detect::{Delivery, Start};
use crate::model::path::RepoPath;
use crate::plan::PlanError;
use crate::plan::{NodeCommand, Plan};

/// Where the user is told to save the output of `slimbuild schema`, at the root.
pub const SCHEMA_FILE: &str = "slimbuild.schema.json";

/// The file for an app.
#[derive(Debug)]
pub struct Starter<'s> {
    /// The app's directory.
    pub dir: &'s RepoPath,
    /// Its name.
    pub name: &'s str,
    /// Whether the schema exists at the root.
    pub schema: bool,
}

impl Starter<'_> {
    /// The text, from the app's plan or from the error that prevents one.
    pub fn app(&self, plan: Result<&Plan, &PlanError>) -> String {
        let mut text = format!(
            "// How slimbuild makes the image of {}. Commented lines change nothing: they show what it decides by itself,\n// with the reason, and examples; uncomment what you want to decide. `slimbuild schema` describes all keys.\n{{\n",
            self.name
        );
        schema(
            &mut text,
            &"../".repeat(self.dir.parts().count()),
            self.schema,
        );
        match plan {
            Ok(plan) => decided(plan, &mut text),
            Err(error) => {
                let _ = writeln!(text, "\n  // {}", one_line(&error.to_string()));
                if let Some(hint) = error.hint() {
                    let _ = writeln!(text, "  // {}", one_line(&hint));
                }
                line(&mut text, "kind", &json!("node"));
                line(&mut text, "entry", &json!("dist/main.js"));
            }
        }
        because(
            &mut text,
            "examples: variables of the image; secrets do not belong here",
        );
        line(&mut text, "env", &json!({"LOG_LEVEL": "info"}));
        because(
            &mut text,
            "examples: files that git ignores or that lie elsewhere, and files to leave out: globs, relative to this file",
        );
        line(&mut text, "include", &json!(["config/**"]));
        line(&mut text, "exclude", &json!(["**/*.psd"]));
        because(
            &mut text,
            "examples: directories of the app that it writes to when it runs",
        );
        line(&mut text, "writable", &json!(["uploads"]));
        because(&mut text, "examples: packages of the base's distribution");
        line(
            &mut text,
            "systemPackages",
            &json!({"build": ["python3"], "runtime": ["ffmpeg"]}),
        );
        text.push_str("}\n");
        text
    }
}

/// The text for the root.
pub fn root(apps: &[String], has_schema: bool) -> String {
    let mut text = "// What slimbuild decides for every app of this workspace; uncomment what you want to decide.\n// `slimbuild init APP` writes the file of one app, `slimbuild schema` describes all keys.\n{\n".to_owned();
    schema(&mut text, "", has_schema);
    because(
        &mut text,
        "otherwise .nvmrc, .node-version, devEngines or engines decide",
    );
    line(&mut text, "node", &json!(24));
    because(&mut text, "labels of every image");
    line(
        &mut text,
        "labels",
        &json!({"org.opencontainers.image.vendor": "…"}),
    );
    because(
        &mut text,
        "what counts for one app alone; the same keys may stand in a file beside the app",
    );
    let app = apps.first().map_or("apps/server", String::as_str);
    line(&mut text, "apps", &json!({app: {"port": 3000}}));
    text.push_str("}\n");
    text
}

fn schema(text: &mut String, up: &str, there: bool) {
    let value = json!(format!(
        "{}{SCHEMA_FILE}",
        if up.is_empty() { "./" } else { up }
    ));
    if there {
        let _ = writeln!(text, "  \"$schema\": {value},");
    } else {
        let _ = writeln!(
            text,
            "  // for editors, after `slimbuild schema > {SCHEMA_FILE}` at the root"
        );
        line(text, "$schema", &value);
    }
}

fn decided(plan: &Plan, text: &mut String) {
    let detected = &plan.app.detected;
    because(text, &detected.evidence.join("; "));
    line(text, "kind", &json!(detected.kind));
    because(text, &plan.node.reason);
    line(text, "node", &json!(plan.node.value));
    let base = &plan.runtime_base;
    because(text, &base.reason);
    let keyword = base.value.node.and_then(keyword);
    line(text, "base", &json!(keyword.unwrap_or(&base.value.image)));
    because(text, &plan.build_base.reason);
    line(text, "buildBase", &json!(plan.build_base.value));
    if let Delivery::Modules(start) = &plan.delivery
        && start.line().is_none()
    {
        because(text, &start.reason);
        line(text, "start", &words(start));
    }
    let port = plan.port.unwrap_or(if plan.delivery.start().is_some() {
        3000
    } else {
        8080
    });
    let reason = if plan.port.is_some() || plan.delivery.start().is_none() {
        "the image says that it listens here"
    } else {
        "an example: nothing says where it listens, and the image does not either"
    };
    because(text, reason);
    line(text, "port", &json!(port));
    because(
        text,
        "an example: Docker does not ask whether the app is well",
    );
    let path = if plan.delivery.start().is_some() {
        "/health"
    } else {
        "/healthz"
    };
    line(text, "healthcheck", &json!(path));
    because(text, "the package's name");
    line(text, "tags", &json!([format!("{}:latest", plan.image)]));
}

/// The keyword that selects the chosen base.
fn keyword(node: NodeCommand) -> Option<&'static str> {
    match node {
        NodeCommand::Entrypoint | NodeCommand::Copied => Some("distroless"),
        NodeCommand::Alone => Some("slim"),
        NodeCommand::Trimmed => Some("alpine"),
        NodeCommand::OnPath => None,
    }
}

fn words(start: &Start) -> Value {
    let words = start
        .node_args
        .iter()
        .chain([&start.entry])
        .chain(&start.args);
    json!(words.collect::<Vec<_>>())
}

fn because(text: &mut String, reason: &str) {
    let _ = writeln!(text, "\n  // {}", one_line(reason));
}

/// A key as a comment that can be uncommented as it is: trailing commas are allowed.
fn line(text: &mut String, key: &str, value: &Value) {
    let value = value
        .to_string()
        .replace("\":", "\": ")
        .replace(",\"", ", \"");
    let _ = writeln!(text, "  // \"{key}\": {value},");
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
