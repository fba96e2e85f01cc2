//! [`Home`]: what all repositories of a registry share: the way to it, its first answer, a login.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::OnceCell;

use super::client::{Events, place};
use super::error::{Action, Asked};
use super::reach::{Reach, Way};
use super::trust::is_here;
use super::{Registries, RegistryError};
use crate::engine::Event;
use crate::engine::credentials::{Credential, registry};
use crate::model::image::ImageRef;
use crate::store::fetch::prepare_tls;

/// The timeout for connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// The client's own timeout for silence is this much longer than ours, which can say what was
/// awaited.
const CLIENT_MARGIN: Duration = Duration::from_secs(5);

/// A registry.
#[derive(Clone)]
pub(super) struct Home {
    registry: String,
    pub(super) reach: Rc<Reach>,
    pub(super) credential: Option<Credential>,
}

impl Home {
    /// The registry of an image.
    pub(super) async fn new(
        image: &ImageRef,
        action: Action,
        all: &Registries<'_>,
        events: &Events<'_>,
    ) -> Result<Self, RegistryError> {
        prepare_tls();
        let registry = registry(image);
        let found = all.logins.for_image(image).await;
        for message in found.warnings {
            events.say(Event::Warning { message });
        }
        if !is_here(registry) && all.trust.is_insecure(registry) {
            // A file of the repository may have said so.
            let message = format!("the connection to `{registry}` is not verified");
            events.say(Event::Warning { message });
        }
        let way = Way {
            proxies: all.proxies,
            trust: all.trust,
            connecting: CONNECT_TIMEOUT.min(all.patience.answer),
            silence: all.patience.silence + CLIENT_MARGIN,
        };
        let credential = found.credential;
        let (host, _) = place(image);
        let reach = Reach::new(host, registry, &way).map_err(|fault| {
            let known = credential.is_some();
            asked(registry, image, action, known).error(fault)
        })?;
        Ok(Self {
            registry: registry.to_owned(),
            reach: Rc::new(reach),
            credential,
        })
    }

    /// What is requested of it, for errors.
    pub(super) fn asked(&self, image: &ImageRef, action: Action) -> Asked {
        asked(&self.registry, image, action, self.credential.is_some())
    }
}

fn asked(registry: &str, image: &ImageRef, action: Action, known: bool) -> Asked {
    Asked {
        image: image.to_string(),
        registry: registry.to_owned(),
        action,
        known,
    }
}

/// Registries that were reached. Each answers its first request once for all repositories.
#[derive(Default)]
pub(super) struct Homes(RefCell<BTreeMap<Key, Rc<OnceCell<Home>>>>);

/// A registry, the repository if logins differ between its repositories, and whether the connection
/// may be unverified.
type Key = (String, String, bool);

impl Homes {
    /// The registry of an image.
    pub(super) async fn of(
        &self,
        image: &ImageRef,
        action: Action,
        all: &Registries<'_>,
        events: &Events<'_>,
    ) -> Result<Home, RegistryError> {
        let registry = registry(image);
        let path = if all.logins.differ_within(registry) {
            place(image).1
        } else {
            String::new()
        };
        let key = (registry.to_owned(), path, all.trust.is_insecure(registry));
        let home = Rc::clone(self.0.borrow_mut().entry(key).or_default());
        let made = || Home::new(image, action, all, events);
        Ok(home.get_or_try_init(made).await?.clone())
    }
}
