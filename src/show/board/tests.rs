use std::sync::{Arc, Mutex};

use insta::assert_snapshot;

use super::*;
use crate::show::seat::{Doing, Fault};
use crate::show::testing::Screen;
use crate::show::ui::Volume;

/// A stream that can be read afterwards.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn names(count: usize) -> Vec<String> {
    let all = ["apps/api", "apps/web", "apps/background-worker"];
    let more = (all.len()..count).map(|number| format!("apps/n{number}"));
    all.iter()
        .map(|&name| name.to_owned())
        .chain(more)
        .collect()
}

fn line(text: &str) -> News {
    News::Line(text.to_owned())
}

fn verified() -> News {
    News::Ended(Box::new(Ended {
        state: State::Verified,
        image: Some("api:latest".to_owned()),
        size: Some(148_210_000),
        took: Some(Duration::from_millis(12_340)),
        fault: None,
    }))
}

fn failed() -> News {
    let took = Some(Duration::from_millis(3_100));
    News::Ended(Box::new(Ended {
        fault: Some(Fault {
            message: "the build failed: `node build.js` in apps/web ended with exit code 7, and what it said is above".to_owned(),
            hint: Some("look at it".to_owned()),
            text: "the build failed\n\nhint: look at it\n".to_owned(),
            code: 4,
            places: Vec::new(),
        }),
        ..Ended::unfinished(State::Failed, took)
    }))
}

fn doing(count: (usize, usize), step: &str, detail: &str) -> News {
    News::Doing(Doing {
        count,
        step: step.to_owned(),
        detail: detail.to_owned(),
    })
}

/// What is printed of a run in which one app is verified, one fails and one is skipped.
fn printed(mode: ProgressMode) -> String {
    let sink = Sink::default();
    let mut ui = Ui::plain(Box::new(io::sink()), Box::new(sink.clone()));
    if mode == ProgressMode::Quiet {
        ui.set_volume(Volume::Quiet);
    }
    let mut board = Board::new(mode, names(3), &mut ui);
    let retrying = State::Retrying { number: 2, of: 3 };
    for (app, news) in [
        (0, News::State(State::Planning)),
        (0, News::State(State::Waiting)),
        (0, News::State(State::Building)),
        (1, line("warning: something")),
        (1, line(r#"{"event":"warning","message":"\"quoted\""}"#)),
        (0, News::State(retrying)),
        (0, line("")),
        (0, doing((1, 2), "RUN x", "y")),
        (1, failed()),
        (0, verified()),
        (
            2,
            News::Ended(Box::new(Ended::unfinished(State::Skipped, None))),
        ),
    ] {
        board.show(app, news);
    }
    board.finish(true).unwrap();
    ui.flush();
    String::from_utf8(sink.0.lock().unwrap().clone()).unwrap()
}

#[test]
fn lines_begin_with_the_app_and_errors_come_last() {
    assert_snapshot!(printed(ProgressMode::Plain), @r#"
    apps/api               │ building
    apps/web               │ warning: something
    apps/web               │ {"event":"warning","message":"\"quoted\""}
    apps/api               │ retrying 2/3
    apps/api               │
    apps/web               │ failed after 3.1s: the build failed: `node build.js` in apps/web ended with exit code 7, and what it said is above
    apps/api               │ verified after 12.3s: api:latest, 148.21 MB
    apps/background-worker │ skipped

    app                     state     image            size    time
    apps/api                verified  api:latest  148.21 MB  12.3 s
    apps/web                failed                            3.1 s
    apps/background-worker  skipped

    error: apps/web: the build failed

    hint: look at it
    "#);
    assert_snapshot!(printed(ProgressMode::Quiet), @"
    error: apps/web: the build failed

    hint: look at it
    ");
}

#[test]
fn each_line_of_the_json_stream_is_an_object_with_the_app() {
    let text = printed(ProgressMode::Json);
    for line in text.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            event["app"].is_string() || event["event"] == "apps",
            "{line}"
        );
    }
    assert_snapshot!(text, @r#"
    {"app":"apps/api","event":"state","state":"planning"}
    {"app":"apps/api","event":"state","state":"waiting"}
    {"app":"apps/api","event":"state","state":"building"}
    {"app":"apps/web","event":"note","message":"warning: something"}
    {"app":"apps/web","event":"warning","message":"\"quoted\""}
    {"app":"apps/api","event":"state","state":"retrying","number":2,"of":3}
    {"app":"apps/api","event":"note","message":""}
    {"app":"apps/web","event":"state","state":"failed","image":null,"size":null,"seconds":3.1,"message":"the build failed: `node build.js` in apps/web ended with exit code 7, and what it said is above","hint":"look at it","code":4}
    {"app":"apps/api","event":"state","state":"verified","image":"api:latest","size":148210000,"seconds":12.34,"message":null,"hint":null,"code":null}
    {"app":"apps/background-worker","event":"state","state":"skipped","image":null,"size":null,"seconds":null,"message":null,"hint":null,"code":null}
    {"event":"apps","apps":[{"app":"apps/api","state":"verified","image":"api:latest","size":148210000,"seconds":12.34,"message":null,"hint":null,"code":null},{"app":"apps/web","state":"failed","image":null,"size":null,"seconds":3.1,"message":"the build failed: `node build.js` in apps/web ended with exit code 7, and what it said is above","hint":"look at it","code":4},{"app":"apps/background-worker","state":"skipped","image":null,"size":null,"seconds":null,"message":null,"hint":null,"code":null}]}
    "#);
}

/// Rows, and the screen that they are drawn on.
struct Watched {
    rows: Rows,
    names: Vec<String>,
    screen: Screen,
    began: Instant,
}

impl Watched {
    fn new(count: usize) -> Self {
        let screen = Screen::new(80);
        // The rate limit would drop frames at will.
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(screen.clone()), 255);
        let names = names(count);
        Self {
            rows: Rows::new(target, &names, false),
            names,
            screen,
            began: Instant::now(),
        }
    }

    fn show(&mut self, app: usize, news: &News, seconds: f64) {
        let now = self.began + Duration::from_secs_f64(seconds);
        let prefix = prefix(&self.names, app, false);
        self.rows.show(app, news, &prefix, now);
    }

    /// What stands there after a while.
    fn at(&mut self, seconds: f64) -> String {
        // indicatif drops frames that come too fast by the real clock.
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(50));
            self.rows
                .tick(self.began + Duration::from_secs_f64(seconds));
        }
        let frames = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";
        let text = self.screen.text();
        text.replace(|drawn| frames.contains(drawn), "*")
    }
}

