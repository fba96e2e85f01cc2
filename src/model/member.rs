//! The identity of a member of the workspace.

/// A member, by its position among all members of its workspace.
///
/// An identity is valid for the workspace that it came from, as long as that does not change. The
/// order is that of the members: the root project first, the others by directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(usize);

impl MemberId {
    /// The root project.
    pub const ROOT: Self = Self(0);

    /// The member at this position.
    pub const fn new(position: usize) -> Self {
        Self(position)
    }

    /// Its position.
    pub const fn position(self) -> usize {
        self.0
    }

    /// Whether it is the root project.
    pub const fn is_root(self) -> bool {
        self.0 == 0
    }
}

impl From<MemberId> for usize {
    fn from(id: MemberId) -> Self {
        id.0
    }
}
