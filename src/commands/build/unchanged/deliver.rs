//! Gives unchanged images their names again.

use super::seek::{Sought, There};
use crate::commands::build::budget::Limits;
use crate::commands::build::outcome::{Done, Made};
use crate::commands::build::run::{Planned, Run};
use crate::commands::error::Error;
use crate::commands::registries::RegistryAccess;
use crate::engine::docker::Docker;
use crate::engine::registry::{Found, Pushed, RegistryError, Retag, Trust};
use crate::engine::{Interrupt, Logins, host};
use crate::model::image::ImageSize;
use crate::show::progress::Summary;

/// What became of an image that was found.
pub(in crate::commands::build) enum Delivered {
    /// It has its names.
    Unchanged(Box<Done>),
    /// It must be built after all, and why.
    Build(String),
    /// The names cannot be given.
    Failed(Error),
}

/// Gives images their names. In registries, that happens for all at once.
pub(in crate::commands::build) fn deliver(
    run: &Run<'_>,
    there: Vec<(&Planned<'_, '_>, &Sought, There)>,
    interrupt: &Interrupt,
) -> Result<Vec<Delivered>, Error> {
    let mut retags: Vec<Retag> = Vec::new();
    let mut parts = Vec::new();
    for (planned, sought, there) in there {
        parts.push(match there {
            There::Daemon(id) => Part::Daemon(planned, id),
            There::Registry(found) => {
                let begin = retags.len();
                retags.extend(found.into_iter().map(|found| {
                    let names = planned.tags.iter();
                    let names = names.filter(|name| name.is_sibling(&found.name));
                    Retag {
                        names: names.cloned().collect(),
                        trust: sought.trust.clone(),
                        found,
                    }
                }));
                Part::Registry(retags.len() - begin)
            }
        });
    }
    let pushed = if retags.is_empty() {
        Vec::new()
    } else {
        push(run, &retags, interrupt)?
    };
    let mut pushed = retags.iter().zip(pushed);
    let delivered = parts.into_iter().map(|part| match part {
        Part::Daemon(planned, id) => in_daemon(run, planned, &id, interrupt),
        Part::Registry(count) => in_registry(pushed.by_ref().take(count).collect()),
    });
    Ok(delivered.collect())
}

/// An image, and where it is.
enum Part<'p, 'g, 'w> {
    Daemon(&'p Planned<'g, 'w>, String),
    /// In as many repositories.
    Registry(usize),
}

fn push(
    run: &Run<'_>,
    retags: &[Retag],
    interrupt: &Interrupt,
) -> Result<Vec<Result<Pushed, RegistryError>>, Error> {
    let (access, logins, trust) = (
        RegistryAccess::new(run.env)?,
        Logins::of(run.env),
        Trust::default(),
    );
    let registries = access.registries(&logins, &trust, interrupt);
    Ok(registries.retag(retags, &mut |_| {})?)
}

fn in_registry(parts: Vec<(&Retag, Result<Pushed, RegistryError>)>) -> Delivered {
    let mut pushed = Vec::new();
    let mut first: Option<&Found> = None;
    for (retag, part) in parts {
        match part {
            Ok(part) => pushed.push(part),
            // Registries look whether all layers are there.
            Err(
                error @ RegistryError::Status {
                    status: 400 | 404, ..
                },
            ) => {
                return Delivered::Build(format!(
                    "`{}` is not whole, so it is built: {error}",
                    retag.found.name
                ));
            }
            Err(error) => return Delivered::Failed(error.into()),
        }
        first.get_or_insert(&retag.found);
    }
    let size = ImageSize {
        platform: None,
        unpacked: None,
        packed: first.and_then(|found| found.packed),
    };
    let configuration = first.and_then(|found| found.configuration.as_ref());
    let how = first.map_or_else(String::new, |found| {
        format!("as {}; nothing was built or sent", found.name)
    });
    Delivered::Unchanged(Box::new(Done {
        pushed,
        ..Done::unchanged(
            Made {
                manifest: first.map(|found| found.digest.to_string()),
                configuration: configuration.map(ToString::to_string),
                sizes: if size.packed.is_some() {
                    vec![size]
                } else {
                    Vec::new()
                },
                id: None,
            },
            how,
        )
    }))
}

fn in_daemon(
    run: &Run<'_>,
    planned: &Planned<'_, '_>,
    id: &str,
    interrupt: &Interrupt,
) -> Delivered {
    match tagged(run, planned, id, interrupt) {
        Ok(Some(done)) => Delivered::Unchanged(Box::new(done)),
        Ok(None) => Delivered::Build("the daemon gives an image no digest".to_owned()),
        Err(error) => Delivered::Failed(error),
    }
}

/// `None` if what should be printed is not known of it.
fn tagged(
    run: &Run<'_>,
    planned: &Planned<'_, '_>,
    id: &str,
    interrupt: &Interrupt,
) -> Result<Option<Done>, Error> {
    let names = &planned.tags;
    let host = host::resolve(run.env, run.args.plan.host.as_deref())?;
    let docker = Docker::reach(&host)?;
    let image = docker.inspect(id)?;
    if run.args.print.needs_a_digest() && !image.in_containerd {
        return Ok(None);
    }
    if let Some(budget) = &planned.prepared.options().budget {
        let limits = Limits {
            budget,
            app: &planned.plan.app.dir,
            interrupt,
        };
        let named = names.first().map(|name| docker.inspect(&name.to_string()));
        let before = named.and_then(Result::ok).map(|image| image.unpacked);
        limits.in_daemon(&docker, &image.id, before)?;
    }
    docker.tag(&image.id, names)?;
    let made = Made {
        manifest: image.in_containerd.then(|| image.id.clone()),
        configuration: (!image.in_containerd).then(|| image.id.clone()),
        sizes: vec![ImageSize {
            platform: None,
            unpacked: Some(image.unpacked),
            packed: image.packed,
        }],
        id: Some(image.id),
    };
    let how = "in the daemon; nothing was built".to_owned();
    Ok(Some(Done::unchanged(made, how)))
}

impl Done {
    /// An image that was there already.
    fn unchanged(image: Made, how: String) -> Self {
        Self {
            engine: None,
            image,
            before: None,
            trial: None,
            answered: None,
            pushed: Vec::new(),
            summary: Summary::default(),
            sent: None,
            outputs: Vec::new(),
            loaded: None,
            unchanged: Some(how),
        }
    }
}
