//! `slimbuild APP` without a daemon: the image is made on this machine, and written to a file.

mod again;
mod below;
mod done;
mod targets;
mod trial;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

pub(super) use again::run;
pub(super) use below::refuse_disk;

use below::{Below, Terms};
use done::Done;
use targets::Targets;
use trial::Tried;

use super::maker::{Maker, epoch};
use crate::cli::EngineArgs;
use crate::engine::docker::Docker;
use crate::engine::native::{
    self, NativeError, Outside, Request, Source, Tools, Trial, TrustedNode, Workshop,
};
use crate::engine::registry::Registries;
use crate::engine::{Event, Interrupt, Secret, SmokeRequest, host};
use crate::error::Error;
use crate::finished::assemble;
use crate::finished::prebuilt::{Built, prebuilt};
use crate::image::oci::{Image, Output, Packing};
use crate::model::image::{ImageRef, Platform};
use crate::plan::Plan;
use crate::show::progress::{Progress, ProgressMode};
use crate::show::ui::Ui;
use crate::store::cache::Cache;
use crate::store::fetch::{Listener, Patience, Proxies};
use crate::system::credential;
use crate::system::env::Env;
use crate::system::whole::Whole;
use crate::system::workdir::WorkDir;

/// Variables of this machine that a build may see: none that changes what it makes, but for proxies, certificates and where things are kept.
const VARIABLES: [&str; 17] = [
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "LANG",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
];

/// What is asked for.
pub(super) struct Job<'j> {
    pub(super) root: PathBuf,
    pub(super) plan: Plan,
    pub(super) tags: Vec<ImageRef>,
    pub(super) arguments: BTreeMap<String, String>,
    pub(super) secrets: BTreeMap<String, Secret>,
    pub(super) engine: EngineArgs,
    /// The daemon that is given the image.
    pub(super) load: Option<Docker>,
    /// How the image is tried before it is written, where that is asked for.
    pub(super) trial: Option<SmokeRequest>,
    pub(super) mode: ProgressMode,
    pub(super) metadata: Option<PathBuf>,
    pub(super) cwd: &'j Path,
    pub(super) here: &'j Path,
    pub(super) env: &'j Env,
    pub(super) began: Instant,
}

/// Makes the image and writes it.
fn once(job: &Job<'_>, cache: &Cache, ui: &mut Ui) -> Result<(), Error> {
    let Job {
        root,
        engine,
        cwd,
        env,
        mode,
        ..
    } = job;
    let (cwd, env, mode) = (*cwd, *env, *mode);
    let mut plan = job.plan.clone();
    refuse(&plan)?;
    if job.trial.is_some() {
        trial::refuse(&plan, env)?;
    }
    plan.on_own_base();
    let platform = engine.platform.clone().unwrap_or_else(Platform::host);
    let packing = Packing {
        epoch: epoch(env)?,
        compression: engine.compression.into(),
    };
    let outputs = outputs(engine, &plan, cwd);
    let interrupt = Interrupt::listen().map_err(Error::io("cannot listen for Ctrl-C"))?;
    // What cannot be written is better known before minutes of building than after.
    let metadata = job.metadata.as_deref();
    let metadata = metadata.map(|file| Whole::begin(&cwd.join(file)));
    let metadata = metadata.transpose()?;
    outputs
        .iter()
        .try_for_each(Output::check)
        .map_err(NativeError::Oci)?;
    let work = WorkDir::new().map_err(Error::io("cannot make a directory to build in"))?;
    let labels = labels(&engine.labels);
    let terms = Terms {
        platform: &platform,
        packing,
        pull: engine.pull,
    };
    let Fetched {
        cache,
        proxies,
        below,
        tools,
    } = downloaded(job, cache, &plan, &terms, work.path(), &interrupt, ui)?;
    let configuration = host::configuration_file(env);
    let registries = Registries {
        configuration: configuration.as_deref(),
        proxies: &proxies,
        cache: &cache,
        patience: Patience::with_uploads(),
        interrupt: &interrupt,
    };

    let mut shown = Progress::new(mode, ui);
    let mut on_event = |event| shown.event(&event);
    let made = make(
        Making {
            plan,
            root,
            work: work.path(),
            terms: &terms,
            below,
            registries: &registries,
            tools: tools.as_ref(),
            labels: &labels,
            arguments: &job.arguments,
            secrets: &job.secrets,
            trial: job.trial.as_ref(),
            cache: &cache,
            outside: trial::outside(env),
            interrupt: &interrupt,
        },
        &mut on_event,
    );
    let done = made.and_then(|made| {
        let to = Targets {
            outputs: &outputs,
            docker: job.load.as_ref(),
            registries: engine.push.then_some(&registries),
            cache: &cache,
            interrupt: &interrupt,
        };
        let sent = to.send(&made, &job.tags, &mut on_event)?;
        Ok((made, sent))
    });
    let summary = shown.finish();
    let (made, sent) = done?;
    let done = Done {
        plan: &made.plan,
        image: &made.image,
        tried: &made.tried,
        loaded: job.load.as_ref().zip(sent.loaded),
        pushed: &sent.pushed,
        tags: &job.tags,
        outputs: &outputs,
        here: job.here,
        steps: summary.steps,
        began: job.began,
    };
    done.tell(metadata, mode, ui)
}

