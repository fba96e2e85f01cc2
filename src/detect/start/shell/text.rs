//! The parts of a command as a line for a shell has them.

use crate::detect::script::Command;

pub(super) fn assignments(command: &Command) -> String {
    let all = command.assignments();
    all.fold(String::new(), |text, pair| text + &pair + " ")
}

pub(super) fn written(command: &Command) -> String {
    command.written().collect::<Vec<_>>().join(" ")
}

pub(super) fn redirected(command: &Command) -> String {
    spaced(command.redirections())
}

pub(super) fn spaced(words: &[String]) -> String {
    words
        .iter()
        .fold(String::new(), |text, word| text + " " + word)
}
