//! The flags for the plan.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::engine::EngineArg;
use super::values::{BuildArg, SecretArg, SecretParser, SshArg, distinct, entry, platform};
use crate::detect::AppKind;
use crate::model::image::{ImageRef, Platform};
use crate::plan::PlanOptions;
use crate::plan::config::{Base, Given, Mirror, NodeArguments, Proof, insecure_registry};

/// The options that affect the plan.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Plan")]
pub struct PlanArgs {
    /// Start from: auto, distroless, slim, alpine, or an image by name
    ///
    /// auto is the default: distroless, or slim if the app needs a shell or a system package. An image that you name must have node (for a
    /// site: nginx). Without Docker it may also be on the disk: oci:DIR, oci-archive:FILE, docker-archive:FILE
    #[arg(long, value_name = "BASE")]
    pub base: Option<Base>,

    /// Build in IMAGE instead of node:VERSION-slim
    ///
    /// IMAGE needs node and npm
    #[arg(long, value_name = "IMAGE", hide_short_help = true)]
    pub build_base: Option<ImageRef>,

    /// Pull the images that slimbuild picks from a mirror
    ///
    /// node:22-slim becomes PREFIX/library/node:22-slim, and gcr.io/… becomes PREFIX/gcr.io/…. With REGISTRY=, only images of that registry
    /// (gcr.io=PREFIX). May be repeated
    #[arg(
        long = "registry-mirror",
        value_name = "[REGISTRY=]PREFIX",
        hide_short_help = true
    )]
    pub registry_mirrors: Vec<Mirror>,

    /// Use this registry without a verified connection
    ///
    /// Any certificate is accepted, or none. A Docker daemon has a list of its own. May be repeated
    #[arg(long = "insecure-registry", value_name = "HOST[:PORT]", value_parser = insecure_registry, hide_short_help = true)]
    pub insecure_registries: Vec<String>,

    /// Pin base images by digest
    ///
    /// The digest is the daemon's, or the registry's if the daemon has none. With --pull, it is always the registry's
    #[arg(long, hide_short_help = true)]
    pub pin: bool,

    /// Use this Docker daemon instead of the one that Docker's command line would use
    #[arg(
        short = 'H',
        long,
        value_name = "URL",
        help_heading = "Engine",
        hide_short_help = true
    )]
    pub host: Option<String>,

    /// Make the image with: auto, docker, native
    ///
    /// auto is the default: Docker if a daemon answers, else native. native is slimbuild itself, on this machine
    #[arg(
        long,
        value_name = "ENGINE",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        hide_default_value = true,
        help_heading = "Engine",
        hide_short_help = true
    )]
    pub engine: EngineArg,

    /// Build for this platform (linux/arm64)
    ///
    /// Several, as in linux/amd64,linux/arm64, make one index
    #[arg(
        long = "platform",
        value_name = "OS/ARCH,…",
        value_delimiter = ',',
        value_parser = platform,
        help_heading = "Engine"
    )]
    pub platforms: Vec<Platform>,

    /// Use this node: a line (22) or an exact version (22.11.0)
    #[arg(long, value_name = "VERSION", hide_short_help = true)]
    pub node: Option<String>,

    /// The kind of app, if slimbuild cannot detect it
    #[arg(long, value_name = "KIND", value_enum, hide_short_help = true)]
    pub kind: Option<KindArg>,

    /// Start this file, relative to the app (dist/main.js)
    #[arg(long, value_name = "FILE", value_parser = entry, hide_short_help = true)]
    pub entry: Option<String>,

    /// Add these files to the build and the image, even if they are ignored
    ///
    /// GLOB is relative to the workspace root. May be repeated
    #[arg(long, value_name = "GLOB", hide_short_help = true)]
    pub include: Vec<String>,

    /// Leave these files out of the build and the image
    ///
    /// GLOB is relative to the workspace root. May be repeated
    #[arg(long, value_name = "GLOB", hide_short_help = true)]
    pub exclude: Vec<String>,

    /// Take modules and outputs as they are on this machine; install and build nothing
    #[arg(long, hide_short_help = true)]
    pub prebuilt: bool,

    /// Skip the proof and the trial start
    ///
    /// The proof checks that every file parses, and that everything it loads is there
    #[arg(long, hide_short_help = true)]
    pub no_verify: bool,

    /// Skip the trial start
    ///
    /// Before the image gets its name, the app runs without a network until it listens or has nothing more to do (at most 5 seconds, or 20 while it computes)
    #[arg(long, hide_short_help = true)]
    pub no_trial: bool,

    /// Keep modules as pnpm installs them
    ///
    /// With type declarations, source maps, documents and tests, machine code for other systems, what Prisma has for other databases, and
    /// developers' tools that are only optional peers
    #[arg(long, hide_short_help = true)]
    pub whole_modules: bool,

    /// Take the symbols out of node: the image is smaller by 18 MB, but debuggers and profilers miss them
    ///
    /// For the base that slimbuild makes itself, without Docker
    #[arg(long, hide_short_help = true)]
    pub strip: bool,

    /// Leave out the labels that tell where the image comes from
    ///
    /// org.opencontainers.image.source, revision, version, created, title, base.name and base.digest, of git and package.json; a label of your own wins
    #[arg(long, hide_short_help = true)]
    pub no_oci_labels: bool,

    /// Set a variable of the build
    ///
    /// The tasks that declare it in turbo.json get it. Without a value, it is taken from the environment. May be repeated
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]", value_parser = BuildArg::parse)]
    pub build_args: Vec<BuildArg>,

    /// Give a secret to the steps that need it
    ///
    /// id=NAME takes its value from the variable NAME, id=NAME,env=VAR from VAR, and id=NAME,src=FILE from a file. No layer contains it. May
    /// be repeated
    #[arg(long = "secret", value_name = "id=NAME[,…]", value_parser = SecretParser)]
    pub secrets: Vec<SecretArg>,

    /// Let steps use the keys of your ssh agent
    ///
    /// For packages from private git repositories. Installs and tasks may ask the agent and see no key. `default` is the agent of
    /// `SSH_AUTH_SOCK`, ID=SOCKET another one. May be repeated
    #[arg(long, value_name = "default|ID=SOCKET", value_parser = SshArg::parse, conflicts_with = "prebuilt", hide_short_help = true)]
    pub ssh: Vec<SshArg>,

    /// Let steps trust the certificate authorities in FILE too
    ///
    /// For example those of your company. Installs and tasks find them through `NODE_EXTRA_CA_CERTS` and `SSL_CERT_FILE`. No layer contains
    /// them
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "prebuilt",
        hide_short_help = true
    )]
    pub ca: Option<PathBuf>,
}

