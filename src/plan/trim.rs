//! Unneeded files of production modules: whether they are left out, and the program that does it.

use std::collections::BTreeSet;

use super::{ContextEntry, MachineCode, Place, PlanError, PlanOptions, Trim};
use crate::detect::{Delivery, prisma};
use crate::files::File;
use crate::files::tree::Limit;
use crate::model::image::Platform;
use crate::model::path::RepoPath;
use crate::needs::closure::Closure;
use crate::workspace::Workspace;

const PROGRAM: &str = include_str!("../../templates/trim.mjs");

/// Packages that read source maps at run time.
const READERS: [&str; 2] = ["source-map-support", "@cspotcode/source-map-support"];

/// Schemas of Prisma at the workspace's root.
const AT_ROOT: [&str; 2] = ["prisma/schema.prisma", "schema.prisma"];

/// What is left out.
pub(super) fn trim(
    workspace: &Workspace,
    runtime: Option<&Closure<'_, '_>>,
    delivery: &Delivery,
    options: &PlanOptions,
) -> Option<Trim> {
    let runtime = runtime.filter(|_| !options.keeps_whole_modules())?;
    let flag = "--enable-source-maps";
    let by_start = delivery.start().is_some_and(|start| {
        let options = start.env.get("NODE_OPTIONS");
        start.node_args.iter().any(|word| word == flag)
            || options.is_some_and(|options| options.contains(flag))
    });
    let by_package = runtime.members.keys().any(|&at| {
        let dependencies = workspace.members[at].manifest.get("dependencies");
        dependencies.is_some_and(|map| READERS.iter().any(|name| map.get(name).is_some()))
    });
    Some(Trim {
        maps: by_start || by_package,
        machine_code: MachineCode::All,
        databases: BTreeSet::new(),
    })
}

impl Trim {
    /// Leaves out machine code of others, where the modules are trimmed on a machine like the
    /// image's: where packages have machine code, all steps run on such a machine. `libc` is that of
    /// the place where the modules are installed.
    ///
    /// musl loads some code for glibc, so its images keep that.
    pub(super) fn of_machines(
        self,
        options: &PlanOptions,
        has_machine_code: bool,
        libc: Option<&str>,
    ) -> Self {
        let mut platforms = options.platforms.iter();
        let elsewhere = platforms.any(|platform| *platform != Platform::host());
        let machine_code = match libc {
            _ if !has_machine_code || (options.prebuilt && elsewhere) => MachineCode::All,
            Some("glibc") => MachineCode::Glibc,
            _ => MachineCode::System,
        };
        Self {
            machine_code,
            ..self
        }
    }

    /// Leaves out what Prisma's client has for other databases than those of the schemas among these
    /// files and at the root, which any package may generate from. If one of them does not tell, or
    /// there is none, all stays.
    pub(super) fn of_databases<'f>(
        self,
        workspace: &Workspace,
        files: impl Iterator<Item = &'f File>,
    ) -> Result<Self, PlanError> {
        let mut databases = BTreeSet::new();
        let mut schemas: BTreeSet<RepoPath> = AT_ROOT
            .into_iter()
            .filter_map(|path| RepoPath::new(path).ok())
            .collect();
        let paths = files.map(|file| &file.path);
        schemas.extend(
            paths
                .filter(|path| path.as_str().ends_with(".prisma"))
                .cloned(),
        );
        for path in schemas {
            let Some(bytes) = workspace.tree.read_optional(&path, Limit::Source)? else {
                continue;
            };
            match prisma::databases(&String::from_utf8_lossy(&bytes)) {
                Some(of_schema) => databases.extend(of_schema),
                None => return Ok(self),
            }
        }
        Ok(Self { databases, ..self })
    }
}

/// The program's file in the context.
pub(super) fn entry() -> ContextEntry {
    let why = "leaves out of modules what cannot matter when the app runs";
    ContextEntry::made(
        Place::Trim,
        RepoPath::file("trim.mjs"),
        PROGRAM.to_owned(),
        why,
    )
}
