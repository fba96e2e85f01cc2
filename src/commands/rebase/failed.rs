//! Why an image was left as it is.

use std::error::Error as _;

use crate::ask::rebase::{RebaseState, RebasedImage};
use crate::commands::error::{Error, ExitCode};
use crate::image::foundation::Gap;
use crate::image::rebase::Unfit;

/// Why an image was left as it is. Images can have the reason in common.
#[derive(Debug, Clone)]
pub(super) struct Failed {
    pub(super) problem: String,
    pub(super) hint: Option<String>,
    pub(super) code: ExitCode,
}

impl Failed {
    /// An error of one image. An interrupt is one of the run.
    pub(super) fn new(error: Error) -> Result<Self, Error> {
        if error.is_interrupt() {
            return Err(error);
        }
        Ok(Self::said(&error))
    }

    pub(super) fn said(error: &Error) -> Self {
        let mut problem = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            problem = format!("{problem}: {cause}");
            source = cause.source();
        }
        Self {
            problem,
            hint: error.hint(),
            code: error.exit_code(),
        }
    }

    /// The image is not fit for another base, or the base not for the image.
    pub(super) fn unfit(problem: String, hint: &str) -> Self {
        Self {
            problem,
            hint: Some(hint.to_owned()),
            code: ExitCode::Build,
        }
    }

    /// Ends the run if the user has asked for that.
    pub(super) fn stop(self) -> Result<Self, Error> {
        match self.code {
            ExitCode::Interrupted => {
                Err(crate::engine::registry::RegistryError::Interrupted.into())
            }
            _ => Ok(self),
        }
    }

    /// Notes it.
    pub(super) fn tell(self, image: &mut RebasedImage, failed: &mut Vec<(String, Self)>) {
        image.state = RebaseState::Failed;
        image.digest = None;
        image.problem = Some(self.problem.clone());
        image.hint.clone_from(&self.hint);
        failed.push((image.image.to_string(), self));
    }

    /// The error of a run with these failures.
    pub(super) fn of_all(mut failed: Vec<(String, Self)>, all: usize) -> Result<(), Error> {
        let worst = failed.iter().map(|(_, failed)| failed.code);
        let Some(code) = worst.max_by_key(|code| code.severity()) else {
            return Ok(());
        };
        if all == 1
            && let Some((name, one)) = failed.pop()
        {
            return Err(Error::Rebase {
                message: format!("`{name}` is left as it is: {}", one.problem),
                hint: one.hint,
                code,
            });
        }
        let names: Vec<&str> = failed.iter().map(|(name, _)| name.as_str()).collect();
        Err(Error::Rebase {
            message: format!(
                "{} of {all} images are left as they are: {}",
                names.len(),
                names.join(", ")
            ),
            hint: None,
            code,
        })
    }
}

impl From<Unfit> for Failed {
    fn from(unfit: Unfit) -> Self {
        Self {
            problem: unfit.to_string(),
            hint: unfit.hint().map(str::to_owned),
            code: ExitCode::Build,
        }
    }
}

impl From<Gap> for Failed {
    fn from(gap: Gap) -> Self {
        let hint = "build the image on that base (`slimbuild APP --base REF`), or name a base that is closer to the old one";
        Self::unfit(gap.to_string(), hint)
    }
}
