//! Keeps the number of layers low: an image, and every stage, can have only some 125, including the
//! base's (`maxLayerDepth` of moby's layer store, and the mounts of overlay2). If there are too
//! many packages for a layer each, several share one.

use serde::Serialize;

use crate::plan::template::{Syntax, text};
use crate::plan::{Brought, ImagePackage, MAX_COPIES, Place, Plan};

/// A stage that gathers packages, so that another stage can take them in one layer.
#[derive(Serialize)]
pub(super) struct Gather {
    pub(super) stage: String,
    pub(super) copies: Vec<Syntax>,
}

/// A `COPY` instruction of the image.
#[derive(Serialize)]
pub(super) struct CopyView<'p> {
    /// Its arguments.
    words: Syntax,
    /// The package whose build generates these files but which is not in the image itself.
    generated_by: Option<&'p str>,
}

/// The arguments of `COPY` unchanged, or those of stages that gather them, in several levels if
/// needed. Neighbours stay together, so that a change rebuilds only one group.
fn gathered(name: &str, mut copies: Vec<Syntax>) -> (Vec<Gather>, Vec<Syntax>) {
    let mut gathers: Vec<Gather> = Vec::new();
    while copies.len() > MAX_COPIES {
        let mut outer = Vec::new();
        for copies in copies.chunks(MAX_COPIES) {
            let stage = format!("{name}-{}", gathers.len() + 1);
            outer.push(whole(&stage));
            let copies = copies.to_vec();
            gathers.push(Gather { stage, copies });
        }
        copies = outer;
    }
    (gathers, copies)
}

/// `COPY` arguments for everything in a gathering stage.
pub(super) fn whole(stage: &str) -> Syntax {
    Syntax::of(format!("--from={stage} / ./"))
}

/// `COPY` arguments for what a stage contributes to the image.
fn handed_over(stage: &str) -> Syntax {
    built(stage, false)
}

/// `COPY` arguments for what a stage passes to other stages. If its share of the image is trimmed,
/// others still get everything.
pub(super) fn built(stage: &str, trimmed: bool) -> Syntax {
    let files = if trimmed { "whole" } else { "files" };
    Syntax::of(format!("--from={stage} /out/{files}/ /out/modules/ ./"))
}

/// The packages' files in the image, the app last, except the last layer.
pub(super) fn image(plan: &Plan) -> (Vec<Gather>, Vec<CopyView<'_>>) {
    if !plan.delivery.has_modules() {
        return (Vec::new(), Vec::new());
    }
    let plain = |words: Syntax| CopyView {
        words,
        generated_by: None,
    };
    let modules = |stage: &str| Syntax::of(format!("--from={stage} /out/modules/ ./"));
    let generated = plan.steps().iter().filter(|step| !step.in_image);
    let mut copies: Vec<CopyView<'_>> = generated
        .map(|step| CopyView {
            words: if step.dir.is_root() && !plan.image_packages.is_empty() {
                // What the root's own scripts wrote into packages of the image.
                Syntax::of(format!(
                    "--from={} /out/image/ /out/modules/ ./",
                    step.stage
                ))
            } else {
                modules(&step.stage)
            },
            generated_by: Some(&step.name),
        })
        .collect();
    let is_app = |package: &&ImagePackage| package.dir == plan.app.dir;
    for package in plan
        .image_packages
        .iter()
        .filter(|package| !is_app(package))
    {
        copies.extend(kept(plan, package).map(plain));
        copies.extend(package.stage.as_deref().map(handed_over).map(plain));
    }
    let mut gathers = Vec::new();
    if copies.len() > MAX_COPIES {
        let words = copies.into_iter().map(|copy| copy.words).collect();
        let groups;
        (gathers, groups) = gathered("packages", words);
        copies = groups.into_iter().map(plain).collect();
    }
    for package in plan.image_packages.iter().filter(is_app) {
        if let Some(stage) = &package.stage {
            copies.push(plain(modules(stage)));
            copies.extend(kept(plan, package).map(plain));
        }
    }
    (gathers, copies)
}

