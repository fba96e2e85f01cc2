//! The proof that an image can run: its own node checks in its own files that everything they load
//! is there. If the system allows no namespaces, a node of ours checks the same files in a
//! directory.

use std::path::Path;
use std::time::{Duration, Instant};

use super::error::NativeError;
use super::namespace::{Namespace, Outside, READY, Started};
use super::node::TrustedNode;
use super::process::{self, Ended, Task};
use super::proof_tree;
use super::rootfs::{self, Rootfs};
use super::subject::Subject;
use crate::engine::{Event, Interrupt, LogStream, StepId, StepKind};
use crate::image::base::OwnBase;
use crate::image::layer::Layer;
use crate::image::oci::Image;
use crate::model::digest::{Algorithm, Digest, Hasher};
use crate::model::image::Platform;
use crate::store::cache::Cache;

/// The kind of the cache's notes about proved images.
const NOTE_KIND: &str = "proofs";

/// An image to try before it is written.
pub struct Trial<'t> {
    /// What is tried of it, and how.
    pub subject: &'t Subject,
    /// Its layers are in the cache.
    pub image: &'t Image,
    /// The number of layers that belong to the base.
    pub base: usize,
    /// The layers on top of the base.
    pub layers: &'t [Layer],
    /// Holds the unpacked layers.
    pub cache: &'t Cache,
    /// A directory for temporary files.
    pub scratch: &'t Path,
    pub outside: Outside<'t>,
    /// The node of the build, if there was one.
    pub node: Option<TrustedNode>,
    /// The base, if it is the built-in one.
    pub own_base: Option<&'t OwnBase>,
    pub interrupt: &'t Interrupt,
}

/// What a proof did.
pub struct Proved {
    /// Why there was no proof.
    pub missing: Option<String>,
    /// Whether the app was started along with it.
    pub started: bool,
}

/// How a proof ended.
enum Looked {
    /// The program ended.
    Ended {
        /// Its exit code.
        code: i32,
        /// Whether it started the app, too.
        started: bool,
    },
    /// It could not be started.
    No(String),
}

