//! The daemon: builds, images, their sizes, and whether they boot.
//!
//! slimbuild's own engine builds the other Dockerfiles too, so that all go the same way: a process that streams a tar of the context to the
//! BuildKit behind `POST /grpc`.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bollard::API_DEFAULT_VERSION;
use bollard::models::{ContainerCreateBody, HostConfig, PortBinding};
use bollard::query_parameters::{
    CreateContainerOptions, InspectContainerOptions, LogsOptionsBuilder, PruneBuildOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder, StartContainerOptions,
};
use futures_util::TryStreamExt;
use serde_json::Value;
use slimbuild::Env;
use slimbuild::Ui;
use slimbuild::internals::{
    Address, BuildRequest, Builder, Buildkit, Docker, Export, ImageRef, Interrupt, Progress,
    ProgressMode, host,
};
use tokio::runtime::Runtime;

use crate::Result;
use crate::tree::{self, Tree};

/// How long an app may take until it answers.
const PATIENCE: Duration = Duration::from_secs(30);

/// A daemon on this machine.
pub(crate) struct Lab {
    version: String,
    client: bollard::Docker,
    runtime: Runtime,
}

/// One build.
#[derive(Debug, Default)]
pub(crate) struct Built {
    /// From the start of the command until the image is there.
    pub(crate) seconds: f64,
    /// Instructions that ran, and for how long.
    pub(crate) steps: BTreeMap<String, f64>,
    /// Instructions whose results were there already. Base images do not count.
    pub(crate) cached: Vec<String>,
    /// What the package manager said about a registry that did not answer.
    pub(crate) stalled: Option<String>,
}

impl Built {
    /// How long the steps with these words in their names took together.
    pub(crate) fn seconds_of(&self, words: &str) -> f64 {
        let steps = self.steps.iter();
        let named = steps.filter(|(name, _)| name.contains(words));
        named.map(|(_, seconds)| seconds).sum()
    }

    /// The instructions that ran.
    pub(crate) fn ran(&self) -> impl Iterator<Item = String> {
        let instructions = self.steps.keys().filter(|name| name.starts_with('['));
        let ran = instructions.filter(|name| !self.cached.contains(name));
        ran.cloned()
    }
}

/// How to see that an app is alive.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Probe {
    /// It answers 200 here, and the answer holds the changed line.
    Answers { port: u16, path: &'static str },
    /// It prints this. What is around the app is not there, so it may end afterwards.
    Prints {
        text: &'static str,
        env: &'static [&'static str],
    },
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Boots {
    /// It is alive.
    Yes,
    /// The line of its log that says most.
    No(String),
}

impl Lab {
    pub(crate) fn connect(env: &Env) -> Result<Self> {
        let host = host::resolve(env, None)?;
        let Address::Local(socket) = host.address() else {
            return Err("a daemon on this machine is needed, to ask the containers' ports".into());
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let client = {
            let _inside = runtime.enter();
            // Pruning takes its time.
            bollard::Docker::connect_with_local(
                &socket.to_string_lossy(),
                600,
                API_DEFAULT_VERSION,
            )?
        };
        let client = runtime.block_on(client.negotiate_version())?;
        Ok(Self {
            version: Docker::connect(&host)?.version().to_owned(),
            client,
            runtime,
        })
    }

    /// The daemon's version.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Bytes of an image, unpacked, its base included. With containerd's image store, an inspection
    /// tells what a pull transfers instead.
    pub(crate) fn size(&self, tag: &str) -> Result<u64> {
        let layers = self.runtime.block_on(self.client.image_history(tag))?;
        Ok(layers
            .iter()
            .map(|layer| layer.size)
            .sum::<i64>()
            .try_into()?)
    }

    /// Forgets these images and the whole build cache, cache mounts included. Base images are images, and stay.
    pub(crate) fn forget(&self, tags: &[&str]) -> Result<()> {
        self.runtime.block_on(async {
            for tag in tags {
                let force = RemoveImageOptionsBuilder::default().force(true).build();
                match self.client.remove_image(tag, Some(force), None).await {
                    Ok(_)
                    | Err(bollard::errors::Error::DockerResponseServerError {
                        status_code: 404,
                        ..
                    }) => {}
                    Err(error) => return Err(error),
                }
            }
            let all = PruneBuildOptionsBuilder::default().all(true).build();
            self.client.prune_build(Some(all)).await
        })?;
        Ok(())
    }

    /// Starts a container of an image, and looks whether it lives. `changed` is the text that the last change of the source brought in.
    pub(crate) fn boots(&self, tag: &str, probe: Probe, changed: &str) -> Result<Boots> {
        let mut body = ContainerCreateBody {
            image: Some(tag.to_owned()),
            ..ContainerCreateBody::default()
        };
        match probe {
            Probe::Answers { port, .. } => {
                let port = format!("{port}/tcp");
                let binding = PortBinding {
                    host_ip: Some(Ipv4Addr::LOCALHOST.to_string()),
                    host_port: None,
                };
                body.exposed_ports = Some(vec![port.clone()]);
                body.host_config = Some(HostConfig {
                    port_bindings: Some([(port, Some(vec![binding]))].into()),
                    ..HostConfig::default()
                });
            }
            Probe::Prints { env, .. } => {
                body.env = Some(env.iter().map(|&variable| variable.to_owned()).collect());
            }
        }
        self.runtime.block_on(async {
            let none = None::<CreateContainerOptions>;
            let id = self.client.create_container(none, body).await?.id;
            let seen = self.watch(&id, probe, changed).await;
            let force = RemoveContainerOptionsBuilder::default().force(true).build();
            self.client.remove_container(&id, Some(force)).await?;
            seen
        })
    }

    async fn watch(&self, id: &str, probe: Probe, changed: &str) -> Result<Boots> {
        self.client
            .start_container(id, None::<StartContainerOptions>)
            .await?;
        let began = Instant::now();
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let container = self
                .client
                .inspect_container(id, None::<InspectContainerOptions>)
                .await?;
            let running = container.state.and_then(|state| state.running) == Some(true);
            let log = self.log(id).await?;
            let alive = match probe {
                Probe::Prints { text, .. } => log.contains(text),
                Probe::Answers { path, .. } => container
                    .network_settings
                    .and_then(|network| network.ports)
                    .and_then(|ports| ports.into_values().flatten().flatten().next())
                    .and_then(|binding| binding.host_port?.parse().ok())
                    .and_then(|port| get(port, path))
                    .is_some_and(|answer| {
                        answer.starts_with("HTTP/1.1 200") && answer.contains(changed)
                    }),
            };
            if alive {
                return Ok(Boots::Yes);
            }
            if !running || began.elapsed() > PATIENCE {
                let telling = log.lines().find(|line| line.starts_with("Error: "));
                let line = telling.or_else(|| log.lines().last()).unwrap_or_default();
                return Ok(Boots::No(line.trim().to_owned()));
            }
        }
    }

