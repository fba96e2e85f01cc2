//! buildx's own store: the builders that `docker buildx create` made.
//!
//! Input: a builder's name. Output: how to connect to its nodes. The files are those of
//! <https://github.com/docker/buildx/tree/master/store>; a container and a deployment have the names
//! that buildx's drivers give them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::address::Way;
use super::nodes::{Node, Nodes};
use super::{Builder, BuildkitError, Certificates};
use crate::engine::host;
use crate::system::env::Env;

/// A builder as buildx stores it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Instance {
    #[serde(default)]
    driver: String,
    #[serde(default)]
    nodes: Vec<StoredNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StoredNode {
    name: String,
    #[serde(default)]
    endpoint: String,
    platforms: Option<Vec<NodePlatform>>,
    driver_opts: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct NodePlatform {
    architecture: String,
    os: String,
    #[serde(default)]
    variant: String,
}

/// The nodes of the builder with this name. `None` if buildx has no such builder.
pub(super) fn find(name: &str, origin: &str, env: &Env) -> Result<Option<Nodes>, BuildkitError> {
    let Some(path) = path(name, env) else {
        return Ok(None);
    };
    let text = match fs_err::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(name, &error.to_string())),
    };
    let instance: Instance = serde_json::from_str(&text)
        .map_err(|error| unusable(name, &format!("`{}`: {error}", path.display())))?;
    let node = |stored: &StoredNode| {
        let platforms = stored.platforms.iter().flatten();
        Ok(Node {
            builder: Builder {
                way: way(name, &instance.driver, stored, env)?,
                origin: format!("{origin} {name}"),
            },
            platforms: platforms.map(NodePlatform::shown).collect(),
        })
    };
    let (first, others) = instance
        .nodes
        .split_first()
        .ok_or_else(|| unusable(name, "it has no nodes"))?;
    let others: Result<_, BuildkitError> = others.iter().map(node).collect();
    Ok(Some(Nodes {
        first: node(first)?,
        others: others?,
    }))
}

impl NodePlatform {
    fn shown(&self) -> String {
        let parts = [&self.os, &self.architecture, &self.variant];
        let parts: Vec<&str> = parts.into_iter().map(String::as_str).collect();
        parts.join("/").trim_end_matches('/').to_owned()
    }
}

/// The file of a builder. `None` for what cannot be the name of one.
fn path(name: &str, env: &Env) -> Option<PathBuf> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let is_name =
        name.starts_with(|first: char| first.is_ascii_alphabetic()) && name.chars().all(plain);
    let store = env.get("BUILDX_CONFIG").map(PathBuf::from);
    let store = store.or_else(|| Some(host::configuration_directory(env)?.join("buildx")))?;
    is_name.then(|| store.join("instances").join(name.to_ascii_lowercase()))
}

fn way(name: &str, driver: &str, node: &StoredNode, env: &Env) -> Result<Way, BuildkitError> {
    let option = |key: &str| {
        let options = node.driver_opts.as_ref()?;
        options.get(key).filter(|value| !value.is_empty()).cloned()
    };
    Ok(match driver {
        "remote" => {
            let certificates = certificates(name, &option)?;
            Builder::parse(&node.endpoint, "buildx's store", certificates, env)?.way
        }
        "docker-container" => Way::Container {
            daemon: host::of_endpoint(env, &node.endpoint)?,
            name: format!("buildx_buildkit_{}", node.name),
        },
        "kubernetes" => {
            let value = |key: &str| parameter(&node.endpoint, key);
            let deployment = value("deployment").unwrap_or_else(|| node.name.clone());
            let mut words = vec!["kubectl".to_owned()];
            for (flag, value) in [
                ("--kubeconfig", value("kubeconfig")),
                ("--namespace", option("namespace")),
            ] {
                words.extend(value.map(|value| format!("{flag}={value}")));
            }
            words.extend(["exec", "--stdin", "--container=buildkitd"].map(str::to_owned));
            words.push(format!("deployment/{deployment}"));
            Way::command(words, format!("kubernetes:///{deployment}"))
        }
        "" | "docker" => {
            return Err(unusable(
                name,
                "it is a Docker daemon: name that with `--host`",
            ));
        }
        other => {
            return Err(unusable(
                name,
                &format!("slimbuild does not know its driver `{other}`"),
            ));
        }
    })
}

fn certificates(
    name: &str,
    option: &impl Fn(&str) -> Option<String>,
) -> Result<Option<Certificates>, BuildkitError> {
    let file = |key: &str| option(key).map(PathBuf::from);
    let Some(authority) = file("cacert") else {
        return match file("cert").or(file("key")) {
            Some(_) => Err(unusable(
                name,
                "it has a client's certificate, and no `cacert`",
            )),
            None => Ok(None),
        };
    };
    Ok(Some(Certificates {
        authority,
        client: file("cert").zip(file("key")),
        server_name: option("servername"),
    }))
}

/// The value of a parameter in an address: `deployment` in `kubernetes:///name?deployment=x`.
pub(super) fn parameter(address: &str, key: &str) -> Option<String> {
    let (_, query) = address.split_once('?')?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == key)?;
    let value = unescaped(value)?;
    Some(value).filter(|value| !value.is_empty())
}

/// A value without percent signs.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Whether a directory has a Docker context of this name, which buildx takes for a builder too.
pub(super) fn is_context(name: &str, env: &Env) -> bool {
    name == "default" || host::of_endpoint(env, name).is_ok()
}

