//! Templates: minijinja, set up once for all texts that are made from `templates/`.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

/// Renders a template that is compiled in.
///
/// # Panics
///
/// Never, but for a broken template, and every test renders it.
pub fn render(name: &str, text: &str, data: &impl Serialize) -> String {
    let mut environment = environment();
    environment
        .add_template(name, text)
        .and_then(|()| environment.get_template(name)?.render(Serde(data)))
        .unwrap_or_else(|error| panic!("templates/{name} is broken: {error:#}"))
}

/// Renders a template of the user's. It may extend the one that is compiled in, by its name, and replace blocks of it.
pub fn render_own(
    built_in: (&str, &str),
    path: &str,
    text: &str,
    data: &impl Serialize,
) -> Result<String, TemplateError> {
    check_blocks(built_in, path, text)?;
    let mut environment = environment();
    // Where the user's has the same name, it can still extend the other.
    let name = if path == built_in.0 {
        format!("./{path}")
    } else {
        path.to_owned()
    };
    environment
        .add_template(built_in.0, built_in.1)
        .and_then(|()| environment.add_template_owned(name.clone(), text.to_owned()))
        .and_then(|()| environment.get_template(&name)?.render(Serde(data)))
        .map_err(|error| wrong(&error, path, built_in.0))
}

/// What is wrong with a template of the user's.
#[derive(Debug, thiserror::Error)]
#[error("`{file}`, line {line}: {problem}")]
pub struct TemplateError {
    file: String,
    line: usize,
    problem: String,
    hint: Option<String>,
}

impl TemplateError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

/// Where minijinja's error comes from: the innermost place in the user's own text.
fn wrong(error: &minijinja::Error, path: &str, built_in: &str) -> TemplateError {
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
        Some(detail) => detail.to_owned(),
        None => cause.kind().to_string(),
    };
    let hint = match cause.kind() {
        minijinja::ErrorKind::UndefinedError => {
            Some("all that a template can use is in `plan`, as `slimbuild plan APP --json` prints it, and in the template that `slimbuild dockerfile --template` prints".to_owned())
        }
        minijinja::ErrorKind::TemplateNotFound => Some(format!("`{{% extends \"{built_in}\" %}}` is the one template that can be named")),
        _ => None,
    };
    TemplateError {
        file: path.to_owned(),
        line,
        problem,
        hint,
    }
}

/// A block that the extended template does not have would be left out without a word.
fn check_blocks(built_in: (&str, &str), path: &str, text: &str) -> Result<(), TemplateError> {
    if !tags(text, "extends").any(|(_, name)| name.trim_matches(['"', '\'']) == built_in.0) {
        return Ok(());
    }
    let known: Vec<&str> = tags(built_in.1, "block").map(|(_, name)| name).collect();
    match tags(text, "block").find(|(_, name)| !known.contains(name)) {
        None => Ok(()),
        Some((line, name)) => Err(TemplateError {
            file: path.to_owned(),
            line,
            problem: format!("`{}` has no block `{name}`", built_in.0),
            hint: Some(format!("there are: {}", known.join(", "))),
        }),
    }
}

/// `{% TAG NAME`: the lines that they are on, and the names.
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

fn environment<'t>() -> Environment<'t> {
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
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.add_filter("quote", |text: String| quote(&text));
    environment.add_filter("quote_word", |text: String| quote_word(&text));
    environment.add_filter("dirname", |text: String| {
        text.rsplit_once('/')
            .map_or(String::new(), |(dir, _)| dir.to_owned())
    });
    environment
}

/// A word for a shell.
pub fn quote(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@%+=:,./_-".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// A word for an instruction that is not a shell's.
fn quote_word(text: &str) -> String {
    if text.contains(char::is_whitespace) {
        format!("\"{text}\"")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(text: &str) -> Result<String, String> {
        let built_in = (
            "D.j2",
            "{% block a %}\nA {{ x }}\n{% endblock %}\n{% block b %}\nB\n{% endblock %}\n",
        );
        let data = std::collections::BTreeMap::from([("x", 1)]);
        render_own(built_in, "apps/D.j2", text, &data).map_err(|error| error.to_string())
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
    fn quotes() {
        assert_eq!(quote("packages/a"), "packages/a");
        assert_eq!(quote("it's $HOME"), r"'it'\''s $HOME'");
    }
}
