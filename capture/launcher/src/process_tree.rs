//! Who started whom.

use std::collections::BTreeMap;

/// What is known of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessFacts {
    /// Process id of its parent when it was first seen.
    pub parent: u32,
    /// The name that the kernel shows for it.
    pub name: String,
}

/// Processes of a recording: those with a collector, and everything between them and the command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessTree {
    /// Process id of the command.
    pub root: u32,
    /// What is known of each process, by process id.
    pub processes: BTreeMap<u32, ProcessFacts>,
}

/// Longest chain of parents that is followed.
const MAX_DEPTH: usize = 64;

impl ProcessTree {
    /// The tree of a command that runs as `root`.
    pub fn new(root: u32) -> Self {
        let mut tree = Self { root, ..Self::default() };
        tree.add(root);
        tree
    }

    /// Looks a process up, and its parents up to the command.
    pub fn add(&mut self, pid: u32) {
        let mut pid = pid;
        for _ in 0..MAX_DEPTH {
            if pid <= 1 || self.processes.contains_key(&pid) {
                return;
            }
            let Some(facts) = facts_of(pid) else { return };
            let parent = facts.parent;
            self.processes.insert(pid, facts);
            if pid == self.root {
                return;
            }
            pid = parent;
        }
    }
}

/// Process id of a running process's parent.
pub(crate) fn parent_of(pid: u32) -> Option<u32> {
    facts_of(pid).map(|facts| facts.parent)
}

/// `/proc/PID/stat`: `PID (name) state parent …`. The name may contain anything.
fn facts_of(pid: u32) -> Option<ProcessFacts> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    parse(&stat)
}

fn parse(stat: &str) -> Option<ProcessFacts> {
    let (before, after) = stat.rsplit_once(") ")?;
    let (_, name) = before.split_once(" (")?;
    let parent = after.split(' ').nth(1)?.parse().ok()?;
    Some(ProcessFacts { parent, name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_contain_anything() {
        let facts = parse("42 (a ) b (c) R 7 42 42 0").expect("a line");
        assert_eq!(facts, ProcessFacts { parent: 7, name: "a ) b (c".to_owned() });
        assert_eq!(parse("42 (a"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn parents_are_followed_to_the_root() {
        let own = std::process::id();
        let mut tree = ProcessTree::new(own);
        assert_eq!(tree.processes.len(), 1, "not above the root");
        tree.add(0);
        tree.add(u32::MAX);
        assert_eq!(tree.processes.len(), 1);
        let parent = tree.processes[&own].parent;
        let mut above = ProcessTree { root: parent, ..ProcessTree::default() };
        above.add(own);
        assert!(above.processes.contains_key(&own));
    }
}
