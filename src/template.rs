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

    #[test]
    fn quotes() {
        assert_eq!(quote("packages/a"), "packages/a");
        assert_eq!(quote("it's $HOME"), r"'it'\''s $HOME'");
    }
}
