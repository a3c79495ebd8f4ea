//! Nodes and trees of them.

/// Children of a node.
pub(crate) const FAN_OUT: usize = 8;

/// Some events of a track that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Node {
    /// Earliest start.
    pub(crate) start: i64,
    /// Latest end.
    pub(crate) end: i64,
    /// Time in which any of them ran and none before them did.
    pub(crate) busy: u64,
    /// Time of the dominant name.
    pub(crate) weight: u64,
    /// The dominant name.
    pub(crate) dominant: u32,
    /// How many they are.
    pub(crate) events: u32,
}

impl Node {
    /// A single event. `ran_until` is the latest end of the events before it, and becomes that of
    /// the events up to it.
    #[inline]
    pub(crate) fn of_event(start: i64, duration: u64, name: u32, ran_until: &mut i64) -> Self {
        let end = start.saturating_add_unsigned(duration);
        let busy = end.abs_diff(start.max(*ran_until).min(end));
        *ran_until = end.max(*ran_until);
        Self { start, end, busy, weight: duration, dominant: name, events: 1 }
    }

    /// All events of `children`, eight at most.
    pub(crate) fn merge(children: &[Self]) -> Self {
        let Some((first, rest)) = children.split_first() else {
            return Self { start: 0, end: 0, busy: 0, weight: 0, dominant: 0, events: 0 };
        };
        let mut merged = *first;
        for child in rest {
            merged.start = merged.start.min(child.start);
            merged.end = merged.end.max(child.end);
            merged.busy = merged.busy.saturating_add(child.busy);
            merged.events = merged.events.saturating_add(child.events);
        }
        // Few children, fewer names: a short list is quicker than any map.
        let mut names = [(0u32, 0u64); FAN_OUT];
        let mut n_names = 0;
        for child in children.iter().take(FAN_OUT) {
            match names[..n_names].iter_mut().find(|(name, _)| *name == child.dominant) {
                Some((_, weight)) => *weight = weight.saturating_add(child.weight),
                None => {
                    names[n_names] = (child.dominant, child.weight);
                    n_names += 1;
                }
            }
        }
        (merged.dominant, merged.weight) = names[0];
        for (name, weight) in &names[1..n_names] {
            if *weight > merged.weight {
                (merged.dominant, merged.weight) = (*name, *weight);
            }
        }
        merged
    }
}

/// Levels of nodes, each over eight of the level below. The lowest stands over eight *items*,
/// which the tree does not hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree {
    levels: Vec<Vec<Node>>,
}

impl Tree {
    /// The tree over `n_items` items, of which `item` gives the one at an index, in order. It has
    /// `n_levels` levels, or as many as it takes until eight nodes or fewer are on top.
    pub(crate) fn build(
        n_items: usize,
        n_levels: Option<usize>,
        mut item: impl FnMut(usize) -> Node,
    ) -> Self {
        let mut lowest = Vec::with_capacity(n_items.div_ceil(FAN_OUT));
        let mut group = Vec::with_capacity(FAN_OUT);
        for start in (0..n_items).step_by(FAN_OUT) {
            group.clear();
            group.extend((start..(start + FAN_OUT).min(n_items)).map(&mut item));
            lowest.push(Node::merge(&group));
        }
        let mut levels = vec![lowest];
        loop {
            let below = levels.last().map_or(&[][..], Vec::as_slice);
            let is_done = match n_levels {
                Some(n_levels) => levels.len() >= n_levels,
                None => below.len() <= FAN_OUT,
            };
            if is_done {
                return Self { levels };
            }
            let above = below.chunks(FAN_OUT).map(Node::merge).collect();
            levels.push(above);
        }
    }

    /// The levels, lowest first.
    pub(crate) fn levels(&self) -> &[Vec<Node>] {
        &self.levels
    }

    /// The levels, lowest first.
    pub(crate) fn into_levels(self) -> Vec<Vec<Node>> {
        self.levels
    }

    /// Everything in the tree as one node; `None` when it is empty.
    pub(crate) fn root(&self) -> Option<Node> {
        let top = self.levels.last().filter(|top| !top.is_empty())?;
        Some(Node::merge(top))
    }
}
