//! `budget`: how large an image may be, and how much it may grow.

use super::ConfigError;
use super::reader::Node;
use crate::model::bytes;

/// The limits of an image, in bytes of its unpacked layers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    /// Of the whole image.
    pub size: Option<u64>,
    /// Of its growth against the last image.
    pub growth: Option<u64>,
}

/// A size, or an object with `size` and `growth`.
pub(super) fn budget(node: &Node<'_>) -> Result<Budget, ConfigError> {
    use jsonc_parser::ast::Value;
    let what = "a size, as \"220 MB\", or an object with `size` and `growth`";
    if let Value::StringLit(_) = node.value {
        return Ok(Budget {
            size: Some(size(node, what)?),
            growth: None,
        });
    }
    let mut budget = Budget::default();
    for entry in node.entries(what)? {
        let limit = size(&entry.node(), "a size, as \"220 MB\"");
        match entry.name {
            "size" => budget.size = Some(limit?),
            "growth" => budget.growth = Some(limit?),
            _ => return Err(entry.unknown(&["size", "growth"])),
        }
    }
    if budget == Budget::default() {
        return Err(node.expected(what));
    }
    Ok(budget)
}

fn size(node: &Node<'_>, what: &str) -> Result<u64, ConfigError> {
    bytes::parse(node.string(what)?).ok_or_else(|| node.expected(what))
}
