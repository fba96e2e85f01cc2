//! Workspaces made up for measuring: as many members as asked for, the same on every machine.
//!
//! A member depends on a few members and on some twenty packages of registries, of which some are everybody's and most are those of its
//! neighbourhood; packages depend on packages. `apps/app` reaches one half of the members, so that what is kept grows with the workspace.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::io;
use std::path::Path;

use fs_err as fs;

/// How many packages of registries come with each member.
const PACKAGES: usize = 13;
/// How many of them a member depends on directly.
const DIRECT: usize = 20;
/// Packages depend on others of their hundreds alone.
const CHAIN: usize = 200;
/// Packages that members all over the workspace share.
const POPULAR: usize = 60;

/// Writes a workspace of `members` members.
pub(crate) fn write(root: &Path, members: usize) -> io::Result<()> {
    let workspace = Synthetic { members };
    fs::create_dir_all(root)?;
    fs::write(
        root.join("pnpm-workspace.yaml"),
        "packages:\n  - apps/*\n  - packages/*\n",
    )?;
    fs::write(
        root.join("package.json"),
        "{\n  \"name\": \"root\",\n  \"private\": true,\n  \"packageManager\": \"pnpm@10.34.5\"\n}\n",
    )?;
    fs::write(
        root.join("turbo.json"),
        r#"{"globalDependencies": ["tsconfig.json"], "tasks": {"build": {"dependsOn": ["^build"], "outputs": ["dist/**"]}}}"#,
    )?;
    fs::write(root.join("tsconfig.json"), "{}\n")?;
    fs::write(root.join(".gitignore"), "node_modules\ndist\n")?;
    fs::write(root.join("pnpm-lock.yaml"), workspace.lockfile())?;
    for at in 0..members {
        let dir = root.join(directory(at));
        fs::create_dir_all(dir.join("src"))?;
        fs::write(dir.join("package.json"), workspace.manifest(at))?;
        if at.is_multiple_of(3) {
            fs::write(
                dir.join("turbo.json"),
                r#"{"extends": ["//"], "tasks": {}}"#,
            )?;
        }
        fs::write(
            dir.join("src/index.ts"),
            format!("export const number = {at};\n"),
        )?;
    }
    Ok(())
}

struct Synthetic {
    members: usize,
}

/// Numbers that look like chance and are always the same: splitmix64 over the seeds.
fn chance(seed: usize, draw: usize) -> usize {
    let mut state = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (draw as u64);
    state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((state ^ (state >> 31)) >> 33).unwrap_or_default()
}

fn directory(member: usize) -> String {
    if member == 0 {
        "apps/app".to_owned()
    } else {
        format!("packages/member-{member}")
    }
}

fn package(at: usize) -> String {
    if at.is_multiple_of(3) {
        format!("@scope-{}/package-{at}", at % 7)
    } else {
        format!("package-{at}")
    }
}

/// With peers in brackets, where it has some.
fn version(at: usize) -> String {
    let own = format!("{}.{}.{}", at % 9, at % 21, at % 5);
    if at >= POPULAR && at.is_multiple_of(4) {
        format!("{own}({}@{})", package(1), version(1))
    } else {
        own
    }
}

fn plain_version(at: usize) -> String {
    let version = version(at);
    version
        .split('(')
        .next()
        .map(str::to_owned)
        .unwrap_or_default()
}

fn quoted(text: &str) -> String {
    if text.starts_with('@') {
        format!("'{text}'")
    } else {
        text.to_owned()
    }
}

impl Synthetic {
    fn packages(&self) -> usize {
        self.members * PACKAGES + POPULAR
    }

    /// The members that a member depends on. Those of the first half make a tree with the app on top; so do the others, which the app needs not.
    fn links(&self, at: usize) -> BTreeSet<usize> {
        let half = self.members / 2;
        let (base, end) = if at < half {
            (0, half)
        } else {
            (half, self.members)
        };
        let own = at - base;
        let further = own + 1 + chance(at, 1) % 40;
        [2 * own + 1, 2 * own + 2, further]
            .into_iter()
            .map(|to| base + to)
            .filter(|to| *to < end)
            .collect()
    }

    /// The packages that a member depends on, and whether only for its development.
    fn direct(&self, at: usize) -> BTreeMap<String, (usize, bool)> {
        let draw = |draw| {
            let to = if draw < 6 {
                chance(at, draw) % POPULAR
            } else {
                // Around its own, and never beyond the last.
                let around = at * PACKAGES + chance(at, draw) % 24;
                POPULAR + around % (self.packages() - POPULAR)
            };
            (package(to), (to, draw.is_multiple_of(4)))
        };
        (0..DIRECT).map(draw).collect()
    }

