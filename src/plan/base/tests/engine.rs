//! What the engine changes about the images that a plan starts from.

use super::*;
use crate::plan::config::{DiskBase, Engine};

fn native(options: &mut PlanOptions) {
    options.engine = Engine::Native;
}

#[test]
fn without_docker_the_base_is_slimbuilds_own_and_steps_run_on_this_machine() {
    let plan = Case {
        more: native,
        ..PLAIN
    }
    .plan()
    .unwrap();
    assert_eq!(plan.engine, Engine::Native);
    assert_eq!(plan.build_base.value, "this machine");
    assert_eq!(plan.runtime_base.value.from, BaseFrom::Own);
    // A named base is taken as it is.
    let named = Case {
        base: Some("node:22-slim"),
        more: native,
        ..PLAIN
    };
    let base = named.plan().unwrap().runtime_base.value;
    assert_eq!(
        (base.from, &*base.image),
        (BaseFrom::Registry, "node:22-slim")
    );
}

#[test]
fn what_only_docker_can_do_is_refused() {
    for (base, more, problem) in [
        (
            None,
            packages as fn(&mut PlanOptions),
            "system packages are installed by a Docker daemon",
        ),
        (
            Some("slim"),
            |_| (),
            "the image starts from one that has more than node, which a Docker daemon has to fetch",
        ),
    ] {
        let options = |options: &mut PlanOptions| {
            more(options);
            native(options);
        };
        let error = PLAIN.planned(base, options).unwrap_err();
        assert_eq!(error.to_string(), problem);
        assert!(error.hint().unwrap().starts_with("start Docker"));
    }
}

#[test]
fn settings_that_have_no_use_are_named() {
    let plan = PLAIN.planned(None, |options| {
        native(options);
        let git = by_file("git".to_owned(), "systemPackages.build");
        options.build_packages.push(git);
        options.build_base = Some(Given::by_flag("node:22".parse().unwrap(), "--build-base"));
    });
    assert_eq!(
        plan.unwrap().warnings,
        [
            "the build image (named by --build-base) has no effect: without Docker, steps run on this machine",
            "`systemPackages.build` in slimbuild.json: Docker installs git; without Docker, this machine must have them",
        ]
    );
}

#[test]
fn a_base_on_the_disk_is_as_it_says_itself() {
    let plan = |entrypoint: &[&str], user: &str| {
        let disk = DiskBase {
            entrypoint: entrypoint.iter().map(|word| (*word).to_owned()).collect(),
            user: user.to_owned(),
        };
        let options = |options: &mut PlanOptions| {
            native(options);
            options.disk_base = Some(disk.clone());
        };
        let base = PLAIN.planned(Some("oci:base"), options).unwrap();
        let base = base.runtime_base.value;
        assert_eq!(base.from, BaseFrom::Disk);
        (base.node.unwrap(), base.user)
    };
    let entrypoint = (NodeCommand::Entrypoint, "7:8".to_owned());
    assert_eq!(plan(&["/nodejs/bin/node"], "7:8"), entrypoint);
    // Root, and names that only the image knows, are not taken over.
    let on_path = (NodeCommand::OnPath, NODE.to_owned());
    assert_eq!(plan(&["docker-entrypoint.sh"], "0"), on_path);
    assert_eq!(plan(&["node", "--inspect"], "node"), on_path);
}

#[test]
fn docker_does_not_start_from_the_disk() {
    let error = PLAIN.planned(Some("oci:base"), |_| ()).unwrap_err();
    assert!(error.to_string().contains("lies on this machine's disk"));
}
