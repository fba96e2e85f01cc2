//! Pipelines of GitLab.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

use serde_json::Value;

use super::{Engine, LOGIN, Machine, Origin, main_differs, of_page, pairs, with_both};
use crate::support::tree::repository;

/// The pipelines that tests here run.
pub(super) const RUN: [&str; 6] = [
    "contents.md: .gitlab-ci.yml",
    "gitlab.md: .gitlab-ci.yml",
    "gitlab.md: .gitlab-ci.yml",
    "gitlab.md: .gitlab-ci.yml",
    "only-what-changed.md: .gitlab-ci.yml",
    "only-what-changed.md: .gitlab/slimbuild.yml",
];

/// What installs slimbuild in a job, once a version is on npm.
const INSTALL: &str = "npm install --global slimbuild@0";

/// A text with GitLab's variables replaced, as in the values of variables.
fn expanded(text: &str, env: &BTreeMap<String, String>) -> String {
    let mut text = text.to_owned();
    for (name, value) in env {
        text = text.replace(&format!("${name}"), value);
    }
    assert!(!text.contains('$'), "{text}");
    text
}

/// Runs a job with these variables, and gives what it printed.
fn job(
    machine: &mut Machine<'_>,
    job: &Value,
    more: &BTreeMap<String, String>,
    origin: &Origin,
) -> String {
    let mut env: BTreeMap<String, String> = [
        ("GITLAB_CI", "true"),
        ("CI_REGISTRY", &machine.registry),
        ("CI_REGISTRY_IMAGE", &format!("{}/shop", machine.registry)),
        ("CI_REGISTRY_USER", LOGIN),
        ("CI_REGISTRY_PASSWORD", LOGIN),
        ("CI_COMMIT_SHA", &origin.head),
        ("CI_COMMIT_BEFORE_SHA", &origin.before),
        ("CI_COMMIT_REF_NAME", "main"),
        ("CI_PROJECT_DIR", machine.clone.root().to_str().unwrap()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    env.extend(more.clone());
    for (name, value) in pairs(&job["variables"]) {
        let value = match &*name {
            // The service is the daemon, if there is one.
            "DOCKER_HOST" => match machine.engine {
                Engine::Docker(daemon) => daemon.address.clone(),
                Engine::Native => continue,
            },
            _ => expanded(&value, &env),
        };
        env.insert(name, value);
    }
    let lines = |key: &str| {
        let lines = job[key].as_array().into_iter().flatten();
        lines.map(|line| line.as_str().unwrap().to_owned())
    };
    let script: Vec<String> = lines("before_script").chain(lines("script")).collect();
    let installs = script.iter().any(|line| line == INSTALL);
    if installs {
        machine.install();
    }
    let script: Vec<String> = script.into_iter().filter(|line| line != INSTALL).collect();
    machine.run(&script.join("\n"), &env)
}

/// The variables of a job's report.
fn report(machine: &Machine<'_>, job: &Value) -> BTreeMap<String, String> {
    let file = job["artifacts"]["reports"]["dotenv"].as_str().unwrap();
    let text = machine.clone.read(file);
    let pairs = text.lines().map(|line| line.split_once('=').expect(line));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_pipelines_for_one_app_are_run_as_written() {
    let test = "the_pipelines_for_one_app_are_run_as_written";
    with_both(test, |engine, registry| {
        let origin = Origin::new();
        let pipelines = of_page("gitlab.md", ".gitlab-ci.yml");
        let [docker, native, _] = &pipelines[..] else {
            panic!("two pipelines, and one that includes the template");
        };
        let name = format!("{registry}/shop/server:{}\n", origin.head);
        let docker = docker.document(registry);
        let mut machine = Machine::new(&origin, engine, registry);
        let image = &docker["image-server"];
        assert_eq!(job(&mut machine, image, &BTreeMap::new(), &origin), name);
        let variables = report(&machine, image);
        let reference = &variables["SLIMBUILD_REFERENCE"];
        assert!(reference.starts_with(&format!("{registry}/shop/server@sha256:")));
        let mut machine = Machine::new(&origin, engine, registry);
        let deployed = job(&mut machine, &docker["deploy"], &variables, &origin);
        assert_eq!(deployed, format!("deploy {reference}\n"));
        if let Engine::Native = engine {
            let native = native.document(registry);
            let mut machine = Machine::new(&origin, engine, registry);
            // What the cache kept of an earlier job.
            let kept = machine.clone.root().join(".slimbuild-cache");
            fs_err::create_dir(&kept).unwrap();
            std::os::unix::fs::symlink(super::cache(), kept.join("slimbuild")).unwrap();
            let image = &native["image-server"];
            assert_eq!(image["cache"]["paths"][0], ".slimbuild-cache");
            assert_eq!(job(&mut machine, image, &BTreeMap::new(), &origin), name);
        }
    });
}

/// An interface of GitLab that takes one note. Returns its address, and the request when it has come.
fn notes() -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/api/v4", listener.local_addr().unwrap());
    let taking = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream);
        let (mut request, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            request += &line;
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let answer = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
        reader.get_mut().write_all(answer).unwrap();
        request + std::str::from_utf8(&body).unwrap()
    });
    (address, taking)
}

