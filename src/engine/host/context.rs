//! Docker's context store: looks up the daemon's address by the name of a context.

use crate::model::digest::hex;
use std::path::Path;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Address, HostError, Origin, parse, read_json};

#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "Endpoints", default)]
    endpoints: Endpoints,
}

#[derive(Deserialize, Default)]
struct Endpoints {
    docker: Option<Endpoint>,
}

#[derive(Deserialize)]
struct Endpoint {
    #[serde(rename = "Host", default)]
    host: String,
    #[serde(rename = "SkipTLSVerify", default)]
    skip_verification: bool,
}

/// Loads a context from `contexts/` in Docker's configuration directory, which stores it under the
/// SHA-256 of its name.
pub(super) fn load(configuration: &Path, name: &str) -> Result<Address, HostError> {
    let contexts = configuration.join("contexts");
    let id = hex(&Sha256::digest(name));
    let path = contexts.join("meta").join(&id).join("meta.json");
    let Some(metadata) = read_json::<Metadata>(&path)? else {
        return Err(HostError::UnknownContext {
            name: name.to_owned(),
            path,
        });
    };
    let endpoint = metadata.endpoints.docker;
    let Some(endpoint) = endpoint.filter(|endpoint| !endpoint.host.is_empty()) else {
        return Err(HostError::NoEndpoint {
            name: name.to_owned(),
            path,
        });
    };
    let origin = Origin::Context(name.to_owned());
    let certificates = contexts.join("tls").join(&id).join("docker");
    let certificates = certificates.is_dir().then_some(certificates);
    let address = parse(&endpoint.host, &origin, certificates)?;
    if endpoint.skip_verification && !matches!(address, Address::Local(_) | Address::Ssh(_)) {
        return Err(HostError::Unverified { origin });
    }
    Ok(address)
}
