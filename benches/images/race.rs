//! Contestants, rounds and what was measured.

use std::collections::BTreeMap;

use crate::Result;
use crate::lab::{self, Boots, Built, Lab, Probe};
use crate::tree::{Edit, Tree};

/// How often to try for builds that neither a registry nor somebody else's build spoils.
const TRIES: usize = 5;

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

    fn build(&self) -> Result<Built> {
        match &self.how {
            How::Dockerfile(text, tree) => lab::build(text, tree, &self.tag()),
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

            for (case, built) in turn_of(lab, contestant, course, round, &tags)? {
                record.note(case, built);
            }
            record.size = lab.size(&contestant.tag())?;
            // The changed image: that it answers with the changed text shows that the change arrived.
            let changed = format!("{} {}", course.edit.words, round + 1);
            record.boots = lab.boots(&contestant.tag(), course.probe, &changed)?;
        }
    }
    lab.forget(&tags)?;
    Ok(records)
}

/// All builds of one contestant in one round; from the start again, if something happened that says nothing about the contestant.
fn turn_of(
    lab: &Lab,
    contestant: &Contestant<'_>,
    course: Course,
    round: usize,
    tags: &[&str],
) -> Result<[(Case, Built); 3]> {
    for _ in 0..TRIES {
        lab.forget(tags)?;
        let cold = contestant.build()?;
        let nothing = contestant.build()?;
        let changed = contestant.tree().change(course.edit, round + 1)?;
        let line = contestant.build();
        changed.undo()?;
        let line = line?;
        let spoiled = if cold.cached.is_empty() {
            [&cold, &nothing, &line]
                .iter()
                .find_map(|built| built.stalled.clone())
        } else {
            Some(format!("not cold: {}", cold.cached.join(", ")))
        };
        let builds = [
            (Case::Cold, cold),
            (Case::Nothing, nothing),
            (Case::Line, line),
        ];
        match spoiled {
            None => return Ok(builds),
            Some(why) => eprintln!("  once more, for this was spoiled: {why}"),
        }
    }
    Err("the registry does not answer, or somebody else uses this daemon's cache".into())
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
    pub(crate) fn of(values: &[f64]) -> Self {
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
