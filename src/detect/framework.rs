//! The marks by which frameworks are known: a dependency and the command that builds with it.

use std::collections::BTreeSet;

use super::{AppKind, Detected};
use crate::manifest::package::Manifest;

/// Package, command in the build script, kind. The first that fits decides, so the special stands before the general: Astro, Nuxt and
/// `SvelteKit` build with Vite too.
const FRAMEWORKS: [(&str, &str, AppKind); 21] = [
    ("next", "next build", AppKind::Next),
    ("nuxt", "nuxt", AppKind::ServerRendering),
    ("@sveltejs/kit", "vite build", AppKind::ServerRendering),
    (
        "@tanstack/react-start",
        "vite build",
        AppKind::ServerRendering,
    ),
    ("@tanstack/start", "vinxi build", AppKind::ServerRendering),
    ("@solidjs/start", "vinxi build", AppKind::ServerRendering),
    (
        "@react-router/dev",
        "react-router build",
        AppKind::ServerRendering,
    ),
    ("@remix-run/dev", "remix", AppKind::ServerRendering),
    ("nitropack", "nitro", AppKind::ServerRendering),
    ("astro", "astro build", AppKind::ServerRendering),
    ("@angular/cli", "ng build", AppKind::StaticSite),
    ("react-scripts", "react-scripts build", AppKind::StaticSite),
    ("vitepress", "vitepress build", AppKind::StaticSite),
    ("@docusaurus/core", "docusaurus build", AppKind::StaticSite),
    ("gatsby", "gatsby build", AppKind::StaticSite),
    ("parcel", "parcel build", AppKind::StaticSite),
    ("@11ty/eleventy", "eleventy", AppKind::StaticSite),
    (
        "@vue/cli-service",
        "vue-cli-service build",
        AppKind::StaticSite,
    ),
    ("rsbuild", "rsbuild build", AppKind::StaticSite),
    ("@rsbuild/core", "rsbuild build", AppKind::StaticSite),
    ("vite", "vite build", AppKind::StaticSite),
];

pub(super) fn detect(manifest: &Manifest, files: &BTreeSet<String>) -> Option<Detected> {
    let build = manifest.script("build")?;
    let (package, command, kind) = FRAMEWORKS
        .into_iter()
        .find(|(package, command, _)| manifest.depends_on(package) && build.contains(command))?;
    // Vite builds libraries and servers too; a site has a page to start from.
    if package == "vite" && !files.contains("index.html") {
        return None;
    }
    let evidence = vec![
        format!("it depends on `{package}`"),
        format!("its build script runs `{command}`"),
    ];
    Some(Detected { kind, evidence })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(manifest: &str, files: &[&str]) -> Option<AppKind> {
        let manifest = Manifest::parse("package.json", manifest).unwrap();
        let files = files.iter().map(|&file| file.to_owned()).collect();
        detect(&manifest, &files).map(|detected| detected.kind)
    }

    #[test]
    fn kinds() {
        let vite =
            r#"{"scripts": {"build": "tsc && vite build"}, "devDependencies": {"vite": "7"}}"#;
        assert_eq!(kind(vite, &["index.html"]), Some(AppKind::StaticSite));
        assert_eq!(kind(vite, &["src/index.ts"]), None);
        let next = r#"{"scripts": {"build": "next build"}, "dependencies": {"next": "15"}}"#;
        assert_eq!(kind(next, &[]), Some(AppKind::Next));
        assert_eq!(
            kind(
                r#"{"scripts": {"build": "tsc"}, "dependencies": {"fastify": "5"}}"#,
                &[]
            ),
            None
        );
    }
}
