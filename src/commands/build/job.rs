//! The job of a build, prepared from the arguments before anything is built.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::access::Access;
use super::again::Patience;
use super::driver::Driver;
use super::outcome::About;
use super::unchanged::{PROOF, proof_word};
use crate::cli::{BuildArg, BuilderArgs, EngineArgs, PrintArg, SmokeArgs};
use crate::commands::error::Error;
use crate::commands::licensing::Unchecked;
use crate::commands::prepared::Prepared;
use crate::commands::registries::RegistryAccess;
use crate::commands::{identity, labels};
use crate::engine::buildkit::{Buildkit, CacheFrom, CacheTo};
use crate::engine::registry::{Registries, Trust};
use crate::engine::{Interrupt, Logins, Secret, SmokeRequest};
use crate::image::oci::Output;
use crate::model::digest::Digest;
use crate::model::image::{ImageRef, Platform};
use crate::needs::tasks::is_proxy;
use crate::plan::config::{Budget, Given};
use crate::plan::smoke::{self, Unset};
use crate::plan::{Engine, Plan, Proof};
use crate::show::progress::ProgressMode;
use crate::store::fetch as store;
use crate::system::env::Env;

/// How long a build waits for the digest of its base, which only a label needs.
pub(super) const LABEL_LIMIT: Duration = Duration::from_secs(2);

/// What a driver should make.
pub(super) struct Job<'j> {
    /// The workspace.
    pub(super) root: &'j Path,
    pub(super) plan: Plan,
    /// The image's identity, if it is known.
    pub(super) identity: Option<Digest>,
    /// What of the proof was asked for.
    pub(super) proof: Proof,
    /// Where the image comes from, as labels.
    pub(super) origin: BTreeMap<String, String>,
    /// All names of the image.
    pub(super) tags: Vec<ImageRef>,
    /// Values of build arguments.
    pub(super) arguments: BTreeMap<String, String>,
    pub(super) secrets: BTreeMap<String, Secret>,
    /// What steps may use of this machine.
    pub(super) access: Access,
    /// The smoke test before the image gets its names, if requested.
    pub(super) trial: Option<SmokeRequest>,
    /// How large the image may be.
    pub(super) budget: Option<Given<Budget>>,
    /// What the image has to keep to, as text.
    pub(super) kept_to: String,
    /// Licences that are checked when the packages are installed.
    pub(super) unchecked: Option<Unchecked>,
    /// The daemon that is asked, if one is named.
    pub(super) host: Option<String>,
    /// Registries that are used without a verified connection.
    pub(super) insecure: Vec<String>,
    /// The logins at registries.
    pub(super) logins: Logins,
    /// The connections to registries.
    pub(super) trust: Trust,
    pub(super) engine: EngineArgs,
    /// The time of the image, if `SOURCE_DATE_EPOCH` names one.
    pub(super) epoch: Option<u64>,
    /// Caches of builds.
    pub(super) caches: Caches,
    /// Held by the app of a run that downloads: the others find it in the cache.
    pub(super) fetching: &'j Mutex<()>,
    /// The target platforms; none for the engine's own.
    pub(super) platforms: Vec<Platform>,
    pub(super) mode: ProgressMode,
    /// What stdout gets.
    pub(super) print: PrintArg,
    /// The directory that relative paths in arguments start at.
    pub(super) cwd: &'j Path,
    /// The user's directory: printed paths are relative to it.
    pub(super) here: &'j Path,
    pub(super) env: &'j Env,
    pub(super) interrupt: Interrupt,
}

impl Job<'_> {
    /// What the image is.
    pub(super) fn about(&self) -> About<'_> {
        About {
            plan: &self.plan,
            tags: &self.tags,
            identity: self.identity.as_ref(),
            print: self.print,
            mode: self.mode,
        }
    }

    /// How the job takes what may pass.
    pub(super) fn patience(&self) -> Patience<'_> {
        Patience {
            mode: self.mode,
            interrupt: Some(&self.interrupt),
        }
    }

    /// Fails if the engine cannot make the image for these platforms.
    pub(super) fn check_platforms(&self, buildkit: &Buildkit) -> Result<(), Error> {
        let steps = self.plan.bound.as_deref();
        Ok(buildkit.check_platforms(&self.platforms, steps)?)
    }

    /// Adds the digest of the base to the labels, if the engine knows it soon. `known` has the answers
    /// about bases of other apps.
    pub(super) fn name_base(
        &mut self,
        driver: &dyn Driver,
        known: &Mutex<BTreeMap<String, Option<String>>>,
    ) {
        let Some(base) = labels::unknown_base(&self.origin, &self.plan) else {
            return;
        };
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = || driver.base_digest(self, &base);
        let digest = known.entry(base.to_string()).or_insert_with(asked).clone();
        if let Some(digest) = digest {
            labels::name_base(&mut self.origin, &self.plan, &digest);
        }
    }

    /// What a base's tag stands for in its registry, if that answers soon.
    pub(super) fn digest_in_registry(&self, base: &ImageRef) -> Option<String> {
        let access = RegistryAccess::new(self.env).ok()?;
        let registries = Registries {
            patience: store::Patience::default(),
            ..access.registries(&self.logins, &self.trust, &self.interrupt)
        };
        let digest = registries.digest(base, LABEL_LIMIT)?;
        Some(digest.to_string())
    }

    /// Where the image comes from, the labels of the command line, and the identity. They are only in the image's configuration,
    /// so no layer depends on them. An image that is made without Docker, or of a built workspace,
    /// has no identity in it: both ways make the same image, byte for byte.
    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        let pair = |label: &String| {
            let (key, value) = label.split_once('=').unwrap_or((label, ""));
            (key.to_owned(), value.to_owned())
        };
        let origin = self.origin.clone().into_iter();
        let given = origin.chain(self.engine.labels.iter().map(pair));
        let from_sources = self.plan.engine == Engine::Docker && !self.plan.is_finished();
        let own = self.identity.as_ref().filter(|_| from_sources);
        let proof = own.and_then(|_| proof_word(self.proof));
        let proof = proof.map(|word| (PROOF.to_owned(), word.to_owned()));
        let own = own.map(|identity| (identity::LABEL.to_owned(), identity.to_string()));
        given.chain(own).chain(proof).collect()
    }

    /// Where to write the image if no daemon has it: to a file by default, if it would go nowhere
    /// else.
    pub(super) fn outputs(&self) -> Vec<Output> {
        let engine = &self.engine;
        if engine.outputs.is_empty() && !engine.push && !engine.load {
            let name = format!("{}.oci.tar", self.plan.image);
            return vec![Output::Archive(self.cwd.join(name))];
        }
        self.named_outputs()
    }

    /// Where the arguments want the image to be written.
    pub(super) fn named_outputs(&self) -> Vec<Output> {
        let given = self.engine.outputs.iter();
        given.map(|output| output.below(self.cwd)).collect()
    }
}

