//! How the settings affect an install: which scripts pnpm runs, and for which machines it installs
//! packages.
//!
//! | pnpm | runs the scripts of |
//! |---|---|
//! | up to 9 | all packages but `neverBuiltDependencies`; those of `onlyBuiltDependencies` if that is set |
//! | 10 | `onlyBuiltDependencies`, and what `allowBuilds` approves (10.26 and later); all but `neverBuiltDependencies` if only that is set |
//! | 11 and later | what `allowBuilds` approves |
//!
//! From the sources of pnpm 9.15, 10.34 and 11.22 (`createAllowBuildFunction`), tried with these
//! and 12.21. If no setting decides, pnpm 10 skips the script; 11 and 12 fail with
//! `ERR_PNPM_IGNORED_BUILDS`.

use nodejs_semver::Version;
use serde_json::Value;

use super::config::{Config, Reading};
use crate::lockfile::{LockfileError, allows};
use crate::model::path::RepoPath;
use crate::workspace::Workspace;

/// How one version of pnpm installs packages.
#[derive(Debug)]
pub struct Installs<'w> {
    config: Config<'w>,
}

/// Whether pnpm runs a package's install scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It runs them.
    Runs,
    /// A setting refuses them.
    Refused,
    /// No setting decides, and this pnpm runs no scripts by default.
    Undecided,
}

impl<'w> Installs<'w> {
    /// Reads the settings as this version of pnpm does; `None` if the version is unknown.
    pub fn new(workspace: &'w Workspace, pnpm: &str) -> Result<Option<Self>, LockfileError> {
        let Ok(version) = Version::parse(pnpm) else {
            return Ok(None);
        };
        let config = Config::new(workspace, &RepoPath::ROOT, &version)?;
        Ok(Some(Self { config }))
    }

    /// Whether the scripts of a package run.
    pub fn verdict(&self, name: &str, version: &str) -> Verdict {
        let config = &self.config;
        let on = |name, npmrc| {
            let switch = config.switch(name, npmrc);
            switch.is_some_and(|reading| reading.value.as_deref() == Some("true"))
        };
        let lists = |setting| any(&config.lists(setting), name, version);
        let list_is_there = |setting| {
            let lists = config.lists(setting);
            lists.iter().any(|reading| !reading.value.is_empty())
        };
        if on("ignoreScripts", "ignore-scripts") {
            return Verdict::Refused;
        }
        let all = on("dangerouslyAllowAllBuilds", "dangerously-allow-all-builds");
        let file = config.has("onlyBuiltDependenciesFile");
        if config.major >= 10 && all || file.iter().any(|reading| reading.value) {
            return Verdict::Runs;
        }
        let decided = match config.major {
            10 if config.minor < 26 => None,
            10.. => self.allowed(name, version),
            _ => None,
        };
        if config.major >= 11 || decided.is_some() {
            return match decided {
                Some(true) => Verdict::Runs,
                Some(false) => Verdict::Refused,
                None => Verdict::Undecided,
            };
        }
        if lists("onlyBuiltDependencies") {
            return Verdict::Runs;
        }
        if lists("ignoredBuiltDependencies") || lists("neverBuiltDependencies") {
            return Verdict::Refused;
        }
        let only = list_is_there("onlyBuiltDependencies");
        let asks = config.major >= 10 && !list_is_there("neverBuiltDependencies");
        if only || asks {
            Verdict::Undecided
        } else {
            Verdict::Runs
        }
    }

    /// The decision of `allowBuilds`.
    fn allowed(&self, name: &str, version: &str) -> Option<bool> {
        let maps = self.config.maps("allowBuilds");
        let entries = maps.iter().flat_map(|reading| &reading.value);
        let mut said = None;
        for (_, value) in entries.filter(|(entry, _)| names(entry, name, version)) {
            match value.as_deref() {
                Some("true") if said.is_none() => said = Some(true),
                // A refusal wins over an approval by another entry.
                Some("false") => said = Some(false),
                _ => {}
            }
        }
        said
    }

    /// Whether an install fails if no setting decides about a script.
    pub fn is_strict(&self) -> bool {
        let switch = self.config.switch("strictDepBuilds", "strict-dep-builds");
        match switch.and_then(|reading| reading.value).as_deref() {
            Some("true") => self.config.major >= 10,
            Some("false") => false,
            _ => self.config.major >= 11,
        }
    }

