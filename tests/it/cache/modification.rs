//! The modifications, as edits of the sample workspace's text.

use crate::support::tree::Tree;

/// Something that a person does to the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Modification {
    /// `apps/server`, as all that say no other app.
    EditAppSource,
    EditAppAsset,
    EditAppScript,
    EditAppReadme,
    /// `packages/catalog`, which is compiled.
    EditBuiltLibrary,
    /// `packages/events`, which is used as it is.
    EditPlainLibrary,
    EditSharedTsconfig,
    EditRootTsconfig,
    /// `packages/legacy`, which no app uses.
    EditUnusedLibrary,
    /// `packages/ui`, whose sources the bundlers of `apps/web` and `apps/site` read.
    EditComponents,
    EditPage,
    EditPublicFile,
    EditNextConfiguration,
    EditWebScript,
    EditSiteSource,
    EditSitePage,
    EditViteConfiguration,
    EditSiteScript,
    /// Of the apps that have none.
    AddReadmes,
    EditRootScript,
    EditRootReadme,
    EditTurboComment,
    EditLintConfiguration,
    EditNpmrcComment,
    ChooseAnotherNode,
    /// `apps/server` gets `nanoid`, which the lockfile has for `packages/events`.
    AddProductionDependency,
    /// `apps/server` gets `eslint`, which the lockfile has for the root.
    AddDevDependency,
    /// `apps/web` gets `croner`, which the lockfile has for `apps/worker`.
    AddProductionDependencyToWeb,
    /// `apps/web` gets `tsx`, which the lockfile has for `apps/server`.
    AddDevDependencyToWeb,
    /// `apps/web` gets another `next`.
    BumpNext,
    /// The same for `apps/site`, and another `@vitejs/plugin-react`.
    AddProductionDependencyToSite,
    AddDevDependencyToSite,
    BumpVitePlugin,
}

const LOCKFILE: &str = "pnpm-lock.yaml";

