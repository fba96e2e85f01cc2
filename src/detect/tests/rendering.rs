//! Frameworks that render on a server: what comes of each configuration, in one line.

use super::app::look;
use crate::detect::{AppKind, Delivery};

/// What an app with this manifest and these files comes to.
fn of(manifest: &str, files: &[(&str, &str)]) -> String {
    wanted(manifest, files, None)
}

fn wanted(manifest: &str, files: &[(&str, &str)], kind: Option<AppKind>) -> String {
    let detection = match look(manifest, files, kind) {
        Ok(detection) => detection,
        Err(error) => return format!("{error} ({})", error.hint().unwrap()),
    };
    let port = detection
        .port
        .map_or_else(String::new, |port| format!(" :{port}"));
    let command = |start: &crate::detect::Start| {
        let words = start
            .node_args
            .iter()
            .chain([&start.entry])
            .chain(&start.args);
        words.cloned().collect::<Vec<_>>().join(" ")
    };
    match &detection.delivery {
        Delivery::Modules(start) => format!(
            "modules: {}{port}{}",
            command(start),
            detection
                .delivery
                .written()
                .map_or_else(String::new, |(file, _)| format!(", writes {file}"))
        ),
        Delivery::Bundle(bundle) => format!(
            "bundle: {}{port}, modules in {}",
            command(&bundle.start),
            bundle.modules
        ),
        Delivery::Site(site) => format!(
            "site: {}{}, hashed in {}",
            site.dir,
            site.fallback
                .page
                .as_ref()
                .map_or_else(String::new, |page| format!(" or {page}")),
            site.hashed.join(", ")
        ),
    }
}

