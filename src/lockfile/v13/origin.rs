//! Where a package and its nodes stand in the original.

use std::ops::Range;

use super::package::Package;
use super::parse::{Pair, Value, own_lines, pairs};
use super::{Entry, Flag, Node, Rest};
use crate::lockfile::LockfileError;

/// What pnpm writes after a package's flag.
const AFTER_FLAGS: [&str; 5] = [
    "dependencies",
    "optionalDependencies",
    "peerDependencies",
    "snapshots",
    "specifiers",
];

/// Where a package and its nodes stand.
pub(super) fn of_package(text: &str, package: &Package<'_>) -> Result<Entry, LockfileError> {
    let value = &package.pair.value;
    let mut listed = value
        .get("snapshots")
        .and_then(Value::list)
        .into_iter()
        .flatten();
    let mut nodes = Vec::new();
    let shared = flag(text, value, &package.pair.range, "\t\t\t")?;
    for node in &package.nodes {
        let (range, flag) = match listed.next() {
            Some(item) => (
                Some(own_lines(text, &item.range)?),
                flag(text, &item.value, &item.range, "\t\t\t\t\t")?,
            ),
            None => (None, shared.clone()),
        };
        let key = node.key.clone();
        nodes.push(Node { key, range, flag });
    }
    Ok(Entry {
        key: package.pair.key.to_string(),
        range: own_lines(text, &package.pair.range)?,
        rest: Rest::Package {
            nodes,
            flag: shared,
        },
    })
}

/// The flag of a package or a node: before what pnpm writes after it, or else at the end.
fn flag(
    text: &str,
    value: &Value<'_>,
    range: &Range<usize>,
    indent: &'static str,
) -> Result<Flag, LockfileError> {
    let all = pairs(Some(value));
    let lines = |pair: &Pair<'_>| own_lines(text, &pair.range);
    let set = all
        .iter()
        .find(|pair| pair.key == "optional" && pair.value.is_true());
    let next = all.iter().find(|pair| AFTER_FLAGS.contains(&&*pair.key));
    let place = match (next, all.last()) {
        (Some(next), _) if indent.len() == 3 => lines(next)?.start,
        (_, Some(last)) => lines(last)?.end,
        // Right after the bracket.
        (_, None) => range.start + 1,
    };
    Ok(Flag {
        line: set.map(lines).transpose()?,
        place,
        indent,
        is_empty: all.is_empty(),
    })
}