/// Where the variables of GitHub's cache come from.
const GITHUB_GIVES_ACTIONS: &str = "GitHub gives them to actions, not to commands: an action before this step can export them (`core.exportVariable`), as crazy-max/ghaction-github-runtime does; or use `type=registry`";

/// Caches of builds.
pub(super) struct Caches {
    /// Those to read.
    pub(super) from: Vec<CacheFrom>,
    /// Those to write.
    pub(super) to: Vec<CacheTo>,
}

impl Caches {
    /// The caches of the arguments. Relative paths start at `cwd`.
    pub(super) fn new(args: &BuilderArgs, cwd: &Path, env: &Env) -> Result<Self, Error> {
        let (from, to) = args.caches();
        let from = from.iter().map(|cache| cache.here(cwd, env)).collect();
        let to = to.iter().map(|cache| cache.here(cwd, env)).collect();
        let unusable = |message| Error::Usage {
            message,
            hint: Some(GITHUB_GIVES_ACTIONS.to_owned()),
        };
        Ok(Self {
            from: Result::map_err(from, unusable)?,
            to: Result::map_err(to, unusable)?,
        })
    }

    /// The directories among them.
    pub(super) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        let from = self.from.iter().filter_map(CacheFrom::path);
        from.chain(self.to.iter().filter_map(CacheTo::path))
    }

    /// Tokens, which nothing must show.
    pub(super) fn tokens(&self) -> impl Iterator<Item = &str> {
        let from = self.from.iter().filter_map(CacheFrom::token);
        from.chain(self.to.iter().filter_map(CacheTo::token))
    }
}

/// The smoke test, if requested. Variables of the command line win over those of files.
pub(super) fn trial(
    plan: &Plan,
    args: SmokeArgs,
    cwd: &Path,
    env: &Env,
) -> Result<Option<SmokeRequest>, Error> {
    let Some(path) = args.smoke else {
        return Ok(None);
    };
    let mut variables = BTreeMap::new();
    for file in &args.env_file {
        let cannot = Error::io(format!("cannot read `{}`", file.display()));
        let text = fs_err::read_to_string(cwd.join(file)).map_err(cannot)?;
        smoke::env_file(&text, |name| env.get(name), &mut variables);
    }
    for word in &args.env {
        smoke::variable(word, |name| env.get(name), &mut variables).map_err(|Unset(name)| {
            Error::Usage {
                message: format!("`--env {name}` asks for a variable that is not set here"),
                hint: Some(format!("set it, or write `--env {name}=VALUE`")),
            }
        })?;
    }
    Ok(Some(SmokeRequest {
        env: variables,
        probe: smoke::probe(plan, args.smoke_port, path.as_deref()),
        timeout: Duration::from_secs(args.smoke_timeout),
    }))
}

/// The identity of the image. If no platform is named, the builder's counts. Reading all modules of
/// a built workspace once more would take a good part of its build, so there it is only computed if
/// the run wants it.
pub(super) fn identity(
    prepared: &Prepared<'_, '_>,
    plan: &Plan,
    driver: &dyn Driver,
    arguments: &BTreeMap<String, String>,
    wanted: bool,
) -> Result<Option<Digest>, Error> {
    if plan.is_finished() && !wanted {
        return Ok(None);
    }
    let options = prepared.options();
    let mut platforms = options.platforms.clone();
    if platforms.is_empty() {
        platforms.extend(driver.platform());
    }
    let identity = identity::of(plan, options, platforms, arguments, prepared.root())?;
    Ok(Some(identity.digest()))
}

/// Values of build arguments. Only those that a task of the plan reads are sent: other values
/// should not leave this machine.
pub(in crate::commands) fn arguments(
    mut given: Vec<BuildArg>,
    plan: &Plan,
    env: &Env,
) -> BTreeMap<String, String> {
    let of_files = &plan.configured.build_args;
    given.extend(of_files.iter().map(|(name, arg)| BuildArg {
        name: name.clone(),
        value: arg.value.clone(),
    }));
    let read = |name: &str| {
        let mut tasks = plan.steps().iter().flat_map(|step| &step.tasks);
        is_proxy(name) || tasks.any(|task| task.args.iter().any(|arg| arg == name))
    };
    let given = given.into_iter().filter(|arg| read(&arg.name));
    given
        .filter_map(|BuildArg { name, value }| {
            let value = value.or_else(|| env.get(&name).map(str::to_owned))?;
            Some((name, value))
        })
        .collect()
}
