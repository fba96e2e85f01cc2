//! Sets of numbers that share their common parts: the transitive dependencies of all members in a
//! long chain take little more space than those of one.
//!
//! A set is a tree. A node represents a block of numbers, whose size is a power of [`FAN`], and has
//! a child for each non-empty part of the block. Equal sets are the same node, so a union descends
//! only where two sets differ. Similar sets share most blocks, so that each block can be written
//! once and referred to by all sets that contain it ([`Sets::blocks`]).

mod blocks;

use std::collections::BTreeMap;

pub use blocks::Item;

/// The number of parts of a block.
const FAN: usize = 8;

/// A set, by its position in a [`Sets`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Set(usize);

impl Set {
    /// The empty set.
    pub const EMPTY: Self = Self(0);
}

/// All sets that share parts.
#[derive(Debug)]
pub struct Sets {
    nodes: Vec<Node>,
    ones: BTreeMap<usize, Set>,
    known: BTreeMap<Vec<Set>, Set>,
    unions: BTreeMap<(Set, Set), Set>,
}

/// The non-empty part of a block.
#[derive(Debug)]
struct Node {
    /// The block has `FAN`^`level` numbers.
    level: u32,
    /// The block's number among those of its level; at the lowest level, the number itself.
    block: usize,
    /// The non-empty parts in order: at least two, or none for a single number.
    parts: Vec<Set>,
    /// How many numbers there are.
    count: usize,
}

impl Default for Sets {
    fn default() -> Self {
        let empty = Node {
            level: 0,
            block: 0,
            parts: Vec::new(),
            count: 0,
        };
        Self {
            nodes: vec![empty],
            ones: BTreeMap::new(),
            known: BTreeMap::new(),
            unions: BTreeMap::new(),
        }
    }
}

impl Sets {
    /// The set of one number.
    pub fn one(&mut self, number: usize) -> Set {
        if let Some(&known) = self.ones.get(&number) {
            return known;
        }
        let set = self.push(Node {
            level: 0,
            block: number,
            parts: Vec::new(),
            count: 1,
        });
        self.ones.insert(number, set);
        set
    }

    /// The union of two sets.
    pub fn union(&mut self, left: Set, right: Set) -> Set {
        if left == right || right == Set::EMPTY {
            return left;
        }
        if left == Set::EMPTY {
            return right;
        }
        let key = (left.min(right), left.max(right));
        if let Some(&known) = self.unions.get(&key) {
            return known;
        }
        let level = self.common_level(left, right);
        let mut parts = self.parts_at(left, level);
        for part in self.parts_at(right, level) {
            let block = |set: Set| self.block_at(set, level - 1);
            match parts.binary_search_by_key(&block(part), |&own| block(own)) {
                Ok(at) => parts[at] = self.union(parts[at], part),
                Err(at) => parts.insert(at, part),
            }
        }
        let set = self.node(level, parts);
        self.unions.insert(key, set);
        set
    }

    /// A set and one more number.
    pub fn with(&mut self, set: Set, number: impl Into<usize>) -> Set {
        let one = self.one(number.into());
        self.union(set, one)
    }

    /// A set without this number.
    pub fn without(&mut self, set: Set, number: impl Into<usize>) -> Set {
        let number = number.into();
        if !self.contains(set, number) {
            return set;
        }
        if self.nodes[set.0].parts.is_empty() {
            return Set::EMPTY;
        }
        let level = self.nodes[set.0].level;
        let mut left = Vec::new();
        for part in self.nodes[set.0].parts.clone() {
            let part = self.without(part, number);
            if part != Set::EMPTY {
                left.push(part);
            }
        }
        self.node(level, left)
    }

    /// Whether the number is in the set.
    pub fn contains(&self, set: Set, number: impl Into<usize>) -> bool {
        let number = number.into();
        let node = &self.nodes[set.0];
        if set == Set::EMPTY || block_above(number, node.level) != node.block {
            return false;
        }
        node.parts.is_empty() || node.parts.iter().any(|&part| self.contains(part, number))
    }

    /// How many numbers are in the set.
    pub fn count(&self, set: Set) -> usize {
        self.nodes[set.0].count
    }

    /// The numbers of a set in order.
    pub fn numbers(&self, set: Set) -> Vec<usize> {
        let mut found = Vec::with_capacity(self.count(set));
        let mut open = vec![set];
        while let Some(set) = open.pop() {
            let node = &self.nodes[set.0];
            if node.parts.is_empty() && set != Set::EMPTY {
                found.push(node.block);
            }
            open.extend(node.parts.iter().rev());
        }
        found
    }

    fn push(&mut self, node: Node) -> Set {
        self.nodes.push(node);
        Set(self.nodes.len() - 1)
    }

    /// The set with these parts of a block.
    fn node(&mut self, level: u32, parts: Vec<Set>) -> Set {
        match parts[..] {
            [] => return Set::EMPTY,
            [only] => return only,
            _ => {}
        }
        if let Some(&known) = self.known.get(&parts) {
            return known;
        }
        let node = Node {
            level,
            block: self.block_at(parts[0], level),
            count: parts.iter().map(|&part| self.count(part)).sum(),
            parts: parts.clone(),
        };
        let set = self.push(node);
        self.known.insert(parts, set);
        set
    }

    /// The level of the smallest block that contains both sets, which are not the same number.
    fn common_level(&self, left: Set, right: Set) -> u32 {
        let levels = [left, right].map(|set| self.nodes[set.0].level);
        let mut level = levels[0].max(levels[1]);
        while self.block_at(left, level) != self.block_at(right, level) {
            level += 1;
        }
        level
    }

    /// The block of this level that contains a set.
    fn block_at(&self, set: Set, level: u32) -> usize {
        let node = &self.nodes[set.0];
        block_above(node.block, level - node.level)
    }

    /// A set as the parts of a block of this level that contains it.
    fn parts_at(&self, set: Set, level: u32) -> Vec<Set> {
        let node = &self.nodes[set.0];
        if node.level == level {
            node.parts.clone()
        } else {
            vec![set]
        }
    }
}

/// The block this many levels above.
fn block_above(block: usize, levels: u32) -> usize {
    FAN.checked_pow(levels).map_or(0, |size| block / size)
}

#[cfg(test)]
mod tests;