#[test]
fn what_runs_unfolds_and_what_waits_is_named() {
    let mut watched = Watched::new(8);
    for app in 0..8 {
        watched.show(app, &News::State(State::Planning), 0.0);
        watched.show(app, &News::State(State::Waiting), 0.1);
    }
    assert_snapshot!(watched.at(0.2), @"

    *   0.2s  0 of 8 apps · 8 waiting: apps/api, apps/web, apps/background-worker, …
    ");
    watched.show(0, &News::State(State::Building), 0.2);
    watched.show(1, &News::State(State::Building), 0.2);
    watched.show(
        0,
        &doing(
            (3, 12),
            "[deps 2/2] RUN pnpm install --frozen-lockfile",
            "Progress: resolved 206, reused 206",
        ),
        5.0,
    );
    watched.show(1, &line("warning: something to know"), 5.0);
    assert_snapshot!(watched.at(12.5), @"
    apps/web               │ warning: something to know

    *  12.3s  apps/api                building · 3 of 12 steps
                [deps 2/2] RUN pnpm install --frozen-lockfile
                  Progress: resolved 206, reused 206
    *  12.3s  apps/web                building
    *  12.5s  0 of 8 apps · 6 waiting: apps/background-worker, apps/n3, apps/n4, …
    ");
    watched.show(1, &News::State(State::Retrying { number: 1, of: 3 }), 13.0);
    watched.show(0, &verified(), 13.0);
    watched.show(2, &News::State(State::Building), 13.0);
    assert_snapshot!(watched.at(14.0), @"
    apps/web               │ warning: something to know
    ✓  12.3s  apps/api                verified: api:latest, 148.21 MB

    *  13.8s  apps/web                retrying 1/3
    *   1.0s  apps/background-worker  building
    *  14.0s  1 of 8 apps · 5 waiting: apps/n3, apps/n4, apps/n5, …
    ");
    watched.show(1, &failed(), 15.0);
    watched.rows.clear();
    assert_snapshot!(watched.screen.text(), @"
    apps/web               │ warning: something to know
    ✓  12.3s  apps/api                verified: api:latest, 148.21 MB
    ✗   3.1s  apps/web                failed: the build failed: `node build.js` i…
    ");
}

#[test]
fn many_that_run_have_a_line_each() {
    let mut watched = Watched::new(8);
    for app in 0..7 {
        watched.show(app, &News::State(State::Building), 0.0);
        watched.show(app, &doing((1, 2), "RUN x", "y"), 1.0);
    }
    assert_snapshot!(watched.at(2.0), @"

    *   2.0s  apps/api                building · 1 of 2 steps · RUN x
    *   2.0s  apps/web                building · 1 of 2 steps · RUN x
    *   2.0s  apps/background-worker  building · 1 of 2 steps · RUN x
    *   2.0s  apps/n3                 building · 1 of 2 steps · RUN x
    *   2.0s  apps/n4                 building · 1 of 2 steps · RUN x
    *   2.0s  apps/n5                 building · 1 of 2 steps · RUN x
    *   2.0s  apps/n6                 building · 1 of 2 steps · RUN x
    *   2.0s  0 of 8 apps · 1 waiting: apps/n7
    ");
}
