//! Templates: minijinja's setup for all texts made from `templates/`.

mod limits;
pub mod text;

use limits::{Limits, Stopped};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value, ValueKind};
use minijinja::{AutoEscape, Environment, ErrorKind, Output, State, UndefinedBehavior};
use serde::Serialize;

pub use text::{Syntax, TextError};

/// Renders a built-in template. It fails for a text that cannot be written in its place.
///
/// # Panics
///
/// Only for a broken template, and every test renders it.
pub fn render(name: &str, text: &str, data: &impl Serialize) -> Result<String, TextError> {
    let mut environment = environment(typed);
    let rendered = environment
        .add_template(name, text)
        .and_then(|()| environment.get_template(name)?.render(Serde(data)));
    rendered.map_err(|error| {
        unsaid(&error).unwrap_or_else(|| panic!("templates/{name} is broken: {error:#}"))
    })
}

/// Renders a user's template. It may extend the built-in one by name and replace blocks of it.
/// Rendering always ends: see [`limits`].
pub fn render_own(
    built_in: (&str, &str),
    path: &str,
    text: &str,
    data: &impl Serialize,
) -> Result<String, TemplateError> {
    own(built_in, path, text, data, Limits::DEFAULT)
}

fn own(
    built_in: (&str, &str),
    path: &str,
    text: &str,
    data: &impl Serialize,
    limits: Limits,
) -> Result<String, TemplateError> {
    check_blocks(built_in, path, text)?;
    // A user's template of the same name can still extend the built-in one.
    let name = if path == built_in.0 {
        format!("./{path}")
    } else {
        path.to_owned()
    };
    let mut texts = Vec::new();
    for (name, text) in [built_in, (&name, text)] {
        texts.push((name.to_owned(), text.to_owned()));
    }
    limits
        .render(|| environment(printable), texts, Value::from(Serde(data)))
        .map_err(|stopped| match stopped {
            Stopped::Failed(error) => template_error(&error, path, built_in.0),
            Stopped::TooMuch(problem) => TemplateError::Endless {
                file: path.to_owned(),
                problem,
            },
        })
}

/// Why a template cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// A user's template is wrong.
    #[error("`{file}`, line {line}: {problem}")]
    Own {
        /// Its path.
        file: String,
        /// The line.
        line: usize,
        /// The problem.
        problem: String,
        /// What to write instead.
        hint: Option<String>,
    },
    /// A user's template exceeds a limit.
    #[error("`{file}`: {problem}")]
    Endless {
        /// Its path.
        file: String,
        /// The exceeded limit.
        problem: String,
    },
    /// A text of the workspace that cannot be written in its place.
    #[error(transparent)]
    Text(#[from] TextError),
}

impl TemplateError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Own { hint, .. } => hint.clone(),
            Self::Endless { .. } => None,
            Self::Text(_) => Some(TextError::HINT.to_owned()),
        }
    }
}

/// The text that a filter could not write, if that is the cause.
fn unsaid(error: &minijinja::Error) -> Option<TextError> {
    let mut next: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<TextError>() {
            return Some(error.clone());
        }
        next = error.source();
    }
    None
}

/// The position of minijinja's error: the innermost one in the user's own text.
fn template_error(error: &minijinja::Error, path: &str, built_in: &str) -> TemplateError {
    if let Some(text) = unsaid(error) {
        return text.into();
    }
    let mut line = 1;
    let mut cause: &minijinja::Error = error;
    let mut next = Some(error);
    while let Some(error) = next {
        if error
            .name()
            .is_some_and(|name| name.trim_start_matches("./") == path)
        {
            line = error.line().unwrap_or(line);
        }
        cause = error;
        next = std::error::Error::source(error).and_then(|source| source.downcast_ref());
    }
    let problem = match cause.detail() {
        _ if cause.kind() == ErrorKind::OutOfFuel => {
            "the template runs for too long: a loop or a macro may have no end".to_owned()
        }
        Some(detail) => detail.to_owned(),
        None => cause.kind().to_string(),
    };
    let hint = match cause.kind() {
        ErrorKind::BadEscape => Some("filters write it so that it means itself: `quote` for a word of RUN, ENV, LABEL or WORKDIR, `comment` for a comment; `safe` prints what is your own".to_owned()),
        minijinja::ErrorKind::UndefinedError => {
            Some("all that a template can use is in `plan`, as `slimbuild plan APP --json` prints it, and in the template that `slimbuild dockerfile --template` prints".to_owned())
        }
        minijinja::ErrorKind::TemplateNotFound => Some(format!("`{{% extends \"{built_in}\" %}}` is the one template that can be named")),
        _ => None,
    };
    TemplateError::Own {
        file: path.to_owned(),
        line,
        problem,
        hint,
    }
}