impl Modification {
    /// Edits the tree; `nonce` makes an edit differ from the same one on another day.
    pub(super) fn apply(self, tree: &Tree, nonce: &str) {
        let script = format!("// {nonce}\n");
        match self {
            // A statement, not a comment: the compiler's output must change too.
            Self::EditAppSource => {
                tree.append(
                    "apps/server/src/main.ts",
                    &format!("console.log('{nonce}');\n"),
                );
            }
            Self::EditAppAsset => tree.append(
                "apps/server/public/index.html",
                &format!("<!-- {nonce} -->\n"),
            ),
            Self::EditAppScript => {
                tree.replace(
                    "apps/server/package.json",
                    "vitest run",
                    &format!("vitest run {nonce}"),
                );
            }
            Self::EditAppReadme => tree.append("apps/server/README.md", nonce),
            Self::EditBuiltLibrary => {
                let constant = format!("export const edited = '{nonce}';\n");
                tree.append("packages/catalog/src/index.ts", &constant);
            }
            Self::EditPlainLibrary => tree.append("packages/events/src/index.js", &script),
            Self::EditSharedTsconfig => tree.append("packages/tsconfig/base.json", &script),
            Self::EditRootTsconfig => tree.append("tsconfig.base.json", &script),
            Self::EditUnusedLibrary => tree.append("packages/legacy/index.js", &script),
            Self::EditComponents => tree.append("packages/ui/src/price-tag.tsx", &script),
            Self::EditPage => tree.append("apps/web/app/page.tsx", &script),
            Self::EditPublicFile => {
                tree.append("apps/web/public/robots.txt", &format!("# {nonce}\n"));
            }
            Self::EditNextConfiguration => tree.append("apps/web/next.config.mjs", &script),
            Self::EditWebScript => {
                tree.replace(
                    "apps/web/package.json",
                    "next dev",
                    &format!("next dev {nonce}"),
                );
            }
            Self::EditSiteSource => tree.append("apps/site/src/app.tsx", &script),
            Self::EditSitePage => {
                tree.append("apps/site/index.html", &format!("<!-- {nonce} -->\n"));
            }
            Self::EditViteConfiguration => tree.append("apps/site/vite.config.ts", &script),
            Self::EditSiteScript => {
                tree.replace(
                    "apps/site/package.json",
                    "\"dev\": \"vite",
                    &format!("\"dev\": \"vite {nonce}"),
                );
            }
            Self::AddReadmes => {
                for app in ["apps/web", "apps/site"] {
                    tree.write(&format!("{app}/README.md"), nonce);
                }
            }
            Self::EditRootScript => {
                tree.replace(
                    "package.json",
                    "turbo run dev",
                    &format!("turbo run dev {nonce}"),
                );
            }
            Self::EditRootReadme => tree.append("README.md", nonce),
            Self::EditTurboComment => tree.append("turbo.json", &script),
            Self::EditLintConfiguration => tree.append("eslint.config.mjs", &script),
            Self::EditNpmrcComment => tree.append(".npmrc", &format!("# {nonce}\n")),
            Self::ChooseAnotherNode => tree.write(".nvmrc", "20\n"),
            Self::AddProductionDependency => {
                let manifest = "apps/server/package.json";
                let after = "\"fastify\": \"^5.12.8\"";
                tree.replace(
                    manifest,
                    after,
                    &format!("{after},\n    \"nanoid\": \"^5.1.16\""),
                );
                add_to_importer(tree, "apps/server", "devDependencies:", "nanoid", "5.1.16");
            }
            Self::AddDevDependency => {
                let manifest = "apps/server/package.json";
                tree.replace(
                    manifest,
                    "\"tsx\":",
                    "\"eslint\": \"^9.39.5\",\n    \"tsx\":",
                );
                add_to_importer(tree, "apps/server", "  tsx:", "eslint", "9.39.5");
            }
            Self::AddProductionDependencyToWeb => add_croner(tree, "apps/web", "  next:"),
            Self::AddProductionDependencyToSite => add_croner(tree, "apps/site", "  react:"),
            Self::AddDevDependencyToWeb => add_tsx(tree, "apps/web"),
            Self::AddDevDependencyToSite => add_tsx(tree, "apps/site"),
            Self::BumpNext => bump(tree, "next", "15.5.29", "15.5.30"),
            Self::BumpVitePlugin => bump(tree, "@vitejs/plugin-react", "5.2.0", "5.2.1"),
        }
    }
}

fn add_croner(tree: &Tree, app: &str, before: &str) {
    let dependency = "\"croner\": \"^10.0.1\",\n    \"react\":";
    tree.replace(&format!("{app}/package.json"), "\"react\":", dependency);
    add_to_importer(tree, app, before, "croner", "10.0.1");
}

fn add_tsx(tree: &Tree, app: &str) {
    let dependency = "\"tsx\": \"^4.23.15\",\n    \"typescript\":";
    tree.replace(
        &format!("{app}/package.json"),
        "\"typescript\":",
        dependency,
    );
    add_to_importer(tree, app, "  typescript:", "tsx", "4.23.15");
}

/// Replaces a package by another version of it that the same range allows.
fn bump(tree: &Tree, name: &str, from: &str, to: &str) {
    let text = tree.read(LOCKFILE);
    let text = text.replace(&format!("{name}@{from}"), &format!("{name}@{to}"));
    let text = text.replace(&format!("version: {from}("), &format!("version: {to}("));
    assert_ne!(text, tree.read(LOCKFILE));
    tree.write(LOCKFILE, &text);
}

/// Records a dependency in the lockfile, before the first line of the importer that holds `before`.
fn add_to_importer(tree: &Tree, importer: &str, before: &str, name: &str, version: &str) {
    let entry =
        format!("      {name}:\n        specifier: ^{version}\n        version: {version}\n");
    let before = format!("\n    {before}\n");
    let to = format!("\n{entry}{}", &before[1..]);
    tree.replace_after(LOCKFILE, &format!("\n  {importer}:\n"), &before, &to);
}
