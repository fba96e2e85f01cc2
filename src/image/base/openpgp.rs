//! As much of `OpenPGP` (RFC 9580) as Debian signs its lists with: texts signed in the clear, version 4 signatures by RSA and Ed25519, version 4
//! keys. Whatever else a message holds makes it refused, or its signature not counted: nothing is guessed.
//!
//! Parsing is ours; hashes and signatures are verified by `ring`, which TLS brings anyway.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey};

/// More signatures than any list has: a mirror cannot make us verify for hours.
const MOST_SIGNATURES: usize = 16;

/// More than any list of Debian's has, which is a few hundred kilobytes: each signature hashes all of it.
const MOST_BYTES: usize = 4 << 20;

const MESSAGE: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const SIGNATURE_END: &str = "-----END PGP SIGNATURE-----";
const KEY: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const KEY_END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// Numbers of RFC 9580, section 9.1.
mod algorithm {
    pub(super) const RSA: u8 = 1;
    pub(super) const RSA_SIGN_ONLY: u8 = 3;
    pub(super) const EDDSA_LEGACY: u8 = 22;
    pub(super) const ED25519: u8 = 27;
}

/// Why a message or a key cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

/// A key that can verify. Names, certificates and bindings are not looked at: whoever pins a key believes all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    Ed25519(Vec<u8>),
}

impl Key {
    /// The primary key and the subkeys of an armoured block, without those for anything but signatures that we know.
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

/// A text and its signatures, none of which has been verified yet.
pub(super) struct Signed {
    /// Lines end with CR LF, as they were signed; the last one has no end.
    text: String,
    signatures: Vec<Signature>,
}

impl Signed {
    /// Reads a message that is signed in the clear and holds nothing else (RFC 9580, section 7).
    pub(super) fn parse(message: &str) -> Result<Self, Malformed> {
        if message.len() > MOST_BYTES {
            return Err(Malformed("it is larger than any list"));
        }
        let mut lines = message.split('\n');
        let mut next = || -> Result<&str, Malformed> {
            let line = lines.next().ok_or(Malformed("it ends too early"))?;
            let line = line.strip_suffix('\r').unwrap_or(line);
            if line.contains('\r') {
                // Programs do not agree whether that ends a line.
                return Err(Malformed("a line holds a carriage return"));
            }
            // What stands at the end of a line is not signed.
            Ok(line.trim_end_matches([' ', '\t']))
        };
        if next()? != MESSAGE {
            return Err(Malformed("it does not begin as a signed text"));
        }
        // These are not signed. Each signature says itself how it was made.
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

    /// Whether one of the keys made one of the signatures over the text, and it holds at that time (seconds since 1970).
    pub(super) fn is_by(&self, keys: &[Key], now: u64) -> bool {
        self.signatures
            .iter()
            .filter(|signature| signature.expires.is_none_or(|end| now < end))
            .any(|signature| signature.is_by(&self.text, keys))
    }

    /// The text, with the line ends of Unix. Nothing of the message that was not signed is in it.
    pub(super) fn text(&self) -> String {
        self.text.replace("\r\n", "\n")
    }
}

/// The hashes whose signatures count.
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

    /// Keys of less than 2048 bits verify nothing.
    fn rsa(self) -> &'static RsaParameters {
        match self {
            Self::Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Self::Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Self::Sha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        }
    }
}

/// A signature of version 4 that could count.
struct Signature {
    hash: Hash,
    /// What is hashed behind the text: the signature's own fields.
    trailer: Vec<u8>,
    /// When it does not hold any more, in seconds since 1970.
    expires: Option<u64>,
    value: Value,
}

/// One number for RSA; for Ed25519, 64 bytes.
enum Value {
    Rsa(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Signature {
    /// One of another kind does not count. One that ends too early is an error: nobody knows what was cut off.
    fn read(body: &[u8]) -> Result<Option<Self>, Malformed> {
        let mut rest = Reader(body);
        // Other versions are made by other keys than Debian's.
        if rest.byte()? != 4 {
            return Ok(None);
        }
        let kind = rest.byte()?;
        let algorithm = rest.byte()?;
        let hash = Hash::of(rest.byte()?);
        let hashed = rest.sized()?;
        let fields = &body[..6 + hashed.len()];
        // Anybody can write into the part that is not hashed.
        rest.sized()?;
        rest.take(2)?; // of the hash, to find wrong keys sooner
        // Over a text; others are over keys.
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
                // The hash is what is signed here, not the text.
                let hash = self.hash.digest(&data);
                let key = UnparsedPublicKey::new(&signature::ED25519, key);
                key.verify(hash.as_ref(), value).is_ok()
            }
            _ => false,
        })
    }
}

/// When a signature ends.
struct Expiry(Option<u64>);

/// Reads the hashed subpackets. `None`: such a signature must not count, because it lacks its time or demands what we do not know.
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
            // Who made it, by number, fingerprint or name: told by the key that fits.
            16 | 28 | 33 => {}
            _ if is_critical => return Ok(None),
            _ => {}
        }
    }
    // No length of life is an endless one.
    let lasts = lasts.filter(|&seconds| seconds != 0);
    Ok(created.map(|created| Expiry(lasts.map(|lasts| created + lasts))))
}

/// Numbers lose their leading zeros in a message. `None`: it is too long.
fn padded(number: &[u8], length: usize) -> Option<Vec<u8>> {
    let zeros = length.checked_sub(number.len())?;
    Some([&vec![0; zeros], number].concat())
}

/// The bytes of an armoured block behind its first line, up to its end, which is the end of all. The checksum at its end is ignored, as RFC 9580
/// has it: it protects nothing.
fn unarmour<'t>(
    lines: &mut impl Iterator<Item = &'t str>,
    end: &str,
) -> Result<Vec<u8>, Malformed> {
    let mut lines = lines.map(str::trim_end);
    // Headers (`Version: …`, `Comment: …`) mean nothing.
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

/// Tags and bodies (RFC 9580, section 4.2). Bodies in parts and without a length are not known: signatures and keys have none.
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

/// Takes from the front.
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

    /// A part with its length before it, in two bytes.
    fn sized(&mut self) -> Result<&'b [u8], Malformed> {
        let length = self.short()?;
        self.take(length)
    }

    /// A length of one, two or five bytes.
    fn length(&mut self) -> Result<usize, Malformed> {
        Ok(match self.byte()? {
            short @ ..192 => short.into(),
            first @ 192..224 => (usize::from(first) - 192) * 256 + usize::from(self.byte()?) + 192,
            255 => self.number()? as usize,
            _ => return Err(Malformed("a packet comes in parts")),
        })
    }

    /// A number of any size, its length in bits before it, without leading zeros.
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
