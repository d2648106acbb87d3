//! The order of a condition: whether it holds, and what is to be asked now.

use super::condition::{Condition, Leaf, Node};
use super::tally::Tally;

/// A condition whose leaves have numbers, in the order they were written. What is known of them lies elsewhere.
#[derive(Debug)]
pub(super) enum Tree {
    All(Vec<Self>),
    Any(Vec<Self>),
    Leaf(usize),
}

impl Tree {
    /// The tree of `condition`, and its leaves by number.
    pub(super) fn of(condition: &Condition) -> (Self, Vec<Leaf>) {
        let mut leaves = Vec::new();
        let tree = Self::number(&condition.0, &mut leaves);
        (tree, leaves)
    }

    /// An `all` in an `all` is one: its parts are siblings of the outer one's, and wait for each other.
    fn number(node: &Node, leaves: &mut Vec<Leaf>) -> Self {
        match node {
            Node::All(nodes) => {
                let mut flat = Vec::new();
                for node in nodes {
                    match Self::number(node, leaves) {
                        Self::All(inner) => flat.extend(inner),
                        other => flat.push(other),
                    }
                }
                Self::All(flat)
            }
            Node::Any(nodes) => Self::Any(nodes.iter().map(|node| Self::number(node, leaves)).collect()),
            Node::Leaf(leaf) => {
                leaves.push(leaf.clone());
                Self::Leaf(leaves.len() - 1)
            }
        }
    }

    pub(super) fn holds(&self, tallies: &[Tally]) -> bool {
        match self {
            Self::All(trees) => trees.iter().all(|tree| tree.holds(tallies)),
            Self::Any(trees) => trees.iter().any(|tree| tree.holds(tallies)),
            Self::Leaf(leaf) => tallies[*leaf].is_met(),
        }
    }

    /// Adds the leaves whose turn it is to be asked. In an `all` that is when all that is merely waited for has come
    /// (SV-16); in an `any` it is at once. Nobody is asked for what cannot change anything any more.
    pub(super) fn list_asked(&self, tallies: &[Tally], list: &mut Vec<usize>) {
        if self.holds(tallies) {
            return;
        }
        match self {
            Self::All(trees) => {
                let is_no_obstacle = |tree: &Self| tree.holds(tallies) || tree.asks(tallies);
                if trees.iter().all(is_no_obstacle) {
                    trees.iter().for_each(|tree| tree.list_asked(tallies, list));
                }
            }
            Self::Any(trees) => trees.iter().for_each(|tree| tree.list_asked(tallies, list)),
            Self::Leaf(leaf) => list.extend(tallies[*leaf].is_asked().then_some(*leaf)),
        }
    }

    /// Whether somebody is asked anywhere in it.
    fn asks(&self, tallies: &[Tally]) -> bool {
        match self {
            Self::All(trees) | Self::Any(trees) => trees.iter().any(|tree| tree.asks(tallies)),
            Self::Leaf(leaf) => tallies[*leaf].is_asked(),
        }
    }
}
