//! The sizes of an image as text. Lines fit a terminal of 80 columns.

use super::lines::Lines;
use super::why::chain;
use super::{count, size};
use crate::ask::size::{PackageSize, Repeated, Size, Spare, Twin};
use crate::ask::why::Chain;
use crate::image::contents::{Kind, Weight};

/// The width of a terminal that is always there.
const WIDTH: usize = 80;
/// How many findings of each sort are shown.
const FINDINGS: usize = 5;

/// The sizes, with this many packages.
pub fn image_size(sizes: &Size, top: usize, received: u64) -> String {
    let mut text = Lines::default();
    let rows = Rows {
        packed: sizes.weight.compressed.is_some(),
    };
    text.line(format_args!("{}, {}", sizes.image, sizes.platform));
    let unpacked = size(sizes.weight.unpacked);
    if let Some(packed) = sizes.weight.compressed {
        text.line(format_args!(
            "{unpacked} unpacked, {} to pull",
            size(packed)
        ));
    } else {
        text.line(format_args!("{unpacked} unpacked"));
        text.line(format_args!(
            "its layers are uncompressed here: what a pull would transfer is not known"
        ));
    }
    if received > 0 {
        text.line(format_args!(
            "{} were read from the registry",
            size(received)
        ));
    }
    rows.head(&mut text, "by kind");
    for kind in &sizes.kinds {
        let several = matches!(kind.kind, Kind::Package | Kind::Workspace | Kind::System);
        let number = if several {
            format!(" ({})", kind.packages)
        } else {
            String::new()
        };
        let name = format!("{}{number}", word(kind.kind));
        rows.row(&mut text, kind.weight, kind.files, &name);
    }
    rows.head(&mut text, "by layer, the lowest first");
    for (at, layer) in sizes.layers.iter().enumerate() {
        let made_by = layer.made_by.as_deref().unwrap_or_default();
        let name = format!("{:>2}  {}", at + 1, command(made_by));
        rows.row(&mut text, layer.weight, layer.files, name.trim_end());
    }
    packages(&mut text, &rows, sizes, top);
    findings(&mut text, sizes);
    text.into_text()
}

fn packages(text: &mut Lines, rows: &Rows, sizes: &Size, top: usize) {
    rows.head(text, "by package, the largest first");
    let is_shown = |row: &&PackageSize| !matches!(row.kind, Kind::Hidden | Kind::Archive);
    let mut all = sizes.packages.iter().filter(is_shown);
    for package in all.by_ref().take(top) {
        let name = match package.kind {
            Kind::Workspace => format!("{} (workspace)", package.label()),
            Kind::System => format!("{} (system)", package.label()),
            _ => package.label(),
        };
        rows.row(text, package.weight, package.files, &name);
        // A dependency of the app itself needs no explanation.
        if let Some(chain) = package.chain.as_ref().filter(|it| it.steps.len() > 1) {
            text.line(format_args!("{}", indented(&shortened(chain, WIDTH - 6))));
        }
    }
    let rest: Vec<&PackageSize> = all.collect();
    if !rest.is_empty() {
        let weight = rest.iter().map(|row| row.weight).sum();
        let files = rest.iter().map(|row| row.files).sum();
        let name = format!("… {} more (--top shows them)", rest.len());
        rows.row(text, weight, files, &name);
    }
}

fn findings(text: &mut Lines, sizes: &Size) {
    let mut group = |title: &str, lines: Vec<String>, more: usize| {
        if lines.is_empty() {
            return;
        }
        text.gap();
        text.line(format_args!("{title}"));
        for line in lines {
            text.line(format_args!("{}", clip(&format!("  {line}"), WIDTH)));
        }
        if more > 0 {
            text.line(format_args!("  … {more} more"));
        }
    };
    let rest = |number: usize| number.saturating_sub(FINDINGS);
    let versions = |it: &Repeated| {
        let versions = it.versions.join(", ");
        format!("{:>10}  {} {versions}", size(it.weight.unpacked), it.name)
    };
    let shown = sizes.versions.iter().take(FINDINGS).map(versions);
    group(
        "in several versions",
        shown.collect(),
        rest(sizes.versions.len()),
    );
    let twin = |it: &Twin| {
        let other = it.other.join(", ");
        format!("{:>10}  {} ({other})", size(it.weight.unpacked), it.package)
    };
    let shown = sizes.twins.iter().take(FINDINGS).map(twin);
    group(
        "for another platform or another C library",
        shown.collect(),
        rest(sizes.twins.len()),
    );
    let spare = |it: &Spare| {
        format!(
            "{:>10}  {} in {}, most in {}",
            size(it.weight.unpacked),
            it.what,
            count(it.files, "file"),
            it.most
        )
    };
    group(
        "files of packages that programs seldom read",
        sizes.spare.iter().map(spare).collect(),
        0,
    );
}

/// Rows with sizes in columns.
struct Rows {
    packed: bool,
}

impl Rows {
    fn head(&self, text: &mut Lines, what: &str) {
        text.gap();
        let packed = if self.packed { "     to pull" } else { "" };
        text.line(format_args!("{:>10}{packed}   files  {what}", "unpacked"));
    }

    fn row(&self, text: &mut Lines, weight: Weight, files: usize, name: &str) {
        let packed = match weight.compressed {
            Some(packed) if self.packed => format!("  {:>10}", size(packed)),
            _ => String::new(),
        };
        let line = format!("{:>10}{packed}  {files:>6}  {name}", size(weight.unpacked));
        text.line(format_args!("{}", clip(&line, WIDTH)));
    }
}

/// What a kind is called.
pub(super) fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Package => "packages of registries",
        Kind::Workspace => "packages of the workspace",
        Kind::App => "the app",
        Kind::Node => "node",
        Kind::System => "packages of the system",
        Kind::Other => "files of no package",
        Kind::Hidden => "replaced or removed by a later layer",
        Kind::Archive => "names and padding of the tars",
    }
}

/// The command that made a layer, without what all of them have.
pub fn command(made_by: &str) -> String {
    let short = made_by
        .trim_start_matches("/bin/sh -c ")
        .trim_start_matches("#(nop) ");
    let short = short.split(" # buildkit").next().unwrap_or(short).trim();
    short.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn indented(line: &str) -> String {
    format!("    {line}")
}

/// A chain, without its middle if it is too long.
pub fn shortened(whole: &Chain, width: usize) -> String {
    let text = chain(whole);
    if text.chars().count() <= width {
        return text;
    }
    let mut steps = whole.steps.clone();
    let last = steps.pop();
    while steps.len() > 1 {
        steps.pop();
        let start = Chain {
            from: whole.from.clone(),
            steps: steps.clone(),
        };
        let end = last
            .as_ref()
            .map(|step| step.to.as_str())
            .unwrap_or_default();
        let text = format!("{} → … → {end}", chain(&start));
        if text.chars().count() <= width {
            return text;
        }
    }
    clip(&text, width)
}

/// The text, shortened to a width.
pub(super) fn clip(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let start: String = text.chars().take(width - 1).collect();
    start + "…"
}
