//! Runs in a pipeline: what GitHub and GitLab get of a build.

use serde_json::Value;
use slimbuild::Env;

use crate::support::daemon::{Daemon, one_daemon};
use crate::support::program::{Outcome, slimbuild_with};
use crate::support::tree::Tree;
use crate::support::unique;

/// A job of GitHub's: its checkout, and the files that its steps share.
struct Job {
    tree: Tree,
    files: tempfile::TempDir,
}

impl Job {
    fn new(tree: Tree) -> Self {
        let files = crate::support::temporary();
        Self { tree, files }
    }

    fn env(&self, host: &str, more: &[(&str, &str)]) -> Env {
        let file = |name: &str| self.files.path().join(name).display().to_string();
        let (outputs, summary) = (file("outputs"), file("summary"));
        let root = self.tree.root().display().to_string();
        let own = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_OUTPUT", &*outputs),
            ("GITHUB_STEP_SUMMARY", &summary),
            ("GITHUB_WORKSPACE", &root),
            ("DOCKER_HOST", host),
        ];
        own.into_iter().chain(more.iter().copied()).collect()
    }

    fn run(&self, daemon: &Daemon, arguments: &[&str]) -> Outcome {
        let env = self.env(&daemon.address, &[]);
        slimbuild_with(self.tree.root(), arguments, &env)
    }

    /// Without Docker.
    fn refused(&self, arguments: &[&str]) -> Outcome {
        let env = self.env("unix:///nowhere/docker.sock", &[]);
        slimbuild_with(self.tree.root(), arguments, &env)
    }

    fn read(&self, name: &str) -> String {
        fs_err::read_to_string(self.files.path().join(name)).unwrap_or_default()
    }
}

/// What GitHub's runner does with a log: the commands that it obeys, and the lines that are folded. As
/// `ActionCommandManager` of actions/runner reads them: at the start of a line, after white space.
fn obeyed(log: &str) -> (Vec<String>, Vec<String>) {
    let (mut commands, mut folded) = (Vec::new(), Vec::new());
    let (mut until, mut inside) = (None::<String>, false);
    for line in log.lines() {
        let command = line.trim_start().strip_prefix("::");
        let command = command.filter(|command| command.contains("::"));
        match (command, &until) {
            (Some(command), Some(token)) if command.strip_suffix("::") == Some(token) => {
                until = None;
            }
            (Some(command), None) => {
                if let Some(token) = command.strip_prefix("stop-commands::") {
                    until = Some(token.to_owned());
                    continue;
                }
                inside = match command.split("::").next() {
                    Some("group") => true,
                    Some("endgroup") => false,
                    _ => inside,
                };
                commands.push(command.to_owned());
            }
            _ if inside => folded.push(line.to_owned()),
            _ => {}
        }
    }
    assert!(
        until.is_none() && !inside,
        "the log ends in a section: {log}"
    );
    (commands, folded)
}

/// What a stranger's build may print to command GitHub's runner.
const INJECTIONS: [&str; 5] = [
    "::set-env name=EVIL::1",
    "  ::add-path::/evil",
    "::stop-commands::x",
    "::endgroup::",
    "::error file=evil.ts,line=1::evil",
];

#[test]
fn a_type_error_is_shown_beside_its_file() {
    one_daemon("a_type_error_is_shown_beside_its_file", |daemon| {
        let job = Job::new(Tree::shop());
        let lines = job.tree.read("apps/server/src/main.ts").lines().count();
        job.tree.append(
            "apps/server/src/main.ts",
            &format!("export const wrong: number = 'words'; // {}\n", unique()),
        );
        let print = INJECTIONS.map(|line| format!("console.log({line:?});\n"));
        job.tree
            .append("apps/server/scripts/generate.mjs", &print.concat());
        let outcome = job.run(daemon, &["apps/server"]);
        assert_eq!(outcome.code, 4, "{}", outcome.stderr);
        let (commands, folded) = obeyed(&outcome.stderr);
        let place = format!(
            "error file=apps/server/src/main.ts,line={},col=14,title=apps/server::TS2322: Type 'string' is not assignable to type 'number'.",
            lines + 1
        );
        assert_eq!(
            commands,
            ["group::apps/server: steps", "endgroup::", &place]
        );
        // They are shown, and the end of the log outside of the section too.
        for line in ["evil.ts", "name=EVIL", "error TS2322"] {
            assert!(folded.iter().any(|said| said.contains(line)), "{line}");
        }
        let said = outcome.stderr.rsplit("::endgroup::").next().unwrap();
        assert!(said.contains("error TS2322"), "{said}");
        assert_eq!(job.read("outputs"), "");
        let summary = job.read("summary");
        assert!(summary.contains("| `apps/server` | failed |"), "{summary}");
        assert!(
            summary.contains("\n- `apps/server`: the task `build` of"),
            "{summary}"
        );
    });
}

