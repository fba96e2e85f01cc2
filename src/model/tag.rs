//! [`TagTemplate`]: a name of an image with places for facts, as `ghcr.io/shop/{app}:{git.short}`.
//!
//! Input: text from the command line or slimbuild.json. Output: a name, once the facts are known.

use std::fmt;
use std::str::FromStr;

use crate::model::image::{ImageRef, ImageRefError};

/// A name of an image that may have places for facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagTemplate(String);

/// What a place in a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// `registry` of slimbuild.json: `ghcr.io/shop`.
    Registry,
    /// The image's name without a tag: `image` of slimbuild.json, with its facts.
    Image,
    /// The image's default name: `server`.
    App,
    /// The package's name as a path: `shop/server` of `@shop/server`.
    Name,
    /// The version in the app's manifest.
    Version,
    /// The identity of the image.
    Hash,
    /// The commit.
    Sha,
    /// The commit's first 7 digits.
    Short,
    /// The branch.
    Branch,
    /// The day: `2026-11-30`.
    Date,
}

impl Fact {
    const ALL: [(&'static str, Self); 10] = [
        ("registry", Self::Registry),
        ("image", Self::Image),
        ("app", Self::App),
        ("name", Self::Name),
        ("version", Self::Version),
        ("hash", Self::Hash),
        ("git.sha", Self::Sha),
        ("git.short", Self::Short),
        ("git.branch", Self::Branch),
        ("date", Self::Date),
    ];

    /// What is written between the braces.
    pub fn word(self) -> &'static str {
        let known = Self::ALL.iter().find(|(_, fact)| *fact == self);
        known.map_or("", |(word, _)| word)
    }
}

/// A part of a template.
enum Piece<'t> {
    Text(&'t str),
    Place(&'t str),
}

/// Why a text is not a template of a name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// A place stands for nothing.
    #[error("`{{{word}}}` stands for nothing; there are {}", places())]
    Unknown {
        /// What is between the braces.
        word: String,
    },
    /// A brace has no other.
    #[error("a brace of `{0}` has no other")]
    Brace(String),
    /// A digest.
    #[error("an image cannot be given a digest, only a name and a tag")]
    Digest,
    /// The rest is no name.
    #[error(transparent)]
    Name(#[from] ImageRefError),
}

fn places() -> String {
    let all = Fact::ALL.map(|(word, _)| format!("{{{word}}}"));
    all.join(", ")
}

impl TagTemplate {
    /// The facts that it needs.
    pub fn needs(&self, wanted: Fact) -> bool {
        let place = format!("{{{}}}", wanted.word());
        self.0.contains(&place)
    }

    /// Whether each app gets a name of its own.
    pub fn tells_apps_apart(&self) -> bool {
        [Fact::App, Fact::Name, Fact::Image]
            .iter()
            .any(|fact| self.needs(*fact))
    }

    /// The template without its tag, if it has one.
    #[must_use]
    pub fn repository(&self) -> Self {
        match self.0.rsplit_once(':') {
            // A colon before the last slash is a registry's port.
            Some((name, tag)) if !tag.contains('/') => Self(name.to_owned()),
            _ => self.clone(),
        }
    }

    /// The template with a tag in place of its own.
    pub fn with_tag(&self, tag: &str) -> Result<Self, TagError> {
        format!("{}:{tag}", self.repository()).parse()
    }

    /// The name with the facts in their places.
    pub fn fill<E: From<ImageRefError>>(
        &self,
        mut fact: impl FnMut(Fact) -> Result<String, E>,
    ) -> Result<ImageRef, E> {
        let mut text = String::new();
        for piece in pieces(&self.0).unwrap_or_default() {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Place(word) => {
                    let known = Fact::ALL.iter().find(|(known, _)| *known == word);
                    if let Some((_, wanted)) = known {
                        text.push_str(&fact(*wanted)?);
                    }
                }
            }
        }
        Ok(text.parse()?)
    }
}

