//! The names that never enter an image: secrets, and what a machine keeps for itself.
//!
//! This is the one list. The context, outputs of builds by Docker, native builds and `--prebuilt` all go by it. The names of secrets are those that
//! secret scanners look for (gitleaks, trufflehog, git-secrets, GitHub's push protection).
//!
//! A rule has globs of names, which are compared without regard to case: `.ENV` is read as `.env` on macOS and Windows. `*` and `?` stay within a
//! name, `[!a-z]` is one letter that is none of these. A glob with a slash looks at the name of the directory too.
//!
//! Packages of registries are taken as they were published: these rules are about files of the workspace.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Serialize;

use crate::files::glob::fits;

/// A rule of the list.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// How messages name it.
    pub name: &'static str,
    /// Names that it bars.
    globs: &'static [&'static str],
    /// Names that it does not bar all the same.
    except: &'static [&'static str],
    /// What kind of thing it bars.
    pub kind: Kind,
    /// Where it holds.
    holds: Holds,
}

/// What a rule bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What a machine installed, cached or noted. It is wrong in an image.
    Leftover,
    /// What holds secrets by its name. Nothing brings it.
    Secret,
    /// What mostly holds secrets, and is legitimate in some projects: `include` brings it.
    Likely,
    /// A name that keys have and certificates too. A file without a private key in it is not barred, and `include` brings the others.
    Key,
}

/// Where a rule holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// For sources alone: builds may write such names.
    Sources,
    /// For what builds write alone.
    Outputs,
    /// For both.
    Everywhere,
}

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    /// A file of the workspace that enters a context.
    Sources,
    /// What a build wrote.
    Outputs,
}

/// What a step of a Dockerfile writes before the path of a secret that stays out.
pub const LEFT_OUT: &str = "slimbuild:left-out:";

/// The rule about files of variables.
pub const ENV_FILES: &str = ".env*";

/// What tells a private key from a certificate: PEM files and service accounts of clouds have it.
pub const PRIVATE: &str = "PRIVATE KEY";

const fn rule(
    name: &'static str,
    globs: &'static [&'static str],
    kind: Kind,
    holds: Holds,
) -> Rule {
    Rule {
        name,
        globs,
        except: &[],
        kind,
        holds,
    }
}

use Holds::{Everywhere, Outputs, Sources};
use Kind::{Key, Leftover, Likely, Secret};

