//! The images that stages start from.

use super::configured::sources;
use super::missing_programs::Caller;
use super::{BaseFrom, Decision, NodeCommand, PlanOptions, RuntimeBase};
use crate::detect::{Delivery, loader};
use crate::model::image::ImageRef;
use crate::plan::config::{Base, ConfigError, GivenBy, Probe};

/// Node lines for which distroless has an image.
const DISTROLESS_NODE: [&str; 4] = ["18", "20", "22", "24"];

/// Distroless with the libraries that node needs.
const DISTROLESS: &str = "gcr.io/distroless/cc-debian12:nonroot";

/// Debian without node: the one that distroless and node's official images are made of.
const DEBIAN: &str = "debian:bookworm-slim";

/// The web server of static sites, on Debian and on Alpine.
const NGINX: &str = "nginxinc/nginx-unprivileged:stable";
pub(super) const NGINX_ALPINE: &str = "nginxinc/nginx-unprivileged:stable-alpine";

/// Numeric users of bases: distroless's `nonroot`, `node` of node's official images, and `nginx`.
pub(super) const NONROOT: &str = "65532:65532";
const NODE: &str = "1000:1000";
pub(super) const WEB: &str = "101:101";

/// The node argument with which SIGTERM and Ctrl-C end an app that does not handle them: for the
/// first process of a container, the kernel skips the default action of signals. An app with its
/// own handlers is left alone.
const SIGNALS: &str = "--import=data:text/javascript,for(const[s,c]of[['SIGINT',130],['SIGTERM',143]])process.on(s,()=>process.listenerCount(s)>1||process.exit(c))";

/// The node argument that lets signals end an app. Before 20, node may not know `--import`; and
/// with it node imports the app's file too, bypassing loaders for `require`.
pub(super) fn signals(node: &Decision<String>, delivery: &Delivery) -> Option<&'static str> {
    let start = delivery.start()?;
    (major(&node.value)? >= 20 && !loader::hooks_require(start)).then_some(SIGNALS)
}

fn major(node: &str) -> Option<u32> {
    node.split('.').next()?.parse().ok()
}

/// The base images of a plan.
pub(super) struct Bases {
    /// The base of the build stages.
    pub(super) build: Decision<String>,
    /// The base of the result.
    pub(super) runtime: Decision<RuntimeBase>,
}

impl Bases {
    /// Chooses both. `callers` are dependencies that call programs.
    pub(super) fn new(
        options: &PlanOptions,
        node: &Decision<String>,
        delivery: &Delivery,
        callers: &[Caller],
    ) -> Result<Self, ConfigError> {
        let mut runtime = runtime(options, node, delivery, callers)?;
        runtime.value.named = is_named(options, &runtime.value.image);
        Ok(Self {
            build: build(options, node, delivery),
            runtime,
        })
    }
}

/// The image of the build stages. It uses the same distribution as the result, so that native
/// modules fit.
fn build(options: &PlanOptions, node: &Decision<String>, delivery: &Delivery) -> Decision<String> {
    if let Some(image) = &options.build_base {
        return Decision::new(image.value.to_string(), image.source.to_string());
    }
    let version = &node.value;
    if is_alpine(options, delivery) {
        let image = format!("node:{version}-alpine");
        return chosen(
            options,
            &image,
            "the official image; Alpine, as the base of the result",
        );
    }
    // From 26 on, image tags without Debian's codename use another Debian than distroless.
    let image = match major(version) {
        Some(25..) => format!("node:{version}-bookworm-slim"),
        _ => format!("node:{version}-slim"),
    };
    chosen(
        options,
        &image,
        "the official image; Debian, as the base of the result",
    )
}

/// Whether the result has Alpine's C library.
fn is_alpine(options: &PlanOptions, delivery: &Delivery) -> bool {
    if delivery.start().is_none() {
        return false;
    }
    match options.base.as_ref().map(|base| &base.value) {
        Some(Base::Alpine) => true,
        Some(Base::Image(image)) => image.is_alpine(),
        Some(Base::Disk(_) | Base::Auto | Base::Slim | Base::Distroless) | None => false,
    }
}