/// The outputs of other packages in the image.
pub(super) fn brought(plan: &Plan) -> Vec<Syntax> {
    let copy = |one: &Brought| {
        let step = plan.steps().iter().rfind(|step| step.dir == one.of)?;
        let (from, to) = (
            format!("/out/files/{}/", one.path),
            format!("{}/", one.path),
        );
        let words = text::copy(&[&from, &to]);
        Some(words.behind(&format!("--from={} ", step.stage)))
    };
    plan.brought.iter().filter_map(copy).collect()
}

/// The files of a package that the image keeps unchanged.
fn kept(plan: &Plan, package: &ImagePackage) -> Option<Syntax> {
    let place = Place::kept(&package.dir);
    let from = format!("{place}/{}", package.dir.prefix());
    let to = format!("{}/", package.dir);
    plan.holds(place, &package.dir)
        .then(|| text::copy(&[&from, &to]))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write as _;

    use crate::plan::{Plan, PlanOptions};
    use crate::render::dockerfile::render;

    /// How many layers a stage may add to its base, which has at most 20.
    const LAYERS: usize = 100;

    #[test]
    fn no_stage_of_an_app_with_very_many_packages_has_too_many_layers() {
        let mut files = vec![
            (
                "package.json".to_owned(),
                r#"{"name":"root","packageManager":"pnpm@10.34.5"}"#.to_owned(),
            ),
            (
                "pnpm-workspace.yaml".to_owned(),
                "packages: [app, 'p/*']\n".to_owned(),
            ),
            (
                "turbo.json".to_owned(),
                r#"{"tasks":{"build":{"dependsOn":["^build"],"outputs":["dist/**"]}}}"#.to_owned(),
            ),
            ("app/main.js".to_owned(), String::new()),
        ];
        let mut lockfile = "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n".to_owned();
        // `front` depends on all the others, and the app on these and on `front`.
        let all: Vec<String> = (0..120).map(|number| format!("p{number}")).collect();
        let manifest = |name: &str, script: &str, needs: &[String]| {
            let needs: Vec<String> = needs
                .iter()
                .map(|need| format!(r#""{need}":"workspace:*""#))
                .collect();
            format!(
                r#"{{"name":"{name}","scripts":{{"{script}":"node main.js"}},"dependencies":{{{}}}}}"#,
                needs.join(",")
            )
        };
        let mut importer = |dir: &str, up: &str, needs: &[String]| {
            let _ = write!(
                lockfile,
                "\n  {dir}:{}",
                if needs.is_empty() {
                    " {}\n"
                } else {
                    "\n    dependencies:\n"
                }
            );
            for need in needs {
                let _ = write!(
                    lockfile,
                    "      {need}:\n        specifier: workspace:*\n        version: link:{up}{need}\n"
                );
            }
        };
        let with_front = [&all[..], &["front".to_owned()]].concat();
        files.push((
            "app/package.json".to_owned(),
            manifest("app", "start", &with_front),
        ));
        importer("app", "../p/", &with_front);
        for name in &with_front {
            let needs = if name == "front" { &all[..] } else { &[] };
            files.push((
                format!("p/{name}/package.json"),
                manifest(name, "build", needs),
            ));
            files.push((format!("p/{name}/main.js"), String::new()));
            importer(&format!("p/{name}"), "../", needs);
        }
        files.push(("pnpm-lock.yaml".to_owned(), lockfile));
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(path, text)| (&**path, &**text))
            .collect();
        let (_dir, workspace) = crate::testing::workspace(&files);
        let app = workspace.find_app("app", &workspace.root).unwrap();
        let plan = Plan::new(&workspace, app, &PlanOptions::default()).unwrap();
        let text = render(&plan).unwrap();

        let mut layers: BTreeMap<&str, usize> = BTreeMap::new();
        let mut stage = "";
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["FROM", from, "AS", name] => {
                    stage = name;
                    layers.insert(name, layers.get(from).copied().unwrap_or_default());
                }
                ["COPY" | "RUN" | "WORKDIR", ..] => *layers.get_mut(stage).unwrap() += 1,
                _ => {}
            }
        }
        assert!(
            layers["runtime"] > 5 && layers["build-p-front"] > 10,
            "{layers:?}"
        );
        assert!(layers.values().all(|count| *count < LAYERS), "{layers:?}");
        // No package is missing.
        for name in &with_front {
            assert!(
                text.contains(&format!("COPY --from=build-p-{name} /out/files/")),
                "{name}"
            );
        }
    }
}
