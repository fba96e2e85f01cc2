use std::collections::BTreeSet;

use proptest::prelude::*;

use super::blocks::Blocks;
use super::*;

fn set(sets: &mut Sets, numbers: &BTreeSet<usize>) -> Set {
    let mut set = Set::EMPTY;
    for &number in numbers {
        set = sets.with(set, number);
    }
    set
}

/// The numbers of a list, in order.
fn written(blocks: &Blocks, list: &[Item]) -> Vec<usize> {
    let number = |item: &Item| match item {
        Item::One(number) => vec![*number],
        Item::Block(at) => written(blocks, &blocks.blocks[*at]),
    };
    list.iter().flat_map(number).collect()
}

fn numbers() -> impl Strategy<Value = BTreeSet<usize>> {
    prop_oneof![
        prop::collection::btree_set(0..5000_usize, 0..60),
        (0..400_usize, 0..400_usize).prop_map(|(from, count)| (from..from + count).collect()),
    ]
}

proptest! {
    #[test]
    fn sets_are_sets(left in numbers(), right in numbers()) {
        let mut sets = Sets::default();
        let (first, second) = (set(&mut sets, &left), set(&mut sets, &right));
        let both = sets.union(first, second);
        let expected: BTreeSet<usize> = left.union(&right).copied().collect();
        prop_assert_eq!(sets.numbers(both), expected.iter().copied().collect::<Vec<_>>());
        prop_assert_eq!(sets.count(both), expected.len());
        // Equal sets are one, however they came to be.
        prop_assert_eq!(set(&mut sets, &expected), both);
        prop_assert_eq!(sets.union(second, first), both);
        for number in 0..10 {
            prop_assert_eq!(sets.contains(first, number), left.contains(&number));
        }
        if let Some(&some) = left.first() {
            let rest: BTreeSet<usize> = left.iter().copied().filter(|one| *one != some).collect();
            prop_assert_eq!(sets.without(first, some), set(&mut sets, &rest));
        }
    }

    #[test]
    fn what_is_written_down_is_the_set(all in prop::collection::vec(numbers(), 1..8)) {
        let mut sets = Sets::default();
        let made: Vec<Set> = all.iter().map(|numbers| set(&mut sets, numbers)).collect();
        let blocks = sets.blocks(&made, 25);
        for (list, numbers) in blocks.lists.iter().zip(&all) {
            prop_assert!(list.len() <= 25);
            let numbers: Vec<usize> = numbers.iter().copied().collect();
            prop_assert_eq!(written(&blocks, list), numbers);
        }
        for (at, block) in blocks.blocks.iter().enumerate() {
            prop_assert!(block.len() <= 25 && block.len() > 1);
            let earlier = |item: &Item| !matches!(item, Item::Block(inner) if *inner >= at);
            prop_assert!(block.iter().all(earlier));
        }
    }
}

#[test]
fn a_chain_takes_little_more_for_each_of_its_members() {
    let size = |count: usize| {
        let mut sets = Sets::default();
        let mut chain = vec![Set::EMPTY];
        for number in 0..count {
            let next = sets.with(chain[number], number);
            chain.push(next);
        }
        let blocks = sets.blocks(&chain, 25);
        let items: usize = blocks
            .lists
            .iter()
            .chain(&blocks.blocks)
            .map(Vec::len)
            .sum();
        (items / count, sets.nodes.len() / count)
    };
    let (items, nodes) = size(10_000);
    assert!(items < 25, "{items}");
    assert!(nodes < 10, "{nodes}");
}
