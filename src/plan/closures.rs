//! A closure as readers of a plan see it: its members with reasons, what development alone explains,
//! and what is left out.

use std::collections::{BTreeMap, BTreeSet};

use super::{ClosurePlan, MemberPlan, Spared};
use crate::lockfile::keys::name_and_version;
use crate::model::member::MemberId;
use crate::needs::closure::{Because, Closure};
use crate::workspace::Workspace;

/// The members of a closure as a reader sees them.
pub(crate) fn members(workspace: &Workspace, closure: &Closure<'_, '_>) -> Vec<MemberPlan> {
    let member = |(&at, because): (&MemberId, &Because)| {
        let member = &workspace.members[at];
        MemberPlan {
            name: member.label(),
            dir: member.dir.clone(),
            because: because.clone(),
        }
    };
    closure.members.iter().map(member).collect()
}

pub(super) fn closure_plan(workspace: &Workspace, closure: &Closure<'_, '_>) -> ClosurePlan {
    ClosurePlan {
        members: members(workspace, closure),
        packages: closure.package_count(),
        peers: closure
            .peers()
            .iter()
            .map(|(at, peer)| format!("{}: {peer}", workspace.members[*at].dir))
            .collect(),
        named: closure
            .named()
            .iter()
            .map(|(at, package)| format!("{}: {package}", workspace.members[*at].dir))
            .collect(),
        spared: spared(closure),
    }
}

/// The tools that a closure leaves out, by name.
fn spared(closure: &Closure<'_, '_>) -> Vec<Spared> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for spared in closure.spared() {
        let label = |key| {
            let format = closure.lockfile(spared.home).format();
            let (name, version) = name_and_version(format, key);
            format!("{name}@{version}")
        };
        all.entry(label(spared.peer))
            .or_default()
            .insert(label(spared.of));
    }
    let spared = |(package, of): (String, BTreeSet<String>)| Spared {
        package,
        peer_of: of.into_iter().collect(),
    };
    all.into_iter().map(spared).collect()
}
