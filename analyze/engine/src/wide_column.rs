//! Long columns on large pages, where the system has them: filling new memory then costs a
//! five-hundredth of the page faults.

use memmap2::MmapMut;

/// Columns shorter than this would hardly hold one aligned large page.
const MIN_BYTES: usize = 8 << 20;

/// A column of numbers, zeros at first. Memory is not touched before it is written to.
pub(crate) struct WideColumn(Memory);

enum Memory {
    Heap(Vec<u32>),
    Pages(MmapMut),
}

impl WideColumn {
    pub(crate) fn zeros(n: usize) -> Self {
        let pages = n.checked_mul(size_of::<u32>()).filter(|bytes| *bytes >= MIN_BYTES);
        Self(match pages.and_then(large_pages) {
            Some(pages) => Memory::Pages(pages),
            None => Memory::Heap(vec![0; n]),
        })
    }

    pub(crate) fn as_slice(&self) -> &[u32] {
        match &self.0 {
            Memory::Heap(values) => values,
            Memory::Pages(pages) => bytemuck::cast_slice(pages),
        }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u32] {
        match &mut self.0 {
            Memory::Heap(values) => values,
            Memory::Pages(pages) => bytemuck::cast_slice_mut(pages),
        }
    }
}

/// New memory from the system, of which large pages are asked for. Nothing but speed depends on
/// whether there are any.
fn large_pages(bytes: usize) -> Option<MmapMut> {
    let pages = MmapMut::map_anon(bytes).ok()?;
    #[cfg(target_os = "linux")]
    let _ = pages.advise(memmap2::Advice::HugePage);
    Some(pages)
}

impl Clone for WideColumn {
    fn clone(&self) -> Self {
        let mut copy = Self::zeros(self.as_slice().len());
        copy.as_mut_slice().copy_from_slice(self.as_slice());
        copy
    }
}

impl Default for WideColumn {
    fn default() -> Self {
        Self::zeros(0)
    }
}

impl std::fmt::Debug for WideColumn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_short_ones_are_zeros_that_can_be_written_and_copied() {
        for n in [0, 1, 1000, MIN_BYTES / 4 - 1, MIN_BYTES / 4, MIN_BYTES] {
            let mut column = WideColumn::zeros(n);
            assert_eq!(column.as_slice().len(), n);
            assert_eq!(matches!(column.0, Memory::Pages(_)), n * 4 >= MIN_BYTES);
            assert!(column.as_slice().iter().all(|value| *value == 0));
            let numbers = || (0..n as u32).map(|value| value ^ 5);
            column.as_mut_slice().iter_mut().zip(numbers()).for_each(|(to, from)| *to = from);
            let copy = column.clone();
            drop(column);
            assert!(copy.as_slice().iter().copied().eq(numbers()), "{n}");
        }
        assert_eq!(format!("{:?}", WideColumn::zeros(2)), "[0, 0]");
    }
}
