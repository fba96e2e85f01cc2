//! [`Digest`]: a content hash with its algorithm.
//!
//! Input: bytes, or a digest as registries and package managers write it. Output: a value to
//! compare, show and look up.

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256, Sha512};

/// The hash functions that image registries and npm use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256: images and Debian's archive.
    Sha256,
    /// SHA-512: npm packages.
    Sha512,
}

impl Algorithm {
    /// The name before the colon: `sha256`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }
}

/// A digest with its algorithm: `sha256:` and 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest {
    algorithm: Algorithm,
    hex: String,
}

/// The text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest")]
pub struct NotADigest(String);

impl Digest {
    /// Hashes bytes with SHA-256.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(bytes);
        hasher.finish()
    }

    /// Hashes everything the reader gives.
    pub fn of_reader(algorithm: Algorithm, reader: &mut impl Read) -> io::Result<Self> {
        let mut hasher = Hasher::new(algorithm);
        io::copy(reader, &mut hasher)?;
        Ok(hasher.finish())
    }

    /// Parses a SHA-256 as Debian writes it: hexadecimal digits alone.
    pub fn sha256_hex(hex: &str) -> Result<Self, NotADigest> {
        Self::new(Algorithm::Sha256, hex)
    }

    /// Parses the SHA-512 of a Subresource Integrity string, as npm writes it.
    pub fn from_integrity(text: &str) -> Result<Self, NotADigest> {
        let no = || NotADigest(text.to_owned());
        let mut all = text.split_ascii_whitespace();
        let encoded = all.find_map(|one| one.strip_prefix("sha512-"));
        let encoded = encoded.ok_or_else(no)?.split('?').next();
        let bytes = STANDARD.decode(encoded.unwrap_or_default());
        let bytes = bytes.map_err(|_| no())?;
        Self::new(Algorithm::Sha512, &hex(&bytes)).map_err(|_| no())
    }

    fn new(algorithm: Algorithm, hex: &str) -> Result<Self, NotADigest> {
        let length = match algorithm {
            Algorithm::Sha256 => 64,
            Algorithm::Sha512 => 128,
        };
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if hex.len() == length && hex.bytes().all(digit) {
            let hex = hex.to_owned();
            Ok(Self { algorithm, hex })
        } else {
            Err(NotADigest(hex.to_owned()))
        }
    }

    /// The hash function.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The digits without the algorithm.
    pub fn hex(&self) -> &str {
        &self.hex
    }
}

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let parsed = match text.split_once(':') {
            Some(("sha256", hex)) => Self::new(Algorithm::Sha256, hex).ok(),
            Some(("sha512", hex)) => Self::new(Algorithm::Sha512, hex).ok(),
            _ => None,
        };
        parsed.ok_or_else(|| NotADigest(text.to_owned()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A digest that is still being computed.
#[derive(Clone)]
pub enum Hasher {
    /// SHA-256.
    Sha256(Sha256),
    /// SHA-512.
    Sha512(Sha512),
}

impl Hasher {
    /// Starts with no bytes.
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The digest of all bytes.
    pub fn finish(self) -> Digest {
        match self {
            Self::Sha256(hasher) => Digest {
                algorithm: Algorithm::Sha256,
                hex: hex(&hasher.finalize()),
            },
            Self::Sha512(hasher) => Digest {
                algorithm: Algorithm::Sha512,
                hex: hex(&hasher.finalize()),
            },
        }
    }
}

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes as lower case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_registries_do() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), empty);
        assert_eq!(empty.parse(), Ok(Digest::of(b"")));
        for wrong in ["", "sha256:", "sha256:E3", "md5:00", &empty[..70]] {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn npm_writes_base64() {
        let text = "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==";
        let digest = Digest::from_integrity(text).unwrap();
        let empty = Digest::of_reader(Algorithm::Sha512, &mut io::empty()).unwrap();
        assert_eq!(digest, empty);
        for wrong in ["", "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "sha512-AAAA"] {
            assert!(Digest::from_integrity(wrong).is_err(), "{wrong}");
        }
    }
}
