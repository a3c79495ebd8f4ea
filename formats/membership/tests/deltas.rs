//! Deltas written by hand, byte by byte as the README has them, lead to the right members.

use proptest::prelude::*;
use underspan_membership::{MemberPhase, MembershipError, StepDecoder, step_flags};

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 128 {
        out.push(value as u8 & 127 | 128);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn numbers(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|value| varint(*value)).collect()
}

fn operation(code: u8, body: Vec<u8>) -> Vec<u8> {
    [vec![code], varint(body.len() as u64), body].concat()
}

fn define(handle: u64, target: u64, name: &str) -> Vec<u8> {
    operation(1, [numbers(&[handle, target, target]), name.as_bytes().to_vec()].concat())
}

fn list(code: u8, values: &[u64]) -> Vec<u8> {
    operation(code, [varint(values.len() as u64), numbers(values)].concat())
}

fn groups<const N: usize>(code: u8, values: &[[u64; N]]) -> Vec<u8> {
    let body = values.iter().flat_map(|values| numbers(values));
    operation(code, varint(values.len() as u64).into_iter().chain(body).collect())
}

fn keyframe(series: u64, operations: &[Vec<u8>]) -> Vec<u8> {
    [vec![1, 1], varint(series), operations.concat()].concat()
}

fn delta(series: u64, operations: &[Vec<u8>]) -> Vec<u8> {
    [vec![1, 0], varint(series), operations.concat()].concat()
}

/// Decodes with names as numbers: `a` is 0, `b` 1 and so on.
#[derive(Default)]
struct Decoder(StepDecoder<u32>);

impl Decoder {
    fn apply(&mut self, n_members: u32, delta: &[u8]) -> Result<String, MembershipError> {
        self.apply_with(0, n_members, delta)
    }

    /// Members as `name own@computed phase`, then events.
    fn apply_with(
        &mut self,
        flags: u32,
        n_members: u32,
        delta: &[u8],
    ) -> Result<String, MembershipError> {
        let number = |name: &str| u32::from(name.bytes().next().unwrap_or(b'a').wrapping_sub(b'a'));
        let name = |id: &u32| char::from(b'a'.wrapping_add(*id as u8)).to_string();
        let step = self.0.apply(flags, n_members, delta, number)?;
        let mut words: Vec<String> = step
            .members
            .iter()
            .map(|member| {
                let phase = match member.phase {
                    MemberPhase::Prefill => "p",
                    MemberPhase::Decode => "d",
                };
                let id = name(&member.request);
                format!("{id}{}@{}{phase}", member.own_tokens, member.computed_tokens)
            })
            .collect();
        for (sign, requests) in
            [("-", &step.preempted), ("+", &step.resumed), ("!", &step.finished)]
        {
            words.extend(requests.iter().map(|id| format!("{sign}{}", name(id))));
        }
        Ok(words.join(" "))
    }
}

#[test]
fn a_batch_goes_through_its_life() {
    let mut decoder = Decoder::default();
    let mut step = |n, delta: Vec<u8>| decoder.apply(n, &delta).expect("a good delta");
    let start = [define(1, 300, "a"), define(2, 5, "b"), groups(3, &[[1, 256, 0], [2, 5, 0]])];
    assert_eq!(step(2, keyframe(0, &start)), "a256@0p b5@0p");
    // One keeps prefilling with fewer tokens, the other decodes.
    assert_eq!(step(2, delta(0, &[groups(5, &[[0, 44], [1, 1]])])), "a44@256p b1@5d");
    assert_eq!(step(2, delta(0, &[groups(5, &[[0, 1]])])), "a1@300d b1@6d");
    assert_eq!(step(2, delta(0, &[])), "a1@301d b1@7d");
    // One is stopped, another comes.
    let change = [define(3, 2, "c"), list(2, &[0]), groups(3, &[[3, 2, 0]]), list(10, &[1])];
    assert_eq!(step(2, delta(0, &change)), "b1@8d c2@0p -a");
    // The stopped one comes back and computes what it had, in front of the others.
    let back = [groups(3, &[[1, 302, 0]]), list(4, &[2, 0, 1]), groups(5, &[[2, 1]])];
    let back = [back.as_slice(), &[groups(11, &[[1, 302]])]].concat();
    assert_eq!(step(3, delta(0, &back)), "a302@0p b1@9d c1@2d +a");
    let go_on = [groups(5, &[[0, 1]]), list(2, &[1]), list(12, &[2])];
    let swapped = [go_on[1].clone(), go_on[0].clone(), go_on[2].clone()];
    assert_eq!(step(2, delta(0, &swapped)), "a1@302d c1@3d !b");
}