#[test]
fn the_pipeline_for_a_merge_request_is_run_as_written() {
    let test = "the_pipeline_for_a_merge_request_is_run_as_written";
    with_both(test, |engine, registry| {
        let origin = Origin::new();
        let [pipeline] = &of_page("contents.md", ".gitlab-ci.yml")[..] else {
            panic!("one pipeline");
        };
        let document = pipeline.document(registry);
        let mut machine = Machine::new(&origin, engine, registry);
        main_differs(&mut machine, registry);
        let (address, taking) = notes();
        let more = [
            ("NOTES_TOKEN", "glpat-notes"),
            ("CI_API_V4_URL", &*address),
            ("CI_PROJECT_ID", "7"),
            ("CI_MERGE_REQUEST_IID", "3"),
            ("no_proxy", "127.0.0.1"),
        ];
        let more = more.map(|(name, value)| (name.to_owned(), value.to_owned()));
        job(
            &mut machine,
            &document["size-server"],
            &more.into_iter().collect(),
            &origin,
        );
        let note = taking.join().unwrap();
        let line = "POST /api/v4/projects/7/merge_requests/3/notes ";
        assert!(note.starts_with(line), "{note}");
        assert!(note.contains("PRIVATE-TOKEN: glpat-notes"), "{note}");
        assert!(note.contains("body=") && note.contains("main.js"), "{note}");
    });
}

#[test]
fn the_pipeline_for_what_changed_is_run_as_written() {
    let test = "the_pipeline_for_what_changed_is_run_as_written";
    with_both(test, |engine, registry| {
        let origin = Origin::new();
        let page = "only-what-changed.md";
        let [parent] = &of_page(page, ".gitlab-ci.yml")[..] else {
            panic!("one pipeline");
        };
        let [template] = &of_page(page, ".gitlab/slimbuild.yml")[..] else {
            panic!("one template");
        };
        let parent = parent.document(registry);
        let mut machine = Machine::new(&origin, engine, registry);
        let affected = &parent["affected"];
        job(&mut machine, affected, &BTreeMap::new(), &origin);
        let artifact = parent["images"]["trigger"]["include"][0]["artifact"].as_str();
        let artifact = artifact.unwrap();
        assert_eq!(affected["artifacts"]["paths"][0], artifact);
        let child: Value = serde_saphyr::from_str(&machine.clone.read(artifact)).unwrap();
        assert_eq!(child["include"][0]["local"], template.file);
        let template = template.document(registry);
        let image = &template[child["image"]["extends"].as_str().unwrap()];
        let matrix = child["image"]["parallel"]["matrix"].as_array().unwrap();
        assert_eq!(matrix.len(), 1, "{child}");
        for entry in matrix {
            let mut machine = Machine::new(&origin, engine, registry);
            let printed = job(&mut machine, image, &pairs(entry), &origin);
            assert_eq!(printed, format!("{registry}/shop/worker:{}\n", origin.head));
        }
    });
}

