//! What was measured, as Markdown that fits into a README.

use std::fmt::Write;

use crate::lab::Boots;
use crate::race::{Case, Record, Sample};

const CASES: [Case; 3] = [Case::Cold, Case::Line, Case::Nothing];

/// A bound that slimbuild is to keep, as a ratio to another contestant.
#[derive(Clone, Copy)]
pub(crate) struct Targets {
    pub(crate) size: f64,
    pub(crate) cold: f64,
    pub(crate) line: f64,
    pub(crate) nothing: f64,
}

/// The contestants, a row each; below it a row of ratios for each of `against`.
pub(crate) fn table(records: &[Record], subject: usize, against: &[usize]) -> String {
    let mut text = String::from(
        "| | Image | Cold | One line changed | Nothing changed | Boots |\n|---|--:|--:|--:|--:|---|\n",
    );
    let mut notes = String::new();
    for (index, record) in records.iter().enumerate() {
        let strong = if index == subject { "**" } else { "" };
        let _ = write!(
            text,
            "| {strong}{}{strong} | {strong}{:.0} MB{strong} |",
            record.name,
            megabytes(record)
        );
        for case in CASES {
            let _ = write!(text, " {} |", seconds(record.seconds(case)));
        }
        match &record.boots {
            Boots::Yes => text.push_str(" yes |\n"),
            Boots::No(line) => {
                text.push_str(" **no** |\n");
                let _ = writeln!(
                    notes,
                    "{} does not boot: `{}`",
                    record.name,
                    line.replace('`', "'")
                );
            }
        }
    }
    let this = &records[subject];
    for other in against.iter().map(|&index| &records[index]) {
        let _ = write!(
            text,
            "| {} ÷ {} | {:.2} |",
            this.name,
            other.name,
            size_ratio(this, other)
        );
        for case in CASES {
            let _ = write!(text, " {:.2} |", ratio(this, other, case));
        }
        text.push_str(" |\n");
    }
    if !notes.is_empty() {
        let _ = write!(text, "\n{notes}");
    }
    text
}

/// Each ratio beside its bound.
pub(crate) fn targets(this: &Record, other: &Record, targets: Targets) -> String {
    let rows = [
        ("image", size_ratio(this, other), targets.size),
        ("cold", ratio(this, other, Case::Cold), targets.cold),
        (
            "one line changed",
            ratio(this, other, Case::Line),
            targets.line,
        ),
        (
            "nothing changed",
            ratio(this, other, Case::Nothing),
            targets.nothing,
        ),
    ];
    let mut text = String::new();
    for (what, ratio, bound) in rows {
        let verdict = if ratio <= bound { "ok" } else { "MISSED" };
        let _ = writeln!(
            text,
            "{what:>16}  {ratio:.2}, at most {bound:.2}: {verdict}"
        );
    }
    text
}

/// Where each contestant's time went.
pub(crate) fn steps(records: &[Record]) -> String {
    let mut text = String::new();
    for record in records {
        for case in [Case::Cold, Case::Line, Case::Nothing] {
            let _ = writeln!(
                text,
                "{}, {case:?}: {}",
                record.name,
                seconds(record.seconds(case))
            );
            for (name, sample) in record.steps(case) {
                let name: String = name.chars().take(110).collect();
                let _ = writeln!(text, "  {:6.2} s  {name}", sample.median);
            }
        }
    }
    text
}

fn megabytes(record: &Record) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "it is rounded for reading")]
    let bytes = record.size as f64;
    bytes / 1e6
}

fn size_ratio(this: &Record, other: &Record) -> f64 {
    megabytes(this) / megabytes(other)
}

/// Of the medians, so that it can be checked against the table.
fn ratio(this: &Record, other: &Record, case: Case) -> f64 {
    this.seconds(case).median / other.seconds(case).median
}

pub(crate) fn seconds(Sample { median, min, max }: Sample) -> String {
    // Tenths are fine enough, unless they are all there is.
    let digits = if median < 1.0 { 2 } else { 1 };
    format!("{median:.digits$} s ({min:.digits$}–{max:.digits$})")
}
