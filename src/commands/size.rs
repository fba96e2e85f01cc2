//! `slimbuild size`: what is in an image.

use std::path::Path;

use super::look::{App, Found, Looker, app_of};
use super::{budget, json};
use crate::ask::size::{Difference, Side, Size, places};
use crate::cli::SizeArgs;
use crate::commands::error::Error;
use crate::image::contents::Contents;
use crate::image::oci::Described;
use crate::model::member::MemberId;
use crate::show::page::page;
use crate::show::report;
use crate::show::ui::Ui;
use crate::system::atomic_file::AtomicFile;
use crate::system::env::Env;
use crate::workspace::Workspace;

/// Prints the sizes.
pub fn run(args: &SizeArgs, cwd: &Path, env: &Env, ui: &mut Ui) -> Result<(), Error> {
    let app = app_of(args.word.as_deref(), cwd, env)?;
    let html = args.html.as_ref().map(|file| cwd.join(file));
    let html = html.map(|file| AtomicFile::begin(&file)).transpose()?;
    let insecure = app.as_ref().map(|app| app.insecure.clone());
    let insecure = insecure.unwrap_or_default();
    let mut looker = Looker::new(&args.look, &insecure, cwd, env, None, ui)?;
    looker.hide_passwords();
    let workspace = app.as_ref().map(|app| (&app.workspace, app.at));
    let measured = image(args, app.as_ref(), &mut looker)
        .and_then(|image| Measured::new(image, workspace, &mut looker));
    let against = measured.and_then(|measured| {
        let other = args.against.as_deref().map(|word| {
            let image = looker.find(word)?;
            Measured::new(image, workspace, &mut looker)
        });
        Ok((measured, other.transpose()?))
    });
    looker.end()?;
    let (measured, against) = against?;
    if let Some(html) = html {
        let images = [Some(&measured), against.as_ref()].into_iter().flatten();
        let images: Vec<_> = images.map(|it| (&it.size, &it.contents)).collect();
        let page = page(&images);
        html.write(|out| out.write_all(page.as_bytes()))?;
    }
    let text = if args.json {
        json(&measured.size)?
    } else {
        report::image_size(&measured.size, args.top, measured.received)
    };
    ui.print(&text)
        .map_err(Error::io("cannot write to stdout"))?;
    let Some((app, budget)) = app
        .as_ref()
        .and_then(|app| Some((app, app.budget.as_ref()?)))
    else {
        return Ok(());
    };
    let rest = "the rest stands above";
    budget::check_size(budget, app.dir(), &measured.size, rest)?;
    match &against {
        Some(old) => budget::check_growth(budget, app.dir(), &measured.since(old)),
        None => Ok(()),
    }
}

/// An image whose layers are read.
pub(super) struct Measured {
    pub(super) size: Size,
    described: Described,
    contents: Contents,
    /// The bytes that came from a registry.
    received: u64,
}

impl Measured {
    pub(super) fn new(
        image: Found,
        workspace: Option<(&Workspace, MemberId)>,
        looker: &mut Looker<'_>,
    ) -> Result<Self, Error> {
        let (layers, received) = looker.read(&image, &image.all())?;
        let places = places(&image.described.config, workspace);
        let contents = Contents::new(&layers, &places);
        let received = image.received + received;
        let mut size = Size::new(
            image.label.clone(),
            image.id.clone(),
            &image.described,
            &contents,
        );
        if let Some((workspace, app)) = workspace {
            size.explain(workspace, app)?;
        }
        Ok(Self {
            size,
            described: image.described,
            contents,
            received,
        })
    }

    /// What differs from an earlier image.
    fn since(&self, old: &Self) -> Difference {
        let all = [old, self].map(|it| (0..it.described.layers.len()).collect::<Vec<_>>());
        Difference::new(&old.side(&all[0]), &self.side(&all[1]), 0)
    }

    fn side<'s>(&'s self, own: &'s [usize]) -> Side<'s> {
        Side {
            image: self.size.image.clone(),
            id: self.size.id.clone(),
            described: &self.described,
            contents: &self.contents,
            own,
        }
    }
}

/// The image that is meant.
fn image(args: &SizeArgs, app: Option<&App>, looker: &mut Looker<'_>) -> Result<Found, Error> {
    match (app, &args.image, &args.word) {
        (Some(_), Some(image), _) => looker.find(image),
        (Some(app), None, _) => app.find(looker),
        (None, Some(_), Some(word)) => Err(Error::usage(format!(
            "`--image` names the image of an app, and `{word}` is none"
        ))),
        (None, _, word) => looker.find(word.as_deref().unwrap_or_default()),
    }
}
