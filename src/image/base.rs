//! The built-in base: what a program of node needs below itself, made of Debian's packages and the node that npm has, without a registry.
//!
//! Goes in: a platform, a version of node, and where packages come from. Comes out: an [`Image`] of two layers with nothing of the user's in it.
//! For a static site, the second has nginx instead of node.
//!
//! ```text
//! InRelease, signed by Debian's keys ─► Packages, by checksum ─► versions and checksums ─► Contents     debian, keys, openpgp
//! node-linux-ARCH of the npm registry ─► version and integrity ─────────────────────────► Contents     node
//! Contents ─► packages, by checksum ─► files, and what maintainer scripts would make ─► a layer        deb, system
//! Contents ─► node, by integrity ─► a layer                                                            node
//! ```
//!
//! [`Contents`] is all that decides: the same contents are the same image. A [`Lock`] keeps them.

mod deb;
mod debian;
mod error;
mod keys;
mod lock;
mod node;
mod openpgp;
mod system;
mod version;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use debian::Package;
pub use error::BaseError;
pub use keys::Keys;
pub use lock::Lock;
pub use node::Node;

use self::deb::Entries;
use self::debian::Packages;
use crate::image::layer::Layer;
use crate::image::oci::{Config, Image, ImageLayer, Packing, pack_keyed};
use crate::model::digest::Digest;
use crate::model::image::Platform;
use crate::store::cache::Cache;
use crate::store::fetch::Net;

/// Who runs the program.
const USER: &str = "65532:65532";
/// Who runs nginx, as in the official image.
const WEB: &str = "101:101";
/// Where its directory is.
const HOME: &str = "/home/nonroot";
/// Raised when the same contents would become another image.
const RECIPE: &str = "recipe 1";
/// The cache's notes about what mirrors have.
const NOTES: &str = "bases";
/// Adds to a layer what no package of it has.
type Complete<'c> = &'c dyn Fn(&mut Entries) -> Result<(), BaseError>;

/// How long it is not asked again what there is.
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// Where packages come from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The directory that has `debian` and `debian-security`.
    pub debian: String,
    /// A registry of npm.
    pub npm: String,
    /// Whose signatures are believed.
    pub keys: Keys,
}

impl Default for Sources {
    /// Debian's own mirrors and npm's own registry.
    fn default() -> Self {
        Self {
            debian: "https://deb.debian.org".to_owned(),
            npm: "https://registry.npmjs.org".to_owned(),
            keys: Keys::debian(),
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// What it runs on.
    pub platform: Platform,
    /// A version of node, or the beginning of one: `22`, `22.11`, `22.11.0`. Without it there is none.
    pub node: Option<String>,
    /// Whether it has nginx, for a static site.
    pub nginx: bool,
    /// Whether to ask what there is, however short ago that was asked.
    pub pull: bool,
}

/// What a base is made of, to the byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    /// Debian's packages, by name.
    pub packages: BTreeMap<String, Package>,
    /// Those that hand out a static site, on top.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub nginx: BTreeMap<String, Package>,
    /// The program that runs the apps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Node>,
}

/// What the cache notes.
#[derive(Serialize, Deserialize)]
struct Asked<T> {
    at: u64,
    contents: T,
}

/// Finds out which versions there are now. Within a day, what was found before is taken.
pub fn resolve(
    request: &Request,
    sources: &Sources,
    net: &Net<'_>,
    cache: &Cache,
) -> Result<Contents, BaseError> {
    let (debian, npm) = architecture(&request.platform)?;
    let key = format!("{RECIPE} {debian} {request:?} {sources:?}");
    let key = Digest::of(key.as_bytes());
    asked(request.pull, &key, cache, |now| {
        let (packages, nginx) = debian::resolve(debian, request.nginx, sources, now, net, cache)?;
        let version = request.node.as_deref();
        let node = version.map(|version| node::resolve(version, npm, &sources.npm, net, cache));
        let node = node.transpose()?;
        Ok(Contents {
            packages,
            nginx,
            node,
        })
    })
}

/// The built-in base as an image: nobody but [`assemble`] makes one, of what is known by its digest.
#[derive(Debug, Clone)]
pub struct OwnBase {
    image: Image,
    node: Option<&'static str>,
}

impl OwnBase {
    /// The image.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// The image, to be changed: what comes out may be anybody's.
    pub fn into_image(self) -> Image {
        self.image
    }

    /// Where its node lies, from its root, if it has one.
    pub fn node(&self) -> Option<&'static str> {
        self.node
    }
}

