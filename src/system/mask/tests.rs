use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;

fn mask(secrets: &[&str]) -> Mask {
    Mask::new(secrets.iter().map(|secret| secret.as_bytes()))
}

fn chunks(mask: &Mask, chunks: &[&str]) -> Vec<String> {
    let mut stream = mask.stream();
    let mut shown: Vec<Vec<u8>> = chunks
        .iter()
        .map(|chunk| stream.push(chunk.as_bytes()))
        .collect();
    shown.push(stream.end());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    shown.into_iter().map(text).collect()
}

#[test]
fn a_secret_is_hidden_wherever_it_is_cut() {
    let mask = mask(&["hunter2-8c1f"]);
    assert_eq!(mask.text("a hunter2-8c1f b"), "a *** b");
    assert_eq!(
        chunks(&mask, &["a hunter2", "-8c1f b"]),
        ["a ", "*** b", ""]
    );
    assert_eq!(chunks(&mask, &["a hunt", "ing\n"]), ["a ", "hunting\n", ""]);
    assert_eq!(chunks(&mask, &["a hunt"]), ["a ", "hunt"]);
    assert_eq!(chunks(&mask, &["hunter\n"]), ["hunter\n", ""]);
    assert_eq!(mask.text("hunter2-8c1fhunter2-8c1f"), "******");
}

#[test]
fn secrets_that_overlap_are_one() {
    let both = mask(&["abcdef", "defghi"]);
    assert_eq!(both.text("xabcdefghiy"), "x***y");
    assert_eq!(
        chunks(&both, &["xabcdef", "g", "hiy"]),
        ["x***", "", "y", ""]
    );
    let nested = mask(&["abcd", "abcdefgh", "cdef"]);
    assert_eq!(nested.text("abcdefg"), "***g");
    assert_eq!(nested.text("abcdefgh"), "***");
    // The stars are out before it is known where the secret ends.
    assert_eq!(chunks(&both, &["abcdef", "g-x-"]), ["***", "g-x-", ""]);
}

#[test]
fn other_forms_are_hidden() {
    let secret = "p&ss \"w'rd/ü";
    let mask = mask(&[secret]);
    for text in [
        serde_json::Value::from(secret).to_string(),
        "https://user:p%26ss%20%22w'rd%2F%C3%BC@host".to_owned(),
        "https://user:p%26ss%20%22w%27rd%2f%c3%bc@host".to_owned(),
        "token=p%26ss+%22w%27rd%2F%C3%BC".to_owned(),
        "<p>p&amp;ss &quot;w&apos;rd/ü</p>".to_owned(),
        "<p>p&amp;ss \"w'rd/ü</p>".to_owned(),
        "echo 'p&ss \"w'\\''rd/ü'".to_owned(),
    ] {
        let masked = mask.text(&text);
        assert!(masked.contains("***") && !masked.contains("rd"), "{masked}");
    }
    for before in ["", "u", "us", "user:"] {
        for after in ["", "x", "xy"] {
            let text = STANDARD.encode(format!("{before}{secret}{after}"));
            let masked = mask.text(&text);
            let longest = masked.split("***").map(str::len).max().unwrap();
            assert!(masked.contains("***") && longest < 8, "{masked}");
        }
    }
}

#[test]
fn a_secret_of_several_lines_is_hidden_by_line() {
    let key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\n";
    let mask = mask(&[key]);
    assert_eq!(
        mask.text(key),
        "-----BEGIN PRIVATE KEY-----\n***\n***\n-----END PRIVATE KEY-----\n"
    );
    assert_eq!(mask.text("1 MIIEvQIBADANBgkq\r\n"), "1 ***\r\n");
    let json = serde_json::Value::from(key).to_string();
    assert!(!mask.text(&json).contains("MIIE"));
    assert!(!mask.text(&STANDARD.encode(key)).contains("UVZJSUV"));
}

#[test]
fn words_are_no_secrets() {
    let mask = mask(&["dev", "", "\n", " x "]);
    assert_eq!(mask.text("dev x"), "dev x");
    assert_eq!(format!("{mask:?}"), "Mask of 0");
    // What a file ends with is not part of the value.
    assert_eq!(super::tests::mask(&["hunter2\n"]).text("hunter2"), "***");
}

/// Text that is full of secrets, of their parts, and of line breaks.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        "[abc]{0,6}".prop_map(String::into_bytes),
        Just(b"\n".to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn chunks_do_not_matter(
        secrets in prop::collection::vec("[abc]{4,7}", 1..5),
        text in text(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mask = Mask::new(secrets.iter().map(String::as_bytes));
        let mut whole = mask.stream();
        let mut at_once = whole.push(&text);
        at_once.extend(whole.end());
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.sort_unstable();
        cuts.push(text.len());
        let (mut stream, mut shown, mut from) = (mask.stream(), Vec::new(), 0);
        for cut in cuts {
            let was = shown.len();
            shown.extend(stream.push(&text[from..cut]));
            // A whole line is never held back.
            if text[from..cut].ends_with(b"\n") {
                prop_assert!(stream.held.is_empty());
            }
            prop_assert!(shown.len() >= was);
            from = cut;
        }
        shown.extend(stream.end());
        prop_assert_eq!(&shown, &at_once);
        for secret in &secrets {
            let found = shown.windows(secret.len()).any(|window| window == secret.as_bytes());
            prop_assert!(!found, "{} in {:?}", secret, shown);
        }
    }

    #[test]
    fn what_holds_no_secret_stays_as_it_is(
        text in text(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mask = Mask::new([b"abcXYZ".as_slice(), b"aaXaa"]);
        let (left, right) = text.split_at(cut.index(text.len() + 1));
        let mut stream = mask.stream();
        let shown = [stream.push(left), stream.push(right), stream.end()].concat();
        prop_assume!(!text.contains(&b'X'));
        prop_assert_eq!(shown, text);
    }
}
