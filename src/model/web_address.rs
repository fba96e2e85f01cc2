//! The page of a repository, from the address by which git or npm knows it. No credentials are left in
//! it.

use crate::system::credential;

/// npm's short names of hosts.
const SHORT: [(&str, &str); 3] = [
    ("github:", "github.com"),
    ("gitlab:", "gitlab.com"),
    ("bitbucket:", "bitbucket.org"),
];

/// The page of a git remote: `https://github.com/acme/shop` of `git@github.com:acme/shop.git`. `None` for
/// a directory, and for an address that a browser cannot open.
pub fn of_remote(remote: &str) -> Option<String> {
    let text = remote.trim();
    let Some((scheme, rest)) = text.split_once("://") else {
        // As scp writes it: `git@github.com:acme/shop.git`.
        let (host, path) = text.split_once(':')?;
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        return page("https", host, path);
    };
    let (host, path) = rest.split_once('/')?;
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    match scheme {
        "https" | "http" => page(scheme, host, path),
        // The port is that of another protocol.
        "ssh" | "git" => page("https", host.split(':').next()?, path),
        _ => None,
    }
}

/// The page of what `repository` of a package.json says, which may be shorter: `acme/shop`.
pub fn of_package(repository: &str) -> Option<String> {
    let text = repository.trim();
    let text = text.strip_prefix("git+").unwrap_or(text);
    for (short, host) in SHORT {
        if let Some(path) = text.strip_prefix(short) {
            return page("https", host, path);
        }
    }
    let is_short = !text.contains(':') && text.split('/').count() == 2;
    if is_short && !text.starts_with(['.', '/', '~']) {
        return page("https", "github.com", text);
    }
    of_remote(text)
}

fn page(scheme: &str, host: &str, path: &str) -> Option<String> {
    let path = path.split(['?', '#']).next()?.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let is_host = |letter: char| letter.is_ascii_alphanumeric() || ".-:".contains(letter);
    let is_path = |letter: char| letter.is_ascii_graphic() && !"\"'<>\\`{}".contains(letter);
    // A name without a dot is one of this machine or of ssh's settings, and `ssh.` hosts have no pages.
    let has_pages = host.contains('.') && !host.starts_with("ssh.") && !host.starts_with('.');
    if !has_pages || path.is_empty() || !host.chars().all(is_host) || !path.chars().all(is_path) {
        return None;
    }
    let page = format!("{scheme}://{host}/{path}");
    credential::find(&page).is_none().then_some(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remotes_have_pages() {
        let shop = Some("https://github.com/acme/shop".to_owned());
        for remote in [
            "git@github.com:acme/shop.git",
            "github.com:acme/shop",
            "ssh://git@github.com:22/acme/shop.git",
            "git://github.com/acme/shop.git",
            "https://github.com/acme/shop",
            "https://github.com/acme/shop.git/",
            "https://x-access-token:s3cret@github.com/acme/shop.git",
            "https://s3cret@github.com/acme/shop",
            "https://github.com/acme/shop?access_token=s3cret#main",
        ] {
            assert_eq!(of_remote(remote), shop, "{remote}");
            assert_eq!(of_package(remote), shop, "{remote}");
        }
        for (remote, page) in [
            (
                "https://git.example.com:8443/a/b/c.git",
                "https://git.example.com:8443/a/b/c",
            ),
            ("http://git.example.com/a/b", "http://git.example.com/a/b"),
            (
                "ssh://git@git.example.com:2222/a/b.git",
                "https://git.example.com/a/b",
            ),
        ] {
            assert_eq!(of_remote(remote).as_deref(), Some(page), "{remote}");
        }
    }

    #[test]
    fn packages_may_be_shorter() {
        for (repository, page) in [
            ("acme/shop", "https://github.com/acme/shop"),
            ("github:acme/shop", "https://github.com/acme/shop"),
            ("gitlab:acme/shop", "https://gitlab.com/acme/shop"),
            (
                "git+https://github.com/acme/shop.git",
                "https://github.com/acme/shop",
            ),
            (
                "git+ssh://git@github.com/acme/shop.git",
                "https://github.com/acme/shop",
            ),
        ] {
            assert_eq!(
                of_package(repository).as_deref(),
                Some(page),
                "{repository}"
            );
        }
    }

    #[test]
    fn what_has_no_page_is_none() {
        for remote in [
            "",
            "/srv/git/shop.git",
            "../shop",
            "file:///srv/git/shop.git",
            "C:\\git\\shop",
            "git@work:acme/shop.git",
            "git@ssh.dev.azure.com:v3/acme/shop/shop",
            "https://github.com",
            "https://user:s3cret@/acme",
            "https://github.com/ghp_0123456789012345678901234567890123456789/shop",
            "https://github.com/a b",
        ] {
            assert_eq!(of_remote(remote), None, "{remote}");
        }
        assert_eq!(of_package("./shop"), None);
    }
}