    /// The setting that approves these packages, and its file.
    pub fn approval(&self, names: &[&str]) -> (String, &'static str) {
        let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        let has_list = |reading: &Reading<Vec<String>>| !reading.value.is_empty();
        let lists = self.config.lists("onlyBuiltDependencies");
        let file = lists.iter().find(|reading| has_list(reading)).map_or_else(
            || {
                let settings = self.config.major > 10 || self.config.minor >= 5;
                if settings && self.config.major >= 10 {
                    "pnpm-workspace.yaml"
                } else {
                    "package.json"
                }
            },
            |reading| reading.file,
        );
        if self.config.major >= 11 {
            let entries: Vec<String> = quoted.iter().map(|name| format!("{name}: true")).collect();
            let setting = format!("allowBuilds: {{{}}}", entries.join(", "));
            return (setting, "pnpm-workspace.yaml");
        }
        let list = quoted.join(", ");
        if file == "package.json" {
            (
                format!("\"pnpm\": {{\"onlyBuiltDependencies\": [{list}]}}"),
                file,
            )
        } else {
            (format!("onlyBuiltDependencies: [{list}]"), file)
        }
    }

    /// pnpm's major version.
    pub fn major(&self) -> u64 {
        self.config.major
    }

    /// The first setting of `supportedArchitectures` that makes an install on this machine lack its
    /// packages, such as `os: [darwin]`, and its file.
    pub fn unsupported(&self, cpus: &[&str], libc: Option<&str>) -> Option<(String, &'static str)> {
        let readings = self.config.values("supportedArchitectures");
        readings.iter().find_map(|reading| {
            let wanted: [(&str, &[&str]); 3] =
                [("os", &["linux"]), ("cpu", cpus), ("libc", libc.as_slice())];
            wanted.into_iter().find_map(|(key, machine)| {
                let list = reading.value.get(key)?.as_array()?;
                let words: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
                let fits = words.contains(&"current")
                    || machine.is_empty()
                    || machine.iter().any(|word| allows(&words, word));
                let setting = format!("supportedArchitectures.{key}: [{}]", words.join(", "));
                (!words.is_empty() && !fits).then_some((setting, reading.file))
            })
        })
    }
}

fn any(lists: &[Reading<Vec<String>>], name: &str, version: &str) -> bool {
    let mut entries = lists.iter().flat_map(|reading| &reading.value);
    entries.any(|entry| names(entry, name, version))
}

