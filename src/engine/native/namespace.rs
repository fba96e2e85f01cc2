//! Runs programs in an image's own file system without a container engine, in namespaces that most
//! systems allow every user to make.
//!
//! util-linux makes the namespaces, because our process would need unsafe code for it. Our script has
//! [`mounts`](super::mounts) put the layers on top of each other read-only, so that the cache stays
//! unchanged. Both run on
//! this machine, so they get only our variables and our file names: the image's variables and this
//! machine's paths may contain anything. [`enter`](super::enter) starts the image's program. Such a
//! namespace has a single user id: all files seem to belong to the program, and only the mount
//! keeps it from writing.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::enter::Start;
use super::error::NativeError;
use super::tools::symlink;
use crate::image::layer::{Layer, LayerNode, Owner};
use crate::image::oci::Config;

const SCRIPT: &str = include_str!("../../../templates/namespace.sh");
/// Printed once everything is mounted.
pub const READY: &str = "ready";
/// The default `PATH` of an image.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The image's address as seen by the probe; nothing else is in its network.
pub(super) const ADDRESS: &str = "192.0.2.2";

/// What is used of this machine to start an image.
#[derive(Debug, Clone, Copy)]
pub struct Outside<'o> {
    /// This machine's `PATH`.
    pub path: &'o str,
    /// slimbuild's own executable, if known.
    pub program: Option<&'o Path>,
}

impl<'o> Outside<'o> {
    /// The first program of this name on the path. Relative parts of the path are ignored.
    pub(super) fn find(self, name: &'o str) -> Option<PathBuf> {
        self.all(name).next()
    }

    /// All programs of this name on the path.
    pub(super) fn all(self, name: &'o str) -> impl Iterator<Item = PathBuf> + 'o {
        let places = self.places().map(move |dir| dir.join(name));
        places.filter(|place| place.is_file())
    }

    fn places(self) -> impl Iterator<Item = &'o Path> {
        let places = self.path.split(':').map(Path::new);
        places.filter(|place| place.is_absolute())
    }

