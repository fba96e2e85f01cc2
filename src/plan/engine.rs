//! How the engine affects a plan: where steps run, and which base the image has.

use super::base::{Bases, NGINX_ALPINE, NONROOT, WEB};
use super::config::{Engine, PlanOptions};
use super::configured::sources;
use super::{BaseFrom, Configured, Decision, Native, NodeCommand, RuntimeBase};
use crate::detect::Delivery;
use crate::plan::PlanError;

/// Where steps run if no image is used for them.
pub(super) const MACHINE: &str = "this machine";

/// The name of the built-in base.
const OWN: &str = "slimbuild's own base";

impl Bases {
    /// The bases for this engine. The error says what it does not support, and which engine does.
    pub(super) fn of_engine(
        self,
        options: &PlanOptions,
        delivery: &Delivery,
        configured: &Configured,
        native: &Native,
    ) -> Result<Self, PlanError> {
        match options.engine {
            Engine::Docker => self.of_docker(),
            Engine::Native => {
                check_native(configured, native)?;
                let reason = if options.prebuilt {
                    "nothing is built: the files are taken as they lie in the workspace"
                } else {
                    "pnpm and node get a directory of their own; no image is needed"
                };
                Ok(Self {
                    build: Decision::new(MACHINE.to_owned(), reason),
                    runtime: native_base(self.runtime, options, delivery)?,
                })
            }
        }
    }

    fn of_docker(self) -> Result<Self, PlanError> {
        let base = &self.runtime.value;
        if base.from != BaseFrom::Disk {
            return Ok(self);
        }
        Err(PlanError::Unfit {
            message: format!(
                "`{}` lies on this machine's disk, and Docker starts from images of registries",
                base.image
            ),
            hint: Some("make the image without Docker, `--engine native`, or `docker load` the base and name it".to_owned()),
        })
    }
}

/// Warnings about settings that this engine ignores.
pub(super) fn warnings(options: &PlanOptions, bases: &Bases) -> Vec<String> {
    let mut warnings = Vec::new();
    let base = &bases.runtime.value;
    if options.strip == Some(true) && base.node.is_some() && !base.stripped {
        warnings.push(format!(
            "`strip` has no effect: node comes from `{}`, and slimbuild takes symbols out of the node that it brings itself (`--engine native`, without `--base`)",
            base.image
        ));
    }
    if options.engine == Engine::Docker {
        return warnings;
    }
    if let Some(image) = &options.build_base {
        warnings.push(format!(
            "the build image ({}) has no effect: without Docker, steps run on this machine",
            image.source
        ));
    }
    if !options.build_packages.is_empty() && !options.prebuilt {
        let names: Vec<&str> = options
            .build_packages
            .iter()
            .map(|one| &*one.value)
            .collect();
        warnings.push(format!(
            "{}: Docker installs {}; without Docker, this machine must have them",
            sources(&options.build_packages),
            names.join(", ")
        ));
    }
    warnings
}

/// Fails for settings that need a Dockerfile.
fn check_native(configured: &Configured, native: &Native) -> Result<(), PlanError> {
    let problem = if configured.runtime_packages.is_some() || native.runtime.is_some() {
        "system packages are installed by a Docker daemon"
    } else if configured.template.is_some() {
        "a template is for a Dockerfile, which needs a Docker daemon"
    } else {
        return Ok(());
    };
    Err(PlanError::Unfit {
        message: problem.to_owned(),
        hint: Some("start Docker, or name its daemon with `--host`".to_owned()),
    })
}

/// The user's base, unchanged, or the built-in one: with node at distroless's path and its user, or
/// with nginx and the user of its official image.
fn native_base(
    docker: Decision<RuntimeBase>,
    options: &PlanOptions,
    delivery: &Delivery,
) -> Result<Decision<RuntimeBase>, PlanError> {
    let base = &docker.value;
    let is_site = matches!(delivery, Delivery::Site(_));
    if base.named {
        return match base.node {
            Some(NodeCommand::Alone | NodeCommand::Trimmed) => Err(PlanError::Unfit {
                message: format!(
                    "`{}` is changed before it is the base, which a Docker daemon does",
                    base.image
                ),
                hint: Some("start Docker, or name an image that has node and is taken as it is, as `--base node:22-slim`".to_owned()),
            }),
            _ => Ok(docker),
        };
    }
    let fits = if is_site {
        !base.image.contains(NGINX_ALPINE)
    } else {
        base.image.contains("distroless")
    };
    if !fits {
        let shell = delivery.start().and_then(|start| start.shell.as_ref());
        let (message, hint) = if is_site {
            (
                "the site is handed out by nginx on Alpine, which a Docker daemon has to fetch"
                    .to_owned(),
                "leave `base` out, and it is nginx on Debian; or start Docker, or name its daemon with `--host`",
            )
        } else if let Some(shell) = shell {
            (
                format!("{OWN} has no shell, and {}", shell.reason),
                "name an image that has a shell and node: it is taken without a daemon (`--base node:22-slim`); or start Docker, or name its daemon with `--host`; or name the file that node starts alone: `--entry dist/main.js`",
            )
        } else {
            (
                "the image starts from one that has more than node, which a Docker daemon has to fetch".to_owned(),
                "start Docker, or name its daemon with `--host`; an image that has node is taken without one: `--base node:22-slim`",
            )
        };
        return Err(PlanError::Unfit {
            message,
            hint: Some(hint.to_owned()),
        });
    }
    let (node, user, reason) = if is_site {
        let reason = "made of Debian's packages, nginx among them, without a registry";
        (None, WEB, reason)
    } else {
        let reason = if options.strip == Some(true) {
            "made of Debian's packages and npm's node without its symbols, without a registry"
        } else {
            "made of Debian's packages and npm's node, without a registry"
        };
        (Some(NodeCommand::Entrypoint), NONROOT, reason)
    };
    let base = RuntimeBase {
        image: OWN.to_owned(),
        node,
        user: user.to_owned(),
        from: BaseFrom::Own,
        named: false,
        stripped: node.is_some() && options.strip == Some(true),
    };
    Ok(Decision::new(base, reason))
}
