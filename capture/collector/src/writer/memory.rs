//! Reading text at addresses that records carry, without the risk of touching memory that is gone.
#![expect(unsafe_code, reason = "the fallback reads text at an address")]

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Longest text that is read.
const MAX_BYTES: usize = 64 * 1024;
const PAGE_BYTES: u64 = 4096;

/// This process's memory, as a file: reading an unmapped page is an error there, not a crash.
#[derive(Debug)]
pub(super) struct OwnMemory {
    file: Option<File>,
}

impl OwnMemory {
    pub(super) fn open() -> Self {
        Self { file: File::open("/proc/self/mem").ok() }
    }

    /// The text at `address`, up to its NUL. `None` when there is none or it is gone.
    pub(super) fn text(&self, address: u64) -> Option<String> {
        if address == 0 {
            return None;
        }
        let Some(file) = &self.file else {
            // SAFETY: the address is a record's; CUPTI keeps names of modules that are loaded.
            let bytes = unsafe { underspan_cupti::name_bytes(address) }?;
            return Some(String::from_utf8_lossy(bytes).into_owned());
        };
        let mut text = Vec::new();
        let mut at = address;
        while text.len() < MAX_BYTES {
            // Never across a page, since the next one may not be there.
            let mut page = [0; PAGE_BYTES as usize];
            let wanted = (PAGE_BYTES - at % PAGE_BYTES) as usize;
            let n = file.read_at(page.get_mut(..wanted)?, at).ok().filter(|n| *n > 0)?;
            let read = page.get(..n)?;
            match read.iter().position(|byte| *byte == 0) {
                Some(end) => {
                    text.extend_from_slice(&read[..end]);
                    break;
                }
                None => text.extend_from_slice(read),
            }
            at += n as u64;
        }
        text.truncate(MAX_BYTES);
        Some(String::from_utf8_lossy(&text).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_and_missing_pages_are_not_touched() {
        let memory = OwnMemory::open();
        let name = c"void gemm<float>(float const *)";
        let address = name.as_ptr() as u64;
        assert_eq!(memory.text(address).as_deref(), Some("void gemm<float>(float const *)"));
        assert_eq!(memory.text(0), None);
        assert_eq!(memory.text(4096), None);
    }
}
