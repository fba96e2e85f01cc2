//! File names that never enter an image: secrets, and a machine's own caches and notes.
//!
//! This is the only such list. The context, outputs of Docker builds, native builds and
//! `--prebuilt` all use it. The names of secrets are those that secret scanners look for (gitleaks,
//! trufflehog, git-secrets, GitHub's push protection).
//!
//! A rule has globs of names, compared without regard to case: macOS and Windows read `.ENV` as
//! `.env`. `*` and `?` match within a name, `[!a-z]` matches one other letter. A glob with a slash
//! also matches the name of the directory.
//!
//! Packages from registries are taken as published: the rules apply to files of the workspace.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Serialize;

use crate::files::glob::fits;

/// A rule of the list.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// The name in messages.
    pub name: &'static str,
    /// The names that it bars.
    globs: &'static [&'static str],
    /// Exceptions to the globs.
    except: &'static [&'static str],
    pub kind: RuleKind,
    /// Where the rule applies.
    holds: Holds,
}

/// What a rule bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleKind {
    /// Something that a machine installed, cached or noted. It is wrong in an image.
    Leftover,
    /// A name that means secrets. `include` cannot bring it.
    Secret,
    /// A name that usually means secrets but is legitimate in some projects: `include` brings it.
    Likely,
    /// A name used for keys and for certificates. A file without a private key is not barred;
    /// `include` brings the others.
    Key,
}

/// Where a rule applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// Only to sources: builds may write such names.
    Sources,
    /// Only to outputs of builds.
    Outputs,
    /// To both.
    Everywhere,
}

/// Where the file comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    /// The workspace; the file may enter a context.
    Sources,
    /// A build wrote it.
    Outputs,
}

/// The prefix that a Dockerfile step prints before the path of a secret that it leaves out.
pub const LEFT_OUT: &str = "slimbuild:left-out:";

/// The name of the rule about files with environment variables.
pub const ENV_FILES: &str = ".env*";

/// Distinguishes a private key from a certificate: PEM files and service accounts of cloud
/// providers contain it.
pub const PRIVATE: &str = "PRIVATE KEY";

const fn rule(
    name: &'static str,
    globs: &'static [&'static str],
    kind: RuleKind,
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
use RuleKind::{Key, Leftover, Likely, Secret};

/// All rules; the first that bars a name wins.
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
    // With a stale one, tsc finds nothing to emit.
    rule("*.tsbuildinfo", &["*.tsbuildinfo"], Leftover, Everywhere),
    // An earlier output of slimbuild does not belong in the next image.
    rule("*.oci.tar", &["*.oci.tar"], Leftover, Sources),
    // `.env` or `.envrc` as a whole word: `.env.local` and `.env~` match, `.envoy` does not.
    // `.env.example` is barred too: a rule without exceptions can be trusted.
    rule(
        ENV_FILES,
        &[".env", ".env[!a-z0-9]*", ".envrc", ".envrc[!a-z0-9]*"],
        Secret,
        Everywhere,
    ),
    // It may hold tokens. The plan writes the settings that an install needs.
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
    // `.env` of a stage with the stage first. Other names with this ending are ordinary tables and
    // settings.
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

    /// Whether `include` can bring what the rule bars.
    pub fn can_be_included(&self) -> bool {
        matches!(self.kind, Likely | Key)
    }

    /// Whether `publicEnvFiles` brings what the rule bars.
    pub fn can_be_public(&self) -> bool {
        self.name == ENV_FILES
    }

    /// Whether the rule is about secrets.
    pub fn is_secret(&self) -> bool {
        self.kind != Leftover
    }
}

/// The rule that bars a file or directory at this path. For a rule of [`RuleKind::Key`] the caller must
/// also check the content.
pub fn barred(path: &str, area: Area) -> Option<&'static Rule> {
    static LISTS: OnceLock<[List; 2]> = OnceLock::new();
    let lists = LISTS.get_or_init(|| [Area::Sources, Area::Outputs].map(List::new));
    let list = match area {
        Area::Sources => &lists[0],
        Area::Outputs => &lists[1],
    };
    list.first(path)
}

/// The globs of all rules for an area, each with the position of its rule. Most are names without
/// wildcards, which are looked up directly.
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

    /// The first rule in the list that bars the path.
    fn first(&self, path: &str) -> Option<&'static Rule> {
        // Only the name and its parent directory's name matter.
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

/// The path in lower case, as the list is written. Some letters beyond ASCII, such as the Kelvin
/// sign, lower to ASCII ones.
fn folded(path: &str) -> String {
    if path.is_ascii() {
        return path.to_ascii_lowercase();
    }
    let upper = path.chars().flat_map(char::to_uppercase);
    upper.flat_map(char::to_lowercase).collect()
}

/// The same list as conditions for `find`, to check what builds write in a container. They are
/// words separated by spaces, for a shell that expands no globs (`set -f`). `include` are globs of
/// files that are brought by name, `public` are globs of env files without secrets.
pub fn conditions(include: &[String], public: &[String]) -> Conditions {
    let outputs = || RULES.iter().filter(|rule| rule.holds_in(Area::Outputs));
    let any = |kind: RuleKind| {
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

/// A glob of `include` for `find -path`; `None` if `find` cannot express it.
fn find_path(glob: &str) -> Option<String> {
    let glob = glob.trim_start_matches("./").trim_end_matches('/');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@%+=:,./_-*?".contains(&byte);
    (!glob.is_empty() && glob.bytes().all(plain)).then(|| format!("*/{}", glob.replace("**/", "*")))
}

/// The message about build outputs that are left out.
pub fn left_out(files: &str) -> String {
    format!(
        "left out, since secrets do not belong in an image: the build wrote {files}. A key that is no secret is brought by `include`"
    )
}

/// Conditions of `find`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conditions {
    /// Leftovers of a machine.
    pub leftovers: String,
    /// Secrets.
    pub secrets: String,
    /// The prefix printed before the path of a secret that is left out.
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
