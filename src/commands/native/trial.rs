//! What is tried of an image that is made without a daemon, before anybody gets it.

use crate::engine::native::{self, NativeError, Trial};
use crate::engine::{Answered, Event, SmokeRequest, StepId, StepKind};
use crate::env::Env;
use crate::error::Error;
use crate::plan::Plan;

/// What was seen.
pub(super) struct Tried {
    /// Why something was not tried.
    pub(super) warning: Option<String>,
    /// How its program came up, where it was started.
    pub(super) answered: Option<Answered>,
    /// The number of a step that follows.
    pub(super) next: u32,
}

/// What cannot be started here is better known before minutes of building than after.
pub(super) fn refuse(plan: &Plan, env: &Env) -> Result<(), Error> {
    if plan.delivery.start().is_none() {
        let why = "a site's server is asked by programs that its image does not have";
        return Err(NativeError::NoNamespace(why.to_owned()).into());
    }
    let path = env.get("PATH").unwrap_or_default();
    native::available(path).map_err(|why| NativeError::NoNamespace(why).into())
}

/// Proves an image, and starts it where that is asked for.
pub(super) fn tried(
    trial: &Trial<'_>,
    request: Option<&SmokeRequest>,
    mut next: u32,
    on_event: &mut dyn FnMut(Event),
) -> Result<Tried, Error> {
    let mut warning = None;
    if trial.plan.verify {
        warning = trial
            .prove(StepId(next), on_event)
            .map_err(|error| match error {
                NativeError::Disproved => Error::Verify {
                    app: trial.plan.app.dir.clone(),
                },
                other => other.into(),
            })?;
        next += 1;
    }
    let mut answered = None;
    if let Some(request) = request {
        answered = Some(smoke(trial, request, StepId(next), on_event)?);
        next += 1;
    }
    Ok(Tried {
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