#[test]
fn github_gets_outputs_and_a_summary() {
    one_daemon("github_gets_outputs_and_a_summary", |daemon| {
        let job = Job::new(Tree::shop());
        let tag = daemon.tag("pipeline");
        let arguments = ["apps/worker", "-t", &tag.name, "--dotenv", "build.env"];
        for run in [1, 2] {
            let outcome = job.run(daemon, &arguments);
            assert_eq!(outcome.code, 0, "{}", outcome.stderr);
            let (commands, folded) = obeyed(&outcome.stderr);
            assert_eq!(commands, ["group::apps/worker: steps", "endgroup::"]);
            assert!(folded.len() > 10, "{folded:?}");
            let report = outcome.stderr.rsplit("::endgroup::").next().unwrap();
            assert!(report.contains("  image    slimbuild-it/"), "{report}");
            let summary = job.read("summary");
            let rows = summary
                .lines()
                .filter(|line| line.starts_with("| `apps/worker` | verified |"));
            let rows: Vec<&str> = rows.collect();
            assert_eq!(rows.len(), run, "{summary}");
            // The first image of this name has none before it.
            let before = rows.last().unwrap().split('|').nth(4).unwrap().trim();
            assert_eq!(before.is_empty(), run == 1, "{summary}");
        }
        let outputs = job.read("outputs");
        let lines: Vec<&str> = outputs.lines().take(4).collect();
        assert_eq!(lines[0], format!("image={}", tag.name));
        assert!(lines[3].starts_with("identity=sha256:"), "{outputs}");
        let variables = job.tree.read("build.env");
        assert!(variables.starts_with(&format!("SLIMBUILD_IMAGE={}\n", tag.name)));
        assert_eq!(variables.lines().count(), 4);
    });
}

#[test]
fn each_app_of_several_has_a_section() {
    one_daemon("each_app_of_several_has_a_section", |daemon| {
        let job = Job::new(Tree::shop());
        let prefix = format!("slimbuild-it/pipelines-{}", unique());
        job.tree
            .write("apps/worker/src/main.js", "import 'left-pad';\n");
        let name = format!("{prefix}/{{app}}:1");
        let own = ["apps/site", "apps/worker", "-j", "2", "-t", &name];
        let outcome = job.run(daemon, &[&own[..], &["--dotenv", "build.env"]].concat());
        assert_eq!(outcome.code, 4, "{}", outcome.stderr);
        let (mut commands, _) = obeyed(&outcome.stderr);
        commands.sort();
        let [end, second, error, verified, failed] = &commands[..] else {
            panic!("{commands:?}");
        };
        assert_eq!([end, second], ["endgroup::"; 2]);
        assert!(
            error.starts_with("error title=apps/worker::the image of apps/worker would not run"),
            "{error}"
        );
        assert_eq!(failed, "group::apps/worker: failed");
        assert_eq!(verified, "group::apps/site: verified");
        assert!(
            outcome.stderr.contains("apps/site   │ verified after "),
            "{}",
            outcome.stderr
        );
        let outputs = job.read("outputs");
        let images = outputs.strip_prefix("images=").unwrap();
        let images: Value = serde_json::from_str(images).unwrap();
        assert_eq!(images[0]["app"], "apps/site");
        assert_eq!(images[0]["image"], format!("{prefix}/site:1"));
        assert_eq!(images[1]["state"], "failed");
        assert_eq!(images[1]["image"], Value::Null);
        let variables = job.tree.read("build.env");
        assert_eq!(
            variables,
            format!("SLIMBUILD_REFERENCE_SITE={prefix}/site:1\n")
        );
        assert_eq!(job.read("summary").matches("\n| `apps/").count(), 2);
        daemon.remove(&format!("{prefix}/site:1"));
    });
}

