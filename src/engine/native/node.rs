//! A node that runs outside of images.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::NativeError;
use super::namespace::Outside;
use super::rootfs;
use super::tools::Tools;
use crate::image::base::OwnBase;
use crate::model::image::Platform;
use crate::store::cache::Cache;

/// A node that may run on this machine outside of any image: one that slimbuild downloaded by
/// digest, or this machine's own. The node of an image from elsewhere runs only in that image.
#[derive(Debug, Clone)]
pub struct TrustedNode(PathBuf);

impl TrustedNode {
    /// The node of a build: this machine's, or npm's.
    pub fn of_build(tools: &Tools) -> Self {
        Self(tools.node.clone())
    }

    /// The node of the built-in base, if it has one and is for this machine.
    pub(super) fn of_own_base(base: &OwnBase, cache: &Cache) -> Result<Option<Self>, NativeError> {
        let image = base.image();
        let Some(program) = base.node().filter(|_| image.platform == Platform::host()) else {
            return Ok(None);
        };
        let dir = rootfs::base(image, image.layers.len(), cache)?;
        Ok(dir.map(|dir| Self(dir.join(program))))
    }

    /// This machine's own node, found on the path.
    pub(super) fn of_this_machine(outside: Outside<'_>) -> impl Iterator<Item = Self> {
        outside.all("node").map(Self)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Whether it can start on this machine.
    pub(super) fn runs(&self) -> bool {
        let mut version = Command::new(&self.0);
        version.arg("--version").env_clear();
        version
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.0.is_file() && version.status().is_ok_and(|status| status.success())
    }
}
