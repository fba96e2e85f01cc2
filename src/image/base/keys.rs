//! The trusted keys: Debian's archive keys, from the package debian-archive-keyring.

use super::openpgp::{Key, Malformed, Signed};

/// The keys that sign bookworm, its point releases and its security updates.
const DEBIAN: [&str; 3] = [
    include_str!("keys/bookworm-automatic.asc"),
    include_str!("keys/bookworm-stable.asc"),
    include_str!("keys/bookworm-security-automatic.asc"),
];

/// Trusted public keys.
#[derive(Debug, Clone)]
pub struct Keys(Vec<Key>);

impl Keys {
    /// The keys of Debian 12.
    pub fn debian() -> Self {
        // A test parses all of them.
        let keys = DEBIAN
            .iter()
            .filter_map(|&armoured| Key::all(armoured).ok());
        Self(keys.flatten().collect())
    }

    /// A single key, for a mirror that signs its own lists.
    #[cfg(test)]
    pub(super) fn new(key: Key) -> Self {
        Self(vec![key])
    }

    /// The text of a signed message if one of the keys signed it, without anything around it.
    pub(super) fn signed(&self, message: &[u8], now: u64) -> Result<String, String> {
        let text = str::from_utf8(message).map_err(|_| "it is no text".to_owned())?;
        let signed = Signed::parse(text);
        let signed = signed
            .map_err(|Malformed(reason)| format!("it is no text with a signature: {reason}"))?;
        if !signed.is_by(&self.0, now) {
            return Err("none of its signatures fits the text and Debian's keys".to_owned());
        }
        Ok(signed.text())
    }
}
