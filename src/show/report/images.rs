//! What differs between two images, as text and as Markdown.

use std::fmt::Write as _;

use super::lines::Lines;
use super::sizes::{clip, command, shortened, word};
use super::summary::{code, plain};
use super::{count, size};
use crate::ask::size::{Change, Difference, FileChange, PackageChange, Setting, State};
use crate::image::contents::Kind;

/// The width of a terminal that is always there.
const WIDTH: usize = 80;
/// The longest value of a setting that is shown.
const VALUE: usize = 200;

/// The difference as text, with this many packages and files.
pub fn image_difference(it: &Difference, top: usize) -> String {
    let mut text = Lines::default();
    text.line(format_args!("- {}", it.old.image));
    text.line(format_args!("+ {}", it.new.image));
    if it.is_empty() {
        text.line(format_args!("the images are equal"));
        return text.into_text();
    }
    text.gap();
    text.line(format_args!("{}; {}", change(it.change), equal(it)));
    if it.received > 0 {
        text.line(format_args!(
            "{} were read from registries",
            size(it.received)
        ));
    }
    if !it.settings.is_empty() {
        text.gap();
        text.line(format_args!("settings"));
    }
    for setting in &it.settings {
        let (name, old, new) = words(setting);
        match (old, new) {
            (Some(old), Some(new)) => text.line(format_args!("  {name}: {old} → {new}")),
            (None, Some(new)) => text.line(format_args!("  {name}: {new} (new)")),
            (old, None) => {
                let old = old.unwrap_or_default();
                text.line(format_args!("  {name}: was {old}, is not set now"));
            }
        }
    }
    let mut group = |title: &str, lines: Vec<String>, all: usize| {
        if lines.is_empty() {
            return;
        }
        text.gap();
        text.line(format_args!("{title}"));
        let shown = lines.len();
        for line in lines {
            text.line(format_args!("{}", clip(&line, WIDTH)));
        }
        if shown < all {
            text.line(format_args!("  … {} more (--top shows them)", all - shown));
        }
    };
    let kinds = it.kinds.iter();
    let kinds = kinds.map(|kind| row(kind.change, word(kind.kind)));
    group("by kind", kinds.collect(), it.kinds.len());
    for (title, state) in [
        ("packages added", State::Added),
        ("packages removed", State::Removed),
        ("packages with another version", State::Version),
        ("other sizes", State::Size),
    ] {
        let of_state = |package: &&PackageChange| package.state == state && is_row(package);
        let all: Vec<_> = it.packages.iter().filter(of_state).collect();
        let mut lines = Vec::new();
        for package in all.iter().take(top) {
            lines.push(row(package.change, &named(package)));
            if let Some(chain) = package.chain.as_ref().filter(|it| it.steps.len() > 1) {
                lines.push(format!("    {}", shortened(chain, WIDTH - 6)));
            }
        }
        let hidden = all.len().saturating_sub(top);
        let number = lines.len() + hidden;
        group(title, lines, number);
    }
    let files = it.files.iter().take(top).map(|file| {
        let bytes = signed(Some(file.change()));
        format!("{bytes:>12}  {} {}", sign(file), file.path)
    });
    group("files", files.collect(), it.files.len());
    let layer = |sign: &str, layer: &crate::ask::size::LayerSize| {
        let made_by = command(layer.made_by.as_deref().unwrap_or_default());
        let line = format!("{:>12}  {sign} {made_by}", size(layer.weight.unpacked));
        line.trim_end().to_owned()
    };
    let removed = it.layers_removed.iter().map(|it| layer("-", it));
    let added = it.layers_added.iter().map(|it| layer("+", it));
    let layers: Vec<String> = removed.chain(added).collect();
    let number = layers.len();
    group("layers", layers, number);
    text.into_text()
}

