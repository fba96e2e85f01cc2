//! Pulls and pushes against a registry of the tests that fails when it is told to.

mod attached;
mod fake;
mod limits;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use tempfile::TempDir;

use super::*;
use crate::engine::credentials::tests::logins_of_file;
use crate::image::layer::{Layer, LayerEntry, LayerNode};
use crate::image::oci::{Compression, Packing, pack};
use fake::{Fake, Fault};

/// This machine: a cache, Docker's configuration.
struct Machine {
    directory: TempDir,
    cache: Cache,
    patience: Patience,
}

impl Machine {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(&directory.path().join("cache")).unwrap();
        Self {
            directory,
            cache,
            patience: Patience::default(),
        }
    }

    fn configuration(&self) -> PathBuf {
        self.directory.path().join("config.json")
    }

    fn log_in(&self, registry: &str, auth: &str) {
        let text = format!(r#"{{"auths":{{"{registry}":{{"auth":"{auth}"}}}}}}"#);
        fs_err::write(self.configuration(), text).unwrap();
    }

    fn with<T>(&self, work: impl FnOnce(&Registries<'_>) -> T) -> T {
        let (_trigger, interrupt) = Interrupt::by_hand();
        work(&Registries {
            logins: &logins_of_file(&self.configuration()),
            trust: &Trust::default(),
            proxies: &Proxies::default(),
            cache: &self.cache,
            patience: self.patience,
            interrupt: &interrupt,
        })
    }

    fn pull(&self, name: &str, fresh: bool) -> Result<Image, RegistryError> {
        self.pull_for(name, "linux/amd64", fresh)
    }

    fn pull_for(&self, name: &str, platform: &str, fresh: bool) -> Result<Image, RegistryError> {
        let wanted = WantedImage {
            image: &name.parse().unwrap(),
            platform: &platform.parse().unwrap(),
            created: 0,
            fresh,
        };
        self.with(|all| all.pull(&wanted, StepId(0), &mut |_| {}))
    }

    fn push(&self, image: &Image, names: &[String]) -> Result<Vec<Pushed>, RegistryError> {
        self.push_onto(image, names, None)
    }

    fn push_onto(
        &self,
        image: &Image,
        names: &[String],
        below: Option<&str>,
    ) -> Result<Vec<Pushed>, RegistryError> {
        let names: Vec<ImageRef> = names.iter().map(|name| name.parse().unwrap()).collect();
        let below = below.map(|name| name.parse().unwrap());
        self.with(|all| all.push(image, &names, below.as_ref(), 1, &mut |_| {}))
    }

    /// An image of these layers.
    fn image(&self, layers: &[&str]) -> Image {
        let mut image = Image::empty("linux/amd64".parse().unwrap(), 0);
        for text in layers {
            // Larger than one read of a socket, and hard to compress.
            let bytes: Vec<u8> = (0..20_000)
                .flat_map(|at: u32| {
                    *Digest::of(format!("{text}{at}").as_bytes())
                        .hex()
                        .as_bytes()
                        .first_chunk::<8>()
                        .unwrap()
                })
                .collect();
            let node = LayerNode::Made {
                bytes: bytes.into(),
                mode: 0o644,
            };
            let layer = Layer {
                title: (*text).to_owned(),
                entries: BTreeMap::from([((*text).to_owned(), LayerEntry::root(node))]),
            };
            let packing = Packing {
                epoch: 0,
                compression: Compression::Gzip,
            };
            image.push(pack(&layer, packing, &self.cache).unwrap());
        }
        image.config.user = "65532".to_owned();
        image
    }
}

/// An error as a person reads it; the registry has another port each time.
fn shown(error: &RegistryError, fake: &Fake) -> String {
    let mut text = error.to_string();
    let mut at: &dyn std::error::Error = error;
    while let Some(source) = at.source() {
        text = format!("{text}\n  caused by: {source}");
        at = source;
    }
    if let Some(hint) = error.hint() {
        text = format!("{text}\nhint: {hint}");
    }
    text.replace(&fake.address, "REGISTRY")
}

/// A registry with an image of two layers as `base:1`.
fn served() -> (Fake, Image) {
    let fake = Fake::start();
    let image = {
        let machine = Machine::new();
        let image = machine.image(&["low", "high"]);
        fake.serve("base", "1", &image, &machine.cache);
        image
    };
    (fake, image)
}

#[test]
fn an_image_is_fetched_once() {
    let (fake, image) = served();
    let machine = Machine::new();
    let name = format!("{}/base:1", fake.address);
    let pulled = machine.pull(&name, false).unwrap();
    let digests = |image: &Image| -> Vec<_> {
        image
            .layers
            .iter()
            .map(|layer| {
                (
                    layer.descriptor.clone(),
                    layer.diff_id.clone(),
                    layer.unpacked,
                )
            })
            .collect()
    };
    assert_eq!(digests(&pulled), digests(&image));
    assert_eq!(
        (&pulled.config, &pulled.history),
        (&image.config, &image.history)
    );
    assert_eq!(fake.asked("GET").len(), 4);
    machine.pull(&name, false).unwrap();
    assert_eq!(fake.asked("GET").len(), 4, "nobody is asked again");
    machine.pull(&name, true).unwrap();
    assert_eq!(
        fake.asked("GET").last().unwrap(),
        "GET /v2/base/manifests/1"
    );
    assert_eq!(fake.asked("GET").len(), 5);
    // By its digest it is known without a tag.
    let pinned = format!("{}/base@{}", fake.address, image.digest());
    machine.pull(&pinned, true).unwrap();
    assert_eq!(fake.asked("GET").len(), 5);
}

#[test]
fn a_download_that_breaks_off_goes_on() {
    let (fake, image) = served();
    let layer = image.layers[0].descriptor.digest.to_string();
    fake.fail(&format!("GET /v2/base/blobs/{layer}"), Fault::Cut(30_000));
    fake.fail(&format!("GET /v2/base/blobs/{layer}"), Fault::Cut(10_000));
    let machine = Machine::new();
    machine
        .pull(&format!("{}/base:1", fake.address), false)
        .unwrap();
    let ranges: Vec<String> = fake.ranges(&layer);
    assert_eq!(ranges, ["bytes=0-", "bytes=30000-", "bytes=40000-"]);
}

#[test]
fn a_registry_that_is_gone_is_said_and_nothing_is_kept() {
    let (fake, image) = served();
    let layer = &image.layers[1].descriptor;
    for _ in 0..4 {
        fake.fail(
            &format!("GET /v2/base/blobs/{}", layer.digest),
            Fault::Cut(1000),
        );
    }
    let machine = Machine::new();
    let name = format!("{}/base:1", fake.address);
    let error = machine.pull(&name, false).unwrap_err();
    assert_snapshot!(shown(&error, &fake), @"
    cannot pull `REGISTRY/base:1`: the connection to the registry failed
      caused by: end of file before message length reached
    hint: look at the network, and at HTTP_PROXY, HTTPS_PROXY and NO_PROXY; then try again
    ");
    assert!(machine.cache.blob(&layer.digest, layer.size).is_none());
    machine.pull(&name, false).unwrap();
}

#[test]
fn another_content_is_refused() {
    let (fake, image) = served();
    let layer = &image.layers[1].descriptor;
    fake.fail(
        &format!("GET /v2/base/blobs/{}", layer.digest),
        Fault::Damaged,
    );
    let machine = Machine::new();
    let name = format!("{}/base:1", fake.address);
    let error = machine.pull(&name, false).unwrap_err();
    let expected = format!("names: expected {}, got sha256:", layer.digest);
    assert!(error.to_string().contains(&expected), "{error}");
    assert!(machine.cache.blob(&layer.digest, layer.size).is_none());
    // The same for a manifest, whose digest the registry or the name tells.
    fake.fail("GET /v2/base/manifests/", Fault::Damaged);
    let pinned = format!("{}/base@{}", fake.address, image.digest());
    let error = Machine::new().pull(&pinned, false).unwrap_err();
    assert!(matches!(error, RegistryError::Digest { .. }), "{error}");
}

#[test]
fn what_passes_is_waited_for() {
    let (fake, _) = served();
    let name = format!("{}/base:1", fake.address);
    fake.fail("GET /v2/base/manifests/1", Fault::Status(429));
    fake.fail("GET /v2/base/manifests/1", Fault::Status(503));
    Machine::new().pull(&name, false).unwrap();
    for _ in 0..4 {
        fake.fail("GET /v2/base/manifests/1", Fault::Status(503));
    }
    let error = Machine::new().pull(&name, false).unwrap_err();
    assert_snapshot!(shown(&error, &fake), @"
    cannot pull `REGISTRY/base:1`: the registry answers 503, service unavailable
    hint: try again, and if it stays so, ask who runs that registry
    ");
    for _ in 0..4 {
        fake.fail("GET /v2/base/manifests/1", Fault::Status(429));
    }
    let error = Machine::new().pull(&name, false).unwrap_err();
    assert_snapshot!(shown(&error, &fake), @"
    cannot pull `REGISTRY/base:1`: the registry answers 429, too many requests
    hint: wait a while; who is logged in may mostly do more: `docker login`
    ");
}

#[test]
fn a_registry_says_how_long_to_wait() {
    let (fake, _) = served();
    let name = format!("{}/base:1", fake.address);
    fake.fail("GET /v2/base/manifests/1", Fault::Wait(7));
    fake.fail("GET /v2/base/manifests/1", Fault::Wait(3600));
    let mut said = String::new();
    let wanted = WantedImage {
        image: &name.parse().unwrap(),
        platform: &"linux/amd64".parse().unwrap(),
        created: 0,
        fresh: false,
    };
    let mut on_event = |event| {
        if let Event::Warning { message } = event {
            said = format!("{said}{message}\n");
        }
    };
    let pulled = Machine::new().with(|all| all.pull(&wanted, StepId(0), &mut on_event));
    pulled.unwrap();
    assert!(
        said.contains("in 7 s") && said.contains("in 60 s"),
        "{said}"
    );
}

#[test]
fn who_is_logged_in_gets_more() {
    let (fake, _) = served();
    fake.protect("lab:secret-word");
    let machine = Machine::new();
    let name = format!("{}/base:1", fake.address);
    let error = machine.pull(&name, false).unwrap_err();
    assert_snapshot!(shown(&error, &fake), @"
    cannot pull `REGISTRY/base:1`: the registry answers 401, unauthorized
    hint: look at the name, or log in: `docker login REGISTRY`
    ");
    machine.log_in(&fake.address, "bGFiOndyb25nLXdvcmQ="); // lab:wrong-word
    let error = machine.pull(&name, false).unwrap_err();
    assert_snapshot!(shown(&error, &fake), @"
    cannot pull `REGISTRY/base:1`: the registry answers 401, unauthorized
    hint: look at the name; the account that you logged in with may not do it, or its password is no longer right: `docker login REGISTRY` takes another
    ");
    machine.log_in(&fake.address, "bGFiOnNlY3JldC13b3Jk"); // lab:secret-word
    machine.pull(&name, false).unwrap();
    fake.fail("GET /v2/base/manifests/2", Fault::Status(403));
    let error = machine
        .pull(&format!("{}/base:2", fake.address), false)
        .unwrap_err();
    assert!(
        shown(&error, &fake)
            .starts_with("cannot pull `REGISTRY/base:2`: the registry answers 403, forbidden\n")
    );
    let error = machine
        .pull(&format!("{}/base:3", fake.address), false)
        .unwrap_err();
    assert_snapshot!(shown(&error, &fake), @"
    there is no `REGISTRY/base:3` in its registry
    hint: look at the name and its tag
    ");
}

#[test]
fn another_platform_is_named() {
    let (fake, image) = served();
    let manifest = image.manifest_json();
    let entry = |os: &str, architecture: &str| {
        serde_json::json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": image.digest(),
            "size": manifest.len(),
            "platform": {"os": os, "architecture": architecture},
        })
    };
    let index = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry("linux", "amd64"), entry("linux", "arm64"), entry("unknown", "unknown")],
    });
    fake.tag("base", "many", &serde_json::to_vec(&index).unwrap());
    let name = format!("{}/base:many", fake.address);
    Machine::new().pull(&name, false).unwrap();
    let error = Machine::new()
        .pull_for(&name, "linux/s390x", false)
        .unwrap_err();
    assert_snapshot!(shown(&error, &fake), @"
    `REGISTRY/base:many` cannot be the base
      caused by: it is for linux/amd64, linux/arm64, and not for linux/s390x
    hint: name another image, or say what it is to run on: `--platform linux/amd64`
    ");
}

#[test]
fn only_what_is_missing_is_sent() {
    let fake = Fake::start();
    let machine = Machine::new();
    let image = machine.image(&["base", "app"]);
    let names = [
        format!("{}/x:1", fake.address),
        format!("{}/x:2", fake.address),
    ];
    let pushed = machine.push(&image, &names).unwrap();
    assert_eq!(pushed.len(), 1);
    let layers = pushed[0].layers.unwrap();
    assert_eq!((layers.all, layers.sent), (2, 2));
    let config = image.config_json().len() as u64;
    assert_eq!(pushed[0].bytes, Some(image.size() + config));
    assert_eq!(pushed[0].digest, image.digest());
    let tags = fake.asked("PUT /v2/x/manifests/");
    assert_eq!(tags, ["PUT /v2/x/manifests/1", "PUT /v2/x/manifests/2"]);
    // What was sent is what is got.
    let other = Machine::new();
    assert_eq!(
        other.pull(&names[1], false).unwrap().digest(),
        image.digest()
    );

    let uploads = fake.asked("POST").len();
    let pushed = machine.push(&image, &names[..1]).unwrap();
    assert_eq!(
        (pushed[0].layers.unwrap().sent, pushed[0].bytes),
        (0, Some(0))
    );
    assert_eq!(fake.asked("POST").len(), uploads);

    let changed = machine.image(&["base", "changed app"]);
    let pushed = machine.push(&changed, &names[..1]).unwrap();
    let layer = changed.layers[1].descriptor.size;
    assert_eq!(
        (pushed[0].layers.unwrap().sent, pushed[0].bytes),
        (1, Some(layer + changed.config_json().len() as u64))
    );
}

#[test]
fn what_another_repository_has_is_mounted() {
    let (fake, _) = served();
    let machine = Machine::new();
    let below = format!("{}/base:1", fake.address);
    let mut image = machine.pull(&below, false).unwrap();
    let own = machine.image(&["app"]);
    image.push(own.layers[0].clone());
    let names = [
        format!("{}/x:1", fake.address),
        format!("{}/y:1", fake.address),
    ];
    let pushed = machine.push_onto(&image, &names, Some(&below)).unwrap();
    let sent: Vec<usize> = pushed
        .iter()
        .map(|pushed| pushed.layers.unwrap().sent)
        .collect();
    assert_eq!(sent, [1, 0]);
    Machine::new().pull(&names[1], false).unwrap();
    // A registry that cannot do it gets what it needs.
    fake.no_mounts();
    let names = [format!("{}/z:1", fake.address)];
    let pushed = machine.push_onto(&image, &names, Some(&below)).unwrap();
    assert_eq!(pushed[0].layers.unwrap().sent, 3);
}

#[test]
fn a_token_is_for_what_is_mounted_too() {
    let (fake, _) = served();
    fake.want_tokens("lab:secret-word");
    let machine = Machine::new();
    machine.log_in(&fake.address, "bGFiOnNlY3JldC13b3Jk"); // lab:secret-word
    let below = format!("{}/base:1", fake.address);
    let mut image = machine.pull(&below, false).unwrap();
    image.push(machine.image(&["app"]).layers[0].clone());
    let names = [format!("{}/x:1", fake.address)];
    let pushed = machine.push_onto(&image, &names, Some(&below)).unwrap();
    assert_eq!(pushed[0].layers.unwrap().sent, 1);

    // What `docker login` leaves where a registry hands identity tokens out.
    let text = format!(
        r#"{{"auths":{{"{}":{{"auth":"bGFiOng=","identitytoken":"identity"}}}}}}"#,
        fake.address
    );
    fs_err::write(machine.configuration(), text).unwrap();
    let names = [format!("{}/y:1", fake.address)];
    let pushed = machine.push_onto(&image, &names, Some(&below)).unwrap();
    assert_eq!(pushed[0].layers.unwrap().sent, 1);
    let other = Machine::new();
    fs_err::copy(machine.configuration(), other.configuration()).unwrap();
    other.pull(&names[0], false).unwrap();
}

#[test]
fn an_upload_is_tried_again() {
    let fake = Fake::start();
    let machine = Machine::new();
    let image = machine.image(&["app"]);
    let names = [format!("{}/x:1", fake.address)];
    fake.fail("PUT /v2/x/blobs/uploads/", Fault::Status(503));
    fake.fail("PUT /v2/x/blobs/uploads/", Fault::Cut(0));
    fake.fail("POST /v2/x/blobs/uploads/", Fault::Status(429));
    fake.fail("PUT /v2/x/manifests/1", Fault::Status(500));
    machine.push(&image, &names).unwrap();
    Machine::new().pull(&names[0], false).unwrap();
    for _ in 0..4 {
        fake.fail("PUT /v2/x/manifests/1", Fault::Status(500));
    }
    let error = machine.push(&image, &names).unwrap_err();
    assert_snapshot!(shown(&error, &fake), @"
    cannot push `REGISTRY/x:1`: the registry answers 500, internal server error
    hint: try again, and if it stays so, ask who runs that registry
    ");
    fake.protect("lab:lab");
    let error = machine.push(&image, &names).unwrap_err();
    assert_snapshot!(shown(&error, &fake), @"
    cannot push `REGISTRY/x:1`: the registry answers 401, unauthorized
    hint: look at the name, or log in: `docker login REGISTRY`
    ");
}

#[test]
fn a_damaged_layer_is_not_sent() {
    let fake = Fake::start();
    let machine = Machine::new();
    let image = machine.image(&["app"]);
    let layer = &image.layers[0].descriptor;
    let path = machine.cache.path(&layer.digest);
    let mut bytes = fs_err::read(&path).unwrap();
    bytes[1000] ^= 1;
    fs_err::write(&path, bytes).unwrap();
    let error = machine
        .push(&image, &[format!("{}/x:1", fake.address)])
        .unwrap_err();
    assert!(matches!(error, RegistryError::Damaged(_)), "{error}");
    assert!(!path.exists());
}

#[test]
fn who_wants_to_stop_need_not_wait() {
    let (fake, image) = served();
    let layer = image.layers[0].descriptor.digest.to_string();
    fake.fail(&format!("GET /v2/base/blobs/{layer}"), Fault::Silence);
    let machine = Machine::new();
    let (trigger, interrupt) = Interrupt::by_hand();
    let all = Registries {
        logins: &Logins::default(),
        trust: &Trust::default(),
        proxies: &Proxies::default(),
        cache: &machine.cache,
        patience: Patience::default(),
        interrupt: &interrupt,
    };
    let wanted = WantedImage {
        image: &format!("{}/base:1", fake.address).parse().unwrap(),
        platform: &"linux/amd64".parse().unwrap(),
        created: 0,
        fresh: false,
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while fake.asked("GET /v2/base/blobs/").is_empty() {
                std::thread::yield_now();
            }
            trigger.raise();
        });
        let error = all.pull(&wanted, StepId(0), &mut |_| {}).unwrap_err();
        assert!(matches!(error, RegistryError::Interrupted), "{error}");
    });
}

/// Limits for tests.
const SHORT_LIMITS: Patience = Patience {
    answer: Duration::from_millis(300),
    silence: Duration::from_millis(300),
    window: Duration::from_millis(500),
    least: 1000,
    pauses: [Duration::from_millis(10); 2],
};

#[test]
fn a_registry_that_is_silent_or_drips_is_given_up() {
    let faults = [
        ("GET /v2/base/manifests/1", Fault::Silence),
        ("GET /v2/base/manifests/1", Fault::Drip),
        ("GET /v2/base/blobs/", Fault::Silence),
        ("GET /v2/base/blobs/", Fault::Drip),
    ];
    for (request, fault) in faults {
        let (fake, _) = served();
        for _ in 0..12 {
            fake.fail(request, fault);
        }
        let machine = Machine {
            patience: SHORT_LIMITS,
            ..Machine::new()
        };
        let began = Instant::now();
        let error = machine.pull(&format!("{}/base:1", fake.address), false);
        let error = error.unwrap_err();
        assert!(error.is_stall(), "{request} {fault:?}: {error}");
        assert!(error.hint().is_some());
        assert!(began.elapsed() < Duration::from_secs(3), "{request}");
    }
}

#[test]
fn a_registry_that_takes_nothing_is_given_up() {
    let faults = [
        ("HEAD /v2/x/blobs/", Fault::Silence),
        ("POST /v2/x/blobs/uploads/", Fault::Silence),
        ("PUT /v2/x/blobs/uploads/", Fault::Silence),
        ("PUT /v2/x/blobs/uploads/", Fault::Deaf),
        ("PUT /v2/x/manifests/1", Fault::Silence),
    ];
    for (request, fault) in faults {
        let fake = Fake::start();
        for _ in 0..12 {
            fake.fail(request, fault);
        }
        let machine = Machine {
            patience: SHORT_LIMITS,
            ..Machine::new()
        };
        let image = machine.image(&["app"]);
        let began = Instant::now();
        let error = machine.push(&image, &[format!("{}/x:1", fake.address)]);
        let error = error.unwrap_err();
        assert!(error.is_stall(), "{request} {fault:?}: {error}");
        assert!(began.elapsed() < Duration::from_secs(3), "{request}");
    }
}
