//! Files of the Python hook, written byte by byte, become steps, members and names of requests.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use underspan_import::{ImportError, ImportOptions, NoProgress, import_path};
use underspan_model::tables::{Phase, Rung, StepKind};
use underspan_model::{ClockDomain, NONE_U64, StringId, Timeline};

/// CRC-32 bit by bit, unlike the reader's.
fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

/// Writes a file of the hook.
#[derive(Debug)]
struct File(Vec<u8>);

impl File {
    fn new() -> Self {
        let mut bytes = b"USPHOOK\0".to_vec();
        bytes.extend([1, 0, 16, 0]);
        bytes.extend(4242u32.to_le_bytes());
        Self(bytes)
    }

    fn frame(mut self, body: &[u8]) -> Self {
        self.0.extend((body.len() as u32).to_le_bytes());
        self.0.extend(checksum(body).to_le_bytes());
        self.0.extend(body);
        self
    }

    fn text(self, kind: u8, text: &str) -> Self {
        self.frame(&[&[kind], text.as_bytes()].concat())
    }

    fn anchor(self, realtime_ns: i64, monotonic_ns: i64) -> Self {
        let times = [realtime_ns.to_le_bytes(), monotonic_ns.to_le_bytes()].concat();
        self.frame(&[&[2][..], &times, &[9, 0, 0, 0]].concat())
    }

    fn begin(self, step_id: u64, flags: u8, n_members: u32, begin_ns: i64, delta: &[u8]) -> Self {
        let body = [
            &[3, flags][..],
            &n_members.to_le_bytes(),
            &77u32.to_le_bytes(),
            &step_id.to_le_bytes(),
            &begin_ns.to_le_bytes(),
            delta,
        ];
        self.frame(&body.concat())
    }

    fn end(self, step_id: u64, end_ns: i64, sample_ns: Option<(i64, i64)>) -> Self {
        let mut body = vec![4, if sample_ns.is_some() { 2 } else { 0 }];
        body.extend(step_id.to_le_bytes());
        body.extend(end_ns.to_le_bytes());
        for time in sample_ns.into_iter().flat_map(|(begin, end)| [begin, end]) {
            body.extend(time.to_le_bytes());
        }
        self.frame(&body)
    }

    fn request(
        self,
        source: u8,
        realtime_ns: i64,
        monotonic_ns: i64,
        fields: &[(u8, &[u8])],
    ) -> Self {
        let mut body = vec![5, 1, source];
        body.extend(realtime_ns.to_le_bytes());
        body.extend(monotonic_ns.to_le_bytes());
        for (key, value) in fields {
            body.extend([*key, value.len() as u8]);
            body.extend(*value);
        }
        self.frame(&body)
    }

    fn import(&self) -> Result<Timeline, ImportError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("worker.uhook");
        std::fs::write(&path, &self.0).expect("the file can be written");
        import_path(&path, &ImportOptions::default(), &NoProgress)
    }
}

/// A keyframe of series 0: request `a`, 5 tokens of prompt, all of them in this step; `b`, 300
/// tokens, 256 of them in this step.
const KEYFRAME: &[u8] = &[
    1, 1, 0, 1, 4, 1, 5, 5, b'a', 1, 6, 2, 0xAC, 2, 0xAC, 2, b'b', 3, 8, 2, 1, 5, 0, 2, 0x80, 2, 0,
];
/// `a` decodes now, `b` computes its last 44 tokens.
const SECOND: &[u8] = &[1, 0, 0, 5, 5, 2, 0, 1, 1, 44];
/// `b` leaves since it was preempted, `a` ended.
const LAST: &[u8] = &[1, 0, 0, 2, 2, 1, 1, 10, 2, 1, 2];
const EVENTS: &[u8] = &[1, 0, 0, 12, 2, 1, 1];

fn name_of(timeline: &Timeline, id: u32) -> &str {
    timeline.strings.resolve(StringId::from_raw(id)).unwrap_or("-")
}

fn describe(timeline: &Timeline) -> String {
    let mut out = String::new();
    let clock = timeline.info.clock.as_str();
    let _ = writeln!(out, "{} on {clock}", timeline.info.format);
    for process in timeline.dimensions.processes.iter() {
        let name = name_of(timeline, process.name);
        let _ = writeln!(out, "process {} {name} rank {}", process.pid, process.rank as i32);
    }
    for property in timeline.dimensions.properties.iter() {
        let (key, value) = (name_of(timeline, property.key), name_of(timeline, property.value));
        let _ = writeln!(out, "{key}: {value}");
    }
    for step in timeline.steps.iter() {
        let kind = StepKind::from_code(step.kind).as_str();
        let rung = Rung::from_code(step.rung).as_str();
        let _ = writeln!(
            out,
            "step {} at {} for {}: {kind}, {rung}, prefill {}/{} decode {}/{}",
            step.step_id,
            step.start_ns,
            step.duration_ns,
            step.context_requests as i32,
            step.context_tokens as i64,
            step.generation_requests as i32,
            step.generation_tokens as i64,
        );
        for member in timeline.step_members.iter().filter(|m| m.step_id == step.step_id) {
            let phase = Phase::from_code(member.phase).as_str();
            let name = name_of(timeline, member.request);
            let computed = member.computed_tokens as i32;
            let _ = writeln!(out, "  {name} {} @ {computed} {phase}", member.own_tokens);
        }
    }
    for row in timeline.request_identities.iter() {
        let none = |value: u64| if value == NONE_U64 { -1 } else { value as i64 };
        let _ = writeln!(
            out,
            "request {} = {} = {} at {} trace {:x}{:016x} parent {:x} sampled {} frontend {} lasted {}",
            name_of(timeline, row.request),
            name_of(timeline, row.external),
            name_of(timeline, row.http_request),
            row.time_ns,
            row.trace_id_high,
            row.trace_id_low,
            row.parent_span_id,
            row.is_sampled,
            none(row.frontend_ns),
            none(row.duration_ns),
        );
    }
    for problem in timeline.problems.iter() {
        let _ = writeln!(out, "! {} x{}: {}", problem.kind.name(), problem.count, problem.example);
    }
    out
}

