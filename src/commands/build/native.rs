//! Makes the image on this machine, without a daemon.

mod base;
mod checks;
mod retry;
mod targets;

use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use base::{Below, Terms};
use checks::Checked;
use targets::Targets;

use super::docker::size_before;
use super::driver::Driver;
use super::job::Job;
use super::outcome::{Done, Heard, Made, shown_path};
use super::proof_hint;
use crate::commands::error::Error;
use crate::commands::labels;
use crate::commands::resources::{Maker, epoch, outside};
use crate::commands::warning::warn;
use crate::engine::Event;
use crate::engine::docker::Docker;
use crate::engine::fault::BuildFault;
use crate::engine::native::{
    self, NativeError, Request, Source, Subject, Tools, Trial, TrustedNode, Workshop,
};
use crate::engine::registry::{Layers, Pushed, Registries, RegistryError};
use crate::finished::assemble;
use crate::finished::prebuilt::{Built, finished};
use crate::image::oci::{Elsewhere, Image, Output, Packing};
use crate::model::digest::Digest;
use crate::model::image::{ImageRef, ImageSize, Platform};
use crate::show::downloads::Downloads;
use crate::show::progress::Progress;
use crate::show::ui::Ui;
use crate::store::cache::Cache;
use crate::store::fetch::{Listener, Patience, Proxies};
use crate::system::workdir::WorkDir;

/// Variables of this machine that a build may see. None changes the result, except proxies,
/// certificates and paths.
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

/// The driver that makes images on this machine.
pub(super) struct NativeDriver {
    /// The daemon to load the image into.
    pub(super) load: Option<Docker>,
}

impl Driver for NativeDriver {
    fn check(&self, job: &Job<'_>) -> Result<(), Error> {
        if job.platforms.len() > 1 {
            return Err(Error::Usage {
                message: "an image that is made on this machine is for one platform".to_owned(),
                hint: Some("name a builder for several, `--builder tcp://HOST:PORT`, or use a Docker daemon with containerd's image store".to_owned()),
            });
        }
        if job.access.agents.len() > 1 {
            return Err(Error::Usage {
                message: "steps on this machine can ask one ssh agent, and `--ssh` names several"
                    .to_owned(),
                hint: Some(
                    "give one `--ssh`; a Docker daemon or a builder takes several".to_owned(),
                ),
            });
        }
        if job.trial.is_some() {
            checks::startable(&job.plan, job.env)?;
        }
        epoch(job.env)?;
        let outputs = job.outputs();
        let checked = outputs.iter().try_for_each(Output::check);
        Ok(checked.map_err(NativeError::Oci)?)
    }

    fn build(&self, job: &Job<'_>, ui: &mut Ui) -> Result<Done, Error> {
        retry::build(self, job, ui)
    }
}

impl NativeDriver {
    /// Makes and delivers the image.
    fn once(&self, job: &Job<'_>, cache: &Cache, ui: &mut Ui) -> Result<Done, Error> {
        let Job { engine, env, .. } = job;
        let before = (self.load.as_ref()).and_then(|docker| size_before(docker, job));
        let platform = job.platforms.first().cloned();
        let platform = platform.unwrap_or_else(Platform::host);
        let terms = Terms {
            platform: &platform,
            packing: Packing {
                epoch: epoch(env)?,
                compression: engine.compression.into(),
            },
            pull: engine.pull,
        };
        let outputs = job.outputs();
        let work = WorkDir::new().map_err(Error::io("cannot make a directory to build in"))?;
        let fetched = downloaded(job, cache, &terms, work.path(), ui)?;
        let registries = Registries {
            logins: &job.logins,
            trust: &job.trust,
            proxies: &fetched.proxies,
            cache: &fetched.cache,
            patience: Patience::with_uploads(),
            interrupt: &job.interrupt,
        };
        let kept = engine.builder.cache.as_ref();
        let layers = kept.map(|name| kept_layers(&registries, name, job, ui));
        let layers = layers.transpose()?;
        let mut shown = Progress::new(job.mode, ui);
        let mut heard = Heard::default();
        let mut on_event = |event| {
            heard.event(&event);
            shown.event(&event);
        };
        let making = Making {
            job,
            work: work.path(),
            terms: &terms,
            below: fetched.below,
            registries: &registries,
            tools: fetched.tools.as_ref(),
            cache: &fetched.cache,
            layers: layers.as_ref(),
        };
        let done = making.make(&mut on_event).and_then(|made| {
            if let Some(limits) = job.limits() {
                limits.in_cache(&made.image, &fetched.cache, before)?;
            }
            let to = Targets {
                outputs: &outputs,
                docker: self.load.as_ref(),
                registries: engine.push.then_some(&registries),
                cache: &fetched.cache,
                interrupt: &job.interrupt,
            };
            let sent = to.send(&made, &job.tags, &mut on_event)?;
            Ok((made, sent))
        });
        let summary = shown.finish();
        let (made, sent) = done.map_err(|error| match error {
            Error::Native(NativeError::Step { name, code }) => {
                BuildFault::judge(&job.plan, &name, code, &heard.failed()).into()
            }
            Error::Native(NativeError::Disproved) => Error::Verify {
                app: job.plan.app.dir.clone(),
                hint: proof_hint::hint(&job.plan.app.dir, &heard.failed()),
            },
            error => error,
        })?;
        if let (Some(name), Some(layers)) = (kept, &layers) {
            keep_layers(&registries, name, layers, &made, &sent.pushed, job, ui)?;
        }
        let Assembled { image, checked, .. } = made;
        if let Some(warning) = checked.warning {
            warn(&warning, job.mode, ui)?;
        }
        let loaded = self.load.as_ref().zip(sent.loaded);
        let configuration = image.config_json();
        let mut id = None;
        if let (Some((docker, _)), Some(name)) = (loaded, job.tags.first()) {
            id = Some(docker.inspect(&name.to_string())?.id);
        }
        let written = outputs.iter().map(Output::path);
        Ok(Done {
            engine: Some("native"),
            before,
            image: Made {
                manifest: Some(image.digest().to_string()),
                configuration: Some(Digest::of(&configuration).to_string()),
                sizes: vec![size(&image)],
                id,
            },
            trial: heard.trial,
            answered: checked.answered,
            pushed: sent.pushed,
            summary,
            sent: None,
            outputs: written.map(|path| shown_path(path, job.here)).collect(),
            loaded: loaded.map(|(docker, loaded)| (loaded, docker.engine())),
            unchanged: None,
        })
    }
}

