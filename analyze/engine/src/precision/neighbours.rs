//! What runs before and after a kernel on its stream: an fp32 multiply between two casts is a
//! fallback, one before routing or sampling is the router or the head.

use hashbrown::HashMap;
use underspan_classifier::Role;
use underspan_model::{ShapeId, StringId, Timeline};

use super::KernelClasses;
use super::wide::multiplies;

/// Kernels looked at: neighbourhoods repeat every layer and step.
const MAX_KERNELS: usize = 500_000;

/// How often each neighbourhood occurs around the kernels of one name.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Neighbours {
    pub(super) seen: u64,
    pub(super) cast_before: u64,
    pub(super) cast_after: u64,
    pub(super) routing_after: u64,
    /// Sampling follows, or a softmax and the choice of a token, before the next multiply: behind
    /// attention's softmax a multiply comes at once.
    pub(super) sampling_after: u64,
    /// The multiply in front of it on its stream is one of the names too.
    pub(super) wanted_multiply_before: u64,
}

/// What ran since a multiply.
#[derive(Debug, Clone, Copy, Default)]
struct Since {
    sampling: bool,
    softmax: bool,
    choice: bool,
}

impl Since {
    fn add(&mut self, role: Role) {
        self.sampling |= role == Role::Sampling;
        self.softmax |= role == Role::Softmax;
        self.choice |= self.softmax && matches!(role, Role::Reduce | Role::Index | Role::Sort);
    }

    fn is_sampling(self) -> bool {
        self.sampling || self.softmax && self.choice
    }
}

/// The neighbourhoods of the kernels of some names.
pub(super) fn neighbours(
    timeline: &Timeline,
    classes: &KernelClasses,
    names: &[StringId],
) -> HashMap<StringId, Neighbours> {
    let mut found: HashMap<StringId, Neighbours> =
        names.iter().map(|name| (*name, Neighbours::default())).collect();
    if names.is_empty() {
        return found;
    }
    let shapes = timeline.shapes.as_slice();
    let class = |at: usize| classes.of_shape(ShapeId::from_index(at));
    let roles: Vec<Role> = (0..shapes.len()).map(|at| class(at).role.value).collect();
    let is_multiply: Vec<bool> = (0..shapes.len()).map(|at| multiplies(class(at))).collect();
    let is_wanted: Vec<bool> = shapes.iter().map(|shape| found.contains_key(&shape.name)).collect();
    let mut last_of_stream: HashMap<u32, u32> = HashMap::new();
    let mut last_multiply_of_stream: HashMap<u32, u32> = HashMap::new();
    // Wanted multiplies whose next multiply has not come, and what came since.
    let mut open: HashMap<u32, (u32, Since)> = HashMap::new();
    let kernels = &timeline.kernels;
    for (&shape, &stream) in kernels.shape.iter().zip(&kernels.stream).take(MAX_KERNELS) {
        let Some(&role) = roles.get(shape as usize) else { continue };
        let before = last_of_stream.insert(stream, shape);
        if let Some(before) = before.filter(|before| is_wanted[*before as usize])
            && let Some(entry) = found.get_mut(&shapes[before as usize].name)
        {
            entry.cast_after += u64::from(role == Role::Cast);
            entry.routing_after += u64::from(role == Role::MoeRouting);
        }
        if is_wanted[shape as usize]
            && let Some(entry) = found.get_mut(&shapes[shape as usize].name)
        {
            entry.seen += 1;
            let was_cast = before.is_some_and(|before| roles[before as usize] == Role::Cast);
            entry.cast_before += u64::from(was_cast);
            let was_wanted =
                last_multiply_of_stream.get(&stream).is_some_and(|last| is_wanted[*last as usize]);
            entry.wanted_multiply_before += u64::from(was_wanted);
        }
        if is_multiply[shape as usize] {
            last_multiply_of_stream.insert(stream, shape);
            if let Some((of, since)) = open.remove(&stream)
                && let Some(entry) = found.get_mut(&shapes[of as usize].name)
            {
                entry.sampling_after += u64::from(since.is_sampling());
            }
            if is_wanted[shape as usize] {
                open.insert(stream, (shape, Since::default()));
            }
        } else if let Some((_, since)) = open.get_mut(&stream) {
            since.add(role);
        }
    }
    found
}
