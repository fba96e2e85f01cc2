//! Start scripts that a single node process cannot replace: lists (`prisma migrate deploy && node
//! dist/main.js`), several processes at once, script files, arguments with variables. The image
//! runs them unchanged by a shell, which replaces itself with the last command.
//!
//! Input: a script as a [`Line`]. Output: a line for `sh -c` in which the image has every program,
//! or a refusal that says what to write instead.

mod available;
mod last;
mod render;
mod simplify;
mod text;
mod watch;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub(super) use available::of_wrappers;
pub(in crate::detect) use simplify::is_for_development;
pub(crate) use simplify::plain;
pub(super) use watch::watched;

use super::{START_SCRIPTS, Start};
use crate::detect::DetectError;
use crate::detect::script::{Command, Line, Piece};
use crate::detect::subject::Subject;
use available::Refusal;
use render::Renderer;

/// Why and how a start uses a shell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Shell {
    /// Why.
    pub reason: String,
    /// The line for the shell; `None` if node starts a program that calls a shell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<ShellLine>,
    /// Programs of dependencies that the line runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<String>,
    /// The directory of a site that the line writes to before it serves the site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub writes: Option<String>,
}

/// A line for `sh -c` in two parts. The last command replaces the shell, so that it gets signals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ShellLine {
    /// What runs before the last command.
    pub before: String,
    /// Whether the last command is node; `last` then follows node's flags.
    pub node: bool,
    /// The last command's words.
    pub last: String,
}

impl ShellLine {
    /// The whole line, with `flags` for node.
    pub fn text(&self, flags: Option<&str>) -> String {
        let node = if self.node { "node " } else { "" };
        let flags = flags
            .filter(|_| self.node)
            .map(|flags| format!("{} ", crate::detect::script::words::quote(flags)));
        format!(
            "{}{node}{}{}",
            self.before,
            flags.unwrap_or_default(),
            self.last
        )
    }
}

/// Programs that start others, by a shell or directly, so that an image with only node is not
/// enough.
const CALLERS: [&str; 3] = ["pm2-runtime", "pm2", "pm2-docker"];

/// Whether a program starts others.
pub(in crate::detect) fn is_caller(program: &str) -> bool {
    CALLERS.contains(&program)
}

/// Why a program that node starts needs a shell in the image.
pub(in crate::detect) fn caller(program: &str, reason: &str) -> Option<Shell> {
    is_caller(program).then(|| Shell {
        writes: None,
        reason: format!("{reason} runs `{program}`, which starts other programs"),
        line: None,
        programs: Vec::new(),
    })
}

/// What the first start script runs, if it needs a shell; `made` is a file that the app's framework
/// is known to write. `None` if plain node is enough, or no script starts the app.
pub(in crate::detect) fn started(
    subject: &Subject<'_>,
    made: Option<&str>,
) -> Result<Option<Start>, DetectError> {
    if subject.entry.is_some() {
        return Ok(None);
    }
    for name in START_SCRIPTS {
        let line = simplify::line(subject, name);
        if line.commands().is_empty() {
            continue;
        }
        return match simplify::single(&line) {
            Some(command) => match available::goes_away(command.program(), &command.words[1..]) {
                Some(refusal) => Err(refused(subject, &format!("the `{name}` script"), refusal)),
                None => Ok(None),
            },
            None => of(subject, name, &line, made).map(Some),
        };
    }
    Ok(None)
}

fn of(
    subject: &Subject<'_>,
    name: &str,
    line: &Line,
    made: Option<&str>,
) -> Result<Start, DetectError> {
    let reason = format!("the `{name}` script");
    let mut renderer = Renderer::new(subject, made);
    let rendered = renderer
        .line(line)
        .map_err(|refusal| refused(subject, &reason, refusal))?;
    let Some(entry) = renderer.entry() else {
        return Err(refused(
            subject,
            &reason,
            Refusal {
                problem: "leads to no file that node starts".to_owned(),
                fix: None,
            },
        ));
    };
    let mut warnings = renderer.warnings(&reason);
    warnings.sort();
    warnings.dedup();
    let shown = subject.manifest().script(name).unwrap_or_default();
    Ok(Start {
        entry: entry.file,
        node_args: entry.node_args,
        args: entry.args,
        env: BTreeMap::new(),
        built: entry.built,
        loads: entry.loads,
        command: false,
        shell: Some(Shell {
            reason: format!("{reason} is a line for a shell: `{}`", shortened(shown)),
            line: Some(rendered),
            writes: None,
            programs: renderer
                .programs
                .into_iter()
                .collect::<BTreeSet<String>>()
                .into_iter()
                .collect(),
        }),
        reason,
        warnings,
    })
}

/// A script as messages show it.
fn shortened(script: &str) -> String {
    const MAX_LENGTH: usize = 120;
    let one_line = script.split_whitespace().collect::<Vec<_>>().join(" ");
    if one_line.chars().count() <= MAX_LENGTH {
        return one_line;
    }
    one_line.chars().take(MAX_LENGTH).chain(['…']).collect()
}

fn refused(subject: &Subject<'_>, reason: &str, refusal: Refusal) -> DetectError {
    let member = subject.member();
    let way_out = format!(
        "or name the file that node starts, and the image starts that alone: `--entry dist/main.js`, for good `\"start\": \"dist/main.js\"` in {}/slimbuild.json",
        member.dir
    );
    let fix = match refusal.fix {
        Some(fix) => format!("{fix}; {way_out}"),
        None => way_out.trim_start_matches("or ").to_owned(),
    };
    DetectError::NotRun {
        app: member.dir.clone(),
        problem: format!("{reason} {}", refusal.problem),
        fix,
    }
}

/// Programs that only serve files.
const FILE_SERVERS: [&str; 7] = [
    "serve",
    "http-server",
    "sirv",
    "nginx",
    "caddy",
    "ws",
    "live-server",
];

/// What the first start script does before it serves files, if anything, with the script's name.
pub(in crate::detect) fn before_server(subject: &Subject<'_>) -> Option<(&'static str, String)> {
    let (name, last) = first(subject)?;
    let line = simplify::line(subject, name);
    let first = line.commands().into_iter().next()?;
    let serves = FILE_SERVERS.contains(&last.program()) || last.runs("vite preview");
    let calls = match line.pieces.first()? {
        Piece::File(command, _) => command.words.join(" "),
        _ => first.words.join(" "),
    };
    (serves && line.pieces.len() > 1).then_some((name, calls))
}

/// What the start script needs that the image does not support, if nothing else shows how the app
/// starts.
pub(in crate::detect) fn unheeded(subject: &Subject<'_>) -> Option<DetectError> {
    let (name, command) = first(subject)?;
    let refusal = available::refusal(subject, &command);
    Some(refused(subject, &format!("the `{name}` script"), refusal))
}

/// The first meaningful start script with its last command. Scripts for development do not count.
pub(in crate::detect) fn first(subject: &Subject<'_>) -> Option<(&'static str, Command)> {
    let name = START_SCRIPTS
        .into_iter()
        .find(|name| !simplify::line(subject, name).commands().is_empty())?;
    let command = simplify::line(subject, name).commands().pop()?;
    (!simplify::is_for_development(&command)).then_some((name, command))
}
