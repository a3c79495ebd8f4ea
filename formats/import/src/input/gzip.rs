//! Reading gzip files of any number of members, telling the end of the data from a cut in it.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;

/// Decompresses member after member.
///
/// `gzip` itself ignores what follows the last member when it is no member; so does this reader,
/// and counts it.
pub(super) struct GzipReader<R> {
    member: Option<GzDecoder<BufReader<R>>>,
    trailing_bytes: u64,
}

impl<R: Read> GzipReader<R> {
    pub(super) fn new(inner: R) -> Self {
        let buffered = BufReader::with_capacity(256 << 10, inner);
        Self { member: Some(GzDecoder::new(buffered)), trailing_bytes: 0 }
    }

    /// Bytes after the last member that belong to none.
    pub(super) fn trailing_bytes(&self) -> u64 {
        self.trailing_bytes
    }

    /// Goes on to the next member. `false` at the end of the file.
    fn advance(&mut self) -> io::Result<bool> {
        let Some(member) = self.member.take() else { return Ok(false) };
        let mut rest = member.into_inner();
        if rest.fill_buf()?.first() == Some(&0x1f) {
            self.member = Some(GzDecoder::new(rest));
            return Ok(true);
        }
        self.trailing_bytes = io::copy(&mut rest, &mut io::sink())?;
        Ok(false)
    }
}

impl<R: Read> Read for GzipReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(member) = &mut self.member else { return Ok(0) };
            let n = member.read(buf)?;
            if n > 0 || buf.is_empty() {
                return Ok(n);
            }
            if !self.advance()? {
                return Ok(0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn member(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text.as_bytes()).expect("writing to memory");
        encoder.finish().expect("writing to memory")
    }

    fn read_all(bytes: &[u8]) -> (io::Result<String>, u64) {
        let mut reader = GzipReader::new(bytes);
        let mut text = String::new();
        let outcome = reader.read_to_string(&mut text).map(|_| text);
        (outcome, reader.trailing_bytes())
    }

    #[test]
    fn members_are_joined_and_padding_is_counted() {
        let mut bytes = [member("one "), member(""), member("two")].concat();
        assert_eq!(read_all(&bytes).0.expect("whole"), "one two");
        bytes.extend_from_slice(&[0; 512]);
        let (text, trailing) = read_all(&bytes);
        assert_eq!((text.expect("whole").as_str(), trailing), ("one two", 512));
    }

    #[test]
    fn a_cut_anywhere_is_an_early_end() {
        let bytes = [member("one "), member("two")].concat();
        let first = member("one ").len();
        for cut in (1..bytes.len()).filter(|cut| *cut != first) {
            let error = read_all(&bytes[..cut]).0.expect_err("cut");
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "cut at {cut}");
        }
    }
}
