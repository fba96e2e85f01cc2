//! The part of `OpenPGP` (RFC 9580) that Debian signs its lists with: cleartext signatures, version
//! 4 signatures by RSA and Ed25519, version 4 keys. A message with anything else is refused, or its
//! signature does not count; nothing is guessed.
//!
//! Parsing is our own code. `ring`, which TLS needs anyway, computes hashes and verifies
//! signatures.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey};

/// More signatures than any real list has, so that a mirror cannot keep us verifying for hours.
const MOST_SIGNATURES: usize = 16;

/// More bytes than any of Debian's lists, which have a few hundred kilobytes. Each signature hashes
/// all of them.
const MAX_BYTES: usize = 4 << 20;

const MESSAGE: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const SIGNATURE_END: &str = "-----END PGP SIGNATURE-----";
const KEY: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const KEY_END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// Algorithm numbers of RFC 9580, section 9.1.
mod algorithm {
    pub(super) const RSA: u8 = 1;
    pub(super) const RSA_SIGN_ONLY: u8 = 3;
    pub(super) const EDDSA_LEGACY: u8 = 22;
    pub(super) const ED25519: u8 = 27;
}

/// Why a message or a key cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

/// A key that verifies signatures. User ids, certificates and bindings are ignored: pinning a key
/// means trusting it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    Ed25519(Vec<u8>),
}

impl Key {
    /// The primary key and the subkeys of an armoured block, except keys of unknown algorithms.
    pub(super) fn all(armoured: &str) -> Result<Vec<Self>, Malformed> {
        let mut lines = armoured.lines();
        if lines.next().map(str::trim_end) != Some(KEY) {
            return Err(Malformed("no armoured key"));
        }
        let packets = Packets::of(&unarmour(&mut lines, KEY_END)?)?;
        let keys = packets.0.iter().filter(|(tag, _)| [6, 14].contains(tag));
        let keys = keys.map(|(_, body)| Self::read(body));
        Ok(keys
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect())
    }

    fn read(body: &[u8]) -> Result<Option<Self>, Malformed> {
        let mut body = Reader(body);
        if body.byte()? != 4 {
            return Ok(None);
        }
        body.take(4)?; // when it was made
        Ok(match body.byte()? {
            algorithm::RSA | algorithm::RSA_SIGN_ONLY => Some(Self::Rsa {
                modulus: body.integer()?.to_vec(),
                exponent: body.integer()?.to_vec(),
            }),
            algorithm::EDDSA_LEGACY => {
                let length = body.byte()?;
                let curve = body.take(length.into())?;
                let point = body.integer()?;
                let is_ed25519 = curve == [0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];
                let native = point.strip_prefix(&[0x40]).filter(|key| key.len() == 32);
                native
                    .filter(|_| is_ed25519)
                    .map(|key| Self::Ed25519(key.to_vec()))
            }
            algorithm::ED25519 => Some(Self::Ed25519(body.take(32)?.to_vec())),
            _ => None,
        })
    }
}

/// A text and its signatures, not verified yet.
pub(super) struct Signed {
    /// Lines end with CR LF, as they were signed. The last line has no end.
    text: String,
    signatures: Vec<Signature>,
}

impl Signed {
    /// Parses a message that is one cleartext signature and nothing else (RFC 9580, section 7).
    pub(super) fn parse(message: &str) -> Result<Self, Malformed> {
        if message.len() > MAX_BYTES {
            return Err(Malformed("it is larger than any list"));
        }
        let mut lines = message.split('\n');
        let mut next = || -> Result<&str, Malformed> {
            let line = lines.next().ok_or(Malformed("it ends too early"))?;
            let line = line.strip_suffix('\r').unwrap_or(line);
            if line.contains('\r') {
                // Implementations disagree on whether it ends a line.
                return Err(Malformed("a line holds a carriage return"));
            }
            // Trailing whitespace is not signed.
            Ok(line.trim_end_matches([' ', '\t']))
        };
        if next()? != MESSAGE {
            return Err(Malformed("it does not begin as a signed text"));
        }
        // Headers are not signed. Each signature states its own hash.
        while let Some(header) = Some(next()?).filter(|line| !line.is_empty()) {
            if !header.starts_with("Hash: ") {
                return Err(Malformed("it has an unknown header"));
            }
        }
        let mut text: Vec<&str> = Vec::new();
        loop {
            let line = next()?;
            if line == SIGNATURE {
                break;
            }
            match line.strip_prefix("- ") {
                Some(escaped) => text.push(escaped),
                None if line.starts_with('-') => {
                    return Err(Malformed("a line begins with a dash that is not escaped"));
                }
                None => text.push(line),
            }
        }
        let mut signatures = Vec::new();
        for (tag, body) in Packets::of(&unarmour(&mut lines, SIGNATURE_END)?)?.0 {
            if tag != 2 {
                return Err(Malformed("it holds more than signatures"));
            }
            signatures.extend(Signature::read(&body)?);
        }
        if signatures.len() > MOST_SIGNATURES {
            return Err(Malformed("it has too many signatures"));
        }
        let text = text.join("\r\n");
        Ok(Self { text, signatures })
    }

