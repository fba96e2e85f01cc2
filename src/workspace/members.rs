//! All members of a workspace, by their identities.

use std::ops::Index;

use super::Member;
use crate::model::member::MemberId;

/// The members: the root project first, the others by directory. There is always a root.
#[derive(Debug)]
pub struct Members(Vec<Member>);

impl Members {
    /// The first one is the root project, and the others are sorted by directory.
    pub(super) fn new(all: Vec<Member>) -> Self {
        debug_assert!(all.first().is_some_and(|root| root.dir.is_root()));
        debug_assert!(all.is_sorted_by(|one, next| one.dir < next.dir));
        Self(all)
    }

    /// How many there are, with the root project.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether the root project is the only member: a repository with one package.
    pub fn is_alone(&self) -> bool {
        self.0.len() == 1
    }

    /// All of them.
    pub fn all(&self) -> &[Member] {
        &self.0
    }

    /// All but the root project.
    pub fn packages(&self) -> &[Member] {
        &self.0[1..]
    }

    /// The identities of all.
    pub fn ids(
        &self,
    ) -> impl DoubleEndedIterator<Item = MemberId> + ExactSizeIterator + Clone + use<> {
        (0..self.0.len()).map(MemberId::new)
    }

    /// The identities of all but the root project.
    pub fn package_ids(
        &self,
    ) -> impl DoubleEndedIterator<Item = MemberId> + ExactSizeIterator + Clone + use<> {
        self.ids().skip(1)
    }

    /// All of them with their identities.
    pub fn with_ids(
        &self,
    ) -> impl DoubleEndedIterator<Item = (MemberId, &Member)> + ExactSizeIterator {
        self.ids().zip(&self.0)
    }

    /// Removes the packages that do not pass. Identities change.
    pub(super) fn retain_packages(&mut self, passes: impl Fn(&Member) -> bool) {
        self.0
            .retain(|member| member.dir.is_root() || passes(member));
    }
}

impl Index<MemberId> for Members {
    type Output = Member;

    fn index(&self, id: MemberId) -> &Member {
        &self.0[id.position()]
    }
}
