//! The template's variables for packages with machine code.

use serde::Serialize;

use crate::plan::template::{Syntax, text};
use crate::plan::{Native, PackageManager, SystemPackages};

#[derive(Serialize)]
pub(super) struct NativeView<'p> {
    build: Option<Installed<'p>>,
    runtime: Option<Installed<'p>>,
    headers: bool,
    /// The cache mount of pnpm's store. pnpm also keeps compiled packages there, keyed by system,
    /// processor and node's major version but not by C library, so each C library needs a store of
    /// its own.
    store: Syntax,
}

/// System packages, and the command that installs them.
#[derive(Serialize)]
struct Installed<'p> {
    reason: &'p str,
    run: Syntax,
}

impl<'p> NativeView<'p> {
    pub(super) fn new(native: &'p Native) -> Self {
        Self {
            build: native.build.as_ref().map(installed),
            runtime: native.runtime.as_ref().map(installed),
            headers: native.headers,
            store: Syntax::of(if native.musl {
                "slimbuild-pnpm-musl"
            } else {
                "slimbuild-pnpm"
            }),
        }
    }
}

fn installed(packages: &SystemPackages) -> Installed<'_> {
    let names = packages.names.iter();
    // The names come from slimbuild's own lists.
    let names: Vec<String> = names.filter_map(|name| text::quote(name).ok()).collect();
    let names = names.join(" ");
    Installed {
        reason: &packages.reason,
        run: Syntax::of(match packages.manager {
            PackageManager::Apk => format!("apk add --no-cache {names}"),
            PackageManager::Apt => format!(
                "apt-get update \\\n && apt-get install --yes --no-install-recommends {names} \\\n && rm -rf /var/lib/apt/lists/*"
            ),
        }),
    }
}
