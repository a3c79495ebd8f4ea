//! A library is read only when its answers about record lengths can be believed.

mod support;

use cupti_sys::{
    ActivityKind, CUDA_11_8, CUDA_12_0, CUDA_12_4, CUDA_12_9, CUDA_13_3, CUDA_13_5, CUptiResult,
    RECORDS,
};
use fake_cupti::PROFILES;
use support::Double;
use underspan_cupti::{Error, Inspection, Strides};

const KERNEL: ActivityKind = ActivityKind::CONCURRENT_KERNEL;

#[test]
fn every_release_tells_the_lengths_of_its_records() {
    for profile in PROFILES {
        let double = Double::of(profile.toolkit);
        let strides = Strides::calibrate(double.api).expect("the double answers");
        for kind in RECORDS.iter().flat_map(|record| record.kinds) {
            assert_eq!(strides.of(*kind), profile.stride(*kind), "CUDA {}", profile.toolkit);
        }
        assert_eq!(strides.newer_than_known().count(), 0);
        assert!(profile.toolkit.at_least(strides.release()), "CUDA {}", profile.toolkit);
        double.assert_well_behaved();
    }
}

#[test]
fn the_api_version_is_not_a_key_to_layouts() {
    let lengths = [CUDA_11_8, CUDA_12_0].map(|toolkit| {
        let double = Double::of(toolkit);
        assert_eq!(double.api.version().expect("a version"), 18);
        Strides::calibrate(double.api).expect("the double answers").of(KERNEL)
    });
    assert_eq!(lengths, [Some(200), Some(208)]);
}

#[test]
fn a_length_that_no_release_has_is_refused() {
    for (toolkit, lie, bytes) in [(CUDA_11_8, -8, 192), (CUDA_11_8, -160, 40), (CUDA_13_5, -8, 240)]
    {
        let double = Double::of(toolkit);
        double.gpu.script(&format!("lie stride 10 {lie}\nlie size 10 {lie}"));
        match Strides::calibrate(double.api) {
            Err(Error::LengthImplausible { kind: KERNEL, bytes: found, known, .. }) => {
                assert_eq!(found, bytes);
                assert!(known.contains(&200));
            }
            other => panic!("{lie}: {other:?}"),
        }
    }
}

#[test]
fn lengths_of_two_releases_are_refused() {
    // A kernel as long as in 13.1, and one longer than any, in a library that is 11.8 otherwise.
    for lie in [24, 96] {
        let double = Double::of(CUDA_11_8);
        double.gpu.script(&format!("lie stride 10 {lie}"));
        match Strides::calibrate(double.api) {
            Err(Error::LengthsOfNoRelease { release: CUDA_11_8, kind: KERNEL, bytes, .. }) => {
                assert_eq!(bytes, 200 + lie);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_release_between_two_compared_ones_is_accepted() {
    // Contexts grew in 12.6; a release before that may have grown them alone.
    let double = Double::of(CUDA_12_4);
    double.gpu.script("lie stride 9 8");
    let strides = Strides::calibrate(double.api).expect("something like 12.5");
    assert_eq!((strides.of(ActivityKind::CONTEXT), strides.release()), (Some(32), CUDA_12_4));
}

#[test]
fn a_step_to_where_no_record_can_begin_is_refused() {
    let double = Double::of(CUDA_11_8);
    double.gpu.script("lie stride 10 4");
    let error = Strides::calibrate(double.api).expect_err("204 bytes");
    assert!(matches!(error, Error::Uncalibrated { .. }), "{error}");
}

#[test]
fn two_different_answers_are_refused() {
    for script in ["lie size 10 8", "lie stride 10 -16", "lie size 1 -16"] {
        let double = Double::of(CUDA_13_5);
        double.gpu.script(script);
        let error = Strides::calibrate(double.api).expect_err(script);
        assert!(matches!(error, Error::LengthsDisagree { .. }), "{script}: {error}");
    }
}

#[test]
fn a_lie_about_a_kind_that_is_never_read_only_hides_that_kind() {
    let double = Double::of(CUDA_13_5);
    double.gpu.script("lie size 46 8");
    let strides = Strides::calibrate(double.api).expect("kernels are fine");
    assert_eq!((strides.of(ActivityKind::PCIE), strides.of(KERNEL)), (None, Some(248)));
}

#[test]
fn longer_records_of_a_newer_release_are_accepted_and_named() {
    let double = Double::of(CUDA_13_5);
    double.gpu.script("lie stride 10 16\nlie size 10 16");
    let strides = Strides::calibrate(double.api).expect("a newer release");
    assert_eq!(strides.newer_than_known().collect::<Vec<_>>(), [(KERNEL, 264)]);
}

#[test]
fn without_a_driver_old_releases_answer_and_new_ones_are_refused() {
    let old = Double::of(CUDA_12_9);
    old.gpu.script("driver absent");
    assert_eq!(Strides::calibrate(old.api).expect("12.9 answers").of(KERNEL), Some(208));

    let new = Double::of(CUDA_13_3);
    new.gpu.script("driver absent");
    let error = Strides::calibrate(new.api).expect_err("13.3 does not");
    assert_eq!(error.result(), Some(CUptiResult::ERROR_UNKNOWN));
    let text = error.to_string();
    assert!(text.ends_with("does not tell record lengths: CUPTI_ERROR_UNKNOWN (999)"), "{text}");

    // The driver comes up later: the same library answers then.
    new.gpu.script("driver present");
    assert_eq!(Strides::calibrate(new.api).expect("13.3 answers").of(KERNEL), Some(232));
}

#[test]
fn an_inspection_tells_what_there_is_and_what_is_missing() {
    let double = Double::of(CUDA_12_0);
    let inspection = Inspection::of(double.api);
    assert_eq!(inspection.version.expect("a version"), 18);
    assert!(inspection.timestamp_ns.expect("a time") > 0);
    assert!(inspection.strides.is_ok());
    assert!(inspection.missing_functions.contains(&"cuptiActivityGetStructSize"));
    assert!(!inspection.missing_functions.contains(&"cuptiActivityGetNextRecord"));
    double.assert_well_behaved();
}
