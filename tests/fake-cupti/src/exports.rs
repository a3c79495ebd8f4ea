//! The functions of libcupti.
#![allow(non_snake_case, reason = "the names are those of the C interface")]

mod activity;
mod activity_v2;
mod callbacks;
mod identity;

/// Declares exported functions. Each first passes [`State::enter`](crate::state::State::enter).
macro_rules! export {
    ($( fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $body:block )*) => {$(
        #[doc = concat!("`", stringify!($name), "`")]
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($arg: $ty),*) -> ::cupti_sys::CUptiResult {
            if let Err(result) = $crate::state::state().enter(stringify!($name)) {
                return result;
            }
            let body = || -> ::std::result::Result<(), ::cupti_sys::CUptiResult> { $body };
            body().err().unwrap_or(::cupti_sys::CUptiResult::SUCCESS)
        }
    )*};
}
use export;

use cupti_sys::CUptiResult;

/// Writes through an out-pointer, which must not be null.
///
/// # Safety
/// `out` is null or writable.
unsafe fn write<T>(out: *mut T, value: T) -> Result<(), CUptiResult> {
    if out.is_null() {
        return Err(CUptiResult::ERROR_INVALID_PARAMETER);
    }
    // SAFETY: not null, so the caller vouches for it.
    unsafe { out.write(value) };
    Ok(())
}
