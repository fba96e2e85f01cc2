//! [`Interrupt`]: the user's request to stop, as a value that a build waits for, and this process's
//! signal handling.
//!
//! The first signal asks listeners to stop, which may take as long as a step needs to end cleanly.
//! The second one, or too long a time after the first, ends the process here: what is noted in
//! [`leftovers`] is removed without waiting for anything else. The first one does the same if there
//! is no listener, for example while planning. The third ends the process at once.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::watch;

use crate::system::leftovers;

/// How long listeners may take to stop after the first signal. Steps get three seconds of it.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// The exit code after a panic, as in other programs in Rust.
const PANICKED: i32 = 101;
/// How long removing the noted leftovers may take.
const CLEANUP_TIMEOUT: Duration = Duration::from_secs(30);

/// How urgent the request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    None,
    Stop,
    StopAtOnce,
}

/// Ctrl-C, a termination signal, or a closed terminal; or the [`Trigger`] of an embedding program.
#[derive(Debug, Clone)]
pub struct Interrupt(watch::Receiver<Wish>);

/// Raises the [`Interrupt`] that it was made with.
#[derive(Debug)]
pub struct Trigger(watch::Sender<Wish>);

impl Trigger {
    /// Asks listeners to stop. The second time, asks them to stop at once.
    pub fn raise(&self) {
        self.0.send_modify(|wish| {
            *wish = match wish {
                Wish::None => Wish::Stop,
                Wish::Stop | Wish::StopAtOnce => Wish::StopAtOnce,
            }
        });
    }
}

impl Interrupt {
    /// An interrupt raised by a trigger. Dropping the trigger does not raise it.
    pub fn by_hand() -> (Trigger, Self) {
        let (sender, receiver) = watch::channel(Wish::None);
        (Trigger(sender), Self(receiver))
    }

    /// Listens for the signals of this process while the value lives. The caller must then stop
    /// when a signal comes.
    pub fn listen() -> io::Result<Self> {
        handle_signals()?;
        let sender = SIGNALS.get().ok_or(io::ErrorKind::Other)?;
        Ok(Self(sender.subscribe()))
    }

    /// Whether it was raised.
    pub fn is_raised(&self) -> bool {
        *self.0.borrow() >= Wish::Stop
    }

    /// Whether it was raised a second time: there is no time for a clean end.
    pub fn is_urgent(&self) -> bool {
        *self.0.borrow() == Wish::StopAtOnce
    }

    /// Returns when it is raised.
    pub(super) async fn raised(&self) {
        let mut receiver = self.0.clone();
        let raised = receiver.wait_for(|wish| *wish >= Wish::Stop).await;
        if raised.is_err() {
            // The trigger was dropped, so the interrupt can no longer be raised.
            std::future::pending::<()>().await;
        }
    }
}

/// Tells listeners about the process's signals.
static SIGNALS: OnceLock<watch::Sender<Wish>> = OnceLock::new();
/// The number of the first signal received; 0 for none.
static FIRST: AtomicU8 = AtomicU8::new(0);

/// The exit code after a signal: 128 plus its number, as in shells. `None` if there was none.
pub fn signalled() -> Option<u8> {
    match FIRST.load(Ordering::SeqCst) {
        0 => None,
        number => Some(128 + number),
    }
}

/// Handles the signals that end this process: what is noted in [`leftovers`] is removed first.
pub fn handle_signals() -> io::Result<()> {
    if SIGNALS.get().is_some() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // Registered before this function returns, so that no signal is missed.
    let signals = {
        let _inside = runtime.enter();
        Signals::register()?
    };
    let (sender, _) = watch::channel(Wish::None);
    if SIGNALS.set(sender.clone()).is_err() {
        return Ok(()); // Another thread did the same.
    }
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || runtime.block_on(obey(signals, sender)))?;
    Ok(())
}

