//! The `slimbuild` command: passes the process's arguments, directory, environment and streams to
//! [`slimbuild::run`].

use std::process::ExitCode;

use slimbuild::{Env, Ui, handle_panics, handle_signals, keeper};

fn main() -> ExitCode {
    if let Some(code) = keeper::main(std::env::args_os()) {
        return code;
    }
    keeper::enable_in_program();
    handle_panics();
    // If this fails, signals end the process without cleanup.
    drop(handle_signals());
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the working directory comes in"
    )]
    let cwd = std::env::current_dir().unwrap_or_default();
    let code = slimbuild::run(
        std::env::args_os(),
        &cwd,
        &Env::of_process(),
        &mut Ui::of_process(),
    );
    ExitCode::from(code as u8)
}
