//! The members and their edges in several notations.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::lines::Lines;
use super::plan::why_kept;
use crate::ask::overview::{DrawnEdge, Member, Overview};
use crate::system::terminal::one_line;

/// The notations of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Notation {
    /// For the terminal.
    #[default]
    Tree,
    /// For Graphviz.
    Dot,
    /// For Markdown.
    Mermaid,
    /// For programs.
    Json,
}

/// `dev` for `devDependencies`; `None` for `dependencies`.
fn mark(edge: &DrawnEdge) -> Option<&'static str> {
    match edge.kind {
        "devDependencies" => Some("dev"),
        "optionalDependencies" => Some("optional"),
        _ => None,
    }
}

fn runs(member: &Member) -> bool {
    member.role.as_ref().is_some_and(|role| role.runtime)
}

/// A tree for each member that no other depends on, or for an app's closures, the app's tree first.
/// A subtree is shown only once.
pub fn tree(overview: &Overview) -> String {
    let mut tree = Tree {
        overview,
        text: Lines::default(),
        shown: BTreeSet::new(),
        path: Vec::new(),
    };
    let all = 0..overview.members.len();
    let app = |at: &usize| overview.app.as_ref() == Some(&overview.members[*at].dir);
    let top = |at: &usize| {
        let mut others = overview
            .edges
            .iter()
            .filter(|edge| edge.from_at != edge.to_at);
        !others.any(|edge| edge.to_at == *at)
    };
    // Members of a circle that no other depends on have no top; the last round shows them.
    let order = all
        .clone()
        .filter(app)
        .chain(all.clone().filter(top))
        .chain(all);
    for at in order {
        if !tree.shown.contains(&at) {
            tree.top(at);
        }
    }
    tree.text.into_text()
}

struct Tree<'o> {
    overview: &'o Overview,
    text: Lines,
    shown: BTreeSet<usize>,
    /// The members from the top to the current one.
    path: Vec<usize>,
}

impl Tree<'_> {
    fn top(&mut self, at: usize) {
        let member = &self.overview.members[at];
        let is_app = self.overview.app.as_ref() == Some(&member.dir);
        let because = member.role.as_ref().map(|role| &role.because);
        let note = match because {
            // Kept for a reason that no edge shows.
            Some(because) if !is_app && !because.is_dependency() => {
                format!("  ({})", why_kept(because))
            }
            None if member.dir.is_root() => "  (the root project)".to_owned(),
            _ => String::new(),
        };
        let mark = runtime_mark(member);
        self.text.line(format_args!("{}{mark}{note}", member.dir));
        self.below(at, "");
    }

    fn below(&mut self, at: usize, indent: &str) {
        self.shown.insert(at);
        self.path.push(at);
        let mut edges = self.overview.dependencies(at).peekable();
        while let Some(edge) = edges.next() {
            let member = &self.overview.members[edge.to_at];
            let (branch, trunk) = match edges.peek() {
                Some(_) => ("├── ", "│   "),
                None => ("└── ", "    "),
            };
            let kind = mark(edge).map(|kind| format!(" ({kind})"));
            let circle = self.path.contains(&edge.to_at);
            let leaf = self.overview.dependencies(edge.to_at).next().is_none();
            let seen = self.shown.contains(&edge.to_at);
            let note = match (circle, seen && !leaf) {
                (true, _) => " (a circle)",
                (false, true) => " (see above)",
                (false, false) => "",
            };
            self.text.line(format_args!(
                "{indent}{branch}{}{}{}{note}",
                member.dir,
                kind.unwrap_or_default(),
                runtime_mark(member),
            ));
            if !circle && !seen {
                self.below(edge.to_at, &format!("{indent}{trunk}"));
            }
        }
        self.path.pop();
    }
}

fn runtime_mark(member: &Member) -> &'static str {
    if runs(member) { " [runtime]" } else { "" }
}

/// For Graphviz.
pub fn dot(overview: &Overview) -> String {
    let quoted = |text: &str| {
        format!(
            "\"{}\"",
            one_line(text).replace('\\', "\\\\").replace('"', "\\\"")
        )
    };
    let mut text = "digraph workspace {\n  rankdir=LR\n  node [shape=box]\n".to_owned();
    for member in &overview.members {
        let style = if runs(member) { " [style=bold]" } else { "" };
        let _ = writeln!(text, "  {}{style}", quoted(&member.dir.to_string()));
    }
    for edge in &overview.edges {
        let (from, to) = (quoted(&edge.from.to_string()), quoted(&edge.to.to_string()));
        let style = mark(edge).map(|kind| format!(" [style=dashed, label={kind}]"));
        let _ = writeln!(text, "  {from} -> {to}{}", style.unwrap_or_default());
    }
    text + "}\n"
}

/// For Markdown as GitHub and others show it.
pub fn mermaid(overview: &Overview) -> String {
    let quoted = |text: &str| format!("\"{}\"", one_line(text).replace('"', "#quot;"));
    let mut text = "graph LR\n".to_owned();
    for (at, member) in overview.members.iter().enumerate() {
        let class = if runs(member) { ":::runtime" } else { "" };
        let _ = writeln!(text, "  m{at}[{}]{class}", quoted(&member.dir.to_string()));
    }
    for edge in &overview.edges {
        let arrow = mark(edge).map_or_else(|| "-->".to_owned(), |kind| format!("-.->|{kind}|"));
        let _ = writeln!(text, "  m{} {arrow} m{}", edge.from_at, edge.to_at);
    }
    if overview.members.iter().any(runs) {
        text.push_str("  classDef runtime stroke-width:3px\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::path::RepoPath;

    /// Members `a`, `b`, … with edges such as `ab` or, dev, `ab?`.
    fn overview(members: &str, edges: &[&str]) -> Overview {
        let dir = |letter: char| RepoPath::new(&letter.to_string()).unwrap();
        let at = |letter: char| members.find(letter).unwrap();
        let edge = |text: &&str| {
            let letters: Vec<char> = text.chars().collect();
            DrawnEdge {
                from_at: at(letters[0]),
                to_at: at(letters[1]),
                from: dir(letters[0]),
                to: dir(letters[1]),
                kind: if letters.len() > 2 {
                    "devDependencies"
                } else {
                    "dependencies"
                },
            }
        };
        Overview {
            app: None,
            members: members
                .chars()
                .map(|letter| Member {
                    dir: dir(letter),
                    name: letter.to_string(),
                    role: None,
                })
                .collect(),
            edges: edges.iter().map(edge).collect(),
        }
    }

    #[test]
    fn trees_end_in_circles_and_do_not_repeat_themselves() {
        let overview = overview("abcdef", &["ab", "ac?", "bd", "cb", "ef", "ee", "fe?"]);
        insta::assert_snapshot!(tree(&overview), @"
        a
        ├── b
        │   └── d
        └── c (dev)
            └── b (see above)
        e
        ├── f
        │   └── e (dev) (a circle)
        └── e (a circle)
        ");
    }
}
