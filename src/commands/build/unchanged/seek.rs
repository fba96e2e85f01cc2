//! Looks for images while apps are planned.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::thread::{Builder as Thread, Scope, ScopedJoinHandle};
use std::time::Duration;

use super::key::{Key, PROOF, limits, proof_word};
use crate::commands::build::run::{Planned, Run};
use crate::commands::build::{driver, job};
use crate::commands::error::Error;
use crate::commands::identity::{self, LABEL};
use crate::commands::registries::{RegistryAccess, collect};
use crate::engine::buildkit::{Builder, Buildkit};
use crate::engine::docker::{Docker, Labelled};
use crate::engine::registry::{Answer, Asker, Found, Named, Questions, Trust, questions};
use crate::engine::{Interrupt, Logins, host};
use crate::model::digest::Digest;
use crate::model::image::{ImageRef, Platform, parts};
use crate::plan::{Engine, Plan};
use crate::system::threads::STACK;
use crate::system::trail;

/// How long a run waits for answers, after all apps are planned.
const LIMIT: Duration = Duration::from_secs(2);

/// Who builds, as far as an identity depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::commands::build) struct Builds {
    engine: Engine,
    /// The platform of an image for which none is named, if it is not this machine's.
    platform: Option<Platform>,
}

/// An image that is looked for.
#[derive(Debug, Clone)]
pub(in crate::commands::build) struct Sought {
    pub(in crate::commands::build) key: Key,
    /// How its registries are reached.
    pub(super) trust: Trust,
}

impl Sought {
    /// The identity of the image.
    pub(in crate::commands::build) fn identity(&self) -> &Digest {
        &self.key.identity
    }
}

/// Where an unchanged image is.
#[derive(Debug)]
pub(in crate::commands::build) enum There {
    /// In each repository of its names.
    Registry(Vec<Found>),
    /// In the daemon, by this id.
    Daemon(String),
}

/// What was found.
#[derive(Debug, Default)]
pub(in crate::commands::build) struct Looked {
    answers: Vec<Answer>,
    stored: Vec<Labelled>,
    /// Why something is not known, one line for each registry.
    pub(in crate::commands::build) troubles: Vec<String>,
}

/// Asks for images. The search goes on until the last question, and a while longer.
pub(in crate::commands::build) struct Seeker<'s, 'r> {
    run: &'s Run<'r>,
    asker: Asker,
}

impl Builds {
    /// slimbuild itself.
    pub(in crate::commands::build) fn here() -> Self {
        Self {
            engine: Engine::Native,
            platform: None,
        }
    }

    /// The engine that an app gets; `None` if none can be reached, which the build will tell.
    pub(in crate::commands::build) fn find(
        run: &Run<'_>,
        builder: Option<&Builder>,
    ) -> Option<Self> {
        let by = |builder: &Builder| {
            let builder = Buildkit::connect(builder).ok()?;
            let platform = builder.abilities().platform();
            Some(Self {
                engine: Engine::Docker,
                platform,
            })
        };
        if let Some(builder) = builder {
            return by(builder);
        }
        let (arg, engine) = (run.args.plan.engine, &run.args.engine);
        let host = host::resolve(run.env, run.args.plan.host.as_deref()).ok()?;
        match Docker::connect(&host) {
            Ok(docker) => by(&Builder::of_daemon(docker.host())),
            Err(error) if driver::is_dispensable(&error, arg, engine, &host) => Some(Self::here()),
            Err(_) => None,
        }
    }
}

impl<'s, 'r> Seeker<'s, 'r> {
    /// Begins to look. The search ends when the seeker is gone.
    pub(in crate::commands::build) fn start<'scope>(
        run: &'s Run<'r>,
        interrupt: &'s Interrupt,
        scope: &'scope Scope<'scope, 's>,
    ) -> Result<(Self, ScopedJoinHandle<'scope, Result<Looked, Error>>), Error> {
        let (asker, questions) = questions();
        let trail = trail::own();
        let thread = Thread::new().stack_size(STACK);
        let looking = thread
            .spawn_scoped(scope, move || {
                let _kept = trail.enter();
                look(run, questions, interrupt)
            })
            .map_err(Error::io("cannot start a thread"))?;
        Ok((Self { run, asker }, looking))
    }

    /// Asks for the image of an app, and completes its names.
    pub(in crate::commands::build) fn ask(
        &self,
        number: usize,
        planned: &mut Planned<'_, '_>,
    ) -> Result<(), Error> {
        let run = self.run;
        let Some(sought) = sought(run, planned)? else {
            return Ok(());
        };
        planned.tags = planned.names.fill(Some(&sought.key.identity))?;
        if run.args.engine.push {
            for image in repositories(&planned.tags) {
                let named = Named {
                    name: sought.key.name_in(image)?,
                    trust: sought.trust.clone(),
                };
                self.asker.ask(number, named);
            }
        }
        planned.sought = Some(sought);
        Ok(())
    }
}

/// One name of each repository.
pub(in crate::commands::build) fn repositories(names: &[ImageRef]) -> Vec<&ImageRef> {
    let mut found: Vec<&ImageRef> = Vec::new();
    for name in names {
        if !found.iter().any(|other| other.is_sibling(name)) {
            found.push(name);
        }
    }
    found
}

