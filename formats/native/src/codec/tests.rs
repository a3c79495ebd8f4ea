//! Every encoding over arbitrary values.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use proptest::prelude::*;

use super::*;

/// Runs of values of one character each, so that every path through planes is taken.
fn values() -> impl Strategy<Value = Vec<u64>> {
    let run = prop_oneof![
        (any::<u64>(), 0..300usize).prop_map(|(value, n)| vec![value; n]),
        prop::collection::vec(any::<u64>(), 0..300),
        (any::<u64>(), 1..40u64, 0..300u64)
            .prop_map(|(base, step, n)| (0..n).map(|i| base.wrapping_add(i * step)).collect()),
        (any::<u64>(), 0..64u32, prop::collection::vec(any::<u64>(), 0..300)).prop_map(
            |(base, shift, noise)| {
                noise.into_iter().map(|n| base.wrapping_add(n >> shift)).collect()
            }
        ),
        prop::collection::vec(prop_oneof![Just(0), Just(u64::MAX), Just(1 << 63)], 0..50),
    ];
    prop::collection::vec(run, 0..8).prop_map(|runs| runs.concat())
}

fn through_planes<T: Word + std::fmt::Debug>(values: &[T], is_delta: bool, level: i32) -> Vec<T> {
    let base = values.first().map(|value| value.to_bits()).unwrap_or_default();
    let mut residuals = Vec::new();
    let all = match is_delta {
        true => delta_residuals(values, base, &mut residuals),
        false => plain_residuals(values, &mut residuals),
    };
    let mut body = Vec::new();
    let mut packer = Packer::new(level).unwrap();
    write_planes(&residuals, all, &mut packer, &mut Vec::new(), &mut body);

    let (mut unpacker, mut scratch) = (Unpacker::new().unwrap(), Vec::new());
    let width = (T::Bits::WIDTH, 1);
    let planes = PlaneSet::read(&body, values.len(), width, &mut unpacker, &mut scratch).unwrap();
    let mut out = vec![T::default(); values.len()];
    match is_delta {
        true => undo_delta(&planes, base, &mut out),
        false => undo_plain(&planes, &mut out),
    }
    out
}

proptest! {
    #[test]
    fn planes_and_differences_give_back_any_values(
        values in values(), is_delta: bool, level in prop_oneof![Just(1), Just(-3), Just(6)],
    ) {
        prop_assert_eq!(&through_planes(&values, is_delta, level), &values);
        let signed: Vec<i64> = values.iter().map(|v| *v as i64).collect();
        prop_assert_eq!(&through_planes(&signed, is_delta, level), &signed);
        let narrow: Vec<u32> = values.iter().map(|v| *v as u32).collect();
        prop_assert_eq!(&through_planes(&narrow, is_delta, level), &narrow);
        let bytes: Vec<u8> = values.iter().map(|v| *v as u8).collect();
        prop_assert_eq!(&through_planes(&bytes, is_delta, level), &bytes);
        // NaN and negative zero come back bit by bit.
        let floats: Vec<f64> = values.iter().map(|v| f64::from_bits(*v)).collect();
        let back = through_planes(&floats, is_delta, level);
        prop_assert!(back.iter().map(|v| v.to_bits()).eq(values.iter().copied()));
    }

    #[test]
    fn planes_of_arbitrary_bytes_are_refused_or_read_but_never_panic(
        body in prop::collection::vec(any::<u8>(), 0..200),
        rows in 0..5000usize,
        unit in prop_oneof![Just(1u64), any::<u64>()],
    ) {
        let (mut unpacker, mut scratch) = (Unpacker::new().unwrap(), Vec::new());
        if let Ok(planes) = PlaneSet::read(&body, rows, (8, unit), &mut unpacker, &mut scratch) {
            let mut out = vec![0u64; rows];
            undo_delta(&planes, 0, &mut out);
            undo_plain(&planes, &mut out);
        }
    }

    #[test]
    fn remembered_values_are_those_last_set(
        steps in prop::collection::vec((prop_oneof![0..100u32, any::<u32>()], any::<u64>()), 0..300),
        initial: u64,
    ) {
        let (mut last, mut expected) = (LastByKey::default(), std::collections::HashMap::new());
        last.reset(initial);
        for (key, value) in steps {
            prop_assert_eq!(*last.slot(key), *expected.entry(key).or_insert(initial));
            *last.slot(key) = value;
            expected.insert(key, value);
        }
    }
}

#[test]
fn the_estimate_orders_noise_above_order() {
    let mut state = 1u64;
    let noise: Vec<u64> = (0..1024)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state >> 40
        })
        .collect();
    let steps: Vec<u64> = noise.iter().map(|value| value & 3).collect();
    assert_eq!(estimated_bits::<u64>(&[7; 1024]), 0);
    assert!((2000..2100).contains(&estimated_bits(&steps)));
    assert!((23_000..24_600).contains(&estimated_bits(&noise)));
}
