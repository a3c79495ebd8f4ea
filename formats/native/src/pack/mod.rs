//! Packing: small files that are kept, in half the bytes and less, for ten to twenty microseconds
//! an event whenever they are opened.
//!
//! A packed file has *packs* in place of its chunks. A pack is a chunk whose payload is a run of
//! ordinary chunks, told bit by bit to an arithmetic coder by models of columns, text and times
//! that lie within each other. Unpacking gives back ordinary chunks, so that no other part of a
//! reader knows of packs.
//!
//! ```text
//! payload of a pack: the bits of one member after the other
//! header of a pack:  rows         members
//!                    sequence     that of the first member
//!                    decoded_len  symbols of the members: values, bytes of text, and parts of lists
//! ```

mod coder;
mod columns;
mod members;
mod mixing;
mod nesting;
mod numbers;
mod schemas;
mod session;
mod table;
mod text;

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

use rayon::prelude::*;
use underspan_model::{StringId, Timeline};

use self::coder::{Decoder, Encoder};
use self::members::{Member, Unmaking};
use self::session::Session;
use crate::chunk::SHAPE_COLUMNS;
use crate::layout::{
    CHUNK_HEADER_LEN, ChunkHeader, ChunkKind, FILE_HEADER_LEN, FileHeader, NO_TIMES, limits,
};

/// A pack is closed once its members take this many bytes as an ordinary writer leaves them: what
/// is lost with one is bounded, and so is what several cost.
const PACK_LEN: usize = 16 << 10;

/// Values and bytes of text in a timeline: what packing and unpacking take their time for.
pub(crate) fn n_symbols(timeline: &Timeline) -> usize {
    let tables = timeline.tables();
    let values = tables.iter().map(|table| table.len() * table.specs().len());
    let texts = (0..timeline.strings.len())
        .map(|index| timeline.strings.resolve_or_empty(StringId::from_index(index)).len() + 1);
    let shapes = timeline.shapes.len() * SHAPE_COLUMNS.len();
    values.sum::<usize>() + texts.sum::<usize>() + shapes
}

/// The packed form of the ordinary file `file`, which must be as a writer leaves it. Without the
/// index and the stored pyramid: both are made in no time for files that small. Also returns the
/// number of packs.
pub(crate) fn pack(file: &[u8]) -> io::Result<(Vec<u8>, u64)> {
    let mut members = Vec::new();
    let mut at = FILE_HEADER_LEN;
    while let Some(member) = member_at(file, at) {
        at += CHUNK_HEADER_LEN + member.payload.len();
        members.push(member);
    }
    members.retain(|member| !matches!(member.header.kind, ChunkKind::Index | ChunkKind::Lod));
    // Rows come last, so that all text is in one pack.
    members.sort_by_key(|member| match member.header.kind {
        ChunkKind::Rows => 1,
        ChunkKind::End => 2,
        _ => 0,
    });
    let mut out = FileHeader::PACKED.to_bytes().to_vec();
    let mut unmaking = Unmaking::new()?;
    let (mut sequence, mut n_packs) = (0, 0);
    let mut rest = &members[..];
    while !rest.is_empty() {
        let mut len = 0;
        let is_in = |member: &&Member<'_>| {
            let is_open = len < PACK_LEN;
            len += member.payload.len();
            is_open
        };
        let n_members = rest.iter().take_while(is_in).count();
        let (run, after) = rest.split_at(n_members);
        write_pack(run, sequence, &mut unmaking, &mut out);
        sequence += n_members as u32;
        n_packs += 1;
        rest = after;
    }
    Ok((out, n_packs))
}

fn member_at(file: &[u8], at: usize) -> Option<Member<'_>> {
    let rest = file.get(at..)?;
    let header = ChunkHeader::parse(rest).ok()?;
    let payload = rest.get(CHUNK_HEADER_LEN..CHUNK_HEADER_LEN + header.payload_len as usize)?;
    Some(Member { header, payload })
}

