//! `slimbuild diff`: what differs between two images.

use std::path::Path;

use super::json;
use super::look::{App, Found, Looker, app_of};
use crate::ask::size::{Difference, Side, places};
use crate::cli::DiffArgs;
use crate::commands::error::Error;
use crate::image::contents::{Contents, ReadLayer};
use crate::model::digest::Digest;
use crate::show::report;
use crate::show::ui::Ui;
use crate::system::env::Env;

/// Prints the difference.
pub fn run(args: &DiffArgs, cwd: &Path, env: &Env, ui: &mut Ui) -> Result<(), Error> {
    let old_app = app_of(Some(&args.old), cwd, env)?;
    let new_app = app_of(Some(&args.new), cwd, env)?;
    let named = match &args.app {
        Some(word) => match app_of(Some(word), cwd, env)? {
            Some(app) => Some(app),
            None => {
                return Err(Error::usage(format!(
                    "`--app {word}` is no app of this workspace"
                )));
            }
        },
        None => None,
    };
    let app = named.as_ref().or(new_app.as_ref()).or(old_app.as_ref());
    let insecure = app.map(|app| app.insecure.clone()).unwrap_or_default();
    let mut looker = Looker::new(&args.look, &insecure, cwd, env, None, ui)?;
    looker.hide_passwords();
    let read = read(args, [old_app.as_ref(), new_app.as_ref()], &mut looker);
    looker.end()?;
    let Read {
        images: [old, new],
        own,
        layers,
        received,
    } = read?;
    let workspace = app.map(|app| (&app.workspace, app.at));
    let contents = |image: &Found, layers: &[ReadLayer]| {
        Contents::new(layers, &places(&image.described.config, workspace))
    };
    let both = [contents(&old, &layers[0]), contents(&new, &layers[1])];
    let images = [&old, &new];
    let side = |at: usize| Side {
        image: images[at].label.clone(),
        id: images[at].id.clone(),
        described: &images[at].described,
        contents: &both[at],
        own: &own[at],
    };
    let mut difference = Difference::new(&side(0), &side(1), received);
    if let Some((workspace, app)) = workspace {
        difference.explain(workspace, app)?;
    }
    let text = if args.json {
        json(&difference)?
    } else if args.markdown {
        report::difference_in_markdown(&difference, args.top)
    } else {
        report::image_difference(&difference, args.top)
    };
    ui.print(&text).map_err(Error::io("cannot write to stdout"))
}

/// Two images, and the layers that only one of them has.
struct Read {
    images: [Found; 2],
    own: [Vec<usize>; 2],
    layers: [Vec<ReadLayer>; 2],
    received: u64,
}

fn read(args: &DiffArgs, apps: [Option<&App>; 2], looker: &mut Looker<'_>) -> Result<Read, Error> {
    let mut find = |app: Option<&App>, word: &str| match app {
        Some(app) => app.find(looker),
        None => looker.find(word),
    };
    let old = find(apps[0], &args.old)?;
    let new = find(apps[1], &args.new)?;
    let own = |image: &Found, other: &Found| -> Vec<usize> {
        let layers = image.described.layers.iter().enumerate();
        let is_own = |diff_id: &Digest| {
            let mut others = other.described.layers.iter();
            others.all(|layer| layer.diff_id != *diff_id)
        };
        let own = layers.filter(|(_, layer)| is_own(&layer.diff_id));
        own.map(|(at, _)| at).collect()
    };
    let own = [own(&old, &new), own(&new, &old)];
    let (before, first) = looker.read(&old, &own[0])?;
    let (now, second) = looker.read(&new, &own[1])?;
    Ok(Read {
        received: old.received + new.received + first + second,
        images: [old, new],
        own,
        layers: [before, now],
    })
}