#[test]
fn gitlab_gets_sections() {
    one_daemon("gitlab_gets_sections", |daemon| {
        let (tree, tag) = (Tree::shop(), daemon.tag("gitlab"));
        let run = |more: &[&str]| {
            let env = [("DOCKER_HOST", &*daemon.address), ("GITLAB_CI", "true")];
            let own = ["apps/worker", "-t", &tag.name];
            slimbuild_with(
                tree.root(),
                &[&own, more].concat(),
                &env.into_iter().collect(),
            )
        };
        let outcome = run(&[]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let said = &outcome.stderr;
        let (_, begun) = said.split_once("\u{1b}[0Ksection_start:").unwrap();
        let (section, rest) = begun.split_once("\u{1b}[0Ksection_end:").unwrap();
        assert!(
            section.contains(":apps_worker__steps[collapsed=true]\r\u{1b}[0Kapps/worker: steps\n"),
            "{section}"
        );
        assert!(
            rest.contains(":apps_worker__steps\r\u{1b}[0K\n  image    "),
            "{rest}"
        );
        for more in [&["--ci", "none"][..], &["--progress", "json"], &["-q"]] {
            let said = run(more).stderr;
            assert!(!said.contains("section_"), "{more:?}: {said}");
        }
    });
}

#[test]
fn an_error_without_a_place_is_shown_beside_the_run() {
    let job = Job::new(Tree::shop());
    let outcome = job.refused(&["apps/server", "--dotenv", "build.env"]);
    assert_eq!(outcome.code, 3);
    let (commands, _) = obeyed(&outcome.stderr);
    assert_eq!(commands.len(), 1, "{}", outcome.stderr);
    let start = "error title=apps/server::cannot reach a Docker daemon at `unix:///nowhere/docker.sock` (DOCKER_HOST): there is no such socket%0AStart Docker";
    assert!(commands[0].starts_with(start), "{commands:?}");
    let outcome = job.refused(&["apps/server", "apps/site"]);
    let (commands, _) = obeyed(&outcome.stderr);
    let titles = commands
        .iter()
        .map(|command| command.split("::").next().unwrap());
    let titles: Vec<&str> = titles.collect();
    assert_eq!(titles, ["error title=apps/server", "error title=apps/site"]);
    assert_eq!(job.read("summary").matches("| failed |").count(), 3);
    assert!(!job.tree.root().join("build.env").exists());
    let outputs = job.read("outputs");
    assert_eq!(
        outputs,
        "images=[{\"app\":\"apps/server\",\"state\":\"failed\"},{\"app\":\"apps/site\",\"state\":\"failed\"}]\n"
    );
}

#[test]
fn a_pipeline_can_be_turned_off_and_on() {
    let job = Job::new(Tree::shop());
    for more in [
        &["--ci", "none"][..],
        &["--progress", "json"],
        &["--ci", "gitlab"],
    ] {
        let outcome = job.refused(&[&["apps/server"], more].concat());
        assert_eq!(obeyed(&outcome.stderr).0, [""; 0], "{more:?}");
        assert_eq!(job.read("summary"), "", "{more:?}");
    }
    let env = [("DOCKER_HOST", "unix:///nowhere/docker.sock")];
    let env = env.into_iter().collect();
    let forced = ["apps/server", "--ci", "github"];
    let outcome = slimbuild_with(job.tree.root(), &forced, &env);
    assert_eq!(obeyed(&outcome.stderr).0.len(), 1, "{}", outcome.stderr);
    // A dry run makes nothing to tell of.
    let outcome = job.refused(&["apps/server", "--dry-run"]);
    assert_eq!((outcome.code, &*job.read("summary")), (0, ""));
}
