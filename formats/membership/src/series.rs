//! The members of one series of steps, rebuilt from deltas.

use std::collections::HashMap;

use crate::MembershipError;
use crate::cursor::Cursor;

/// Most members of one step. Engines run hundreds, the largest a few thousand.
const MEMBER_LIMIT: usize = 1 << 16;
/// Most requests remembered at a time.
const KNOWN_LIMIT: usize = 1 << 20;
/// Longest request id.
const NAME_LIMIT: usize = 1024;

const DEFINE: u8 = 1;
const LEAVE: u8 = 2;
const JOIN: u8 = 3;
const ORDER: u8 = 4;
const TOKENS: u8 = 5;
const TOKENS_ALL: u8 = 6;
const COMPUTED: u8 = 7;
const COMPUTED_ALL: u8 = 8;
const DRAFTED: u8 = 9;
const PREEMPTED: u8 = 10;
const RESUMED: u8 = 11;
const FINISHED: u8 = 12;
const FORGET: u8 = 13;
const ENGINE_STEP: u8 = 14;

/// What a member does in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberPhase {
    /// Tokens that exist already are computed: the prompt, or everything again after a preemption.
    Prefill,
    /// New tokens are produced.
    Decode,
}

/// One request in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<Id> {
    /// The request.
    pub request: Id,
    /// Its tokens computed in this step.
    pub own_tokens: u32,
    /// Its tokens computed before this step.
    pub computed_tokens: u64,
    /// Draft tokens among its own.
    pub drafted_tokens: u32,
    /// What it does.
    pub phase: MemberPhase,
}

/// One step: who is in it, in the engine's order, and what happened since the step before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepMembers<Id> {
    /// Members, in the engine's order. None in a step without a forward pass.
    pub members: Vec<Member<Id>>,
    /// Requests pushed out of the batch.
    pub preempted: Vec<Id>,
    /// Requests that came back into it.
    pub resumed: Vec<Id>,
    /// Requests that ended.
    pub finished: Vec<Id>,
    /// The engine's own number of the step.
    pub engine_step: Option<u64>,
}

/// Members of a step, counted by what they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StepCounts {
    /// Members in prefill.
    pub context_requests: u32,
    /// Their tokens.
    pub context_tokens: u64,
    /// Members in decode.
    pub generation_requests: u32,
    /// Their tokens.
    pub generation_tokens: u64,
    /// Whether any of them verifies draft tokens.
    pub has_drafts: bool,
}

impl<Id> StepMembers<Id> {
    /// Counts the members by what they do.
    pub fn counts(&self) -> StepCounts {
        let mut counts = StepCounts::default();
        for member in &self.members {
            let (requests, tokens) = match member.phase {
                MemberPhase::Prefill => (&mut counts.context_requests, &mut counts.context_tokens),
                MemberPhase::Decode => {
                    (&mut counts.generation_requests, &mut counts.generation_tokens)
                }
            };
            *requests += 1;
            *tokens += u64::from(member.own_tokens);
            counts.has_drafts |= member.drafted_tokens > 0;
        }
        counts
    }
}

