//! `slimbuild sbom` and `slimbuild licenses`: what an app ships.

mod attach;

use std::path::Path;

use serde::Serialize;

use super::look::{Found, Looker};
use super::{AppChoice, app_at, json, licensing};
use crate::ask::licences::Licences;
use crate::ask::sbom::{Bill, Machine, Part, cyclonedx, spdx};
use crate::cli::{LicensesArgs, MachineArgs, SbomArgs, SbomFormat};
use crate::commands::error::Error;
use crate::commands::resources::named_epoch;
use crate::files::tree::Limit;
use crate::image::contents::{SystemList, system_list};
use crate::model::member::MemberId;
use crate::needs::survey::Survey;
use crate::plan::config::{Given, Licenses};
use crate::plan::{PlanError, config, libc_of};
use crate::show::report;
use crate::show::ui::Ui;
use crate::system::atomic_file::AtomicFile;
use crate::system::env::Env;
use crate::workspace::{Workspace, find_root};

/// A package and its licence, for programs.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Licensed<'p> {
    /// Its name.
    package: &'p str,
    /// Its version, if it has one.
    version: Option<&'p str>,
    /// Its licence, as its own files state it.
    license: Option<&'p str>,
}

/// What an app ships, and the licences of its packages.
struct Shipped {
    workspace: Workspace,
    app: MemberId,
    bill: Bill,
    licences: Licences,
    policy: Option<Given<Licenses>>,
    /// Registries that slimbuild.json does not want to be verified.
    insecure: Vec<String>,
}

impl Shipped {
    fn new(place: &AppChoice<'_>, machine: &MachineArgs) -> Result<Self, Error> {
        let workspace = Workspace::load(&find_root(place.cwd)?)?;
        let app = app_at(&workspace, place, false)?;
        let survey = Survey::new(&workspace)?;
        let options = config::load(&workspace, app)?;
        let dirs = workspace.members.ids().map(|at| &workspace.members[at].dir);
        let licences = Licences::installed(&workspace.tree, dirs).map_err(PlanError::from)?;
        let machine = Machine {
            platform: &machine.platform,
            libc: libc_of(options.base.as_ref().map(|base| &base.value)),
        };
        let bill = Bill::new(&survey, app, &options, machine, &licences)?;
        drop(survey);
        Ok(Self {
            workspace,
            app,
            bill,
            licences,
            policy: options.licenses,
            insecure: options.insecure_registries,
        })
    }
}

/// Prints or writes the list.
pub fn sbom(args: SbomArgs, cwd: &Path, env: &Env, ui: &mut Ui) -> Result<(), Error> {
    let place = AppChoice {
        cwd,
        app: args.app.app.clone(),
    };
    let mut shipped = Shipped::new(&place, &args.machine)?;
    if shipped.licences.is_empty() && shipped.bill.foreign().next().is_some() {
        ui.warn("the list has no licences: no package is installed here (`pnpm install`)")
            .map_err(Error::io("cannot write to stderr"))?;
    }
    if let Some(word) = &args.image {
        let (look, insecure) = (args.look(), shipped.insecure.clone());
        let mut looker = Looker::new(&look, &insecure, cwd, env, None, ui)?;
        looker.hide_passwords();
        if args.attach {
            let to = attach::To {
                word,
                place: &place,
                format: args.format,
                epoch: named_epoch(env)?,
            };
            let attached = attach::attach(&to, &mut looker);
            looker.end()?;
            return attach::tell(&attached?, ui);
        }
        let found = looker.find(word);
        let system = found.and_then(|found| system_of(&found, &mut looker));
        looker.end()?;
        shipped.bill.add_system(&system?);
    }
    let text = text(&shipped.bill, args.format, named_epoch(env)?)?;
    match args.output {
        Some(path) => {
            let file = AtomicFile::begin(&cwd.join(path))?;
            Ok(file.write(|out| out.write_all(text.as_bytes()))?)
        }
        None => ui
            .data()
            .write_all(text.as_bytes())
            .map_err(Error::io("cannot write to stdout")),
    }
}

/// The document.
fn text(bill: &Bill, format: SbomFormat, epoch: Option<u64>) -> Result<String, Error> {
    json(&match format {
        SbomFormat::Cyclonedx => cyclonedx::document(bill),
        SbomFormat::Spdx => spdx::document(bill, epoch),
    })
}

/// The packages of the system in an image.
fn system_of(image: &Found, looker: &mut Looker<'_>) -> Result<SystemList, Error> {
    let (layers, _) = looker.read(image, &image.all())?;
    Ok(system_list(&layers))
}

/// Prints the licences, and fails if one of them is not allowed.
pub fn licenses(args: &LicensesArgs, cwd: &Path, ui: &mut Ui) -> Result<(), Error> {
    let place = AppChoice {
        cwd,
        app: args.app.app.clone(),
    };
    let shipped = Shipped::new(&place, &args.machine)?;
    let foreign: Vec<&Part> = shipped.bill.foreign().collect();
    if shipped.licences.is_empty() && !foreign.is_empty() {
        return Err(Error::NotInstalled);
    }
    let text = if args.json {
        let all = foreign.iter().map(|part| Licensed {
            package: &part.name,
            version: part.version.as_deref(),
            license: part.licence.as_deref(),
        });
        json(&all.collect::<Vec<_>>())?
    } else if args.texts {
        notice(&foreign, &shipped)?
    } else {
        report::licences(&foreign)
    };
    ui.print(&text)
        .map_err(Error::io("cannot write to stdout"))?;
    let Some((policy, named)) = policy(args, &shipped) else {
        return Ok(());
    };
    let parts: Vec<Part> = foreign.into_iter().cloned().collect();
    licensing::check(&policy, named, &parts, &shipped.workspace, shipped.app)
}

/// The packages with the texts of their licences.
fn notice(parts: &[&Part], shipped: &Shipped) -> Result<String, Error> {
    let mut notices = Vec::new();
    for part in parts {
        let version = part.version.as_deref().unwrap_or_default();
        let found = shipped.licences.of(&part.name, version);
        let mut texts = Vec::new();
        for file in found.map_or(&[][..], |found| &found.texts) {
            let bytes = shipped.workspace.tree.read(file, Limit::Settings);
            let bytes = bytes.map_err(PlanError::from)?;
            texts.push(String::from_utf8_lossy(&bytes).into_owned());
        }
        notices.push((*part, texts));
    }
    Ok(report::notice(&notices))
}

/// The policy that counts, and what it is called: that of the flags, else that of slimbuild.json.
fn policy(args: &LicensesArgs, shipped: &Shipped) -> Option<(Licenses, String)> {
    let flags = [("--allow", &args.allow), ("--deny", &args.deny)];
    let given = flags.iter().filter(|(_, names)| !names.is_empty());
    let given: Vec<String> = given.map(|(flag, _)| format!("`{flag}`")).collect();
    let own = shipped.policy.as_ref();
    if given.is_empty() {
        return own.map(|own| (own.value.clone(), own.source.to_string()));
    }
    let policy = Licenses {
        allow: args.allow.iter().cloned().collect(),
        deny: args.deny.iter().cloned().collect(),
        exceptions: own
            .map(|own| own.value.exceptions.clone())
            .unwrap_or_default(),
    };
    Some((policy, given.join(" and ")))
}