    /// The packages that a package depends on.
    fn needs(&self, at: usize) -> BTreeMap<String, usize> {
        let draw = |draw| {
            let to = if at < POPULAR || draw == 0 {
                at + 1 + chance(at, draw) % 10
            } else {
                at + 1 + chance(at, draw) % 30
            };
            (package(to), to)
        };
        // What is popular needs only what is popular, and no chain leads through all packages.
        let end = if at < POPULAR {
            POPULAR
        } else {
            self.packages().min((at / CHAIN + 1) * CHAIN)
        };
        let mut needs: BTreeMap<String, usize> = (0..chance(at, 9) % 5).map(draw).collect();
        needs.retain(|_, to| *to < end);
        if version(at).contains('(') {
            needs.insert(package(1), 1);
        }
        needs
    }

    fn manifest(&self, at: usize) -> String {
        let name = |to: usize| {
            directory(to)
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        let (mut prod, mut dev) = (BTreeMap::new(), BTreeMap::new());
        for (alias, (to, for_dev)) in self.direct(at) {
            let map = if for_dev { &mut dev } else { &mut prod };
            map.insert(alias, format!("^{}", plain_version(to)));
        }
        prod.extend(
            self.links(at)
                .into_iter()
                .map(|to| (name(to), "workspace:*".to_owned())),
        );
        let map = |map: &BTreeMap<String, String>| {
            let lines: Vec<String> = map
                .iter()
                .map(|(alias, range)| format!("    \"{alias}\": \"{range}\""))
                .collect();
            lines.join(",\n")
        };
        format!(
            "{{\n  \"name\": \"{}\",\n  \"version\": \"1.0.0\",\n  \"scripts\": {{\n    \"build\": \"tsc\"\n  }},\n  \
             \"dependencies\": {{\n{}\n  }},\n  \"devDependencies\": {{\n{}\n  }}\n}}\n",
            name(at),
            map(&prod),
            map(&dev)
        )
    }

    fn lockfile(&self) -> String {
        let mut text =
            "lockfileVersion: '9.0'\n\nsettings:\n  autoInstallPeers: true\n  excludeLinksFromLockfile: false\n\nimporters:\n\n  .: {}\n"
                .to_owned();
        for at in 0..self.members {
            self.importer(at, &mut text);
        }
        text.push_str("\npackages:\n");
        for at in 0..self.packages() {
            let key = quoted(&format!("{}@{}", package(at), plain_version(at)));
            let hash: String = (0..86)
                .map(|draw| {
                    char::from(b'A' + u8::try_from(chance(at, 100 + draw) % 26).unwrap_or_default())
                })
                .collect();
            let _ = write!(
                text,
                "\n  {key}:\n    resolution: {{integrity: sha512-{hash}==}}\n    engines: {{node: '>=18'}}\n"
            );
        }
        text.push_str("\nsnapshots:\n");
        for at in 0..self.packages() {
            let key = quoted(&format!("{}@{}", package(at), version(at)));
            let needs = self.needs(at);
            if needs.is_empty() {
                let _ = write!(text, "\n  {key}: {{}}\n");
                continue;
            }
            let _ = write!(text, "\n  {key}:\n    dependencies:\n");
            for (alias, to) in needs {
                let _ = writeln!(text, "      {}: {}", quoted(&alias), version(to));
            }
        }
        text
    }

    fn importer(&self, at: usize, text: &mut String) {
        let _ = write!(text, "\n  {}:\n", directory(at));
        let direct = self.direct(at);
        for (field, for_dev) in [("dependencies", false), ("devDependencies", true)] {
            let _ = writeln!(text, "    {field}:");
            let own = direct.iter().filter(|(_, (_, dev))| *dev == for_dev);
            for (alias, (to, _)) in own {
                let (alias, plain, version) = (quoted(alias), plain_version(*to), version(*to));
                let _ = write!(
                    text,
                    "      {alias}:\n        specifier: ^{plain}\n        version: {version}\n"
                );
            }
            for to in self.links(at).into_iter().filter(|_| !for_dev) {
                let dir = directory(to);
                let name = dir.rsplit('/').next().unwrap_or_default();
                let _ = write!(
                    text,
                    "      {name}:\n        specifier: workspace:*\n        version: link:../../{dir}\n"
                );
            }
        }
    }
}
