//! A workspace of ten apps as teams have one: servers, workers and sites, with packages from npm and
//! three libraries that they share. It is written here; pnpm makes the lockfile, so the packages are
//! those of today.

use std::process::Command;

use fs_err as fs;
use serde_json::{Value, json};

use crate::Result;
use crate::tree::Tree;

/// The names of the images begin so.
pub(super) const PREFIX: &str = "slimbuild-bench/many";

const PNPM: &str = "10.34.8";

/// What an app is.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Server,
    Worker,
    Site,
}

/// An app, with packages of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct App {
    pub(super) name: &'static str,
    kind: Kind,
    packages: &'static [(&'static str, &'static str)],
}

const fn app(
    name: &'static str,
    kind: Kind,
    packages: &'static [(&'static str, &'static str)],
) -> App {
    App {
        name,
        kind,
        packages,
    }
}

/// The ten apps.
pub(super) const APPS: [App; 10] = [
    app(
        "accounts",
        Kind::Server,
        &[("ajv", "^8.17.1"), ("jose", "^6.0.0")],
    ),
    app(
        "billing",
        Kind::Server,
        &[("decimal.js", "^10.5.0"), ("ioredis", "^5.6.0")],
    ),
    app(
        "catalog",
        Kind::Server,
        &[("@fastify/cors", "^11.0.0"), ("lru-cache", "^11.1.0")],
    ),
    app(
        "gateway",
        Kind::Server,
        &[("@fastify/helmet", "^13.0.0"), ("undici", "^7.8.0")],
    ),
    app(
        "orders",
        Kind::Server,
        &[("date-fns", "^4.1.0"), ("pg", "^8.16.0")],
    ),
    app(
        "search",
        Kind::Server,
        &[("lodash", "^4.17.21"), ("minisearch", "^7.1.0")],
    ),
    app(
        "mailer",
        Kind::Worker,
        &[
            // With it, three apps use that library.
            ("@many/ui", "workspace:*"),
            ("nodemailer", "^7.0.0"),
            ("croner", "^9.0.0"),
        ],
    ),
    app(
        "reports",
        Kind::Worker,
        &[("csv-stringify", "^6.5.0"), ("croner", "^9.0.0")],
    ),
    app("shop", Kind::Site, &[("clsx", "^2.1.0")]),
    app("admin", Kind::Site, &[("zustand", "^5.0.0")]),
];

impl App {
    /// The app's directory.
    pub(super) fn directory(&self) -> String {
        format!("apps/{}", self.name)
    }

    /// The image's name.
    pub(super) fn tag(&self) -> String {
        format!("{PREFIX}-{}:1", self.name)
    }

    /// What a hand-made image starts, as turbo's guide shows it.
    pub(super) fn dockerfile(&self) -> String {
        let text = include_str!("turbo-prune.Dockerfile");
        text.replace("NAME", self.name)
    }

    fn manifest(&self) -> Value {
        let mut packages = json!({"@many/events": "workspace:*"});
        let mut dev = json!({"typescript": "^5.9.0"});
        let (mut build, mut start) = ("tsc -p tsconfig.json", Some("node dist/main.js"));
        match self.kind {
            Kind::Server => {
                packages["@many/schema"] = "workspace:*".into();
                packages["fastify"] = "^5.4.0".into();
                packages["pino"] = "^9.7.0".into();
                dev["@types/node"] = "^22.15.0".into();
            }
            Kind::Worker => {
                packages["pino"] = "^9.7.0".into();
                dev["@types/node"] = "^22.15.0".into();
            }
            Kind::Site => {
                packages =
                    json!({"@many/ui": "workspace:*", "react": "^19.1.0", "react-dom": "^19.1.0"});
                dev["vite"] = "^7.0.0".into();
                (build, start) = ("vite build", None);
            }
        }
        for (name, range) in self.packages {
            packages[name] = (*range).into();
        }
        let mut scripts = json!({"build": build});
        if let Some(start) = start {
            scripts["start"] = start.into();
        }
        json!({
            "name": format!("@many/{}", self.name), "version": "1.0.0", "private": true, "type": "module",
            "scripts": scripts, "dependencies": packages, "devDependencies": dev,
        })
    }

    fn main(&self) -> String {
        match self.kind {
            Kind::Server => format!(
                "import {{ published }} from '@many/events';
import {{ Item }} from '@many/schema';
import fastify from 'fastify';

const app = fastify();
app.get('/health', () => ({{ status: 'ok', app: '{}' }}));
app.post('/items', (request) => published(Item.parse(request.body)));
await app.listen({{ port: 3000, host: '0.0.0.0' }});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => void app.close());
",
                self.name
            ),
            _ => format!(
                "import {{ published }} from '@many/events';
import {{ pino }} from 'pino';

const log = pino();
setInterval(() => log.info(published({{ app: '{}' }})), 60000);
process.on('SIGTERM', () => process.exit(0));
",
                self.name
            ),
        }
    }
}

