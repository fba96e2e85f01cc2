//! Steps that do not trust the certificate of a server.

use super::log::Log;

/// What to do about a server whose certificate the build does not trust.
pub(super) const UNTRUSTED: &str = "The build does not trust the certificate of a server; behind a company's proxy that takes the company's authority.";
/// The same where an authority was given.
pub(super) const NOT_THAT_AUTHORITY: &str = "The build does not trust the certificate of a server, which no authority in the file of `--ca` signed.";

pub(super) fn certificate(log: &Log) -> Option<String> {
    // As node, OpenSSL, Go and rustls word it.
    log.has(&[
        "SELF_SIGNED_CERT_IN_CHAIN",
        "DEPTH_ZERO_SELF_SIGNED_CERT",
        "UNABLE_TO_GET_ISSUER_CERT",
        "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        "unable to verify the first certificate",
        "unable to get local issuer certificate",
        "self-signed certificate",
        "self signed certificate",
        "certificate signed by unknown authority",
        "invalid peer certificate: UnknownIssuer",
    ])
    .then(|| format!("{UNTRUSTED} Give it to the build with `--ca FILE`."))
}