    /// Whether one of the keys made one of the signatures and it is valid at that time (seconds
    /// since 1970).
    pub(super) fn is_by(&self, keys: &[Key], now: u64) -> bool {
        self.signatures
            .iter()
            .filter(|signature| signature.expires.is_none_or(|end| now < end))
            .any(|signature| signature.is_by(&self.text, keys))
    }

    /// The signed text with Unix line ends, and nothing else of the message.
    pub(super) fn text(&self) -> String {
        self.text.replace("\r\n", "\n")
    }
}

/// The accepted hash functions.
#[derive(Clone, Copy)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    fn of(number: u8) -> Option<Self> {
        match number {
            8 => Some(Self::Sha256),
            9 => Some(Self::Sha384),
            10 => Some(Self::Sha512),
            _ => None,
        }
    }

    fn digest(self, data: &[u8]) -> digest::Digest {
        let algorithm = match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, data)
    }

    /// RSA keys below 2048 bits are not accepted.
    fn rsa(self) -> &'static RsaParameters {
        match self {
            Self::Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Self::Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Self::Sha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        }
    }
}

/// A version 4 signature of a kind that counts.
struct Signature {
    hash: Hash,
    /// The signature's own fields, which are hashed after the text.
    trailer: Vec<u8>,
    /// When it expires, in seconds since 1970.
    expires: Option<u64>,
    value: Value,
}

