//! Merges options: flags win over the app's own file, which wins over the root's.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Given, PlanOptions};
use crate::files::ignore::{IgnoreError, Rules};
use crate::model::tag::TagTemplate;
use crate::needs::spared::Tools;

impl PlanOptions {
    /// The name of the image, without a tag: `image`, or the default name in `registry`.
    pub(crate) fn image_pattern(&self) -> Option<Given<TagTemplate>> {
        let in_registry = |registry: &Given<String>| {
            let pattern: Option<TagTemplate> = "{registry}/{app}".parse().ok();
            let source = registry.source.clone();
            pattern.map(|value| Given { value, source })
        };
        let registry = || self.registry.as_ref().and_then(in_registry);
        self.image.clone().or_else(registry)
    }

    /// Node's version with the place that names it.
    pub(crate) fn node(&self) -> Option<(&str, &str)> {
        let node = self.node.as_ref()?;
        Some((node.source.place(), &node.value))
    }

    /// Whether production modules stay as pnpm installs them.
    pub(crate) fn keeps_whole_modules(&self) -> bool {
        self.whole_modules == Some(true)
    }

    /// What becomes of developers' tools that only optional peers bring into production.
    pub(crate) fn tools(&self) -> Tools {
        if self.keeps_whole_modules() {
            Tools::Stay
        } else {
            Tools::Spared
        }
    }

    /// The rules that choose files.
    pub(crate) fn rules(&self, root: &Path) -> Result<Rules, IgnoreError> {
        Rules::load(root, &self.include, &self.exclude)?.with_public(&self.public_env_files)
    }

    /// These options, completed from `below`. Lists are concatenated, `below` first; variables and
    /// labels are merged by name.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self {
            node: self.node.or(below.node),
            build_base: self.build_base.or(below.build_base),
            base: self.base.or(below.base),
            registry_mirrors: if self.registry_mirrors.is_empty() {
                below.registry_mirrors
            } else {
                self.registry_mirrors
            },
            insecure_registries: joined(below.insecure_registries, self.insecure_registries),
            kind: self.kind.or(below.kind),
            start: self.start.or(below.start),
            include: joined(below.include, self.include),
            exclude: joined(below.exclude, self.exclude),
            public_env_files: joined(below.public_env_files, self.public_env_files),
            writable: joined(below.writable, self.writable),
            port: self.port.or(below.port),
            env: merged(below.env, self.env),
            healthcheck: self.healthcheck.or(below.healthcheck),
            labels: merged(below.labels, self.labels),
            oci_labels: self.oci_labels.or(below.oci_labels),
            registry: self.registry.or(below.registry),
            image: self.image.or(below.image),
            tags: self.tags.or(below.tags),
            build_packages: joined(below.build_packages, self.build_packages),
            runtime_packages: joined(below.runtime_packages, self.runtime_packages),
            tasks: self.tasks.or(below.tasks),
            lifecycle: merged(below.lifecycle, self.lifecycle),
            build_args: merged(below.build_args, self.build_args),
            secrets: joined(below.secrets, self.secrets),
            ssh: joined(below.ssh, self.ssh),
            authority: self.authority || below.authority,
            budget: self.budget.or(below.budget),
            licenses: match (self.licenses, below.licenses) {
                (Some(own), Some(below)) => Some(Given {
                    value: own.value.over(below.value),
                    source: own.source,
                }),
                (own, below) => own.or(below),
            },
            template: self.template.or(below.template),
            engine: self.engine,
            disk_base: self.disk_base.or(below.disk_base),
            prebuilt: self.prebuilt || below.prebuilt,
            platforms: if self.platforms.is_empty() {
                below.platforms
            } else {
                self.platforms
            },
            proof: self.proof.max(below.proof),
            strip: self.strip.or(below.strip),
            whole_modules: self.whole_modules.or(below.whole_modules),
        }
    }
}

fn joined<T>(mut first: Vec<T>, then: Vec<T>) -> Vec<T> {
    first.extend(then);
    first
}

fn merged<T>(mut below: BTreeMap<String, T>, above: BTreeMap<String, T>) -> BTreeMap<String, T> {
    below.extend(above);
    below
}
