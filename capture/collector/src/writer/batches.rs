//! The hook's deltas: who is in each step, as the difference from the step before.
//!
//! ```text
//! 0  1  version, 1
//! 1  1  flags: bit 0 for a keyframe, which builds upon nothing
//! 2  …  number of the series, a varint
//! …     operations: 1 byte code, varint length, body
//! ```
//!
//! Numbers are unsigned LEB128. In a step with a forward pass every member first moves on by the
//! tokens it had; then operations change the batch in the order in which they stand.

use hashbrown::HashMap;

const VERSION: u8 = 1;
const KEYFRAME: u8 = 1;
const OP_DEFINE: u8 = 1;
const OP_LEAVE: u8 = 2;
const OP_JOIN: u8 = 3;
const OP_ORDER: u8 = 4;
const OP_TOKENS: u8 = 5;
const OP_TOKENS_ALL: u8 = 6;
const OP_COMPUTED: u8 = 7;
const OP_COMPUTED_ALL: u8 = 8;
const OP_PREEMPTED: u8 = 10;
const OP_RESUMED: u8 = 11;
const OP_FINISHED: u8 = 12;
const OP_FORGET: u8 = 13;

/// Requests remembered by one series at most; the hook itself forgets earlier.
const MAX_REQUESTS: usize = 1 << 18;
const MAX_SERIES: usize = 1 << 10;

type Map<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

/// A delta that cannot be applied. The next one must be a keyframe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeltaError {
    /// Offset in the delta.
    pub offset: usize,
    /// What is wrong.
    pub what: &'static str,
}

/// One request in a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The engine's id of the request.
    pub request: String,
    /// Tokens computed in this step.
    pub own_tokens: u32,
    /// Tokens computed before it.
    pub computed_tokens: u32,
    /// Whether part of the prompt is still to be computed.
    pub is_prefill: bool,
}

/// What a delta says about its step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The members, in the engine's order; none of a step without a forward pass.
    pub members: Vec<Member>,
    /// Requests that were stopped before this step.
    pub preempted: Vec<String>,
    /// Requests that ended before this step.
    pub finished: Vec<String>,
}

#[derive(Debug, Default)]
struct Known {
    name: String,
    target: u64,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    handle: u64,
    own: u64,
    computed: u64,
}

#[derive(Debug, Default)]
struct Series {
    known: Map<u64, Known>,
    places: Vec<Place>,
    is_whole: bool,
}

/// The batches of all series of a process.
#[derive(Debug, Default)]
pub struct Batches {
    series: Map<u64, Series>,
}

impl Batches {
    /// Applies a delta. `is_empty_step` says that the step had no forward pass.
    ///
    /// # Errors
    /// When the delta is damaged, of a later version, or builds upon something that is missing.
    /// Its series is forgotten until the next keyframe.
    pub fn apply(&mut self, delta: &[u8], is_empty_step: bool) -> Result<Batch, DeltaError> {
        let mut bytes = Cursor { bytes: delta, at: 0 };
        if bytes.byte()? != VERSION {
            return Err(bytes.error("a delta of another version"));
        }
        let flags = bytes.byte()?;
        let number = bytes.varint()?;
        if self.series.len() >= MAX_SERIES && !self.series.contains_key(&number) {
            return Err(bytes.error("too many series"));
        }
        let series = self.series.entry(number).or_default();
        if flags & KEYFRAME != 0 {
            *series = Series { is_whole: true, ..Series::default() };
        } else if !series.is_whole {
            return Err(bytes.error("a delta without what it builds upon"));
        }
        let applied = series.apply(&mut bytes, is_empty_step);
        series.is_whole = applied.is_ok();
        applied
    }
}

impl Series {
    fn apply(&mut self, bytes: &mut Cursor<'_>, is_empty_step: bool) -> Result<Batch, DeltaError> {
        let mut batch = Batch::default();
        if !is_empty_step {
            for place in &mut self.places {
                place.computed = place.computed.saturating_add(place.own);
            }
        }
        while !bytes.is_done() {
            let op = bytes.byte()?;
            let mut body = bytes.sub()?;
            self.operate(op, &mut body, &mut batch)?;
        }
        if !is_empty_step {
            for place in &self.places {
                let known = self.known.get(&place.handle);
                batch.members.push(Member {
                    request: known.map(|known| known.name.clone()).unwrap_or_default(),
                    own_tokens: u32::try_from(place.own).unwrap_or(u32::MAX - 1),
                    computed_tokens: u32::try_from(place.computed).unwrap_or(u32::MAX - 1),
                    is_prefill: known.is_some_and(|known| place.computed < known.target),
                });
            }
        }
        Ok(batch)
    }

