//! What a build prints on stdout.

use clap::ValueEnum;

/// The line on stdout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum PrintArg {
    /// The image's name, or the file that it was written to
    #[default]
    Name,
    /// The digest by which registries find it: sha256:…
    Digest,
    /// Its name and digest: shop/server@sha256:…
    Reference,
    /// The digest of its configuration, which a Docker daemon shows as the image's id
    Id,
}

impl PrintArg {
    /// Whether it needs the digest of a manifest.
    pub fn needs_a_digest(self) -> bool {
        matches!(self, Self::Digest | Self::Reference)
    }
}
