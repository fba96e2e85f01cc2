//! What goes wrong while several apps are built: a connection that breaks, and Ctrl-C.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::servers;
use crate::support::daemon::{one_daemon, skipped};
use crate::support::line::Line;
use crate::support::program::PROGRAM;
use crate::support::tree::Tree;

/// Starts a build of all apps.
fn start(tree: &Tree, address: &str, more: &[&str]) -> Child {
    // A test run in the background ignores signals, and so would its children.
    Command::new("env")
        .args(["--default-signal=HUP,INT,TERM", PROGRAM, "--all"])
        .args(more)
        .current_dir(tree.root())
        .env("DOCKER_HOST", address)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Whether a line of the log says that the app's build runs, and does not only name the step.
fn works(line: &str, app: &str) -> bool {
    line.starts_with(&format!("apps/{app} "))
        && line.contains("at work")
        && !line.contains("console")
}

/// Names under which no other test builds, removed at the end.
fn named(tree: &Tree, apps: &[&str]) -> Vec<String> {
    let run = crate::support::unique();
    let names = apps.iter().map(|app| {
        let name = format!("slimbuild-it/many-{app}:{run}");
        let names = format!(r#"{{"tags": ["{name}"]}}"#);
        tree.write(&format!("apps/{app}/slimbuild.json"), &names);
        name
    });
    names.collect()
}

#[test]
fn an_app_whose_connection_is_cut_twice_is_built_and_one_that_fails_stops_no_other() {
    let test = "an_app_whose_connection_is_cut_twice_is_built_and_one_that_fails_stops_no_other";
    one_daemon(test, |daemon| {
        let Some(line) = Line::to(&daemon.address) else {
            return skipped("the daemon has no socket", test);
        };
        let slow = "console.log('at work'); setTimeout(write, 6000)";
        let tree = servers(&[
            ("cut", slow),
            ("fails", "process.exit(3)"),
            ("passes", "write()"),
        ]);
        let names = named(&tree, &["cut", "fails", "passes"]);
        let more = ["-j", "1", "--progress", "plain"];
        let mut child = start(&tree, &line.address, &more);
        let (mut said, mut cuts) = (String::new(), 0);
        for text in BufReader::new(child.stderr.take().unwrap()).lines() {
            let text = text.unwrap();
            if cuts < 2 && works(&text, "cut") {
                line.interrupt();
                cuts += 1;
            }
            said.push_str(&text);
            said.push('\n');
        }
        let code = child.wait().unwrap().code();
        assert_eq!((code, cuts), (Some(4), 2), "{said}");
        let states: Vec<&str> = said
            .lines()
            .filter(|line| line.starts_with("apps/cut "))
            .filter_map(|line| line.split_once("│ "))
            .map(|(_, rest)| rest)
            .filter(|rest| {
                let words = ["building", "retrying", "verified "];
                words.iter().any(|word| rest.starts_with(word))
            })
            .map(|rest| rest.split_once(" after ").map_or(rest, |(state, _)| state))
            .collect();
        let expected = [
            "building",
            "retrying 1/3",
            "building",
            "retrying 2/3",
            "building",
            "verified",
        ];
        assert_eq!(states, expected, "{said}");
        assert!(said.contains("\napps/passes │ verified after "), "{said}");
        assert!(
            said.ends_with("error: 1 of 3 apps failed: apps/fails\n"),
            "{said}"
        );
        for name in [&names[0], &names[2]] {
            daemon.remove(name);
        }
    });
}

#[test]
fn an_interrupt_stops_all_apps() {
    one_daemon("an_interrupt_stops_all_apps", |daemon| {
        let slow = "console.log('at work'); setTimeout(write, 300000)";
        let apps = ["a", "b", "c", "d"];
        let tree = servers(&apps.map(|app| (app, slow)));
        let names = named(&tree, &apps);
        let more = ["-j", "3", "--progress", "plain"];
        let mut child = start(&tree, &daemon.address, &more);
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut waited: Vec<&str> = apps[..3].to_vec();
        let mut said = String::new();
        while !waited.is_empty() {
            let text = lines.next().unwrap_or_else(|| panic!("{said}")).unwrap();
            waited.retain(|app| !works(&text, app));
            said.push_str(&text);
            said.push('\n');
        }
        let began = Instant::now();
        let id = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
        kill_process(id, Signal::INT).unwrap();
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        let code = child.wait().unwrap().code();
        let took = began.elapsed();
        let rest = rest.join("\n");
        assert_eq!(code, Some(130), "{rest}");
        assert!(took < Duration::from_secs(2), "{took:?}\n{rest}");
        let table: Vec<(&str, &str)> = rest
            .lines()
            .filter_map(|line| {
                let mut words = line.split_whitespace();
                let app = words.next().filter(|app| app.starts_with("apps/"))?;
                Some((app, words.next()?)).filter(|(_, word)| *word != "│")
            })
            .collect();
        let expected = [
            ("apps/a", "stopped"),
            ("apps/b", "stopped"),
            ("apps/c", "stopped"),
            ("apps/d", "skipped"),
        ];
        assert_eq!(table, expected, "{rest}");
        assert!(rest.ends_with("\nerror: interrupted"), "{rest}");
        for name in names {
            assert!(daemon.wait(daemon.client.inspect_image(&name)).is_err());
        }
    });
}
