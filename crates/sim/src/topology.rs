//! Who follows whom: a tree with the primary as its root.
//!
//! This is what the operator means. The nodes learn of it by orders, late and one by one, so what they do may be
//! another tree for a while, several, or a circle.

/// What a tree looks like at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// All follow the primary.
    Star,
    /// Each follows the one before.
    Chain,
    /// Each follows any of those before.
    Tree,
}

/// Whom each node is meant to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    parents: Vec<Option<usize>>,
}

impl Topology {
    /// So many nodes: 0 is the primary, and the others follow whom `parents` names, by turns.
    pub fn of(parents: &[usize]) -> Topology {
        Topology { parents: std::iter::once(None).chain(parents.iter().copied().map(Some)).collect() }
    }

    /// A tree of that shape.
    pub fn draw(shape: Shape, nodes: usize, rng: &mut fastrand::Rng) -> Topology {
        let mut parent = |node: usize| match shape {
            Shape::Star => 0,
            Shape::Chain => node - 1,
            Shape::Tree => rng.usize(..node),
        };
        Topology::of(&(1..nodes).map(&mut parent).collect::<Vec<_>>())
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.parents.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.parents.is_empty()
    }

    /// Whom a node is meant to follow; nobody if it is to be the primary.
    pub fn parent(&self, node: usize) -> Option<usize> {
        self.parents[node]
    }

    /// The node that is meant to be the primary.
    pub fn root(&self) -> usize {
        self.parents.iter().position(Option::is_none).expect("the tree has a root")
    }

    /// Those that are meant to follow a node directly.
    pub fn children(&self, node: usize) -> impl Iterator<Item = usize> {
        (0..self.len()).filter(move |child| self.parents[*child] == Some(node))
    }

    /// Whether a node is another, or is meant to follow it by however many steps.
    pub fn descends(&self, node: usize, ancestor: usize) -> bool {
        // While a role changes hands the tree may be none for a moment.
        let above = |node: &usize| self.parents[*node];
        std::iter::successors(Some(node), above).take(self.len()).any(|above| above == ancestor)
    }

    /// A node is to follow another, or nobody.
    pub fn set(&mut self, node: usize, parent: Option<usize>) {
        self.parents[node] = parent;
    }

    /// A node becomes the root, and all others hang below it anyhow.
    pub fn rehang(&mut self, root: usize, rng: &mut fastrand::Rng) {
        let mut attached = vec![root];
        let mut others: Vec<usize> = (0..self.len()).filter(|other| *other != root).collect();
        rng.shuffle(&mut others);
        self.parents[root] = None;
        for other in others {
            self.parents[other] = Some(attached[rng.usize(..attached.len())]);
            attached.push(other);
        }
    }

    /// A replica of a replica takes its place, which then follows it. Returns the other one; nobody if it cannot.
    pub fn swap_with_parent(&mut self, node: usize) -> Option<usize> {
        let parent = self.parents[node]?;
        let above = self.parents[parent]?;
        self.parents[node] = Some(above);
        self.parents[parent] = Some(node);
        Some(parent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_what_they_are_called() {
        let mut rng = fastrand::Rng::with_seed(1);
        assert_eq!(Topology::draw(Shape::Star, 4, &mut rng), Topology::of(&[0, 0, 0]));
        assert_eq!(Topology::draw(Shape::Chain, 4, &mut rng), Topology::of(&[0, 1, 2]));
        let tree = Topology::draw(Shape::Tree, 6, &mut rng);
        assert!((0..6).all(|node| tree.descends(node, 0)));
    }

    #[test]
    fn a_rehung_tree_is_a_tree() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut tree = Topology::of(&[0, 1, 1, 3]);
        tree.rehang(3, &mut rng);
        assert_eq!(tree.root(), 3);
        assert!((0..5).all(|node| tree.descends(node, 3)));
    }

    #[test]
    fn a_node_changes_places_with_a_replica_above_it() {
        let mut tree = Topology::of(&[0, 1, 2]);
        assert_eq!(tree.swap_with_parent(1), None, "the primary stays");
        assert_eq!(tree.swap_with_parent(2), Some(1));
        assert_eq!(tree, Topology::of(&[2, 0, 2]));
    }
}