/// Fetches what has to be there, and says what is downloaded.
fn downloaded(
    job: &Job<'_>,
    cache: &Cache,
    plan: &Plan,
    terms: &Terms<'_>,
    work: &Path,
    interrupt: &Interrupt,
    ui: &mut Ui,
) -> Result<Fetched, Error> {
    let err = RefCell::new(ui.err());
    let begins = |url: &str| {
        if job.mode != ProgressMode::Quiet {
            // Nobody is kept from an image because stderr is closed.
            let url = credential::redacted(url);
            drop(writeln!(err.borrow_mut(), "downloading {url}"));
        }
    };
    let stop = || interrupt.is_raised();
    let to = Listener {
        begins: &begins,
        stop: &stop,
    };
    let maker = Maker::new(job.engine.sources.clone(), cache.clone(), job.env, to)?;
    let mut fetched = fetch(&maker, plan, &job.root, terms, work, job.env)?;
    if job.engine.no_cache {
        // As with Docker, this is about what is built: what lies below is asked anew with `--pull`.
        fetched.cache = fetched.cache.forgetful();
    }
    Ok(fetched)
}

/// Where the image is written to: to a file where it would go nowhere else.
fn outputs(engine: &EngineArgs, plan: &Plan, cwd: &Path) -> Vec<Output> {
    if engine.outputs.is_empty() && !engine.push && !engine.load {
        return vec![Output::Archive(cwd.join(format!("{}.oci.tar", plan.image)))];
    }
    let given = engine.outputs.iter();
    given.map(|output| output.below(cwd)).collect()
}

fn labels(given: &[String]) -> BTreeMap<String, String> {
    let pair = |label: &String| {
        let (key, value) = label.split_once('=').unwrap_or((label, ""));
        (key.to_owned(), value.to_owned())
    };
    given.iter().map(pair).collect()
}

/// What cannot be made without Docker yet.
fn refuse(plan: &Plan) -> Result<(), Error> {
    let problem = if plan.configured.runtime_packages.is_some() || plan.native.runtime.is_some() {
        "system packages are installed by a Docker daemon"
    } else if plan.configured.template.is_some() {
        "a template is for a Dockerfile, which needs a Docker daemon"
    } else {
        return below::refuse(plan);
    };
    Err(Error::Usage {
        message: problem.to_owned(),
        hint: Some("start Docker, or name its daemon with `--host`".to_owned()),
    })
}

/// What has to be there before anything is built.
struct Fetched {
    cache: Cache,
    proxies: Proxies,
    below: Below,
    /// Nothing where nothing is built.
    tools: Option<Tools>,
}

