//! Files made byte by byte, with valid checksums over whatever they say.

/// The 64 bytes a file begins with, for readers of `lowest_reader` and later.
pub fn file_header(lowest_reader: u16) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes[..8].copy_from_slice(b"\x89USPAN\r\n");
    bytes[8..10].copy_from_slice(&lowest_reader.to_le_bytes());
    bytes[10..12].copy_from_slice(&lowest_reader.to_le_bytes());
    bytes[12..16].copy_from_slice(&64u32.to_le_bytes());
    seal(&mut bytes);
    bytes
}

/// What a forged chunk says of itself.
#[derive(Clone, Copy)]
pub struct Forged<'a> {
    pub kind: u8,
    pub table: u16,
    pub rows: u32,
    pub sequence: u32,
    pub first_row: u64,
    pub decoded_len: u32,
    pub payload: &'a [u8],
}

impl Default for Forged<'_> {
    fn default() -> Self {
        Self { kind: 1, table: 1, rows: 1, sequence: 0, first_row: 0, decoded_len: 0, payload: &[] }
    }
}

impl Forged<'_> {
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..4].copy_from_slice(b"UCHK");
        bytes[4] = self.kind;
        bytes[5] = 1;
        bytes[6..8].copy_from_slice(&self.table.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.rows.to_le_bytes());
        bytes[12..16].copy_from_slice(&(self.payload.len() as u32).to_le_bytes());
        bytes[16..20].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[20..24].copy_from_slice(&crc32c::crc32c(self.payload).to_le_bytes());
        bytes[24..32].copy_from_slice(&self.first_row.to_le_bytes());
        bytes[32..40].copy_from_slice(&i64::MAX.to_le_bytes());
        bytes[40..48].copy_from_slice(&i64::MIN.to_le_bytes());
        bytes[48..52].copy_from_slice(&self.decoded_len.to_le_bytes());
        seal(&mut bytes);
        bytes.extend_from_slice(self.payload);
        bytes
    }
}

/// Puts the checksum of a 64-byte header at its end.
fn seal(header: &mut [u8]) {
    let crc = crc32c::crc32c(&header[..60]);
    header[60..64].copy_from_slice(&crc.to_le_bytes());
}

/// Makes all checksums of a changed file valid again, as far as chunks can be followed.
pub fn reseal(file: &mut [u8]) {
    let mut at = 64;
    while let Some(header) = file.get(at..at + 64)
        && header.starts_with(b"UCHK")
    {
        let len = u32::from_le_bytes([header[12], header[13], header[14], header[15]]) as usize;
        let Some(payload) = file.get(at + 64..at + 64 + len) else { return };
        let crc = crc32c::crc32c(payload);
        file[at + 20..at + 24].copy_from_slice(&crc.to_le_bytes());
        seal(&mut file[at..at + 64]);
        at += 64 + len;
    }
}

/// The head and body of a column that has one value in all rows.
pub fn constant_column(name: &str, ty: u8) -> Vec<u8> {
    let mut head = vec![name.len() as u8];
    head.extend_from_slice(name.as_bytes());
    // Type, encoding, base, unit, length of the body.
    head.extend_from_slice(&[ty, 0, 0, 1, 0]);
    head
}

/// A payload of constant columns.
pub fn constant_columns(columns: &[(&str, u8)]) -> Vec<u8> {
    let mut payload = (columns.len() as u16).to_le_bytes().to_vec();
    for (name, ty) in columns {
        payload.extend(constant_column(name, *ty));
    }
    payload
}