/// Makes the image. What the cache has is neither downloaded nor unpacked.
pub fn assemble(
    contents: &Contents,
    platform: &Platform,
    sources: &Sources,
    packing: Packing,
    net: &Net<'_>,
    cache: &Cache,
) -> Result<OwnBase, BaseError> {
    let (_, npm) = architecture(platform)?;
    let mut image = Image::empty(platform.clone(), packing.epoch);
    let of_packages = |title: &str, packages: &Packages, complete: Complete<'_>| {
        let sums = packages.values().map(|package| package.sha256.as_str());
        let parts: Vec<&str> = std::iter::once(RECIPE).chain(sums).collect();
        pack_keyed(title, &parts, packing, cache, || {
            let mut entries = BTreeMap::new();
            for (name, package) in packages {
                let file = package.download(sources, net, cache)?;
                deb::unpack(name, &file, &mut entries)?;
            }
            complete(&mut entries)?;
            Ok::<_, BaseError>(Layer {
                title: title.to_owned(),
                entries,
            })
        })
    };
    let title = "base of Debian packages";
    image.push(of_packages(title, &contents.packages, &system::complete)?);
    image.config = Config {
        user: USER.to_owned(),
        working_dir: HOME.to_owned(),
        ..Config::default()
    };
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let certificates = format!("/{}", system::CERTIFICATES);
    image.config.set_env("SSL_CERT_FILE", &certificates);
    image.config.set_env("PATH", path);
    if let Some(nginx) = contents.nginx.get("nginx") {
        let title = format!("nginx {}", nginx.version);
        image.push(of_packages(&title, &contents.nginx, &|entries| {
            system::web(entries);
            Ok(())
        })?);
        WEB.clone_into(&mut image.config.user);
        "/".clone_into(&mut image.config.working_dir);
        image.config.entrypoint = vec!["nginx".to_owned()];
    }
    let Some(node) = &contents.node else {
        return Ok(OwnBase { image, node: None });
    };
    image.push(pack_node(node, npm, sources, packing, net, cache)?);
    // Programs that are started by name find it too.
    image.config.set_env("PATH", &format!("{path}:/nodejs/bin"));
    image.config.entrypoint = vec![format!("/{}", node::PROGRAM)];
    let node = Some(node::PROGRAM);
    Ok(OwnBase { image, node })
}

/// Node alone, for a base of somebody else that has what it needs below itself. Within a day, the version that was found before is taken.
pub fn node_layer(
    request: &Request,
    sources: &Sources,
    packing: Packing,
    net: &Net<'_>,
    cache: &Cache,
) -> Result<ImageLayer, BaseError> {
    let (_, npm) = architecture(&request.platform)?;
    let wanted = request.node.as_deref().unwrap_or("*");
    let key = format!("node {npm} {wanted} {}", sources.npm);
    let key = Digest::of(key.as_bytes());
    let node = asked(request.pull, &key, cache, |_| {
        node::resolve(wanted, npm, &sources.npm, net, cache)
    })?;
    pack_node(&node, npm, sources, packing, net, cache)
}

fn pack_node(
    node: &Node,
    npm: &str,
    sources: &Sources,
    packing: Packing,
    net: &Net<'_>,
    cache: &Cache,
) -> Result<ImageLayer, BaseError> {
    let title = format!("node {}", node.version);
    // What is unpacked must stay until the layer is packed.
    let mut unpacked = None;
    pack_keyed(&title, &[RECIPE, &node.integrity], packing, cache, || {
        let file = node::download(node, npm, sources, net, cache)?;
        Ok::<_, BaseError>(Layer {
            title: title.clone(),
            entries: node::unpack(&file, cache, &mut unpacked)?,
        })
    })
}

/// What is known under a key since less than a day, else what is found out now, at these seconds since 1970.
fn asked<T: Serialize + DeserializeOwned>(
    pull: bool,
    key: &Digest,
    cache: &Cache,
    ask: impl FnOnce(u64) -> Result<T, BaseError>,
) -> Result<T, BaseError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let at = now.unwrap_or_default().as_secs();
    if !pull
        && let Some(asked) = cache.note::<Asked<T>>(NOTES, key)
        && at.saturating_sub(asked.at) < FRESH.as_secs()
    {
        return Ok(asked.contents);
    }
    let asked = Asked {
        at,
        contents: ask(at)?,
    };
    cache.write_note(NOTES, key, &asked);
    Ok(asked.contents)
}

/// What Debian and npm call the platform's processor.
fn architecture(platform: &Platform) -> Result<(&'static str, &'static str), BaseError> {
    match platform.parts() {
        ("linux", "amd64", None) => Ok(("amd64", "x64")),
        ("linux", "arm64", None | Some("v8")) => Ok(("arm64", "arm64")),
        _ => Err(BaseError::Platform(platform.to_string())),
    }
}

#[cfg(test)]
mod tests;
