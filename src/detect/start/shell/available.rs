//! The programs in an image with a shell, and why it cannot run others.

use crate::detect::program;
use crate::detect::script::Command;
use crate::detect::subject::Subject;

/// Why an image cannot run a script, as the end of a sentence that begins with the script, and what
/// to write instead.
pub(super) struct Refusal {
    pub(super) problem: String,
    pub(super) fix: Option<String>,
}

/// Programs in every base with a shell: shell builtins, and those of Debian's and Alpine's smallest
/// images.
pub(super) const SYSTEM: [&str; 56] = [
    ".", ":", "[", "[[", "alias", "awk", "basename", "break", "case", "cat", "cd", "chmod",
    "chown", "continue", "cp", "cut", "date", "dirname", "echo", "env", "eval", "exit", "export",
    "false", "find", "for", "grep", "head", "hostname", "id", "kill", "ln", "local", "ls", "mkdir",
    "mv", "printf", "pwd", "read", "return", "rm", "sed", "set", "shift", "sleep", "sort", "tail",
    "test", "touch", "tr", "trap", "true", "ulimit", "umask", "unset", "wait",
];

/// Package managers, which the image does not have.
pub(super) const MANAGERS: [&str; 10] = [
    "pnpm", "npm", "yarn", "bun", "npx", "bunx", "pnpx", "corepack", "turbo", "nx",
];

/// Why a container cannot run this program: it goes to the background, so the container would end.
pub(super) fn goes_away(program: &str, args: &[String]) -> Option<Refusal> {
    let stays = args.iter().any(|word| word == "--no-daemon");
    let starts = args.first().is_some_and(|word| word == "start");
    let with = match program {
        "pm2" if starts && !stays => "pm2-runtime",
        "forever" if starts => "forever",
        _ => return None,
    };
    Some(Refusal {
        problem: format!(
            "runs `{program} start`, which goes to the background, and the container would end"
        ),
        fix: Some(format!("write `{with}` instead")),
    })
}

/// Why a command cannot be run in an image.
pub(super) fn refusal(subject: &Subject<'_>, command: &Command) -> Refusal {
    let program = command.program();
    let shown = command.words.join(" ");
    if SYSTEM.contains(&program) {
        return Refusal {
            problem: "leads to no file that node starts".to_owned(),
            fix: None,
        };
    }
    if program == "node" {
        return Refusal {
            problem: format!("runs `{shown}`, which starts no file"),
            fix: None,
        };
    }
    if MANAGERS.contains(&program) {
        return Refusal {
            problem: format!("runs `{shown}`, and the image has no `{program}`"),
            fix: Some("write what that runs in its place".to_owned()),
        };
    }
    match program::package(program) {
        package if !subject.depends_on(package) && program::is_known(program) => Refusal {
            problem: if package == program {
                format!("runs `{program}`, which is not among the dependencies")
            } else {
                format!("runs `{program}` of `{package}`, which is not among the dependencies")
            },
            fix: Some(format!("add `{package}` to the dependencies")),
        },
        _ if subject.depends_on(program) => Refusal {
            problem: format!(
                "runs `{shown}`, a program of a dev dependency: the image does not get it"
            ),
            fix: Some(format!("move `{program}` to `dependencies`")),
        },
        _ => Refusal {
            problem: format!(
                "runs `{shown}`, and no dependency of the app is known to bring `{program}`"
            ),
            fix: None,
        },
    }
}

/// What the wrappers of a command would do, and the image does not.
pub(in crate::detect::start) fn of_wrappers(command: &Command) -> Vec<String> {
    let variables = command.variables_from().map(|wrapper| {
        format!(
            "gets variables by `{wrapper}`, which the image does not run: set them when the container starts"
        )
    });
    let ends = command.through().iter().find(|name| *name == "timeout");
    let ends = ends.map(|_| {
        "is ended by `timeout`, which the image does not run: it goes on until it ends by itself".to_owned()
    });
    variables.into_iter().chain(ends).collect()
}
