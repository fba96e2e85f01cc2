//! Files that `pnpm install` reads in addition to manifests and the lockfile: patches, pnpmfiles,
//! tarballs, packages that it copies, binaries.

use std::collections::{BTreeMap, BTreeSet};

use nodejs_semver::{Range, Version};

use super::{Content, PlacedFile};
use crate::files::ignore::Rules;
use crate::files::tree::{Limit, optional};
use crate::files::{self, File};
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::needs::closure::Closure;
use crate::plan::PlanError;
use crate::workspace::Workspace;
use crate::workspace::manifest::npmrc;
use crate::workspace::manifest::package::Manifest;
use crate::workspace::pnpmfile;
use crate::workspace::toolchain::{self, dev_engines};

/// Files that settings name: patches, and pnpmfiles with the files that they load, as far as the
/// workspace's pnpm reads these settings. If pnpm installs each project separately, each has its
/// own in addition to the root's.
pub(crate) fn settings_files(
    workspace: &Workspace,
    closure: &Closure<'_, '_>,
) -> Result<Vec<File>, PlanError> {
    let mut named: BTreeMap<RepoPath, String> = BTreeMap::new();
    let mut name = |dir: &RepoPath, path: &str, by: String| {
        let inside = dir.join(path).map_err(|_| missing(&by, path))?;
        named.entry(inside).or_insert(by);
        Ok::<_, PlanError>(())
    };
    let major = pnpm_major(workspace);
    // pnpm 10 introduced one place, and pnpm 11 dropped the other.
    let reads_manifest = major.is_none_or(|major| major <= 10);
    let reads_settings = major.is_none_or(|major| major >= 10);
    let alone = closure.installed_alone(workspace);
    let own: BTreeSet<RepoPath> = alone.into_iter().chain([RepoPath::ROOT]).collect();
    for dir in &own {
        let manifest = workspace
            .member_in(dir)
            .map(|at| &workspace.members[at].manifest);
        let patches = manifest.and_then(|one| pnpm_setting(one, "patchedDependencies"));
        let patches = patches.filter(|_| reads_manifest);
        let patches = patches.and_then(serde_json::Value::as_object).into_iter();
        for path in patches.flat_map(serde_json::Map::values) {
            let file = manifest.map_or("package.json", Manifest::file);
            let by = format!("`pnpm.patchedDependencies` in {file}");
            if let Some(path) = path.as_str() {
                name(dir, path, by)?;
            }
        }
    }
    for path in workspace
        .settings
        .patched_dependencies
        .iter()
        .filter(|_| reads_settings)
        .flat_map(BTreeMap::values)
    {
        let by = "`patchedDependencies` in pnpm-workspace.yaml";
        name(&RepoPath::ROOT, path, by.to_owned())?;
    }
    let mut pnpmfiles = Vec::new();
    if reads_settings {
        pnpmfiles.clone_from(&workspace.settings.pnpmfile);
    }
    if pnpmfiles.is_empty() && reads_manifest {
        pnpmfiles.extend(workspace.npmrc.get("pnpmfile").map(str::to_owned));
    }
    let mut roots = BTreeSet::new();
    for path in &pnpmfiles {
        roots.extend(RepoPath::new(path));
        name(&RepoPath::ROOT, path, "the setting `pnpmfile`".to_owned())?;
    }
    let mut found = Vec::new();
    for (path, by) in named {
        let file = File::load(&workspace.tree, &path);
        found.push(file.map_err(|error| PlanError::named(&by, &path, error))?);
    }
    for dir in own {
        for name in [".pnpmfile.cjs", ".pnpmfile.mjs"] {
            let Ok(path) = dir.join(name) else {
                continue;
            };
            let known = found.iter().any(|file: &File| file.path == path);
            let there = || optional(workspace.tree.link_metadata(&path)).transpose();
            let there = known || there().is_some();
            if there && !known {
                found.push(File::load(&workspace.tree, &path)?);
            }
            if there {
                roots.insert(path);
            }
        }
    }
    for path in loaded_by(workspace, roots).files {
        if found.iter().all(|file| file.path != path) {
            found.push(File::load(&workspace.tree, &path)?);
        }
    }
    Ok(found)
}

/// What pnpmfiles load, directly or not.
#[derive(Debug, Default)]
struct Loaded {
    files: BTreeSet<RepoPath>,
    /// Files that load something only known at run time.
    computed: BTreeSet<RepoPath>,
}

