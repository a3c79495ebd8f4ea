//! What the names of copies, fills and waits say.

use underspan_model::tables::{MemcpyKind, MemoryKind, SyncKind};

/// A copy's direction: from its name (`Memcpy HtoD (Pinned -> Device)`, `CopyHostToDevice`),
/// otherwise from its `kind` argument (ROCm).
pub(super) fn memcpy_kind(name: &[u8], kind: &[u8]) -> MemcpyKind {
    let of_name = name.split(|byte| !byte.is_ascii_alphanumeric()).find_map(direction);
    of_name.or_else(|| direction(kind)).unwrap_or_default()
}

fn direction(word: &[u8]) -> Option<MemcpyKind> {
    let kind = |name: &&MemcpyKind| name.as_str().as_bytes() == word;
    if let Some(kind) = MemcpyKind::ALL[1..].iter().find(kind) {
        return Some(*kind);
    }
    let ends = |ending: &[u8]| word.ends_with(ending);
    Some(if ends(b"HostToDevice") {
        MemcpyKind::HtoD
    } else if ends(b"DeviceToHost") {
        MemcpyKind::DtoH
    } else if ends(b"DeviceToDevice") {
        MemcpyKind::DtoD
    } else if ends(b"HostToHost") {
        MemcpyKind::HtoH
    } else {
        return None;
    })
}

/// Source and destination memory in a copy's name.
pub(super) fn memory_kinds(name: &[u8]) -> (MemoryKind, MemoryKind) {
    let Some(inner) = in_parentheses(name) else { return Default::default() };
    let Some(arrow) = memchr::memmem::find(inner, b"->") else { return Default::default() };
    (memory_kind(&inner[..arrow]), memory_kind(&inner[arrow + 2..]))
}

/// Memory in a fill's name (`Memset (Device)`).
pub(super) fn memset_memory(name: &[u8]) -> MemoryKind {
    in_parentheses(name).map(memory_kind).unwrap_or_default()
}

fn in_parentheses(name: &[u8]) -> Option<&[u8]> {
    let open = memchr::memchr(b'(', name)?;
    let close = memchr::memrchr(b')', name).filter(|close| *close > open)?;
    Some(&name[open + 1..close])
}

/// A kind of memory in libkineto's words (`CuptiActivity.cpp`, `memoryKindString`).
fn memory_kind(text: &[u8]) -> MemoryKind {
    match text.trim_ascii() {
        b"Pageable" => MemoryKind::Pageable,
        b"Pinned" => MemoryKind::Pinned,
        b"Device" => MemoryKind::Device,
        b"Array" => MemoryKind::Array,
        b"Managed" => MemoryKind::Managed,
        b"Device Static" => MemoryKind::DeviceStatic,
        b"Managed Static" => MemoryKind::ManagedStatic,
        _ => MemoryKind::Unknown,
    }
}

/// What a wait waited for, in libkineto's words (`cuda_sync_kind`).
pub(super) fn sync_kind(text: &[u8]) -> SyncKind {
    match text {
        b"Event Sync" => SyncKind::EventSynchronize,
        b"Stream Wait Event" => SyncKind::StreamWaitEvent,
        b"Stream Sync" => SyncKind::StreamSynchronize,
        b"Context Sync" => SyncKind::ContextSynchronize,
        _ => SyncKind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_and_memories_of_both_vendors() {
        let read = |name: &str, kind: &str| {
            let (from, to) = memory_kinds(name.as_bytes());
            let kind = memcpy_kind(name.as_bytes(), kind.as_bytes());
            format!("{} {} {}", kind.as_str(), from.as_str(), to.as_str())
        };
        assert_eq!(read("Memcpy HtoD (Pageable -> Device)", ""), "HtoD pageable device");
        assert_eq!(read("Memcpy DtoH (Device -> Host)", "DtoH"), "DtoH device unknown");
        assert_eq!(read("Memcpy PtoP (Device -> Device)", ""), "PtoP device device");
        assert_eq!(read("CopyDeviceToHost", ""), "DtoH unknown unknown");
        assert_eq!(read("copy", "HtoD"), "HtoD unknown unknown");
        assert_eq!(read("Memcpy )( HtoX", "?"), "unknown unknown unknown");
        assert_eq!(memset_memory(b"Memset (Device)"), MemoryKind::Device);
        assert_eq!(sync_kind(b"Context Sync"), SyncKind::ContextSynchronize);
    }
}
