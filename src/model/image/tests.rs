use super::*;

#[test]
fn displays_with_a_tag() {
    for (text, shown) in [
        ("server", "server:latest"),
        ("shop/server:1.2", "shop/server:1.2"),
        ("localhost:5000/server", "localhost:5000/server:latest"),
        ("127.0.0.1:5000/a/b:c", "127.0.0.1:5000/a/b:c"),
        ("x/a.b_c__d---e", "x/a.b_c__d---e:latest"),
        ("[::1]:5000/a", "[::1]:5000/a:latest"),
        ("LOCALHOST/a", "LOCALHOST/a:latest"),
    ] {
        assert_eq!(text.parse::<ImageRef>().unwrap().to_string(), shown);
    }
}

#[test]
fn refuses_what_docker_would_refuse() {
    for text in [
        "",
        "Server",
        "a:",
        "a/-b",
        "a b",
        "a@sha256:12",
        "a:.x",
        "/x",
        "x/",
        "a..b",
        "a___b",
        "a._b",
        "a_-b",
        "r.example:port/x",
        "r.example:/x",
        "r.example:0/x",
        "r.example:65536/x",
        "r..example/x",
        "-r.example/x",
        "[::1/x",
        "LOCALHOST",
        &format!("r.example/{}", "a".repeat(256)),
        "é",
    ] {
        assert!(text.parse::<ImageRef>().is_err(), "{text}");
    }
}

#[test]
fn names_are_completed_as_docker_does() {
    for (text, whole) in [
        ("node:22-slim", "docker.io/library/node:22-slim"),
        ("docker.io/node", "docker.io/library/node:latest"),
        ("index.docker.io/a/b:c", "docker.io/a/b:c"),
        (
            "gcr.io/distroless/cc-debian12",
            "gcr.io/distroless/cc-debian12:latest",
        ),
        ("127.0.0.1:5000/a", "127.0.0.1:5000/a:latest"),
    ] {
        assert_eq!(text.parse::<ImageRef>().unwrap().qualified(), whole);
    }
    let digest = format!("sha256:{}", "0a".repeat(32));
    let pinned = "node:22-slim"
        .parse::<ImageRef>()
        .unwrap()
        .with_digest(&digest)
        .unwrap();
    assert_eq!(pinned.to_string(), format!("node:22-slim@{digest}"));
    assert_eq!(pinned.digest(), Some(&*digest));
    assert!(pinned.is_sibling(&format!("docker.io/library/node@{digest}").parse().unwrap()));
}

#[test]
fn images_on_the_disk() {
    for text in [
        "oci:bases/node",
        "oci:../node:22",
        "oci-archive:/tmp/node.tar:22",
        "docker-archive:node.tar:corp/node:22",
    ] {
        assert_eq!(DiskImage::parse(text).unwrap().to_string(), text);
    }
    let image = DiskImage::parse("oci:node:22").unwrap();
    assert_eq!(image.tag.as_deref(), Some("22"));
    assert_eq!(image.below(Path::new("/a")).to_string(), "oci:/a/node:22");
    for text in ["node:22", "oci", "127.0.0.1:5000/oci:1", "docker:x"] {
        assert_eq!(DiskImage::parse(text), None, "{text}");
    }
}

#[test]
fn platforms() {
    assert!("linux/amd64".parse::<Platform>().is_ok());
    assert!("linux/arm/v7".parse::<Platform>().is_ok());
    assert!("amd64".parse::<Platform>().is_err());
}