/// Follows what these files load by a literal path, resolved as in node. Missing files are left for
/// node to report.
fn loaded_by(workspace: &Workspace, roots: BTreeSet<RepoPath>) -> Loaded {
    let mut loaded = Loaded::default();
    let mut seen = roots.clone();
    let mut open: Vec<RepoPath> = roots.into_iter().collect();
    let tree = &workspace.tree;
    while let Some(path) = open.pop() {
        let Ok(text) = tree.read_text(&path, Limit::Source) else {
            continue;
        };
        let loads = pnpmfile::loads(&text);
        if loads.computed {
            loaded.computed.insert(path.clone());
        }
        let dir = path.parent().unwrap_or_default();
        for file in loads.files {
            let ends = ["", ".js", ".cjs", ".mjs", ".json", "/index.js"];
            let places = ends
                .iter()
                .filter_map(|end| dir.join(&format!("{file}{end}")).ok());
            let place = places
                .into_iter()
                .find(|place| tree.is_file(place).unwrap_or_default());
            if let Some(place) = place.filter(|place| seen.insert(place.clone())) {
                open.push(place.clone());
                loaded.files.insert(place);
            }
        }
    }
    loaded
}

/// Warnings about pnpmfiles: files that they load by a computed path are left out.
pub(crate) fn pnpmfile_warnings(workspace: &Workspace) -> Vec<String> {
    let set = workspace.settings.pnpmfile.iter().map(String::as_str);
    let set = set.chain(workspace.npmrc.get("pnpmfile"));
    let all = set.chain([".pnpmfile.cjs", ".pnpmfile.mjs"]);
    let roots = all.filter_map(|path| RepoPath::new(path).ok());
    let computed = loaded_by(workspace, roots.collect()).computed;
    let warning = |path| {
        format!(
            "`{path}` loads a file by a path that is computed, which the install does not get: write the path out, as in `require('./file.cjs')`"
        )
    };
    computed.into_iter().map(warning).collect()
}

fn missing(by: &str, path: &str) -> PlanError {
    PlanError::MissingFile {
        by: by.to_owned(),
        path: path.to_owned(),
    }
}

/// The `.npmrc` of the root and of members that an install of this closure reads, without secrets.
pub(crate) fn npmrcs<'w>(
    workspace: &'w Workspace,
    closure: &Closure<'_, '_>,
) -> Vec<(RepoPath, &'w str)> {
    let members = closure.members.keys().map(|&at| &workspace.members[at]);
    let own = members.map(|member| (&member.dir, &member.npmrc));
    let root = (&workspace.root_member().dir, &workspace.npmrc);
    let all = [root].into_iter().chain(own);
    all.filter(|(_, npmrc)| !npmrc.text.is_empty())
        .filter_map(|(dir, npmrc)| Some((dir.join(npmrc::FILE).ok()?, npmrc.text.as_str())))
        .collect()
}

/// The major version of the workspace's pnpm, for a range the lowest; `None` if it is unknown.
pub(super) fn pnpm_major(workspace: &Workspace) -> Option<u64> {
    let pnpm = toolchain::pnpm(workspace).ok()?.value;
    let exact = Version::parse(&pnpm).ok();
    let version = exact.or_else(|| Range::parse(&pnpm).ok()?.min_version())?;
    Some(version.major())
}

/// Files that an install copies from the workspace: tarballs, and the sources of packages that are
/// copied instead of linked. `files` are the files of members walked so far.
pub(crate) fn local_files<P: Copy>(
    workspace: &Workspace,
    closure: &Closure<'_, '_>,
    files: &BTreeMap<MemberId, Vec<File>>,
    rules: &Rules,
    place: P,
) -> Result<Vec<PlacedFile<P>>, PlanError> {
    let mut entries = Vec::new();
    for tarball in closure.tarballs() {
        let file = File::load(&workspace.tree, tarball)
            .map_err(|error| PlanError::named("pnpm-lock.yaml", tarball, error))?;
        let why = "a `file:` in the lockfile names it";
        entries.push(PlacedFile::source(place, &file, why));
    }
    let why = "pnpm copies this package when it installs";
    for dir in closure.copied_directories() {
        let member = workspace.member_in(dir).and_then(|at| files.get(&at));
        let walked;
        let files = if let Some(files) = member {
            files
        } else {
            walked = files::walk(&workspace.tree, dir, &BTreeSet::new(), rules)?.files;
            &walked
        };
        // The closure provides a member's manifest.
        let own = workspace.member_in(dir);
        let own = own.map(|at| workspace.members[at].manifest.file());
        entries.extend(
            files
                .iter()
                .filter(|file| own.is_none_or(|own| file.path.as_str() != own))
                .map(|file| PlacedFile::source(place, file, why)),
        );
    }
    Ok(entries)
}

