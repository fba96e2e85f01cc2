//! Whether an image is the same for every platform, except for its base. Then no step of the build
//! has to run on the image's platform: a builder makes it for machines that it cannot imitate.

use super::base::Bases;
use super::{Configured, Native, NodeCommand, PlanOptions};

/// Why steps of the build have to run on the image's own platform; `None` if none has to. `machine`
/// says which packages have machine code.
pub(super) fn bound(
    options: &PlanOptions,
    bases: &Bases,
    configured: &Configured,
    native: &Native,
    machine: Option<String>,
) -> Option<String> {
    if machine.is_some() {
        return machine;
    }
    if let Some(template) = &options.template {
        return Some(format!("nobody knows what `{}` runs", template.value));
    }
    let base = &bases.runtime.value;
    if let Some(NodeCommand::Alone | NodeCommand::Copied | NodeCommand::Trimmed) = base.node {
        return Some(format!(
            "`{}` is changed before it is the base; distroless is not",
            base.image
        ));
    }
    if configured.runtime_packages.is_some() || native.runtime.is_some() {
        return Some("it gets packages of the system".to_owned());
    }
    if !configured.writable.is_empty() {
        return Some("it gets directories that the app writes to".to_owned());
    }
    None
}