    /// The variables for programs of this machine that run for an image.
    pub(super) fn env(self) -> BTreeMap<String, String> {
        let places: Vec<String> = self
            .places()
            .map(|place| place.display().to_string())
            .collect();
        let fixed = [("PATH", places.join(":")), ("LC_ALL", "C".to_owned())];
        fixed.map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// The programs needed to start anything in an image, or the name of a missing one.
    pub(super) fn tools(self) -> Result<(PathBuf, &'o Path), String> {
        let unshare = self.find("unshare");
        let unshare = unshare.ok_or("there is no `unshare` (util-linux) on the path")?;
        let program = self
            .program
            .ok_or("slimbuild does not know where its own program is")?;
        Ok((unshare, program))
    }
}

/// What to start in an image.
pub(super) enum Started<'s> {
    /// A program without a network.
    Only(&'s [String]),
    /// A program with a network, and a probe, if there is one.
    Served(&'s [String], Option<&'s [String]>),
    /// A program alone in its network: to see whether it can start, or for a trial of the app.
    Tried(&'s [String]),
}

/// An image, and a directory for the namespace.
pub(super) struct Namespace<'n> {
    /// The directories of its layers, highest first.
    pub(super) layers: &'n [PathBuf],
    /// How it is run.
    pub(super) config: &'n Config,
    /// The paths that it may write to, from its root.
    pub(super) writable: &'n [String],
    /// An empty directory.
    pub(super) scratch: &'n Path,
    pub(super) outside: Outside<'n>,
}

/// A program to start, for [`std::process::Command`]. It is started in [`Namespace::scratch`].
pub(super) struct Words {
    pub(super) words: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
}

impl Namespace<'_> {
    /// The command that starts programs of the image. `more` are variables in addition to the
    /// image's.
    pub(super) fn words(
        &self,
        started: &Started<'_>,
        more: &BTreeMap<String, String>,
    ) -> Result<Words, NativeError> {
        let (unshare, program) = self.outside.tools().map_err(NativeError::NoNamespace)?;
        let (user, group, home) = self.user();
        let known = [&user, &group].map(|number| number.parse::<u32>().is_ok());
        if known != [true, true] {
            return Err(NativeError::User(self.config.user.clone()));
        }
        let mut env = BTreeMap::from([("PATH".to_owned(), PATH.to_owned())]);
        env.extend(home.clone().map(|home| ("HOME".to_owned(), home)));
        env.extend(variables(self.config));
        env.extend(more.clone());
        let (what, words, probe) = match *started {
            Started::Only(words) => ("only", words, None),
            Started::Tried(words) => ("tried", words, None),
            Started::Served(words, None) => ("alone", words, None),
            Started::Served(words, Some(probe)) => ("asked", words, Some(probe)),
        };
        let start = |words: &[String]| Start {
            words: words.to_vec(),
            directory: match &*self.config.working_dir {
                "" => "/".to_owned(),
                directory => directory.to_owned(),
            },
            env: env.clone(),
            said: matches!(started, Started::Only(_) | Started::Tried(_)),
        };
        let laid = self.prepare_files(program, &start(words), probe.map(start).as_ref());
        let layers = laid.map_err(NativeError::Workshop)?;

        let mut all = vec![unshare.display().to_string()];
        let namespaces = [
            "--user",
            "--map-root-user",
            "--mount",
            "--net",
            "--ipc",
            "--uts",
            "--pid",
        ];
        all.extend(namespaces.map(str::to_owned));
        all.extend(["--kill-child", "--", "/bin/sh", "-c", SCRIPT, "sh"].map(str::to_owned));
        all.extend([layers, user, group, what.to_owned()]);
        let writable = self.writable.iter().cloned().chain(home);
        let writable = writable.map(|path| path.trim_matches('/').to_owned());
        all.extend(writable.filter(|path| self.is_plain(path)));
        Ok(Words {
            words: all,
            env: self.outside.env(),
        })
    }

    /// Prepares the files for the script under our names, because paths of this machine may contain
    /// anything. Returns the names of the layers.
    fn prepare_files(
        &self,
        program: &Path,
        start: &Start,
        probe: Option<&Start>,
    ) -> io::Result<String> {
        let at = |name: &str| self.scratch.join(name);
        let top = at("top");
        fs_err::create_dir_all(at("root"))?;
        // What a container engine creates in an image before it starts it.
        for mounted in ["proc", "sys", "dev", "tmp", "etc"] {
            fs_err::create_dir_all(top.join(mounted))?;
        }
        let hosts = "127.0.0.1\tlocalhost\n::1\tlocalhost\n";
        fs_err::write(top.join("etc/hosts"), hosts)?;
        symlink(program, at("enter"))?;
        for (name, start) in [("program.json", Some(start)), ("probe.json", probe)] {
            if let Some(start) = start {
                fs_err::write(at(name), serde_json::to_vec(start)?)?;
            }
        }
        let mut names = Vec::new();
        let layers = std::iter::once(&top).chain(self.layers);
        for (layer, number) in layers.zip(0..) {
            let name = number.to_string();
            symlink(fs_err::canonicalize(layer)?, at(&name))?;
            names.push(name);
        }
        Ok(names.join(":"))
    }

    /// Whether every part of a path is a directory, so that it means the same here and in the
    /// image.
    fn is_plain(&self, path: &str) -> bool {
        let mut at = PathBuf::new();
        path.split('/').all(|part| {
            at.push(part);
            let all = self.layers.iter().map(|layer| layer.join(&at));
            let mut found = all.filter_map(|place| fs_err::symlink_metadata(place).ok());
            !matches!(part, "" | "." | "..") && found.all(|found| found.is_dir())
        })
    }

    /// The ids of the image's user, and the home directory.
    fn user(&self) -> (String, String, Option<String>) {
        super::user::user(self.config, self.layers)
    }
}

