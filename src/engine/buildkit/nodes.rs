//! [`Nodes`]: the machines of one builder, and which of them makes the image of which platform.
//!
//! Input: the nodes, and the platforms that are wanted. Output: a [`Share`] for each node that works,
//! with the node connected.

use super::{Abilities, Builder, Buildkit};
use crate::model::image::Platform;

/// A builder: one machine, or several that buildx knows under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nodes {
    pub(super) first: Node,
    pub(super) others: Vec<Node>,
}

/// A machine of a builder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub(super) builder: Builder,
    /// The platforms that the user named for it, such as `linux/arm64`.
    pub(super) platforms: Vec<String>,
}

/// What one node makes.
#[derive(Debug)]
pub struct Share {
    /// The node.
    pub buildkit: Buildkit,
    /// The platforms of its images; none for its own.
    pub platforms: Vec<Platform>,
}

impl From<Builder> for Nodes {
    fn from(builder: Builder) -> Self {
        let platforms = Vec::new();
        Self {
            first: Node { builder, platforms },
            others: Vec::new(),
        }
    }
}

impl Nodes {
    /// The node that is asked where it does not matter which.
    pub fn first(&self) -> &Builder {
        &self.first.builder
    }

    fn all(&self) -> impl Iterator<Item = &Node> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Decides which node makes which image, and connects to these nodes. A node that the user named for
    /// a platform is taken, else one that has it, else one that can emulate it, else the first one,
    /// which then refuses. The nodes are only asked where the names do not decide. `is_bound` is for
    /// images whose steps have to run on their own platform; others are one node's work.
    pub fn shares<E>(
        &self,
        platforms: &[Platform],
        is_bound: bool,
        mut connect: impl FnMut(&Builder) -> Result<Buildkit, E>,
    ) -> Result<Vec<Share>, E> {
        if self.others.is_empty() || platforms.is_empty() {
            let buildkit = connect(self.first())?;
            let platforms = platforms.to_vec();
            return Ok(vec![Share {
                buildkit,
                platforms,
            }]);
        }
        if let (false, [first, _, ..]) = (is_bound, platforms) {
            let mut shares = self.shares(std::slice::from_ref(first), is_bound, connect)?;
            for share in &mut shares {
                share.platforms = platforms.to_vec();
            }
            return Ok(shares);
        }
        let named: Vec<&[String]> = self.all().map(|node| &*node.platforms).collect();
        let mut connected: Vec<Option<Buildkit>> = named.iter().map(|_| None).collect();
        let is_named = |platform: &Platform| {
            let platform = platform.to_string();
            named.iter().any(|names| names.contains(&platform))
        };
        if !platforms.iter().all(is_named) {
            for (node, place) in self.all().zip(&mut connected) {
                *place = Some(connect(&node.builder)?);
            }
        }
        let abilities: Vec<Option<&Abilities>> = connected
            .iter()
            .map(|buildkit| buildkit.as_ref().map(Buildkit::abilities))
            .collect();
        let chosen: Vec<usize> = platforms
            .iter()
            .map(|platform| choose(platform, &named, &abilities))
            .collect();
        let mut shares = Vec::new();
        for (at, (node, place)) in self.all().zip(connected).enumerate() {
            let own = platforms.iter().zip(&chosen);
            let own = own.filter(|(_, chosen)| **chosen == at);
            let platforms: Vec<Platform> = own.map(|(platform, _)| platform.clone()).collect();
            if platforms.is_empty() {
                continue;
            }
            let buildkit = place.map_or_else(|| connect(&node.builder), Ok)?;
            shares.push(Share {
                buildkit,
                platforms,
            });
        }
        Ok(shares)
    }
}

/// The place of the node for a platform.
fn choose(platform: &Platform, named: &[&[String]], abilities: &[Option<&Abilities>]) -> usize {
    let text = platform.to_string();
    let by_name = named.iter().position(|names| names.contains(&text));
    let that = |can: &dyn Fn(&Abilities) -> bool| {
        let mut all = abilities.iter();
        all.position(|abilities| abilities.is_some_and(can))
    };
    by_name
        .or_else(|| that(&|abilities| abilities.platform().as_ref() == Some(platform)))
        .or_else(|| that(&|abilities| abilities.runs(platform)))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_decides_then_the_machine_then_emulation() {
        let both = Abilities::with_platforms(&["linux/amd64", "linux/arm64"]);
        let arm = Abilities::with_platforms(&["linux/arm64"]);
        let names = |text: &str| vec![text.to_owned()];
        let (amd, none) = (names("linux/amd64"), Vec::new());
        let chosen = |platform: &str, named: &[&[String]], abilities: &[Option<&Abilities>]| {
            choose(&platform.parse().unwrap(), named, abilities)
        };
        let unnamed: [&[String]; 2] = [&none, &none];
        // The second node has the platform; the first one would emulate it.
        let asked = [Some(&both), Some(&arm)];
        assert_eq!(chosen("linux/arm64", &unnamed, &asked), 1);
        assert_eq!(chosen("linux/amd64", &unnamed, &asked), 0);
        let asked = [Some(&arm), Some(&both)];
        assert_eq!(chosen("linux/arm64", &unnamed, &asked), 0);
        assert_eq!(chosen("linux/s390x", &unnamed, &asked), 0);
        let only_emulated = [Some(&arm), Some(&arm)];
        assert_eq!(chosen("linux/amd64", &[&none, &amd], &only_emulated), 1);
        assert_eq!(chosen("linux/amd64", &[&none, &amd], &[None, None]), 1);
    }
}