/// The jobs of the template that a pipeline includes, with its inputs.
fn included(include: &Value) -> Value {
    let address = include["remote"].as_str().unwrap();
    let (_, file) = address.split_once("/v0/").expect(address);
    let template = fs_err::read_to_string(repository().join(file)).unwrap();
    let (header, jobs) = template.split_once("\n---\n").expect("two documents");
    let header: Value = serde_saphyr::from_str(header).unwrap();
    let inputs = header["spec"]["inputs"].as_object().unwrap();
    let given = include["inputs"].as_object().unwrap();
    for name in given.keys() {
        assert!(inputs.contains_key(name), "{name}");
    }
    let filled = inputs.iter().fold(jobs.to_owned(), |text, (name, input)| {
        let value = given.get(name).or(input.get("default")).expect(name);
        let value = value.as_str().unwrap();
        if let Some(options) = input["options"].as_array() {
            assert!(options.iter().any(|option| option == value), "{value}");
        }
        text.replace(&format!("$[[ inputs.{name} ]]"), value)
    });
    assert!(!filled.contains("$[["), "{filled}");
    serde_saphyr::from_str(&filled).unwrap()
}

/// A job with what it extends.
fn extended(jobs: &Value, name: &str) -> Value {
    let mut job = jobs[name].clone();
    let base = jobs[job["extends"].as_str().unwrap()].as_object().unwrap();
    for (key, value) in base {
        assert!(job.get(key).is_none(), "{key}");
        job[key] = value.clone();
    }
    job
}

#[test]
fn the_template_is_run_as_written() {
    let test = "the_template_is_run_as_written";
    with_both(test, |engine, registry| {
        let origin = Origin::new();
        let pipelines = of_page("gitlab.md", ".gitlab-ci.yml");
        let pipeline = pipelines.last().unwrap().document(registry);
        let mut include = pipeline["include"][0].clone();
        if let Engine::Native = engine {
            include["inputs"]["engine"] = "native".into();
        }
        let image = extended(&included(&include), "image");
        assert_eq!(pipeline["deploy"]["needs"][0], "image");
        let mut machine = Machine::new(&origin, engine, registry);
        if let Engine::Native = engine {
            let kept = machine.clone.root().join(".slimbuild-cache");
            fs_err::create_dir(&kept).unwrap();
            std::os::unix::fs::symlink(super::cache(), kept.join("slimbuild")).unwrap();
            assert_eq!(image["cache"]["paths"][0], ".slimbuild-cache");
        }
        let name = format!("{registry}/shop/server:{}\n", origin.head);
        assert_eq!(job(&mut machine, &image, &BTreeMap::new(), &origin), name);
        let variables = report(&machine, &image);
        let mut machine = Machine::new(&origin, engine, registry);
        let deployed = job(&mut machine, &pipeline["deploy"], &variables, &origin);
        let reference = &variables["SLIMBUILD_REFERENCE"];
        assert_eq!(deployed, format!("deploy {reference}\n"));
    });
}

#[test]
fn the_book_lists_the_inputs_of_the_template() {
    let template = fs_err::read_to_string(repository().join("gitlab/image.yml")).unwrap();
    let (header, _) = template.split_once("\n---\n").expect("two documents");
    let header: Value = serde_saphyr::from_str(header).unwrap();
    let rows = header["spec"]["inputs"].as_object().unwrap().iter();
    let rows = rows.map(|(name, input)| {
        let default = input["default"].as_str().unwrap_or_default();
        match default {
            "" => format!("| `{name}` | |"),
            default => format!("| `{name}` | `{default}` |"),
        }
    });
    let page = crate::docs::read("docs/src/tutorials/gitlab.md".as_ref());
    for row in rows {
        assert!(page.contains(&row), "{row}");
    }
}