    async fn log(&self, id: &str) -> Result<String> {
        let options = LogsOptionsBuilder::default()
            .stdout(true)
            .stderr(true)
            .build();
        let chunks: Vec<_> = self.client.logs(id, Some(options)).try_collect().await?;
        Ok(chunks.iter().map(ToString::to_string).collect())
    }
}

/// The name of a Dockerfile that is not of the tree.
const DOCKERFILE: &str = "slimbuild-bench.Dockerfile";

/// Builds a Dockerfile with a tree as its context, in a process of its own, as `docker build` is one.
pub(crate) fn build(dockerfile: &str, tree: &Tree, tag: &str) -> Result<Built> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([CHILD, tag]).arg(tree.path());
    observe(command, dockerfile, tag)
}

/// Runs slimbuild as a person does.
pub(crate) fn slimbuild(args: &[String], tree: &Tree, tag: &str) -> Result<Built> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_slimbuild"));
    command
        .args(args)
        .args(["--tag", tag, "--progress=json"])
        .current_dir(tree.path());
    observe(command, "", tag)
}

/// The first argument of such a process.
pub(crate) const CHILD: &str = "docker-build";

/// What it does: the tag and the tree are its arguments, the Dockerfile comes over stdin, and it speaks as `slimbuild --progress=json`.
pub(crate) fn child(env: &Env, tag: &str, tree: &Path) -> Result<()> {
    let dockerfile = std::io::read_to_string(std::io::stdin())?;
    let request = BuildRequest {
        tags: vec![tag.parse::<ImageRef>()?],
        dockerfile: DOCKERFILE.to_owned(),
        ..BuildRequest::default()
    };
    let host = host::resolve(env, None)?;
    let buildkit = Buildkit::connect(&Builder::of_daemon(&host))?;
    let (_trigger, interrupt) = Interrupt::by_hand();
    let mut ui = Ui::of_process();
    let mut progress = Progress::new(ProgressMode::Json, &mut ui);
    let context =
        Box::new(|out: &mut dyn Write| tree::write_tar(tree, DOCKERFILE, &dockerfile, out));
    let keep = vec![Export::Keep];
    let built = buildkit.build(&request, context, keep, &interrupt, &mut |event| {
        progress.event(&event);
    });
    progress.finish();
    built?;
    Ok(())
}

/// Runs a build and reads its events.
fn observe(mut command: Command, stdin: &str, tag: &str) -> Result<Built> {
    let began = Instant::now();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(stdin.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    let took = began.elapsed();
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{}\n{tag} was not built", tail(&said, 30)).into());
    }
    let mut events = Events::default();
    for line in said.lines() {
        let Ok(event) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        let Some(step) = event["step"].as_u64() else {
            continue;
        };
        let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
        match event["event"].as_str() {
            Some("step-known") => events.known(step, text("name"), event["instruction"] == true),
            Some("step-done") => events.done(step, event["seconds"].as_f64().unwrap_or_default()),
            Some("step-cached") => events.cached(step),
            Some("log") => events.log(&text("line")),
            _ => {}
        }
    }
    Ok(events.built(took))
}

/// A request of the simplest kind; no answer is an answer, too.
fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Gathers what an engine says about steps.
#[derive(Default)]
struct Events {
    names: BTreeMap<u64, String>,
    built: Built,
}

impl Events {
    fn known(&mut self, step: u64, name: String, instruction: bool) {
        let ours = ["exporting to image", "exporting cache", "importing cache"];
        if instruction && !name.contains("] FROM ") || ours.iter().any(|words| name.contains(words))
        {
            self.names.insert(step, name);
        }
    }

    fn done(&mut self, step: u64, seconds: f64) {
        if let Some(name) = self.names.get(&step) {
            *self.built.steps.entry(name.clone()).or_default() += seconds;
        }
    }

    fn cached(&mut self, step: u64) {
        if let Some(name) = self.names.get(&step) {
            self.built.cached.push(name.clone());
        }
    }

    fn log(&mut self, text: &str) {
        // As pnpm words it.
        if let Some(line) = text.lines().find(|line| line.contains("Will retry in")) {
            self.built
                .stalled
                .get_or_insert_with(|| line.trim().to_owned());
        }
    }

    fn built(self, took: Duration) -> Built {
        Built {
            seconds: took.as_secs_f64(),
            ..self.built
        }
    }
}

/// Reads a text and names the file in the error.
pub(crate) fn read(path: &Path) -> Result<String> {
    Ok(fs_err::read_to_string(path)?)
}
