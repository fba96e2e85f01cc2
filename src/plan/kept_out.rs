//! Warnings about files that are left out because they contain secrets, or seem to: each file, and
//! how to bring it.

use std::collections::BTreeMap;

use crate::files::Dropped;
use crate::files::ignore::{Reason, Rules};

/// How many files a warning names.
const MAX_NAMED: usize = 8;

/// One warning for the files that `include` can bring, and one for those that it names but cannot
/// bring.
pub(super) fn warnings(dropped: &[Dropped], rules: &Rules) -> Vec<String> {
    let mut likely: BTreeMap<&str, &str> = BTreeMap::new();
    let mut barred: BTreeMap<&str, &str> = BTreeMap::new();
    for Dropped { path, reason } in dropped {
        match reason {
            Reason::Secret { name, .. } => {
                likely.insert(path.as_str(), name);
            }
            Reason::Never { name } if rules.included_by(path).is_some() => {
                barred.insert(path.as_str(), name);
            }
            _ => {}
        }
    }
    let mut warnings = Vec::new();
    if !likely.is_empty() {
        warnings.push(format!(
            "left out, since files of these names mostly hold secrets: {}. If the app needs one and it holds no secret, name it in `include`",
            listed(&likely)
        ));
    }
    if !barred.is_empty() {
        warnings.push(format!(
            "`include` cannot bring what never enters an image: {}. Hand the values over when the container starts, with `--env-file` for example",
            listed(&barred)
        ));
    }
    warnings
}

fn listed(files: &BTreeMap<&str, &str>) -> String {
    let named = files.iter().take(MAX_NAMED);
    let named: Vec<String> = named
        .map(|(path, rule)| format!("`{path}` ({rule})"))
        .collect();
    let named = named.join(", ");
    match files.len().saturating_sub(MAX_NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