/// Ends the process after a panic as after a signal: what is noted in [`leftovers`] is removed. The
/// program is compiled without unwinding, so nothing else would remove it.
pub fn handle_panics() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        leftovers::remove_all();
        end_process(PANICKED);
    }));
}

async fn obey(mut signals: Signals, sender: watch::Sender<Wish>) {
    let number = signals.next().await;
    FIRST.store(number, Ordering::SeqCst);
    if sender.receiver_count() > 0 {
        sender.send_replace(Wish::Stop);
        let again = tokio::time::timeout(STOP_TIMEOUT, signals.next());
        let _waited_long = again.await;
        sender.send_replace(Wish::StopAtOnce);
    }
    let code = i32::from(128 + number);
    thread::spawn(move || {
        leftovers::remove_all();
        end_process(code);
    });
    let again = tokio::time::timeout(CLEANUP_TIMEOUT, signals.next());
    let _waited_long = again.await;
    end_process(code);
}

#[expect(
    clippy::exit,
    clippy::disallowed_methods,
    reason = "what must not stay behind is gone, and the main thread is somewhere where it does not hear that it should return"
)]
fn end_process(code: i32) {
    std::process::exit(code);
}

#[cfg(unix)]
struct Signals(Vec<(u8, tokio::signal::unix::Signal)>);

#[cfg(unix)]
impl Signals {
    fn register() -> io::Result<Self> {
        use rustix::process::Signal;
        use tokio::signal::unix::{SignalKind, signal};
        let mut signals = Vec::new();
        for kind in [Signal::INT, Signal::TERM, Signal::HUP] {
            let number = kind.as_raw();
            // `nohup` makes the process ignore SIGHUP on purpose.
            if kind != Signal::HUP || !is_ignored(number) {
                let number = u8::try_from(number).unwrap_or_default();
                signals.push((number, signal(SignalKind::from_raw(number.into()))?));
            }
        }
        Ok(Self(signals))
    }

    /// Waits for a signal and returns its number.
    async fn next(&mut self) -> u8 {
        let waits = self.0.iter_mut().map(|(number, signal)| {
            let number = *number;
            Box::pin(async move {
                signal.recv().await;
                number
            })
        });
        futures_util::future::select_all(waits).await.0
    }
}

/// Whether this process was started with a signal ignored. Only Linux reports this.
#[cfg(unix)]
fn is_ignored(number: i32) -> bool {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (number - 1)) != 0)
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn register() -> io::Result<Self> {
        Ok(Self(tokio::signal::windows::ctrl_c()?))
    }

    async fn next(&mut self) -> u8 {
        self.0.recv().await;
        2
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;
    use crate::system::workdir::WorkDir;

    /// The process of [`a_panic_leaves_nothing_behind`]. Nothing but the hook removes its directory.
    #[test]
    #[ignore = "it ends its process"]
    fn panics() {
        handle_panics();
        let work = WorkDir::new().unwrap();
        println!("work: {}", work.path().display());
        std::mem::forget(work);
        panic!("on purpose");
    }

    #[test]
    fn a_panic_leaves_nothing_behind() {
        let name = "engine::interrupt::tests::panics";
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--ignored", "--nocapture"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let line = said.lines().find_map(|line| line.split_once("work: "));
        let (_, path) = line.expect(&said);
        assert!(!Path::new(path).exists(), "{path}");
        assert_eq!(output.status.code(), Some(101));
        let reported = String::from_utf8_lossy(&output.stderr);
        assert!(reported.contains("on purpose"), "{reported}");
        assert!(!said.contains("test result"), "{said}");
    }

    #[test]
    fn the_second_time_it_is_urgent() {
        let (trigger, interrupt) = Interrupt::by_hand();
        assert!(!interrupt.is_raised());
        trigger.raise();
        assert!(interrupt.is_raised() && !interrupt.is_urgent());
        trigger.raise();
        assert!(interrupt.is_raised() && interrupt.is_urgent());
    }
}
