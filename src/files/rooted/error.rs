//! Why a file cannot be put into a tree.

use std::io;

#[cfg(unix)]
use rustix::io::Errno;

/// Why a file cannot be put into a tree.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// No file system could hold it: the request is at fault.
    #[error("{0}")]
    Impossible(String),
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] io::Error),
}

#[cfg(unix)]
impl PlaceError {
    /// Classifies the system's error for a path.
    pub(super) fn of(path: &std::path::Path, error: Errno) -> Self {
        let shown = path.display();
        match error {
            Errno::NAMETOOLONG => Self::Impossible(format!("`{}` is too long", short(path))),
            Errno::INVAL | Errno::ILSEQ => {
                Self::Impossible(format!("`{}` is not a valid path", short(path)))
            }
            _ => {
                let error = io::Error::from(error);
                Self::Disk(io::Error::new(error.kind(), format!("`{shown}`: {error}")))
            }
        }
    }
}

/// The path for messages, shortened if it is long.
#[cfg(unix)]
pub(super) fn short(path: &std::path::Path) -> String {
    const SHOWN: usize = 100;
    let text = path.display().to_string();
    if text.chars().count() <= SHOWN {
        return text;
    }
    let start: String = text.chars().take(SHOWN).collect();
    format!("{start}…")
}