    fn operate(
        &mut self,
        op: u8,
        body: &mut Cursor<'_>,
        batch: &mut Batch,
    ) -> Result<(), DeltaError> {
        match op {
            OP_DEFINE => {
                let (handle, _prompt, target) = (body.varint()?, body.varint()?, body.varint()?);
                if self.known.len() >= MAX_REQUESTS {
                    return Err(body.error("too many requests"));
                }
                let name = String::from_utf8_lossy(body.rest()).into_owned();
                self.known.insert(handle, Known { name, target });
            }
            OP_LEAVE => {
                let places = body.list()?;
                for at in places.into_iter().rev() {
                    let at = self.place(at, body)?;
                    self.places.remove(at);
                }
            }
            OP_JOIN => {
                for _ in 0..body.count(3)? {
                    let (handle, own, computed) = (body.varint()?, body.varint()?, body.varint()?);
                    if !self.known.contains_key(&handle) {
                        return Err(body.error("a member that was not defined"));
                    }
                    self.places.push(Place { handle, own, computed });
                }
            }
            OP_ORDER => {
                let order = body.list()?;
                if order.len() != self.places.len() {
                    return Err(body.error("an order of another length"));
                }
                let places = order.into_iter().map(|at| Ok(self.places[self.place(at, body)?]));
                self.places = places.collect::<Result<_, DeltaError>>()?;
            }
            OP_TOKENS | OP_COMPUTED => {
                for _ in 0..body.count(2)? {
                    let (at, value) = (body.varint()?, body.varint()?);
                    let at = self.place(at, body)?;
                    let place = &mut self.places[at];
                    *(if op == OP_TOKENS { &mut place.own } else { &mut place.computed }) = value;
                }
            }
            OP_TOKENS_ALL => {
                for at in 0..self.places.len() {
                    self.places[at].own = u64::from(u32::from_le_bytes(body.four()?));
                }
            }
            OP_COMPUTED_ALL => {
                for at in 0..self.places.len() {
                    let difference = i64::from(i32::from_le_bytes(body.four()?));
                    let computed = &mut self.places[at].computed;
                    *computed = computed.saturating_add_signed(difference);
                }
            }
            OP_RESUMED => {
                for _ in 0..body.count(2)? {
                    let (handle, target) = (body.varint()?, body.varint()?);
                    if let Some(known) = self.known.get_mut(&handle) {
                        known.target = target;
                    }
                }
            }
            OP_PREEMPTED => {
                let handles = body.list()?;
                batch.preempted.extend(handles.iter().filter_map(|handle| self.name(*handle)));
            }
            OP_FINISHED | OP_FORGET => {
                for handle in body.list()? {
                    let name = self.known.remove(&handle).map(|known| known.name);
                    batch.finished.extend(name.filter(|_| op == OP_FINISHED));
                }
            }
            // Draft tokens, the engine's own number, and what later versions add.
            _ => {}
        }
        Ok(())
    }

    fn name(&self, handle: u64) -> Option<String> {
        self.known.get(&handle).map(|known| known.name.clone())
    }

    fn place(&self, at: u64, body: &Cursor<'_>) -> Result<usize, DeltaError> {
        let at = usize::try_from(at).ok().filter(|at| *at < self.places.len());
        at.ok_or_else(|| body.error("a place outside the batch"))
    }
}

