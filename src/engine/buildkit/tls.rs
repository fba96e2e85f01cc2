//! TLS to a builder: loads the user's files, and says in plain words who refuses whom.

use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CertificateError, ClientConfig, RootCertStore};

use super::{BuildkitError, Certificates, Side};
use crate::store::fetch::prepare_tls;

/// The settings of a connection with these certificates, for a protocol over it.
pub(super) fn configuration(
    files: &Certificates,
    protocol: &str,
) -> Result<Arc<ClientConfig>, BuildkitError> {
    prepare_tls();
    let mut roots = RootCertStore::empty();
    for certificate in chain(&files.authority)? {
        let added = roots.add(certificate);
        added.map_err(|error| unusable(&files.authority, &error.to_string()))?;
    }
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let mut configuration = match &files.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = chain(certificate)?;
            let secret = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| unusable(key, &words(&error, "private key")))?;
            builder
                .with_client_auth_cert(chain, secret)
                .map_err(|error| unusable(key, &error.to_string()))?
        }
    };
    configuration.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    Ok(Arc::new(configuration))
}

fn chain(path: &std::path::Path) -> Result<Vec<CertificateDer<'static>>, BuildkitError> {
    let read = |error: pem::Error| unusable(path, &words(&error, "certificate"));
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(read)?.collect();
    let chain = chain.map_err(read)?;
    if chain.is_empty() {
        return Err(unusable(path, "it holds no certificate in PEM format"));
    }
    Ok(chain)
}

fn unusable(path: &std::path::Path, problem: &str) -> BuildkitError {
    BuildkitError::Certificate {
        path: path.to_owned(),
        problem: problem.to_owned(),
    }
}

/// Never quotes the file, which may be a private key.
fn words(error: &pem::Error, wanted: &str) -> String {
    match error {
        pem::Error::Io(error) if error.kind() == std::io::ErrorKind::NotFound => {
            "it does not exist".to_owned()
        }
        pem::Error::Io(error) => error.to_string(),
        _ => format!("it holds no {wanted} in PEM format"),
    }
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