/// Stubs for a member's binaries. pnpm links only binaries whose files exist at install time, but
/// sources and outputs come later. The stub's first line makes pnpm call node.
pub(crate) fn bin_stubs<P: Copy>(
    workspace: &Workspace,
    closure: &Closure<'_, '_>,
    place: P,
) -> Vec<PlacedFile<P>> {
    let mut entries = Vec::new();
    for &at in closure.members.keys().filter(|at| !at.is_root()) {
        let member = &workspace.members[at];
        let files: Vec<&str> = match member.manifest.get("bin") {
            Some(serde_json::Value::String(file)) => vec![file],
            Some(serde_json::Value::Object(map)) => {
                map.values().filter_map(serde_json::Value::as_str).collect()
            }
            _ => Vec::new(),
        };
        for file in files {
            let Ok(path) = member.dir.join(file) else {
                continue;
            };
            if !path.is_within(&member.dir) {
                continue;
            }
            let content = Content::Made {
                text: "#!/usr/bin/env node\n".to_owned().into(),
                executable: true,
            };
            let why = "stands in for a binary that comes later: pnpm links only what is there";
            entries.push(PlacedFile::new(place, path, content, why));
        }
    }
    entries
}

fn pnpm_setting<'m>(manifest: &'m Manifest, key: &str) -> Option<&'m serde_json::Value> {
    manifest.get("pnpm")?.get(key)
}