/// The image of the result.
fn runtime(
    options: &PlanOptions,
    node: &Decision<String>,
    delivery: &Delivery,
    callers: &[Caller],
) -> Result<Decision<RuntimeBase>, ConfigError> {
    if matches!(delivery, Delivery::Site(_)) {
        return site(options);
    }
    let Some(given) = &options.base else {
        return Ok(auto(options, node, delivery, callers));
    };
    let said = given.source.to_string();
    Ok(match &given.value {
        Base::Auto => auto(options, node, delivery, callers),
        Base::Slim => slim(options, &said),
        Base::Distroless => match needs(options, delivery) {
            Some(need) => {
                let hint = "leave `base` out, or name `slim`, and the image is Debian with node";
                return Err(ConfigError::unfit(&given.source, need.distroless(), hint));
            }
            None => distroless(options, node, &format!("; {said}")),
        },
        Base::Alpine => {
            let image = format!("node:{}-alpine", node.value);
            let reason = format!("Alpine with node alone, without npm, corepack and yarn; {said}");
            based(chosen(options, &image, &reason), NodeCommand::Trimmed, NODE)
        }
        Base::Image(image) => named(options, delivery, (image, said))?,
        Base::Disk(image) => {
            let image = Decision::new(image.to_string(), said);
            as_it_says(options, based(image, NodeCommand::OnPath, NODE))
        }
    })
}

/// Distroless if it is sufficient, else Debian.
fn auto(
    options: &PlanOptions,
    node: &Decision<String>,
    delivery: &Delivery,
    callers: &[Caller],
) -> Decision<RuntimeBase> {
    match (needs(options, delivery), callers.first()) {
        (Some(need), _) => slim(options, &need.distroless()),
        (None, Some(caller)) => slim(
            options,
            &format!("distroless has no programs, and {}", caller.words()),
        ),
        (None, None) => distroless(options, node, ""),
    }
}

/// A requirement of the user that only a distribution can meet.
enum Need {
    /// A shell, and its purpose.
    Shell(String),
    /// Packages, and what requires them.
    Packages(String),
    /// The program of a health check, and what requires it.
    Program(String, GivenBy),
}

impl Need {
    fn distroless(&self) -> String {
        match self {
            Self::Shell(why) => format!("distroless has no shell, and {why}"),
            Self::Packages(by) => format!("distroless has no package manager for {by}"),
            Self::Program(program, by) => {
                format!("distroless has no programs, and the health check calls `{program}` ({by})")
            }
        }
    }
}

fn needs(options: &PlanOptions, delivery: &Delivery) -> Option<Need> {
    let shell = delivery.start().and_then(|start| start.shell.as_ref());
    if let Some(shell) = shell {
        return Some(Need::Shell(shell.reason.clone()));
    }
    if !options.runtime_packages.is_empty() {
        return Some(Need::Packages(sources(&options.runtime_packages)));
    }
    let check = options.healthcheck.as_ref()?;
    match &check.value.as_ref()?.probe {
        Probe::Command(words) => {
            let program = words
                .first()
                .filter(|word| !["node", "/nodejs/bin/node"].contains(&word.as_str()))?;
            Some(Need::Program(program.clone(), check.source.clone()))
        }
        Probe::Path(_) => None,
    }
}

fn slim(options: &PlanOptions, why: &str) -> Decision<RuntimeBase> {
    let reason =
        format!("Debian with the build's node, without npm, corepack, yarn and headers; {why}");
    based(chosen(options, DEBIAN, &reason), NodeCommand::Alone, NODE)
}

fn distroless(options: &PlanOptions, node: &Decision<String>, why: &str) -> Decision<RuntimeBase> {
    if DISTROLESS_NODE.contains(&node.value.as_str()) {
        let image = format!("gcr.io/distroless/nodejs{}-debian12:nonroot", node.value);
        let reason = "distroless: node and the libraries that it needs, no shell, no package manager, not root";
        let image = chosen(options, &image, &format!("{reason}{why}"));
        return based(image, NodeCommand::Entrypoint, NONROOT);
    }
    let reason = "distroless without node: the exact node is copied from the build stage";
    let image = chosen(options, DISTROLESS, &format!("{reason}{why}"));
    based(image, NodeCommand::Copied, NONROOT)
}

/// An image that the user named is used unchanged.
fn named(
    options: &PlanOptions,
    delivery: &Delivery,
    (image, said): (&ImageRef, String),
) -> Result<Decision<RuntimeBase>, ConfigError> {
    let shell = delivery.start().and_then(|start| start.shell.as_ref());
    if let Some((shell, given)) = shell.zip(options.base.as_ref())
        && image.name().contains("distroless/")
    {
        let problem = format!("`{image}` has no shell, and {}", shell.reason);
        let hint = "name a base that has one (`slim`), or the file that node starts: `--entry dist/main.js`";
        return Err(ConfigError::unfit(&given.source, problem, hint));
    }
    let (node, user) = if image.name().contains("distroless/nodejs") {
        (NodeCommand::Entrypoint, NONROOT)
    } else if image.name().contains("distroless/") {
        (NodeCommand::Copied, NONROOT)
    } else {
        (NodeCommand::OnPath, NODE)
    };
    if let Some(package) = options.runtime_packages.first()
        && image.name().contains("distroless")
    {
        let problem = format!("`{image}` has no package manager");
        let hint = "name a base that has one (`slim`), or leave `base` out and slimbuild takes one";
        return Err(ConfigError::unfit(&package.source, problem, hint));
    }
    Ok(based(Decision::new(image.to_string(), said), node, user))
}

