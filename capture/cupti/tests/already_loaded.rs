//! The libcupti that a process has is the one that is used, unless another was named. A program of
//! its own: it must start without one.

mod support;

use cupti_sys::{CUDA_11_8, CUptiResult, Toolkit};
use fake_cupti::{Profile, Release};
use support::Double;
use underspan_cupti::{Error, Origin, Search, already_loaded, bystanders, driver_version, load};

#[test]
#[expect(unsafe_code, reason = "loads the double")]
fn one_library_for_the_life_of_a_process() {
    assert!(already_loaded().is_none(), "this program has no libcupti");
    assert_eq!(driver_version(), None, "and no driver");

    // SAFETY: there is nothing to load.
    let error = unsafe { load(&Search::default()) }.expect_err("nothing to load");
    assert!(matches!(error, Error::NoLibrary { .. }), "{error}");
    assert!(error.to_string().contains("libcupti.so.13"), "{error}");

    let dir = tempfile::TempDir::new().expect("a folder");
    std::fs::write(dir.path().join("libcupti.so.12"), b"not a library").expect("write");
    let broken = Search { named: Some(dir.path().into()), ..Search::default() };
    // SAFETY: the file is no library, so nothing runs.
    let error = unsafe { load(&broken) }.expect_err("no library");
    assert!(matches!(error, Error::Open { .. }), "{error}");

    // From disk, when the process has none.
    let profile = Profile::of(CUDA_11_8).expect("the double plays it");
    let path = Release(profile).write(dir.path()).expect("a library");
    let search = Search { named: Some(path.clone().into()), ..Search::default() };
    // SAFETY: the double.
    let api = unsafe { load(&search) }.expect("it loads");
    assert_eq!((api.origin(), api.path()), (Origin::Environment, &*path));

    // From the process, whatever else is on disk.
    let double = Double::of(Toolkit::new(13, 0));
    let newer = double.api.path().to_owned();
    let elsewhere = Search { toolkit_roots: vec![dir.path().into()], ..Search::default() };
    // SAFETY: the double.
    let again = unsafe { load(&elsewhere) }.expect("found");
    assert_eq!(again.origin(), Origin::AlreadyLoaded);
    // Newest soname first: what an application brought itself is its newest.
    assert_eq!(again.path(), newer);

    // One that is named is taken though another is there, which is told of.
    // SAFETY: the double.
    let named = unsafe { load(&search) }.expect("it loads");
    assert_eq!((named.origin(), named.path()), (Origin::Environment, &*path));
    let others = || -> Vec<_> {
        let others = bystanders(&named).into_iter();
        others.map(|other| (other.path, other.version.map_err(|e| e.result()))).collect()
    };
    assert_eq!(others(), [(newer.clone(), Ok(double.profile.api_version))]);
    let driverless = CUptiResult(100);
    double.gpu.script("fail cuptiGetVersion 100");
    assert_eq!(others(), [(newer, Err(Some(driverless)))]);
    assert_eq!(bystanders(double.api).len(), 1, "each is the other's");

    // It, or none: no other takes its place.
    let file = dir.path().join("libcupti.so.12");
    let broken = Search { named: Some(file.into()), ..Search::default() };
    // SAFETY: the file is no library, so nothing runs.
    let error = unsafe { load(&broken) }.expect_err("no library");
    assert!(matches!(error, Error::Open { .. }), "{error}");
    let empty = tempfile::TempDir::new().expect("a folder");
    let nothing = Search { named: Some(empty.path().into()), ..Search::default() };
    // SAFETY: there is nothing to load.
    let error = unsafe { load(&nothing) }.expect_err("an empty folder");
    assert!(matches!(error, Error::NothingNamed { .. }), "{error}");
}
