//! Checks an image that is made without a daemon, before it is delivered.

use crate::commands::error::Error;
use crate::commands::resources::outside;
use crate::engine::native::{self, NativeError, Trial};
use crate::engine::{Answered, Event, SmokeRequest, StepId, StepKind};
use crate::files::rooted::ImageTree;
use crate::image::layer::Layer;
use crate::image::machine::{self, Libraries};
use crate::image::oci::Image;
use crate::model::image::Platform;
use crate::plan::Plan;
use crate::store::cache::Cache;
use crate::system::env::Env;

/// The results of the checks.
pub(super) struct Checked {
    /// Why a check was skipped.
    pub(super) warning: Option<String>,
    /// How its program came up, if it was started.
    pub(super) answered: Option<Answered>,
    /// The number of the next step.
    pub(super) next: u32,
}

/// Fails for an image that cannot be started here.
pub(super) fn startable(plan: &Plan, env: &Env) -> Result<(), Error> {
    if plan.delivery.start().is_none() {
        let why = "a site's server is asked by programs that its image does not have";
        return Err(NativeError::NoNamespace(why.to_owned()).into());
    }
    native::available(outside(env)).map_err(|why| NativeError::NoNamespace(why).into())
}

/// Fails for machine code that cannot run: for another processor, or built on a newer system than
/// the base's.
pub(super) fn fits(
    layers: &[Layer],
    base: &Image,
    verify: bool,
    cache: &Cache,
) -> Result<(), Error> {
    let code = machine::code(layers);
    if code.is_empty() {
        return Ok(());
    }
    if base.platform != Platform::host() {
        let foreign = machine::foreign(&code, &base.platform);
        let names: Vec<String> = foreign.into_iter().collect();
        if let Some((last, others)) = names.split_last() {
            let (names, hold) = match others {
                [] => (last.clone(), "holds"),
                others => (format!("{} and {last}", others.join(", ")), "hold"),
            };
            return Err(Error::Usage {
                message: format!("{names} {hold} machine code, and none for {}", base.platform),
                hint: Some(
                    "make the image on such a machine, or by a Docker daemon; packages that come compiled are there for both where pnpm's `supportedArchitectures` says so"
                        .to_owned(),
                ),
            });
        }
    }
    if !verify {
        return Ok(());
    }
    let unpacked = native::unpacked_base(base, base.layers.len(), cache)?;
    let tree = unpacked.and_then(|dir| ImageTree::open([dir]).ok());
    let Some(libraries) = tree.and_then(|tree| Libraries::of(&tree).ok()) else {
        return Ok(());
    };
    let misfits = machine::misfits(&code, &base.platform, &libraries);
    if misfits.is_empty() {
        return Ok(());
    }
    Err(NativeError::Misfits(misfits).into())
}

/// Proves an image, and starts it if requested.
pub(super) fn check(
    trial: &Trial<'_>,
    request: Option<&SmokeRequest>,
    mut next: u32,
    on_event: &mut dyn FnMut(Event),
) -> Result<Checked, Error> {
    let (mut warning, mut started) = (None, false);
    if trial.subject.verify {
        let proved = trial.prove(StepId(next), on_event)?;
        (warning, started) = (proved.missing, proved.started);
        next += 1;
    }
    if trial.subject.trial && !started {
        let not_started = trial.start(StepId(next), on_event);
        warning = warning.or(not_started?);
        next += 1;
    }
    let mut answered = None;
    if let Some(request) = request {
        answered = Some(smoke(trial, request, StepId(next), on_event)?);
        next += 1;
    }
    Ok(Checked {
        warning,
        answered,
        next,
    })
}

fn smoke(
    trial: &Trial<'_>,
    request: &SmokeRequest,
    step: StepId,
    on_event: &mut dyn FnMut(Event),
) -> Result<Answered, NativeError> {
    on_event(Event::StepKnown {
        step,
        name: "[smoke] the image is started".to_owned(),
        kind: StepKind::Housekeeping,
    });
    on_event(Event::StepStarted { step });
    let answered = trial.smoke(request);
    on_event(match &answered {
        Ok(Answered { took, .. }) => Event::StepDone { step, took: *took },
        Err(error) => Event::StepFailed {
            step,
            message: error.to_string(),
        },
    });
    answered
}
