//! `slimbuild rebase`: puts images of a registry on a new base.
//!
//! All descriptions are read first, then the bases are compared once for all images, and then the images
//! are written side by side. One that fails is left as it is, and does not keep others from being written.

mod bases;
mod failed;
mod image;
mod proof;

use std::path::Path;

use super::build::is_key;
use super::registries::collect;
use super::resources::proxies;
use super::storage::Storage;
use super::{json, warning};
use crate::ask::rebase::{Rebase, RebaseState, RebasedImage};
use crate::cli::RebaseArgs;
use crate::commands::error::Error;
use crate::engine::registry::{Registries, Rewrite, Trust, Wanted};
use crate::engine::{Event, Interrupt, Logins};
use crate::model::image::{ImageRef, parts};
use crate::show::progress::ProgressMode;
use crate::show::report;
use crate::show::ui::Ui;
use crate::store::fetch::Patience;
use crate::system::env::Env;
use crate::system::mask::Mask;

use bases::Bases;
use failed::Failed;
use image::{Decision, Read};

/// An image, and the name that it gets.
struct Target {
    from: ImageRef,
    to: ImageRef,
}

/// What all images of a run have in common.
struct Run<'r> {
    args: &'r RebaseArgs,
    env: &'r Env,
    registries: &'r Registries<'r>,
}

/// Rebases images, and prints what became of them.
pub fn run(args: &RebaseArgs, cwd: &Path, env: &Env, ui: &mut Ui) -> Result<(), Error> {
    let targets = targets(args)?;
    let logins = Logins::of(env);
    let passwords = logins.stored_passwords();
    ui.hide(Mask::new(passwords.iter().map(String::as_bytes)));
    let mut storage = Storage::open(&args.sources(), cwd, env, ProgressMode::Plain, ui)?;
    let mut warnings = logins.warnings().to_vec();
    let done = {
        let registries = Registries {
            logins: &logins,
            trust: &Trust::of(env, &args.insecure_registries),
            proxies: &proxies(env),
            cache: &storage.cache,
            patience: Patience::with_uploads(),
            interrupt: &Interrupt::listen().map_err(Error::io("cannot listen for Ctrl-C"))?,
        };
        let run = Run {
            args,
            env,
            registries: &registries,
        };
        run.all(&targets, &mut collect(&mut warnings))
    };
    for message in &warnings {
        warning::warn(message, ProgressMode::Plain, ui)?;
    }
    storage.tidy(ui)?;
    let (done, failed) = done?;
    // The error tells all that there is to tell of one image.
    let is_told = done.images.len() == 1 && !failed.is_empty();
    let text = if args.json {
        json(&done)?
    } else if is_told {
        String::new()
    } else {
        report::rebase(&done)
    };
    ui.print(&text)
        .map_err(Error::io("cannot write to stdout"))?;
    Failed::of_all(failed, done.images.len())
}

/// The images, and the names that they get.
fn targets(args: &RebaseArgs) -> Result<Vec<Target>, Error> {
    let refused = |message: String, hint: &str| Error::Usage {
        message,
        hint: Some(hint.to_owned()),
    };
    let mut targets: Vec<Target> = Vec::new();
    for from in &args.images {
        if !from.name().contains('/') {
            return Err(refused(
                format!("cannot tell in which registry `{from}` is"),
                "name it with its registry: `shop.example.com/server:main`",
            ));
        }
        let to: ImageRef = match (&args.tag, from.tag()) {
            (Some(tag), _) if tag.contains([':', '/']) => {
                if args.images.len() > 1 {
                    return Err(refused(
                        format!("`{tag}` names one image, and several are rebased"),
                        "give a tag alone, which each of them gets in its own repository",
                    ));
                }
                tag.parse()?
            }
            (Some(tag), _) => format!("{}:{tag}", from.name()).parse()?,
            (None, Some(tag)) => format!("{}:{tag}", from.name()).parse()?,
            (None, None) => {
                return Err(refused(
                    format!("`{from}` has no tag that the new image could get"),
                    "name one: `--tag TAG`",
                ));
            }
        };
        if to.digest().is_some() {
            return Err(refused(
                format!("`{to}` is a digest, which no image can be given"),
                "name a tag: `--tag TAG`",
            ));
        }
        if parts(to.name()).0 != parts(from.name()).0 {
            return Err(refused(
                format!("`{to}` is not in the registry of `{from}`"),
                "an image goes to another registry with its layers: rebase it, then copy it with `skopeo copy --all`",
            ));
        }
        if targets.iter().any(|other| other.to == to) {
            return Err(refused(
                format!("two images would get the name `{to}`"),
                "name each image once",
            ));
        }
        let from = from.clone();
        targets.push(Target { from, to });
    }
    Ok(targets)
}

