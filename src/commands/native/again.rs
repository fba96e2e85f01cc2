//! Images that are made without a daemon, and once more where that helps.

use super::{Job, once};
use crate::commands::build::show_log;
use crate::engine::native::NativeError;
use crate::error::Error;
use crate::progress::ProgressMode;
use crate::ui::Ui;

/// More layers than this are hardly damaged at once.
const MENDED: usize = 20;

/// Makes the image and writes it. What was damaged in the cache is thrown away where that is found, and made anew.
pub(in crate::commands) fn run(job: &Job<'_>, ui: &mut Ui) -> Result<(), Error> {
    let mut mended = 0;
    loop {
        match once(job, ui) {
            Err(error) if error.is_damage() && mended < MENDED => {
                mended += 1;
                if job.mode != ProgressMode::Quiet {
                    ui.warn(&error.to_string())
                        .map_err(Error::io("cannot write to stderr"))?;
                }
            }
            Err(Error::Native(NativeError::NotUp { how, late, log })) => {
                show_log(&log, ui);
                return Err(NativeError::NotUp { how, late, log }.into());
            }
            made => return made,
        }
    }
}
