//! The cache of GitHub's actions: a job's variables say where it is and hold a token for it.
//!
//! The names and their order are those of `docker buildx` and of GitHub's own client
//! (<https://github.com/actions/toolkit/blob/main/packages/cache/src/internal/config.ts>).

use std::collections::BTreeMap;

use crate::system::env::Env;

/// Completes the attributes of a cache. What a flag gives counts more than variables.
pub(super) fn complete(attributes: &mut BTreeMap<String, String>, env: &Env) -> Result<(), String> {
    let known = |name: &str| env.get(name).filter(|value| !value.is_empty());
    let second = match attributes.get("version") {
        Some(version) => version == "2",
        None => known("ACTIONS_CACHE_SERVICE_V2")
            .is_some_and(|value| ["1", "t", "true"].contains(&&*value.to_lowercase())),
    };
    let mut set = |key: &str, value: Option<&str>| {
        if let Some(value) = value.filter(|_| !attributes.contains_key(key)) {
            attributes.insert(key.to_owned(), value.to_owned());
        }
    };
    set("token", known("ACTIONS_RUNTIME_TOKEN"));
    let results = known("ACTIONS_RESULTS_URL");
    set("url_v2", results.filter(|_| second));
    set("url", known("ACTIONS_CACHE_URL").or(results));
    let has = |key: &str| attributes.contains_key(key);
    if has("token") && (has("url") || has("url_v2")) {
        return Ok(());
    }
    Err("a cache of the type gha needs the variables ACTIONS_RUNTIME_TOKEN and ACTIONS_RESULTS_URL (or ACTIONS_CACHE_URL)".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(given: &[(&str, &str)], env: &[(&str, &str)]) -> Result<String, String> {
        let given = given
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let mut attributes = given.collect();
        complete(&mut attributes, &env.iter().copied().collect())?;
        Ok(format!("{attributes:?}"))
    }

    #[test]
    fn variables_of_a_job_are_used_as_buildx_does() {
        let token = ("ACTIONS_RUNTIME_TOKEN", "t");
        let (first, second) = (
            ("ACTIONS_CACHE_URL", "http://1"),
            ("ACTIONS_RESULTS_URL", "http://2"),
        );
        let v2 = ("ACTIONS_CACHE_SERVICE_V2", "True");
        for (given, env, expected) in [
            (
                &[][..],
                &[token, first][..],
                r#"{"token": "t", "url": "http://1"}"#,
            ),
            (
                &[],
                &[token, second],
                r#"{"token": "t", "url": "http://2"}"#,
            ),
            (
                &[],
                &[token, first, second, v2],
                r#"{"token": "t", "url": "http://1", "url_v2": "http://2"}"#,
            ),
            (
                &[("version", "1"), ("token", "own"), ("scope", "x")],
                &[token, first, second, v2],
                r#"{"scope": "x", "token": "own", "url": "http://1", "version": "1"}"#,
            ),
        ] {
            assert_eq!(completed(given, env).unwrap(), expected);
        }
    }

    #[test]
    fn a_cache_that_nobody_could_reach_is_refused() {
        for env in [
            &[][..],
            &[("ACTIONS_RUNTIME_TOKEN", "hunter2")],
            &[("ACTIONS_CACHE_URL", "http://1")],
        ] {
            let error = completed(&[], env).unwrap_err();
            assert!(error.contains("ACTIONS_RUNTIME_TOKEN") && !error.contains("hunter2"));
        }
    }
}
