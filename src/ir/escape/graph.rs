//! What may be what: the flow graph of one function, and how an escape spreads in it.
//!
//! ```text
//!   u ──► v             v may be what u is (a jump's argument, a slot, a returned value)
//!   y ──► content(a)    y is put into a          content(a) ──► x    x is read from a
//! ```
//!
//! Values are told apart (an edge has a direction), the inside of things is not: all that may be
//! one thing share one content, as in Steensgaard's analysis ("Points-to Analysis in Almost Linear
//! Time", 1996). So reading a field gives the union of all that was ever put into any field of
//! anything that the record may be, and everything here is almost linear.
//!
//! - I1. An edge `u → v` puts u and v into one class; a class has at most one content, and contents
//!   that are merged flow into one another.
//! - I2. An escape spreads against the edges (who may be what escapes, escapes), and from a thing
//!   to its content (what can be reached, can be taken).
//! - I3. Nothing here recurses: classes merge and escapes spread by worklists.

use std::collections::VecDeque;

use super::reason::{Reason, Why};
use crate::lang::ast::Span;

/// A value, a slot, a content: a place that holds references.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Node(u32);

impl Node {
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// What an edge stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// The same thing under another name.
    Is,
    /// The thing is put into another one, here.
    Into(Reason, Span),
}

/// The flow graph.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// By node: what may come to it.
    sources: Vec<Vec<(Node, Step)>>,
    /// By node: the way to the representative of its class.
    class: Vec<Node>,
    /// By representative: how many nodes the class has.
    size: Vec<u32>,
    /// By representative: what the class contains.
    content: Vec<Option<Node>>,
}

impl Graph {
    pub(super) fn new(nodes: u32) -> Graph {
        let mut graph = Graph::default();
        (0..nodes).for_each(|_| _ = graph.add());
        graph
    }

    /// The node with this number, of those that the graph began with.
    pub(super) fn node(&self, number: u32) -> Node {
        assert!((number as usize) < self.class.len(), "no node {number}");
        Node(number)
    }

    pub(super) fn add(&mut self) -> Node {
        let node = Node(self.class.len() as u32);
        self.sources.push(Vec::new());
        self.class.push(node);
        self.size.push(1);
        self.content.push(None);
        node
    }

    fn find(&mut self, node: Node) -> Node {
        let mut at = node;
        while self.class[at.index()] != at {
            let up = self.class[self.class[at.index()].index()];
            self.class[at.index()] = up;
            at = up;
        }
        at
    }

    /// What is in the thing that `node` is.
    pub(super) fn content(&mut self, node: Node) -> Node {
        let class = self.find(node);
        if let Some(content) = self.content[class.index()] {
            return content;
        }
        let content = self.add();
        self.content[class.index()] = Some(content);
        content
    }

    /// What is in `node`, if anything ever was asked.
    fn known_content(&mut self, node: Node) -> Option<Node> {
        let class = self.find(node);
        self.content[class.index()]
    }

    /// `to` may be what `from` is.
    pub(super) fn flow(&mut self, from: Node, to: Node) {
        self.edge(from, to, Step::Is);
    }

    /// `part` is put into `whole`.
    pub(super) fn put(&mut self, part: Node, whole: Node, reason: Reason, span: Span) {
        let content = self.content(whole);
        self.edge(part, content, Step::Into(reason, span));
    }

    /// `part` is read from `whole`.
    pub(super) fn take(&mut self, whole: Node, part: Node) {
        let content = self.content(whole);
        self.flow(content, part);
    }

    pub(super) fn edge(&mut self, from: Node, to: Node, step: Step) {
        if from != to {
            self.sources[to.index()].push((from, step));
            self.merge(from, to);
        }
    }

    /// From here on the inside of `node`, at any depth, is one content: what a function that is
    /// not looked into may have made of it.
    pub(super) fn collapse(&mut self, node: Node) {
        let content = self.content(node);
        self.merge(node, content);
    }

    /// I1.
    fn merge(&mut self, a: Node, b: Node) {
        let mut work = vec![(a, b)];
        while let Some((a, b)) = work.pop() {
            let (a, b) = (self.find(a), self.find(b));
            if a == b {
                continue;
            }
            let a_is_larger = self.size[a.index()] >= self.size[b.index()];
            let (root, child) = if a_is_larger { (a, b) } else { (b, a) };
            self.class[child.index()] = root;
            self.size[root.index()] += self.size[child.index()];
            match (self.content[root.index()], self.content[child.index()]) {
                (Some(a), Some(b)) if a != b => {
                    self.sources[a.index()].push((b, Step::Is));
                    self.sources[b.index()].push((a, Step::Is));
                    work.push((a, b));
                }
                (None, content) => self.content[root.index()] = content,
                _ => {}
            }
        }
    }

    /// Whether anything was ever put into `node`, besides itself.
    pub(super) fn is_filled(&mut self, node: Node) -> bool {
        let content = self.content(node);
        self.sources[content.index()].iter().any(|&(from, _)| from != content)
    }

    /// The nodes that may be what `target` is; `target` too.
    pub(super) fn reaching(&self, target: Node) -> Vec<bool> {
        self.reaching_any(vec![target])
    }

    /// The nodes that may be what one of the targets is; the targets too.
    pub(super) fn reaching_any(&self, targets: Vec<Node>) -> Vec<bool> {
        let mut reached = vec![false; self.class.len()];
        let mut work = targets;
        while let Some(node) = work.pop() {
            if !std::mem::replace(&mut reached[node.index()], true) {
                work.extend(self.sources[node.index()].iter().map(|&(from, _)| from));
            }
        }
        reached
    }

    /// Spreads the escapes of `seeds` (I2), one lot after the other: what is noted is the first lot
    /// that reaches a node. Breadth first, so it is a shortest way out.
    pub(super) fn spread(&mut self, seeds: &[&[(Node, Why)]]) -> Escapes {
        let mut why: Vec<Option<Why>> = vec![None; self.class.len()];
        for lot in seeds {
            self.spread_lot(lot, &mut why);
        }
        Escapes(why)
    }

    fn spread_lot(&mut self, seeds: &[(Node, Why)], why: &mut [Option<Why>]) {
        let mut work: VecDeque<(Node, Why)> = seeds.iter().copied().collect();
        while let Some((node, because)) = work.pop_front() {
            if why[node.index()].is_some() {
                continue;
            }
            why[node.index()] = Some(because);
            for &(from, step) in &self.sources[node.index()] {
                let because = match step {
                    Step::Is => because,
                    Step::Into(reason, span) => because.after(reason, span),
                };
                work.push_back((from, because));
            }
            if let Some(content) = self.known_content(node) {
                work.push_back((content, because));
            }
        }
    }
}

/// What escapes, and why.
#[derive(Debug)]
pub(super) struct Escapes(Vec<Option<Why>>);

impl Escapes {
    pub(super) fn of(&self, node: Node) -> Option<Why> {
        self.0.get(node.index()).copied().flatten()
    }
}

/// Whether [`Graph::reaching`] has reached a node.
pub(super) fn is_reached(reached: &[bool], node: Node) -> bool {
    reached.get(node.index()).copied().unwrap_or(false)
}
