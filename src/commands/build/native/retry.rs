//! Makes images without a daemon, and retries if that may help.

use std::collections::BTreeSet;

use super::NativeDriver;
use crate::commands::build::job::Job;
use crate::commands::build::outcome::Done;
use crate::commands::build::show_log;
use crate::commands::error::Error;
use crate::commands::storage::Storage;
use crate::commands::warning::warn;
use crate::engine::native::NativeError;
use crate::show::ui::Ui;

/// It is unlikely that more layers than this are damaged at once.
const MAX_REPAIRS: usize = 20;

/// The damage found so far.
#[derive(Default)]
struct Mended(BTreeSet<String>);

impl Mended {
    /// Whether making it again may help: not if the same was made again before.
    fn may_help(&mut self, error: &Error) -> bool {
        error.is_damage() && self.0.len() < MAX_REPAIRS && self.0.insert(error.to_string())
    }
}

/// Makes and delivers the image. Damaged cache entries are deleted when they are found, and made
/// again.
pub(super) fn build(driver: &NativeDriver, job: &Job<'_>, ui: &mut Ui) -> Result<Done, Error> {
    let mut mended = Mended::default();
    let mut storage = Storage::open(&job.engine.sources, job.cwd, job.env, job.mode, ui)?;
    loop {
        match driver.once(job, &storage.cache, ui) {
            Ok(done) => {
                storage.tidy(ui)?;
                return Ok(done);
            }
            Err(error) if mended.may_help(&error) => {
                warn(&error.to_string(), job.mode, ui)?;
            }
            Err(Error::Native(NativeError::NotUp { how, late, log })) => {
                show_log(&log, ui);
                return Err(NativeError::NotUp { how, late, log }.into());
            }
            Err(error) if !error.is_interrupt() && storage.goes_on(ui)? => {}
            failed => return failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::oci::OciError;
    use crate::model::digest::Digest;

    #[test]
    fn what_is_damaged_again_is_not_made_anew_again() {
        let damaged = |bytes: &[u8]| Error::Oci(OciError::Damaged(Digest::of(bytes)));
        let mut mended = Mended::default();
        assert!(mended.may_help(&damaged(b"a")) && mended.may_help(&damaged(b"b")));
        assert!(!mended.may_help(&damaged(b"a")));
        let (layer, reason) = (Digest::of(b"c"), "it is no tar".to_owned());
        let malformed = Error::Oci(OciError::Malformed { layer, reason });
        assert!(!mended.may_help(&malformed));
    }
}