fn site(options: &PlanOptions) -> Result<Decision<RuntimeBase>, ConfigError> {
    let said = options.base.as_ref().map(|base| base.source.to_string());
    let said = said.map_or_else(String::new, |said| format!("; {said}"));
    let image = match options
        .base
        .as_ref()
        .map(|base| (&base.value, &base.source))
    {
        Some((Base::Image(image), source)) => Decision::new(image.to_string(), source.to_string()),
        Some((Base::Disk(image), source)) => Decision::new(image.to_string(), source.to_string()),
        Some((Base::Distroless, source)) => {
            let problem = "there is no distroless image with nginx, which hands out a site";
            let hint =
                "write `\"base\": \"auto\"` beside this app, or name an image that has nginx";
            return Err(ConfigError::unfit(source, problem, hint));
        }
        Some((Base::Alpine, _)) => {
            let reason = format!("nginx that needs no root, on Alpine; the official image{said}");
            chosen(options, NGINX_ALPINE, &reason)
        }
        Some((Base::Slim, _)) => {
            let reason = format!("nginx that needs no root, on Debian; the official image{said}");
            chosen(options, NGINX, &reason)
        }
        Some((Base::Auto, _)) | None => chosen(
            options,
            NGINX,
            "nginx that needs no root; the official image",
        ),
    };
    Ok(as_it_says(
        options,
        image.map(|image| RuntimeBase {
            image,
            node: None,
            user: WEB.to_owned(),
            from: BaseFrom::Registry,
            named: false,
            stripped: false,
        }),
    ))
}

/// Takes entry point and user of a base on disk from its own configuration.
fn as_it_says(options: &PlanOptions, base: Decision<RuntimeBase>) -> Decision<RuntimeBase> {
    let given = options.base.as_ref().map(|base| &base.value);
    if !matches!(given, Some(Base::Disk(_))) {
        return base;
    }
    let is_node = |program: &String| program.rsplit('/').next() == Some("node");
    base.map(|mut base| {
        base.from = BaseFrom::Disk;
        let Some(disk) = &options.disk_base else {
            return base;
        };
        if base.node == Some(NodeCommand::OnPath)
            && let [program] = &disk.entrypoint[..]
            && is_node(program)
        {
            base.node = Some(NodeCommand::Entrypoint);
        }
        // A user that is certainly not root, with an id that Kubernetes can check.
        let user = &disk.user;
        let (id, group) = user.split_once(':').unwrap_or((user, user));
        let number = |text: &str| text.parse::<u32>().ok();
        if let (Some(id @ 1..), Some(group)) = (number(id), number(group)) {
            base.user = format!("{id}:{group}");
        }
        base
    })
}

fn based(image: Decision<String>, node: NodeCommand, user: &str) -> Decision<RuntimeBase> {
    image.map(|image| RuntimeBase {
        image,
        node: Some(node),
        user: user.to_owned(),
        from: BaseFrom::Registry,
        named: false,
        stripped: false,
    })
}

/// Whether the user named the image or its registry.
fn is_named(options: &PlanOptions, image: &str) -> bool {
    let base = options.base.as_ref().map(|base| &base.value);
    let mut mirrors = options.registry_mirrors.iter();
    matches!(base, Some(Base::Image(_) | Base::Disk(_)))
        || mirrors.any(|mirror| image.starts_with(&format!("{}/", mirror.value.prefix)))
}

/// An image that slimbuild picks, from a mirror if there is one. A mirror of its registry wins over
/// one for all.
fn chosen(options: &PlanOptions, image: &str, reason: &str) -> Decision<String> {
    let mirrors = || options.registry_mirrors.iter().rev();
    let own = mirrors().filter(|mirror| mirror.value.registry.is_some());
    let all = mirrors().filter(|mirror| mirror.value.registry.is_none());
    let found = own
        .chain(all)
        .find_map(|mirror| Some((mirror.value.name(image)?, &mirror.source)));
    match found {
        Some((name, source)) => Decision::new(name, format!("{reason}; the mirror is {source}")),
        None => Decision::new(image.to_owned(), reason),
    }
}

#[cfg(test)]
mod tests;
