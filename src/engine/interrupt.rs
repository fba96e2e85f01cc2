//! [`Interrupt`]: a person's wish to stop, as a value that a build waits for, and what the signals of this process do.
//!
//! The first signal asks whoever listens to stop, which takes a step's time to end well. The second, or too long a time after the first, ends the
//! process here: what is noted in [`leftovers`] is removed, and nothing else is waited for. So does the first where nobody listens: while it is
//! planned, say. The third ends the process as it is.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::watch;

use crate::system::leftovers;

/// How long whoever listens may take to stop after the first signal. Steps get three seconds of it.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take to remove what is noted.
const AT_LAST: Duration = Duration::from_secs(30);

/// How urgent it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    None,
    Stop,
    StopAtOnce,
}

/// Ctrl-C, a request to terminate, or a terminal that is closed; or the [`Trigger`] of an embedding program.
#[derive(Debug, Clone)]
pub struct Interrupt(watch::Receiver<Wish>);

/// Raises the [`Interrupt`] that it was made with.
#[derive(Debug)]
pub struct Trigger(watch::Sender<Wish>);

impl Trigger {
    /// Asks what waits for the interrupt to stop; the second time, to do nothing else.
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
    /// An interrupt that is raised by hand, and never when the trigger is dropped.
    pub fn by_hand() -> (Trigger, Self) {
        let (sender, receiver) = watch::channel(Wish::None);
        (Trigger(sender), Self(receiver))
    }

    /// Listens for the signals of this process for as long as the value lives, and takes it upon the caller to end well when one comes.
    pub fn listen() -> io::Result<Self> {
        handle_signals()?;
        let sender = SIGNALS.get().ok_or(io::ErrorKind::Other)?;
        Ok(Self(sender.subscribe()))
    }

    /// Whether it was raised.
    pub fn is_raised(&self) -> bool {
        *self.0.borrow() >= Wish::Stop
    }

    /// Whether it was raised again: there is no time to ask anybody to end well.
    pub fn is_urgent(&self) -> bool {
        *self.0.borrow() == Wish::StopAtOnce
    }

    /// Returns when it is raised.
    pub(super) async fn raised(&self) {
        let mut receiver = self.0.clone();
        let raised = receiver.wait_for(|wish| *wish >= Wish::Stop).await;
        if raised.is_err() {
            // The trigger is gone, so nobody can raise it any more.
            std::future::pending::<()>().await;
        }
    }
}

/// What listens hears here of the process's signals.
static SIGNALS: OnceLock<watch::Sender<Wish>> = OnceLock::new();
/// The number of the first signal that came, or zero.
static FIRST: AtomicU8 = AtomicU8::new(0);

/// The exit code that a signal asks for, if one came: 128 and its number, as shells say it.
pub fn signalled() -> Option<u8> {
    match FIRST.load(Ordering::SeqCst) {
        0 => None,
        number => Some(128 + number),
    }
}

/// Has signals end this process only after what is noted in [`leftovers`] is removed. They no longer end it by themselves, until it ends.
pub fn handle_signals() -> io::Result<()> {
    if SIGNALS.get().is_some() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // Registered before this function returns: no signal slips through.
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

async fn obey(mut signals: Signals, sender: watch::Sender<Wish>) {
    let number = signals.next().await;
    FIRST.store(number, Ordering::SeqCst);
    if sender.receiver_count() > 0 {
        sender.send_replace(Wish::Stop);
        let again = tokio::time::timeout(PATIENCE, signals.next());
        let _waited_long = again.await;
        sender.send_replace(Wish::StopAtOnce);
    }
    let code = i32::from(128 + number);
    thread::spawn(move || {
        leftovers::remove_all();
        end_process(code);
    });
    let again = tokio::time::timeout(AT_LAST, signals.next());
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
            // `nohup` has it ignored, and means that.
            if kind != Signal::HUP || !is_ignored(number) {
                let number = u8::try_from(number).unwrap_or_default();
                signals.push((number, signal(SignalKind::from_raw(number.into()))?));
            }
        }
        Ok(Self(signals))
    }

    /// The number of the next one.
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

/// Whether this process was started so that it does not hear a signal. Only Linux tells.
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
    use super::*;

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
