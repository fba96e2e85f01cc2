//! The parts of a path and of the links on it.

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path};

/// How many links may be followed in a path. The kernel has the same limit.
const LINKS: usize = 40;

/// The parts still to be walked.
pub(super) struct Steps {
    /// In reverse: the next part is the last element.
    todo: Vec<Step>,
    links: usize,
}

/// One part of a path.
pub(super) enum Step {
    /// `..`. At the root it has no effect.
    Up,
    /// A name.
    Into(OsString),
}

/// Too many links.
pub(super) struct Endless;

impl Steps {
    /// The parts of a path from the root.
    pub(super) fn new(path: &Path) -> Self {
        let mut steps = Self {
            todo: Vec::new(),
            links: 0,
        };
        steps.push(path);
        steps
    }

    fn push(&mut self, path: &Path) {
        let steps = path.components().rev().filter_map(|part| match part {
            Component::Normal(name) => Some(Step::Into(name.to_owned())),
            Component::ParentDir => Some(Step::Up),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
        });
        self.todo.extend(steps);
    }

    /// Takes the next part.
    pub(super) fn next(&mut self) -> Option<Step> {
        self.todo.pop()
    }

    /// Whether nothing is left.
    pub(super) fn is_done(&self) -> bool {
        self.todo.is_empty()
    }

    /// Walks a link's target next. Returns whether it starts at the root.
    pub(super) fn follow(&mut self, target: &Path) -> Result<bool, Endless> {
        self.links += 1;
        if self.links > LINKS {
            return Err(Endless);
        }
        self.push(target);
        Ok(target.has_root())
    }
}

/// Splits a path without `..` into directory and name; `None` for the root.
pub(super) fn split(path: &Path) -> Option<(&Path, &OsStr)> {
    Some((path.parent()?, path.file_name()?))
}
