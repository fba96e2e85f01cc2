//! The queue of apps, and the workers that build them.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use super::refused;
use crate::commands::build::outcome::{About, Done};
use crate::commands::build::run::{Planned, Run};
use crate::commands::build::unchanged::{Looked, Seeker};
use crate::commands::error::{Error, ExitCode};
use crate::commands::prepared::Ground;
use crate::engine::Interrupt;
use crate::engine::interrupt::Trigger;
use crate::model::image::{ImageRef, ImageSize};
use crate::model::member::MemberId;
use crate::plan::Plan;
use crate::show::metadata::Metadata;
use crate::show::progress::ProgressMode;
use crate::show::seat::{Ended, News, Seat, State};
use crate::show::ui::{Manner, Ui, Volume};
use crate::system::threads::{self, STACK};
use crate::system::trail;

/// The most apps that are built at once here by default: each takes memory too.
const MAX_HERE: usize = 8;
/// How many are built at once by a machine whose cores are not known, and where nothing is built: an
/// image of a built workspace mostly waits for its app to start.
const LIGHT: usize = 8;

/// Tells an app's news.
pub(super) type Teller = SyncSender<(usize, News)>;

/// What is left of an app's build, besides how it ended.
#[derive(Default)]
pub(super) struct Result {
    /// The metadata of its image.
    pub(super) document: Option<Box<Metadata>>,
    /// What stdout gets.
    pub(super) printed: String,
    /// What a dry run says.
    pub(super) summary: String,
    /// The exit code of its error.
    pub(super) code: Option<ExitCode>,
}

/// The apps of a run.
pub(super) struct Queue<'q, 'w> {
    pub(super) run: &'q Run<'q>,
    ground: &'q Ground<'w>,
    apps: &'q [MemberId],
    /// The directories of the apps.
    pub(super) dirs: &'q [String],
    manner: Manner,
    /// Raised by a signal, and by the first failure with `--fail-fast`.
    pub(super) interrupt: Interrupt,
    trigger: Trigger,
    results: Mutex<Vec<Option<Result>>>,
}

impl<'q, 'w> Queue<'q, 'w> {
    pub(super) fn new(
        run: &'q Run<'q>,
        ground: &'q Ground<'w>,
        apps: &'q [MemberId],
        dirs: &'q [String],
        manner: Manner,
    ) -> Self {
        let (trigger, interrupt) = Interrupt::by_hand();
        Self {
            run,
            ground,
            apps,
            dirs,
            manner,
            interrupt,
            trigger,
            results: Mutex::new(apps.iter().map(|_| None).collect()),
        }
    }

    /// Passes a signal on to all apps.
    pub(super) fn obey(&self, signals: &Interrupt) {
        let again = signals.is_urgent() && !self.interrupt.is_urgent();
        if again || (signals.is_raised() && !self.interrupt.is_raised()) {
            self.trigger.raise();
        }
    }

    /// Plans all apps and builds them. Returns what is left of each; `None` for those that did not
    /// begin.
    pub(super) fn work(&self, to: &Teller) -> std::result::Result<Vec<Option<Result>>, Error> {
        // An error in a lockfile is that of all apps.
        self.ground.survey()?;
        let began = Instant::now();
        let numbers: Vec<usize> = (0..self.apps.len()).collect();
        let (planned, looked) = self.plan_all(&numbers, to)?;
        let named = planned.iter().zip(self.dirs);
        let named = named.filter_map(|(planned, dir)| Some((&**dir, &*planned.as_ref()?.tags)));
        let named: Vec<_> = named.collect();
        refused::same_names(&named)?;
        if self.run.args.engine.push {
            refused::pushes(&named)?;
        }
        let waiting: VecDeque<_> = numbers
            .into_iter()
            .zip(planned)
            .filter_map(|(app, planned)| Some((app, planned?)))
            .collect();
        if self.run.args.dry_run {
            for (app, planned) in waiting {
                self.show(app, &planned, to);
            }
        } else {
            let waiting = self.without_unchanged(waiting, &looked, began, to)?;
            self.build_all(waiting, to)?;
        }
        let results = std::mem::take(&mut *self.results());
        for (app, _) in results
            .iter()
            .enumerate()
            .filter(|(_, result)| result.is_none())
        {
            tell(app, Ended::unfinished(State::Skipped, None), to);
        }
        Ok(results)
    }