/// Whether an entry means this package: `esbuild`, `esbuild@0.25.0 || 0.25.1`.
fn names(entry: &str, name: &str, version: &str) -> bool {
    let Some(rest) = entry.strip_prefix(name) else {
        return false;
    };
    match rest.strip_prefix('@') {
        Some(versions) => versions.split("||").any(|one| one.trim() == version),
        None => rest.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask<T>(pnpm: &str, files: &[(&str, &str)], of: impl Fn(&Installs<'_>) -> T) -> T {
        let (_dir, workspace) = crate::testing::workspace(files);
        of(&Installs::new(&workspace, pnpm).unwrap().unwrap())
    }

    fn bcrypt(pnpm: &str, files: &[(&str, &str)]) -> Verdict {
        ask(pnpm, files, |installs| installs.verdict("bcrypt", "5.1.1"))
    }

    #[test]
    fn each_pnpm_has_its_own_way_to_approve() {
        use Verdict::{Refused, Runs, Undecided};
        let manifest = |text| [("package.json", text)];
        let settings = |text| [("pnpm-workspace.yaml", text)];
        assert_eq!(bcrypt("9.15.9", &[]), Runs);
        assert_eq!(bcrypt("10.34.5", &[]), Undecided);
        assert_eq!(bcrypt("11.22.0", &[]), Undecided);
        let only = manifest(r#"{"pnpm":{"onlyBuiltDependencies":["bcrypt"]}}"#);
        assert_eq!(bcrypt("9.15.9", &only), Runs);
        assert_eq!(bcrypt("10.0.0", &only), Runs);
        assert_eq!(bcrypt("11.22.0", &only), Undecided);
        let other = manifest(r#"{"pnpm":{"onlyBuiltDependencies":["esbuild"]}}"#);
        assert_eq!(bcrypt("9.15.9", &other), Undecided);
        let never = manifest(r#"{"pnpm":{"neverBuiltDependencies":["bcrypt"]}}"#);
        assert_eq!(bcrypt("9.15.9", &never), Refused);
        assert_eq!(bcrypt("10.34.5", &never), Refused);
        let never = manifest(r#"{"pnpm":{"neverBuiltDependencies":["esbuild"]}}"#);
        assert_eq!(bcrypt("10.34.5", &never), Runs);
        let allow = settings("allowBuilds:\n  bcrypt: true\n");
        assert_eq!(bcrypt("10.34.5", &allow), Runs);
        assert_eq!(bcrypt("10.10.0", &allow), Undecided);
        assert_eq!(bcrypt("11.22.0", &allow), Runs);
        let allow = settings("allowBuilds:\n  bcrypt@5.1.0 || 5.1.1: true\n  bcrypt-x: false\n");
        assert_eq!(bcrypt("11.22.0", &allow), Runs);
        let allow = settings("allowBuilds:\n  bcrypt@5.1.1: true\n  bcrypt: false\n");
        assert_eq!(bcrypt("12.21.0", &allow), Refused);
        let ignored = settings("ignoredBuiltDependencies: [bcrypt]\n");
        assert_eq!(bcrypt("10.34.5", &ignored), Refused);
        let all = settings("dangerouslyAllowAllBuilds: true\n");
        assert_eq!(bcrypt("11.22.0", &all), Runs);
        let none = [(".npmrc", "ignore-scripts=true\n")];
        assert_eq!(bcrypt("9.15.9", &none), Refused);
    }

    #[test]
    fn the_setting_to_write_is_the_one_that_this_pnpm_reads() {
        let write = |pnpm, files: &[(&str, &str)]| {
            ask(pnpm, files, |installs| {
                let (setting, file) = installs.approval(&["bcrypt", "@a/b"]);
                (setting, file, installs.is_strict())
            })
        };
        let expected = |text: &str, file, strict| (text.to_owned(), file, strict);
        let yaml = r#"onlyBuiltDependencies: ["bcrypt", "@a/b"]"#;
        let json = r#""pnpm": {"onlyBuiltDependencies": ["bcrypt", "@a/b"]}"#;
        assert_eq!(
            write("10.34.5", &[]),
            expected(yaml, "pnpm-workspace.yaml", false)
        );
        assert_eq!(write("10.4.0", &[]), expected(json, "package.json", false));
        let there = [(
            "package.json",
            r#"{"pnpm":{"onlyBuiltDependencies":["esbuild"]}}"#,
        )];
        assert_eq!(
            write("10.34.5", &there),
            expected(json, "package.json", false)
        );
        assert_eq!(
            write("11.22.0", &[]),
            expected(
                r#"allowBuilds: {"bcrypt": true, "@a/b": true}"#,
                "pnpm-workspace.yaml",
                true
            )
        );
        let lenient = [("pnpm-workspace.yaml", "strictDepBuilds: false\n")];
        assert!(!write("11.22.0", &lenient).2);
    }

    #[test]
    fn machines_that_an_install_leaves_out() {
        let unsupported = |text: &str, cpus: &[&str], libc| {
            let text = format!("supportedArchitectures:\n  {text}\n");
            ask("10.34.5", &[("pnpm-workspace.yaml", &text)], |installs| {
                installs.unsupported(cpus, libc)
            })
        };
        let both = ["x64", "arm64"];
        let found = unsupported("os: [darwin, win32]", &both, None).unwrap();
        assert_eq!(
            found,
            (
                "supportedArchitectures.os: [darwin, win32]".to_owned(),
                "pnpm-workspace.yaml"
            )
        );
        assert_eq!(unsupported("os: [current, darwin]", &both, None), None);
        assert_eq!(unsupported("cpu: [arm64]", &both, None), None);
        assert!(unsupported("cpu: [arm64]", &["x64"], None).is_some());
        assert!(unsupported("libc: [musl]", &both, Some("glibc")).is_some());
        assert_eq!(unsupported("libc: [musl]", &both, None), None);
    }
}