impl Run<'_> {
    /// Rebases all. Also returns what failed, in the order of the images.
    fn all(
        &self,
        targets: &[Target],
        on_event: &mut dyn FnMut(Event),
    ) -> Result<(Rebase, Vec<(String, Failed)>), Error> {
        let wanted: Vec<Wanted> = targets.iter().map(|it| self.wanted(&it.from)).collect();
        let found = self.registries.read(&wanted, on_event)?;
        let mut received = 0;
        let mut read: Vec<Result<Read, Failed>> = Vec::new();
        for found in found {
            received += found.as_ref().map_or(0, |found| found.received);
            read.push(match found {
                Ok(found) => self.understood(found),
                Err(error) => Err(Failed::new(error.into())?),
            });
        }
        let mut bases = Bases::new(self);
        bases.read(read.iter().flatten(), on_event)?;
        let mut images: Vec<RebasedImage> = Vec::new();
        let mut failed: Vec<(String, Failed)> = Vec::new();
        let mut writes: Vec<(usize, Rewrite)> = Vec::new();
        for (at, (target, read)) in targets.iter().zip(read).enumerate() {
            let decided = read.and_then(|read| {
                let decided = self.decide(target, &read, &mut bases, on_event);
                decided.map(|decided| (read, decided))
            });
            let mut image = RebasedImage {
                image: target.from.clone(),
                name: target.to.clone(),
                state: RebaseState::Failed,
                before: None,
                digest: None,
                base: None,
                platforms: Vec::new(),
                proved: false,
                notes: Vec::new(),
                problem: None,
                hint: None,
            };
            match decided {
                Ok((read, decided)) => {
                    image.before = Some(read.wholes.digest.clone());
                    image.platforms = read.platforms();
                    image.base = Some(read.new.to_string());
                    writes.extend(taken(&mut image, decided, target, self).map(|it| (at, it)));
                }
                Err(error) => error.stop()?.tell(&mut image, &mut failed),
            }
            images.push(image);
        }
        let (at, writes): (Vec<usize>, Vec<Rewrite>) = writes.into_iter().unzip();
        let mut sent = 0;
        if !self.args.dry_run {
            let written = self.registries.rewrite(&writes, on_event)?;
            for (at, written) in at.into_iter().zip(written) {
                let image = &mut images[at];
                match written {
                    Ok(written) => {
                        sent += written.sent;
                        image.state = RebaseState::Rebased;
                        image.digest = Some(written.digest);
                        if written.followed > 0 {
                            image
                                .notes
                                .push("`--skip-unchanged` finds the new image".to_owned());
                        }
                    }
                    Err(error) => Failed::new(error.into())?.tell(image, &mut failed),
                }
            }
        }
        let rebase = Rebase {
            images,
            received: received + bases.received,
            bases: bases.into_changes(),
            sent,
        };
        Ok((rebase, failed))
    }

    fn wanted(&self, name: &ImageRef) -> Wanted {
        Wanted {
            name: name.clone(),
            trust: self.registries.trust.clone(),
            platforms: Vec::new(),
        }
    }
}

/// Notes what was decided about an image. Returns what is to be written.
fn taken(
    image: &mut RebasedImage,
    decided: Decision,
    target: &Target,
    run: &Run<'_>,
) -> Option<Rewrite> {
    let change = match decided {
        Decision::Unchanged => {
            image.state = RebaseState::Unchanged;
            image.digest.clone_from(&image.before);
            if image.name != image.image {
                // Nothing is written, so that name may stand for nothing.
                let note = format!(
                    "`{}` was not made: `slimbuild promote` gives tags",
                    image.name
                );
                image.notes.push(note);
                image.name.clone_from(&image.image);
            }
            return None;
        }
        Decision::Changed(change) => *change,
    };
    image.state = RebaseState::Changed;
    image.notes = change.notes;
    image.proved = change.proved;
    image.digest = Some(change.digest);
    Some(Rewrite {
        from: target.from.clone(),
        old: change.old,
        to: target.to.clone(),
        trust: run.registries.trust.clone(),
        images: change.images,
        index: change.index,
        base: change.base,
        base_layers: change.base_layers,
        own_layers: change.own_layers,
        following: (change.keeps_identity && target.to.tag() == target.from.tag())
            .then_some(is_key as fn(&str) -> bool),
    })
}
