//! Module names as `import` and `require` use them.

/// The package of a module name: `@a/b` for `@a/b/c.js`. `None` for a path, for a subpath import
/// (`#x`), and for a name with a scheme (`node:fs`, `data:…`).
pub fn package(name: &str) -> Option<&str> {
    if name.starts_with(['.', '/', '#']) || name.contains(':') {
        return None;
    }
    Some(split(name).0)
}

/// Splits the name of a module in a package into the package and the path inside it, which may be
/// empty.
pub fn split(name: &str) -> (&str, &str) {
    let slashes = usize::from(name.starts_with('@'));
    match name.match_indices('/').nth(slashes) {
        Some((end, _)) => (&name[..end], name[end..].trim_start_matches('/')),
        None => (name, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::{package, split};

    #[test]
    fn a_name_leads_to_a_package_or_to_none() {
        for (name, expected) in [
            ("a", Some("a")),
            ("a/b.js", Some("a")),
            ("@a/b", Some("@a/b")),
            ("@a/b/c/d", Some("@a/b")),
            ("./a", None),
            ("../a", None),
            ("/a", None),
            ("#a", None),
            ("node:fs", None),
            ("data:text/javascript,1", None),
        ] {
            assert_eq!(package(name), expected, "{name}");
        }
    }

    #[test]
    fn what_follows_the_package_is_a_path_in_it() {
        for (name, expected) in [
            ("a", ("a", "")),
            ("a/b/c.js", ("a", "b/c.js")),
            ("@x/y", ("@x/y", "")),
            ("@x/y/z.json", ("@x/y", "z.json")),
            ("@x", ("@x", "")),
        ] {
            assert_eq!(split(name), expected, "{name}");
        }
    }
}
