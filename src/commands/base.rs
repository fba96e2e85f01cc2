//! `slimbuild base`: the built-in base alone, with what is in it.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;

use super::maker::{Maker, epoch};
use crate::base::{BaseError, Contents, Lock, Request};
use crate::cli::BaseArgs;
use crate::engine::Interrupt;
use crate::env::Env;
use crate::error::Error;
use crate::fetch::Listener;
use crate::image::Platform;
use crate::oci::{self, Image, Output, Packing};
use crate::report;
use crate::ui::Ui;
use crate::whole::Whole;

/// Makes the base, and prints its contents and its digest.
pub fn run(args: BaseArgs, cwd: &Path, env: &Env, ui: &mut Ui) -> Result<(), Error> {
    let request = Request {
        platform: args.platform.unwrap_or_else(Platform::host),
        node: args.node,
        nginx: args.nginx,
        pull: args.pull,
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
    // What cannot be written is better known before all is downloaded than after.
    outputs.iter().try_for_each(Output::check)?;
    let err = RefCell::new(ui.err());
    // Nobody is kept from an image because stderr is closed.
    let begins = |url: &str| drop(writeln!(err.borrow_mut(), "downloading {url}"));
    let interrupt = Interrupt::listen().map_err(Error::io("cannot listen for Ctrl-C"))?;
    let stop = || interrupt.is_raised();
    let to = Listener {
        begins: &begins,
        stop: &stop,
    };
    let maker = Maker::new(args.sources, cwd, env, to)?;
    let contents = match &args.lock {
        Some(path) => locked(&maker, &request, &cwd.join(path))?,
        None => maker.resolve(&request)?,
    };
    let make = || -> Result<Image, BaseError> {
        let image = maker.assemble(&contents, &request.platform, packing)?;
        for output in &outputs {
            oci::write(&image, &args.tags, output, &maker.cache)?;
        }
        Ok(image)
    };
    // What was damaged in the cache is thrown away by then.
    let image = make().or_else(|error| {
        if error.is_damage() {
            make()
        } else {
            Err(error)
        }
    })?;
    maker.cache.sweep();
    let text = if args.json {
        super::json(&as_json(&contents, &image))?
    } else {
        as_text(&contents, &image)
    };
    ui.out()
        .write_all(text.as_bytes())
        .map_err(Error::io("cannot write to stdout"))
}

/// What a lock says, or what there is now, which it says from then on.
fn locked(maker: &Maker<'_>, request: &Request, path: &Path) -> Result<Contents, Error> {
    let mut lock = Lock::read(path)?;
    if let Some(contents) = lock.find(request, path)? {
        return Ok(contents.clone());
    }
    let file = Whole::begin(path)?;
    let contents = maker.resolve(request)?;
    lock.add(request, &contents);
    file.write(|file| file.write_all(lock.text().as_bytes()))?;
    Ok(contents)
}

/// What `--json` prints.
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

/// The same for people.
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
