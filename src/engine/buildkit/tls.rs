//! TLS to a builder: loads the user's files, and says in plain words who refuses whom.

use std::sync::Arc;

use rustls::{CertificateError, ClientConfig};

use super::{BuildkitError, Certificates, Side};
use crate::engine::wire::{self, Unusable};

/// The settings of a connection with these certificates, for a protocol over it.
pub(super) fn configuration(
    files: &Certificates,
    protocol: &str,
) -> Result<Arc<ClientConfig>, BuildkitError> {
    let settings = wire::configuration(&files.authority, files.client.as_ref(), protocol);
    settings.map_err(|Unusable { path, problem }| BuildkitError::Certificate { path, problem })
}

/// Who refuses, and why.
pub(super) fn explain(error: &rustls::Error) -> (Side, String) {
    use rustls::Error::{AlertReceived, InvalidCertificate};
    match error {
        InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => (
            Side::Own,
            "its certificate is signed by another authority than the one of `--builder-tls`"
                .to_owned(),
        ),
        InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            (Side::Own, "its certificate has expired".to_owned())
        }
        InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => (Side::Own, "its certificate is for another name".to_owned()),
        InvalidCertificate(error) => (Side::Own, format!("its certificate is wrong: {error}")),
        AlertReceived(alert) => (
            Side::Builder,
            format!("it does not take this client's certificate ({alert:?})"),
        ),
        error => (Side::Own, error.to_string()),
    }
}
