//! `slimbuild base`: makes the built-in base, and prints its contents.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::resources::{Maker, epoch};
use super::storage::Storage;
use crate::cli::{BaseArgs, SourceArgs};
use crate::commands::error::Error;
use crate::engine::Interrupt;
use crate::image::base::{BaseError, Contents, Lock, Request};
use crate::image::oci::{self, Image, Output, Packing};
use crate::model::image::{ImageRef, Platform};
use crate::show::progress::ProgressMode;
use crate::show::report;
use crate::show::ui::Ui;
use crate::store::cache::Cache;
use crate::store::fetch::Listener;
use crate::system::atomic_file::AtomicFile;
use crate::system::credential;
use crate::system::env::Env;

/// Makes the base, and prints its contents and its digest.
pub fn run(args: BaseArgs, cwd: &Path, env: &Env, ui: &mut Ui) -> Result<(), Error> {
    let request = Request {
        platform: args.platform.unwrap_or_else(Platform::host),
        node: args.node,
        nginx: args.nginx,
        pull: args.pull,
        stripped: args.strip,
    };
    let packing = Packing {
        epoch: epoch(env)?,
        compression: args.compression.into(),
    };
    let outputs: Vec<Output> = args
        .outputs
        .iter()
        .map(|output| output.below(cwd))
        .collect();
    // An unwritable output should be reported before the download.
    outputs.iter().try_for_each(Output::check)?;
    let interrupt = Interrupt::listen().map_err(Error::io("cannot listen for Ctrl-C"))?;
    let mut storage = Storage::open(&args.sources, cwd, env, ProgressMode::Plain, ui)?;
    let asked = Asked {
        request,
        packing,
        outputs,
        tags: args.tags,
        lock: args.lock.map(|path| cwd.join(path)),
        sources: args.sources,
        env,
        interrupt: &interrupt,
    };
    let (contents, image) = loop {
        match make(&asked, &storage.cache, ui) {
            Err(error) if !error.is_interrupt() && storage.goes_on(ui)? => {}
            done => break done?,
        }
    };
    storage.tidy(ui)?;
    let text = if args.json {
        super::json(&as_json(&contents, &image))?
    } else {
        as_text(&contents, &image)
    };
    ui.out()
        .write_all(text.as_bytes())
        .map_err(Error::io("cannot write to stdout"))
}

/// The request, and the means to fulfil it.
struct Asked<'a> {
    request: Request,
    packing: Packing,
    outputs: Vec<Output>,
    tags: Vec<ImageRef>,
    lock: Option<PathBuf>,
    sources: SourceArgs,
    env: &'a Env,
    interrupt: &'a Interrupt,
}

fn make(asked: &Asked<'_>, cache: &Cache, ui: &mut Ui) -> Result<(Contents, Image), Error> {
    let Asked {
        request, packing, ..
    } = asked;
    let ui = RefCell::new(ui);
    // A closed stderr is no reason to fail.
    let begins = |url: &str| {
        let url = credential::redacted(url);
        drop(ui.borrow_mut().report(&format!("downloading {url}\n")));
    };
    let stop = || asked.interrupt.is_raised();
    let to = Listener {
        begins: &begins,
        stop: &stop,
    };
    let maker = Maker::new(asked.sources.clone(), cache.clone(), asked.env, to)?;
    let contents = match &asked.lock {
        Some(path) => locked(&maker, request, path)?,
        None => maker.resolve(request)?,
    };
    let image = || -> Result<Image, BaseError> {
        let base = maker.assemble(&contents, &request.platform, *packing)?;
        let image = base.into_image();
        for output in &asked.outputs {
            oci::write(&image, &asked.tags, output, &maker.cache, &stop)?;
        }
        Ok(image)
    };
    // Damaged cache entries have been deleted by now.
    let made = image().or_else(|error| {
        if error.is_damage() {
            image()
        } else {
            Err(error)
        }
    })?;
    Ok((contents, made))
}

/// The locked contents. What the lock lacks is resolved and locked.
fn locked(maker: &Maker<'_>, request: &Request, path: &Path) -> Result<Contents, Error> {
    let mut lock = Lock::read(path)?;
    if let Some(contents) = lock.find(request, path)? {
        let stripped = request.stripped;
        return Ok(Contents {
            stripped,
            ..contents.clone()
        });
    }
    let file = AtomicFile::begin(path)?;
    let contents = maker.resolve(request)?;
    lock.add(request, &contents);
    file.write(|file| file.write_all(lock.text().as_bytes()))?;
    Ok(contents)
}

/// The output of `--json`.
fn as_json(contents: &Contents, image: &Image) -> serde_json::Value {
    let layers = image.layers.iter().map(|layer| {
        json!({
            "title": layer.title,
            "digest": layer.descriptor.digest,
            "size": layer.descriptor.size,
            "unpackedSize": layer.unpacked,
            "diffId": layer.diff_id,
        })
    });
    json!({
        "platform": image.platform.to_string(),
        "digest": image.digest(),
        "contents": contents,
        "layers": layers.collect::<Vec<_>>(),
    })
}

/// The output for people.
fn as_text(contents: &Contents, image: &Image) -> String {
    let mut text = format!("built-in base for {}, Debian 12\n\n", image.platform);
    let packages = contents.packages.iter().chain(&contents.nginx);
    let versions = packages.map(|(name, package)| (name.as_str(), package.version.as_str()));
    let node = contents.node.iter();
    for (name, version) in versions.chain(node.map(|node| ("node", node.version.as_str()))) {
        let _ = writeln!(text, "  {name:<16}{version}");
    }
    text.push('\n');
    for layer in &image.layers {
        let (unpacked, packed) = (
            report::size(layer.unpacked),
            report::size(layer.descriptor.size),
        );
        let _ = writeln!(text, "  {:<24}{unpacked}, {packed} compressed", layer.title);
    }
    let _ = writeln!(text, "\ndigest  {}", image.digest());
    text
}
