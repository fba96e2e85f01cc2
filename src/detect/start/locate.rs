//! Where a named file will be when the app starts.

use std::collections::BTreeSet;

use crate::detect::tsc::Writes;

/// Directories that builds write to: `node dist` starts the `index.js` in it.
const OUTPUTS: [&str; 4] = ["dist", "build", "lib", "out"];

/// Where a named file will be: among the sources, or in the build's output. node completes names as
/// in `require`.
pub(super) fn locate(
    file: &str,
    files: &BTreeSet<String>,
    writes: &Writes,
) -> Option<(String, bool)> {
    let names = [
        file.to_owned(),
        format!("{file}.js"),
        format!("{file}.cjs"),
        format!("{}/index.js", file.trim_end_matches('/')),
    ];
    if let Some(name) = names.iter().find(|name| files.contains(*name)) {
        return Some((name.clone(), false));
    }
    match writes {
        Writes::Known(outputs) => names
            .iter()
            .find(|name| outputs.contains(*name))
            .map(|name| (name.clone(), true)),
        Writes::Unknown if OUTPUTS.contains(&file.trim_end_matches('/')) => {
            Some((format!("{}/index.js", file.trim_end_matches('/')), true))
        }
        // Outputs are in a directory; a bare name would be a missing source.
        Writes::Unknown if file.contains('/') => Some((with_extension(file), true)),
        Writes::Unknown => None,
    }
}

pub(super) fn with_extension(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or_default();
    if name.contains('.') {
        file.to_owned()
    } else {
        format!("{file}.js")
    }
}
