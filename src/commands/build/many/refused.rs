//! Arguments that are about one image, and apps that would disturb each other.

use std::collections::BTreeMap;

use crate::cli::BuildArgs;
use crate::commands::error::Error;
use crate::commands::push;
use crate::image::oci::Output;
use crate::model::image::ImageRef;

fn usage(message: String, hint: &str) -> Error {
    Error::Usage {
        message,
        hint: Some(hint.to_owned()),
    }
}

/// Refuses arguments that name one thing where each app needs its own.
pub(super) fn arguments(args: &BuildArgs) -> Result<(), Error> {
    if let Some(tag) = args.tags.iter().find(|tag| !tag.tells_apps_apart()) {
        return Err(usage(
            format!("`-t {tag}` names one image, and several apps are built"),
            "write `{app}` where each image's name goes, or leave it out: each image gets its package's name, or the names of `tags` in the app's slimbuild.json",
        ));
    }
    let outputs = args.engine.outputs.iter();
    let mut paths = outputs.map(|output| output.path().to_string_lossy());
    if let Some(path) = paths.find(|path| !path.contains(Output::APP)) {
        return Err(usage(
            format!("`--output {path}` is one file or directory, and several apps are built"),
            "write `{app}` where each image's name goes, as in `--output 'images/{app}.tar'`",
        ));
    }
    if args
        .engine
        .builder
        .cache_to
        .iter()
        .any(|cache| !cache.is_inline())
    {
        return Err(usage(
            "`--cache-to` names one cache, and each app that is built would replace the last one's"
                .to_owned(),
            "`--cache NAME` keeps one for each app: it adds the image's name to the tag",
        ));
    }
    Ok(())
}

/// Refuses two apps whose images have the same name. `apps` are the directories of the apps that
/// can be built, with the names of their images.
pub(super) fn same_names(apps: &[(&str, &[ImageRef])]) -> Result<(), Error> {
    // `server` and `server:latest` are one name.
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    for &(app, names) in apps {
        for name in names {
            if let Some(other) = owners
                .insert(name.qualified(), app)
                .filter(|other| *other != app)
            {
                return Err(usage(
                    format!("the images of `{other}` and `{app}` would both be named `{name}`"),
                    "name one of them otherwise with `tags` in its slimbuild.json, or leave one of the apps out",
                ));
            }
        }
    }
    Ok(())
}

/// Refuses to push images whose names have no registry.
pub(super) fn pushes(apps: &[(&str, &[ImageRef])]) -> Result<(), Error> {
    let nowhere = apps.iter().filter(|(_, names)| push::check(names).is_err());
    let nowhere: Vec<&str> = nowhere.map(|(app, _)| *app).collect();
    if nowhere.is_empty() {
        return Ok(());
    }
    Err(usage(
        format!(
            "`--push` cannot tell where to push the images of {}: their names have no registry",
            nowhere.join(", ")
        ),
        "name the registry in the root's slimbuild.json, as `\"registry\": \"registry.example.com/shop\"`",
    ))
}