const LIBRARIES: [(&str, &str, &str); 3] = [
    (
        "schema",
        r#""zod": "^3.25.0""#,
        "import { z } from 'zod';

export const Item = z.object({ title: z.string().min(1), pieces: z.number().int().positive() });
export type Item = z.infer<typeof Item>;
",
    ),
    (
        "events",
        r#""nanoid": "^5.1.0""#,
        "import { nanoid } from 'nanoid';

export function published<T>(body: T) {
  return { id: nanoid(), body };
}
",
    ),
    (
        "ui",
        r#""clsx": "^2.1.0""#,
        "import { clsx } from 'clsx';

export function title(text: string, strong: boolean) {
  return { text, className: clsx('title', strong && 'strong') };
}
",
    ),
];

const TSCONFIG: &str = r#"{
  "compilerOptions": {
    "target": "es2022", "module": "nodenext", "moduleResolution": "nodenext", "declaration": true, "rootDir": "src", "outDir": "dist",
    "strict": true, "skipLibCheck": true
  },
  "include": ["src"]
}"#;

/// Writes it, and has pnpm make the lockfile.
pub(super) fn workspace() -> Result<Tree> {
    let tree = Tree::empty()?;
    let write = |name: &str, text: &str| -> Result<()> {
        let path = tree.path().join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        Ok(fs::write(path, text)?)
    };
    write(
        "package.json",
        &json!({
            "name": "many", "private": true, "packageManager": format!("pnpm@{PNPM}"),
            "devDependencies": {"turbo": "^2.5.0"},
        })
        .to_string(),
    )?;
    write(
        "pnpm-workspace.yaml",
        "packages: ['apps/*', 'packages/*']\n",
    )?;
    write(
        "turbo.json",
        r#"{ "tasks": { "build": { "dependsOn": ["^build"], "outputs": ["dist/**"] } } }"#,
    )?;
    write(".gitignore", "node_modules\ndist\n.turbo\n")?;
    write(
        ".dockerignore",
        "**/node_modules\n**/dist\n**/.turbo\n.git\n",
    )?;
    for (name, package, source) in LIBRARIES {
        let manifest = format!(
            r#"{{
  "name": "@many/{name}", "version": "1.0.0", "private": true, "type": "module",
  "exports": {{ ".": {{ "types": "./dist/index.d.ts", "default": "./dist/index.js" }} }},
  "scripts": {{ "build": "tsc -p tsconfig.json" }},
  "dependencies": {{ {package} }}, "devDependencies": {{ "typescript": "^5.9.0" }}
}}"#
        );
        write(&format!("packages/{name}/package.json"), &manifest)?;
        write(&format!("packages/{name}/tsconfig.json"), TSCONFIG)?;
        write(&format!("packages/{name}/src/index.ts"), source)?;
    }
    for app in APPS {
        let dir = app.directory();
        write(&format!("{dir}/package.json"), &app.manifest().to_string())?;
        write(
            &format!("{dir}/slimbuild.json"),
            &json!({"tags": [app.tag()]}).to_string(),
        )?;
        if let Kind::Site = app.kind {
            write(
                &format!("{dir}/index.html"),
                "<!doctype html><div id=\"root\"></div><script type=\"module\" src=\"/src/main.js\"></script>\n",
            )?;
            write(&format!("{dir}/src/main.js"), SITE)?;
        } else {
            write(&format!("{dir}/tsconfig.json"), TSCONFIG)?;
            write(&format!("{dir}/src/main.ts"), &app.main())?;
        }
    }
    pnpm(&tree, "install --lockfile-only")?;
    Ok(tree)
}

const SITE: &str = "import { title } from '@many/ui';
import { createElement } from 'react';
import { createRoot } from 'react-dom/client';

const { text, className } = title('Many', true);
createRoot(document.getElementById('root')).render(createElement('h1', { className }, text));
";

/// Installs and builds it on this machine.
pub(super) fn build_here(tree: &Tree) -> Result<()> {
    pnpm(tree, "install --frozen-lockfile")?;
    pnpm(tree, "-r run build")
}

fn pnpm(tree: &Tree, words: &str) -> Result<()> {
    let done = Command::new("npx")
        .args(["--yes", &format!("pnpm@{PNPM}")])
        .args(words.split(' '))
        .env("CI", "1")
        .current_dir(tree.path())
        .output()?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stdout);
    Err(format!("`pnpm {words}` failed: {said}").into())
}
