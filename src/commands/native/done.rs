//! What is told of an image that was made without a daemon: a metadata file, the report, and where it is.

use std::path::Path;
use std::time::Instant;

use serde_json::json;

use super::trial::Tried;
use crate::commands::push;
use crate::engine::docker::{Docker, Loaded};
use crate::engine::registry::Pushed;
use crate::error::Error;
use crate::image::oci::{Image, Output};
use crate::model::digest::Digest;
use crate::model::image::ImageRef;
use crate::plan::Plan;
use crate::show::progress::ProgressMode;
use crate::show::report;
use crate::show::ui::Ui;
use crate::system::whole::Whole;

/// An image that is written.
pub(super) struct Done<'d> {
    pub(super) plan: &'d Plan,
    pub(super) image: &'d Image,
    /// What was tried of it.
    pub(super) tried: &'d Tried,
    pub(super) loaded: Option<(&'d Docker, Loaded)>,
    pub(super) pushed: &'d [Pushed],
    pub(super) tags: &'d [ImageRef],
    pub(super) outputs: &'d [Output],
    pub(super) here: &'d Path,
    pub(super) steps: usize,
    pub(super) began: Instant,
}

impl Done<'_> {
    pub(super) fn tell(
        &self,
        metadata: Option<Whole>,
        mode: ProgressMode,
        ui: &mut Ui,
    ) -> Result<(), Error> {
        let answered = self.tried.answered.as_ref();
        let warning = self.tried.warning.as_ref();
        if let Some(warning) = warning.filter(|_| mode != ProgressMode::Quiet) {
            ui.warn(warning)
                .map_err(Error::io("cannot write to stderr"))?;
        }
        let image = self.image;
        let unpacked: u64 = image.layers.iter().map(|layer| layer.unpacked).sum();
        let written: Vec<String> = self
            .outputs
            .iter()
            .map(|output| shown_path(output.path(), self.here))
            .collect();
        let names: Vec<String> = self.tags.iter().map(ToString::to_string).collect();
        if let Some(file) = metadata {
            let value = json!({
                "image.name": names.join(","),
                "containerimage.config.digest": Digest::of(&image.config_json()),
                "containerimage.digest": image.digest(),
                "slimbuild.app": self.plan.app.dir,
                "slimbuild.image.size": unpacked,
                "slimbuild.outputs": written,
                "slimbuild.loaded": self.loaded.map(|(_, loaded)| loaded),
                "slimbuild.smoke": answered.map(|answered| &answered.how),
                "slimbuild.pushed": push::as_json(self.pushed),
                "slimbuild.seconds": self.began.elapsed().as_secs_f64(),
            });
            let text = format!("{value:#}\n");
            file.write(|out| out.write_all(text.as_bytes()))?;
        }
        if mode != ProgressMode::Quiet {
            let text = report::native(&report::Native {
                names: &names,
                outputs: &written,
                loaded: self.loaded.map(|(docker, loaded)| said(docker, loaded)),
                pushed: &push::lines(self.pushed),
                digest: &image.digest().to_string(),
                unpacked,
                packed: image.size(),
                smoke: answered.map(|answered| (&*answered.how, answered.took)),
                steps: self.steps,
                took: self.began.elapsed(),
            });
            ui.err()
                .write_all(text.as_bytes())
                .map_err(Error::io("cannot write the report"))?;
        }
        // A daemon's image is called by its name, as with Docker.
        let first = match self.loaded {
            Some(_) => names.first(),
            None => written.first().or(names.first()),
        };
        writeln!(ui.out(), "{}", first.map_or("", String::as_str))
            .map_err(Error::io("cannot write to stdout"))
    }
}

/// What a daemon was given, in words.
fn said(docker: &Docker, loaded: Loaded) -> String {
    format!(
        "into Docker {}, {} sent in {}",
        docker.version(),
        report::size(loaded.bytes),
        report::count(loaded.layers, "layer")
    )
}

/// A path as the user would write it where they are.
fn shown_path(path: &Path, here: &Path) -> String {
    path.strip_prefix(here)
        .unwrap_or(path)
        .display()
        .to_string()
}