impl From<PlanArgs> for PlanOptions {
    fn from(args: PlanArgs) -> Self {
        let PlanArgs {
            base,
            build_base,
            registry_mirrors,
            insecure_registries,
            pin: _,
            host: _,
            engine: _,
            platforms,
            node,
            kind,
            entry,
            include,
            exclude,
            prebuilt,
            no_verify,
            no_trial,
            whole_modules,
            strip,
            no_oci_labels,
            build_args,
            secrets,
            ssh,
            ca,
        } = args;
        // The plan does not contain their values.
        let given = |arg: BuildArg| (arg.name, Given::by_flag(None, "--build-arg"));
        Self {
            node: node.map(|node| Given::by_flag(node, "--node")),
            build_base: build_base.map(|image| Given::by_flag(image, "--build-base")),
            base: base.map(|base| Given::by_flag(base, "--base")),
            registry_mirrors: registry_mirrors
                .into_iter()
                .map(|mirror| Given::by_flag(mirror, "--registry-mirror"))
                .collect(),
            insecure_registries,
            kind: kind.map(|kind| Given::by_flag(kind.into(), "--kind")),
            start: entry.map(|file| {
                let start = NodeArguments {
                    file,
                    ..NodeArguments::default()
                };
                Given::by_flag(start, "--entry")
            }),
            include,
            exclude,
            platforms: distinct(platforms),
            prebuilt,
            proof: match (no_verify, no_trial) {
                (true, _) => Proof::None,
                (false, true) => Proof::Verified,
                (false, false) => Proof::Started,
            },
            whole_modules: whole_modules.then_some(true),
            strip: strip.then_some(true),
            oci_labels: no_oci_labels.then_some(false),
            build_args: build_args.into_iter().map(given).collect(),
            secrets: secrets
                .into_iter()
                .map(|secret| Given::by_flag(secret.id, "--secret"))
                .collect(),
            ssh: ssh.into_iter().map(|agent| agent.id).collect(),
            authority: ca.is_some(),
            ..Self::default()
        }
    }
}

/// The kinds of app.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum KindArg {
    /// A program that node runs: a server, a worker, a command
    Node,
    /// A Next.js app
    Next,
    /// Files that any web server can serve
    StaticSite,
    /// Pages that a framework renders on a server
    ServerRendering,
}

impl From<KindArg> for AppKind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Node => Self::Node,
            KindArg::Next => Self::Next,
            KindArg::StaticSite => Self::StaticSite,
            KindArg::ServerRendering => Self::ServerRendering,
        }
    }
}
