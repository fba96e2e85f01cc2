//! Contestants, rounds and what was measured.

use std::collections::BTreeMap;

use crate::Result;
use crate::lab::{self, Boots, Built, Lab, Probe};
use crate::tree::{Edit, Tree};

/// How often to try for a cold build that nobody else's build warms up.
const TRIES: usize = 3;

/// A way to make the image.
pub(crate) struct Contestant<'a> {
    pub(crate) name: String,
    pub(crate) how: How<'a>,
}

/// What a contestant runs.
pub(crate) enum How<'a> {
    /// A Dockerfile, with a tree as context.
    Dockerfile(String, &'a Tree),
    /// slimbuild with these arguments, inside of a tree.
    Slimbuild(Vec<String>, &'a Tree),
}

/// What is asked of every contestant.
#[derive(Clone, Copy)]
pub(crate) struct Course {
    pub(crate) edit: Edit,
    pub(crate) probe: Probe,
    pub(crate) rounds: usize,
}

/// The builds of a round, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Case {
    /// No cache of any kind; base images are there.
    Cold,
    /// The same again.
    Nothing,
    /// After a change in the app's source.
    Line,
}

/// What one contestant did.
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) boots: Boots,
    seconds: BTreeMap<Case, Vec<f64>>,
    steps: BTreeMap<Case, BTreeMap<String, Vec<f64>>>,
}

/// Several measurements of the same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Contestant<'_> {
    fn tag(&self) -> String {
        let words = self.name.split(|c: char| !c.is_ascii_alphanumeric());
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        format!("slimbuild-bench/{}", words.join("-").to_ascii_lowercase())
    }

    fn tree(&self) -> &Tree {
        match &self.how {
            How::Dockerfile(_, tree) | How::Slimbuild(_, tree) => tree,
        }
    }

    fn build(&self, lab: &Lab) -> Result<Built> {
        match &self.how {
            How::Dockerfile(text, tree) => lab.build(text, tree, &self.tag()),
            How::Slimbuild(args, tree) => lab::slimbuild(args, tree, &self.tag()),
        }
    }
}

/// Runs all contestants, round by round and each round beginning with another one, so that what changes about the machine meanwhile meets
/// them all.
pub(crate) fn run(
    lab: &Lab,
    contestants: &[Contestant<'_>],
    course: Course,
) -> Result<Vec<Record>> {
    let tags: Vec<String> = contestants.iter().map(Contestant::tag).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let mut records: Vec<Record> = contestants
        .iter()
        .map(|contestant| Record {
            name: contestant.name.clone(),
            size: 0,
            boots: Boots::Yes,
            seconds: BTreeMap::new(),
            steps: BTreeMap::new(),
        })
        .collect();
    for round in 0..course.rounds {
        for turn in 0..contestants.len() {
            let index = (turn + round) % contestants.len();
            let contestant = &contestants[index];
            let record = &mut records[index];
            eprintln!("round {} of {}: {}", round + 1, course.rounds, record.name);

            record.note(Case::Cold, cold(lab, contestant, &tags)?);
            record.note(Case::Nothing, contestant.build(lab)?);
            let changed = contestant.tree().change(course.edit, round + 1)?;
            record.note(Case::Line, contestant.build(lab)?);
            record.size = lab.size(&contestant.tag())?;
            // The changed image: that it answers with the changed text shows that the change arrived.
            record.boots = lab.boots(&contestant.tag(), course.probe, &changed.text)?;
            changed.undo()?;
        }
    }
    lab.forget(&tags)?;
    Ok(records)
}

fn cold(lab: &Lab, contestant: &Contestant<'_>, tags: &[&str]) -> Result<Built> {
    for _ in 0..TRIES {
        lab.forget(tags)?;
        let built = contestant.build(lab)?;
        if built.cached.is_empty() {
            return Ok(built);
        }
        eprintln!("  not cold, once more: {}", built.cached.join(", "));
    }
    Err("the build cache fills while it is emptied: does somebody else use this daemon?".into())
}

impl Record {
    fn note(&mut self, case: Case, built: Built) {
        eprintln!("  {case:?}: {:.1} s", built.seconds);
        self.seconds.entry(case).or_default().push(built.seconds);
        let steps = self.steps.entry(case).or_default();
        for (name, seconds) in built.steps {
            steps.entry(name).or_default().push(seconds);
        }
    }

    pub(crate) fn seconds(&self, case: Case) -> Sample {
        Sample::of(self.seconds.get(&case).map_or(&[], Vec::as_slice))
    }

    /// The steps that took time, longest first.
    pub(crate) fn steps(&self, case: Case) -> Vec<(&str, Sample)> {
        let steps = self.steps.get(&case).into_iter().flatten();
        let mut steps: Vec<(&str, Sample)> = steps
            .map(|(name, seconds)| (name.as_str(), Sample::of(seconds)))
            .filter(|(_, sample)| sample.median >= 0.05)
            .collect();
        steps.sort_by(|(_, a), (_, b)| b.median.total_cmp(&a.median));
        steps
    }
}

impl Sample {
    fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = match sorted.len() {
            0 => f64::NAN,
            length if length % 2 == 0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
            _ => sorted[middle],
        };
        Self {
            median,
            min: sorted.first().copied().unwrap_or(f64::NAN),
            max: sorted.last().copied().unwrap_or(f64::NAN),
        }
    }
}
