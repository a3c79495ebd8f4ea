//! Files: a head, then frames.
//!
//! `"USPHOOK\0" · u16 version = 1 · u16 length of this head · u32 pid`, then frames
//! `u32 length · u32 CRC-32 of the body · body`, all little-endian.

use crate::MembershipError;

/// How a file begins.
pub const MAGIC: &[u8; 8] = b"USPHOOK\0";
/// Bytes of the head that every version has.
pub const FILE_HEAD_BYTES: usize = 16;

const VERSION: u16 = 1;
const FRAME_HEAD_BYTES: usize = 8;
/// Longest frame: a keyframe of the largest batch with the longest names.
const FRAME_LIMIT: usize = 64 << 20;

/// The head of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileHead {
    /// Process that wrote it.
    pub pid: u32,
    /// Where the frames begin.
    pub length: usize,
}

impl FileHead {
    /// Reads the head from the beginning of a file.
    ///
    /// # Errors
    /// When it is no such file, or one of another version.
    pub fn parse(bytes: &[u8]) -> Result<Self, MembershipError> {
        let expected =
            MembershipError::Malformed { offset: 0, expected: "the head of a hook's file" };
        let Some((magic, rest)) = bytes.split_first_chunk::<8>() else { return Err(expected) };
        let Some((&[v0, v1, l0, l1, p0, p1, p2, p3], _)) = rest.split_first_chunk::<8>() else {
            return Err(expected);
        };
        if magic != MAGIC {
            return Err(expected);
        }
        let version = u16::from_le_bytes([v0, v1]);
        if version != VERSION {
            return Err(MembershipError::Version {
                what: "hook's file",
                found: version.into(),
                known: VERSION.into(),
            });
        }
        let length = usize::from(u16::from_le_bytes([l0, l1]));
        if length < FILE_HEAD_BYTES {
            return Err(MembershipError::Malformed {
                offset: 10,
                expected: "a head of at least 16 bytes",
            });
        }
        Ok(Self { pid: u32::from_le_bytes([p0, p1, p2, p3]), length })
    }
}

/// What comes next in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextFrame<'a> {
    /// A whole frame.
    Body {
        /// Where it begins in the file.
        offset: u64,
        /// Its body, for [`Frame::parse`](crate::Frame::parse).
        body: &'a [u8],
    },
    /// A whole frame whose checksum is wrong.
    Damaged {
        /// Where it begins in the file.
        offset: u64,
    },
    /// No whole frame yet: feed more. At the end of the file this many bytes are left over.
    More {
        /// Where the frame that is not whole begins.
        offset: u64,
        /// Bytes of it that are there.
        left: usize,
    },
    /// A length that cannot be: where the next frame begins is not known.
    Lost {
        /// Where in the file.
        offset: u64,
        /// The length found.
        length: u32,
    },
}

/// Cuts a file, fed in blocks of any size, into frames.
#[derive(Debug)]
pub struct FrameReader {
    buffer: Vec<u8>,
    at: usize,
    offset: u64,
}

impl FrameReader {
    /// A reader for what follows the head, which ended at `offset`.
    pub fn new(offset: u64) -> Self {
        Self { buffer: Vec::new(), at: 0, offset }
    }

    /// Adds the next bytes of the file.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.at);
        self.at = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame.
    pub fn next_frame(&mut self) -> NextFrame<'_> {
        let offset = self.offset;
        let rest = self.buffer.get(self.at..).unwrap_or_default();
        let Some((head, rest)) = rest.split_first_chunk::<FRAME_HEAD_BYTES>() else {
            return NextFrame::More { offset, left: rest.len() };
        };
        let [l0, l1, l2, l3, c0, c1, c2, c3] = *head;
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        let n_bytes = length as usize;
        if length == 0 || n_bytes > FRAME_LIMIT {
            return NextFrame::Lost { offset, length };
        }
        let Some(body) = rest.get(..n_bytes) else {
            return NextFrame::More { offset, left: FRAME_HEAD_BYTES + rest.len() };
        };
        self.at += FRAME_HEAD_BYTES + n_bytes;
        self.offset += (FRAME_HEAD_BYTES + n_bytes) as u64;
        if crc32(body) == u32::from_le_bytes([c0, c1, c2, c3]) {
            NextFrame::Body { offset, body }
        } else {
            NextFrame::Damaged { offset }
        }
    }
}

/// CRC-32 as in gzip and PNG (polynomial 0xEDB88320, reflected), which Python's `binascii` has.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        let entry = CRC_TABLE[usize::from(crc as u8 ^ byte)];
        (crc >> 8) ^ entry
    })
}

static CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let mut crc = n as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[n] = crc;
        n += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(body: &[u8]) -> Vec<u8> {
        let mut bytes = (body.len() as u32).to_le_bytes().to_vec();
        bytes.extend(crc32(body).to_le_bytes());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn the_checksum_is_the_one_python_computes() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn frames_come_out_whole_whatever_the_blocks() {
        let bytes = [frame(b"one"), frame(b"two two"), frame(&[7; 300])].concat();
        for block in [1, 3, 8, 11, 1000] {
            let mut reader = FrameReader::new(16);
            let mut found = Vec::new();
            for bytes in bytes.chunks(block) {
                reader.feed(bytes);
                while let NextFrame::Body { offset, body } = reader.next_frame() {
                    found.push((offset, body.len()));
                }
            }
            assert_eq!(found, [(16, 3), (27, 7), (42, 300)], "blocks of {block}");
            assert_eq!(reader.next_frame(), NextFrame::More { offset: 350, left: 0 });
        }
    }

    #[test]
    fn damage_costs_one_frame_and_a_wrong_length_the_rest() {
        let mut bytes = [frame(b"one"), frame(b"two"), frame(b"six")].concat();
        bytes[11 + 8] ^= 1;
        let mut reader = FrameReader::new(0);
        reader.feed(&bytes);
        assert!(matches!(reader.next_frame(), NextFrame::Body { offset: 0, body: b"one" }));
        assert_eq!(reader.next_frame(), NextFrame::Damaged { offset: 11 });
        assert!(matches!(reader.next_frame(), NextFrame::Body { offset: 22, body: b"six" }));
        reader.feed(&u32::MAX.to_le_bytes());
        reader.feed(&[0; 4]);
        assert_eq!(reader.next_frame(), NextFrame::Lost { offset: 33, length: u32::MAX });
    }

    #[test]
    fn a_head_of_another_kind_or_version_is_refused() {
        let head = [MAGIC.as_slice(), &[1, 0, 16, 0, 5, 0, 0, 0]].concat();
        assert_eq!(FileHead::parse(&head), Ok(FileHead { pid: 5, length: 16 }));
        assert!(FileHead::parse(&head[..15]).is_err());
        let later = [MAGIC.as_slice(), &[2, 0, 16, 0, 5, 0, 0, 0]].concat();
        let error = FileHead::parse(&later).expect_err("version 2");
        assert_eq!(error.to_string(), "version 2 of the hook's file is not known, only 1");
    }
}
