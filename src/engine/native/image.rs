//! Assembles the image: the base, the layers of the plan, and how it is run.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};

use super::NativeError;
use crate::engine::{Event, Interrupt, StepId, StepKind};
use crate::image::layer::Layer;
use crate::image::oci::{Elsewhere, Image, Packing, pack, pack_or_bring};
use crate::model::span::Span;
use crate::plan::{HealthcheckPlan, Runs};
use crate::store::cache::Cache;

/// The parts of an image.
pub struct Request<'r> {
    pub base: Image,
    /// The layers on top of it.
    pub layers: &'r [Layer],
    pub runs: &'r Runs,
    /// Labels in addition to those of the plan.
    pub labels: &'r BTreeMap<String, String>,
    pub packing: Packing,
    /// Where layers of earlier builds are kept, if anywhere.
    pub elsewhere: Option<&'r dyn Elsewhere>,
    /// The number of the first step; those of a build come before.
    pub first: u32,
}

/// Makes the image, packing the layers that the cache does not have.
pub fn image(
    request: Request<'_>,
    cache: &Cache,
    interrupt: &Interrupt,
    on_event: &mut dyn FnMut(Event),
) -> Result<Image, NativeError> {
    let mut image = request.base;
    for (layer, number) in request.layers.iter().zip(request.first..) {
        let step = StepId(number);
        on_event(Event::StepKnown {
            step,
            name: format!("[image] {}", layer.title),
            kind: StepKind::Housekeeping,
        });
        on_event(Event::StepStarted { step });
        let began = Instant::now();
        let (packed, brought) = match request.elsewhere {
            Some(elsewhere) => pack_or_bring(layer, request.packing, cache, elsewhere)?,
            None => (pack(layer, request.packing, cache)?, false),
        };
        image.push(packed);
        let took = began.elapsed();
        on_event(if brought {
            Event::StepCached { step }
        } else {
            Event::StepDone { step, took }
        });
        if interrupt.is_raised() {
            return Err(NativeError::Interrupted);
        }
    }
    configure(&mut image, request.runs, request.labels);
    Ok(image)
}

fn configure(image: &mut Image, runs: &Runs, labels: &BTreeMap<String, String>) {
    let config = &mut image.config;
    config.user.clone_from(&runs.user);
    if !runs.directory.is_empty() {
        config.working_dir.clone_from(&runs.directory);
    }
    for (name, value) in &runs.env {
        config.set_env(name, value);
    }
    if let Some(entrypoint) = &runs.entrypoint {
        config.entrypoint.clone_from(entrypoint);
    }
    config.cmd.clone_from(&runs.command);
    if let Some(port) = runs.port {
        config.expose(port);
    }
    config.labels.extend(runs.labels.clone());
    config.labels.extend(labels.clone());
    if let Some(signal) = runs.stop_signal {
        signal.clone_into(&mut config.stop_signal);
    }
    if let Some(check) = &runs.healthcheck {
        let other = &mut config.other;
        other.insert("Healthcheck".to_owned(), healthcheck(check));
    }
}

/// The health check in Docker's format: durations in nanoseconds.
fn healthcheck(check: &HealthcheckPlan) -> Value {
    let Some(command) = &check.command else {
        return json!({ "Test": ["NONE"] });
    };
    let words = std::iter::once("CMD").chain(command.iter().map(String::as_str));
    let mut value = json!({ "Test": words.collect::<Vec<_>>() });
    let timing = &check.timing;
    let numbers = [
        ("Interval", timing.interval.map(Span::nanoseconds)),
        ("Timeout", timing.timeout.map(Span::nanoseconds)),
        ("StartPeriod", timing.start_period.map(Span::nanoseconds)),
        ("Retries", timing.retries.map(u64::from)),
    ];
    for (key, number) in numbers {
        if let Some(number) = number {
            value[key] = number.into();
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Timing;

    #[test]
    fn health_checks() {
        let check = HealthcheckPlan {
            command: Some(vec!["/nodejs/bin/node".to_owned(), "check.js".to_owned()]),
            timing: Timing {
                interval: "5s".parse().ok(),
                retries: Some(2),
                ..Timing::default()
            },
        };
        assert_eq!(
            healthcheck(&check),
            json!({"Test": ["CMD", "/nodejs/bin/node", "check.js"], "Interval": 5_000_000_000_u64, "Retries": 2})
        );
    }
}