/// Fails for a block that the extended template lacks: minijinja would silently ignore it.
fn check_blocks(built_in: (&str, &str), path: &str, text: &str) -> Result<(), TemplateError> {
    if !tags(text, "extends").any(|(_, name)| name.trim_matches(['"', '\'']) == built_in.0) {
        return Ok(());
    }
    let known: Vec<&str> = tags(built_in.1, "block").map(|(_, name)| name).collect();
    match tags(text, "block").find(|(_, name)| !known.contains(name)) {
        None => Ok(()),
        Some((line, name)) => Err(TemplateError::Own {
            file: path.to_owned(),
            line,
            problem: format!("`{}` has no block `{name}`", built_in.0),
            hint: Some(format!("there are: {}", known.join(", "))),
        }),
    }
}

/// The lines and names of all `{% TAG NAME`.
fn tags<'t>(text: &'t str, tag: &'t str) -> impl Iterator<Item = (usize, &'t str)> {
    text.match_indices("{%").filter_map(move |(at, open)| {
        let rest = text[at + open.len()..]
            .trim_start_matches(['-', '+'])
            .trim_start();
        let name = rest.strip_prefix(tag)?.strip_prefix([' ', '\n'])?;
        let name = name.split_whitespace().next()?.trim_end_matches("%}");
        Some((text[..at].matches('\n').count() + 1, name))
    })
}

/// How a value is printed.
type Print = fn(&mut Output, &mut State, &Value) -> Result<(), minijinja::Error>;

/// Prints only numbers and what went through a function of [`text`].
fn typed(out: &mut Output, _: &mut State, value: &Value) -> Result<(), minijinja::Error> {
    let text = match value.kind() {
        ValueKind::Undefined => return Ok(()),
        ValueKind::Number => value.to_string(),
        _ if value.is_safe() => value.to_string(),
        _ => {
            let problem = format!("`{value}` is printed without a filter");
            return Err(minijinja::Error::new(ErrorKind::BadEscape, problem));
        }
    };
    Ok(out.write_str(&text)?)
}

/// Prints anything that does not break its line: the content of a user's template is up to the
/// user.
fn printable(out: &mut Output, _: &mut State, value: &Value) -> Result<(), minijinja::Error> {
    let text = value.to_string();
    if !value.is_safe() && text.chars().any(char::is_control) && !is_layout(&text) {
        let problem = format!(
            "`{}` has a line break or another control character",
            text::comment(&text)
        );
        return Err(minijinja::Error::new(ErrorKind::BadEscape, problem));
    }
    Ok(out.write_str(&text)?)
}

/// Spaces and continued lines between words.
fn is_layout(text: &str) -> bool {
    text.chars()
        .all(|letter| letter.is_whitespace() || letter == '\\')
}

/// Registers a function of [`text`] as a filter.
fn filter(
    environment: &mut Environment<'_>,
    name: &'static str,
    make: fn(&str) -> Result<String, TextError>,
) {
    environment.add_filter(name, move |text: String| match make(&text) {
        Ok(made) => Ok(Value::from_safe_string(made)),
        Err(error) => {
            let said = error.to_string();
            Err(minijinja::Error::new(ErrorKind::BadEscape, said).with_source(error))
        }
    });
}

