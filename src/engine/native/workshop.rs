//! A build in a private directory of this machine: it puts the plan's context there, installs, and
//! runs the tasks in the order and with the variables of the Dockerfile. The user's own tree is not
//! touched.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use tempfile::NamedTempFile;

use super::error::NativeError;
use super::injected;
use super::process::{self, Ended, Task};
use super::tools::Tools;
use crate::engine::{Event, Interrupt, LogStream, Secret, StepId, StepKind, fault};
use crate::model::path::RepoPath;
use crate::plan::{AUTHORITY, NPMRC, Place, PlacedFile, Plan, Reason, WORKSPACE};
use crate::render::context::write_entries;

/// Where Debian and others keep all certificate authorities.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A build.
pub struct Workshop<'w> {
    pub plan: &'w Plan,
    /// The root of the workspace.
    pub root: &'w Path,
    /// An empty directory.
    pub dir: &'w Path,
    /// The parent directory, for temporary files.
    pub scratch: &'w Path,
    pub tools: &'w Tools,
    /// Values of build arguments.
    pub arguments: &'w BTreeMap<String, String>,
    /// The secrets that steps get as variables, and the file of credentials.
    pub secrets: &'w BTreeMap<String, Secret>,
    /// The socket of an ssh agent that steps may ask.
    pub agent: Option<&'w Path>,
    pub interrupt: &'w Interrupt,
}

/// Files written within this time of each other may have the same modification time.
const TICK: Duration = Duration::from_millis(20);

