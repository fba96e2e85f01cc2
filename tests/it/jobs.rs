//! The jobs of pipelines in the book are run as they are written, with Docker and without.
//!
//! What only GitHub and GitLab have is replaced by its meaning on this machine: expressions by their
//! values, `uses:` by what the action does, services by the daemon, and `ghcr.io` by the lab's registry
//! with a password. `run:` and `script:` are run verbatim, by bash as the runners call it.

mod github;
mod gitlab;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::affected::{commit, git};
use crate::base::cache;
use crate::docs;
use crate::support::daemon::{Daemon, one_daemon, skipped};
use crate::support::pnpm::{Pnpm, reachable};
use crate::support::program::PROGRAM;
use crate::support::tree::Tree;

/// The lab's registry, and its login.
const REGISTRY: (&str, &str) = ("LAB_REGISTRY_AUTH", "127.0.0.1:5001");
const LOGIN: &str = "lab";

/// What begins the jobs of the book that are not whole.
const PART: &str = "      - ";

/// A pipeline's file in the book.
struct Pipeline {
    page: PathBuf,
    /// As its first line says.
    file: String,
    text: String,
}

impl Pipeline {
    /// Its content, for this machine's registry.
    fn document(&self, registry: &str) -> Value {
        let text = self.text.replace("ghcr.io", registry);
        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", self.file))
    }
}

/// All of them. A block of YAML that is none of them must say why it is not run.
fn pipelines() -> Vec<Pipeline> {
    let mut found = Vec::new();
    for page in docs::pages() {
        for block in docs::blocks(&docs::read(&page)) {
            if block.language != "yaml" || block.not_run.is_some() {
                continue;
            }
            let file = block.lines[0].strip_prefix("# ");
            let file = file.unwrap_or_else(|| panic!("{}: {}", page.display(), block.lines[0]));
            let is_known = file.starts_with(".github/workflows/") || file.starts_with(".gitlab");
            assert!(is_known, "{}: {file}", page.display());
            found.push(Pipeline {
                page: page.clone(),
                file: file.to_owned(),
                text: block.lines.join("\n"),
            });
        }
    }
    found
}

/// The pipelines of one page, by the names of their files.
fn of_page(page: &str, file: &str) -> Vec<Pipeline> {
    let all = pipelines().into_iter();
    let found = all.filter(|pipeline| pipeline.page.ends_with(page) && pipeline.file == file);
    found.collect()
}

/// A repository with two commits, of which the second changes the worker.
struct Origin {
    tree: Tree,
    before: String,
    head: String,
}

impl Origin {
    fn new() -> Self {
        let tree = crate::affected::repository();
        let before = git(tree.root(), &["rev-parse", "HEAD"]);
        tree.append("apps/worker/src/main.js", "// changed\n");
        commit(tree.root(), "second");
        let head = git(tree.root(), &["rev-parse", "HEAD"]);
        Self { tree, before, head }
    }
}

/// Who builds: a daemon, or nobody but slimbuild.
#[derive(Clone, Copy)]
enum Engine<'d> {
    Docker(&'d Daemon),
    Native,
}

/// A machine for one job: a clone, and a home.
struct Machine<'d> {
    clone: Tree,
    home: tempfile::TempDir,
    engine: Engine<'d>,
    registry: String,
    path: Vec<PathBuf>,
    env: BTreeMap<String, String>,
}

impl<'d> Machine<'d> {
    fn new(origin: &Origin, engine: Engine<'d>, registry: &str) -> Self {
        let clone = Tree::new(&[]);
        let from = origin.tree.root().to_str().unwrap();
        git(clone.root(), &["clone", "--quiet", from, "."]);
        let home = crate::support::temporary();
        let mut env = BTreeMap::new();
        let docker = home.path().join("docker").display().to_string();
        env.insert("DOCKER_CONFIG".to_owned(), docker);
        // What is downloaded once stays.
        let caches = home.path().join("cache");
        fs_err::create_dir_all(&caches).unwrap();
        std::os::unix::fs::symlink(cache(), caches.join("slimbuild")).unwrap();
        env.insert("XDG_CACHE_HOME".to_owned(), caches.display().to_string());
        let env_of_process = slimbuild::Env::of_process();
        // The network of this machine, as its runner would have it.
        let network = [
            "HTTPS_PROXY",
            "https_proxy",
            "NO_PROXY",
            "no_proxy",
            "NODE_EXTRA_CA_CERTS",
            "SSL_CERT_FILE",
        ];
        for name in network {
            let value = env_of_process.get(name);
            env.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        }
        if let Engine::Docker(daemon) = engine {
            env.insert("DOCKER_HOST".to_owned(), daemon.address.clone());
        }
        Self {
            clone,
            home,
            engine,
            registry: registry.to_owned(),
            path: Vec::new(),
            env,
        }
    }

