//! The architecture: which room may use which. The `use crate::` lines of `src/` are compared with
//! the rules here and the map in `src/lib.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use walkdir::WalkDir;

use crate::support::tree::repository;

/// The rooms in the order of the pipeline. None may use a later one.
const ROOMS: [&str; 17] = [
    "system",
    "model",
    "files",
    "lockfile",
    "workspace",
    "needs",
    "detect",
    "plan",
    "store",
    "image",
    "render",
    "finished",
    "engine",
    "ask",
    "show",
    "cli",
    "commands",
];

/// Rooms with modules that other rooms name: `needs::graph`. All other modules of a room are
/// private to it.
const WITH_MODULES: [&str; 12] = [
    "ask",
    "files",
    "finished",
    "image",
    "model",
    "needs",
    "plan",
    "render",
    "show",
    "store",
    "system",
    "workspace",
];

/// A source file without its tests and comments.
struct Source {
    /// Relative to `src/`.
    path: String,
    /// The module that it belongs to: `needs::graph`, or `engine` for `engine/docker/push.rs`.
    module: String,
    text: String,
}

/// The module of a path: the room, and a module that the room declares as public.
fn module(names: &[&str]) -> String {
    static PUBLIC: OnceLock<BTreeSet<String>> = OnceLock::new();
    let public = PUBLIC.get_or_init(|| {
        let declared = WITH_MODULES.iter().flat_map(|room| {
            let path = repository().join(format!("src/{room}.rs"));
            let text = fs_err::read_to_string(path).unwrap();
            let lines = text.lines().map(str::to_owned).collect::<Vec<_>>();
            let names = lines.into_iter().filter_map(|line| {
                let name = line.strip_prefix("pub mod ")?.strip_suffix(';')?;
                Some(format!("{room}::{name}"))
            });
            names.collect::<Vec<_>>()
        });
        declared.collect()
    });
    match names {
        [room, name, ..] if public.contains(&format!("{room}::{name}")) => {
            format!("{room}::{name}")
        }
        [room, ..] => (*room).to_owned(),
        [] => String::new(),
    }
}

/// Whether a path is one of these, or below one.
fn is_below(path: &str, places: &[&str]) -> bool {
    places.iter().any(|place| {
        let rest = path.strip_prefix(place);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    })
}