#[test]
fn whole_columns_and_drafts_are_read() {
    let mut decoder = Decoder::default();
    let mut step = |n, delta: Vec<u8>| decoder.apply(n, &delta).expect("a good delta");
    let start = [define(1, 9, "a"), define(2, 9, "b"), groups(3, &[[1, 4, 9], [2, 4, 9]])];
    let drafts = groups(9, &[[0, 3], [1, 3]]);
    assert_eq!(step(2, keyframe(0, &[start.concat(), drafts])), "a4@9d b4@9d");
    // Two drafts of one were rejected, all of the other's accepted.
    let rejected = [(-2i32).to_le_bytes(), 0i32.to_le_bytes()].concat();
    assert_eq!(step(2, delta(0, &[operation(8, rejected)])), "a4@11d b4@13d");
    let own = [7u32.to_le_bytes(), 1u32.to_le_bytes()].concat();
    assert_eq!(step(2, delta(0, &[operation(6, own), groups(7, &[[1, 3]])])), "a7@15d b1@3p");
}

#[test]
fn an_empty_step_leaves_the_batch_alone() {
    let mut decoder = Decoder::default();
    let start = [define(1, 3, "a"), groups(3, &[[1, 3, 0]])];
    decoder.apply(1, &keyframe(0, &start)).expect("a keyframe");
    let events = delta(0, &[define(2, 0, "b"), list(12, &[2])]);
    assert_eq!(decoder.apply_with(step_flags::EMPTY, 0, &events).as_deref(), Ok("!b"));
    let next = delta(0, &[groups(5, &[[0, 1]])]);
    assert_eq!(decoder.apply(1, &next).as_deref(), Ok("a1@3d"));
}

#[test]
fn an_unknown_prompt_is_told_by_its_tokens() {
    let mut decoder = Decoder::default();
    let start = [define(1, 0, "a"), define(2, 0, "b"), groups(3, &[[1, 7, 0], [2, 1, 40]])];
    assert_eq!(decoder.apply(2, &keyframe(0, &start)).as_deref(), Ok("a7@0p b1@40d"));
}

#[test]
fn series_do_not_touch_each_other_and_a_lost_one_waits_for_its_keyframe() {
    let mut decoder = Decoder::default();
    let start = |name| [define(1, 1, name), groups(3, &[[1, 1, 0]])];
    decoder.apply(1, &keyframe(0, &start("a"))).expect("a keyframe");
    decoder.apply(1, &keyframe(7, &start("b"))).expect("a keyframe");
    let broken = delta(7, &[list(2, &[5])]);
    let error = decoder.apply(1, &broken).expect_err("no such place");
    assert!(matches!(error, MembershipError::Malformed { .. }), "{error}");
    assert_eq!(decoder.apply(1, &delta(0, &[])).as_deref(), Ok("a1@1d"));
    assert_eq!(decoder.apply(1, &delta(7, &[])), Err(MembershipError::NoBase { series: 7 }));
    assert_eq!(decoder.apply(1, &keyframe(7, &start("c"))).as_deref(), Ok("c1@0p"));
    decoder.0.lose_track();
    assert_eq!(decoder.apply(1, &delta(0, &[])), Err(MembershipError::NoBase { series: 0 }));
}

#[test]
fn a_delta_that_does_not_add_up_is_refused() {
    let cases: [(&str, u32, Vec<u8>); 9] = [
        ("fewer members than announced", 2, keyframe(0, &[])),
        ("a member without a definition", 1, keyframe(0, &[groups(3, &[[1, 1, 0]])])),
        ("places out of order", 0, keyframe(0, &[list(2, &[1, 0])])),
        ("a count beyond the payload", 0, keyframe(0, &[operation(3, varint(1 << 40))])),
        ("an operation beyond the payload", 0, [keyframe(0, &[]), vec![3, 100]].concat()),
        ("a number without end", 0, [vec![1, 1], vec![255; 11]].concat()),
        ("another version", 0, vec![2, 1, 0]),
        ("nothing", 0, vec![]),
        ("one name too long", 0, keyframe(0, &[define(1, 1, &"x".repeat(2000))])),
    ];
    for (what, n_members, payload) in cases {
        assert!(Decoder::default().apply(n_members, &payload).is_err(), "{what}");
    }
    // What a later version adds is passed over.
    assert!(Decoder::default().apply(0, &keyframe(0, &[operation(100, vec![1, 2, 3])])).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_payload_panics(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..8)) {
        let mut decoder = Decoder::default();
        for payload in payloads {
            let framed = [vec![1, payload.first().copied().unwrap_or(0) & 1, 0], payload].concat();
            let _ = decoder.apply(framed.len() as u32 & 3, &framed);
        }
    }

    #[test]
    fn no_good_payload_with_one_bad_byte_panics(at in 0usize..60, value: u8) {
        let start = [define(1, 300, "a"), define(2, 5, "b"), groups(3, &[[1, 256, 0], [2, 5, 0]])];
        let more = [list(4, &[1, 0]), groups(5, &[[0, 2]]), groups(11, &[[1, 7]]), list(12, &[2])];
        let mut payload = keyframe(0, &[start.concat(), more.concat()]);
        let at = at % payload.len();
        payload[at] = value;
        let mut decoder = Decoder::default();
        let _ = decoder.apply(2, &payload);
        let _ = decoder.apply(2, &delta(0, &[]));
    }
}