/// All rules; the first that bars a name counts.
const RULES: &[Rule] = &[
    rule("node_modules", &["node_modules"], Leftover, Sources),
    rule(".git", &[".git"], Leftover, Everywhere),
    rule(".turbo", &[".turbo"], Leftover, Everywhere),
    rule(".cache", &[".cache"], Leftover, Outputs),
    rule(".vite", &[".vite"], Leftover, Outputs),
    rule(".next/cache", &[".next/cache"], Leftover, Outputs),
    rule(".pnpm-store", &[".pnpm-store"], Leftover, Sources),
    rule(".DS_Store", &[".ds_store"], Leftover, Everywhere),
    rule("Thumbs.db", &["thumbs.db"], Leftover, Everywhere),
    // With a stale one, tsc believes that it has nothing to emit.
    rule("*.tsbuildinfo", &["*.tsbuildinfo"], Leftover, Everywhere),
    // An image that slimbuild wrote here does not belong into the next one.
    rule("*.oci.tar", &["*.oci.tar"], Leftover, Sources),
    // `.env` or `.envrc` as a whole word: `.env.local` and `.env~` are, `.envoy` is not. `.env.example` is barred too: a rule without
    // exceptions can be trusted.
    rule(
        ENV_FILES,
        &[".env", ".env[!a-z0-9]*", ".envrc", ".envrc[!a-z0-9]*"],
        Secret,
        Everywhere,
    ),
    // It may hold tokens. What an install needs of it, the plan writes anew.
    rule(
        ".npmrc",
        &[".npmrc", ".npmrc[!a-z0-9]*"],
        Secret,
        Everywhere,
    ),
    rule(
        ".netrc",
        &[".netrc", ".netrc[!a-z0-9]*", "_netrc"],
        Secret,
        Everywhere,
    ),
    rule(
        ".yarnrc",
        &[".yarnrc", ".yarnrc[!a-z0-9]*"],
        Secret,
        Everywhere,
    ),
    rule(
        ".git-credentials",
        &[".git-credentials", ".git-credentials[!a-z0-9]*"],
        Secret,
        Everywhere,
    ),
    Rule {
        name: "id_rsa and the like",
        globs: &["id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*"],
        except: &["*.pub", "*.ts", "*.js", "*.md"],
        kind: Key,
        holds: Everywhere,
    },
    rule(
        "*.pem and the like",
        &["*.pem", "*.key", "*.p8", "*.asc"],
        Key,
        Everywhere,
    ),
    rule(
        "keys of cloud accounts",
        &[
            "service-account*.json",
            "service_account*.json",
            "serviceaccount*.json",
            "*-credentials.json",
            "credentials.json",
            "*firebase-adminsdk*.json",
        ],
        Key,
        Everywhere,
    ),
    rule(
        "key stores",
        &["*.p12", "*.pfx", "*.jks", "*.keystore", "*.ppk", "*.kdbx"],
        Likely,
        Sources,
    ),
    rule(
        "credentials of cloud tools",
        &[
            ".aws",
            ".azure",
            ".boto",
            ".gcloud",
            ".s3cfg",
            "application_default_credentials.json",
            "client_secret*.json",
        ],
        Likely,
        Sources,
    ),
    rule(
        "credentials of clusters and registries",
        &[
            ".docker/config.json",
            ".dockercfg",
            ".dockerconfigjson",
            ".kube",
            "kubeconfig",
            "*.kubeconfig",
        ],
        Likely,
        Sources,
    ),
    rule(
        "state and variables of Terraform",
        &[
            ".terraform",
            ".terraformrc",
            "terraform.rc",
            "*.tfstate",
            "*.tfstate.*",
            "*.tfvars",
            "*.tfvars.json",
        ],
        Likely,
        Sources,
    ),
    rule(
        "passwords of tools",
        &[
            ".gnupg",
            ".htpasswd",
            ".my.cnf",
            ".mylogin.cnf",
            ".pgpass",
            ".pypirc",
            ".ssh",
            ".vault-token",
            "pgpass.conf",
        ],
        Likely,
        Sources,
    ),
    rule(
        "histories of shells",
        &[
            ".bash_history",
            ".mysql_history",
            ".node_repl_history",
            ".psql_history",
            ".python_history",
            ".rediscli_history",
            ".sh_history",
            ".sqlite_history",
            ".zsh_history",
        ],
        Likely,
        Sources,
    ),
    // `.env` of a stage, spelled the other way round. Other names with this ending are tables and settings of all kinds.
    rule(
        "variables of a stage",
        &[
            ".flaskenv",
            "dev.env",
            "development.env",
            "local.env",
            "prod.env",
            "production.env",
            "secret.env",
            "secrets.env",
            "staging.env",
            "test.env",
        ],
        Likely,
        Sources,
    ),
];

impl Rule {
    fn holds_in(&self, area: Area) -> bool {
        match self.holds {
            Everywhere => true,
            Sources => area == Area::Sources,
            Outputs => area == Area::Outputs,
        }
    }

    /// Whether `include` brings what the rule bars.
    pub fn can_be_included(&self) -> bool {
        matches!(self.kind, Likely | Key)
    }

    /// Whether `publicEnvFiles` brings what the rule bars.
    pub fn can_be_public(&self) -> bool {
        self.name == ENV_FILES
    }

    /// Whether it is about secrets.
    pub fn is_secret(&self) -> bool {
        self.kind != Leftover
    }
}

/// The rule that bars a file or directory at this path, if there is one. A rule of [`Kind::Key`] also wants a look into the file.
pub fn barred(path: &str, area: Area) -> Option<&'static Rule> {
    static LISTS: OnceLock<[List; 2]> = OnceLock::new();
    let lists = LISTS.get_or_init(|| [Area::Sources, Area::Outputs].map(List::new));
    let list = match area {
        Area::Sources => &lists[0],
        Area::Outputs => &lists[1],
    };
    list.first(path)
}

/// Globs of all rules that hold in an area, each with the place of its rule. Most are names without a wildcard, which are found at once.
struct List {
    names: BTreeMap<&'static str, usize>,
    wild: Vec<(&'static str, usize)>,
}

impl List {
    fn new(area: Area) -> Self {
        let (mut names, mut wild) = (BTreeMap::new(), Vec::new());
        for (at, rule) in RULES.iter().enumerate() {
            for glob in rule.globs.iter().filter(|_| rule.holds_in(area)) {
                if glob.contains(['*', '?', '[']) {
                    wild.push((*glob, at));
                } else {
                    names.entry(*glob).or_insert(at);
                }
            }
        }
        Self { names, wild }
    }

