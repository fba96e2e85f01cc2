//! [`Ci`]: what the log of a pipeline understands: sections that fold, and annotations of files.
//!
//! Text from elsewhere must not become a command of the pipeline. GitHub obeys lines that begin with
//! `::`, so sections stop that with a token that nobody else knows. Besides,
//! [`Screen`](crate::system::terminal::Screen) breaks such lines everywhere.

use std::hash::{BuildHasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::engine::fault::Place;
use crate::show::seat::Fault;
use crate::system::terminal::one_line;

/// The pipeline that a log belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Ci {
    /// None that is known.
    #[default]
    None,
    /// GitHub Actions.
    GitHub {
        /// What resumes commands after a section.
        token: String,
        /// The workspace's directory in the repository: nothing, or `js/`.
        prefix: String,
    },
    /// GitLab.
    GitLab,
}

impl Ci {
    /// GitHub Actions, for a workspace in this directory of the repository.
    pub fn github(prefix: String) -> Self {
        // Its keys come from the operating system's random numbers, and differ with each call.
        let random = || RandomState::new().hash_one(0);
        let token = format!("slimbuild-{:016x}{:016x}", random(), random());
        Self::GitHub { token, prefix }
    }

    /// What begins a section.
    pub(super) fn begin(&self, title: &str) -> String {
        match self {
            Self::None => String::new(),
            Self::GitHub { token, .. } => {
                format!("::group::{}\n::stop-commands::{token}\n", data(title))
            }
            Self::GitLab => format!(
                "\u{1b}[0Ksection_start:{}:{}[collapsed=true]\r\u{1b}[0K{}\n",
                now(),
                section(title),
                one_line(title)
            ),
        }
    }

    /// What ends it.
    pub(super) fn end(&self, title: &str) -> String {
        match self {
            Self::None => String::new(),
            Self::GitHub { token, .. } => format!("::{token}::\n::endgroup::\n"),
            Self::GitLab => format!(
                "\u{1b}[0Ksection_end:{}:{}\r\u{1b}[0K\n",
                now(),
                section(title)
            ),
        }
    }

    /// What shows an error beside the files that it is about, or else beside the run.
    pub(super) fn annotations(&self, app: Option<&str>, fault: &Fault) -> String {
        let Self::GitHub { prefix, .. } = self else {
            return String::new();
        };
        let title = app.unwrap_or("slimbuild");
        if fault.places.is_empty() {
            let hint = fault.hint.as_ref().map(|hint| format!("\n{hint}"));
            let message = format!("{}{}", fault.message, hint.unwrap_or_default());
            return format!("::error title={}::{}\n", property(title), data(&message));
        }
        let one = |place: &Place| {
            let file = format!("{prefix}{}", place.file);
            let column = place.column.map(|column| format!(",col={column}"));
            format!(
                "::error file={},line={}{},title={}::{}\n",
                property(&file),
                place.line,
                column.unwrap_or_default(),
                property(title),
                data(&place.message)
            )
        };
        fault.places.iter().map(one).collect()
    }
}

/// The value of a command, as the runner reads it.
fn data(text: &str) -> String {
    let text = text.replace('%', "%25");
    text.replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a command's property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// The name of a GitLab section: letters, digits, `_`, `.` and `-`.
fn section(title: &str) -> String {
    let letter = |letter: char| match letter {
        letter if letter.is_ascii_alphanumeric() => letter.to_ascii_lowercase(),
        '.' | '-' => letter,
        _ => '_',
    };
    title.chars().map(letter).collect()
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map(|since| since.as_secs()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(places: Vec<Place>) -> Fault {
        Fault {
            message: "100% wrong: a, b".to_owned(),
            hint: Some("look\nat it".to_owned()),
            text: String::new(),
            code: 4,
            places,
        }
    }

    #[test]
    fn values_are_escaped_as_the_runner_reads_them() {
        assert_eq!(data("a%b\r\nc:d,e"), "a%25b%0D%0Ac:d,e");
        assert_eq!(property("a%b\r\nc:d,e"), "a%25b%0D%0Ac%3Ad%2Ce");
        let github = Ci::github("js/".to_owned());
        assert_eq!(
            github.annotations(Some("apps/a:b"), &fault(Vec::new())),
            "::error title=apps/a%3Ab::100%25 wrong: a, b%0Alook%0Aat it\n"
        );
        let place = |column| Place {
            file: "src/a,b.ts".to_owned(),
            line: 3,
            column,
            message: "no\n::set-env name=A::b".to_owned(),
        };
        assert_eq!(
            github.annotations(None, &fault(vec![place(Some(5)), place(None)])),
            "::error file=js/src/a%2Cb.ts,line=3,col=5,title=slimbuild::no%0A::set-env name=A::b\n\
             ::error file=js/src/a%2Cb.ts,line=3,title=slimbuild::no%0A::set-env name=A::b\n"
        );
        for ci in [Ci::None, Ci::GitLab] {
            assert_eq!(ci.annotations(None, &fault(Vec::new())), "");
        }
    }

    #[test]
    fn a_section_cannot_be_left_from_within() {
        let (one, other) = (Ci::github(String::new()), Ci::github(String::new()));
        assert_ne!(one, other, "a token that others know");
        let Ci::GitHub { token, .. } = &one else {
            panic!("{one:?}");
        };
        assert_eq!(
            one.begin("apps/a: log\n::x"),
            format!("::group::apps/a: log%0A::x\n::stop-commands::{token}\n")
        );
        assert_eq!(
            one.end("apps/a: log"),
            format!("::{token}::\n::endgroup::\n")
        );
    }

    #[test]
    fn gitlab_folds_sections() {
        let begin = Ci::GitLab.begin("apps/A b: log");
        let (head, title) = begin.split_once('\r').unwrap();
        let (mark, rest) = head.split_once(':').unwrap();
        assert_eq!(mark, "\u{1b}[0Ksection_start");
        let (time, name) = rest.split_once(':').unwrap();
        assert!(time.parse::<u64>().unwrap() > 1_700_000_000);
        assert_eq!(name, "apps_a_b__log[collapsed=true]");
        assert_eq!(title, "\u{1b}[0Kapps/A b: log\n");
        let end = Ci::GitLab.end("apps/A b: log");
        assert!(end.ends_with(":apps_a_b__log\r\u{1b}[0K\n"), "{end:?}");
    }
}
