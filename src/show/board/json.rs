//! News as events of the JSON stream. Each has the app's directory in `app`.

use std::io;

use serde_json::Value;

use crate::show::events::{self, AppEnd, Line, Told};
use crate::show::seat::{Ended, News};
use crate::system::terminal::escape_json;

/// The line for news of an app.
pub(super) fn line(app: &str, news: &News) -> io::Result<Option<String>> {
    let event = match news {
        News::Line(line) => return Ok(Some(with_app(app, line))),
        News::State(state) => Told::state(*state),
        News::Doing(_) => return Ok(None),
        News::Ended(ended) => Told::ended(ended),
    };
    let app = Some(app);
    events::line(&Line { app, event }).map(Some)
}

/// The line after all others, unless there is an error.
pub(super) fn all(names: &[String], ended: &[Ended]) -> io::Result<String> {
    let apps = names.iter().zip(ended);
    let apps = apps.map(|(app, ended)| AppEnd::new(app, ended)).collect();
    events::line(&Line {
        app: None,
        event: Told::Apps { apps },
    })
}

/// A line of an app's own stream, with the app. What is no object becomes a note.
fn with_app(app: &str, line: &str) -> String {
    let app = Value::from(app).to_string();
    let line = if let Some(rest) = line.strip_prefix('{') {
        format!("{{\"app\":{app},{rest}")
    } else {
        let message = Value::from(line).to_string();
        format!("{{\"app\":{app},\"event\":\"note\",\"message\":{message}}}")
    };
    escape_json(&line)
}