fn unusable(name: &str, problem: &str) -> BuildkitError {
    BuildkitError::Stored {
        name: name.to_owned(),
        problem: problem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::engine::host::Address;

    /// The nodes of a stored builder.
    fn found(text: &str) -> Result<Nodes, String> {
        let store = tempfile::tempdir().unwrap();
        let instances = store.path().join("instances");
        fs_err::create_dir(&instances).unwrap();
        fs_err::write(instances.join("team"), text).unwrap();
        let env = [("BUILDX_CONFIG", store.path().to_str().unwrap())];
        let found = find("Team", "--builder", &env.into_iter().collect());
        let found = found.map_err(|error| error.to_string())?;
        Ok(found.unwrap())
    }

    /// As `docker buildx create` 0.29.1 writes it.
    const REMOTE: &str = r#"{"Name":"team","Driver":"remote","Nodes":[{"Name":"team0","Endpoint":"tcp://127.0.0.1:18372","Platforms":null,"DriverOpts":{"cacert":"/c/ca.pem","cert":"/c/cert.pem","key":"/c/key.pem","servername":"localhost"},"Flags":null,"Files":null}],"Dynamic":false}"#;

    #[test]
    fn a_remote_builder_has_an_address_and_certificates() {
        let Way::Tls(authority, certificates) = found(REMOTE).unwrap().first.builder.way else {
            panic!("it is not over TLS");
        };
        assert_eq!(authority, "127.0.0.1:18372");
        assert_eq!(certificates.authority, Path::new("/c/ca.pem"));
        assert_eq!(certificates.server_name.as_deref(), Some("localhost"));
        assert!(certificates.client.is_some());
    }

    #[test]
    fn a_container_is_named_as_its_node() {
        let text = r#"{"Name":"team","Driver":"docker-container","Nodes":[{"Name":"team0","Endpoint":"unix:///run/x.sock","Platforms":null,"DriverOpts":null,"Flags":["--allow-insecure-entitlement=network.host"],"Files":null}],"Dynamic":false}"#;
        let Way::Container { daemon, name } = found(text).unwrap().first.builder.way else {
            panic!("it is no container");
        };
        assert_eq!(daemon.address(), &Address::Local("/run/x.sock".into()));
        assert_eq!(name, "buildx_buildkit_team0");
    }

    #[test]
    fn a_deployment_is_reached_by_kubectl() {
        let text = r#"{"Name":"team","Driver":"kubernetes","Nodes":[
            {"Name":"a","Endpoint":"kubernetes:///team?deployment=team-a&kubeconfig=%2Fk%2Fconfig","Platforms":[{"architecture":"amd64","os":"linux"}],"DriverOpts":{"namespace":"ci"}},
            {"Name":"b","Endpoint":"kubernetes:///team?deployment=team-b&kubeconfig=","Platforms":[{"architecture":"arm64","os":"linux"}],"DriverOpts":{}}]}"#;
        let Nodes { first, others } = found(text).unwrap();
        for (node, platform, expected) in [
            (
                &first,
                "linux/amd64",
                "kubectl --kubeconfig=/k/config --namespace=ci exec --stdin --container=buildkitd deployment/team-a -- buildctl dial-stdio",
            ),
            (
                &others[0],
                "linux/arm64",
                "kubectl exec --stdin --container=buildkitd deployment/team-b -- buildctl dial-stdio",
            ),
        ] {
            let Way::Command { words, .. } = &node.builder.way else {
                panic!("it is no command");
            };
            assert_eq!(words.join(" "), expected);
            assert_eq!(node.platforms, [platform]);
        }
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        for (text, expected) in [
            ("{", "EOF while parsing"),
            (r#"{"Driver":"remote","Nodes":[]}"#, "it has no nodes"),
            (
                r#"{"Driver":"cloud","Nodes":[{"Name":"a"}]}"#,
                "does not know its driver `cloud`",
            ),
            (
                r#"{"Driver":"remote","Nodes":[{"Name":"a","Endpoint":"tcp://x","DriverOpts":{"cert":"c"}}]}"#,
                "no `cacert`",
            ),
        ] {
            let error = found(text).unwrap_err();
            assert!(
                error.contains("`team`") || error.contains("`Team`"),
                "{error}"
            );
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_variable_may_name_a_docker_context() {
        let store = tempfile::tempdir().unwrap();
        let env = [("BUILDX_CONFIG", store.path().to_str().unwrap())];
        let env: Env = env.into_iter().collect();
        assert_eq!(Builder::of_variable("default", &env).unwrap(), None);
        let unknown = Builder::of_variable("nosuch", &env).unwrap_err();
        assert!(
            unknown
                .to_string()
                .contains("`nosuch` (from BUILDX_BUILDER)"),
            "{unknown}"
        );
    }

    #[test]
    fn names_lead_nowhere_else() {
        let env: Env = [("BUILDX_CONFIG", "/store")].into_iter().collect();
        assert_eq!(
            path("Team", &env).unwrap(),
            Path::new("/store/instances/team")
        );
        for name in ["", "../x", "a/b", "-a", "builder:1234"] {
            assert_eq!(path(name, &env), None, "{name}");
        }
        let env: Env = [("DOCKER_CONFIG", "/docker")].into_iter().collect();
        assert_eq!(
            path("a", &env).unwrap(),
            Path::new("/docker/buildx/instances/a")
        );
    }
}