impl Trial<'_> {
    /// Proves the image as a `step` of the build, and starts the app in the same step if it is to be
    /// started: one program does both.
    pub fn prove(
        &self,
        step: StepId,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Proved, NativeError> {
        let alone = |missing| Proved {
            missing,
            started: false,
        };
        if self.subject.node.is_none() {
            return self.prove_site(step, on_event).map(alone);
        }
        on_event(Event::StepKnown {
            step,
            name: "[verify] all that the app loads is there".to_owned(),
            kind: StepKind::Instruction,
        });
        let flags = self.subject.flags.clone();
        let key = self.key(&flags);
        if self.cache.note::<bool>(NOTE_KIND, &key) == Some(true) {
            on_event(Event::StepCached { step });
            return Ok(alone(None));
        }
        on_event(Event::StepStarted { step });
        let began = Instant::now();
        let mut log = Vec::new();
        let ended = self.look(&flags, &mut log)?;
        tell(log, step, on_event);
        match ended {
            Looked::Ended { code: 0, started } => {
                // If the cache is not writable, the proof runs again next time.
                self.cache.write_note(NOTE_KIND, &key, &true);
                if started {
                    self.note_start();
                }
                let took = began.elapsed();
                on_event(Event::StepDone { step, took });
                Ok(Proved {
                    missing: None,
                    started,
                })
            }
            Looked::Ended { .. } => {
                let message = "the image would not run".to_owned();
                on_event(Event::StepFailed { step, message });
                Err(NativeError::Disproved)
            }
            Looked::No(why) => {
                on_event(Event::StepCancelled { step });
                Ok(alone(Some(why)))
            }
        }
    }

    /// The key of everything that a proof depends on.
    pub(super) fn key(&self, flags: &[String]) -> Digest {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        let mut field = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        for layer in &self.image.layers {
            field(&layer.diff_id.to_string());
        }
        flags
            .iter()
            .chain(&self.image.config.env)
            .for_each(|text| field(text));
        self.programs().for_each(|(_, text)| field(text));
        hasher.finish()
    }

    /// The proof's program and its configuration.
    fn programs(&self) -> impl Iterator<Item = (&str, &str)> {
        let programs = self.subject.programs.iter();
        programs.map(|(name, text)| (name.as_str(), text.as_str()))
    }

    fn look(&self, flags: &[String], log: &mut Log) -> Result<Looked, NativeError> {
        let here = self.image.platform == Platform::host();
        if here && let Some(laid) = self.try_unpack()? {
            let started = self.starts_in_the_proof();
            let mut ended = self.inside(&laid, flags, started, log)?;
            if !laid.fresh && ended.is_some_and(|code| code != 0) {
                log.clear();
                let again = |anew: &Rootfs| self.inside(anew, flags, started, log);
                ended = self.unpacked_anew(again)?;
            }
            if let Some(code) = ended {
                return Ok(Looked::Ended { code, started });
            }
        }
        self.outside(flags, log)
    }

    /// Whether the proof's program starts the app, too.
    fn starts_in_the_proof(&self) -> bool {
        self.subject.trial && !self.was_started()
    }

    /// Runs something in the image, unpacked for this alone. An unpacked tree in the cache may be
    /// damaged, so a failure counts only then. Other apps and runs may still use the cached one, so it
    /// is forgotten only if it was the reason.
    pub(super) fn unpacked_anew(
        &self,
        run: impl FnOnce(&Rootfs) -> Result<Option<i32>, NativeError>,
    ) -> Result<Option<i32>, NativeError> {
        let anew = rootfs::anew(self.image, self.base, self.cache, self.scratch)?;
        let ended = run(&anew)?;
        if ended == Some(0) {
            rootfs::forget(self.image, self.base, self.cache);
        }
        Ok(ended)
    }

    /// The unpacked image; `None` if it cannot be entered here, or cannot be unpacked on this
    /// machine.
    pub(super) fn try_unpack(&self) -> Result<Option<Rootfs>, NativeError> {
        if self.outside.tools().is_err() {
            return Ok(None);
        }
        match self.unpack() {
            Ok(laid) => Ok(Some(laid)),
            Err(error) if error.is_of_a_layer() => Err(error),
            Err(_) => Ok(None),
        }
    }

    pub(super) fn unpack(&self) -> Result<Rootfs, NativeError> {
        // The trial start needs all files, and the proof uses the same ones.
        if self.subject.trial && self.subject.node.is_some() {
            return rootfs::rootfs(self.image, self.base, self.cache);
        }
        rootfs::to_prove(self.image, self.base, self.layers, self.cache, self.scratch)
    }

    /// Runs the proof in the image; `None` if the system does not allow that.
    fn inside(
        &self,
        laid: &Rootfs,
        flags: &[String],
        started: bool,
        log: &mut Log,
    ) -> Result<Option<i32>, NativeError> {
        let Some(node) = &self.subject.node else {
            return Ok(None);
        };
        let mut program = vec![node.clone()];
        program.extend(flags.iter().cloned());
        program.extend(["/verify/verify.mjs", "/verify/image.json"].map(str::to_owned));
        if started {
            program.push("--start".to_owned());
            return self.run_inside(laid, &Started::Tried(&program), log);
        }
        self.run_inside(laid, &Started::Only(&program), log)
    }

    /// Runs a program in the image with the proof's files in `/verify`; `None` if the system does
    /// not allow that.
    pub(super) fn run_inside(
        &self,
        laid: &Rootfs,
        started: &Started<'_>,
        log: &mut Log,
    ) -> Result<Option<i32>, NativeError> {
        let writable = match started {
            Started::Only(_) => Vec::new(),
            Started::Served(..) | Started::Tried(_) => self.subject.writable.clone(),
        };
        let scratch = self.scratch("proof")?;
        self.write_programs(&scratch.path().join("top/verify"))?;
        let namespace = Namespace {
            layers: &laid.layers,
            config: &self.image.config,
            writable: &writable,
            scratch: scratch.path(),
            outside: self.outside,
        };
        // The proof reads the modules that the app's node preloads, but does not load them. A
        // base's own options are kept.
        let own = self.subject.has_node_options;
        let own = own.then(|| ("NODE_OPTIONS".to_owned(), String::new()));
        let own = own.into_iter().collect();
        let words = match namespace.words(started, &own) {
            Ok(words) => words,
            Err(NativeError::NoNamespace(_) | NativeError::User(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let task = Task {
            words: words.words,
            dir: scratch.path(),
            env: words.env,
        };
        let mut own = Vec::new();
        let ended = process::run(&task, self.interrupt, &mut |stream, at, bytes| {
            own.push((stream, at, bytes));
        });
        // A program that cannot start counts as not allowed.
        let Ok(ended) = ended else { return Ok(None) };
        if !said_ready(&mut own) {
            return match ended {
                Ended::Interrupted => Err(NativeError::Interrupted),
                _ => Ok(None),
            };
        }
        log.extend(own);
        match ended {
            Ended::Well => Ok(Some(0)),
            Ended::Badly(code) => Ok(Some(code)),
            Ended::Interrupted => Err(NativeError::Interrupted),
        }
    }

    /// Runs the proof on a directory, with a node of ours.
    fn outside(&self, flags: &[String], log: &mut Log) -> Result<Looked, NativeError> {
        let Some(node) = self.trusted_node()? else {
            return Ok(Looked::No(
                "that all is there which the app loads was not proved: no node runs on this machine".to_owned(),
            ));
        };
        let scratch =
            proof_tree::unpack_layers(self.layers, self.scratch).map_err(NativeError::Workshop)?;
        let home =
            fs_err::canonicalize(scratch.path().join("app")).map_err(NativeError::Workshop)?;
        let program = scratch.path().join("verify");
        self.write_programs(&program)?;
        let text = |path: &Path| path.display().to_string();
        let mut words = vec![text(node.path())];
        words.extend(flags.iter().cloned());
        words.extend(["verify.mjs", "image.json"].map(|name| text(&program.join(name))));
        let mut env = self.outside.env();
        env.insert("SLIMBUILD_ROOT".to_owned(), text(&home));
        let task = Task {
            words,
            dir: &program,
            env,
        };
        let ended = process::run(&task, self.interrupt, &mut |stream, at, bytes| {
            log.push((stream, at, bytes));
        });
        let looked = |code| Looked::Ended {
            code,
            started: false,
        };
        match ended.map_err(NativeError::Spawn)? {
            Ended::Well => Ok(looked(0)),
            Ended::Badly(code) => Ok(looked(code)),
            Ended::Interrupted => Err(NativeError::Interrupted),
        }
    }

    /// The first of these that runs here: the build's node, the built-in base's, this machine's.
    pub(super) fn trusted_node(&self) -> Result<Option<TrustedNode>, NativeError> {
        if let Some(node) = self.node.as_ref().filter(|node| node.runs()) {
            return Ok(Some(node.clone()));
        }
        if let Some(base) = self.own_base
            && let Some(node) = TrustedNode::of_own_base(base, self.cache)?
            && node.runs()
        {
            return Ok(Some(node));
        }
        Ok(TrustedNode::of_this_machine(self.outside).find(TrustedNode::runs))
    }

    /// Creates a directory that is removed when the value is dropped.
    pub(super) fn scratch(&self, name: &str) -> Result<tempfile::TempDir, NativeError> {
        let mut builder = tempfile::Builder::new();
        let made = builder.prefix(name).tempdir_in(self.scratch);
        made.map_err(NativeError::Workshop)
    }

    pub(super) fn write_programs(&self, to: &Path) -> Result<(), NativeError> {
        fs_err::create_dir_all(to).map_err(NativeError::Workshop)?;
        for (name, text) in self.programs() {
            fs_err::write(to.join(name), text).map_err(NativeError::Workshop)?;
        }
        Ok(())
    }
}

/// Emits a program's output as events.
pub(super) fn tell(log: Log, step: StepId, on_event: &mut dyn FnMut(Event)) {
    for (stream, at, bytes) in log {
        on_event(Event::Log {
            step,
            stream,
            at,
            bytes,
        });
    }
}

/// A program's output with times since its start.
pub(super) type Log = Vec<(LogStream, Duration, Vec<u8>)>;

/// Removes the script's ready line from the output, and returns whether it was there.
fn said_ready(log: &mut Log) -> bool {
    let first = log
        .iter_mut()
        .find(|(stream, ..)| *stream == LogStream::Stdout);
    let Some((_, _, bytes)) = first else {
        return false;
    };
    let word = format!("{READY}\n");
    let said = bytes.starts_with(word.as_bytes());
    if said {
        bytes.drain(..word.len());
    }
    said
}
