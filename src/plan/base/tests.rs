use super::*;
use crate::plan::config::{Given, Mirror};
use crate::plan::{Plan, PlanError};
use crate::render::dockerfile;
use crate::testing::workspace;

/// What the app depends on, and what the user wants.
struct Case {
    dependency: Option<&'static str>,
    base: Option<&'static str>,
    more: fn(&mut PlanOptions),
}

const PLAIN: Case = Case {
    dependency: None,
    base: None,
    more: |_| {},
};

impl Case {
    fn plan(&self) -> Result<Plan, PlanError> {
        self.planned(self.base, self.more)
    }

    fn planned(
        &self,
        base: Option<&str>,
        more: impl FnOnce(&mut PlanOptions),
    ) -> Result<Plan, PlanError> {
        let (dependencies, locked) = match self.dependency {
            Some(name) => (
                format!(r#""{name}":"1.0.0""#),
                format!(
                    "\n    dependencies:\n      {name}:\n        specifier: 1.0.0\n        version: 1.0.0\n\npackages:\n\n  {name}@1.0.0:\n    resolution: {{integrity: sha512-x}}\n\nsnapshots:\n\n  {name}@1.0.0: {{}}\n"
                ),
            ),
            None => (String::new(), " {}\n".to_owned()),
        };
        let (_dir, workspace) = workspace(&[
            (
                "package.json",
                r#"{"name":"root","packageManager":"pnpm@10.34.5"}"#,
            ),
            ("pnpm-workspace.yaml", "packages: [app]\n"),
            (
                "app/package.json",
                &format!(
                    r#"{{"name":"app","scripts":{{"start":"node main.js"}},"dependencies":{{{dependencies}}}}}"#
                ),
            ),
            ("app/main.js", ""),
            (
                "pnpm-lock.yaml",
                &format!("lockfileVersion: '9.0'\n\nimporters:\n\n  .: {{}}\n\n  app:{locked}"),
            ),
        ]);
        let mut options = PlanOptions {
            base: base.map(|base| Given::by_flag(base.parse().unwrap(), "--base")),
            node: Some(Given::by_flag("22".to_owned(), "--node")),
            ..PlanOptions::default()
        };
        more(&mut options);
        let app = workspace.find_app("app", &workspace.root).unwrap();
        Plan::new(&workspace, app, &options)
    }

    /// What it builds in, what it runs in, and why.
    fn bases(&self) -> (String, String, String) {
        let plan = self.plan().unwrap();
        let runtime = plan.runtime_base;
        (plan.build_base.value, runtime.value.image, runtime.reason)
    }
}

fn by_file<T>(value: T, key: &str) -> Given<T> {
    let source = GivenBy::Key {
        key: key.to_owned(),
        file: "slimbuild.json".to_owned(),
    };
    Given { value, source }
}

fn packages(options: &mut PlanOptions) {
    let package = by_file("git".to_owned(), "systemPackages.runtime");
    options.runtime_packages.push(package);
}

fn health(options: &mut PlanOptions) {
    let check = crate::plan::config::Healthcheck {
        probe: crate::plan::config::Probe::Command(vec!["curl".to_owned()]),
        ..Default::default()
    };
    options.healthcheck = Some(by_file(Some(check), "healthcheck"));
}

mod engine;

#[test]
fn keywords_choose_both_bases() {
    let of = |base| {
        let (build, run, _) = Case { base, ..PLAIN }.bases();
        (build, run)
    };
    let pair = |build: &str, run: &str| (build.to_owned(), run.to_owned());
    let distroless = pair(
        "node:22-slim",
        "gcr.io/distroless/nodejs22-debian12:nonroot",
    );
    assert_eq!(of(None), distroless);
    assert_eq!(of(Some("auto")), distroless);
    assert_eq!(of(Some("distroless")), distroless);
    assert_eq!(
        of(Some("slim")),
        pair("node:22-slim", "debian:bookworm-slim")
    );
    assert_eq!(of(Some("alpine")), pair("node:22-alpine", "node:22-alpine"));
    // A native module of the build must fit a named base too.
    assert_eq!(
        of(Some("node:22-alpine3.22")),
        pair("node:22-alpine", "node:22-alpine3.22")
    );
    assert_eq!(
        of(Some("node:22-slim")),
        pair("node:22-slim", "node:22-slim")
    );
}

#[test]
fn auto_is_debian_where_distroless_cannot_do_and_says_why() {
    let because = |dependency, more| {
        let (_, image, reason) = Case {
            dependency,
            more,
            ..PLAIN
        }
        .bases();
        assert_eq!(image, "debian:bookworm-slim", "{reason}");
        reason.rsplit("; ").next().unwrap().to_owned()
    };
    assert_eq!(
        because(None, packages),
        "distroless has no package manager for `systemPackages.runtime` in slimbuild.json"
    );
    assert_eq!(
        because(None, health),
        "distroless has no programs, and the health check calls `curl` (`healthcheck` in slimbuild.json)"
    );
    assert_eq!(
        because(Some("zx"), |_| {}),
        "distroless has no programs, and `zx` calls `bash` (app)"
    );
    // What is there for no program of its own changes nothing.
    let other = Case {
        dependency: Some("execa"),
        ..PLAIN
    };
    assert!(other.bases().1.contains("distroless"));
}

#[test]
fn a_program_that_is_in_no_base_is_warned_of_until_it_is_named() {
    let mut case = Case {
        dependency: Some("simple-git"),
        ..PLAIN
    };
    assert_eq!(
        case.plan().unwrap().warnings,
        [
            "`simple-git` calls `git` (app), which is in no base: add it with `\"systemPackages\": {\"runtime\": [\"git\"]}`"
        ]
    );
    case.more = packages;
    assert_eq!(case.plan().unwrap().warnings, Vec::<String>::new());
}

#[test]
fn distroless_is_refused_where_it_cannot_be() {
    for more in [packages, health] {
        let case = Case {
            base: Some("distroless"),
            more,
            ..PLAIN
        };
        let error = case.plan().unwrap_err();
        assert!(error.to_string().starts_with("--base: distroless has no"));
        assert!(error.hint().unwrap().contains("`slim`"));
    }
}

#[test]
fn images_that_are_chosen_come_from_the_mirror_and_named_ones_do_not() {
    fn mirror(options: &mut PlanOptions) {
        options.registry_mirrors = ["r.example/all", "gcr.io=r.example/google"]
            .map(|text| Given::by_flag(text.parse::<Mirror>().unwrap(), "--registry-mirror"))
            .to_vec();
    }
    let of = |base| {
        let more = mirror;
        Case {
            base,
            more,
            ..PLAIN
        }
        .bases()
    };
    let (build, run, reason) = of(None);
    assert_eq!(build, "r.example/all/library/node:22-slim");
    assert_eq!(run, "r.example/google/distroless/nodejs22-debian12:nonroot");
    assert!(reason.ends_with("; the mirror is named by --registry-mirror"));
    assert_eq!(of(Some("node:22-slim")).1, "node:22-slim");
}

#[test]
fn pins_hold_both_bases_and_label_the_image() {
    let digest = |byte: &str| format!("sha256:{}", byte.repeat(32));
    let mut plan = PLAIN.plan().unwrap();
    plan.pin::<PlanError>(|image| {
        Ok(digest(match image.name() {
            "node" => "0a",
            _ => "0b",
        }))
    })
    .unwrap();
    let text = dockerfile::render(&plan).unwrap();
    for line in [
        format!("FROM node:22-slim@{} AS base", digest("0a")),
        format!(
            "FROM gcr.io/distroless/nodejs22-debian12:nonroot@{} AS runtime",
            digest("0b")
        )
        .replace("AS runtime", "AS image"),
        format!(
            "LABEL org.opencontainers.image.base.digest={}",
            digest("0b")
        ),
        "LABEL org.opencontainers.image.base.name=gcr.io/distroless/nodejs22-debian12:nonroot"
            .to_owned(),
    ] {
        assert!(text.contains(&line), "{line}\n{text}");
    }
    // A digest that somebody names is not looked up.
    let before = plan.clone();
    plan.pin::<PlanError>(|_| unreachable!()).unwrap();
    assert_eq!(plan, before);
}

#[test]
fn alpine_begins_anew_without_tools() {
    let case = Case {
        base: Some("alpine"),
        more: packages,
        ..PLAIN
    };
    let text = dockerfile::render(&case.plan().unwrap()).unwrap();
    let from = text.find("FROM node:22-alpine AS trimmed").unwrap();
    let text = &text[from..];
    let runtime = text.split("ENV NODE_ENV").next().unwrap();
    insta::assert_snapshot!(runtime, @r"
    FROM node:22-alpine AS trimmed
    RUN cd /usr/local && rm -rf /opt/yarn-* include lib/node_modules share/doc share/man \
          bin/npm bin/npx bin/corepack bin/yarn bin/yarnpkg bin/docker-entrypoint.sh

    FROM scratch AS image
    COPY --from=trimmed / /
    ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    # System packages: `systemPackages.runtime` in slimbuild.json.
    USER root
    RUN apk add --no-cache git
    ");
}
