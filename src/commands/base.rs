//! `slimbuild base`: makes the built-in base, and prints its contents.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::resources::{Maker, epoch};
use super::storage::Storage;
use crate::cli::{BaseArgs, SourceArgs};
use crate::commands::error::Error;
use crate::engine::Interrupt;
use crate::image::base::{BaseError, Contents, Lock, Request};
use crate::image::oci::{self, Image, Output, Packing};
use crate::model::digest::Digest;
use crate::model::image::{ImageRef, Platform};
use crate::show::downloads::Downloads;
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
        super::json(&Document::new(&contents, &image))?
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
    let downloads = Downloads::new(ProgressMode::Auto, ui);
    let begins = |url: &str| downloads.begins(&credential::redacted(url));
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
    downloads.finish();
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
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Document<'b> {
    /// The platform: `linux/amd64`.
    platform: String,
    /// The digest of the image's manifest.
    digest: Digest,
    /// What is in it, pinned to the byte.
    contents: &'b Contents,
    /// Its layers, the lowest first.
    layers: Vec<Layer<'b>>,
}

/// A layer.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Layer<'b> {
    /// What it is.
    title: &'b str,
    /// The digest of its blob.
    digest: &'b Digest,
    /// The bytes of its blob.
    size: u64,
    /// The bytes of its files' archive.
    unpacked_size: u64,
    /// The digest of its files' archive.
    diff_id: &'b Digest,
}

impl<'b> Document<'b> {
    fn new(contents: &'b Contents, image: &'b Image) -> Self {
        let layers = image.layers.iter().map(|layer| Layer {
            title: &layer.title,
            digest: &layer.descriptor.digest,
            size: layer.descriptor.size,
            unpacked_size: layer.unpacked,
            diff_id: &layer.diff_id,
        });
        Self {
            platform: image.platform.to_string(),
            digest: image.digest(),
            contents,
            layers: layers.collect(),
        }
    }
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
