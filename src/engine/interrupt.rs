//! [`Interrupt`]: a person's wish to stop, as a value that a build waits for.

use std::io;

use tokio::sync::watch;

/// Ctrl-C or a request to terminate, or the [`Trigger`] of an embedding program.
#[derive(Debug, Clone)]
pub struct Interrupt(watch::Receiver<bool>);

/// Raises the [`Interrupt`] that it was made with.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

impl Trigger {
    /// Asks what waits for the interrupt to stop.
    pub fn raise(&self) {
        self.0.send_replace(true);
    }
}

impl Interrupt {
    /// An interrupt that is raised by hand, and never when the trigger is dropped.
    pub fn by_hand() -> (Trigger, Self) {
        let (sender, receiver) = watch::channel(false);
        (Trigger(sender), Self(receiver))
    }

    /// Listens for Ctrl-C, and on Unix SIGTERM, from now on until the process ends.
    ///
    /// The signal no longer ends the process by itself, so call this only when something is about to wait. A second signal does end it.
    pub fn listen() -> io::Result<Self> {
        let (trigger, interrupt) = Self::by_hand();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        // Registered before this function returns: no signal slips through.
        let mut signals = {
            let _inside = runtime.enter();
            Signals::register()?
        };
        std::thread::Builder::new()
            .name("interrupt".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    signals.next().await;
                    trigger.raise();
                    signals.next().await;
                });
                end_process();
            })?;
        Ok(interrupt)
    }

    /// Whether it was raised.
    pub fn is_raised(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when it is raised.
    pub(super) async fn raised(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|raised| *raised).await.is_err() {
            // The trigger is gone, so nobody can raise it any more.
            std::future::pending::<()>().await;
        }
    }
}

#[expect(
    clippy::exit,
    clippy::disallowed_methods,
    reason = "the first signal was to end things well; who sends a second one does not want to wait for that"
)]
fn end_process() {
    std::process::exit(130);
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn register() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn register() -> io::Result<Self> {
        Ok(Self(tokio::signal::windows::ctrl_c()?))
    }

    async fn next(&mut self) {
        self.0.recv().await;
    }
}
