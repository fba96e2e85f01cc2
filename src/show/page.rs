//! What is in an image as one page of HTML, with a map to walk into.
//!
//! Input: [`Contents`] and the [`Size`] of an image, or of two. Output: the page. It loads nothing, and has
//! room for 1,500 packages: of many files, the largest are told, and the others as one.

use serde::Serialize;

use crate::ask::size::{PackageSize, Size};
use crate::image::contents::{Contents, File, Kind, Owner, Weight};
use crate::show::report;
use crate::system::terminal::escape_json;

const TEMPLATE: &str = include_str!("../../templates/size.html");
/// Where the data goes.
const PLACE: &str = ">DATA<";
/// Letters of all paths on the page.
const PATHS: usize = 600_000;
/// Packages of a layer, the largest first; the others of a kind are told as one.
const PACKAGES: usize = 2000;
/// Letters of a chain.
const CHAIN: usize = 300;

/// An image for the page.
#[derive(Serialize)]
struct Page<'p> {
    image: &'p str,
    platform: &'p str,
    u: u64,
    c: Option<u64>,
    layers: Vec<OfLayer<'p>>,
}

#[derive(Serialize)]
struct OfLayer<'p> {
    by: String,
    u: u64,
    c: Option<u64>,
    packages: Vec<OfPackage<'p>>,
}

#[derive(Serialize)]
struct OfPackage<'p> {
    name: String,
    kind: Kind,
    u: u64,
    c: Option<u64>,
    count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<String>,
    files: Vec<(&'p str, u64, Option<u64>)>,
    /// How many more files, and their bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    rest: Option<(usize, u64, Option<u64>)>,
}

/// The page of one image, or of two beside each other.
pub fn page(images: &[(&Size, &Contents)]) -> String {
    let room = PATHS / images.len().max(1);
    let pages: Vec<Page<'_>> = images
        .iter()
        .map(|(size, contents)| of_image(size, contents, room))
        .collect();
    let data = serde_json::to_string(&pages).unwrap_or_default();
    // Nothing in it can end the script.
    let data = escape_json(&data).replace('<', "\\u003c");
    TEMPLATE.replacen(PLACE, &format!(">{data}<"), 1)
}

fn of_image<'p>(size: &'p Size, contents: &'p Contents, room: usize) -> Page<'p> {
    let least = least(contents, room);
    let layers = size.layers.iter().enumerate().map(|(at, layer)| OfLayer {
        by: report::command(layer.made_by.as_deref().unwrap_or_default())
            .chars()
            .take(200)
            .collect(),
        u: layer.weight.unpacked,
        c: layer.weight.compressed,
        packages: packages(size, contents, at, least),
    });
    Page {
        image: &size.image,
        platform: &size.platform,
        u: size.weight.unpacked,
        c: size.weight.compressed,
        layers: layers.collect(),
    }
}

/// Files with fewer bytes than this are not told one by one, so that the page stays small.
fn least(contents: &Contents, room: usize) -> u64 {
    let mut files: Vec<&File> = contents.files.iter().collect();
    files.sort_by_key(|file| u64::MAX - file.weight.unpacked);
    let mut left = room;
    for file in files {
        // Numbers and signs take letters too.
        let letters = file.path.len() + 24;
        if letters > left {
            return file.weight.unpacked + 1;
        }
        left -= letters;
    }
    0
}

fn packages<'p>(
    size: &Size,
    contents: &'p Contents,
    layer: usize,
    least: u64,
) -> Vec<OfPackage<'p>> {
    let mut files: Vec<Vec<&File>> = vec![Vec::new(); contents.owners.len()];
    for file in contents.files.iter().filter(|file| file.layer == layer) {
        files[file.owner].push(file);
    }
    let owners = contents.owners.iter().zip(files);
    let mut packages: Vec<OfPackage<'_>> = owners
        .filter(|(_, files)| !files.is_empty())
        .map(|(owner, files)| of_owner(size, owner, files, least))
        .collect();
    packages.sort_by_key(|package| u64::MAX - package.u);
    if packages.len() > PACKAGES {
        let others = packages.split_off(PACKAGES);
        let mut one = OfPackage {
            name: format!("{} smaller packages", others.len()),
            kind: Kind::Other,
            u: others.iter().map(|package| package.u).sum(),
            c: others.iter().map(|package| package.c).sum(),
            count: others.iter().map(|package| package.count).sum(),
            chain: None,
            files: Vec::new(),
            rest: None,
        };
        one.rest = Some((one.count, one.u, one.c));
        packages.push(one);
    }
    let archive = contents.layers[layer].archive;
    packages.push(OfPackage {
        name: Owner::plain(Kind::Archive).name,
        kind: Kind::Archive,
        u: archive.unpacked,
        c: archive.compressed,
        count: 0,
        chain: None,
        files: Vec::new(),
        rest: None,
    });
    packages
}

fn of_owner<'p>(size: &Size, owner: &Owner, files: Vec<&'p File>, least: u64) -> OfPackage<'p> {
    let weight: Weight = files.iter().map(|file| file.weight).sum();
    let count = files.len();
    let (mut told, others): (Vec<&File>, Vec<&File>) = files
        .into_iter()
        .partition(|file| file.weight.unpacked >= least && file.weight.unpacked > 0);
    told.sort_by_key(|file| u64::MAX - file.weight.unpacked);
    let rest: Weight = others.iter().map(|file| file.weight).sum();
    let is_it = |row: &&PackageSize| {
        row.kind == owner.kind && row.name == owner.name && row.version == owner.version
    };
    let row = size.packages.iter().find(is_it);
    let chain = row.and_then(|row| row.chain.as_ref());
    OfPackage {
        name: owner.label(),
        kind: owner.kind,
        u: weight.unpacked,
        c: weight.compressed,
        count,
        chain: chain.map(|chain| report::shortened(chain, CHAIN)),
        files: told
            .into_iter()
            .map(|file| {
                (
                    shown(&file.path),
                    file.weight.unpacked,
                    file.weight.compressed,
                )
            })
            .collect(),
        rest: (rest.unpacked > 0).then_some((others.len(), rest.unpacked, rest.compressed)),
    }
}

/// The path of a file, without what all files of a package have.
fn shown(path: &str) -> &str {
    path.rsplit_once("node_modules/")
        .map_or(path, |(_, inside)| inside)
}