#[derive(Debug)]
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn error(&self, what: &'static str) -> DeltaError {
        DeltaError { offset: self.at, what }
    }

    fn is_done(&self) -> bool {
        self.at >= self.bytes.len()
    }

    fn byte(&mut self) -> Result<u8, DeltaError> {
        let byte = self.bytes.get(self.at).copied().ok_or_else(|| self.error("cut short"))?;
        self.at += 1;
        Ok(byte)
    }

    fn four(&mut self) -> Result<[u8; 4], DeltaError> {
        let bytes = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk());
        let bytes = *bytes.ok_or_else(|| self.error("cut short"))?;
        self.at += 4;
        Ok(bytes)
    }

    fn varint(&mut self) -> Result<u64, DeltaError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Ok(value);
            }
        }
        Err(self.error("a number of more than 64 bits"))
    }

    /// A count of entries of at least `entry_bytes` bytes each, which must be there.
    fn count(&mut self, entry_bytes: usize) -> Result<usize, DeltaError> {
        let count = self.varint()?;
        let left = self.bytes.len().saturating_sub(self.at);
        let count = usize::try_from(count).ok().filter(|n| *n <= left / entry_bytes);
        count.ok_or_else(|| self.error("more entries than bytes"))
    }

    fn list(&mut self) -> Result<Vec<u64>, DeltaError> {
        (0..self.count(1)?).map(|_| self.varint()).collect()
    }

    fn rest(&mut self) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at = self.bytes.len();
        rest
    }

    /// The body of an operation.
    fn sub(&mut self) -> Result<Cursor<'a>, DeltaError> {
        let n = self.count(1)?;
        let bytes = self.bytes.get(self.at..self.at + n).ok_or_else(|| self.error("cut short"))?;
        self.at += n;
        Ok(Cursor { bytes, at: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(code: u8, body: &[u8]) -> Vec<u8> {
        [&[code, body.len() as u8], body].concat()
    }

    fn text(batch: &Batch) -> Vec<String> {
        let member = |m: &Member| {
            let phase = if m.is_prefill { "prefill" } else { "decode" };
            format!("{} {}+{} {phase}", m.request, m.computed_tokens, m.own_tokens)
        };
        batch.members.iter().map(member).collect()
    }

    fn keyframe() -> Vec<u8> {
        let define_a = op(OP_DEFINE, b"\x01\x64\x64a");
        let define_b = op(OP_DEFINE, b"\x02\x04\x04b");
        [
            &[1, 1, 0][..],
            &define_a,
            &define_b,
            // `a` computes 50 of its 100 prompt tokens, `b` decodes.
            &op(OP_JOIN, &[2, 1, 50, 0, 2, 1, 9]),
        ]
        .concat()
    }

    #[test]
    fn members_move_on_by_what_they_computed() {
        let mut batches = Batches::default();
        let first = batches.apply(&keyframe(), false).expect("a keyframe");
        assert_eq!(text(&first), ["a 0+50 prefill", "b 9+1 decode"]);
        let steady = batches.apply(&[1, 0, 0], false).expect("a steady step");
        assert_eq!(text(&steady), ["a 50+50 prefill", "b 10+1 decode"]);
        let delta = [&[1, 0, 0][..], &op(OP_LEAVE, &[1, 1]), &op(OP_TOKENS, &[1, 0, 1])].concat();
        let third = batches.apply(&delta, false).expect("a delta");
        assert_eq!(text(&third), ["a 100+1 decode"]);
        let empty = [&[1, 0, 0][..], &op(OP_FINISHED, &[1, 2])].concat();
        let empty = batches.apply(&empty, true).expect("an empty step");
        assert_eq!((empty.members.len(), empty.finished), (0, vec!["b".to_owned()]));
        let fourth = batches.apply(&[1, 0, 0], false).expect("a steady step");
        assert_eq!(text(&fourth), ["a 101+1 decode"]);
    }

    #[test]
    fn a_batch_is_reordered_and_rewritten() {
        let mut batches = Batches::default();
        batches.apply(&keyframe(), false).expect("a keyframe");
        let tokens: Vec<u8> = [7_u32, 8].iter().flat_map(|n| n.to_le_bytes()).collect();
        let moved: Vec<u8> = [-5_i32, 2].iter().flat_map(|n| n.to_le_bytes()).collect();
        let delta = [
            &[1, 0, 0][..],
            &op(OP_ORDER, &[2, 1, 0]),
            &op(OP_TOKENS_ALL, &tokens),
            &op(OP_COMPUTED_ALL, &moved),
        ]
        .concat();
        let batch = batches.apply(&delta, false).expect("a delta");
        assert_eq!(text(&batch), ["b 5+7 decode", "a 52+8 prefill"]);
    }

    #[test]
    fn what_is_damaged_is_refused_until_the_next_keyframe() {
        let mut batches = Batches::default();
        assert!(batches.apply(&[1, 0, 0], false).is_err(), "nothing to build upon");
        let whole = keyframe();
        for end in 0..whole.len() {
            let mut batches = Batches::default();
            // Cut between operations it is still a delta; nothing may panic either way.
            let _ = batches.apply(&whole[..end], false);
        }
        batches.apply(&whole, false).expect("a keyframe");
        for damaged in [op(OP_LEAVE, &[1, 9]), op(OP_ORDER, &[1, 0]), op(OP_JOIN, &[1, 77, 1, 1])] {
            let delta = [&[1, 0, 0][..], &damaged].concat();
            assert!(batches.apply(&delta, false).is_err());
            assert!(batches.apply(&[1, 0, 0], false).is_err(), "forgotten");
            batches.apply(&whole, false).expect("a keyframe");
        }
    }
}
