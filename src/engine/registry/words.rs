//! What a registry, or its token server, says when it refuses a request.

use serde_json::Value;

/// The longest message that is shown.
const MAX: usize = 300;
/// Where products put a message that is not in the specification's `errors`: token servers of
/// Docker Hub, GitLab, and OAuth.
const KEYS: [&str; 5] = ["message", "details", "error_description", "detail", "error"];

/// The message of an error answer. Pages for browsers are none.
pub(super) fn words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let message = match serde_json::from_str::<Value>(&text) {
        Ok(value) => of_json(&value).unwrap_or_default(),
        Err(_) if text.contains(['<', '{']) => String::new(),
        Err(_) => text.into_owned(),
    };
    let line = message.lines().map(str::trim).find(|line| !line.is_empty());
    let visible = line.unwrap_or_default().chars();
    visible.filter(|at| !at.is_control()).take(MAX).collect()
}

fn of_json(value: &Value) -> Option<String> {
    let errors = value["errors"].as_array();
    for error in errors.into_iter().flatten() {
        let text = |key: &str| error[key].as_str().filter(|text| !text.is_empty());
        if let Some(message) = text("message").or_else(|| text("code")) {
            return Some(message.to_owned());
        }
    }
    let mut texts = KEYS.iter().filter_map(|key| value[*key].as_str());
    let text = texts.find(|text| !text.is_empty())?;
    Some(text.to_owned())
}

/// A message of a daemon with the registry's answer in it, of which only the words are kept.
pub(in crate::engine) fn without_json(message: &str) -> String {
    let Some(begin) = message.find(['{', '<']) else {
        return message.trim().to_owned();
    };
    let before = message[..begin].trim_end_matches(['"', '\'', ' ', ':']);
    let rest = message[begin..].trim_end_matches(['"', '\'']);
    let said = match title(rest) {
        Some(title) => title.to_owned(),
        None => words(rest.as_bytes()),
    };
    let said = if said.is_empty() {
        // A daemon quotes what it quotes.
        words(rest.replace("\\\"", "\"").replace("\\n", "").as_bytes())
    } else {
        said
    };
    // What Go's parser thinks of a page tells nothing.
    let before = before.split(": invalid character").next().unwrap_or(before);
    match (before.is_empty(), said.is_empty()) {
        (true, true) => "the registry refuses it".to_owned(),
        (true, false) => said,
        (false, true) => before.to_owned(),
        (false, false) if before.contains(&said) => before.to_owned(),
        (false, false) => format!("{before}: {said}"),
    }
}

/// What a page for browsers is called.
fn title(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once("<title>")?;
    let (title, _) = rest.split_once("</title>")?;
    Some(title.trim()).filter(|title| !title.is_empty() && !title.contains('<'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_where_products_put_them() {
        for (body, expected) in [
            (
                r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#,
                "requested access to the resource is denied",
            ),
            (r#"{"errors":[{"code":"DENIED"}]}"#, "DENIED"),
            (
                r#"{"errors":[{"status":403,"message":"Not permitted"}]}"#,
                "Not permitted",
            ),
            (r#"{"errors":[]}"#, ""),
            (
                r#"{"details":"incorrect username or password"}"#,
                "incorrect username or password",
            ),
            (
                r#"{"error":"invalid_grant","error_description":"expired"}"#,
                "expired",
            ),
            (r#"{"message":"first\nsecond"}"#, "first"),
            ("denied by the admin\n", "denied by the admin"),
            ("<html><h1>413</h1></html>", ""),
            ("", ""),
        ] {
            assert_eq!(words(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn a_daemons_message_keeps_the_words_only() {
        for (message, expected) in [
            ("denied: no", "denied: no"),
            (
                r#"error parsing HTTP 413 response body: invalid character '<' looking for beginning of value: "<html>\n<b>x</b>""#,
                "error parsing HTTP 413 response body",
            ),
            (
                r#"unexpected status 403 Forbidden: {"errors":[{"message":"no write"}]}"#,
                "unexpected status 403 Forbidden: no write",
            ),
            (
                "unknown: <html>\n<head><title>413 Request Entity Too Large</title></head>",
                "unknown: 413 Request Entity Too Large",
            ),
            (r#"{"message":"no"}"#, "no"),
            (r#"failed: "{\"message\":\"no\"}""#, "failed: no"),
        ] {
            assert_eq!(without_json(message), expected);
        }
    }
}
