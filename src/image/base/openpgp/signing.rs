//! Signs lists for test mirrors, correctly and incorrectly.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};

use super::{Key, MESSAGE, SIGNATURE, SIGNATURE_END};

/// Signs with a newly generated key.
pub(in crate::image::base) struct Signer(Ed25519KeyPair);

/// The fields of a signature.
#[derive(Debug, Clone)]
pub(super) struct Form {
    pub(super) version: u8,
    pub(super) kind: u8,
    pub(super) algorithm: u8,
    pub(super) hash: u8,
    pub(super) hashed: Vec<u8>,
    pub(super) unhashed: Vec<u8>,
}

/// A subpacket with a creation time long ago.
pub(super) const CREATED: [u8; 6] = [5, 2, 0x60, 0, 0, 0];

impl Default for Form {
    fn default() -> Self {
        Self {
            version: 4,
            kind: 1,
            algorithm: 22,
            hash: 8,
            hashed: CREATED.to_vec(),
            unhashed: Vec::new(),
        }
    }
}

impl Signer {
    pub(in crate::image::base) fn new() -> Self {
        let secret = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self(Ed25519KeyPair::from_pkcs8(secret.as_ref()).unwrap())
    }

    pub(in crate::image::base) fn key(&self) -> Key {
        Key::Ed25519(self.0.public_key().as_ref().to_vec())
    }

    pub(in crate::image::base) fn sign(&self, text: &str) -> String {
        message(text, &self.packet(text, &Form::default()))
    }

    /// The packet of a signature over a text.
    pub(super) fn packet(&self, text: &str, form: &Form) -> Vec<u8> {
        let lines = text
            .split('\n')
            .map(|line| line.trim_end_matches([' ', '\t', '\r']));
        let mut body = vec![form.version, form.kind, form.algorithm, form.hash];
        body.extend(sized(&form.hashed));
        let mut data = lines.collect::<Vec<_>>().join("\r\n").into_bytes();
        data.extend(&body);
        data.extend([form.version, 0xff]);
        data.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
        let algorithm = match form.hash {
            2 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            9 => &digest::SHA384,
            10 => &digest::SHA512,
            _ => &digest::SHA256,
        };
        let hash = digest::digest(algorithm, &data);
        let value = self.0.sign(hash.as_ref());
        body.extend(sized(&form.unhashed));
        body.extend(&hash.as_ref()[..2]);
        if form.algorithm == 27 {
            body.extend(value.as_ref());
        } else {
            for half in value.as_ref().chunks(32) {
                let zeros = half.iter().take_while(|&&byte| byte == 0).count();
                let half = &half[zeros..];
                let bits = half.len() * 8 - half[0].leading_zeros() as usize;
                body.extend(u16::try_from(bits).unwrap().to_be_bytes());
                body.extend(half);
            }
        }
        packet(2, &body)
    }
}

pub(super) fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[0xc0 | tag, 255][..], &length, body].concat()
}

/// A message with a text, followed by packets.
pub(super) fn message(text: &str, packets: &[u8]) -> String {
    let lines = text.split('\n').map(|line| {
        let dash = if line.starts_with('-') { "- " } else { "" };
        format!("{dash}{line}\n")
    });
    let text: String = lines.collect();
    let armour = STANDARD.encode(packets);
    format!("{MESSAGE}\nHash: SHA256\n\n{text}{SIGNATURE}\n\n{armour}\n{SIGNATURE_END}\n")
}

fn sized(part: &[u8]) -> Vec<u8> {
    let length = u16::try_from(part.len()).unwrap().to_be_bytes();
    [&length, part].concat()
}