impl FromStr for TagTemplate {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        let mut sample = String::new();
        for piece in pieces(text).ok_or_else(|| TagError::Brace(text.to_owned()))? {
            match piece {
                Piece::Text(piece) => sample.push_str(piece),
                Piece::Place(word) if Fact::ALL.iter().any(|(known, _)| *known == word) => {
                    sample.push('x');
                }
                Piece::Place(word) => {
                    return Err(TagError::Unknown {
                        word: word.to_owned(),
                    });
                }
            }
        }
        if sample.contains('@') && sample.parse::<ImageRef>().is_ok() {
            return Err(TagError::Digest);
        }
        sample.parse::<ImageRef>()?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for TagTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The pieces; `None` if a brace has no other.
fn pieces(text: &str) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (word, behind) = after.split_once('}')?;
        pieces.extend([Piece::Text(before), Piece::Place(word)]);
        rest = behind;
    }
    pieces.push(Piece::Text(rest));
    let stray = |piece: &Piece<'_>| matches!(piece, Piece::Text(text) if text.contains('}'));
    (!pieces.iter().any(stray)).then_some(pieces)
}

/// A text as a part of a tag: other characters than a tag's become hyphens.
pub fn tag_part(text: &str) -> String {
    let legal = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
    let text: String = text
        .chars()
        .map(|letter| if legal(letter) { letter } else { '-' })
        .collect();
    text.trim_start_matches(['.', '-'])
        .chars()
        .take(100)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled() {
        let fill = |text: &str| {
            let template: TagTemplate = text.parse().unwrap();
            let name = template.fill(|fact| Ok::<_, ImageRefError>(fact.word().replace('.', "")));
            name.unwrap().to_string()
        };
        for (text, name) in [
            ("server", "server:latest"),
            ("shop/server:1.2", "shop/server:1.2"),
            ("127.0.0.1:5000/{app}", "127.0.0.1:5000/app:latest"),
            (
                "ghcr.io/{name}:{git.short}-{date}",
                "ghcr.io/name:gitshort-date",
            ),
            ("{app}:{hash}", "app:hash"),
        ] {
            assert_eq!(fill(text), name, "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_told() {
        for (text, problem) in [
            (
                "a:{commit}",
                "`{commit}` stands for nothing; there are {registry}, {image}, {app}, {name}, {version}, {hash}, {git.sha}, {git.short}, {git.branch}, {date}",
            ),
            ("a:{hash", "a brace of `a:{hash` has no other"),
            ("a:hash}", "a brace of `a:hash}` has no other"),
            ("A:{hash}", "`A` is not an image name"),
            (
                "{app}@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "an image cannot be given a digest",
            ),
            ("", "an image name is empty"),
        ] {
            let error = text.parse::<TagTemplate>().unwrap_err().to_string();
            assert!(error.starts_with(problem), "{text}: {error}");
        }
    }

    #[test]
    fn tags_are_replaced() {
        for (text, expected) in [
            ("shop/server", "shop/server:2"),
            ("shop/{app}:{git.sha}", "shop/{app}:2"),
            ("127.0.0.1:5000/{app}", "127.0.0.1:5000/{app}:2"),
            ("127.0.0.1:5000/{app}:1", "127.0.0.1:5000/{app}:2"),
            ("{image}", "{image}:2"),
        ] {
            let template: TagTemplate = text.parse().unwrap();
            assert_eq!(template.with_tag("2").unwrap().to_string(), expected);
        }
    }

    #[test]
    fn parts_of_tags_are_valid() {
        for (text, part) in [
            ("feature/X_1", "feature-X_1"),
            ("1.0.0+build", "1.0.0-build"),
            ("-.größe", "gr--e"),
        ] {
            assert_eq!(tag_part(text), part);
        }
        assert_eq!(tag_part(&"a".repeat(300)).len(), 100);
    }
}
