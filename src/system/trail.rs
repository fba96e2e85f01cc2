//! [`Trail`]: what was decided, and asked of registries, daemons and npm, for `-v`.
//!
//! Input: decisions, and the method, the address and the answer's status of each request, noted by
//! whoever decides or sends. Output: the list, which `show` takes lines from. Each thread has a list of
//! its own, or none: several apps are built at once, and each shows its own. A client takes the list of
//! the thread that makes it.
//!
//! No credential gets in: of an address only the scheme, the host and the path are kept, and no header.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::system::credential;

thread_local! {
    static OWN: RefCell<Trail> = RefCell::default();
}

/// What is noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// A decision, as a sentence.
    Decision(String),
    /// A request.
    Request(Request),
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

/// A list of notes, or none if nobody wants to know them.
#[derive(Debug, Clone, Default)]
pub struct Trail(Option<Arc<Mutex<List>>>);

#[derive(Debug, Default)]
struct List {
    notes: Vec<Note>,
    /// What was decided, which is told once.
    decided: BTreeSet<String>,
}

/// While it lives, the thread has this list. Then it has the one before again.
#[derive(Debug)]
#[must_use = "the list goes with it"]
pub struct Kept(Trail);

impl Drop for Kept {
    fn drop(&mut self) {
        OWN.set(std::mem::take(&mut self.0));
    }
}

/// Gives this thread a list.
pub fn keep() -> Kept {
    Trail(Some(Arc::default())).enter()
}

/// The list of this thread.
pub fn own() -> Trail {
    OWN.with_borrow(Clone::clone)
}

/// Empties the list of this thread.
pub fn take() -> Vec<Note> {
    let own = own();
    own.list()
        .map(|mut list| std::mem::take(&mut list.notes))
        .unwrap_or_default()
}

/// Notes a decision in the list of this thread. The sentence is only made if somebody wants to know.
/// It must have no credential.
pub fn decided(sentence: impl FnOnce() -> String) {
    own().decided(sentence);
}

impl Trail {
    /// Makes it the list of this thread too.
    pub fn enter(self) -> Kept {
        Kept(OWN.replace(self))
    }

    /// Whether somebody wants to know.
    pub fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    fn list(&self) -> Option<MutexGuard<'_, List>> {
        let list = self.0.as_ref()?;
        Some(list.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes a decision, unless it is noted already: several apps decide alike.
    pub fn decided(&self, sentence: impl FnOnce() -> String) {
        if !self.is_kept() {
            return;
        }
        let sentence = sentence();
        if let Some(mut list) = self.list()
            && list.decided.insert(sentence.clone())
        {
            list.notes.push(Note::Decision(sentence));
        }
    }

    /// Notes a request that began then.
    pub fn request(&self, method: &str, address: &str, status: Option<u16>, began: Instant) {
        let Some(mut list) = self.list() else {
            return;
        };
        list.notes.push(Note::Request(Request {
            method: method.to_owned(),
            address: shown(address),
            status,
            took: began.elapsed(),
        }));
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

    /// The lines of this thread's list.
    fn lines() -> Vec<String> {
        let line = |note: &Note| match note {
            Note::Decision(sentence) => sentence.clone(),
            Note::Request(request) => request.to_string(),
        };
        take().iter().map(line).collect()
    }

    #[test]
    fn each_thread_has_its_own_list() {
        let began = Instant::now();
        own().request("GET", "https://a.example/", Some(200), began);
        decided(|| panic!("nobody wants to know"));
        assert_eq!(take(), []);
        let kept = keep();
        let client = own();
        std::thread::spawn(move || {
            own().request("GET", "https://unheard.example/", Some(200), began);
            client.request("GET", "https://b.example/", None, began);
        })
        .join()
        .unwrap();
        let noted = lines();
        assert_eq!(noted.len(), 1, "{noted:?}");
        assert!(noted[0].starts_with("GET https://b.example/: no answer, "));
        assert_eq!(take(), []);
        drop(kept);
        assert!(!own().is_kept());
    }

    #[test]
    fn a_list_is_had_until_the_one_before_comes_back() {
        let outer = keep();
        decided(|| "a".to_owned());
        {
            let _inner = keep();
            decided(|| "b".to_owned());
            assert_eq!(lines(), ["b"]);
        }
        // What was told is not told again.
        assert_eq!(lines(), ["a"]);
        decided(|| "a".to_owned());
        decided(|| "c".to_owned());
        assert_eq!(lines(), ["c"]);
        drop(outer);
    }
}