/// A warning about installs that slimbuild does not run: pnpm 12 refuses a frozen lockfile that does
/// not record the version which the manifest pins by `packageManager`, or by `devEngines` unless its
/// `onFail` is `ignore` (tried with 12.21). slimbuild's own installs use the right version, and tell
/// pnpm so.
pub(crate) fn pin_warning(workspace: &Workspace) -> Option<String> {
    let manifest = &workspace.root_member().manifest;
    let (pin, by) = match manifest.text("packageManager") {
        Some(text) => {
            let version = text.strip_prefix("pnpm@")?.split('+').next()?;
            (version.to_owned(), manifest.file().to_owned())
        }
        None => (
            dev_engines::pnpm(manifest)?,
            format!("`devEngines` of {}", manifest.file()),
        ),
    };
    if dev_engines::oldest_major(&pin)? < 12 {
        return None;
    }
    let range = Range::parse(&pin).ok()?;
    let text = workspace.lockfiles.first()?.trim_start_matches('\u{feff}');
    let first = text
        .strip_prefix("---")
        .and_then(|rest| rest.split("\n---").next());
    let fits = |line: &str| {
        let version = line.trim().strip_prefix("version: ");
        let version = version.and_then(|text| Version::parse(text).ok());
        version.is_some_and(|version| range.satisfies(&version))
    };
    let is_recorded = first.is_some_and(|first| {
        let recorded = first.split_once("packageManagerDependencies:");
        recorded.is_some_and(|(_, pins)| pins.lines().any(fits))
    });
    (!is_recorded).then(|| {
        format!(
            "pnpm-lock.yaml does not record pnpm {pin}, which {by} pins: pnpm 12 refuses that when it is frozen, unless it is told \
             `--config.pm-on-fail=ignore`"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lockfile::Lockfiles;
    use crate::needs::spared::Tools;

    /// The files that this pnpm reads by settings, or what is missing.
    fn files(pnpm: &str, extra: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let manifest = format!(
            r#"{{"packageManager":"pnpm@{pnpm}","pnpm":{{"patchedDependencies":{{"a":"a.patch"}}}}}}"#
        );
        let settings = "packages: []\npatchedDependencies:\n  b: b.patch\npnpmfile: settings.cjs\n";
        let mut all = vec![
            ("package.json", manifest.as_str()),
            ("pnpm-workspace.yaml", settings),
            (".npmrc", "pnpmfile=npmrc.cjs\n"),
        ];
        all.extend(extra);
        let (_dir, workspace) = crate::testing::workspace(&all);
        let lockfiles = Lockfiles::parse(&workspace.lockfiles).unwrap();
        let closure =
            Closure::runtime(&workspace, &lockfiles, &[], &BTreeSet::new(), Tools::Stay).unwrap();
        match settings_files(&workspace, &closure) {
            Ok(files) => Ok(files.iter().map(|file| file.path.to_string()).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn a_pin_that_the_lockfile_does_not_record_is_told() {
        let warns = |pnpm: &str, head: &str| {
            let manifest = format!(r#"{{"packageManager":"pnpm@{pnpm}"}}"#);
            let lockfile = format!("{head}lockfileVersion: '9.0'\n");
            let files = [("package.json", &*manifest), ("pnpm-lock.yaml", &*lockfile)];
            pin_warning(&crate::testing::workspace(&files).1).is_some()
        };
        let head = "---\nlockfileVersion: '9.0'\nimporters:\n  .:\n    packageManagerDependencies:\n      pnpm:\n        specifier: 12.21.0\n        version: 12.21.0\n---\n";
        assert!(!warns("12.21.0", head));
        assert!(!warns("12.21.0+sha512.x", head));
        assert!(warns("12.20.0", head));
        assert!(warns("12.21.0", ""));
        assert!(!warns("11.22.0", ""));
    }

    #[test]
    fn a_pin_of_dev_engines_counts_too() {
        let warns = |engine: &str, recorded: Option<&str>| {
            let manifest = format!(r#"{{"devEngines":{{"packageManager":{engine}}}}}"#);
            let head = recorded.map_or_else(String::new, |version| {
                format!("---\nlockfileVersion: '9.0'\nimporters:\n  .:\n    packageManagerDependencies:\n      pnpm:\n        version: {version}\n---\n")
            });
            let lockfile = format!("{head}lockfileVersion: '9.0'\n");
            let files = [("package.json", &*manifest), ("pnpm-lock.yaml", &*lockfile)];
            pin_warning(&crate::testing::workspace(&files).1).is_some()
        };
        let exact = r#"{"name":"pnpm","version":"12.21.0"}"#;
        let range =
            r#"[{"name":"npm","version":"12"},{"name":"pnpm","version":">=12.5","onFail":"warn"}]"#;
        for engine in [exact, range] {
            assert!(warns(engine, None), "{engine}");
            assert!(warns(engine, Some("12.1.0")), "{engine}");
            assert!(!warns(engine, Some("12.21.0")), "{engine}");
        }
        for engine in [
            r#"{"name":"pnpm","version":"12.21.0","onFail":"ignore"}"#,
            r#"{"name":"pnpm"}"#,
            r#"{"name":"npm","version":"12.21.0"}"#,
            // Who runs pnpm 11 gets no warning.
            r#"{"name":"pnpm","version":">=11"}"#,
            r#"{"name":"pnpm","version":"^10"}"#,
        ] {
            assert!(!warns(engine, None), "{engine}");
        }
    }

    #[test]
    fn what_a_pnpmfile_loads_comes_along() {
        let settings = ("settings.cjs", "require('./tools/hook'); require(`./${x}`)");
        let all = [
            ("b.patch", ""),
            settings,
            ("tools/hook.cjs", "import './deep/index.mjs'"),
            (
                "tools/deep/index.mjs",
                "import '../hook.cjs'; import './gone'",
            ),
            ("tools/other.cjs", ""),
        ];
        assert_eq!(
            files("11.2.1", &all).unwrap(),
            [
                "b.patch",
                "settings.cjs",
                "tools/deep/index.mjs",
                "tools/hook.cjs"
            ]
        );
    }

    #[test]
    fn files_are_asked_for_where_the_pnpm_reads_who_names_them() {
        let old = [("a.patch", ""), ("npmrc.cjs", "")];
        let new = [("b.patch", ""), ("settings.cjs", "")];
        let both = [old, new].concat();
        let names = |names: &[&str]| Ok(names.iter().map(ToString::to_string).collect());
        assert_eq!(files("9.15.9", &old), names(&["a.patch", "npmrc.cjs"]));
        assert_eq!(files("11.2.1", &new), names(&["b.patch", "settings.cjs"]));
        assert_eq!(
            files("12.0.0-rc.8", &both),
            names(&["b.patch", "settings.cjs"])
        );
        assert_eq!(
            files("10.34.5", &both),
            names(&["a.patch", "b.patch", "settings.cjs"])
        );
        assert!(files("10.34.5", &new).unwrap_err().contains("a.patch"));
        assert!(files("11.2.1", &old).unwrap_err().contains("b.patch"));
    }
}