/// The image's variables, without those that cannot be passed on: without a name, or with a NUL.
fn variables(config: &Config) -> impl Iterator<Item = (String, String)> {
    let set = config.env.iter().filter_map(|set| set.split_once('='));
    let valid =
        set.filter(|(name, value)| !name.is_empty() && !format!("{name}{value}").contains('\0'));
    valid.map(|(name, value)| (name.to_owned(), value.to_owned()))
}

/// The directories that the image's user owns, without those inside another one.
pub(super) fn writable(layers: &[Layer]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for layer in layers {
        for (path, entry) in &layer.entries {
            let inside = found.iter().any(|dir| path.starts_with(&format!("{dir}/")));
            if entry.owner != Owner::ROOT
                && matches!(entry.node, LayerNode::Directory(_))
                && !inside
            {
                found.push(path.clone());
            }
        }
    }
    found
}

/// Fails with a reason if programs cannot be started in namespaces of their own, with a network.
pub fn available(outside: Outside<'_>) -> Result<(), String> {
    let tried = || -> Result<(bool, String), NativeError> {
        let scratch = tempfile::tempdir().map_err(NativeError::Workshop)?;
        let layer = scratch.path().join("layer");
        fs_err::create_dir(&layer).map_err(NativeError::Workshop)?;
        let config = Config {
            user: "65532:65532".to_owned(),
            ..Config::default()
        };
        let namespace = Namespace {
            layers: &[layer],
            config: &config,
            writable: &[],
            scratch: scratch.path(),
            outside,
        };
        // No such program exists: it is enough to get as far as starting it.
        let started = Started::Tried(&["/".to_owned()]);
        let words = namespace.words(&started, &BTreeMap::new())?;
        let output = Command::new(&words.words[0])
            .args(&words.words[1..])
            .current_dir(scratch.path())
            .env_clear()
            .envs(&words.env)
            .stdin(Stdio::null())
            .output()
            .map_err(NativeError::Spawn)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok((output.stdout == format!("{READY}\n").as_bytes(), said))
    };
    outside.tools()?;
    let (ready, said) = tried().map_err(|error| error.to_string())?;
    if ready {
        return Ok(());
    }
    let line = said.lines().find(|line| !line.trim().is_empty());
    let line = line.unwrap_or("namespaces are not allowed");
    Err(line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_nobody_can_be_given_are_left_out() {
        let env = ["A=1", "=no name", "nothing", "B=nul\0", "a.b-c==2"];
        let config = Config {
            env: env.map(str::to_owned).to_vec(),
            ..Config::default()
        };
        let left: Vec<String> = variables(&config)
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        assert_eq!(left, ["A: 1", "a.b-c: =2"]);
    }

    #[test]
    fn programs_of_this_machine_get_a_path_that_means_the_same_everywhere() {
        let outside = Outside {
            path: "/bin::.:node_modules/.bin:/usr/bin",
            program: None,
        };
        assert_eq!(outside.env()["PATH"], "/bin:/usr/bin");
        assert_eq!(outside.env().len(), 2);
    }

    #[test]
    fn what_is_written_to_lies_in_the_image() {
        let scratch = tempfile::tempdir().unwrap();
        let layer = scratch.path().join("layer");
        fs_err::create_dir_all(layer.join("home/me")).unwrap();
        symlink("/", layer.join("out")).unwrap();
        let namespace = Namespace {
            layers: &[layer],
            config: &Config::default(),
            writable: &[],
            scratch: scratch.path(),
            outside: Outside {
                path: "",
                program: None,
            },
        };
        assert!(namespace.is_plain("home/me"));
        assert!(namespace.is_plain("home/new"));
        for path in [
            "",
            "../usr",
            "home/../../usr",
            "home/.",
            "out",
            "out/etc",
            "home//me",
        ] {
            assert!(!namespace.is_plain(path), "{path}");
        }
    }
}