fn environment<'t>(print: Print) -> Environment<'t> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .keep_trailing_newline(true)
            .build()
            .unwrap_or_default(),
    );
    // The output of a block or a `set` is syntax and is not checked again.
    environment.set_auto_escape_callback(|_| AutoEscape::Custom("text".into()));
    environment.set_formatter(print);
    filter(&mut environment, "quote", text::quote);
    // Older templates of users use this name.
    filter(&mut environment, "quote_word", text::quote);
    filter(&mut environment, "path", text::path);
    filter(&mut environment, "script", text::script);
    filter(&mut environment, "name", text::name);
    filter(&mut environment, "nginx", text::nginx);
    filter(&mut environment, "comment", |text| Ok(text::comment(text)));
    environment.add_filter("dirname", |text: String| {
        text.rsplit_once('/')
            .map_or(String::new(), |(dir, _)| dir.to_owned())
    });
    environment
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(text: &str) -> Result<String, String> {
        own_within(text, Limits::DEFAULT)
    }

    fn own_within(text: &str, limits: Limits) -> Result<String, String> {
        let built_in = (
            "D.j2",
            "{% block a %}\nA {{ x }}\n{% endblock %}\n{% block b %}\nB\n{% endblock %}\n",
        );
        let data = std::collections::BTreeMap::from([("x", 1)]);
        super::own(built_in, "apps/D.j2", text, &data, limits).map_err(|error| error.to_string())
    }

    #[test]
    fn a_template_of_the_users() {
        let text =
            own("{% extends \"D.j2\" %}\n{% block b %}\n{{ super() }}C {{ x }}\n{% endblock %}\n");
        assert_eq!(text.unwrap(), "A 1\nB\nC 1\n");
        assert_eq!(own("FROM {{ x }}\n").unwrap(), "FROM 1\n");
    }

    #[test]
    fn errors_point_into_it() {
        let error = |text| own(text).unwrap_err();
        assert_eq!(
            error("{% extends \"D.j2\" %}\n{% block b %}\n\n{{ y.z }}\n{% endblock %}\n"),
            "`apps/D.j2`, line 4: `y` is undefined"
        );
        assert_eq!(
            error("{% extends 'D.j2' %}\n{% block c %}{% endblock %}"),
            "`apps/D.j2`, line 2: `D.j2` has no block `c`"
        );
        assert!(
            error("\n{% if %}").starts_with("`apps/D.j2`, line 2: "),
            "{}",
            error("\n{% if %}")
        );
        assert!(
            error("\n{% extends 'E' %}").starts_with("`apps/D.j2`, line 2: "),
            "{}",
            error("\n{% extends 'E' %}")
        );
    }

    #[test]
    fn a_template_that_has_no_end_is_stopped() {
        let limits = Limits {
            steps: 10_000,
            output: 1_000,
            time: std::time::Duration::from_millis(200),
        };
        let error = |text| own_within(text, limits).unwrap_err();
        let nested =
            "{% for a in range(1000) %}\n{% for b in range(1000) %}{% endfor %}{% endfor %}";
        assert_eq!(
            error(nested),
            "`apps/D.j2`, line 2: the template runs for too long: a loop or a macro may have no end"
        );
        assert_eq!(
            error("{{ 'a' * 2000 }}"),
            "`apps/D.j2`: the template writes more than 1000 bytes"
        );
        // Few steps, each of which takes its time. What is constant would be worked out once.
        let slow = "{% for a in range(300) %}{% set b = 'a' * (90000000 + a) %}{% endfor %}";
        let patient = Limits {
            steps: 1_000_000_000,
            ..limits
        };
        assert_eq!(
            own_within(slow, patient).unwrap_err(),
            "`apps/D.j2`: the template runs for longer than 200ms"
        );
        for deep in [
            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}".to_owned(),
            "{% include 'apps/D.j2' %}".to_owned(),
            format!("{{{{ {}1{} }}}}", "(".repeat(10_000), ")".repeat(10_000)),
            format!(
                "{}{}",
                "{% if true %}".repeat(5_000),
                "{% endif %}".repeat(5_000)
            ),
            "{{ range(10000000) }}".to_owned(),
            "{{ 'a' * 1000000000 }}".to_owned(),
            "{{ [1] * 1000000000 }}".to_owned(),
        ] {
            let error = own_within(&deep, Limits::DEFAULT).unwrap_err();
            assert!(error.starts_with("`apps/D.j2`"), "{error}");
        }
    }

    #[test]
    fn a_users_template_prints_no_line_break_of_a_stranger() {
        let built_in = (
            "D.j2",
            "{% block a %}\n# {{ x | comment }}\n{% endblock %}\n",
        );
        let data = std::collections::BTreeMap::from([("x", "a\nRUN b"), ("y", "it's")]);
        let own = |text: &str| render_own(built_in, "apps/D.j2", text, &data);
        let error = own("FROM {{ x }}\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            r"`apps/D.j2`, line 1: `a\nRUN b` has a line break or another control character"
        );
        assert!(error.hint().unwrap().contains("`quote`"));
        let error = own("ENV A={{ x | quote }}\n").unwrap_err();
        assert!(matches!(error, TemplateError::Text(_)), "{error}");
        let text = own(
            "{% extends 'D.j2' %}{% block a %}{{ super() }}ENV A={{ y }}{{ y | quote }}{{ x | safe }}{% endblock %}",
        );
        assert_eq!(text.unwrap(), "# a\\nRUN b\nENV A=it's'it'\\''s'a\nRUN b");
    }

    #[test]
    #[should_panic(expected = "is printed without a filter")]
    fn the_built_in_ones_print_nothing_as_it_is() {
        let data = std::collections::BTreeMap::from([("x", "harmless")]);
        drop(render("D.j2", "{{ x }}", &data));
    }

    #[test]
    fn only_constants_are_called_safe() {
        for text in [
            include_str!("../../templates/Dockerfile.j2"),
            include_str!("../../templates/nginx.conf.j2"),
        ] {
            for (at, _) in text.match_indices("| safe") {
                let before = text[..at].trim_end();
                let expression = &before[before.rfind("{{").unwrap()..];
                let mut outside = expression.split('"').step_by(2).collect::<String>();
                for word in ["if", "else", "not", "loop.last", "safe"] {
                    outside = outside.replace(word, "");
                }
                let constant = before.ends_with('"') || !outside.contains('~');
                assert!(constant, "{expression}");
            }
        }
    }
}
