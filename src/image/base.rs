//! The built-in base: what a node program needs beneath it, made of Debian's packages and npm's
//! build of node, without a registry.
//!
//! Input: a platform, a version of node, and package sources. Output: an [`Image`] of two layers
//! with nothing of the user's in it. For a static site, the second layer holds nginx instead of
//! node.
//!
//! ```text
//! InRelease, signed by Debian's keys ─► Packages, by checksum ─► versions and checksums ─► Contents     debian, keys, openpgp
//! node-linux-ARCH of the npm registry ─► version and integrity ─────────────────────────► Contents     node
//! Contents ─► packages, by checksum ─► files, and what maintainer scripts would make ─► a layer        deb, system
//! Contents ─► node, by integrity ─► a layer                                                            node
//! ```
//!
//! [`Contents`] decides everything: the same contents give the same image. A [`Lock`] stores them.

mod deb;
mod debian;
mod error;
mod keys;
mod lock;
mod node;
mod openpgp;
mod strip;
mod system;
mod version;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use debian::DebianPackage;
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

/// The user that runs the app.
const USER: &str = "65532:65532";
/// The user that runs nginx, as in the official image.
const WEB: &str = "101:101";
/// The home directory of [`USER`].
const HOME: &str = "/home/nonroot";
/// Raised when the same contents would give a different image.
const RECIPE: &str = "recipe 1";
/// The kind of the cache's notes about available versions.
const NOTE_KIND: &str = "bases";
/// Adds to a layer the files that no package contains.
type Complete<'c> = &'c dyn Fn(&mut Entries) -> Result<(), BaseError>;

/// How long a resolved version is reused.
const REUSED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Package sources.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The directory that holds `debian` and `debian-security`.
    pub debian: String,
    /// An npm registry.
    pub npm: String,
    /// The keys whose signatures are trusted.
    pub keys: Keys,
}

impl Default for Sources {
    /// Debian's own mirror and npm's own registry.
    fn default() -> Self {
        Self {
            debian: "https://deb.debian.org".to_owned(),
            npm: "https://registry.npmjs.org".to_owned(),
            keys: Keys::debian(),
        }
    }
}

/// The base to make.
#[derive(Debug, Clone)]
pub struct Request {
    pub platform: Platform,
    /// A version of node or its first numbers: `22`, `22.11`, `22.11.0`. `None` leaves node out.
    pub node: Option<String>,
    /// Whether to add nginx, for a static site.
    pub nginx: bool,
    /// Whether to look up versions again, even if the last answer is fresh.
    pub pull: bool,
    /// Whether node gets no symbols: a seventh of it. Debuggers and profilers miss them.
    pub stripped: bool,
}

/// The contents of a base, pinned to the byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Contents {
    /// Debian's packages by name.
    pub packages: BTreeMap<String, DebianPackage>,
    /// The packages that serve a static site, in the second layer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub nginx: BTreeMap<String, DebianPackage>,
    /// The node program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Node>,
    /// Whether node has no symbols.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stripped: bool,
}

/// A cached answer.
#[derive(Serialize, Deserialize)]
struct Asked<T> {
    at: u64,
    contents: T,
}

/// Looks up the current versions. An answer from the last day is reused.
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
            stripped: request.stripped,
        })
    })
}

/// The built-in base as an image. Only [`assemble`] makes one, from contents known by digest.
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

    /// The image, to be changed. It then no longer counts as the built-in base.
    pub fn into_image(self) -> Image {
        self.image
    }

    /// The path of node in the image, if the base has node.
    pub fn node(&self) -> Option<&'static str> {
        self.node
    }
}

/// Makes the image. Downloads and layers in the cache are reused.
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
    let node = NodeProgram {
        node,
        architecture: npm,
        stripped: contents.stripped,
    };
    image.push(node.pack(sources, packing, net, cache)?);
    // For programs that are started by name.
    image.config.set_env("PATH", &format!("{path}:/nodejs/bin"));
    image.config.entrypoint = vec![format!("/{}", node::PROGRAM)];
    let node = Some(node::PROGRAM);
    Ok(OwnBase { image, node })
}

/// A layer with node alone, for a base from elsewhere that has the libraries node needs. A version
/// found within the last day is reused.
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
    let node = NodeProgram {
        node: &node,
        architecture: npm,
        stripped: request.stripped,
    };
    node.pack(sources, packing, net, cache)
}

/// The program for a layer.
struct NodeProgram<'n> {
    node: &'n Node,
    /// The processor in npm's terms.
    architecture: &'n str,
    stripped: bool,
}

impl NodeProgram<'_> {
    fn pack(
        &self,
        sources: &Sources,
        packing: Packing,
        net: &Net<'_>,
        cache: &Cache,
    ) -> Result<ImageLayer, BaseError> {
        let (node, stripped) = (self.node, self.stripped.then_some("without symbols"));
        let title = match stripped {
            Some(words) => format!("node {} {words}", node.version),
            None => format!("node {}", node.version),
        };
        let parts = [RECIPE, &node.integrity].into_iter().chain(stripped);
        let parts: Vec<&str> = parts.collect();
        // The unpacked file must exist until the layer is packed.
        let mut unpacked = None;
        pack_keyed(&title, &parts, packing, cache, || {
            let file = node::download(node, self.architecture, sources, net, cache)?;
            let entries = node::unpack(&file, cache, &mut unpacked)?;
            if let (Some(unpacked), true) = (&unpacked, self.stripped) {
                node::strip(unpacked)?;
            }
            Ok::<_, BaseError>(Layer {
                title: title.clone(),
                entries,
            })
        })
    }
}

/// The answer noted for this key, if it is less than a day old; else asks, passing the time in
/// seconds since 1970.
fn asked<T: Serialize + DeserializeOwned>(
    pull: bool,
    key: &Digest,
    cache: &Cache,
    ask: impl FnOnce(u64) -> Result<T, BaseError>,
) -> Result<T, BaseError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let at = now.unwrap_or_default().as_secs();
    if !pull
        && let Some(asked) = cache.note::<Asked<T>>(NOTE_KIND, key)
        && at.saturating_sub(asked.at) < REUSED_FOR.as_secs()
    {
        return Ok(asked.contents);
    }
    let asked = Asked {
        at,
        contents: ask(at)?,
    };
    cache.write_note(NOTE_KIND, key, &asked);
    Ok(asked.contents)
}

/// The names of the platform's processor in Debian and npm.
fn architecture(platform: &Platform) -> Result<(&'static str, &'static str), BaseError> {
    match platform.parts() {
        ("linux", "amd64", None) => Ok(("amd64", "x64")),
        ("linux", "arm64", None | Some("v8")) => Ok(("arm64", "arm64")),
        _ => Err(BaseError::Platform(platform.to_string())),
    }
}

#[cfg(test)]
mod tests;