/// The sizes of an image: a pull transfers its descriptions too.
fn size(image: &Image) -> ImageSize {
    let described = image.config_json().len() + image.manifest_json().len();
    ImageSize {
        platform: None,
        unpacked: Some(image.layers.iter().map(|layer| layer.unpacked).sum()),
        packed: Some(image.size() + described as u64),
    }
}

/// The layers that earlier builds left in a registry. Without them, the build only takes longer.
fn kept_layers<'l>(
    registries: &'l Registries<'l>,
    name: &'l ImageRef,
    job: &Job<'_>,
    ui: &mut Ui,
) -> Result<Layers<'l>, Error> {
    let message = match Layers::read(registries, name) {
        Ok(layers) => return Ok(layers),
        Err(RegistryError::Interrupted) => return Err(RegistryError::Interrupted.into()),
        Err(RegistryError::Missing { .. }) => format!("there is no cache at {name}"),
        Err(error) => format!("cannot read the cache at {name}: {error}"),
    };
    warn(&message, job.mode, ui)?;
    Ok(Layers::none(registries, name))
}

/// Leaves the app's layers in a registry for the next build. A registry that refuses them is a
/// warning.
fn keep_layers(
    registries: &Registries<'_>,
    name: &ImageRef,
    layers: &Layers<'_>,
    made: &Assembled,
    pushed: &[Pushed],
    job: &Job<'_>,
    ui: &mut Ui,
) -> Result<(), Error> {
    if let Some(trouble) = layers.trouble() {
        let message = format!("cannot take all layers from the cache at {name}: {trouble}");
        warn(&message, job.mode, ui)?;
    }
    let mut image = Image::empty(made.image.platform.clone(), made.image.created);
    for layer in made.image.layers.iter().rev().take(made.own).rev() {
        image.push(layer.clone());
    }
    // What was pushed just now need not be sent again.
    let neighbour = pushed.first().and_then(|pushed| pushed.names.first());
    let names = std::slice::from_ref(name);
    match registries.push(&image, names, neighbour, made.next, &mut |_| {}) {
        Ok(_) => Ok(()),
        Err(RegistryError::Interrupted) => Err(RegistryError::Interrupted.into()),
        Err(error) => warn(&format!("the cache is not written: {error}"), job.mode, ui),
    }
}

/// Downloads everything needed, and reports what is downloaded.
fn downloaded(
    job: &Job<'_>,
    cache: &Cache,
    terms: &Terms<'_>,
    work: &Path,
    ui: &mut Ui,
) -> Result<Fetched, Error> {
    let downloads = Downloads::new(job.mode, ui);
    let begins = |url: &str| downloads.begins(url);
    let stop = || job.interrupt.is_raised();
    let to = Listener {
        begins: &begins,
        stop: &stop,
    };
    let maker = Maker::new(job.engine.sources.clone(), cache.clone(), job.env, to)?;
    let alone = job.fetching.lock().unwrap_or_else(PoisonError::into_inner);
    let mut fetched = fetch(&maker, job, terms, work)?;
    drop(alone);
    downloads.finish();
    if job.engine.no_cache {
        // As with Docker, `--no-cache` is about the build; `--pull` renews the base.
        fetched.cache = fetched.cache.forgetful();
    }
    Ok(fetched)
}

