//! `slimbuild index`: joins images of a registry into an index.

use super::registries::{RegistryAccess, collect};
use super::{push, warning};
use crate::cli::IndexArgs;
use crate::commands::error::Error;
use crate::engine::registry::Trust;
use crate::engine::{Interrupt, Logins};
use crate::model::image::parts;
use crate::show::progress::ProgressMode;
use crate::show::ui::Ui;
use crate::system::env::Env;
use crate::system::mask::Mask;

/// Writes the index and prints its reference.
pub fn run(args: &IndexArgs, env: &Env, ui: &mut Ui) -> Result<(), Error> {
    let name = &args.name;
    push::check(std::slice::from_ref(name))?;
    let registry = |name: &str| parts(name).0.to_owned();
    let home = registry(name.name());
    for image in &args.images {
        if registry(image.name()) != home {
            return Err(Error::Usage {
                message: format!("`{image}` is not in `{home}`, the registry of the index"),
                hint: Some(format!(
                    "push it there first; with skopeo: `skopeo copy docker://{image} docker://{}`",
                    name.name()
                )),
            });
        }
    }
    let logins = Logins::of(env);
    let passwords = logins.stored_passwords();
    ui.hide(Mask::new(passwords.iter().map(String::as_bytes)));
    let mode = if args.quiet {
        ProgressMode::Quiet
    } else {
        ProgressMode::Plain
    };
    for message in logins.warnings() {
        warning::warn(message, mode, ui)?;
    }
    let interrupt = Interrupt::listen().map_err(Error::io("cannot listen for Ctrl-C"))?;
    let (access, trust) = (
        RegistryAccess::new(env)?,
        Trust::of(env, &args.insecure_registries),
    );
    let registries = access.registries(&logins, &trust, &interrupt);
    let mut warnings = Vec::new();
    let joined = registries.join(name, &args.images, &mut collect(&mut warnings));
    for message in &warnings {
        warning::warn(message, mode, ui)?;
    }
    let joined = joined?;
    if mode != ProgressMode::Quiet {
        for image in &joined.images {
            let line = format!("  {:<14} {}", image.platform, image.digest);
            writeln!(ui.err(), "{line}").map_err(Error::io("cannot write to stderr"))?;
        }
    }
    let reference = format!("{}@{}\n", name.name(), joined.digest);
    ui.out()
        .write_all(reference.as_bytes())
        .map_err(Error::io("cannot write to stdout"))
}
