//! Operand types of kernels whose names do not tell: from the operator that launched them.
//!
//! A kernel replayed from a graph has no operator; it is known by what the kernel of the same name
//! was given when it ran eagerly.

use hashbrown::{HashMap, HashSet};
use underspan_classifier::Dtype;
use underspan_model::{NONE_U32, NONE_U64, StreamId, StringId, ThreadId, Timeline};

/// Launches looked at per name: more would only repeat what those say.
const LAUNCHES_PER_NAME: u8 = 16;

/// Operand types by kernel name. Names whose launches disagree have none.
pub(super) fn operand_types(
    timeline: &Timeline,
    is_open: impl Fn(StringId) -> bool,
) -> HashMap<StringId, Vec<Dtype>> {
    let ops = &timeline.cpu_ops;
    if !ops.input_types.iter().any(|types| *types != NONE_U32) {
        return HashMap::new();
    }
    // Launch shapes whose name is wanted, with the number of launches still to look at.
    let shapes = timeline.shapes.as_slice();
    let mut left: Vec<u8> = shapes
        .iter()
        .map(|shape| if is_open(shape.name) { LAUNCHES_PER_NAME } else { 0 })
        .collect();
    let mut n_left: usize = left.iter().map(|left| usize::from(*left)).sum();
    let kernels = &timeline.kernels;
    let mut wanted: HashMap<(u32, u64), StringId> = HashMap::new();
    for (row, &shape) in kernels.shape.iter().enumerate() {
        if n_left == 0 {
            break;
        }
        let Some(left) = left.get_mut(shape as usize).filter(|left| **left > 0) else { continue };
        let external_id = kernels.external_id[row];
        if external_id == NONE_U64 {
            continue;
        }
        *left -= 1;
        n_left -= 1;
        let stream = StreamId::from_raw(kernels.stream[row]);
        let process = timeline.dimensions.process_of_stream(stream).raw();
        wanted.insert((process, external_id), shapes[shape as usize].name);
    }
    if wanted.is_empty() {
        return HashMap::new();
    }
    let mut found: HashMap<StringId, Vec<Dtype>> = HashMap::new();
    let mut disputed: HashSet<StringId> = HashSet::new();
    for (row, &external_id) in ops.external_id.iter().enumerate() {
        let types = ops.input_types[row];
        if external_id == NONE_U64 || types == NONE_U32 {
            continue;
        }
        let thread = ThreadId::from_raw(ops.thread[row]);
        let process = timeline.dimensions.process_of_thread(thread).raw();
        let Some(name) = wanted.get(&(process, external_id)) else { continue };
        let types = parse_types(timeline.strings.resolve_or_empty(StringId::from_raw(types)));
        if types.is_empty() {
            continue;
        }
        match found.get(name) {
            Some(known) if reals(known) != reals(&types) => {
                disputed.insert(*name);
            }
            Some(_) => {}
            None => {
                found.insert(*name, types);
            }
        }
    }
    found.retain(|name, _| !disputed.contains(name));
    found
}

/// The real types among operands; index tensors and scalars come and go between calls.
fn reals(types: &[Dtype]) -> Vec<Dtype> {
    let mut reals: Vec<Dtype> = types
        .iter()
        .copied()
        .filter(|dtype| !matches!(dtype, Dtype::Int64 | Dtype::Int32 | Dtype::Bool))
        .collect();
    reals.sort_unstable();
    reals.dedup();
    reals
}

/// The tensor types of Kineto's `Input type`, a JSON list: `["c10::BFloat16", "Scalar", ""]`.
pub(super) fn parse_types(text: &str) -> Vec<Dtype> {
    text.split('"').skip(1).step_by(2).filter_map(Dtype::parse).collect()
}
