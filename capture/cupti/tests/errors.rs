//! Errors of the library arrive with the function's name and a way out.

mod support;

use cupti_sys::{
    ActivityKind, CUDA_11_8, CUDA_12_4, CUDA_12_9, CUDA_13_0, CUDA_13_2, CUDA_13_3, CUDA_13_5,
    CUptiResult,
};
use support::Double;
use underspan_cupti::{
    ApiCall, Backend, CallbackSink, Error, ResourceEvent, Strides, SubscribeOptions, Subscription,
    UserDefined, V1,
};

sink!(Sink, POOL);

sink!(UserSink, USER_POOL, TABLE);

#[derive(Debug)]
struct Deaf;

impl CallbackSink for Deaf {
    fn resource(_event: ResourceEvent<'_>) {}
}

fn v1(double: &Double) -> V1<'static> {
    V1::new::<Sink>(double.api, &Strides::calibrate(double.api).expect("the double answers"))
}

#[test]
fn results_are_named_with_a_hint() {
    for (toolkit, code, expected) in [
        (
            CUDA_12_9,
            15,
            "cuptiActivityEnable: CUPTI_ERROR_NOT_INITIALIZED (15): no CUDA driver, or it is not \
             initialized",
        ),
        (
            CUDA_13_0,
            999,
            "cuptiActivityEnable: CUPTI_ERROR_UNKNOWN (999): no CUDA driver, or one that this \
             libcupti does not know",
        ),
        (CUDA_12_4, 7777, "cuptiActivityEnable: CUptiResult(7777)"),
    ] {
        let double = Double::of(toolkit);
        double.gpu.script(&format!("fail cuptiActivityEnable {code}"));
        let error = v1(&double).enable(ActivityKind::MEMSET, false).expect_err("scripted");
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.result(), Some(CUptiResult(code)));
    }
}

#[test]
fn without_a_driver_each_release_fails_in_its_own_way() {
    for (toolkit, code) in [(CUDA_11_8, 15), (CUDA_12_9, 15), (CUDA_13_0, 999), (CUDA_13_3, 999)] {
        let double = Double::of(toolkit);
        double.gpu.script("driver absent");
        let error = Subscription::hold::<Deaf>(double.api).expect_err("no driver");
        assert_eq!(error.result(), Some(CUptiResult(code)), "CUDA {toolkit}");
    }
}

#[test]
fn a_second_subscriber_is_told_and_named() {
    let old = Double::of(CUDA_12_9);
    let _first = Subscription::hold::<Deaf>(old.api).expect("the first");
    let error = Subscription::hold::<Deaf>(old.api).expect_err("the second");
    assert!(matches!(error, Error::Subscribed { other: None }), "{error}");

    let new = Double::of(CUDA_13_2);
    new.gpu.script("subscriber nsys");
    let options = SubscribeOptions { name: Some(c"underspan"), share: true };
    let error = Subscription::hold_named::<Deaf>(new.api, options).expect_err("the second");
    assert_eq!(error.to_string(), "another profiler is subscribed: CUPTI for nsys");
}

#[test]
fn giving_a_subscription_up_lets_the_next_one_in() {
    let double = Double::of(CUDA_12_9);
    drop(Subscription::hold::<Deaf>(double.api).expect("the first"));
    assert!(Subscription::hold::<Deaf>(double.api).is_ok());
}

#[test]
fn what_a_release_lacks_is_a_missing_function() {
    let double = Double::of(CUDA_11_8);
    let backend = v1(&double);
    let error = backend.record_call(ApiCall::Runtime(17), false).expect_err("12.5 brought it");
    assert!(
        matches!(error, Error::MissingFunction { function: "cuptiActivityEnableRuntimeApi", .. }),
        "{error}"
    );
    let error = backend.enable(ActivityKind::HOST_LAUNCH, false).expect_err("13.1 brought it");
    assert_eq!(error.result(), Some(CUptiResult::ERROR_INVALID_KIND));
    // Looking for a function is no call of it.
    double.assert_well_behaved();
}

#[test]
fn user_defined_records_need_13_3() {
    for toolkit in [CUDA_12_9, CUDA_13_2] {
        let double = Double::of(toolkit);
        let error =
            UserDefined::subscribe::<UserSink, Deaf>(double.api, SubscribeOptions::default())
                .expect_err("too old");
        assert!(matches!(error, Error::MissingFunction { .. }), "CUDA {toolkit}: {error}");
        double.assert_well_behaved();
    }
}

#[test]
fn the_two_generations_do_not_mix() {
    let double = Double::of(CUDA_13_5);
    let first = v1(&double);
    first.register().expect("register");
    let error = UserDefined::subscribe::<UserSink, Deaf>(double.api, SubscribeOptions::default())
        .expect_err("v1 was first");
    assert_eq!(error.result(), Some(CUptiResult::ERROR_NOT_COMPATIBLE));

    let double = Double::of(CUDA_13_5);
    let strides = Strides::calibrate(double.api).expect("the double answers");
    let _backend =
        UserDefined::subscribe::<UserSink, Deaf>(double.api, SubscribeOptions::default())
            .expect("user-defined records were first");
    let second = V1::new::<Sink>(double.api, &strides);
    for error in [
        second.register().expect_err("refused"),
        second.enable(ActivityKind::MEMSET, false).expect_err("refused"),
        second.timestamp_ns().expect_err("refused"),
        second.take_dropped_records().expect_err("refused"),
    ] {
        assert_eq!(error.result(), Some(CUptiResult::ERROR_NOT_COMPATIBLE), "{error}");
    }
}
