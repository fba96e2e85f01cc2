//! Debian's own list, and messages that were made to deceive.

use std::io::Read;

use proptest::prelude::*;

use super::super::keys::Keys;
use super::signing::{CREATED, Form, Signer, message, packet};
use super::*;

/// The list of bookworm's security updates as Debian published it.
const LIST: &str = include_str!("InRelease.bookworm-security");
const NOW: u64 = 1_800_000_000;

/// What comes out when the signer of `signer` is believed.
fn read(message: &str, signer: &Signer) -> Result<String, String> {
    Keys::new(signer.key()).signed(message.as_bytes(), NOW)
}

#[test]
fn debians_keys_are_read() {
    let sizes = |armoured: &str| -> Vec<usize> {
        let keys = Key::all(armoured).unwrap();
        let sizes = keys.iter().map(|key| match key {
            Key::Rsa { modulus, .. } => modulus.len() * 8,
            Key::Ed25519(key) => key.len() * 8,
        });
        sizes.collect()
    };
    assert_eq!(
        sizes(include_str!("../keys/bookworm-automatic.asc")),
        [4096, 4096]
    );
    assert_eq!(sizes(include_str!("../keys/bookworm-stable.asc")), [256]);
    let security = include_str!("../keys/bookworm-security-automatic.asc");
    assert_eq!(sizes(security), [4096, 4096]);
}

#[test]
fn debians_list_is_believed() {
    let text = Keys::debian().signed(LIST.as_bytes(), NOW).unwrap();
    let begin = LIST.find("Origin: ").unwrap();
    let end = LIST.find("\n-----BEGIN PGP SIGNATURE").unwrap();
    assert_eq!(text, LIST[begin..end]);
    // The way of Windows to end lines is another way to write the same text.
    let windows = LIST.replace('\n', "\r\n");
    assert_eq!(
        Keys::debian().signed(windows.as_bytes(), NOW).unwrap(),
        text
    );
    // One of its two signatures is by another key than ours; the order does not matter.
    let signed = Signed::parse(LIST).unwrap();
    assert_eq!(signed.signatures.len(), 2);
    let of = |name: &str| Key::all(name).unwrap();
    assert!(signed.is_by(
        &of(include_str!("../keys/bookworm-security-automatic.asc")),
        NOW
    ));
    assert!(!signed.is_by(&of(include_str!("../keys/bookworm-automatic.asc")), NOW));
    assert!(!signed.is_by(&of(include_str!("../keys/bookworm-stable.asc")), NOW));
    assert!(!signed.is_by(&[Signer::new().key()], NOW));
    assert!(!signed.is_by(&[], NOW));
}

#[test]
fn the_key_of_stable_signs_too() {
    // The list of bookworm itself: two signatures by RSA, one by Ed25519.
    let packed: &[u8] = include_bytes!("InRelease.bookworm.xz");
    let mut list = String::new();
    lzma_rust2::XzReader::new(packed, false)
        .read_to_string(&mut list)
        .unwrap();
    let key = Key::all(include_str!("../keys/bookworm-stable.asc")).unwrap();
    assert!(Signed::parse(&list).unwrap().is_by(&key, NOW));
    let key = Key::all(include_str!("../keys/bookworm-automatic.asc")).unwrap();
    assert!(Signed::parse(&list).unwrap().is_by(&key, NOW));
    let list = list.replace("Codename: bookworm", "Codename: sid");
    assert!(!Signed::parse(&list).unwrap().is_by(&key, NOW));
    assert!(Keys::debian().signed(list.as_bytes(), NOW).is_err());
}

/// Whatever is changed anywhere: it is refused, or the text that was signed comes out.
#[test]
fn no_changed_byte_changes_what_is_believed() {
    let text = Keys::debian().signed(LIST.as_bytes(), NOW).unwrap();
    let armour = LIST.find("\n-----BEGIN PGP SIGNATURE").unwrap();
    // Every byte of the frame, some of the text, and of each packet of a signature all but most of
    // the number.
    let places = (0..100)
        .chain((100..armour).step_by(1999))
        .chain(armour - 5..armour + 160)
        .chain((armour + 160..LIST.len() - 60).step_by(7))
        .chain(LIST.len() - 60..LIST.len());
    for place in places {
        let mut bytes = LIST.as_bytes().to_vec();
        bytes[place] ^= if place % 2 == 0 { 1 } else { 0x20 };
        if let Ok(believed) = Keys::debian().signed(&bytes, NOW) {
            assert_eq!(believed, text, "byte {place}");
            let is_signed = (60..=armour).contains(&place);
            assert!(!is_signed, "byte {place} of the text is not signed");
        }
    }
    for place in [60, 5000, armour - 1] {
        for cut in [1, 2, 100] {
            let without = [&LIST[..place], &LIST[place + cut..]].concat();
            assert!(Keys::debian().signed(without.as_bytes(), NOW).is_err());
        }
    }
}