impl Workshop<'_> {
    /// Installs and builds. Tasks wrote what was changed after the returned time; the number is for
    /// the next step.
    pub fn build(&self, on_event: &mut dyn FnMut(Event)) -> Result<(SystemTime, u32), NativeError> {
        let installed = Installed::of(self.plan);
        let mut steps = Steps::new(self.plan, installed, on_event);
        if let Some(installed) = installed {
            self.install(installed, &mut steps)?;
        }
        self.place_files(&[
            Place::Beside,
            Place::Root,
            Place::Top,
            Place::Src,
            Place::Run,
            Place::Home,
        ])?;
        std::thread::sleep(TICK);
        let laid = SystemTime::now();
        for step in self.plan.steps() {
            let mut env = here(&step.env, self.dir);
            for task in &step.tasks {
                // As in a Dockerfile, an argument is set for the task that declares it and all
                // later ones.
                for name in &task.args {
                    if let Some(value) = self.arguments.get(name) {
                        env.insert(name.clone(), value.clone());
                    }
                }
                let mut words = vec!["pnpm".to_owned(), format!("--dir={}", step.dir)];
                let mut env = env.clone();
                env.extend(self.secret(&task.secrets));
                if task.because == Reason::Lifecycle {
                    env.insert("HUSKY".to_owned(), "0".to_owned());
                    words.push("--config.enable-pre-post-scripts=false".to_owned());
                }
                words.extend(["run".to_owned(), task.script.clone()]);
                self.run(&mut steps, words, &env)?;
            }
            if let Some(name) = &step.copied {
                injected::renew(self.dir, &step.dir, name, laid).map_err(NativeError::Workshop)?;
            }
        }
        Ok((laid, steps.next + 1))
    }

    /// Installs what the plan's manifests ask for.
    fn install(&self, installed: Installed, steps: &mut Steps<'_>) -> Result<(), NativeError> {
        self.place_files(&[installed.place()])?;
        let install = [
            "pnpm",
            "install",
            "--frozen-lockfile",
            &format!("--store-dir={}", self.tools.store.display()),
        ]
        .map(str::to_owned);
        let mut env = self.secret(&self.plan.secrets().installs);
        let credentials = self.credentials()?;
        if let Some(credentials) = &credentials {
            let path = credentials.path().display().to_string();
            env.insert("NPM_CONFIG_USERCONFIG".to_owned(), path);
        }
        self.run(steps, install.to_vec(), &env)
    }

    /// Secrets as variables.
    fn secret(&self, ids: &[String]) -> BTreeMap<String, String> {
        let value = |id: &String| {
            let secret = self.secrets.get(id)?;
            let text = String::from_utf8_lossy(secret.bytes()).into_owned();
            Some((id.clone(), text))
        };
        ids.iter().filter_map(value).collect()
    }

    /// Variables for what steps may use of this machine.
    fn access(&self) -> Result<BTreeMap<String, String>, NativeError> {
        let mut env = BTreeMap::new();
        if let Some(agent) = self.agent {
            env.insert("SSH_AUTH_SOCK".to_owned(), agent.display().to_string());
        }
        if let Some(certificates) = self.secrets.get(AUTHORITY) {
            // Each variable takes one file, so what it names already comes along.
            for (name, standard) in [("NODE_EXTRA_CA_CERTS", ""), ("SSL_CERT_FILE", AUTHORITIES)] {
                let known = self.tools.env.get(name).map_or(standard, String::as_str);
                let mut all = fs_err::read(known).unwrap_or_default();
                all.extend_from_slice(certificates.bytes());
                let path = self.scratch.join(format!("{name}.pem"));
                fs_err::write(&path, all).map_err(NativeError::Workshop)?;
                env.insert(name.to_owned(), path.display().to_string());
            }
        }
        Ok(env)
    }

    /// The file of credentials, outside of the build directory, while the install needs it.
    fn credentials(&self) -> Result<Option<NamedTempFile>, NativeError> {
        let Some(secret) = self.secrets.get(NPMRC) else {
            return Ok(None);
        };
        let mut file = NamedTempFile::new_in(self.scratch).map_err(NativeError::Workshop)?;
        file.write_all(secret.bytes())
            .map_err(NativeError::Workshop)?;
        Ok(Some(file))
    }

    /// Puts the files of these places where they belong.
    fn place_files(&self, places: &[Place]) -> Result<(), NativeError> {
        let mut entries: BTreeMap<&RepoPath, PlacedFile<&str>> = BTreeMap::new();
        for place in places {
            let all = self.plan.context().iter();
            let of_place = all.filter(|entry| entry.place == *place);
            entries.extend(of_place.map(|entry| (&entry.path, entry.at(""))));
        }
        let entries: Vec<PlacedFile<&str>> = entries.into_values().collect();
        // A manifest replaces its skeleton.
        for entry in &entries {
            match fs_err::remove_file(entry.path.on_disk(self.dir)) {
                Err(error)
                    if error.kind() != io::ErrorKind::NotFound
                        && error.kind() != io::ErrorKind::NotADirectory =>
                {
                    return Err(NativeError::Workshop(error));
                }
                _ => {}
            }
        }
        let go_on = || {
            if self.interrupt.is_raised() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            Ok(())
        };
        write_entries(&entries, self.root, self.dir, &go_on).map_err(|error| {
            if self.interrupt.is_raised() {
                return NativeError::Interrupted;
            }
            NativeError::Workshop(error)
        })
    }

    fn run(
        &self,
        steps: &mut Steps<'_>,
        words: Vec<String>,
        own: &BTreeMap<String, String>,
    ) -> Result<(), NativeError> {
        // As in a container, temporary files of steps do not survive the build.
        let temporary = self.scratch.join("tmp");
        fs_err::create_dir_all(&temporary).map_err(NativeError::Workshop)?;
        let mut env = self.tools.env.clone();
        let fixed = [
            ("PATH", self.tools.path.clone()),
            ("TMPDIR", temporary.display().to_string()),
            // pnpm asks no questions, and `pnpm run` does not install on its own.
            ("CI", "true".to_owned()),
            ("pnpm_config_verify_deps_before_run", "false".to_owned()),
            // The right pnpm is already here, whether or not the lockfile records it.
            ("pnpm_config_pm_on_fail", "ignore".to_owned()),
            // Modules stay in the workspace: links to a store would lead out of the image.
            (
                "pnpm_config_enable_global_virtual_store",
                "false".to_owned(),
            ),
        ];
        env.extend(fixed.map(|(name, value)| (name.to_owned(), value)));
        env.extend(self.access()?);
        env.extend(own.clone());
        let task = Task {
            words,
            dir: self.dir,
            env,
        };
        let step = steps.begin();
        let began = Instant::now();
        let ended = process::run(&task, self.interrupt, &mut |stream, at, bytes| {
            steps.log(step, stream, at, bytes);
        });
        let code = match ended.map_err(NativeError::Spawn)? {
            Ended::Well => {
                steps.done(step, began.elapsed());
                return Ok(());
            }
            Ended::Interrupted => return Err(NativeError::Interrupted),
            Ended::Badly(code) => i64::from(code),
        };
        let name = steps.name(step);
        steps.failed(step, &format!("exit code {code}"));
        Err(NativeError::Step { name, code })
    }
}