/// What is looked for; `None` if nothing is, because there is nowhere to look, or nobody to build.
fn sought(run: &Run<'_>, planned: &Planned<'_, '_>) -> Result<Option<Sought>, Error> {
    match run.builds(planned) {
        Some(builds) => sought_by(run, planned, builds),
        None => Ok(None),
    }
}

fn sought_by(
    run: &Run<'_>,
    planned: &Planned<'_, '_>,
    builds: Builds,
) -> Result<Option<Sought>, Error> {
    if builds.engine == Engine::Native && !run.args.engine.push {
        // It becomes a file.
        return Ok(None);
    }
    if planned.unchecked.is_some() && !run.args.engine.push {
        // A key tells that licences were checked, and a daemon has none.
        return Ok(None);
    }
    let prepared = &planned.prepared;
    let other;
    let plan: &Plan = if builds.engine == planned.plan.engine {
        &planned.plan
    } else {
        other = prepared.plan(builds.engine, run.pins.as_ref())?;
        &other
    };
    let options = prepared.options();
    let mut platforms = options.platforms.clone();
    if platforms.is_empty() {
        platforms.extend(builds.platform);
    }
    let arguments = job::arguments(run.args.plan.build_args.clone(), plan, run.env);
    let identity = identity::of(plan, options, platforms, &arguments, prepared.root())?;
    Ok(Some(Sought {
        key: Key::new(&identity.digest(), run.proof(), &run.args, &limits(options)),
        trust: Trust::of(run.env, &options.insecure_registries),
    }))
}

/// What a dry run says, which asks nobody: the builder is taken to be like this machine.
pub(in crate::commands::build) fn would_look(
    run: &Run<'_>,
    planned: &Planned<'_, '_>,
) -> Result<String, Error> {
    let builds = Builds {
        engine: planned.plan.engine,
        platform: None,
    };
    let Some(sought) = sought_by(run, planned, builds)? else {
        return Ok(String::new());
    };
    if !run.args.engine.push {
        let identity = sought.identity();
        return Ok(format!(
            "it would not be built if the daemon has an image with the label {LABEL}={identity}\n"
        ));
    }
    let names = repositories(&planned.tags).into_iter();
    let names = names.map(|name| Ok(sought.key.name_in(name)?.to_string()));
    let names: Vec<String> = names.collect::<Result<_, Error>>()?;
    Ok(format!(
        "it would not be built if {} is there\n",
        names.join(" and ")
    ))
}

fn look(run: &Run<'_>, questions: Questions, interrupt: &Interrupt) -> Result<Looked, Error> {
    let mut looked = Looked::default();
    if !run.args.engine.push {
        match stored(run) {
            Ok(stored) => looked.stored = stored,
            Err(error) => looked.troubles.push(format!(
                "whether images are unchanged is not known, so they are built: {error}"
            )),
        }
        return Ok(looked);
    }
    let (access, logins, trust) = (
        RegistryAccess::new(run.env)?,
        Logins::of(run.env),
        Trust::default(),
    );
    let registries = access.registries(&logins, &trust, interrupt);
    let mut warnings = Vec::new();
    looked.answers = registries.look(questions, LIMIT, &mut collect(&mut warnings))?;
    // One line for each registry.
    let mut troubles: BTreeMap<&str, String> = BTreeMap::new();
    for answer in &looked.answers {
        if let Err(error) = &answer.found {
            let registry = parts(answer.name.name()).0;
            let why = error.source().map(|source| format!(": {source}"));
            let why = why.unwrap_or_default();
            troubles.entry(registry).or_insert_with(|| {
                format!("whether images are unchanged at {registry} is not known, so they are built: {error}{why}")
            });
        }
    }
    looked.troubles = troubles.into_values().collect();
    looked.troubles.extend(warnings);
    Ok(looked)
}

/// The images of the daemon that have an identity.
fn stored(run: &Run<'_>) -> Result<Vec<Labelled>, Error> {
    let host = host::resolve(run.env, run.args.plan.host.as_deref())?;
    Ok(Docker::reach(&host)?.labelled(LABEL, LIMIT)?)
}

impl Looked {
    /// Where the image of this number is.
    pub(in crate::commands::build) fn there(
        &self,
        number: usize,
        sought: &Sought,
        names: &[ImageRef],
    ) -> Option<There> {
        let key = &sought.key;
        let identity = key.identity.to_string();
        let is_it = |image: &&Labelled| {
            let label = |name: &str| image.labels.get(name).map(String::as_str);
            label(LABEL) == Some(&identity) && label(PROOF) == proof_word(key.proof)
        };
        if let Some(image) = self.stored.iter().find(is_it) {
            return Some(There::Daemon(image.id.clone()));
        }
        let found = repositories(names).into_iter().map(|name| {
            let mut answers = self.answers.iter().filter(|answer| answer.number == number);
            let answer = answers.find(|answer| answer.name.is_sibling(name))?;
            answer.found.as_ref().ok()?.clone()
        });
        let found: Vec<Found> = found.collect::<Option<_>>()?;
        (!found.is_empty()).then_some(There::Registry(found))
    }
}
