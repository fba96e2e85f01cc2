//! The labels that tell where an image comes from: OCI's annotations
//! (<https://github.com/opencontainers/image-spec/blob/main/annotations.md>).
//!
//! Input: the plan, the app's package.json, git's files. Output: labels by name. They are only in the
//! image's configuration and no part of its identity, so nothing is built again for another commit.
//! What is not known is left out: no label is worth a build that fails.

use std::collections::BTreeMap;

use super::names;
use super::prepared::Prepared;
use crate::image::oci::timestamp;
use crate::model::image::ImageRef;
use crate::model::web_address;
use crate::plan::{BaseFrom, NodeCommand, Plan};
use crate::system::env::Env;
use crate::workspace::{git, history};

/// What stands before all of their names.
const PREFIX: &str = "org.opencontainers.image.";

/// The labels of an image. Those that the user sets are left out. `epoch` is the time that
/// `SOURCE_DATE_EPOCH` names.
pub(super) fn of(
    prepared: &Prepared<'_, '_>,
    plan: &Plan,
    epoch: Option<u64>,
    env: &Env,
) -> BTreeMap<String, String> {
    if !plan.configured.oci_labels {
        return BTreeMap::new();
    }
    let root = prepared.root();
    let base = base(plan);
    let digest = base.as_ref().and_then(ImageRef::digest).map(str::to_owned);
    let known = [
        ("title", Some(plan.app.name.clone())),
        ("version", prepared.version()),
        ("source", source(prepared, env)),
        ("revision", names::commit(root, env)),
        (
            "created",
            epoch.or_else(|| history::committed(root)).map(timestamp),
        ),
        ("base.name", base.as_ref().map(ImageRef::qualified)),
        ("base.digest", digest),
    ];
    let template = plan.configured.template.as_ref();
    let is_the_users = |name: &str| {
        let labels = &plan.configured.labels;
        labels.contains_key(name) || template.is_some_and(|own| own.text.contains(name))
    };
    let known = known.into_iter().filter_map(|(name, value)| {
        let value = value.filter(|value| !value.is_empty())?;
        Some((format!("{PREFIX}{name}"), value))
    });
    known.filter(|(name, _)| !is_the_users(name)).collect()
}

/// The base, if it is in a registry and the image has its layers.
fn base(plan: &Plan) -> Option<ImageRef> {
    let base = &plan.runtime_base.value;
    let has_layers = base.node != Some(NodeCommand::Trimmed);
    let image = (base.from == BaseFrom::Registry && has_layers).then_some(&base.image)?;
    image.parse().ok()
}

/// The page of the repository.
fn source(prepared: &Prepared<'_, '_>, env: &Env) -> Option<String> {
    let remote = git::remote(prepared.root());
    let remote = remote.and_then(|remote| web_address::of_remote(&remote));
    let named = || {
        let mut named = prepared.repositories();
        named.find_map(web_address::of_package)
    };
    let of_pipeline = || {
        let project = env.get("CI_PROJECT_URL").map(str::to_owned);
        let on_github = || {
            let (server, name) = (env.get("GITHUB_SERVER_URL")?, env.get("GITHUB_REPOSITORY")?);
            Some(format!("{server}/{name}"))
        };
        web_address::of_remote(&project.or_else(on_github)?)
    };
    remote.or_else(named).or_else(of_pipeline)
}