/// The difference as Markdown, for a pull request.
pub fn difference_in_markdown(it: &Difference, top: usize) -> String {
    let mut text = format!(
        "**{}**: {}\n\n",
        plain(&it.new.image),
        if it.is_empty() {
            format!("equal to {}", plain(&it.old.image))
        } else {
            format!(
                "{}, compared with {}",
                change(it.change),
                plain(&it.old.image)
            )
        }
    );
    if it.is_empty() {
        return text;
    }
    let mut table = |head: &str, rows: Vec<String>, more: usize| {
        if rows.is_empty() {
            return;
        }
        text.push_str(head);
        for row in rows {
            text.push_str(&row);
            text.push('\n');
        }
        if more > 0 {
            let _ = write!(text, "\n… {more} more\n");
        }
        text.push('\n');
    };
    let rows = it.packages.iter().filter(|package| is_row(package));
    let all: Vec<&PackageChange> = rows.collect();
    let rows = all.iter().take(top).map(|package| {
        let needed = package.chain.as_ref().map(|it| plain(&shortened(it, 120)));
        format!(
            "| {} | {} | {} | {} | {} |",
            code(&package.name),
            versions(package),
            signed(Some(package.change.unpacked)),
            signed(package.change.compressed),
            needed.unwrap_or_default()
        )
    });
    table(
        "| Package | Version | Unpacked | To pull | Needed by |\n| --- | --- | ---: | ---: | --- |\n",
        rows.collect(),
        all.len().saturating_sub(top),
    );
    let rows = it.settings.iter().map(|setting| {
        let (name, old, new) = words(setting);
        let value = |value: Option<String>| value.map(|value| code(&value)).unwrap_or_default();
        format!("| {} | {} | {} |", plain(&name), value(old), value(new))
    });
    table(
        "| Setting | Before | Now |\n| --- | --- | --- |\n",
        rows.collect(),
        0,
    );
    let rows = it.files.iter().take(top).map(|file| {
        let bytes = signed(Some(file.change()));
        format!("| {} | {} | {bytes} |", code(&file.path), state(file))
    });
    table(
        "| File | | Bytes |\n| --- | --- | ---: |\n",
        rows.collect(),
        it.files.len().saturating_sub(top),
    );
    let received = match it.received {
        0 => String::new(),
        bytes => format!("; {} were read from registries", size(bytes)),
    };
    let _ = writeln!(text, "{}{received}.", equal(it));
    text
}

/// `+12.00 MB unpacked, +3.10 MB to pull`
fn change(change: Change) -> String {
    let unpacked = signed(Some(change.unpacked));
    match change.compressed {
        Some(packed) => format!("{unpacked} unpacked, {} to pull", signed(Some(packed))),
        None => format!("{unpacked} unpacked"),
    }
}

fn equal(it: &Difference) -> String {
    let equal = match it.equal_layers {
        1 => "1 layer is equal".to_owned(),
        number => format!("{} are equal", count(number, "layer")),
    };
    format!(
        "{equal}, {} removed, {} added",
        it.layers_removed.len(),
        it.layers_added.len()
    )
}

/// Whether a change is told in the list of packages: kinds tell of tars.
fn is_row(package: &PackageChange) -> bool {
    package.kind != Kind::Archive
}

/// `+1.20 MB`, `−300 B`, `±0 B`
fn signed(bytes: Option<i64>) -> String {
    let Some(bytes) = bytes else {
        return String::new();
    };
    let sign = match bytes {
        0 => "±",
        1.. => "+",
        _ => "−",
    };
    format!("{sign}{}", size(bytes.unsigned_abs()))
}

fn row(change: Change, name: &str) -> String {
    let unpacked = signed(Some(change.unpacked));
    match change.compressed {
        Some(packed) => format!("{unpacked:>12}{:>12}  {name}", signed(Some(packed))),
        None => format!("{unpacked:>12}  {name}"),
    }
}

fn named(package: &PackageChange) -> String {
    let kind = match package.kind {
        Kind::System => " (system)",
        Kind::Workspace => " (workspace)",
        _ => "",
    };
    let versions = match package.state {
        State::Added => package.new.join(", "),
        State::Removed | State::Size => package.old.join(", "),
        State::Version => format!("{} → {}", package.old.join(", "), package.new.join(", ")),
    };
    let gap = if versions.is_empty() { "" } else { " " };
    format!("{}{gap}{versions}{kind}", package.name)
}

/// The versions in a cell.
fn versions(package: &PackageChange) -> String {
    let (old, new) = (package.old.join(", "), package.new.join(", "));
    match package.state {
        State::Added => format!("{} (new)", plain(&new)).trim_start().to_owned(),
        State::Removed => format!("{} (removed)", plain(&old)).trim_start().to_owned(),
        State::Size => plain(&old),
        State::Version => format!("{} → {}", plain(&old), plain(&new)),
    }
}

/// A setting's name and its values.
fn words(setting: &Setting) -> (String, Option<String>, Option<String>) {
    let name = match &setting.name {
        Some(name) => format!("{} {name}", setting.what),
        None => setting.what.to_owned(),
    };
    let value = |value: &Option<String>| value.as_ref().map(|value| clip(value, VALUE));
    (name, value(&setting.old), value(&setting.new))
}

fn sign(file: &FileChange) -> &'static str {
    match (file.old, file.new) {
        (None, _) => "+",
        (_, None) => "-",
        _ => "~",
    }
}

fn state(file: &FileChange) -> &'static str {
    match (file.old, file.new) {
        (None, _) => "new",
        (_, None) => "removed",
        _ => "changed",
    }
}