/// A manifest with these scripts and dependencies: `build`, `start` (may be empty), production, dev.
fn manifest(build: &str, start: &str, ships: &[&str], dev: &[&str]) -> String {
    let map = |names: &[&str]| {
        names
            .iter()
            .map(|name| format!("\"{name}\": \"1\""))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let start = if start.is_empty() {
        String::new()
    } else {
        format!(", \"start\": \"{start}\"")
    };
    format!(
        "{{\"scripts\": {{\"build\": \"{build}\"{start}}}, \"dependencies\": {{{}}}, \"devDependencies\": {{{}}}}}",
        map(ships),
        map(dev)
    )
}

#[test]
fn svelte_kit_by_its_adapter() {
    let app = |start: &str, file: &str, config: &str| {
        of(
            &manifest("vite build", start, &[], &["@sveltejs/kit"]),
            &[(file, config)],
        )
    };
    let node = "import adapter from '@sveltejs/adapter-node'; export default { kit: { adapter: adapter() } }";
    let plain = "modules: build/index.js :3000, writes build/index.js";
    assert_eq!(app("", "svelte.config.js", node), plain);
    assert_eq!(app("node build", "svelte.config.js", node), plain);
    assert_eq!(
        app(
            "PORT=4000 node --enable-source-maps ./build/index.js",
            "svelte.config.js",
            node
        ),
        "modules: --enable-source-maps build/index.js :4000, writes build/index.js"
    );
    assert_eq!(
        app(
            "",
            "vite.config.ts",
            "import a from '@sveltejs/adapter-node'; sveltekit({ adapter: a({ out: './server/' }) })"
        ),
        "modules: server/index.js :3000, writes server/index.js"
    );
    assert_eq!(
        app(
            "",
            "svelte.config.js",
            "import a from '@sveltejs/adapter-static'; a({ pages: 'www', fallback: '200.html' })"
        ),
        "site: www or 200.html, hashed in _app/immutable"
    );
    assert_eq!(
        app(
            "",
            "svelte.config.js",
            "import a from '@sveltejs/adapter-auto';"
        ),
        "cannot tell how `apps/a` is to be served: SvelteKit: its adapter writes nothing that node can start \
         (`adapter-auto` picks one on hosts that it knows, and a container is none) \
         (add `@sveltejs/adapter-node` to the dev dependencies and set it as `adapter` in svelte.config.js or \
         vite.config.js; for a site without a server `@sveltejs/adapter-static`)"
    );
    let other = app(
        "",
        "svelte.config.js",
        "import a from '@sveltejs/adapter-cloudflare'; // adapter-auto only supports some environments",
    );
    let said = "SvelteKit: its adapter is `@sveltejs/adapter-cloudflare`, which makes no server for node (";
    assert!(other.contains(said), "{other}");
}

#[test]
fn two_adapters_are_decided_by_the_user() {
    let manifest = manifest("vite build", "", &[], &["@sveltejs/kit"]);
    let files = [(
        "svelte.config.js",
        "import n from '@sveltejs/adapter-node'; import s from '@sveltejs/adapter-static';",
    )];
    assert_eq!(
        of(&manifest, &files),
        "cannot tell how `apps/a` is to be served: SvelteKit: its configuration names both `adapter-node` (a server) and \
         `adapter-static` (a site) (decide: `--kind server-rendering` or `--kind static-site`)"
    );
    let site = wanted(&manifest, &files, Some(AppKind::StaticSite));
    assert_eq!(site, "site: build, hashed in _app/immutable");
    let server = wanted(&manifest, &files, Some(AppKind::ServerRendering));
    assert_eq!(
        server,
        "modules: build/index.js :3000, writes build/index.js"
    );
}

#[test]
fn the_app_s_own_server() {
    let manifest = manifest(
        "vite build",
        "node --import ./a.js server.js",
        &[],
        &["@sveltejs/kit"],
    );
    let node = "import adapter from '@sveltejs/adapter-node';";
    assert_eq!(
        of(&manifest, &[("svelte.config.js", node), ("server.js", "")]),
        "modules: --import ./a.js server.js :3000"
    );
}

#[test]
fn astro_by_its_adapter() {
    let app = |start: &str, config: &str| {
        of(
            &manifest("astro check && astro build", start, &["astro"], &[]),
            &[("astro.config.mjs", config)],
        )
    };
    assert_eq!(app("", "export default {}"), "site: dist, hashed in _astro");
    let node = "import node from '@astrojs/node'; export default { adapter: node({ mode: 'standalone' }) }";
    assert_eq!(
        app("node ./dist/server/entry.mjs", node),
        "modules: dist/server/entry.mjs :4321, writes dist/server/entry.mjs"
    );
    let middleware = "import node from '@astrojs/node'; export default { adapter: node({ mode: 'middleware' }) }";
    assert_eq!(
        app("", middleware),
        "cannot tell how `apps/a` is to be served: Astro: its adapter makes a middleware (`mode: 'middleware'`), and no script starts a \
         server around it (write `mode: 'standalone'` in astro.config.mjs, or name the server: `\"start\": \"node server.mjs\"`)"
    );
    assert_eq!(
        app("", "import vercel from '@astrojs/vercel'"),
        "cannot tell how `apps/a` is to be served: Astro: its adapter is `@astrojs/vercel`, which makes no server for node \
         (add `@astrojs/node` to the dependencies and `adapter: node({ mode: 'standalone' })` to astro.config.mjs)"
    );
}

#[test]
fn react_router_by_its_server() {
    let start = "NODE_ENV=production react-router-serve ./build/server/index.js";
    let app = |start: &str, ships: &[&str], config: &str| {
        let manifest = manifest("react-router build", start, ships, &["@react-router/dev"]);
        of(
            &manifest,
            &[("react-router.config.ts", config), ("server.js", "")],
        )
    };
    let serve = ["@react-router/serve"];
    assert_eq!(
        app(start, &serve, "ssr: true"),
        "modules: node_modules/.bin/react-router-serve ./build/server/index.js :3000, writes build/server/index.js"
    );
    assert_eq!(
        app("", &serve, "buildDirectory: 'out'"),
        "modules: node_modules/.bin/react-router-serve out/server/index.js :3000, writes out/server/index.js"
    );
    assert_eq!(app("node server.js", &[], ""), "modules: server.js :3000");
    assert_eq!(
        app("", &[], "ssr: false"),
        "site: build/client or index.html, hashed in assets"
    );
    assert_eq!(
        app("", &[], "ssr: false, prerender: ['/', '/about']"),
        "site: build/client or __spa-fallback.html, hashed in assets"
    );
    assert_eq!(
        app(start, &[], ""),
        "cannot tell how `apps/a` is to be served: the `start` script (`react-router-serve ./build/server/index.js`) runs a program of \
         `@react-router/serve`, which is not among the dependencies (move `@react-router/serve` to the dependencies, or start a file with node)"
    );
    assert_eq!(
        app("", &[], ""),
        "cannot tell how `apps/a` is to be served: React Router: no script starts a server, and `@react-router/serve` is not among the \
         dependencies (add `@react-router/serve` to the dependencies and \
         `\"start\": \"react-router-serve ./build/server/index.js\"` to the scripts)"
    );
    let remix = manifest(
        "remix vite:build",
        "remix-serve ./build/server/index.js",
        &["@remix-run/serve"],
        &["@remix-run/dev"],
    );
    assert_eq!(
        of(&remix, &[]),
        "modules: node_modules/.bin/remix-serve ./build/server/index.js :3000, writes build/server/index.js"
    );
}

#[test]
fn nitro_brings_its_modules() {
    let bundle =
        "bundle: .output/server/index.mjs :3000, modules in apps/a/.output/server/node_modules";
    let nuxt = |build: &str, config: &str| {
        of(
            &manifest(build, "", &["nuxt"], &[]),
            &[("nuxt.config.ts", config)],
        )
    };
    assert_eq!(nuxt("nuxt build", ""), bundle);
    assert_eq!(
        nuxt("nuxt generate", ""),
        "site: .output/public, hashed in _nuxt"
    );
    assert_eq!(
        nuxt("nuxt generate", "ssr: false"),
        "site: .output/public or 200.html, hashed in _nuxt"
    );
    assert_eq!(
        nuxt("nuxt build", "nitro: { preset: 'static' }"),
        "site: .output/public, hashed in _nuxt"
    );
    assert_eq!(
        nuxt("nuxt build", "nitro: { preset: 'vercel' }"),
        "cannot tell how `apps/a` is to be served: Nuxt: Nitro's preset is `vercel`, which makes no server for node \
         (leave `preset` out, or write `preset: 'node-server'`)"
    );
    assert_eq!(
        of(
            &manifest("vinxi build", "vinxi start", &["@solidjs/start"], &[]),
            &[]
        ),
        bundle
    );
    let nitro = (
        "vite.config.ts",
        "import { nitro } from 'nitro/vite'; plugins: [nitro(), tanstackStart()]",
    );
    let start = |command: &str, files: &[(&str, &str)]| {
        of(
            &manifest(
                "vite build",
                command,
                &["@tanstack/react-start", "srvx"],
                &["vite"],
            ),
            files,
        )
    };
    assert_eq!(start("vite start", &[nitro]), bundle);
    assert_eq!(
        start(
            "node --import ./instrument.mjs .output/server/index.mjs",
            &[nitro, ("instrument.mjs", "")]
        ),
        "modules: --import ./instrument.mjs .output/server/index.mjs :3000, writes .output/server/index.mjs"
    );
    assert_eq!(
        start("srvx --prod -s ../client dist/server/server.js", &[]),
        "modules: node_modules/.bin/srvx --prod -s ../client dist/server/server.js :3000, writes dist/server/server.js"
    );
    assert_eq!(
        start("vite preview", &[]),
        "cannot tell how `apps/a` is to be served: TanStack Start: its build writes a handler of requests and no server, and no script \
         starts one (add `nitro` to the dependencies and `nitro()` (from `nitro/vite`) to the plugins in vite.config.ts)"
    );
}

#[test]
fn a_kind_that_the_app_is_not() {
    let nuxt = manifest("nuxt build", "", &["nuxt"], &[]);
    assert_eq!(
        wanted(&nuxt, &[], Some(AppKind::StaticSite)),
        "`apps/a` is not of the kind `static site`: no framework that makes such an app builds it \
         (leave `--kind` out, and `\"kind\"` of slimbuild.json, to see what is found; or say what node starts: `--kind node --entry dist/main.js`, or \
         for good with `\"kind\": \"node\", \"start\": \"dist/main.js\"` in apps/a/slimbuild.json)"
    );
}

#[test]
fn what_nearly_is_a_site_is_told() {
    let hint = "(name the file that node starts with `--entry dist/main.js`, or for good with `\"start\": \"dist/main.js\"` in apps/a/slimbuild.json, \
         or in the `start` script as `node dist/main.js`)";
    let nothing = "cannot tell how `apps/a` starts: no script starts node with a file, and there is no `main`, `bin` or `index.js`";
    assert_eq!(
        of(&manifest("vite build", "", &[], &["vite"]), &[]),
        format!(
            "{nothing}; its build runs `vite build`, which makes a site of an `index.html`, and there is none beside its package.json {hint}"
        )
    );
    assert_eq!(
        of(&manifest("make site", "", &["astro"], &[]), &[]),
        format!(
            "{nothing}; it depends on `astro`, but its build does not run `astro build` {hint}"
        )
    );
    // A server for developers is no start, even where the image would have its program.
    assert_eq!(
        of(
            &manifest("tsx scripts/build.ts", "astro dev", &["astro"], &[]),
            &[]
        ),
        format!(
            "{nothing}; it depends on `astro`, but its build does not run `astro build` {hint}"
        )
    );
    assert_eq!(
        of(&manifest("make", "", &[], &["vite", "storybook"]), &[]),
        format!("{nothing} {hint}")
    );
}

#[test]
fn sites_by_their_build() {
    let site = |build: &str, dev: &[&str], files: &[(&str, &str)]| {
        of(&manifest(build, "", &[], dev), files)
    };
    let vitepress = |build: &str, files: &[(&str, &str)]| site(build, &["vitepress"], files);
    assert_eq!(
        vitepress("vitepress build", &[]),
        "site: .vitepress/dist, hashed in assets"
    );
    assert_eq!(
        vitepress("vitepress build docs", &[]),
        "site: docs/.vitepress/dist, hashed in assets"
    );
    let config = [(
        "docs/.vitepress/config.mts",
        "export default { outDir: '../dist' }",
    )];
    assert_eq!(
        vitepress("vitepress build docs", &config),
        "site: dist, hashed in assets"
    );
    assert_eq!(
        site("docusaurus build", &["@docusaurus/core"], &[]),
        "site: build, hashed in assets"
    );
    assert_eq!(
        site("storybook build -o out", &["storybook", "vite"], &[]),
        "site: out, hashed in assets"
    );
    let cra = ["react-scripts", "react-router-dom"];
    assert_eq!(
        site("react-scripts build", &cra, &[]),
        "site: build or index.html, hashed in static"
    );
    assert_eq!(
        site("cross-env BUILD_PATH=./dist react-scripts build", &cra, &[]),
        "site: dist or index.html, hashed in static"
    );
    let angular = r#"{"projects": {"a": {"architect": {"build": {"builder": "@angular/build:application", "options": {"outputPath": "out"}}}}}}"#;
    assert_eq!(
        site("ng build", &["@angular/cli"], &[("angular.json", angular)]),
        "site: out/browser or index.html, hashed in "
    );
    let vite = [
        ("index.html", ""),
        (
            "vite.config.js",
            "export default { build: { outDir: 'public' } }",
        ),
    ];
    assert_eq!(
        site("vite build", &["vite", "vue-router"], &vite),
        "site: public or index.html, hashed in assets"
    );
    // Programs that write the pages of a Vite site.
    for program in ["vite-ssg", "vite-react-ssg"] {
        assert_eq!(
            site(&format!("{program} build"), &["vite", program], &vite),
            "site: public, hashed in assets"
        );
    }
}