fn write_pack(run: &[Member<'_>], sequence: u32, unmaking: &mut Unmaking, out: &mut Vec<u8>) {
    let mut session = Session::new(Encoder::new(Vec::new()), usize::MAX);
    for member in run {
        session.put_member(member, unmaking);
    }
    session.put_end();
    let n_symbols = usize::MAX - session.budget();
    let payload = session.coder.finish();
    let header = ChunkHeader {
        kind: ChunkKind::Pack,
        layout: ChunkHeader::LAYOUT,
        table: 0,
        rows: run.len() as u32,
        payload_len: payload.len() as u32,
        sequence,
        payload_crc: crc32c::crc32c(&payload),
        first_row: 0,
        times: NO_TIMES,
        decoded_len: n_symbols as u32,
    };
    out.extend_from_slice(&header.to_bytes());
    out.extend_from_slice(&payload);
}

/// The ordinary form of a packed file.
#[derive(Debug, Default)]
pub(crate) struct Unpacked {
    pub(crate) bytes: Vec<u8>,
    /// Bytes that each unpacked chunk takes in the packed file, by its offset in `bytes`.
    pub(crate) stored: BTreeMap<u64, u64>,
}

/// Unpacks a file. What cannot be unpacked stays as it is, but with the magic
/// of its header taken away, so that a reader finds damage where it is.
pub(crate) fn unpack(file: &[u8]) -> Unpacked {
    let mut budget = limits::MAX_UNPACKED_SYMBOLS;
    let stretches = stretches(file);
    let packs = stretches.iter().map(|stretch| {
        // What packs say of themselves bounds them together, before any of them is unpacked.
        let pack = stretch.pack?;
        budget = budget.checked_sub(pack.header.decoded_len as usize)?;
        Some(pack)
    });
    let packs: Vec<Option<Member<'_>>> = packs.collect();
    let unpacked: Vec<Option<Unpacked>> =
        packs.par_iter().map(|pack| pack.as_ref().and_then(unpack_one)).collect();
    let mut whole = Unpacked::default();
    whole.bytes.extend_from_slice(file.get(..FILE_HEADER_LEN).unwrap_or_default());
    for (stretch, unpacked) in stretches.into_iter().zip(unpacked) {
        let at = whole.bytes.len();
        if let Some(chunks) = unpacked {
            let stored = chunks.stored.into_iter();
            whole.stored.extend(stored.map(|(offset, bytes)| (offset + at as u64, bytes)));
            whole.bytes.extend_from_slice(&chunks.bytes);
            continue;
        }
        whole.bytes.extend_from_slice(file.get(stretch.bytes).unwrap_or_default());
        if let (Some(_), Some(magic)) = (stretch.pack, whole.bytes.get_mut(at)) {
            *magic = 0;
        }
    }
    whole
}

/// A part of a packed file: a chunk, or the damage between two.
#[derive(Debug)]
struct Stretch<'a> {
    bytes: Range<usize>,
    pack: Option<Member<'a>>,
}

fn stretches(file: &[u8]) -> Vec<Stretch<'_>> {
    let mut stretches = Vec::new();
    let mut at = FILE_HEADER_LEN;
    while at < file.len() {
        let (end, pack) = match member_at(file, at) {
            Some(member) => {
                let is_pack = member.header.kind == ChunkKind::Pack;
                (at + CHUNK_HEADER_LEN + member.payload.len(), is_pack.then_some(member))
            }
            None => (next_chunk(file, at + 1).unwrap_or(file.len()), None),
        };
        stretches.push(Stretch { bytes: at..end, pack });
        at = end;
    }
    stretches
}

/// The chunks of a pack; `None` when it is not as a writer writes it.
fn unpack_one(pack: &Member<'_>) -> Option<Unpacked> {
    let header = &pack.header;
    if header.layout != ChunkHeader::LAYOUT || crc32c::crc32c(pack.payload) != header.payload_crc {
        return None;
    }
    let mut out = Unpacked::default();
    // The pack's header counts to its first chunk.
    let mut left = CHUNK_HEADER_LEN + pack.payload.len();
    let mut session = Session::new(Decoder::new(pack.payload), header.decoded_len as usize);
    for index in 0..header.rows {
        let sequence = header.sequence.checked_add(index)?;
        let offset = out.bytes.len() as u64;
        session.take_member(sequence, &mut out.bytes)?.then_some(())?;
        let after = session.coder.remaining();
        out.stored.insert(offset, left.saturating_sub(after) as u64);
        left = after;
    }
    (!session.take_member(0, &mut out.bytes)?).then_some(out)
}

/// Offset of the next valid header from `from` on.
fn next_chunk(file: &[u8], from: usize) -> Option<usize> {
    let rest = file.get(from..)?;
    let magic = crate::layout::CHUNK_MAGIC;
    let found = rest.windows(magic.len()).enumerate().filter(|(_, window)| *window == magic);
    let mut offsets = found.map(|(offset, _)| from + offset);
    offsets.find(|offset| member_at(file, *offset).is_some())
}