impl<Id> Default for StepMembers<Id> {
    fn default() -> Self {
        Self {
            members: Vec::new(),
            preempted: Vec::new(),
            resumed: Vec::new(),
            finished: Vec::new(),
            engine_step: None,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Known<Id> {
    request: Id,
    /// Tokens to compute before it decodes; zero when unknown.
    target: u64,
    /// It ended: the definition goes when it leaves the batch.
    is_over: bool,
}

#[derive(Debug, Clone, Copy)]
struct Slot<Id> {
    handle: u32,
    request: Id,
    target: u64,
    own: u32,
    computed: u64,
    drafted: u32,
}

/// Decodes the steps of one series, in order. `Id` stands for a request's name.
#[derive(Debug)]
pub(crate) struct SeriesDecoder<Id> {
    batch: Vec<Slot<Id>>,
    known: HashMap<u32, Known<Id>>,
    step: StepMembers<Id>,
}

impl<Id> Default for SeriesDecoder<Id> {
    fn default() -> Self {
        Self { batch: Vec::new(), known: HashMap::new(), step: StepMembers::default() }
    }
}

impl<Id: Copy> SeriesDecoder<Id> {
    /// The step that was decoded last.
    pub(crate) fn step(&self) -> &StepMembers<Id> {
        &self.step
    }

    /// Forgets everything, as a keyframe demands.
    pub(crate) fn start_over(&mut self) {
        self.batch.clear();
        self.known.clear();
    }

    /// Applies the operations of one delta. `intern` gives an id to a request's name.
    pub(crate) fn apply(
        &mut self,
        operations: Cursor<'_>,
        announced: u32,
        is_empty: bool,
        intern: &mut dyn FnMut(&str) -> Id,
    ) -> Result<&StepMembers<Id>, MembershipError> {
        self.step.members.clear();
        self.step.preempted.clear();
        self.step.resumed.clear();
        self.step.finished.clear();
        self.step.engine_step = None;
        if !is_empty {
            for slot in &mut self.batch {
                slot.computed = slot.computed.saturating_add(slot.own.into());
            }
        }
        let mut over = Vec::new();
        let mut cursor = operations;
        while !cursor.is_at_end() {
            let operation = cursor.u8("an operation")?;
            let length = cursor.count("the length of an operation")?;
            let body = cursor.part(length, "an operation")?;
            self.operation(operation, body, &mut over, intern)?;
        }
        if !is_empty {
            let found = self.batch.len() as u32;
            if found != announced {
                return Err(MembershipError::Diverged { announced, found });
            }
            self.fill_members();
        }
        self.forget(&over);
        Ok(&self.step)
    }

    fn operation(
        &mut self,
        operation: u8,
        mut body: Cursor<'_>,
        over: &mut Vec<u32>,
        intern: &mut dyn FnMut(&str) -> Id,
    ) -> Result<(), MembershipError> {
        match operation {
            DEFINE => self.define(body, intern),
            LEAVE => self.leave(body),
            JOIN => self.join(body),
            ORDER => self.reorder(body),
            TOKENS => self.pairs(body, |slot, n, body| {
                slot.own = narrow(n, body)?;
                Ok(())
            }),
            TOKENS_ALL => self.all(body, |slot, raw| slot.own = u32::from_le_bytes(raw)),
            COMPUTED => self.pairs(body, |slot, n, _| {
                slot.computed = n;
                Ok(())
            }),
            COMPUTED_ALL => self.all(body, |slot, raw| {
                let difference = i32::from_le_bytes(raw);
                slot.computed = slot.computed.saturating_add_signed(difference.into());
            }),
            DRAFTED => {
                self.batch.iter_mut().for_each(|slot| slot.drafted = 0);
                self.pairs(body, |slot, n, body| {
                    slot.drafted = narrow(n, body)?;
                    Ok(())
                })
            }
            PREEMPTED => {
                for handle in handles(&mut body)? {
                    let known = *self.known(handle, &body)?;
                    self.step.preempted.push(known.request);
                }
                Ok(())
            }
            RESUMED => {
                for _ in 0..body.count("a number of requests")? {
                    let handle = body.varint_u32("a handle")?;
                    let target = body.varint("a number of tokens")?;
                    let known = self.known(handle, &body)?;
                    known.target = target;
                    let request = known.request;
                    let slots = self.batch.iter_mut().filter(|slot| slot.handle == handle);
                    slots.for_each(|slot| slot.target = target);
                    self.step.resumed.push(request);
                }
                Ok(())
            }
            FINISHED | FORGET => {
                for handle in handles(&mut body)? {
                    let known = self.known(handle, &body)?;
                    known.is_over = true;
                    let request = known.request;
                    if operation == FINISHED {
                        self.step.finished.push(request);
                    }
                    over.push(handle);
                }
                Ok(())
            }
            ENGINE_STEP => {
                self.step.engine_step = Some(body.varint("a step's number")?);
                Ok(())
            }
            // An operation of a later version, that earlier readers may pass over.
            _ => Ok(()),
        }
    }

    fn define(
        &mut self,
        mut body: Cursor<'_>,
        intern: &mut dyn FnMut(&str) -> Id,
    ) -> Result<(), MembershipError> {
        let handle = body.varint_u32("a handle")?;
        let _prompt = body.varint("a number of tokens")?;
        let target = body.varint("a number of tokens")?;
        let offset = body.offset();
        let name = body.rest();
        if name.len() > NAME_LIMIT {
            return Err(too_many(offset, "a request id", NAME_LIMIT));
        }
        if self.known.len() >= KNOWN_LIMIT {
            return Err(too_many(offset, "the number of requests", KNOWN_LIMIT));
        }
        let request = intern(&String::from_utf8_lossy(name));
        self.known.insert(handle, Known { request, target, is_over: false });
        Ok(())
    }

    fn leave(&mut self, mut body: Cursor<'_>) -> Result<(), MembershipError> {
        let mut places = handles(&mut body)?.into_iter().peekable();
        let mut at = 0u32;
        let known = &mut self.known;
        self.batch.retain(|slot| {
            let leaves = places.next_if_eq(&at).is_some();
            at += 1;
            if leaves && known.get(&slot.handle).is_some_and(|known| known.is_over) {
                known.remove(&slot.handle);
            }
            !leaves
        });
        if places.next().is_some() {
            return Err(body.malformed("ascending places in the batch"));
        }
        Ok(())
    }

    fn join(&mut self, mut body: Cursor<'_>) -> Result<(), MembershipError> {
        for _ in 0..body.count("a number of members")? {
            let handle = body.varint_u32("a handle")?;
            let own = body.varint_u32("a number of tokens")?;
            let computed = body.varint("a number of tokens")?;
            if self.batch.len() >= MEMBER_LIMIT {
                return Err(too_many(body.offset(), "the number of members", MEMBER_LIMIT));
            }
            let Known { request, target, .. } = *self.known(handle, &body)?;
            self.batch.push(Slot { handle, request, target, own, computed, drafted: 0 });
        }
        Ok(())
    }

    fn reorder(&mut self, mut body: Cursor<'_>) -> Result<(), MembershipError> {
        let expected = "every place of the batch once";
        let places = handles(&mut body)?;
        if places.len() != self.batch.len() {
            return Err(body.malformed(expected));
        }
        let mut left: Vec<Option<Slot<Id>>> = self.batch.drain(..).map(Some).collect();
        for place in places {
            let slot = left.get_mut(place as usize).and_then(Option::take);
            self.batch.push(slot.ok_or_else(|| body.malformed(expected))?);
        }
        Ok(())
    }

    fn pairs(
        &mut self,
        mut body: Cursor<'_>,
        set: impl Fn(&mut Slot<Id>, u64, &Cursor<'_>) -> Result<(), MembershipError>,
    ) -> Result<(), MembershipError> {
        for _ in 0..body.count("a number of members")? {
            let place = body.varint_u32("a place in the batch")?;
            let n = body.varint("a number of tokens")?;
            let slot = self.batch.get_mut(place as usize);
            set(slot.ok_or_else(|| body.malformed("a place in the batch"))?, n, &body)?;
        }
        Ok(())
    }

    fn all(
        &mut self,
        mut body: Cursor<'_>,
        set: impl Fn(&mut Slot<Id>, [u8; 4]),
    ) -> Result<(), MembershipError> {
        let expected = "four bytes for each member";
        for slot in &mut self.batch {
            set(slot, body.array(expected)?);
        }
        if body.is_at_end() { Ok(()) } else { Err(body.malformed(expected)) }
    }

    fn known(&mut self, handle: u32, body: &Cursor<'_>) -> Result<&mut Known<Id>, MembershipError> {
        self.known.get_mut(&handle).ok_or_else(|| body.malformed("the handle of a request"))
    }

    fn fill_members(&mut self) {
        self.step.members.extend(self.batch.iter().map(|slot| {
            let is_prefill = match slot.target {
                0 => slot.own.saturating_sub(slot.drafted) > 1,
                target => slot.computed < target,
            };
            Member {
                request: slot.request,
                own_tokens: slot.own,
                computed_tokens: slot.computed,
                drafted_tokens: slot.drafted,
                phase: if is_prefill { MemberPhase::Prefill } else { MemberPhase::Decode },
            }
        }));
    }

    fn forget(&mut self, over: &[u32]) {
        for handle in over {
            if self.batch.iter().all(|slot| slot.handle != *handle) {
                self.known.remove(handle);
            }
        }
    }
}

fn handles(body: &mut Cursor<'_>) -> Result<Vec<u32>, MembershipError> {
    let count = body.count("a number of entries")?;
    (0..count).map(|_| body.varint_u32("a small number")).collect()
}

fn narrow(n: u64, body: &Cursor<'_>) -> Result<u32, MembershipError> {
    u32::try_from(n).map_err(|_| body.malformed("a number of tokens"))
}

fn too_many(offset: usize, what: &'static str, limit: usize) -> MembershipError {
    MembershipError::TooMany { offset, what, limit }
}