    /// The first rule of the list that bars it.
    fn first(&self, path: &str) -> Option<&'static Rule> {
        // Only the name and the one above it are looked at.
        let mut slashes = path.rmatch_indices('/').map(|(at, _)| at + 1);
        let above = slashes.nth(1).unwrap_or(0);
        let both = folded(&path[above..]);
        let name = both.rsplit('/').next().unwrap_or_default();
        let is_barred = |at: &usize| !RULES[*at].except.iter().any(|glob| fits(glob, name));
        let exact = [name, &both].into_iter();
        let exact = exact.filter_map(|text| self.names.get(text).copied());
        let wild = self.wild.iter().filter(|(glob, _)| {
            let text = if glob.contains('/') { &both } else { name };
            fits(glob, text)
        });
        let found = exact.chain(wild.map(|(_, at)| *at));
        found.filter(is_barred).min().map(|at| &RULES[at])
    }
}

/// A path in the case that the list is written in. Beyond ASCII there are letters that are another one's other case, such as the sign of Kelvin.
fn folded(path: &str) -> String {
    if path.is_ascii() {
        return path.to_ascii_lowercase();
    }
    let upper = path.chars().flat_map(char::to_uppercase);
    upper.flat_map(char::to_lowercase).collect()
}

/// The same list as conditions of `find`, for what builds write in a container. They are words between spaces, for a shell that expands no globs
/// (`set -f`). `include` are globs of what comes along by name, `public` those of files of variables that are no secret.
pub fn conditions(include: &[String], public: &[String]) -> Conditions {
    let outputs = || RULES.iter().filter(|rule| rule.holds_in(Area::Outputs));
    let any = |kind: Kind| {
        let rules = outputs().filter(|rule| rule.kind == kind);
        let words: Vec<String> = rules.map(names).collect();
        format!("( {} )", words.join(" -o "))
    };
    let but = |globs: &[String]| {
        let paths = globs.iter().filter_map(|glob| find_path(glob));
        paths.fold(String::new(), |all, path| format!("{all} ! -path {path}"))
    };
    let secrets = match but(public) {
        none if none.is_empty() => any(Secret),
        public => {
            let others = outputs().filter(|rule| rule.kind == Secret && rule.name != ENV_FILES);
            let others: Vec<String> = others.map(names).collect();
            let variables = outputs().find(|rule| rule.name == ENV_FILES).map(names);
            let variables = variables.unwrap_or_default();
            format!("( ( {variables} ){public} -o {} )", others.join(" -o "))
        }
    };
    let not_included = but(include);
    // A space would end the word.
    let private = PRIVATE.replace(' ', ".");
    Conditions {
        leftovers: any(Leftover),
        secrets: format!(
            "( {secrets} -o {} -type f{not_included} -exec grep -q {private} {{}} ; )",
            any(Key)
        ),
        mark: LEFT_OUT,
    }
}

/// A glob of `include` as `find -path` has it; nothing where `find` knows no such pattern.
fn find_path(glob: &str) -> Option<String> {
    let glob = glob.trim_start_matches("./").trim_end_matches('/');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@%+=:,./_-*?".contains(&byte);
    (!glob.is_empty() && glob.bytes().all(plain)).then(|| format!("*/{}", glob.replace("**/", "*")))
}

/// How it is said that files which a build wrote stay out.
pub fn left_out(files: &str) -> String {
    format!(
        "left out, since secrets do not belong in an image: the build wrote {files}. A key that is no secret is brought by `include`"
    )
}

/// Conditions of `find`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conditions {
    /// What a machine keeps for itself.
    pub leftovers: String,
    /// Secrets.
    pub secrets: String,
    /// What a step writes before the path of a secret that stays out.
    pub mark: &'static str,
}

fn names(rule: &'static Rule) -> String {
    let one = |glob: &&str| {
        if glob.contains('/') {
            format!("-ipath */{glob}")
        } else {
            format!("-iname {glob}")
        }
    };
    let names: Vec<String> = rule.globs.iter().map(one).collect();
    let except: Vec<String> = rule.except.iter().map(one).collect();
    if except.is_empty() {
        return names.join(" -o ");
    }
    format!("( {} ) ! ( {} )", names.join(" -o "), except.join(" -o "))
}

#[cfg(test)]
mod tests;
