//! Files whose names differ only in capital letters.

/// The hint for a file whose name differs from the one that the build looks for only in capital
/// letters. macOS and Windows take one for the other.
pub(super) fn cased<'f, F: Iterator<Item = &'f str>>(
    name: &str,
    paths: impl Fn() -> F,
) -> Option<String> {
    let inside = name.trim_start_matches(['.', '/', '~', '@', '#']);
    let wanted = format!("/{}", stem(inside));
    let lower = wanted.to_lowercase();
    let fits = |path: &str, wanted: &str| format!("/{}", stem(path)).ends_with(wanted);
    if inside.is_empty() || paths().any(|path| fits(path, &wanted)) {
        return None;
    }
    let found = paths().find(|path| fits(&path.to_lowercase(), &lower))?;
    Some(format!(
        "`{name}` is not there, but {found} is: Linux tells capital letters from small ones, unlike macOS and Windows. Write the import as the file is named; `git mv` renames a file whose name git keeps in the old case."
    ))
}

/// A path without what an import may leave out: the ending, and `/index`.
fn stem(path: &str) -> &str {
    let (above, file) = path.rsplit_once('/').unwrap_or(("", path));
    let ending = file.rfind('.').filter(|at| *at > 0);
    match ending.map(|at| file.split_at(at)) {
        Some((stem, ending)) if CODE.contains(&ending) => {
            if stem == "index" {
                above
            } else {
                &path[..path.len() - ending.len()]
            }
        }
        _ => path,
    }
}

/// Endings that an import may leave out.
const CODE: [&str; 8] = [
    ".ts", ".tsx", ".js", ".jsx", ".mts", ".mjs", ".vue", ".json",
];
