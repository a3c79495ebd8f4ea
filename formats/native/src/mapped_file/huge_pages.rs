//! Asking the system for large pages under large columns: filling new memory then costs a
//! five-hundredth of the page faults.

/// Columns shorter than this would hardly hold one aligned large page.
#[cfg(target_os = "linux")]
const MIN_LEN_BYTES: usize = 8 << 20;

/// Asks for large pages under `values`, where the system has them and they are worth it. Nothing
/// but speed depends on the answer.
#[cfg(target_os = "linux")]
pub(crate) fn prefer_huge_pages<T>(values: &mut [T]) {
    const PAGE: usize = 4096;
    let bytes = std::mem::size_of_val(values);
    if bytes < MIN_LEN_BYTES {
        return;
    }
    let first = values.as_mut_ptr().cast::<u8>();
    // Whole pages within the slice: the system takes no other bounds.
    let skipped = first.align_offset(PAGE);
    let len = bytes.saturating_sub(skipped) / PAGE * PAGE;
    let Some(len) = (len > 0).then_some(len) else { return };
    // SAFETY: the range lies within `values`, which is borrowed mutably for as long as the call
    // lasts. MADV_HUGEPAGE changes how pages not touched yet are provided, never what is in them.
    // It may fail (a kernel without large pages), and then nothing has changed.
    unsafe {
        libc::madvise(first.add(skipped).cast(), len, libc::MADV_HUGEPAGE);
    }
}

/// Large pages are asked for on Linux alone.
#[cfg(not(target_os = "linux"))]
pub(crate) fn prefer_huge_pages<T>(_values: &mut [T]) {}
