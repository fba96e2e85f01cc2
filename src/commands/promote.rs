//! `slimbuild promote`: gives images of a registry more tags.
//!
//! All sources are looked up first. If one is missing, nothing is promoted.

use std::path::Path;

use super::names::Facts;
use super::prepared::{Ground, Prepared};
use super::registries::{RegistryAccess, collect};
use super::selected::select;
use super::{AppChoice, app_at, warning};
use crate::cli::{Named as Words, PromoteArgs, Target};
use crate::commands::error::Error;
use crate::engine::registry::{Found, Named, RegistryError, Retag, Trust};
use crate::engine::{Interrupt, Logins};
use crate::model::image::{ImageRef, parts};
use crate::model::member::MemberId;
use crate::model::tag::{TagError, TagTemplate};
use crate::plan::PlanOptions;
use crate::show::progress::ProgressMode;
use crate::show::ui::Ui;
use crate::system::env::Env;
use crate::system::mask::Mask;
use crate::workspace::{Workspace, find_root};

/// An image, and the names that it gets.
struct Wanted {
    from: Named,
    /// In the order of the arguments.
    to: Vec<ImageRef>,
}

/// Promotes images, and prints their references.
pub fn run(args: &PromoteArgs, cwd: &Path, env: &Env, ui: &mut Ui) -> Result<(), Error> {
    let workspace = Workspace::load(&find_root(cwd)?)?;
    let ground = Ground::new(&workspace);
    let apps = apps(args, &ground, cwd)?;
    if apps.len() > 1 {
        check_several(args)?;
    }
    let mut wanted = Vec::new();
    for app in apps {
        wanted.extend(wanted_of(args, &ground, app, cwd, env)?);
    }
    let logins = Logins::of(env);
    let passwords = logins.stored_passwords();
    ui.hide(Mask::new(passwords.iter().map(String::as_bytes)));
    let mut warnings = logins.warnings().to_vec();
    let interrupt = Interrupt::listen().map_err(Error::io("cannot listen for Ctrl-C"))?;
    let (access, trust) = (RegistryAccess::new(env)?, Trust::default());
    let registries = access.registries(&logins, &trust, &interrupt);
    let mut on_event = collect(&mut warnings);
    let sources: Vec<Named> = wanted.iter().map(|wanted| wanted.from.clone()).collect();
    let found = all_found(registries.find(&sources, &mut on_event)?);
    let done = found.and_then(|found| {
        let retags = retags(found, &wanted);
        Ok(registries.retag(&retags, &mut on_event)?)
    });
    drop(on_event);
    for message in &warnings {
        warning::warn(message, ProgressMode::Plain, ui)?;
    }
    let cannot = || Error::io("cannot write to stdout");
    let mut failed = None;
    for promoted in done? {
        match promoted {
            Ok(promoted) => {
                let names: Vec<String> = promoted.names.iter().map(ToString::to_string).collect();
                ui.report(&format!("promoted {}\n", names.join(", ")))
                    .map_err(Error::io("cannot write to stderr"))?;
                let name = promoted.names.first().map_or("", ImageRef::name);
                writeln!(ui.out(), "{name}@{}", promoted.digest).map_err(cannot())?;
            }
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(()), |error| Err(error.into()))
}

/// The apps that the words name.
fn apps(args: &PromoteArgs, ground: &Ground<'_>, cwd: &Path) -> Result<Vec<MemberId>, Error> {
    let (words, workspace) = (args.app(), ground.workspace);
    let is_app = |word: &str| workspace.find_app(word, cwd).is_ok();
    let app = match words.named(is_app) {
        Words::Around => None,
        Words::One(app) => Some(app.to_owned()),
        Words::Several => return select(&words, ground, cwd, false),
    };
    let place = AppChoice { cwd, app };
    Ok(vec![app_at(workspace, &place, false)?])
}

/// Refuses what is about one image.
fn check_several(args: &PromoteArgs) -> Result<(), Error> {
    let refused = |message: String| {
        Err(Error::Usage {
            message,
            hint: Some("write `{app}` where each image's name goes, or name one app".to_owned()),
        })
    };
    if let Target::Digest(digest) = &args.from {
        return refused(format!(
            "`--from {digest}` names one image, and several apps are promoted"
        ));
    }
    let targets = args.to.iter().chain([&args.from]);
    let names = targets.filter_map(|target| match target {
        Target::Name(name) => Some(name),
        Target::Tag(_) | Target::Digest(_) => None,
    });
    let mut names = names.chain(args.image.as_ref());
    match names.find(|name| !name.tells_apps_apart()) {
        Some(name) => refused(format!(
            "`{name}` names one image, and several apps are promoted"
        )),
        None => Ok(()),
    }
}

/// The images of an app: one for each repository of its names.
fn wanted_of(
    args: &PromoteArgs,
    ground: &Ground<'_>,
    app: MemberId,
    cwd: &Path,
    env: &Env,
) -> Result<Vec<Wanted>, Error> {
    let prepared = Prepared::of(ground, app, cwd, &PlanOptions::default())?;
    let facts = Facts::of(&prepared, env)?;
    let (options, mut insecure) = (prepared.options(), args.insecure_registries.clone());
    insecure.extend(options.insecure_registries.clone());
    let trust = Trust::of(env, &insecure);
    let named = match (&args.image, &options.tags) {
        (Some(image), _) => vec![image.clone()],
        (None, Some(tags)) => tags.value.clone(),
        (None, None) => vec![facts.image().clone()],
    };
    let mut repositories: Vec<TagTemplate> = Vec::new();
    for name in named {
        if !repositories.contains(&name.repository()) {
            repositories.push(name.repository());
        }
    }
    let name_in = |repository: &TagTemplate, target: &Target| -> Result<ImageRef, Error> {
        let template = match target {
            Target::Tag(tag) => repository
                .with_tag(tag)
                .map_err(|error: TagError| Error::usage(error.to_string()))?,
            Target::Name(name) => name.clone(),
            Target::Digest(digest) => {
                let name = facts.fill(repository, None)?;
                return Ok(format!("{}@{digest}", name.name()).parse()?);
            }
        };
        facts.fill(&template, None)
    };
    let mut wanted: Vec<Wanted> = Vec::new();
    for repository in &repositories {
        let name = name_in(repository, &args.from)?;
        let mut to: Vec<ImageRef> = Vec::new();
        for target in &args.to {
            if let Target::Digest(digest) = target {
                return Err(Error::usage(format!(
                    "`--to {digest}` is a digest, which no image can be given"
                )));
            }
            to.push(name_in(repository, target)?);
        }
        check(&name, &to)?;
        same_registry(&name, &to)?;
        let trust = trust.clone();
        // A whole name is the same in each repository.
        if !wanted
            .iter()
            .any(|other| other.from.name == name && other.to == to)
        {
            let from = Named { name, trust };
            wanted.push(Wanted { from, to });
        }
    }
    Ok(wanted)
}

/// Refuses names without a registry.
fn check(from: &ImageRef, to: &[ImageRef]) -> Result<(), Error> {
    let mut names = to.iter().chain([from]);
    let Some(name) = names.find(|name| !name.name().contains('/')) else {
        return Ok(());
    };
    Err(Error::Usage {
        message: format!("cannot tell in which registry `{name}` is"),
        hint: Some("name the images with `--image 'registry.example.com/shop/{app}'`, or write `\"registry\": \"registry.example.com/shop\"` into the root's slimbuild.json".to_owned()),
    })
}

fn same_registry(from: &ImageRef, to: &[ImageRef]) -> Result<(), Error> {
    let home = parts(from.name()).0;
    let Some(other) = to.iter().find(|name| parts(name.name()).0 != home) else {
        return Ok(());
    };
    Err(Error::Usage {
        message: format!("`{other}` is not in `{home}`, the registry of `{from}`"),
        hint: Some(format!(
            "an image goes to another registry with its layers: `skopeo copy --all docker://{from} docker://{other}`"
        )),
    })
}

/// The images, if all are there.
fn all_found(found: Vec<Result<Found, RegistryError>>) -> Result<Vec<Found>, Error> {
    let (mut images, mut missing, mut other) = (Vec::new(), Vec::new(), None);
    for found in found {
        match found {
            Ok(found) => images.push(found),
            Err(RegistryError::Missing { image, .. }) => missing.push(image),
            Err(error) => other = other.or(Some(error)),
        }
    }
    match other {
        Some(error) => Err(error.into()),
        None if missing.is_empty() => Ok(images),
        None => Err(RegistryError::Missing {
            image: missing.join("`, `"),
            message: String::new(),
        }
        .into()),
    }
}

/// The names by repository.
fn retags(found: Vec<Found>, wanted: &[Wanted]) -> Vec<Retag> {
    let mut retags: Vec<Retag> = Vec::new();
    for (found, wanted) in found.into_iter().zip(wanted) {
        let begin = retags.len();
        for name in &wanted.to {
            let own = &mut retags[begin..];
            let known = own.iter_mut().find(|retag| retag.names[0].is_sibling(name));
            if let Some(retag) = known {
                retag.names.push(name.clone());
                continue;
            }
            retags.push(Retag {
                found: found.clone(),
                names: vec![name.clone()],
                trust: wanted.from.trust.clone(),
            });
        }
    }
    retags
}
