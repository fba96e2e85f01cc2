use insta::assert_snapshot;

use super::*;
use crate::engine::StepId;
use crate::show::progress::tests::begun;
use crate::show::testing::Screen;

/// A view, and the screen that it is drawn on.
struct Watched {
    rows: Rows,
    steps: Steps,
    screen: Screen,
    began: Instant,
}

impl Watched {
    fn new() -> Self {
        let screen = Screen::new(60);
        // The rate limit would drop frames at will.
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(screen.clone()), 255);
        let began = Instant::now();
        let mut rows = Rows::new(target, false);
        rows.title("building shop/server:latest");
        Self {
            rows,
            steps: Steps::default(),
            screen,
            began,
        }
    }

    fn show(&mut self, events: &[Event], seconds: f64) {
        for event in events {
            let lines = self.steps.apply(event);
            let now = self.began + Duration::from_secs_f64(seconds);
            self.rows.show(event, &lines, &self.steps, now);
        }
    }

    /// What stands there after a while.
    fn at(&mut self, seconds: f64) -> String {
        // indicatif drops frames that come too fast by the real clock.
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(50));
            self.rows
                .tick(self.began + Duration::from_secs_f64(seconds));
        }
        // Which frame of the spinner it is depends on how many were drawn.
        let frames = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";
        self.screen
            .text()
            .replace(|drawn| frames.contains(drawn), "*")
    }
}

#[test]
fn what_runs_stands_below_what_ended() {
    let mut watched = Watched::new();
    watched.show(&begun(), 0.0);
    assert_snapshot!(watched.at(12.34), @r"
    ✓   0.0s  context sent, 1.23 MB

    *  12.3s  [deps 2/2] RUN pnpm install --frozen-lockfile
              Lockfile is up to date
    *  12.3s  building shop/server:latest · 1 of 2 steps
    ");
}

#[test]
fn nothing_moves_at_once() {
    let mut watched = Watched::new();
    watched.show(&begun(), 0.0);
    assert_snapshot!(watched.at(0.2), @r"
    ✓   0.0s  context sent, 1.23 MB
    ");
}

#[test]
fn what_ended_stays_and_the_rest_goes() {
    let mut watched = Watched::new();
    watched.show(&begun(), 0.0);
    watched.at(12.0);
    let took = Duration::from_secs(12);
    watched.show(
        &[
            Event::StepDone {
                step: StepId(3),
                took,
            },
            Event::StepStarted { step: StepId(4) },
            Event::Transfer {
                step: StepId(4),
                what: "exporting layers".to_owned(),
                current: 0,
                total: None,
                done: false,
            },
        ],
        12.0,
    );
    assert_snapshot!(watched.at(14.0), @r"
    ✓   0.0s  context sent, 1.23 MB
    ✓  12.0s  [deps 2/2] RUN pnpm install --frozen-lockfile

    *   2.0s  write the image
              exporting layers
    *  14.0s  building shop/server:latest · 2 of 2 steps
    ");
    watched.rows.clear();
    assert_snapshot!(watched.screen.text(), @r"
    ✓   0.0s  context sent, 1.23 MB
    ✓  12.0s  [deps 2/2] RUN pnpm install --frozen-lockfile
    ");
}

#[test]
fn a_failed_step_leaves_its_log_to_the_end() {
    let mut watched = Watched::new();
    watched.show(&begun(), 0.0);
    watched.at(1.0);
    watched.show(
        &[Event::StepFailed {
            step: StepId(3),
            message: "exit code: 1".to_owned(),
        }],
        1.0,
    );
    watched.rows.clear();
    assert_snapshot!(watched.screen.text(), @r"
    ✓   0.0s  context sent, 1.23 MB
    ");
}

#[test]
fn mounts_are_left_out_of_names() {
    assert_eq!(
        rows::short("[deps 2/2] RUN --mount=type=cache,id=pnpm,target=/pnpm/store pnpm install"),
        "[deps 2/2] RUN pnpm install"
    );
    assert_eq!(rows::short(&"x".repeat(200)).chars().count(), 68);
}
