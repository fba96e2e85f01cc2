//! Whose signatures are believed: Debian's archive keys, as the package debian-archive-keyring has them.

use std::fmt;

use pgp::composed::{CleartextSignedMessage, Deserializable, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;

/// The keys that sign bookworm, its point releases and its security updates.
const DEBIAN: [&str; 3] = [
    include_str!("keys/bookworm-automatic.asc"),
    include_str!("keys/bookworm-stable.asc"),
    include_str!("keys/bookworm-security-automatic.asc"),
];

/// Public keys, in the armour of `OpenPGP`.
#[derive(Clone)]
pub struct Keys(Vec<String>);

impl Keys {
    /// Those of Debian 12.
    pub fn debian() -> Self {
        Self(DEBIAN.iter().map(|&key| key.to_owned()).collect())
    }

    /// Others, for a mirror that signs itself.
    #[cfg(test)]
    pub fn new(armoured: Vec<String>) -> Self {
        Self(armoured)
    }

    /// The text that was signed by one of the keys. What stands around it in the message does not come out.
    pub(super) fn signed(&self, message: &[u8]) -> Result<String, String> {
        let text = str::from_utf8(message).map_err(|_| "it is no text".to_owned())?;
        let (message, _) = CleartextSignedMessage::from_string(text)
            .map_err(|_| "it holds no signed text".to_owned())?;
        let signed = message.signed_text();
        let keys = self.0.iter().map(|key| SignedPublicKey::from_string(key));
        let keys = keys.collect::<Result<Vec<_>, _>>();
        let keys = keys.map_err(|error| format!("a key cannot be read: {error}"))?;
        for signature in message.signatures() {
            let strong = [
                HashAlgorithm::Sha256,
                HashAlgorithm::Sha384,
                HashAlgorithm::Sha512,
            ];
            if !signature
                .hash_alg()
                .is_some_and(|hash| strong.contains(&hash))
            {
                continue;
            }
            let data = signed.as_bytes();
            let believed = keys.iter().any(|(key, _)| {
                signature.verify(&key.primary_key, data).is_ok()
                    || key
                        .public_subkeys
                        .iter()
                        .any(|subkey| signature.verify(&subkey.key, data).is_ok())
            });
            if believed {
                return Ok(signed.replace("\r\n", "\n"));
            }
        }
        Err("none of its signatures fits the text and Debian's keys".to_owned())
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The armour says it all.
        f.debug_list().entries(&self.0).finish()
    }
}
