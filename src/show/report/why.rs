//! Why an app has a package, as text.

use std::fmt::Write as _;

use super::KEEP_TOOL;
use super::lines::Lines;
use crate::ask::why::{AskedPackage, Chain, Route, RouteStep, Why};

/// The answer as text.
pub fn why(why: &Why) -> String {
    let mut text = Lines::default();
    for (at, package) in why.packages.iter().enumerate() {
        if at > 0 {
            text.gap();
        }
        text.line(format_args!("{}", package.label));
        of_package(&mut text, why, package);
    }
    let routes = why.packages.iter().flat_map(routes);
    let chains = routes.flat_map(|route| &route.chains);
    if chains
        .flat_map(|chain| &chain.steps)
        .any(|step| step.only_way)
    {
        text.gap();
        text.line(format_args!("⇒ every chain goes this way"));
    }
    text.into_text()
}

fn routes(package: &AskedPackage) -> impl Iterator<Item = &Route> {
    let all = [&package.build, &package.runtime, &package.elsewhere];
    all.into_iter().flatten()
}

fn of_package(text: &mut Lines, why: &Why, package: &AskedPackage) {
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
                        text.line(format_args!("  not in the {closure} closure"));
                        if closure == "runtime" && !package.spared.is_empty() {
                            text.line(format_args!(
                                "    a developer's tool, and only an optional peer of {}: {KEEP_TOOL}",
                                package.spared.join(" ")
                            ));
                        }
                    }
                    None => {}
                }
            }
        }
    }
    if package.build.is_none() && package.runtime.is_none() {
        text.line(format_args!("  in no closure of {}", why.app));
        match &package.elsewhere {
            Some(elsewhere) => route(text, "elsewhere in the workspace", elsewhere),
            None => {
                text.line(format_args!("  nothing in the workspace depends on it"));
            }
        }
    }
}

fn route(text: &mut Lines, place: &str, route: &Route) {
    text.line(format_args!("  {place}:"));
    for found in &route.chains {
        text.line(format_args!("    {}", chain(found)));
    }
    if route.more > 0 {
        text.line(format_args!("    … and {} more as short", route.more));
    }
}

/// `apps/server → (dependencies) fastify@5.12.8 → ajv@8.20.0`
pub fn chain(chain: &Chain) -> String {
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

fn named(step: &RouteStep) -> String {
    let field = step.field.map(|field| format!("({field}) "));
    let alias = step.alias.as_ref().map(|alias| format!(" as {alias}"));
    [
        field.unwrap_or_default(),
        step.to.clone(),
        alias.unwrap_or_default(),
    ]
    .concat()
}

/// Dependencies in manifests whose removal would remove the package. The user cannot change those
/// of other packages.
fn bottlenecks(text: &mut Lines, route: &Route) {
    let Some(first) = route.chains.first() else {
        return;
    };
    let mut from = &first.from;
    for step in &first.steps {
        if step.only_way && step.field.is_some() {
            text.line(format_args!(
                "    only through {from} → {}: removing that dependency removes it",
                named(step)
            ));
        }
        from = &step.to;
    }
}
