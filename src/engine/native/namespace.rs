//! Programs in an image's own file system without a container engine: in namespaces, which most systems allow everybody.
//!
//! util-linux makes the namespaces, as our own process would need unsafe code for it, and a script of ours mounts the layers on top of each other for
//! reading alone, so that what lies in the cache stays as it is. Both are programs of this machine: they get variables of ours alone, and names of
//! ours alone, as nobody knows what the image's variables and the paths of this machine hold. [`enter`](super::enter) is who starts the image's
//! program. Of a user's numbers a namespace like this has one: all files seem to be the program's own, and what keeps it from writing is the mount.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fs_err::os::unix::fs::symlink;

use super::enter::Start;
use super::error::NativeError;
use crate::image::layer::{Layer, Node, Owner};
use crate::image::oci::Config;

const SCRIPT: &str = include_str!("../../../templates/namespace.sh");
/// What is said when all is mounted.
pub const READY: &str = "ready";
/// What a program of an image finds its programs in where the image does not say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Where programs of the outside see the one inside, who is alone in its network.
pub(super) const ADDRESS: &str = "192.0.2.2";

/// What of this machine takes part in starting an image.
#[derive(Debug, Clone, Copy)]
pub struct Outside<'o> {
    /// Its `PATH`.
    pub path: &'o str,
    /// slimbuild's own program, where it is known.
    pub program: Option<&'o Path>,
}

impl<'o> Outside<'o> {
    /// The first program of this name on the path. A part of the path that depends on where one is counts for nothing.
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

    /// The variables of programs of this machine that are run for an image.
    pub(super) fn env(self) -> BTreeMap<String, String> {
        let places: Vec<String> = self
            .places()
            .map(|place| place.display().to_string())
            .collect();
        let fixed = [("PATH", places.join(":")), ("LC_ALL", "C".to_owned())];
        fixed.map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// What is needed to start anything in an image; if something is missing, what.
    pub(super) fn tools(self) -> Result<(PathBuf, &'o Path), String> {
        let unshare = self.find("unshare");
        let unshare = unshare.ok_or("there is no `unshare` (util-linux) on the path")?;
        let program = self
            .program
            .ok_or("slimbuild does not know where its own program is")?;
        Ok((unshare, program))
    }
}

/// What is started in an image.
pub(super) enum Started<'s> {
    /// A program alone, without a network.
    Only(&'s [String]),
    /// A program with a network, and one that asks it, where there is one.
    Served(&'s [String], Option<&'s [String]>),
    /// A program alone in its network: to see whether it can be started, or for a trial of the app.
    Tried(&'s [String]),
}

/// An image, and a place for what the namespace needs besides.
pub(super) struct Namespace<'n> {
    /// Its layers as directories, the highest first.
    pub(super) layers: &'n [PathBuf],
    /// How it is run.
    pub(super) config: &'n Config,
    /// What it may write to, from its root.
    pub(super) writable: &'n [String],
    /// An empty directory.
    pub(super) scratch: &'n Path,
    pub(super) outside: Outside<'n>,
}

/// A program to start, as [`std::process::Command`] has it. It is started in [`Namespace::scratch`].
pub(super) struct Words {
    pub(super) words: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
}

impl Namespace<'_> {
    /// The words that start programs of the image. `more` are variables besides those of the image.
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
        let laid = self.lay(program, &start(words), probe.map(start).as_ref());
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

    /// Lays out what the script finds, under names of ours: paths of this machine may hold anything. What comes out are the names of the layers.
    fn lay(&self, program: &Path, start: &Start, probe: Option<&Start>) -> io::Result<String> {
        let at = |name: &str| self.scratch.join(name);
        let top = at("top");
        fs_err::create_dir_all(at("root"))?;
        // What a container engine puts into an image before it starts it.
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

    /// Whether a path of the image is made of directories alone, so that it means the same here and inside.
    fn is_plain(&self, path: &str) -> bool {
        let mut at = PathBuf::new();
        path.split('/').all(|part| {
            at.push(part);
            let all = self.layers.iter().map(|layer| layer.join(&at));
            let mut found = all.filter_map(|place| fs_err::symlink_metadata(place).ok());
            !matches!(part, "" | "." | "..") && found.all(|found| found.is_dir())
        })
    }

    /// The numbers of who runs it, and where its home is.
    fn user(&self) -> (String, String, Option<String>) {
        super::user::user(self.config, self.layers)
    }
}

/// The variables that an image sets. One without a name, or with a NUL, nobody can be given.
fn variables(config: &Config) -> impl Iterator<Item = (String, String)> {
    let set = config.env.iter().filter_map(|set| set.split_once('='));
    let valid =
        set.filter(|(name, value)| !name.is_empty() && !format!("{name}{value}").contains('\0'));
    valid.map(|(name, value)| (name.to_owned(), value.to_owned()))
}

/// The directories that who runs an image owns, but for those in others of them.
pub(super) fn writable(layers: &[Layer]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for layer in layers {
        for (path, entry) in &layer.entries {
            let inside = found.iter().any(|dir| path.starts_with(&format!("{dir}/")));
            if entry.owner != Owner::ROOT && matches!(entry.node, Node::Directory(_)) && !inside {
                found.push(path.clone());
            }
        }
    }
    found
}

/// Whether a program can be started in namespaces of its own, network included; if not, why.
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
        // There is no such program: to get as far as starting it is enough.
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