#[test]
fn a_message_that_ends_too_early_is_refused() {
    let end = LIST.rfind(SIGNATURE_END).unwrap();
    for length in (0..end).step_by(61).chain(end..end + SIGNATURE_END.len()) {
        assert!(
            Keys::debian()
                .signed(&LIST.as_bytes()[..length], NOW)
                .is_err(),
            "{length}"
        );
    }
}

#[test]
fn nothing_stands_around_a_signed_text() {
    let signer = Signer::new();
    let signed = signer.sign("a text");
    assert_eq!(read(&signed, &signer).unwrap(), "a text");
    for other in [
        format!("Codename: sid\n{signed}"),
        format!("\n{signed}"),
        format!("{signed}Codename: sid\n"),
        format!("{signed}{signed}"),
        signed.replace("Hash: SHA256\n", "Codename: sid\n"),
        signed.replace("\n\na text", "\na text"),
        signed.replace("a text", "a text\n-----BEGIN PGP SIGNED MESSAGE-----"),
        signed.replace("a text", "-----BEGIN PGP SIGNED MESSAGE-----\na text"),
        signed.replace("a text", "a text\r"),
        signed.replace("a text", "a\rtext"),
        signed.replace("a text", "a text\u{a0}"),
        signed.replace("a text", "a text\u{2028}"),
        signed.replace("a text", "a text\u{c}"),
        signed.replace("a text", "a text\n"),
        signed.replace("a text", "- - a text"),
        signed.replace("a text", "A text"),
        signed.replace(SIGNATURE, "-----BEGIN PGP MESSAGE-----"),
        String::new(),
    ]
    .into_iter()
    // A carriage return at a line's end is part of how it ends.
    .filter(|message| !message.contains("a text\r\n"))
    {
        assert!(read(&other, &signer).is_err(), "{other}");
    }
}

#[test]
fn lines_mean_what_they_mean_to_gpg() {
    let signer = Signer::new();
    // Dashes are escaped, and what stands at the end of a line is not signed.
    for (text, comes_out) in [
        (
            "-----BEGIN PGP SIGNATURE-----\n- a\n-\n--",
            "-----BEGIN PGP SIGNATURE-----\n- a\n-\n--",
        ),
        ("a  \t\n b\t", "a\n b"),
        ("\n\na\n\n", "\n\na\n\n"),
        ("", ""),
    ] {
        assert_eq!(
            read(&signer.sign(text), &signer).unwrap(),
            comes_out,
            "{text:?}"
        );
    }
    // Any line may be escaped, and an escape is no part of the text.
    let signed = signer.sign("a").replace("\n\na\n", "\n\n- a\n");
    assert_eq!(read(&signed, &signer).unwrap(), "a");
    let unescaped = signer.sign("-a").replace("\n- -a\n", "\n-a\n");
    assert!(read(&unescaped, &signer).is_err());
}

#[test]
fn every_form_that_counts_is_read() {
    let signer = Signer::new();
    let by = |form: Form| read(&message("a", &signer.packet("a", &form)), &signer);
    let plain = Form::default;
    let good = [
        plain(),
        Form { hash: 9, ..plain() },
        Form {
            hash: 10,
            ..plain()
        },
        Form {
            algorithm: 27,
            ..plain()
        },
        // Notations and what else does not have to be known.
        Form {
            hashed: [&CREATED[..], &[2, 20, 0, 2, 100, 0]].concat(),
            ..plain()
        },
        // It lasts: for ever, and until after now.
        Form {
            hashed: [&CREATED[..], &[5, 3, 0, 0, 0, 0]].concat(),
            ..plain()
        },
        Form {
            hashed: [&CREATED[..], &[5, 0x83, 0x7f, 0, 0, 0]].concat(),
            ..plain()
        },
        // What is not hashed is not read.
        Form {
            unhashed: vec![0xff; 40],
            ..plain()
        },
    ];
    for form in good {
        assert_eq!(by(form.clone()).as_deref(), Ok("a"), "{form:?}");
    }
}

