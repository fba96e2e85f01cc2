//! News as JSON, one object per line. Each has the app's directory in `app`.
//!
//! | `event` | other fields |
//! |---|---|
//! | `state` | `state`; for `retrying` also `number` and `of`; for a final state `image`, `size`, `seconds`, `message` and `hint`, or null |
//! | `apps` | the last one: `apps`, with the final state of each |

use serde_json::{Value, json};

use crate::show::seat::{Ended, News, State};
use crate::system::terminal::escape_json;

/// The line for news of an app.
pub(super) fn line(app: &str, news: &News) -> Option<String> {
    let event = match news {
        News::Line(line) => return Some(with_app(app, line)),
        News::State(State::Retrying { number, of }) => {
            json!({"app": app, "event": "state", "state": "retrying", "number": number, "of": of})
        }
        News::State(state) => json!({"app": app, "event": "state", "state": state.word()}),
        News::Doing(_) => return None,
        News::Ended(ended) => {
            let mut event = json!({"app": app, "event": "state"});
            extend(&mut event, final_state(ended));
            event
        }
    };
    Some(escape_json(&event.to_string()))
}

/// The last line of a run.
pub(super) fn all(names: &[String], ended: &[Ended]) -> String {
    let one = |(app, ended): (&String, &Ended)| {
        let mut one = json!({"app": app});
        extend(&mut one, final_state(ended));
        one
    };
    let apps: Vec<Value> = names.iter().zip(ended).map(one).collect();
    escape_json(&json!({"event": "apps", "apps": apps}).to_string())
}

fn final_state(ended: &Ended) -> Value {
    let fault = ended.fault.as_ref();
    json!({
        "state": ended.state.word(),
        "image": ended.image,
        "size": ended.size,
        "seconds": ended.took.map(|took| took.as_secs_f64()),
        "message": fault.map(|fault| &fault.message),
        "hint": fault.and_then(|fault| fault.hint.as_ref()),
    })
}

fn extend(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
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