    /// A path of this machine.
    fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// slimbuild is there.
    fn install(&mut self) {
        self.path.push(Path::new(PROGRAM).parent().unwrap().into());
    }

    /// node and pnpm are there.
    fn install_pnpm(&mut self) {
        let pnpm = Pnpm::new("22", "10.34.8").unwrap();
        self.path.extend(std::env::split_paths(pnpm.path()));
    }

    /// Runs a script, and gives what it wrote on stdout.
    fn run(&self, script: &str, env: &BTreeMap<String, String>) -> String {
        let usual = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin"].map(PathBuf::from);
        let path = std::env::join_paths(self.path.iter().cloned().chain(usual)).unwrap();
        let mut command = match self.engine {
            Engine::Docker(_) => Command::new("bash"),
            Engine::Native => {
                let mut command = Command::new("unshare");
                let hidden = "mount -t tmpfs none /run && exec bash \"$@\"";
                let own = ["--user", "--map-root-user", "--mount", "sh", "-c"];
                command.args(own).args([hidden, "sh"]);
                command
            }
        };
        let output = command
            .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script])
            .current_dir(self.clone.root())
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.home.path())
            .env("CI", "true")
            .envs(&self.env)
            .envs(env)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{script}\n{printed}\n{said}");
        self.forget_images(&printed);
        printed
    }

    /// Removes the images whose names were printed from the daemon.
    fn forget_images(&self, printed: &str) {
        if let Engine::Docker(daemon) = self.engine {
            let names = printed.lines().filter(|line| {
                let is_name = line.starts_with(&format!("{}/", self.registry));
                is_name && !line.contains(char::is_whitespace)
            });
            for name in names {
                // What is made natively is not in it.
                let there = daemon.wait(daemon.client.inspect_image(name));
                if there.is_ok() {
                    daemon.remove(name);
                }
            }
        }
    }
}

/// Whether jobs can be run here; if so, the registry's address.
fn registry(test: &str) -> Option<String> {
    if let Err(why) = reachable() {
        skipped(&why, test);
        return None;
    }
    let (variable, standard) = REGISTRY;
    let env = slimbuild::Env::of_process();
    let address = env.get(variable).unwrap_or(standard).to_owned();
    if std::net::TcpStream::connect(&address).is_err() {
        skipped(&format!("no registry at {address}"), test);
        return None;
    }
    Some(address)
}

/// Runs a test with a daemon, and then without.
fn with_both(test: &str, run: impl Fn(Engine<'_>, &str)) {
    let Some(registry) = registry(test) else {
        return;
    };
    one_daemon(test, |daemon| run(Engine::Docker(daemon), &registry));
    if crate::trial::namespaces(test) {
        run(Engine::Native, &registry);
    }
}

/// Pushes an image as `main` whose source differs from what the job builds.
fn main_differs(machine: &mut Machine<'_>, registry: &str) {
    let source = "apps/server/src/main.ts";
    let before = machine.clone.read(source);
    machine.clone.append(source, "\nconsole.error('main');\n");
    let docker = PathBuf::from(&machine.env["DOCKER_CONFIG"]);
    fs_err::create_dir_all(&docker).unwrap();
    // `lab:lab`
    let logins = format!(r#"{{"auths":{{"{registry}":{{"auth":"bGFiOmxhYg=="}}}}}}"#);
    fs_err::write(docker.join("config.json"), logins).unwrap();
    let line = format!("{PROGRAM} apps/server -t {registry}/shop/server:main --push");
    machine.run(&line, &BTreeMap::new());
    fs_err::remove_file(docker.join("config.json")).unwrap();
    machine.clone.write(source, &before);
}

/// The pairs of an object, as texts.
fn pairs(object: &Value) -> BTreeMap<String, String> {
    let pairs = object.as_object().into_iter().flatten();
    pairs
        .map(|(key, value)| {
            let text = value.as_str().map(str::to_owned);
            (key.clone(), text.unwrap_or_else(|| value.to_string()))
        })
        .collect()
}

#[test]
fn each_pipeline_of_the_book_is_run_by_a_test() {
    let mut files: Vec<String> = pipelines()
        .iter()
        .map(|pipeline| {
            let page = pipeline.page.file_name().unwrap().to_string_lossy();
            format!("{page}: {}", pipeline.file)
        })
        .collect();
    files.sort();
    let mut run = [github::RUN.as_slice(), &gitlab::RUN].concat();
    run.sort_unstable();
    assert_eq!(files, run);
    assert!(
        pipelines()
            .iter()
            .all(|pipeline| !pipeline.text.starts_with(PART))
    );
}
