//! Packages that pnpm cannot verify: 10.34.1, 11.4 and 12 stop there with
//! `ERR_PNPM_MISSING_TARBALL_INTEGRITY`. Tried with 10.34, 11.22, 12.0, 12.15 and 12.21.

use nodejs_semver::Version;

use crate::lockfile::LockfileError;
use crate::lockfile::reachable::Reach;

/// Fails for the first package that is reached and has no integrity, if this version of pnpm asks
/// for one. An unknown version does not.
pub fn check(reaches: &[Reach<'_, '_>], pnpm: Option<&str>) -> Result<(), LockfileError> {
    let asks = pnpm
        .and_then(|text| Version::parse(text).ok())
        .is_some_and(|pnpm| {
            let oldest = match pnpm.major() {
                ..=10 => (10, 34, 1),
                11 => (11, 4, 0),
                _ => (12, 0, 0),
            };
            (pnpm.major(), pnpm.minor(), pnpm.patch()) >= oldest
        });
    if !asks {
        return Ok(());
    }
    for reach in reaches {
        let lacking = reach
            .entries()
            .find(|(lockfile, key, _)| lockfile.lacks_integrity(key));
        if let Some((lockfile, key, _)) = lacking {
            return Err(LockfileError::NoIntegrity(key.to_owned()).of(lockfile.dir()));
        }
    }
    Ok(())
}
