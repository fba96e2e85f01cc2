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
use crate::image::rebase::{BY_DIGEST, BY_TAG, NAMED_BY};
use crate::model::image::ImageRef;
use crate::model::web_address;
use crate::plan::{BaseFrom, NodeCommand, Plan};
use crate::system::env::Env;
use crate::workspace::{git, history};

/// What stands before all of their names.
const PREFIX: &str = "org.opencontainers.image.";

/// The name of the base's digest, behind the prefix.
const BASE_DIGEST: &str = "base.digest";

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
        (BASE_DIGEST, digest),
    ];
    let known = known.into_iter().filter_map(|(name, value)| {
        let value = value.filter(|value| !value.is_empty())?;
        Some((format!("{PREFIX}{name}"), value))
    });
    let named_by = base.as_ref().map(|base| match base.digest() {
        Some(_) => BY_DIGEST,
        None => BY_TAG,
    });
    let named_by = named_by.map(|word| (NAMED_BY.to_owned(), word.to_owned()));
    let known = known.chain(named_by);
    known
        .filter(|(name, _)| !is_the_users(plan, name))
        .collect()
}

fn is_the_users(plan: &Plan, name: &str) -> bool {
    let labels = &plan.configured.labels;
    let template = plan.configured.template.as_ref();
    labels.contains_key(name) || template.is_some_and(|own| own.text.contains(name))
}

/// The base whose digest a build finds out; `None` if it is known or no label tells of the base.
pub(super) fn unknown_base(labels: &BTreeMap<String, String>, plan: &Plan) -> Option<ImageRef> {
    let digest = format!("{PREFIX}{BASE_DIGEST}");
    let is_open = labels.contains_key(NAMED_BY) && !labels.contains_key(&digest);
    let open = base(plan).filter(|_| is_open && !is_the_users(plan, &digest));
    open.filter(|base| base.digest().is_none())
}

/// Tells the digest of the base, where labels tell of the base at all.
pub(super) fn name_base(labels: &mut BTreeMap<String, String>, plan: &Plan, digest: &str) {
    if unknown_base(labels, plan).is_some() {
        labels.insert(format!("{PREFIX}{BASE_DIGEST}"), digest.to_owned());
    }
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