fn fetch(
    maker: &Maker<'_>,
    plan: &Plan,
    root: &Path,
    terms: &Terms<'_>,
    work: &Path,
    env: &Env,
) -> Result<Fetched, Error> {
    let below = Below::new(maker, plan, root, terms)?;
    let mut tools = None;
    if !plan.prebuilt {
        let source = Source {
            registry: &maker.sources.npm,
            net: &maker.net,
            cache: &maker.cache,
            fresh: terms.pull,
        };
        let seen = VARIABLES.iter().filter_map(|name| {
            let value = env.get(name)?;
            Some(((*name).to_owned(), value.to_owned()))
        });
        let path = env.get("PATH").unwrap_or_default();
        let dir = work.join("tools");
        tools = Some(Tools::get(plan, &dir, path, seen.collect(), source)?);
    }
    Ok(Fetched {
        cache: maker.cache.clone(),
        proxies: maker.proxies.clone(),
        below,
        tools,
    })
}

struct Making<'m> {
    plan: Plan,
    root: &'m Path,
    work: &'m Path,
    terms: &'m Terms<'m>,
    below: Below,
    registries: &'m Registries<'m>,
    tools: Option<&'m Tools>,
    labels: &'m BTreeMap<String, String>,
    arguments: &'m BTreeMap<String, String>,
    secrets: &'m BTreeMap<String, Secret>,
    trial: Option<&'m SmokeRequest>,
    cache: &'m Cache,
    outside: Outside<'m>,
    interrupt: &'m Interrupt,
}

/// An image whose layers are in the cache.
struct Made {
    plan: Plan,
    image: Image,
    /// The base, where a registry has it.
    below: Option<ImageRef>,
    /// What was seen of it.
    tried: Tried,
    /// The number of a step that follows.
    next: u32,
}

fn make(making: Making<'_>, on_event: &mut dyn FnMut(Event)) -> Result<Made, Error> {
    let Making {
        mut plan,
        work,
        interrupt,
        terms,
        ..
    } = making;
    let own_base = making.below.own();
    let (base, below) = making
        .below
        .image(&mut plan, making.registries, terms, on_event)?;
    let mut root = making.root.to_path_buf();
    let mut next = 1;
    if let Some(tools) = making.tools {
        let dir = work.join("app");
        fs_err::create_dir(&dir).map_err(Error::io("cannot make a directory to build in"))?;
        let workshop = Workshop {
            plan: &plan,
            root: making.root,
            dir: &dir,
            scratch: work,
            tools,
            arguments: making.arguments,
            secrets: making.secrets,
            interrupt,
        };
        let laid;
        (laid, next) = workshop.build(on_event)?;
        let known = plan.warnings.len();
        plan = prebuilt(plan, &dir, Built::Since(laid))?;
        for message in plan.warnings.iter().skip(known).cloned() {
            on_event(Event::Warning { message });
        }
        root = dir;
    }
    let layers = assemble::layers(&plan, &root);
    trial::fits(&layers, &base, plan.verify, making.cache)?;
    let request = Request {
        base,
        layers: &layers,
        runs: &plan.runs(),
        labels: making.labels,
        packing: terms.packing,
        first: next,
    };
    let image = native::image(request, making.cache, interrupt, on_event)?;
    let next = next + u32::try_from(layers.len()).unwrap_or_default();
    let trial = Trial {
        plan: &plan,
        base: image.layers.len() - layers.len(),
        image: &image,
        layers: &layers,
        cache: making.cache,
        scratch: work,
        outside: making.outside,
        node: making.tools.map(TrustedNode::of_build),
        own_base: own_base.as_ref(),
        interrupt,
    };
    let tried = trial::tried(&trial, making.trial, next, on_event)?;
    Ok(Made {
        next: tried.next,
        plan,
        image,
        below,
        tried,
    })
}