#[test]
fn weak_and_foreign_forms_do_not_count() {
    let signer = Signer::new();
    let by = |form: Form| read(&message("a", &signer.packet("a", &form)), &signer);
    let plain = Form::default;
    let bad = [
        Form { hash: 1, ..plain() },
        Form { hash: 2, ..plain() },
        Form { hash: 3, ..plain() },
        Form {
            hash: 11,
            ..plain()
        },
        Form {
            version: 3,
            ..plain()
        },
        Form {
            version: 6,
            ..plain()
        },
        // Over bytes, alone, over a name, over a subkey.
        Form { kind: 0, ..plain() },
        Form { kind: 2, ..plain() },
        Form {
            kind: 0x13,
            ..plain()
        },
        Form {
            kind: 0x18,
            ..plain()
        },
        Form {
            algorithm: 1,
            ..plain()
        },
        Form {
            algorithm: 17,
            ..plain()
        },
        Form {
            algorithm: 19,
            ..plain()
        },
        // Nobody knows when, or only what is not hashed says it.
        Form {
            hashed: Vec::new(),
            ..plain()
        },
        Form {
            hashed: Vec::new(),
            unhashed: CREATED.to_vec(),
            ..plain()
        },
        // It has ended.
        Form {
            hashed: [&CREATED[..], &[5, 3, 0, 0, 0, 1]].concat(),
            ..plain()
        },
        // Something that we do not know has to be known.
        Form {
            hashed: [&CREATED[..], &[2, 0x80 | 0x64, 0]].concat(),
            ..plain()
        },
        Form {
            hashed: [&CREATED[..], &[200]].concat(),
            ..plain()
        },
        Form {
            hashed: [&CREATED[..], &[0]].concat(),
            ..plain()
        },
    ];
    for form in bad {
        assert!(by(form.clone()).is_err(), "{form:?}");
    }
}

#[test]
fn every_signature_is_tried_and_other_packets_are_refused() {
    let (signer, other) = (Signer::new(), Signer::new());
    let by = |signer: &Signer| signer.packet("a", &Form::default());
    let newer = other.packet(
        "a",
        &Form {
            version: 6,
            ..Form::default()
        },
    );
    let read = |packets: &[Vec<u8>]| read(&message("a", &packets.concat()), &signer);
    assert!(read(&[by(&signer), by(&other)]).is_ok());
    assert!(read(&[newer, by(&other), by(&signer)]).is_ok());
    assert!(read(&[by(&other), by(&other)]).is_err());
    assert!(read(&[]).is_err());
    assert!(read(&[by(&signer), packet(11, b"text")]).is_err());
    assert!(read(&[by(&signer), packet(2, &[4])]).is_err());
    assert!(read(&[by(&signer), vec![0xc2, 0xe1]]).is_err());
    assert!(read(&[by(&signer), vec![0x8b, 4]]).is_err());
    assert!(read(&[by(&signer), vec![4]]).is_err());
    assert!(read(&vec![by(&signer); MOST_SIGNATURES]).is_ok());
    assert!(read(&vec![by(&signer); MOST_SIGNATURES + 1]).is_err());
    // A number with more behind it.
    let mut body = by(&signer)[6..].to_vec();
    body.push(0);
    assert!(read(&[packet(2, &body)]).is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let text = String::from_utf8_lossy(&bytes);
        prop_assert!(Keys::debian().signed(text.as_bytes(), NOW).is_err());
        prop_assert!(Keys::debian().signed(message("a", &bytes).as_bytes(), NOW).is_err());
        prop_assert!(Keys::debian().signed(message("a", &packet(2, &bytes)).as_bytes(), NOW).is_err());
        let armour = STANDARD.encode(&bytes);
        drop(Key::all(&format!("{KEY}\n\n{armour}\n{KEY_END}\n")));
        let armour = STANDARD.encode(packet(6, &[&[4, 0, 0, 0, 0, 22], &bytes[..]].concat()));
        drop(Key::all(&format!("{KEY}\n\n{armour}\n{KEY_END}\n")));
    }

    #[test]
    fn what_is_hashed_may_be_anything(hashed in prop::collection::vec(any::<u8>(), 0..60)) {
        let signer = Signer::new();
        let form = Form { hashed, ..Form::default() };
        if let Ok(text) = read(&message("a", &signer.packet("a", &form)), &signer) {
            prop_assert_eq!(text, "a");
        }
    }

    #[test]
    fn any_text_that_is_signed_comes_out(text in "[-a \\t\\n]{0,60}") {
        let signer = Signer::new();
        let lines: Vec<&str> = text.split('\n').map(|line| line.trim_end_matches([' ', '\t'])).collect();
        prop_assert_eq!(read(&signer.sign(&text), &signer).unwrap(), lines.join("\n"));
    }
}
