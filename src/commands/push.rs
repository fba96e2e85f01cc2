//! `--push`: which names can be pushed, and the report.

use crate::commands::error::Error;
use crate::engine::registry::Pushed;
use crate::model::image::ImageRef;
use crate::show::metadata::PushedNames;
use crate::show::report;

/// Checks that the names have a registry. This should fail before a build of minutes.
pub(super) fn check(names: &[ImageRef]) -> Result<(), Error> {
    let Some(name) = names.iter().find(|name| !name.name().contains('/')) else {
        return Ok(());
    };
    Err(Error::Usage {
        message: format!("`--push` cannot tell where to push `{name}`: the name has no registry"),
        hint: Some(format!(
            "name the image with its registry, as `-t registry.example.com/{name}`, or with your name at Docker Hub, as `-t NAME/{name}`"
        )),
    })
}

/// What was pushed, one line per repository: `127.0.0.1:5000/x:1 (3 of 5 layers, 12.3 MB sent)`.
pub(super) fn lines(pushed: &[Pushed]) -> Vec<String> {
    let line = |pushed: &Pushed| {
        let names: Vec<String> = pushed.names.iter().map(ToString::to_string).collect();
        let names = names.join(", ");
        let Some(layers) = pushed.layers else {
            return names;
        };
        let bytes = pushed
            .bytes
            .map_or(String::new(), |bytes| format!(", {}", report::size(bytes)));
        format!(
            "{names} ({} of {}{bytes} sent)",
            layers.sent,
            report::count(layers.all, "layer"),
        )
    };
    pushed.iter().map(line).collect()
}

/// The same report for programs.
pub(super) fn for_programs(pushed: &[Pushed]) -> Vec<PushedNames> {
    let one = |pushed: &Pushed| PushedNames {
        names: pushed.names.clone(),
        digest: pushed.digest.clone(),
        layers: pushed.layers.map(|layers| layers.all),
        sent: pushed.layers.map(|layers| layers.sent),
        bytes: pushed.bytes,
    };
    pushed.iter().map(one).collect()
}