/// Everything needed before the build.
struct Fetched {
    cache: Cache,
    proxies: Proxies,
    below: Below,
    /// `None` if nothing is built.
    tools: Option<Tools>,
}

fn fetch(
    maker: &Maker<'_>,
    job: &Job<'_>,
    terms: &Terms<'_>,
    work: &Path,
) -> Result<Fetched, Error> {
    let below = Below::new(maker, &job.plan, job.root, terms)?;
    let mut tools = None;
    if !job.plan.is_finished() {
        let source = Source {
            registry: &maker.sources.npm,
            net: &maker.net,
            cache: &maker.cache,
            fresh: terms.pull,
        };
        let seen = VARIABLES.iter().filter_map(|name| {
            let value = job.env.get(name)?;
            Some(((*name).to_owned(), value.to_owned()))
        });
        let path = job.env.get("PATH").unwrap_or_default();
        let dir = work.join("tools");
        tools = Some(Tools::get(&job.plan, &dir, path, seen.collect(), source)?);
    }
    Ok(Fetched {
        cache: maker.cache.clone(),
        proxies: maker.proxies.clone(),
        below,
        tools,
    })
}

struct Making<'m> {
    job: &'m Job<'m>,
    work: &'m Path,
    terms: &'m Terms<'m>,
    below: Below,
    registries: &'m Registries<'m>,
    tools: Option<&'m Tools>,
    cache: &'m Cache,
    /// Where layers of earlier builds are kept.
    layers: Option<&'m Layers<'m>>,
}

/// An image whose layers are in the cache.
struct Assembled {
    image: Image,
    /// The base's name, if it is in a registry.
    below: Option<ImageRef>,
    checked: Checked,
    /// The number of the next step.
    next: u32,
    /// How many of the layers are the app's own.
    own: usize,
}

impl Making<'_> {
    fn make(self, on_event: &mut dyn FnMut(Event)) -> Result<Assembled, Error> {
        let Self {
            job,
            work,
            terms,
            cache,
            ..
        } = self;
        let own_base = self.below.own();
        let (base, below) = self.below.image(self.registries, terms, on_event)?;
        let mut labels = job.labels();
        if let Some((_, digest)) = &below {
            labels::name_base(&mut labels, &job.plan, &digest.to_string());
        }
        let below = below.map(|(name, _)| name);
        let mut root = job.root.to_path_buf();
        let mut next = 1;
        let mut built = Built::Once;
        if let Some(tools) = self.tools {
            let dir = work.join("app");
            fs_err::create_dir(&dir).map_err(Error::io("cannot make a directory to build in"))?;
            let workshop = Workshop {
                plan: &job.plan,
                root: job.root,
                dir: &dir,
                scratch: work,
                tools,
                arguments: &job.arguments,
                secrets: &job.secrets,
                agent: job.access.agents.values().next().map(PathBuf::as_path),
                interrupt: &job.interrupt,
            };
            let laid;
            (laid, next) = workshop.build(on_event)?;
            if let Some(unchecked) = &job.unchecked {
                unchecked.in_build(&dir, job.root)?;
            }
            built = Built::Since(laid);
            root = dir;
        }
        let (files, warnings) = finished(&job.plan, &root, built)?;
        for message in warnings {
            on_event(Event::Warning { message });
        }
        let layers = assemble::layers(&job.plan, &files.context, &root);
        checks::fits(&layers, &base, job.plan.verify, cache)?;
        let request = Request {
            base,
            layers: &layers,
            runs: &job.plan.runs(),
            labels: &labels,
            packing: terms.packing,
            elsewhere: self.layers.map(|layers| layers as &dyn Elsewhere),
            first: next,
        };
        let image = native::image(request, cache, &job.interrupt, on_event)?;
        let next = next + u32::try_from(layers.len()).unwrap_or_default();
        let subject = Subject::of(&job.plan, &layers);
        let trial = Trial {
            subject: &subject,
            base: image.layers.len() - layers.len(),
            image: &image,
            layers: &layers,
            cache,
            scratch: work,
            outside: outside(job.env),
            node: self.tools.map(TrustedNode::of_build),
            own_base: own_base.as_ref(),
            interrupt: &job.interrupt,
        };
        let checked = checks::check(&trial, job.trial.as_ref(), next, on_event)?;
        Ok(Assembled {
            next: checked.next,
            own: layers.len(),
            image,
            below,
            checked,
        })
    }
}