    fn results(&self) -> MutexGuard<'_, Vec<Option<Result>>> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The streams of an app.
    pub(super) fn ui(&self, app: usize, to: &Teller) -> Ui {
        Ui::seated(Seat::new(app, to.clone()), self.manner)
    }

    /// The plans of all apps, and what is there already of their images.
    fn plan_all(
        &self,
        numbers: &[usize],
        to: &Teller,
    ) -> std::result::Result<(Vec<Option<Planned<'_, 'w>>>, Looked), Error> {
        if !self.run.args.engine.skip_unchanged || self.run.args.dry_run {
            let planned = threads::map(numbers, 1, |&app| self.plan(app, None, to));
            return Ok((planned, Looked::default()));
        }
        thread::scope(|scope| {
            let (seeker, looking) = Seeker::start(self.run, &self.interrupt, scope)?;
            let planned = threads::map(numbers, 1, |&app| self.plan(app, Some(&seeker), to));
            drop(seeker);
            let looked = looking
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok((planned, looked?))
        })
    }

    /// The plan of an app; `None` if there is none.
    fn plan(
        &self,
        app: usize,
        seeker: Option<&Seeker<'_, '_>>,
        to: &Teller,
    ) -> Option<Planned<'_, 'w>> {
        if self.interrupt.is_raised() {
            return None;
        }
        let began = Instant::now();
        let mut ui = self.ui(app, to);
        ui.set_state(State::Planning);
        let mut engine = self.run.args.engine.clone();
        if let Some(cache) = &mut engine.builder.cache {
            let image = Plan::default_image(self.ground.workspace, self.apps[app]);
            *cache = own_cache(cache, &image);
        }
        let planned = self.run.plan(self.ground, self.apps[app], engine);
        let planned = planned.and_then(|mut planned| {
            if let Some(seeker) = seeker {
                seeker.ask(app, &mut planned)?;
            }
            Ok(planned)
        });
        match planned {
            Ok(planned) => {
                ui.set_state(State::Waiting);
                Some(planned)
            }
            Err(error) => {
                self.failed(app, &error, began, &mut ui, to);
                None
            }
        }
    }

    /// What a dry run shows of an app.
    fn show(&self, app: usize, planned: &Planned<'_, '_>, to: &Teller) {
        let mut ui = self.ui(app, to);
        let warned = self.run.warn_all(&planned.plan.warnings, &mut ui);
        match warned.and_then(|()| planned.shown(self.run)) {
            Ok((text, summary)) => {
                let result = Result {
                    printed: format!("# {}\n{text}\n", self.dirs[app]),
                    summary: summary.trim_start().to_owned(),
                    ..Result::default()
                };
                self.results()[app] = Some(result);
                let ended = Ended::unfinished(State::Planned, None);
                end(app, ended, ui, to);
            }
            Err(error) => self.failed(app, &error, Instant::now(), &mut ui, to),
        }
    }