/// One number for RSA, 64 bytes for Ed25519.
enum Value {
    Rsa(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Signature {
    /// `None` for a signature of a kind that does not count. A truncated one is an error: nobody
    /// can tell what is missing.
    fn read(body: &[u8]) -> Result<Option<Self>, Malformed> {
        let mut rest = Reader(body);
        // Debian's keys make only version 4.
        if rest.byte()? != 4 {
            return Ok(None);
        }
        let kind = rest.byte()?;
        let algorithm = rest.byte()?;
        let hash = Hash::of(rest.byte()?);
        let hashed = rest.sized()?;
        let fields = &body[..6 + hashed.len()];
        // Anybody can change the unhashed part, so it is ignored.
        rest.sized()?;
        rest.take(2)?; // of the hash, to find wrong keys sooner
        // A signature over a text. Other types are over keys.
        let (0x01, Some(hash), Some(expires)) = (kind, hash, expiry(hashed)?) else {
            return Ok(None);
        };
        let value = match algorithm {
            algorithm::RSA | algorithm::RSA_SIGN_ONLY => Value::Rsa(rest.integer()?.to_vec()),
            algorithm::EDDSA_LEGACY => {
                let (r, s) = (padded(rest.integer()?, 32), padded(rest.integer()?, 32));
                let (Some(r), Some(s)) = (r, s) else {
                    return Ok(None);
                };
                Value::Ed25519([r, s].concat())
            }
            algorithm::ED25519 => Value::Ed25519(rest.take(64)?.to_vec()),
            _ => return Ok(None),
        };
        if !rest.0.is_empty() {
            return Err(Malformed("a signature is longer than it says"));
        }
        let mut trailer = fields.to_vec();
        trailer.extend([4, 0xff]);
        trailer.extend(
            u32::try_from(fields.len())
                .unwrap_or(u32::MAX)
                .to_be_bytes(),
        );
        Ok(Some(Self {
            hash,
            trailer,
            expires: expires.0,
            value,
        }))
    }

    fn is_by(&self, text: &str, keys: &[Key]) -> bool {
        let data = [text.as_bytes(), &self.trailer].concat();
        keys.iter().any(|key| match (key, &self.value) {
            (Key::Rsa { modulus, exponent }, Value::Rsa(value)) => {
                let key = RsaPublicKeyComponents {
                    n: modulus,
                    e: exponent,
                };
                padded(value, modulus.len())
                    .is_some_and(|value| key.verify(self.hash.rsa(), &data, &value).is_ok())
            }
            (Key::Ed25519(key), Value::Ed25519(value)) => {
                // Ed25519 signs the hash, not the text.
                let hash = self.hash.digest(&data);
                let key = UnparsedPublicKey::new(&signature::ED25519, key);
                key.verify(hash.as_ref(), value).is_ok()
            }
            _ => false,
        })
    }
}

/// When a signature expires, in seconds since 1970.
struct Expiry(Option<u64>);

/// Reads the hashed subpackets. `None` if the signature must not count, because it has no creation
/// time or an unknown critical subpacket.
fn expiry(hashed: &[u8]) -> Result<Option<Expiry>, Malformed> {
    let mut rest = Reader(hashed);
    let (mut created, mut lasts) = (None, None);
    while !rest.0.is_empty() {
        let length = rest.length()?;
        let mut subpacket = Reader(rest.take(length)?);
        let kind = subpacket.byte()?;
        let is_critical = kind & 0x80 != 0;
        match kind & 0x7f {
            2 => created = Some(u64::from(subpacket.number()?)),
            3 => lasts = Some(u64::from(subpacket.number()?)),
            // The issuer's id, fingerprint or name. The key that verifies the signature shows that
            // anyway.
            16 | 28 | 33 => {}
            _ if is_critical => return Ok(None),
            _ => {}
        }
    }
    // A lifetime of 0 means that it never expires.
    let lasts = lasts.filter(|&seconds| seconds != 0);
    Ok(created.map(|created| Expiry(lasts.map(|lasts| created + lasts))))
}

/// Restores the leading zeros that numbers lose in a message. `None` if the number is too long.
fn padded(number: &[u8], length: usize) -> Option<Vec<u8>> {
    let zeros = length.checked_sub(number.len())?;
    Some([&vec![0; zeros], number].concat())
}

/// The bytes of an armoured block after its first line. The block must be the end of the input. As
/// RFC 9580 says, the checksum at its end is ignored: it protects nothing.
fn unarmour<'t>(
    lines: &mut impl Iterator<Item = &'t str>,
    end: &str,
) -> Result<Vec<u8>, Malformed> {
    let mut lines = lines.map(str::trim_end);
    // The headers (`Version: …`, `Comment: …`) mean nothing.
    if !lines
        .by_ref()
        .take_while(|line| !line.is_empty())
        .all(|line| line.contains(": "))
    {
        return Err(Malformed("its armour has no empty line behind its headers"));
    }
    let mut text = String::new();
    let mut ended = false;
    for line in lines.by_ref() {
        if line == end {
            ended = true;
            break;
        }
        if !line.starts_with('=') {
            text.push_str(line);
        }
    }
    if !ended {
        return Err(Malformed("its armour ends too early"));
    }
    if lines.any(|line| !line.is_empty()) {
        return Err(Malformed("something follows its armour"));
    }
    STANDARD
        .decode(text)
        .map_err(|_| Malformed("its armour is damaged"))
}

/// Packet tags and bodies (RFC 9580, section 4.2). Partial and indefinite lengths are refused:
/// signatures and keys have none.
struct Packets(Vec<(u8, Vec<u8>)>);

impl Packets {
    fn of(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut rest = Reader(bytes);
        let mut packets = Vec::new();
        while !rest.0.is_empty() {
            let head = rest.byte()?;
            let (tag, length) = match head {
                0xc0.. => (head & 0x3f, rest.length()?),
                0x80.. => {
                    let length = match head & 3 {
                        0 => rest.byte()?.into(),
                        1 => rest.short()?,
                        2 => rest.number()? as usize,
                        _ => return Err(Malformed("a packet has no length")),
                    };
                    ((head >> 2) & 0xf, length)
                }
                _ => return Err(Malformed("it holds no packets")),
            };
            packets.push((tag, rest.take(length)?.to_vec()));
        }
        Ok(Self(packets))
    }
}

/// Reads from the front.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, length: usize) -> Result<&'b [u8], Malformed> {
        let taken = self.0.split_at_checked(length);
        let (taken, rest) = taken.ok_or(Malformed("a packet ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    fn short(&mut self) -> Result<usize, Malformed> {
        let bytes = self.take(2)?;
        Ok(usize::from(bytes[0]) << 8 | usize::from(bytes[1]))
    }

    fn number(&mut self) -> Result<u32, Malformed> {
        let high = u32::try_from(self.short()?).unwrap_or_default();
        let low = u32::try_from(self.short()?).unwrap_or_default();
        Ok(high << 16 | low)
    }

    /// A field with a two-byte length before it.
    fn sized(&mut self) -> Result<&'b [u8], Malformed> {
        let length = self.short()?;
        self.take(length)
    }

    /// A length in one, two or five bytes.
    fn length(&mut self) -> Result<usize, Malformed> {
        Ok(match self.byte()? {
            short @ ..192 => short.into(),
            first @ 192..224 => (usize::from(first) - 192) * 256 + usize::from(self.byte()?) + 192,
            255 => self.number()? as usize,
            _ => return Err(Malformed("a packet comes in parts")),
        })
    }

    /// A multiprecision integer: its length in bits, then its bytes without leading zeros.
    fn integer(&mut self) -> Result<&'b [u8], Malformed> {
        let bits = self.short()?;
        let bytes = self.take(bits.div_ceil(8))?;
        let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
        Ok(&bytes[zeros..])
    }
}

#[cfg(test)]
pub(super) mod signing;
#[cfg(test)]
mod tests;