/// Which closure is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Installed {
    /// What the build needs. It includes what the app needs at run time.
    Build,
    /// What the app needs at run time; nothing is built.
    Runtime,
}

impl Installed {
    /// `None` for an app that needs no install: a static site without a build.
    fn of(plan: &Plan) -> Option<Self> {
        let has = |installed: &Self| plan.holds(installed.place(), &RepoPath::ROOT);
        [Self::Build, Self::Runtime].into_iter().find(has)
    }

    fn place(self) -> Place {
        match self {
            Self::Build => Place::Build,
            Self::Runtime => Place::Prod,
        }
    }

    /// The stage of the Dockerfile that does the same.
    fn stage(self) -> &'static str {
        match self {
            Self::Build => "deps",
            Self::Runtime => "modules",
        }
    }
}

/// The steps of a build, reported as events.
struct Steps<'s> {
    on_event: &'s mut dyn FnMut(Event),
    names: Vec<String>,
    next: u32,
}

impl<'s> Steps<'s> {
    /// All steps are known from the start.
    fn new(plan: &Plan, installed: Option<Installed>, on_event: &'s mut dyn FnMut(Event)) -> Self {
        let install = installed
            .map(|installed| format!("[{}] pnpm install --frozen-lockfile", installed.stage()));
        let mut names = Vec::from_iter(install);
        for step in plan.steps() {
            for task in &step.tasks {
                let stage = &step.stage;
                names.push(format!("[{stage}] {}", fault::command_of(step, task)));
            }
        }
        for (name, number) in names.iter().zip(1..) {
            on_event(Event::StepKnown {
                step: StepId(number),
                name: name.clone(),
                kind: StepKind::Instruction,
            });
        }
        Self {
            on_event,
            names,
            next: 0,
        }
    }

    fn begin(&mut self) -> StepId {
        self.next += 1;
        let step = StepId(self.next);
        (self.on_event)(Event::StepStarted { step });
        step
    }

    fn name(&self, step: StepId) -> String {
        let at = usize::try_from(step.0).unwrap_or_default();
        self.names
            .get(at.saturating_sub(1))
            .cloned()
            .unwrap_or_default()
    }

    fn log(&mut self, step: StepId, stream: LogStream, at: Duration, bytes: Vec<u8>) {
        (self.on_event)(Event::Log {
            step,
            stream,
            at,
            bytes,
        });
    }

    fn done(&mut self, step: StepId, took: Duration) {
        (self.on_event)(Event::StepDone { step, took });
    }

    fn failed(&mut self, step: StepId, message: &str) {
        let message = message.to_owned();
        (self.on_event)(Event::StepFailed { step, message });
    }
}

/// The variables of a step, for a workspace in this directory.
fn here(env: &BTreeMap<String, String>, dir: &Path) -> BTreeMap<String, String> {
    let mut env = env.clone();
    for value in env.values_mut().filter(|value| *value == WORKSPACE) {
        *value = dir.display().to_string();
    }
    env
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_where_it_is() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let env = [pair("ROOT", "/app"), pair("PREFIX", "/app/api")];
        let expected = [pair("ROOT", "/tmp/x"), pair("PREFIX", "/app/api")];
        assert_eq!(here(&env.into(), Path::new("/tmp/x")), expected.into());
    }
}
