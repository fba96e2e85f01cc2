//! Writes sets as short lists, in which a block that several sets share is referred to and written
//! once.

use std::collections::{BTreeMap, BTreeSet};

use super::{Set, Sets};

/// An item of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// A number.
    One(usize),
    /// A block, by its position in [`Blocks::blocks`].
    Block(usize),
}

/// Some sets as lists.
#[derive(Debug, Default)]
pub struct Blocks {
    /// A list for each set.
    pub lists: Vec<Vec<Item>>,
    /// The blocks that lists refer to, each after those that it refers to itself.
    pub blocks: Vec<Vec<Item>>,
}

impl Sets {
    /// Writes sets as lists of at most `most` items, which must be eight or more. A set no larger
    /// than that is written as its numbers.
    pub fn blocks(&self, sets: &[Set], most: usize) -> Blocks {
        let large = |set: &&Set| self.count(**set) > most;
        let mut writer = Writer {
            sets: self,
            most,
            uses: self.uses(sets.iter().filter(large)),
            places: BTreeMap::new(),
            blocks: Vec::new(),
        };
        let lists = sets.iter().map(|set| {
            if large(&set) {
                let list = writer.list(*set);
                writer.items(&list)
            } else {
                self.numbers(*set).into_iter().map(Item::One).collect()
            }
        });
        let lists = lists.collect();
        Blocks {
            lists,
            blocks: writer.blocks,
        }
    }

    /// The number of sets and blocks that contain each block.
    fn uses<'s>(&self, sets: impl Iterator<Item = &'s Set>) -> BTreeMap<Set, usize> {
        let mut open: Vec<Set> = sets.copied().collect();
        let mut uses = BTreeMap::new();
        let mut seen = BTreeSet::new();
        while let Some(set) = open.pop() {
            if seen.insert(set) {
                for &part in &self.nodes[set.0].parts {
                    *uses.entry(part).or_default() += 1;
                    open.push(part);
                }
            }
        }
        uses
    }
}

struct Writer<'s> {
    sets: &'s Sets,
    most: usize,
    uses: BTreeMap<Set, usize>,
    places: BTreeMap<Set, usize>,
    blocks: Vec<Vec<Item>>,
}

impl Writer<'_> {
    /// The parts of a set, down to those that others share, as far as there is room.
    fn list(&self, set: Set) -> Vec<Set> {
        let mut list = self.sets.nodes[set.0].parts.clone();
        let parts = |set: &Set| self.sets.nodes[set.0].parts.len();
        loop {
            let own = |set: &Set| parts(set) > 0 && self.uses.get(set) == Some(&1);
            let fits = |set: &Set| list.len() + parts(set) - 1 <= self.most;
            let Some(at) = list.iter().position(|set| own(set) && fits(set)) else {
                return list;
            };
            let inner = self.sets.nodes[list[at].0].parts.iter().copied();
            list.splice(at..=at, inner);
        }
    }

    fn items(&mut self, list: &[Set]) -> Vec<Item> {
        let sets = self.sets;
        let item = |&set: &Set| {
            let node = &sets.nodes[set.0];
            if node.parts.is_empty() {
                Item::One(node.block)
            } else {
                Item::Block(self.place(set))
            }
        };
        list.iter().map(item).collect()
    }

    /// The position of a block, which is written if it is new. Blocks are nested as deep as the
    /// logarithm of the largest number.
    fn place(&mut self, set: Set) -> usize {
        if let Some(&known) = self.places.get(&set) {
            return known;
        }
        let list = self.list(set);
        let items = self.items(&list);
        self.blocks.push(items);
        self.places.insert(set, self.blocks.len() - 1);
        self.blocks.len() - 1
    }
}
