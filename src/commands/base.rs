//! `slimbuild base`: the built-in base alone, with what is in it.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::Whole;
use crate::base::{self, BaseError, Contents, Lock, Request, Sources};
use crate::cache::Cache;
use crate::cli::{BaseArgs, SourceArgs};
use crate::env::Env;
use crate::error::Error;
use crate::fetch::{Net, Proxies};
use crate::image::Platform;
use crate::oci::{self, Image, Output, Packing};
use crate::report;
use crate::ui::Ui;

/// Makes the base, and prints its contents and its digest.
pub fn run(args: BaseArgs, cwd: &Path, env: &Env, ui: &mut Ui) -> Result<(), Error> {
    let request = Request {
        platform: args.platform.unwrap_or_else(Platform::host),
        node: args.node,
        pull: args.sources.pull,
    };
    let packing = Packing {
        epoch: epoch(env)?,
        compression: args.compression.into(),
    };
    let err = RefCell::new(ui.err());
    // Nobody is kept from an image because stderr is closed.
    let begins = |url: &str| drop(writeln!(err.borrow_mut(), "downloading {url}"));
    let maker = Maker::new(args.sources, cwd, env, &begins)?;
    let contents = match &args.lock {
        Some(path) => locked(&maker, &request, &cwd.join(path))?,
        None => maker.resolve(&request)?,
    };
    let outputs: Vec<Output> = args.outputs.iter().map(|output| at(output, cwd)).collect();
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

/// What makes bases: mirrors, the network, the cache.
struct Maker<'m> {
    sources: Sources,
    net: Net<'m>,
    cache: Cache,
}

impl<'m> Maker<'m> {
    fn new(
        args: SourceArgs,
        cwd: &Path,
        env: &Env,
        begins: &'m dyn Fn(&str),
    ) -> Result<Self, Error> {
        let default = Sources::default();
        let sources = Sources {
            debian: args.debian_mirror.unwrap_or(default.debian),
            npm: args.npm_registry.unwrap_or(default.npm),
            keys: default.keys,
        };
        // As curl: the names are known in both cases, but HTTP_PROXY in lower case alone is safe where a web server sets variables.
        let either = |upper: &str| {
            let lower = upper.to_lowercase();
            env.get(&lower)
                .or_else(|| env.get(upper))
                .map(str::to_owned)
        };
        let all = either("ALL_PROXY");
        let proxies = Proxies {
            http: either("HTTP_PROXY").or_else(|| all.clone()),
            https: either("HTTPS_PROXY").or(all),
            none: either("NO_PROXY"),
        };
        Ok(Self {
            sources,
            net: Net::new(&proxies, begins)?,
            cache: Cache::open(&cache_directory(args.cache_dir, cwd, env)?)?,
        })
    }

    fn resolve(&self, request: &Request) -> Result<Contents, BaseError> {
        base::resolve(request, &self.sources, &self.net, &self.cache)
    }

    fn assemble(
        &self,
        contents: &Contents,
        platform: &Platform,
        packing: Packing,
    ) -> Result<Image, BaseError> {
        base::assemble(
            contents,
            platform,
            &self.sources,
            packing,
            &self.net,
            &self.cache,
        )
    }
}

/// What a lock says, or what there is now, which it says from then on.
fn locked(maker: &Maker<'_>, request: &Request, path: &Path) -> Result<Contents, Error> {
    let mut lock = Lock::read(path)?;
    if let Some(contents) = lock.find(request, path)? {
        return Ok(contents.clone());
    }
    let contents = maker.resolve(request)?;
    lock.add(request, &contents);
    Whole::begin(path)?.finish(|file| file.write_all(lock.text().as_bytes()))?;
    Ok(contents)
}

fn cache_directory(given: Option<PathBuf>, cwd: &Path, env: &Env) -> Result<PathBuf, Error> {
    let given = given.map(|path| cwd.join(path));
    let directory = given.or_else(|| Cache::directory(env.get("XDG_CACHE_HOME"), env.get("HOME")));
    directory.ok_or_else(|| Error::Usage {
        message: "there is no home directory to keep a cache in".to_owned(),
        hint: Some("name a directory with `--cache-dir DIR`".to_owned()),
    })
}

/// The time that everything in an image has: reproducible-builds.org's variable, or zero.
fn epoch(env: &Env) -> Result<u64, Error> {
    let Some(text) = env.get("SOURCE_DATE_EPOCH") else {
        return Ok(0);
    };
    text.parse().map_err(|_| Error::Usage {
        message: format!("SOURCE_DATE_EPOCH is `{text}`, which is no number of seconds"),
        hint: Some("set it to seconds since 1970, as in `git log -1 --format=%ct`".to_owned()),
    })
}

fn at(output: &Output, cwd: &Path) -> Output {
    match output {
        Output::Archive(path) => Output::Archive(cwd.join(path)),
        Output::Directory(path) => Output::Directory(cwd.join(path)),
    }
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
    let packages = contents.packages.iter();
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