    /// Builds all apps with a few workers.
    fn build_all<'p>(
        &'p self,
        waiting: VecDeque<(usize, Planned<'p, 'w>)>,
        to: &Teller,
    ) -> std::result::Result<(), Error> {
        let jobs = self.jobs(&waiting);
        let waiting = Mutex::new(waiting);
        let next = || {
            let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.pop_front().filter(|_| !self.interrupt.is_raised())
        };
        let work = || {
            while let Some((app, planned)) = next() {
                self.build(app, planned, to);
            }
        };
        thread::scope(|scope| {
            for _ in 0..jobs {
                let worker = thread::Builder::new().stack_size(STACK);
                worker
                    .spawn_scoped(scope, work)
                    .map_err(Error::io("cannot start a thread"))?;
            }
            Ok(())
        })
    }

    /// How many apps are built at once.
    fn jobs(&self, waiting: &VecDeque<(usize, Planned<'_, '_>)>) -> usize {
        let jobs = match self.run.args.queue.jobs {
            Some(jobs) => jobs.into(),
            None if self.run.args.plan.prebuilt => LIGHT,
            None if waiting
                .iter()
                .any(|(_, planned)| planned.is_built_elsewhere(self.run)) =>
            {
                LIGHT
            }
            // One build uses about two cores. More builds than that take longer than one after the other.
            None => (threads::cores() / 2).clamp(1, MAX_HERE),
        };
        jobs.min(waiting.len())
    }

    /// Builds an app as it would be built alone.
    fn build(&self, app: usize, planned: Planned<'_, '_>, to: &Teller) {
        let began = Instant::now();
        let _kept = (self.manner.volume == Volume::Verbose).then(trail::keep);
        let mut ui = self.ui(app, to);
        ui.set_state(State::Building);
        let made = self.made(planned, began, &mut ui);
        self.ended(app, made, began, ui, to);
    }

    /// Keeps and tells how an app ended.
    pub(super) fn ended(
        &self,
        app: usize,
        made: std::result::Result<(Result, Ended), Error>,
        began: Instant,
        mut ui: Ui,
        to: &Teller,
    ) {
        match made {
            Ok((result, ended)) => {
                self.results()[app] = Some(result);
                end(app, ended, ui, to);
            }
            Err(error) => self.failed(app, &error, began, &mut ui, to),
        }
    }

    fn made(
        &self,
        planned: Planned<'_, '_>,
        began: Instant,
        ui: &mut Ui,
    ) -> std::result::Result<(Result, Ended), Error> {
        let (job, driver) = self.run.prepare(planned, Some(&self.interrupt), ui)?;
        let done = self.run.build(&job, &*driver, ui)?;
        self.reported(&done, job.about(), began, ui)
    }

    /// Reports an image. Returns what is left of its app.
    pub(super) fn reported(
        &self,
        done: &Done,
        about: About<'_>,
        began: Instant,
        ui: &mut Ui,
    ) -> std::result::Result<(Result, Ended), Error> {
        let took = began.elapsed();
        let document = done.metadata(&about, took);
        if self.run.mode != ProgressMode::Tty {
            done.report(&about, took, &document, ui)
                .map_err(Error::io("cannot write the report"))?;
        }
        let ended = Ended {
            state: done.state(about.plan),
            image: about.tags.first().map(ImageRef::to_string),
            size: size(&done.image.sizes),
            took: Some(took),
            fault: None,
        };
        let result = Result {
            document: Some(Box::new(document)),
            printed: done.printed(&about) + "\n",
            ..Result::default()
        };
        Ok((result, ended))
    }

    /// Tells that an app has failed, and stops the others if that is wanted.
    fn failed(&self, app: usize, error: &Error, began: Instant, ui: &mut Ui, to: &Teller) {
        let took = Some(began.elapsed());
        if error.is_interrupt() && self.interrupt.is_raised() {
            let ended = Ended::unfinished(State::Stopped, took);
            self.results()[app] = Some(Result::default());
            ui.flush();
            tell(app, ended, to);
            return;
        }
        let (hint, code) = (error.hint(), error.exit_code());
        let ended = Ended {
            fault: Some(ui.fault_at(ui.fault(error, hint.as_deref(), code as u8), error.places())),
            ..Ended::unfinished(State::Failed, took)
        };
        self.results()[app] = Some(Result {
            code: Some(code),
            ..Result::default()
        });
        ui.flush();
        tell(app, ended, to);
        if self.run.args.queue.fail_fast {
            self.trigger.raise();
        }
    }
}

/// Tells how an app ended, after all that its streams still hold.
fn end(app: usize, ended: Ended, mut ui: Ui, to: &Teller) {
    ui.flush();
    drop(ui);
    tell(app, ended, to);
}

fn tell(app: usize, ended: Ended, to: &Teller) {
    Seat::new(app, to.clone()).tell(News::Ended(Box::new(ended)));
}

/// The size of an image for one platform: where it runs, or to pull.
fn size(sizes: &[ImageSize]) -> Option<u64> {
    match sizes {
        [size] => size.unpacked.or(size.packed),
        _ => None,
    }
}

/// The cache of one app: with the image's name in its tag, since each app has results of its own.
fn own_cache(name: &ImageRef, image: &str) -> ImageRef {
    let whole = name.to_string();
    let given = name
        .tag()
        .filter(|tag| *tag != "latest" || whole.ends_with(":latest"));
    let tag = given.map_or_else(|| image.to_owned(), |tag| format!("{tag}-{image}"));
    let own = format!("{}:{tag}", name.name());
    own.parse().unwrap_or_else(|_| name.clone())
}
