//! The image's default name, from the name of the app's package.

/// The package's name without its scope, in the letters that registries allow.
///
/// Between letters and digits, a registry takes one dot, one or two underscores, or any number of
/// hyphens (distribution's reference grammar). Other separators become one hyphen.
pub fn image_name(package: &str) -> String {
    let name = package.rsplit('/').next().unwrap_or(package).to_lowercase();
    let mut image = String::new();
    let mut separator = String::new();
    for letter in name.chars() {
        if !letter.is_ascii_alphanumeric() {
            separator.push(letter);
            continue;
        }
        if !image.is_empty() {
            image.push_str(allowed(&separator));
        }
        separator.clear();
        image.push(letter);
    }
    if image.is_empty() {
        return "app".to_owned();
    }
    image
}

/// The separator, if a registry takes it.
fn allowed(separator: &str) -> &str {
    let is_hyphens = separator.bytes().all(|letter| letter == b'-');
    if is_hyphens || [".", "_", "__"].contains(&separator) {
        separator
    } else {
        "-"
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::image_name;

    #[test]
    fn a_name_is_one_that_registries_take() {
        for (package, expected) in [
            ("server", "server"),
            ("@shop/server", "server"),
            ("Server App", "server-app"),
            ("a.b_c__d--e", "a.b_c__d--e"),
            ("a..b___c._d", "a-b-c-d"),
            ("@shop/_x_", "x"),
            ("@shop/日本", "app"),
            ("@shop/日本2", "2"),
        ] {
            assert_eq!(image_name(package), expected, "{package}");
            let image = image_name(package);
            let name = crate::model::image::ImageRef::from_str(&image);
            assert!(name.is_ok(), "{image}");
        }
    }
}
