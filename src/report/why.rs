//! Why an app has a package, in words.

use std::fmt::Write as _;

use crate::why::{Chain, Package, Route, Step, Why};

/// The answer in words.
pub fn why(why: &Why) -> String {
    let mut text = String::new();
    for (at, package) in why.packages.iter().enumerate() {
        if at > 0 {
            text.push('\n');
        }
        let _ = writeln!(text, "{}", package.package);
        of_package(&mut text, why, package);
    }
    if text.contains('⇒') {
        text.push_str("\n⇒ every chain goes this way\n");
    }
    text
}

fn of_package(text: &mut String, why: &Why, package: &Package) {
    match (&package.build, &package.runtime) {
        (Some(build), Some(runtime)) if build == runtime => {
            route(text, "in the build and the runtime closure", build);
            bottlenecks(text, build);
        }
        (build, runtime) => {
            for (closure, found) in [("build", build), ("runtime", runtime)] {
                match found {
                    Some(found) => {
                        route(text, &format!("in the {closure} closure"), found);
                        bottlenecks(text, found);
                    }
                    None if build.is_some() || runtime.is_some() => {
                        let _ = writeln!(text, "  not in the {closure} closure");
                    }
                    None => {}
                }
            }
        }
    }
    if package.build.is_none() && package.runtime.is_none() {
        let _ = writeln!(text, "  in no closure of {}", why.app);
        match &package.elsewhere {
            Some(elsewhere) => route(text, "elsewhere in the workspace", elsewhere),
            None => {
                let _ = writeln!(text, "  nothing in the workspace depends on it");
            }
        }
    }
}

fn route(text: &mut String, place: &str, route: &Route) {
    let _ = writeln!(text, "  {place}:");
    for found in &route.chains {
        let _ = writeln!(text, "    {}", chain(found));
    }
    if route.more > 0 {
        let _ = writeln!(text, "    … and {} more as short", route.more);
    }
}

/// `apps/server → (dependencies) fastify@5.12.8 → ajv@8.20.0`
fn chain(chain: &Chain) -> String {
    let mut text = chain.from.clone();
    if chain.steps.is_empty() {
        text.push_str(" itself");
    }
    for step in &chain.steps {
        let arrow = if step.only_way { "⇒" } else { "→" };
        let _ = write!(text, " {arrow} {}", named(step));
    }
    text
}

fn named(step: &Step) -> String {
    let field = step.field.map(|field| format!("({field}) "));
    let alias = step.alias.as_ref().map(|alias| format!(" as {alias}"));
    [
        field.unwrap_or_default(),
        step.to.clone(),
        alias.unwrap_or_default(),
    ]
    .concat()
}

/// The dependencies of manifests whose removal would do: those of other packages are not the reader's to remove.
fn bottlenecks(text: &mut String, route: &Route) {
    let Some(first) = route.chains.first() else {
        return;
    };
    let mut from = &first.from;
    for step in &first.steps {
        if step.only_way && step.field.is_some() {
            let _ = writeln!(
                text,
                "    only through {from} → {}: removing that dependency removes it",
                named(step)
            );
        }
        from = &step.to;
    }
}