fn sources() -> Vec<Source> {
    let root = repository().join("src");
    let walk = WalkDir::new(&root).sort_by_file_name().into_iter();
    let paths = walk.map(|entry| entry.unwrap().into_path());
    let paths = paths.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let sources = paths.filter_map(|path| {
        let name = path
            .strip_prefix(&root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let names: Vec<&str> = name.trim_end_matches(".rs").split('/').collect();
        let module = module(&names);
        let is_test = |part: &str| matches!(part, "tests" | "testing" | "fuzzing");
        if name.trim_end_matches(".rs").split('/').any(is_test) {
            return None;
        }
        let text = fs_err::read_to_string(&path).unwrap();
        let text = text.split("\n#[cfg(test)]\n").next().unwrap();
        let is_code = |line: &&str| !line.trim_start().starts_with("//");
        let lines: Vec<&str> = text.lines().filter(is_code).collect();
        Some(Source {
            path: name,
            module,
            text: lines.join("\n"),
        })
    });
    sources.collect()
}

impl Source {
    /// The paths after `crate::` that it names: `needs::closure::Because`, `lockfile`.
    fn uses(&self) -> Vec<String> {
        let mut uses = Vec::new();
        for (at, start) in self.text.match_indices("crate::") {
            let rest = &self.text[at + start.len()..];
            let head = self.text[..at].chars().next_back();
            if head.is_some_and(|letter| letter.is_alphanumeric() || letter == '_') {
                continue;
            }
            match rest.strip_prefix('{') {
                Some(list) => {
                    let list = list.split('}').next().unwrap_or_default();
                    let names = list.split(',').map(path_at).filter(|name| !name.is_empty());
                    uses.extend(names);
                }
                None => uses.push(path_at(rest)),
            }
        }
        uses
    }

    /// Whether it uses this crate by name.
    fn uses_crate(&self, name: &str) -> bool {
        let path = format!("{name}::");
        self.text.match_indices(&path).any(|(at, _)| {
            let before = self.text[..at].chars().next_back();
            !before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
        }) || self.text.contains(&format!("use {name};"))
    }

    fn is_within(&self, modules: &[&str]) -> bool {
        is_below(&self.module, modules)
    }

    fn room(&self) -> &str {
        head(&self.module)
    }
}

/// The path that a text begins with: `needs::graph::Graph;` is `needs::graph::Graph`.
fn path_at(text: &str) -> String {
    let part = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':';
    let text = text.trim_start();
    let path: String = text.chars().take_while(|letter| part(*letter)).collect();
    path.trim_end_matches(':').to_owned()
}

fn head(path: &str) -> &str {
    path.split("::").next().unwrap_or_default()
}

/// All `file: path` that break a rule.
fn violations(breaks: impl Fn(&Source, &str) -> bool) -> Vec<String> {
    let mut found = BTreeSet::new();
    for source in sources() {
        for path in source.uses() {
            if breaks(&source, &path) {
                found.insert(format!("{}: {path}", source.path));
            }
        }
    }
    found.into_iter().collect()
}

#[test]
fn what_executes_a_plan_does_not_look_behind_it() {
    let after = ["finished", "image", "render", "store", "engine", "show"];
    let before = [
        "workspace",
        "lockfile",
        "needs",
        "files::ignore",
        "plan::config",
        "plan::sources",
        "cli",
        "commands",
    ];
    let found = violations(|source, path| source.is_within(&after) && is_below(path, &before));
    // The reasons why members are in a closure are part of the plan.
    assert_eq!(found, ["show/report/plan.rs: needs::closure::Because"]);
}

#[test]
fn no_room_knows_one_that_comes_later() {
    let place = |room: &str| ROOMS.iter().position(|other| *other == room);
    for source in sources() {
        let known = ["lib", "main"].contains(&source.room()) || place(source.room()).is_some();
        assert!(known, "{} is in no room", source.path);
    }
    let found = violations(|source, path| {
        let (Some(own), Some(other)) = (place(source.room()), place(head(path))) else {
            return false;
        };
        other > own
    });
    assert_eq!(found, [""; 0]);
}

#[test]
fn the_command_line_the_terminal_and_the_environment_stay_above() {
    let allowed = |path: &str| -> &[&str] {
        match path {
            "cli" => &["commands", "cli", "lib", "main"],
            "commands" => &["commands", "lib", "main"],
            "show::ui" => &["commands", "show", "lib", "main"],
            // The engine's host gets the environment as a value.
            "system::env" => &["commands", "engine", "lib", "main", "system::env"],
            _ => &[],
        }
    };
    let found = violations(|source, path| {
        let names: Vec<&str> = path.split("::").collect();
        let to = module(&names);
        ["cli", "commands", "show::ui", "system::env"].contains(&&*to)
            && !source.is_within(allowed(&to))
    });
    assert_eq!(found, [""; 0]);
    let process: Vec<String> = sources()
        .into_iter()
        .filter(|source| {
            source.text.contains("std::env::") && !source.is_within(&["system::env", "main"])
        })
        .map(|source| source.path)
        .collect();
    assert_eq!(process, [""; 0], "reads the process's environment");
}

#[test]
fn heavy_crates_have_one_home_each() {
    let homes: [(&str, &[&str]); 14] = [
        // `ui` prints clap's own words.
        ("clap", &["cli", "show::ui"]),
        ("clap_complete", &["cli"]),
        ("clap_mangen", &["cli"]),
        ("bollard", &["engine"]),
        ("tokio", &["engine"]),
        ("indicatif", &["show"]),
        ("minijinja", &["plan::template"]),
        ("petgraph", &["needs"]),
        ("serde_saphyr", &["workspace::manifest", "needs::frozen"]),
        ("reqwest", &["store::fetch", "engine"]),
        // `store::fetch` names it as what rustls verifies by.
        ("ring", &["image::base", "store::fetch"]),
        ("lzma_rust2", &["image::base"]),
        ("zstd", &["image"]),
        ("flate2", &["image", "engine", "finished::prebuilt"]),
    ];
    for (name, homes) in homes {
        let sources = sources();
        let users: Vec<&Source> = sources
            .iter()
            .filter(|source| source.uses_crate(name))
            .collect();
        assert!(!users.is_empty(), "nobody uses {name}");
        for source in users {
            assert!(source.is_within(homes), "{} uses {name}", source.path);
        }
    }
    for source in sources() {
        let waits = source.text.contains(".await") || source.text.contains("async ");
        assert!(
            !waits || source.is_within(&["engine"]),
            "{} is asynchronous",
            source.path
        );
    }
}

#[test]
fn modules_know_each_other_one_way() {
    // `lib` and `main` connect all rooms.
    let gathers = ["lib", "main"];
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources() {
        // Modules that others name must write their uses with `crate::`, or this test would not see
        // them.
        let is_named = source.module != source.room() && source.path.split('/').count() == 2;
        assert!(
            !is_named || !source.text.contains("super::"),
            "{} hides what it uses behind `super`",
            source.path
        );
        for path in source.uses() {
            let to = module(&path.split("::").collect::<Vec<_>>());
            if to != source.module && !gathers.contains(&to.as_str()) && !source.is_within(&gathers)
            {
                graph.entry(source.module.clone()).or_default().insert(to);
            }
        }
    }
    let reaches = |from: &str| {
        let mut found = BTreeSet::new();
        let mut queue: Vec<&str> = vec![from];
        while let Some(at) = queue.pop() {
            for to in graph.get(at).into_iter().flatten() {
                if found.insert(to.as_str()) {
                    queue.push(to);
                }
            }
        }
        found
    };
    let circular: Vec<&str> = graph
        .keys()
        .map(String::as_str)
        .filter(|module| reaches(module).contains(module))
        .collect();
    assert_eq!(circular, [""; 0]);
}

/// What may access the disk without [`slimbuild::files::tree::Tree`], and why. No module that reads
/// the workspace is among them.
const DISK: [(&str, &[&str]); 20] = [
    // The tree itself, and its counterpart for files of an image.
    ("files::tree", &[]),
    ("files::rooted", &[]),
    // Files that slimbuild keeps, downloads, packs and unpacks for itself, and engines' own files.
    ("image::base", &[]),
    ("store::cache", &[]),
    ("engine", &[]),
    ("store::fetch", &[]),
    ("image::machine", &[]),
    ("image::oci", &[]),
    // Work directories, and what a signal removes.
    ("system::leftovers", &[]),
    ("system::workdir", &[]),
    // Outputs, and files that the command line names.
    ("commands", &[]),
    ("system::atomic_file", &[]),
    (
        "render::context",
        &["std::fs::File", "std::fs::Permissions", "fs_err::"],
    ),
    ("ask::pruned", &["fs_err::", "is_dir(", "is_file("]),
    // Finding the root, and the app that the user names.
    ("workspace", &["canonicalize(", "fs_err::", "is_file("]),
    // Directories above the root, to find a repository.
    ("workspace::git", &["exists(", "is_dir("]),
    // The files of an earlier commit, in a work directory.
    (
        "workspace::history",
        &["fs_err::create_dir(", "fs_err::write(", "on_disk("],
    ),
    ("files::ignore", &["fs_err", "symlink_metadata("]),
    // Only path joins and types.
    ("model::path", &["on_disk("]),
    ("files", &["std::fs::Metadata"]),
];

#[test]
fn files_of_the_workspace_are_opened_beneath_its_root() {
    let signs = [
        "fs_err",
        "std::fs",
        "on_disk(",
        "walkdir",
        "canonicalize(",
        "File::open(",
        "symlink_metadata(",
    ];
    let mut found = Vec::new();
    for source in sources() {
        let allowed = DISK.iter().find(|(module, _)| *module == source.module);
        if allowed.is_some_and(|(_, signs)| signs.is_empty()) {
            continue;
        }
        let allowed = allowed.map_or(&[][..], |(_, signs)| signs);
        for line in source.text.lines() {
            let sign = signs.iter().any(|sign| line.contains(sign));
            if sign && !allowed.iter().any(|sign| line.contains(sign)) {
                found.push(format!("{}: {}", source.path, line.trim()));
            }
        }
        // A module may never use another's reading and opening; an output directory's is the
        // exception.
        let opens = ["fs_err::read", "fs_err::File", "File::open(", "fs::read("];
        for line in source.text.lines() {
            let is_listing =
                source.module == "ask::pruned" && line.contains("fs_err::read_dir(dir)");
            if opens.iter().any(|open| line.contains(open)) && !is_listing {
                found.push(format!("{}: {}", source.path, line.trim()));
            }
        }
    }
    // Opened for the layer's tar, which checks what it is.
    assert_eq!(found, ["finished/assemble.rs: from: path.on_disk(root),"]);
}

#[test]
fn files_stay_small() {
    let mut large = Vec::new();
    for source in sources() {
        let path = repository().join("src").join(&source.path);
        let text = fs_err::read_to_string(path).unwrap();
        let lines = text
            .split("\n#[cfg(test)]\n")
            .next()
            .unwrap()
            .lines()
            .count();
        if lines > 450 {
            large.push(format!("{}: {lines}", source.path));
        }
        assert!(
            source.path != "main.rs" || lines <= 30,
            "main.rs has {lines} lines"
        );
    }
    assert_eq!(large, [""; 0]);
}

#[test]
fn the_map_names_every_module() {
    let library = fs_err::read_to_string(repository().join("src/lib.rs")).unwrap();
    let map: String = library
        .lines()
        .filter(|line| line.starts_with("//!"))
        .collect();
    let modules = sources().into_iter().map(|source| source.module);
    let modules: BTreeSet<String> = modules
        .filter(|module| module != "lib" && module != "main")
        .collect();
    // Vocabulary and plumbing that every stage of the pipeline uses.
    let plumbing = [
        "commands",
        "files::glob",
        "model",
        "needs::sets",
        "system",
        "show::ui",
        "workspace::git",
        "workspace::toolchain",
    ];
    let missing: Vec<&String> = modules
        .iter()
        .filter(|module| {
            let name = module.rsplit("::").next().unwrap_or_default();
            !is_below(module, &plumbing) && !map.contains(name)
        })
        .collect();
    assert!(
        missing.is_empty(),
        "the map of src/lib.rs does not show {missing:?}"
    );
}

#[test]
fn documents_name_files_that_are_there() {
    let mut missing = Vec::new();
    for document in [
        "CONTRIBUTING.md",
        "SECURITY.md",
        "docs/src/explanation/architecture.md",
    ] {
        let text = fs_err::read_to_string(repository().join(document)).unwrap();
        for quoted in text.split('`').skip(1).step_by(2) {
            let in_source = ["src/", "tests/", "templates/", "testdata/", "fuzz/"];
            let is_path = in_source.iter().any(|start| quoted.starts_with(start))
                && !quoted.contains(['*', ' ', '<', '…']);
            // The architecture's walk names paths below `src/`.
            let below = quoted.ends_with(".rs") && quoted.contains('/');
            let there = repository().join(quoted).exists()
                || (below && repository().join("src").join(quoted).exists());
            if (is_path || below) && !there {
                missing.push(format!("{document}: {quoted}"));
            }
        }
    }
    assert_eq!(missing, [""; 0]);
}
