//! An app and its options, which lead to a plan.
//!
//! Input: the workspace, an app, the flags. Output: a [`Prepared`], which makes plans.

use std::path::Path;
use std::sync::OnceLock;

use super::{AppChoice, Pins, app_at, path_in};
use crate::ask::licences::Licences;
use crate::commands::error::Error;
use crate::finished::prebuilt::{Built, finished};
use crate::image::oci;
use crate::model::image::{DiskImage, Platform};
use crate::model::member::MemberId;
use crate::needs::survey::Survey;
use crate::plan::config::{self, Base, DiskBase};
use crate::plan::{Engine, Plan, PlanError, PlanOptions, Proof};
use crate::render::dockerfile;
use crate::workspace::Workspace;

/// A workspace whose lockfiles are parsed at most once, for all apps of a run.
pub(super) struct Ground<'w> {
    pub(super) workspace: &'w Workspace,
    survey: OnceLock<Survey<'w>>,
    licences: OnceLock<Licences>,
}

impl<'w> Ground<'w> {
    pub(super) fn new(workspace: &'w Workspace) -> Self {
        Self {
            workspace,
            survey: OnceLock::new(),
            licences: OnceLock::new(),
        }
    }

    /// The parsed lockfiles and the graph.
    pub(super) fn survey(&self) -> Result<&Survey<'w>, Error> {
        if let Some(survey) = self.survey.get() {
            return Ok(survey);
        }
        let survey = Survey::new(self.workspace)?;
        Ok(self.survey.get_or_init(|| survey))
    }

    /// The licences of the packages that are installed in the workspace.
    pub(super) fn licences(&self) -> Result<&Licences, Error> {
        if let Some(licences) = self.licences.get() {
            return Ok(licences);
        }
        let workspace = self.workspace;
        let dirs = workspace.members.ids().map(|at| &workspace.members[at].dir);
        let licences = Licences::installed(&workspace.tree, dirs).map_err(PlanError::from)?;
        Ok(self.licences.get_or_init(|| licences))
    }
}

/// An app of a workspace with its options: the input of a plan.
pub(super) struct Prepared<'g, 'w> {
    ground: &'g Ground<'w>,
    app: MemberId,
    options: PlanOptions,
}

impl<'g, 'w> Prepared<'g, 'w> {
    /// The app that is named, or the one around the working directory.
    pub(super) fn new(
        ground: &'g Ground<'w>,
        place: &AppChoice<'_>,
        flags: &PlanOptions,
    ) -> Result<Self, Error> {
        let decided = flags.start.is_some() || flags.kind.is_some();
        let app = app_at(ground.workspace, place, decided)?;
        Self::of(ground, app, place.cwd, flags)
    }

    /// This app. Paths of flags start at `cwd`.
    pub(super) fn of(
        ground: &'g Ground<'w>,
        app: MemberId,
        cwd: &Path,
        flags: &PlanOptions,
    ) -> Result<Self, Error> {
        let workspace = ground.workspace;
        let mut flags = flags.clone();
        if let Some(Base::Disk(image)) = flags.base.as_mut().map(|base| &mut base.value) {
            // A path from a file is relative to the workspace's root, one from a flag to the
            // working directory.
            *image = image.below(cwd);
        }
        let mut options = flags.over(config::load(workspace, app)?);
        if let Some(Base::Disk(image)) = options.base.as_ref().map(|base| &base.value) {
            let path = image.below(&workspace.root).path;
            options.exclude.extend(path_in(&workspace.root, &path));
        }
        Ok(Self {
            ground,
            app,
            options,
        })
    }

    /// What it is an app of.
    pub(super) fn ground(&self) -> &'g Ground<'w> {
        self.ground
    }

    /// The app.
    pub(super) fn app(&self) -> MemberId {
        self.app
    }

    pub(super) fn root(&self) -> &'w Path {
        &self.ground.workspace.root
    }

    pub(super) fn options(&self) -> &PlanOptions {
        &self.options
    }

    /// The app's name.
    pub(super) fn name(&self) -> String {
        self.ground.workspace.members[self.app].label()
    }

    /// The default name of the app's image.
    pub(super) fn image(&self) -> String {
        Plan::default_image(self.ground.workspace, self.app)
    }

    /// The version of the app's manifest.
    pub(super) fn version(&self) -> Option<String> {
        let manifest = &self.ground.workspace.members[self.app].manifest;
        manifest.text("version").map(str::to_owned)
    }

    /// What `repository` of the app's package.json and of the root's says.
    pub(super) fn repositories(&self) -> impl Iterator<Item = &'w str> {
        let members = &self.ground.workspace.members;
        [self.app, MemberId::ROOT]
            .into_iter()
            .filter_map(move |at| {
                let manifest = &members[at].manifest;
                let url = || manifest.get("repository")?.get("url")?.as_str();
                manifest.text("repository").or_else(url)
            })
    }

    /// Turns off the trial start.
    pub(super) fn without_trial(&mut self) -> &Self {
        self.options.proof = self.options.proof.max(Proof::Verified);
        self
    }

    /// The plan for this engine.
    pub(super) fn plan(&self, engine: Engine, pins: Option<&Pins>) -> Result<Plan, Error> {
        let options = PlanOptions {
            engine,
            disk_base: disk_base(&self.options, engine, self.root())?,
            ..self.options.clone()
        };
        let mut plan = Plan::of(self.ground.survey()?, self.app, &options)?;
        if let Some(pins) = pins {
            pins.apply(&mut plan)?;
        }
        if options.prebuilt {
            let (files, warnings) = finished(&plan, self.root(), Built::Once)?;
            plan = plan.of_finished(files, warnings);
        }
        if plan.configured.template.is_some() {
            // Errors in a user's template should show before anything is sent.
            dockerfile::render(&plan)?;
        }
        Ok(plan)
    }
}

/// The configuration of a base on disk.
pub(super) fn disk_base(
    options: &PlanOptions,
    engine: Engine,
    root: &Path,
) -> Result<Option<DiskBase>, Error> {
    let Some(image) = disk_image(options, engine, root) else {
        return Ok(None);
    };
    let found = oci::configuration(&image, &platform(options))?;
    Ok(Some(DiskBase {
        entrypoint: found.entrypoint,
        user: found.user,
    }))
}

/// The base, if it is on disk.
pub(super) fn disk_image(options: &PlanOptions, engine: Engine, root: &Path) -> Option<DiskImage> {
    match options.base.as_ref().map(|base| &base.value) {
        Some(Base::Disk(image)) if engine == Engine::Native => Some(image.below(root)),
        _ => None,
    }
}

/// The platform of an image that is made on this machine.
pub(super) fn platform(options: &PlanOptions) -> Platform {
    let platform = options.platforms.first().cloned();
    platform.unwrap_or_else(Platform::host)
}
