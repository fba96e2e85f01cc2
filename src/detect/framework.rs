//! Recognises frameworks by a dependency and the command that builds with it.

use serde::Serialize;

use super::AppKind;
use super::script::Command;
use super::subject::Subject;

/// A framework of an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "they are names")]
pub enum Framework {
    Angular,
    Astro,
    CreateReactApp,
    Docusaurus,
    Eleventy,
    Gatsby,
    Next,
    Nitro,
    Nuxt,
    Parcel,
    ReactRouter,
    Remix,
    Rsbuild,
    SolidStart,
    Storybook,
    SvelteKit,
    #[serde(rename = "tanstack-start")]
    TanStackStart,
    Vite,
    VitePress,
    VueCli,
}

use Framework::{
    Angular, Astro, CreateReactApp, Docusaurus, Eleventy, Gatsby, Next, Nitro, Nuxt, Parcel,
    ReactRouter, Remix, Rsbuild, SolidStart, Storybook, SvelteKit, TanStackStart, Vite, VitePress,
    VueCli,
};

/// Package, the first words of its build command, framework. The first match wins, so specific
/// frameworks come before general ones: Astro, Nuxt and `SvelteKit` build with Vite too.
const MARKS: [(&str, &str, Framework); 30] = [
    ("next", "next build", Next),
    ("nuxt", "nuxt build", Nuxt),
    ("nuxt", "nuxi build", Nuxt),
    ("nuxt", "nuxt generate", Nuxt),
    ("@sveltejs/kit", "vite build", SvelteKit),
    ("@tanstack/react-start", "vite build", TanStackStart),
    ("@tanstack/solid-start", "vite build", TanStackStart),
    ("@tanstack/start", "vinxi build", TanStackStart),
    ("@solidjs/start", "vinxi build", SolidStart),
    ("@solidjs/start", "vite build", SolidStart),
    ("@react-router/dev", "react-router build", ReactRouter),
    ("@remix-run/dev", "remix", Remix),
    ("nitropack", "nitro", Nitro),
    ("nitro", "nitro", Nitro),
    ("astro", "astro build", Astro),
    ("@angular/cli", "ng build", Angular),
    ("react-scripts", "react-scripts build", CreateReactApp),
    ("react-scripts", "craco build", CreateReactApp),
    ("react-scripts", "react-app-rewired build", CreateReactApp),
    ("react-scripts", "rescripts build", CreateReactApp),
    ("vite-ssg", "vite-ssg build", Vite),
    ("vite-react-ssg", "vite-react-ssg build", Vite),
    ("vitepress", "vitepress build", VitePress),
    ("@docusaurus/core", "docusaurus build", Docusaurus),
    ("storybook", "storybook build", Storybook),
    ("gatsby", "gatsby build", Gatsby),
    ("parcel", "parcel build", Parcel),
    ("@11ty/eleventy", "eleventy", Eleventy),
    ("@vue/cli-service", "vue-cli-service build", VueCli),
    ("@rsbuild/core", "rsbuild build", Rsbuild),
];

/// Programs of frameworks that serve, and build nothing.
const SERVERS: [&str; 4] = ["react-router-serve", "remix-serve", "srvx", "vite-node"];

impl Framework {
    /// The name in messages.
    pub fn label(self) -> &'static str {
        match self {
            Angular => "Angular",
            Astro => "Astro",
            CreateReactApp => "Create React App",
            Docusaurus => "Docusaurus",
            Eleventy => "Eleventy",
            Gatsby => "Gatsby",
            Next => "Next.js",
            Nitro => "Nitro",
            Nuxt => "Nuxt",
            Parcel => "Parcel",
            ReactRouter => "React Router",
            Remix => "Remix",
            Rsbuild => "Rsbuild",
            SolidStart => "SolidStart",
            Storybook => "Storybook",
            SvelteKit => "SvelteKit",
            TanStackStart => "TanStack Start",
            Vite => "Vite",
            VitePress => "VitePress",
            VueCli => "Vue CLI",
        }
    }

    /// The kind of app that it usually makes. Its configuration may change that.
    pub fn kind(self) -> AppKind {
        match self {
            Next => AppKind::Next,
            Astro | Nitro | Nuxt | ReactRouter | Remix | SolidStart | SvelteKit | TanStackStart => {
                AppKind::ServerRendering
            }
            Angular | CreateReactApp | Docusaurus | Eleventy | Gatsby | Parcel | Rsbuild
            | Storybook | Vite | VitePress | VueCli => AppKind::StaticSite,
        }
    }
}

/// Whether a command is that of a framework that builds an app.
pub fn builds_an_app(command: &Command) -> bool {
    let all = MARKS.iter().map(|(_, words, _)| *words);
    all.chain(["vite build"]).any(|words| command.runs(words))
}

/// Whether a program belongs to a framework: it builds an app, or serves what the build wrote.
pub(super) fn is_program(program: &str) -> bool {
    let mut builders = MARKS.iter().map(|(_, words, _)| words.split(' ').next());
    SERVERS.contains(&program) || builders.any(|first| first == Some(program))
}

/// Whether the build runs a command of these words.
fn runs(subject: &Subject<'_>, command: &str) -> bool {
    subject.build().iter().any(|one| one.runs(command))
}

/// The evidence for a framework, and what is missing, if none was detected.
pub(super) fn nearly(subject: &Subject<'_>) -> Option<String> {
    if subject.tool("vite").is_some() && runs(subject, "vite build") {
        return Some(
            "its build runs `vite build`, which makes a site of an `index.html`, and there is none beside its package.json".to_owned(),
        );
    }
    let (package, command, _) = MARKS
        .into_iter()
        .find(|(package, _, _)| subject.ships(package))?;
    Some(format!(
        "it depends on `{package}`, but its build does not run `{command}`"
    ))
}

/// The framework for the kind that the user names, by its package alone, if no build command shows
/// it.
pub(super) fn of_kind(subject: &Subject<'_>, kind: AppKind) -> Option<(Framework, Vec<String>)> {
    let all = MARKS.into_iter().chain([("vite", "vite build", Vite)]);
    let mut all = all
        .filter(|(package, _, framework)| framework.kind() == kind && subject.depends_on(package));
    let (package, _, framework) = all.next()?;
    Some((framework, vec![format!("it depends on `{package}`")]))
}

/// The framework that builds the app, and the evidence.
pub(super) fn detect(subject: &Subject<'_>) -> Option<(Framework, Vec<String>)> {
    let marked = MARKS
        .into_iter()
        .find(|(package, command, _)| subject.tool(package).is_some() && runs(subject, command));
    // Vite builds libraries and servers too; a site has a start page.
    let vite = || {
        let page = subject.tool("vite").is_some()
            && runs(subject, "vite build")
            && subject.files.contains("index.html");
        page.then_some(("vite", "vite build", Vite))
    };
    let (package, command, framework) = marked.or_else(vite)?;
    let evidence = vec![
        subject.tool(package)?,
        format!("its build runs `{command}`"),
    ];
    Some((framework, evidence))
}
