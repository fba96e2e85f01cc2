//! The images that stages start from.

use super::configured::sources;
use super::{Decision, NodeCommand, Plan, PlanOptions, RuntimeBase};
use crate::config::ConfigError;
use crate::detect::{Delivery, loader};

/// Lines of node that distroless has an image for.
const DISTROLESS_NODE: [&str; 4] = ["18", "20", "22", "24"];

/// The web server of static sites.
const NGINX: &str = "nginxinc/nginx-unprivileged:stable";

/// What node is given so that SIGTERM and Ctrl-C end an app that does not listen for them: for the first process of a container the kernel leaves out
/// what signals do otherwise. An app that listens is left alone.
const SIGNALS: &str = "--import=data:text/javascript,for(const[s,c]of[['SIGINT',130],['SIGTERM',143]])process.on(s,()=>process.listenerCount(s)>1||process.exit(c))";

/// The argument for node of this version that ends an app by a signal which it does not listen for. Before 20, node may not know `--import`; and
/// with it node imports the app's file too, past the loaders of `require`.
pub(super) fn signals(node: &Decision<String>, delivery: &Delivery) -> Option<&'static str> {
    let major: u32 = node.value.split('.').next()?.parse().ok()?;
    let start = delivery.start()?;
    (major >= 20 && !loader::hooks_require(start)).then_some(SIGNALS)
}

impl Plan {
    /// The same on the base that slimbuild makes itself, where nobody named another: it has node where distroless has it, and its user.
    pub fn on_own_base(&mut self) {
        if self.runtime_base.value.node == Some(NodeCommand::Copied) {
            self.runtime_base.value.node = Some(NodeCommand::Entrypoint);
        }
        OWN.clone_into(&mut self.runtime_base.value.image);
        self.runtime_base.reason =
            "made of Debian's packages and npm's node, without a registry".to_owned();
    }
}

/// What slimbuild's own base is called.
const OWN: &str = "slimbuild's own base";

/// The image of the build stages: Debian, as the runtime base, so that native modules fit.
pub(super) fn build(options: &PlanOptions, node: &Decision<String>) -> Decision<String> {
    match &options.build_base {
        Some(image) => Decision::new(image.value.to_string(), image.source.to_string()),
        None => Decision::new(
            format!("node:{}-slim", node.value),
            "the official image; Debian, as the base of the result",
        ),
    }
}

/// The image of the result.
pub(super) fn runtime(
    options: &PlanOptions,
    node: &Decision<String>,
    delivery: &Delivery,
) -> Result<Decision<RuntimeBase>, ConfigError> {
    let base = |image: String, node, user: &str| RuntimeBase {
        image,
        node,
        user: user.to_owned(),
    };
    if matches!(delivery, Delivery::Site(_)) {
        let (image, reason) = match &options.base {
            Some(image) => (image.value.to_string(), image.source.to_string()),
            None => (
                NGINX.to_owned(),
                "nginx that needs no root; the official image".to_owned(),
            ),
        };
        return Ok(Decision::new(base(image, None, "101:101"), reason));
    }
    let base = |image, node, user| base(image, Some(node), user);
    if let Some(image) = &options.base {
        let distroless = image.value.name().contains("distroless/nodejs");
        let (node, user) = if distroless {
            (NodeCommand::Entrypoint, "65532:65532")
        } else {
            (NodeCommand::OnPath, "1000:1000")
        };
        if let Some(package) = options.runtime_packages.first()
            && image.value.name().contains("distroless")
        {
            let problem = format!("`{}` has no package manager", image.value);
            let hint = "name a base that has one (`node:22-slim`), or leave `base` out and slimbuild takes one";
            return Err(ConfigError::unfit(&package.source, problem, hint));
        }
        let image = Decision::new(
            base(image.value.to_string(), node, user),
            image.source.to_string(),
        );
        return Ok(image);
    }
    if !options.runtime_packages.is_empty() {
        let image = format!("node:{}-slim", node.value);
        let reason = format!(
            "Debian with node: distroless has no package manager for {}",
            sources(&options.runtime_packages)
        );
        return Ok(Decision::new(
            base(image, NodeCommand::OnPath, "1000:1000"),
            reason,
        ));
    }
    if DISTROLESS_NODE.contains(&node.value.as_str()) {
        let image = format!("gcr.io/distroless/nodejs{}-debian12:nonroot", node.value);
        let reason = "distroless: node and the libraries that it needs, no shell, no package manager, not root";
        return Ok(Decision::new(
            base(image, NodeCommand::Entrypoint, "65532:65532"),
            reason,
        ));
    }
    let image = "gcr.io/distroless/cc-debian12:nonroot".to_owned();
    let reason = "distroless without node: the exact node is copied from the build stage";
    Ok(Decision::new(
        base(image, NodeCommand::Copied, "65532:65532"),
        reason,
    ))
}