#[track_caller]
fn check(file: &File, expected: Expect) {
    expected.assert_eq(&describe(&file.import().expect("a file of the hook")));
}

fn serving() -> File {
    File::new()
        .text(1, r#"{"event":"process","pid":4242,"name":"VllmWorker-0"}"#)
        .anchor(1_000_000, 0)
        .text(6, r#"{"event":"patched","engine":"vllm","version":"0.32.0","tried":true,"target":"Worker.execute_model"}"#)
        .text(6, r#"{"event":"rank","rank":1}"#)
        .begin(0, 0, 2, 100, KEYFRAME)
        .end(0, 140, Some((150, 160)))
        .begin(1, 0, 2, 200, SECOND)
        .end(1, 240, Some((250, 260)))
        .begin(2, 0, 1, 300, LAST)
        .end(2, 340, None)
        .begin(3, 16, 0, 400, EVENTS)
        .end(3, 401, None)
}

#[test]
fn steps_members_and_what_befell_them() {
    check(
        &serving(),
        expect![[r#"
        hook_log on realtime
        process 4242 VllmWorker-0 rank 1
        hook_engine: vllm 0.32.0
        step 0 at 1000100 for 60: prefill, exact_hook, prefill 2/261 decode 0/0
          a 5 @ 0 prefill
          b 256 @ 0 prefill
        step 1 at 1000200 for 60: mixed, exact_hook, prefill 1/44 decode 1/1
          a 1 @ 5 decode
          b 44 @ 256 prefill
        step 2 at 1000300 for 40: decode, exact_hook, prefill 0/0 decode 1/1
          a 1 @ 6 decode
          b 0 @ -1 preempted
        step 3 at 1000400 for 1: empty, exact_hook, prefill 0/0 decode 0/0
          a 0 @ -1 finished
    "#]],
    );
}

#[test]
fn names_of_requests() {
    let traceparent = b"00-000000000000000100000000000000ff-00000000000000ab-01";
    let file = File::new()
        .anchor(1_000_000, 0)
        .request(
            1,
            1_000_500,
            500,
            &[
                (1, b"cmpl-x-0-abcdef01"),
                (2, b"cmpl-x-0"),
                (3, traceparent),
                (4, b"x"),
                (5, &200i64.to_le_bytes()),
            ],
        )
        .request(
            4,
            1_000_900,
            900,
            &[(4, b"y"), (5, &600i64.to_le_bytes()), (6, &900i64.to_le_bytes())],
        )
        .request(2, 7, 7, &[(1, b"z")]);
    check(
        &file,
        expect![[r#"
        hook_log on realtime
        process 4242 - rank -1
        request z = - = - at 7 trace 00000000000000000 parent 0 sampled 0 frontend -1 lasted -1
        request cmpl-x-0-abcdef01 = cmpl-x-0 = x at 1000500 trace 100000000000000ff parent ab sampled 1 frontend 300 lasted -1
        request - = - = y at 1000600 trace 00000000000000000 parent 0 sampled 0 frontend -1 lasted 300
    "#]],
    );
}

#[test]
fn a_process_killed_in_a_step_and_a_torn_frame() {
    let mut file = File::new().anchor(1_000_000, 0).begin(0, 0, 2, 100, KEYFRAME);
    file.0.extend([40, 0, 0, 0, 1, 2, 3]);
    check(
        &file,
        expect![[r#"
            hook_log on realtime
            process 4242 - rank -1
            step 0 at 1000100 for 0: prefill, exact_hook, prefill 2/261 decode 0/0
              a 5 @ 0 prefill
              b 256 @ 0 prefill
            ! missing_evidence x1: the process ended within a step: its end is not known, its length is zero
            ! torn_tail x1: at byte 106: expected a whole frame, found 7 bytes
        "#]],
    );
}

#[test]
fn damage_costs_members_until_the_next_keyframe_and_is_counted() {
    let whole = File::new().anchor(1_000_000, 0);
    let damaged_at = whole.0.len() + 8;
    let mut file = whole
        .begin(0, 0, 2, 100, KEYFRAME)
        .begin(1, 0, 2, 200, SECOND)
        .end(1, 210, None)
        .begin(2, 0, 2, 300, KEYFRAME)
        .end(2, 310, None);
    file.0[damaged_at + 3] ^= 0x40;
    check(
        &file,
        expect![[r#"
            hook_log on realtime
            process 4242 - rank -1
            step 1 at 1000200 for 10: unknown, none, prefill -1/-1 decode -1/-1
            step 2 at 1000300 for 10: prefill, exact_hook, prefill 2/261 decode 0/0
              a 5 @ 0 prefill
              b 256 @ 0 prefill
            ! malformed_event x1: the members of the step at byte 106: series 0 has lost its base: no keyframe since
            ! corrupt_chunk x1: at byte 45: the checksum does not match
        "#]],
    );
}

#[test]
fn a_hook_that_stopped_and_an_engine_without_parts_are_told() {
    let file = File::new()
        .anchor(1_000_000, 0)
        .text(6, r#"{"event":"missing","engine":"vllm","version":"9.9","target":"Worker"}"#)
        .text(6, r#"{"event":"disabled","part":"vllm.steps","where":"execute_model","error":"KeyError","message":"7","at":"vllm.py:3"}"#)
        .text(6, "no JSON")
        .frame(&[200, 1, 2]);
    check(
        &file,
        expect![[r#"
            hook_log on realtime
            process 4242 - rank -1
            ! unusable_field x1: the note at byte 246 is no JSON object
            ! unknown_record_kind x1: a frame of a later version at byte 262
            ! collection_gap x1: the hook stopped recording vllm.steps after an error in execute_model: KeyError 7 (vllm.py:3)
            ! missing_evidence x1: vllm 9.9 has no Worker
        "#]],
    );
}

#[test]
fn a_file_without_a_reading_of_the_wall_clock_keeps_its_own() {
    let timeline = File::new().begin(0, 0, 2, 100, KEYFRAME).end(0, 101, None).import();
    let timeline = timeline.expect("a file of the hook");
    assert_eq!(timeline.info.clock, ClockDomain::Monotonic);
    assert_eq!(timeline.steps.start_ns, [100]);
    assert!(!timeline.problems.is_empty());
}

#[test]
fn another_version_is_refused_by_name() {
    let mut file = File::new();
    file.0[8] = 9;
    let error = file.import().expect_err("version 9");
    let text = error.to_string();
    assert!(text.contains("worker.uhook") && text.contains("version 9"), "{text}");
}

#[test]
fn a_file_cut_anywhere_is_read_up_to_the_cut() {
    let whole = serving();
    let all = whole.import().expect("the whole file").steps.len();
    for cut in 16..whole.0.len() {
        let timeline = File(whole.0[..cut].to_vec()).import().expect("a cut file");
        assert!(timeline.steps.len() <= all);
        assert!(timeline.steps.rung.iter().all(|rung| *rung == Rung::ExactHook.code()));
    }
}

#[test]
fn a_small_file_cannot_fill_the_memory() {
    // One batch of 60,000 members, then steps of three bytes that each stand for all of them.
    let mut define = Vec::new();
    let mut join = vec![0xE0, 0xD4, 3];
    for handle in 0..60_000u32 {
        let number =
            [handle as u8 & 127 | 128, (handle >> 7) as u8 & 127 | 128, (handle >> 14) as u8];
        define.extend([1, 5]);
        define.extend(number);
        define.extend([0, 0]);
        join.extend(number);
        join.extend([1, 0]);
    }
    let length = join.len();
    let head = [3, length as u8 & 127 | 128, (length >> 7) as u8 & 127 | 128, (length >> 14) as u8];
    let delta = [&[1, 1, 0][..], &define, &head, &join].concat();
    let mut file = File::new().begin(0, 0, 60_000, 0, &delta);
    for step_id in 1..4_000 {
        file = file.begin(step_id, 0, 60_000, 0, &[1, 0, 0]);
    }
    let error = file.import().expect_err("240 million rows out of two megabytes");
    assert!(matches!(error, ImportError::TooLarge { .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_file_with_changed_bytes_is_read_or_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        mends_checksums: bool,
    ) {
        let mut file = serving();
        for (at, value) in changes {
            let at = at.index(file.0.len());
            file.0[at] = value;
        }
        if mends_checksums {
            mend(&mut file.0);
        }
        if let Ok(timeline) = file.import() {
            prop_assert!(timeline.steps.len() <= 8);
        }
    }
}

/// Gives every frame the checksum of what is in it now, so that damage gets further.
fn mend(bytes: &mut [u8]) {
    let mut at = 16;
    while let Some([l0, l1, l2, l3]) = bytes.get(at..at + 4).and_then(|b| b.first_chunk()).copied()
    {
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let Some(body) = bytes.get(at + 8..).and_then(|rest| rest.get(..length)) else { return };
        let sum = checksum(body).to_le_bytes();
        bytes[at + 4..at + 8].copy_from_slice(&sum);
        at += 8 + length;
    }
}
