//! [`Requests`]: what was asked of registries, daemons and npm, for `-v`.
//!
//! Input: the method, the address and the answer's status of each request, noted by whoever sends it.
//! Output: the list, which `show` takes lines from. Each thread has a list of its own, or none: several
//! apps are built at once, and each shows its own requests. A client takes the list of the thread that
//! makes it.
//!
//! No credential gets in: of an address only the scheme, the host and the path are kept, and no header.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::system::credential;

thread_local! {
    static OWN: RefCell<Requests> = RefCell::default();
}

/// A request that was answered, or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`
    pub method: String,
    /// Where to, without names, passwords and queries.
    pub address: String,
    /// The status of the answer; `None` without one.
    pub status: Option<u16>,
    /// The time until the answer began.
    pub took: Duration,
}

/// A list of requests, or none if nobody wants to know them.
#[derive(Debug, Clone, Default)]
pub struct Requests(Option<Arc<Mutex<Vec<Request>>>>);

/// While it lives, the thread has a list.
#[derive(Debug)]
#[must_use = "the list goes with it"]
pub struct Kept(());

impl Drop for Kept {
    fn drop(&mut self) {
        OWN.set(Requests::default());
    }
}

/// Gives this thread a list.
pub fn keep() -> Kept {
    Requests(Some(Arc::default())).enter()
}

/// The list of this thread.
pub fn own() -> Requests {
    OWN.with_borrow(Clone::clone)
}

/// Empties the list of this thread.
pub fn take() -> Vec<Request> {
    let Some(list) = own().0 else {
        return Vec::new();
    };
    let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *list)
}

impl Requests {
    /// Makes it the list of this thread too.
    pub fn enter(self) -> Kept {
        OWN.set(self);
        Kept(())
    }

    /// Whether somebody wants to know.
    pub fn are_kept(&self) -> bool {
        self.0.is_some()
    }

    /// Notes a request that began then.
    pub fn note(&self, method: &str, address: &str, status: Option<u16>, began: Instant) {
        let Some(list) = &self.0 else {
            return;
        };
        let request = Request {
            method: method.to_owned(),
            address: shown(address),
            status,
            took: began.elapsed(),
        };
        let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
        list.push(request);
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        write!(f, "{} {}: ", self.method, self.address)?;
        match self.status {
            Some(status) => write!(f, "{status}, {seconds:.3} s"),
            None => write!(f, "no answer, {seconds:.3} s"),
        }
    }
}

/// An address as far as it may be shown: registries redirect to addresses whose queries are signed.
fn shown(address: &str) -> String {
    let end = address.find(['?', '#']).unwrap_or(address.len());
    let address = &address[..end];
    let without_user = match address.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.find('/').unwrap_or(rest.len());
            match rest[..host].rfind('@') {
                Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
                None => address.to_owned(),
            }
        }
        None => address.to_owned(),
    };
    credential::redacted(&without_user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_no_credential() {
        for (address, expected) in [
            (
                "https://registry.example/v2/",
                "https://registry.example/v2/",
            ),
            ("https://user:pa55@host/x", "https://host/x"),
            ("https://t0ken@host/x?y=z", "https://host/x"),
            ("https://user@host", "https://host"),
            (
                "https://cdn.example/blob?X-Amz-Signature=pa55#x",
                "https://cdn.example/blob",
            ),
            (
                "unix:///run/docker.sock/version",
                "unix:///run/docker.sock/version",
            ),
            ("ssh://docker@host/version", "ssh://host/version"),
            ("https://host/a@b", "https://host/a@b"),
        ] {
            assert_eq!(shown(address), expected);
        }
        let token = format!("npm_{}", "a".repeat(36));
        let shown = shown(&format!("https://host/{token}/x"));
        assert!(!shown.contains(&token), "{shown}");
    }

    #[test]
    fn each_thread_has_its_own_list() {
        let began = Instant::now();
        own().note("GET", "https://a.example/", Some(200), began);
        assert_eq!(take(), []);
        let kept = keep();
        let client = own();
        std::thread::spawn(move || {
            own().note("GET", "https://unheard.example/", Some(200), began);
            client.note("GET", "https://b.example/", None, began);
        })
        .join()
        .unwrap();
        let noted: Vec<String> = take().iter().map(ToString::to_string).collect();
        assert_eq!(noted.len(), 1, "{noted:?}");
        assert!(noted[0].starts_with("GET https://b.example/: no answer, "));
        assert_eq!(take(), []);
        drop(kept);
        assert!(!own().are_kept());
    }
}
