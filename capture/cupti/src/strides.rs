//! How far it is from one record to the next, asked from the loaded library.
//!
//! A buffer with one synthetic record at its front is handed to the library's own iterator; where
//! the iterator goes next is the record's length. 13.2 and later also answer
//! `cuptiActivityGetStructSize`. Answers must agree with each other and with the ledger of
//! `cupti-sys`; otherwise the library is not read at all.
#![expect(unsafe_code, reason = "calls into a C library")]

use std::ptr;

use cupti_sys::{
    ActivityGetNextRecord, ActivityKind, CUptiResult, MAX_RECORD_BYTES, RECORDS, SizeVerdict,
    Toolkit, record_of,
};

use crate::{Api, Error};

/// Kinds below this number can be told apart; the newest known is 59.
pub const N_KINDS: usize = 128;

const PROBE_WORDS: usize = 2 * MAX_RECORD_BYTES / 8;

/// Record lengths of one loaded library, by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strides {
    bytes: [u16; N_KINDS],
}

impl Strides {
    /// Asks `api` for the length of every kind of record, in well under a millisecond.
    ///
    /// Works without a GPU and without subscribing; from 13.2 on it needs a loaded driver.
    ///
    /// # Errors
    /// When the library does not answer, answers differently in two ways, or gives a length that
    /// no release has.
    pub fn calibrate(api: &Api) -> Result<Self, Error> {
        let mut bytes = [0; N_KINDS];
        let mut probe = Probe::new(api);
        for (kind, slot) in bytes.iter_mut().enumerate().skip(1) {
            let kind = ActivityKind(kind as u32);
            let disagreement = |first, second| Error::LengthsDisagree {
                library: api.path().to_owned(),
                kind,
                first,
                second,
            };
            let agreed = match (probe.by_iterator(kind), probe.by_struct_size(kind)) {
                (Err((first, second)), _) => Err(disagreement(first, second)),
                (Ok(Some(first)), Some(second)) if first != second => {
                    Err(disagreement(first, second))
                }
                (Ok(first), second) => Ok(first.or(second)),
            };
            let length = match (agreed, record_of(kind)) {
                (Ok(Some(length)), Some(record))
                    if record.judge(length) == SizeVerdict::Implausible =>
                {
                    return Err(Error::LengthImplausible {
                        library: api.path().to_owned(),
                        kind,
                        bytes: length,
                        known: record.sizes.iter().map(|size| size.bytes).collect(),
                    });
                }
                (Ok(Some(length)), _) => length,
                (Ok(None), _) => continue,
                (Err(error), Some(_)) => return Err(error),
                // A kind that is never read: records of it end the buffer they are in.
                (Err(_), None) => continue,
            };
            *slot = u16::try_from(length).unwrap_or(0);
        }
        let strides = Self { bytes };
        let library = || api.path().to_owned();
        if strides.of(ActivityKind::CONCURRENT_KERNEL).is_none() {
            return Err(Error::Uncalibrated { library: library(), result: probe.last_refusal });
        }
        match strides.nearest_release() {
            (_, None) => Ok(strides),
            (release, Some((kind, bytes))) => {
                Err(Error::LengthsOfNoRelease { library: library(), release, kind, bytes })
            }
        }
    }

    /// The compared release whose lengths these are, or between which and the next one they lie.
    pub fn release(&self) -> Toolkit {
        self.nearest_release().0
    }

    /// The release that explains most lengths, and one length that it does not explain.
    ///
    /// A library is one release, so its lengths all come from one, or from two neighbours when it
    /// is a release between them that was not compared. Beyond the newest, any record may be
    /// longer.
    fn nearest_release(&self) -> (Toolkit, Option<(ActivityKind, u16)>) {
        let releases = compared_releases();
        let strange = |index: usize| {
            let (release, next) = (releases[index], releases.get(index + 1).copied());
            self.iter().filter(move |(kind, bytes)| {
                let Some(record) = record_of(*kind) else { return false };
                let fits = |release| record.size_in(release).is_some_and(|s| s.bytes == *bytes);
                match next {
                    Some(next) => !fits(release) && !fits(next),
                    None => record.size_in(release).is_some_and(|size| *bytes < size.bytes),
                }
            })
        };
        let nearest =
            (0..releases.len()).min_by_key(|index| strange(*index).count()).unwrap_or_default();
        (releases[nearest], strange(nearest).next())
    }

    /// Strides given by number, for records that are not read from a library in this process.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (ActivityKind, u16)>) -> Self {
        let mut bytes = [0; N_KINDS];
        for (kind, length) in pairs {
            if let Some(slot) = bytes.get_mut(kind.0 as usize)
                && usize::from(length) >= size_of::<u32>()
            {
                *slot = length;
            }
        }
        Self { bytes }
    }

    /// The length of `kind`'s records, or `None` when the library does not have the kind.
    pub fn of(&self, kind: ActivityKind) -> Option<u16> {
        self.bytes.get(kind.0 as usize).copied().filter(|bytes| *bytes != 0)
    }

    /// All kinds that have a length.
    pub fn iter(&self) -> impl Iterator<Item = (ActivityKind, u16)> + '_ {
        self.bytes
            .iter()
            .enumerate()
            .filter(|(_, bytes)| **bytes != 0)
            .map(|(kind, bytes)| (ActivityKind(kind as u32), *bytes))
    }

    /// Kinds whose records are longer than in any compared release. They are read by their known
    /// prefix; the file should say so.
    pub fn newer_than_known(&self) -> impl Iterator<Item = (ActivityKind, u16)> + '_ {
        self.iter().filter(|(kind, bytes)| {
            record_of(*kind)
                .is_some_and(|record| record.judge(usize::from(*bytes)) == SizeVerdict::Newer)
        })
    }
}

/// Releases in which some record changed its length, oldest first.
fn compared_releases() -> Vec<Toolkit> {
    let mut releases = Vec::new();
    for size in RECORDS.iter().flat_map(|record| record.sizes) {
        if let Err(at) = releases.binary_search(&size.since) {
            releases.insert(at, size.since);
        }
    }
    releases
}

/// A buffer of synthetic records.
struct Probe<'a> {
    api: &'a Api,
    buffer: Box<[u64; PROBE_WORDS]>,
    last_refusal: CUptiResult,
}

impl<'a> Probe<'a> {
    fn new(api: &'a Api) -> Self {
        Self {
            api,
            buffer: Box::new([0; PROBE_WORDS]),
            last_refusal: CUptiResult::ERROR_API_NOT_IMPLEMENTED,
        }
    }

    /// The distance the library's iterator goes from a record of `kind`; two distances when the
    /// second step is not as long as the first.
    ///
    /// The iterator looks at the kind of what it steps onto, and some releases refuse a zero
    /// there, so every place where a record could begin says `kind`.
    fn by_iterator(&mut self, kind: ActivityKind) -> Result<Option<usize>, (usize, usize)> {
        let Some(next) = self.api.functions().activity_get_next_record else { return Ok(None) };
        self.buffer.fill(u64::from(kind.0).to_le());
        let Some(first) = self.step(next, None) else { return Ok(None) };
        let Some(second) = self.step(next, Some(first)) else { return Ok(None) };
        let Some(third) = self.step(next, Some(second)) else { return Ok(None) };
        match (second.wrapping_sub(first), third.wrapping_sub(second)) {
            (one, two) if one == two && first == 0 => Ok(Some(one)),
            (one, two) => Err((one, two)),
        }
    }

    /// The length the library itself states.
    fn by_struct_size(&mut self, kind: ActivityKind) -> Option<usize> {
        let get = self.api.functions().activity_get_struct_size?;
        let mut bytes = 0;
        // SAFETY: the pointer is writable.
        let result = unsafe { get(kind, 0, &raw mut bytes) };
        if !result.is_success() {
            self.last_refusal = result;
            return None;
        }
        (bytes > 0 && bytes <= MAX_RECORD_BYTES).then_some(bytes)
    }

    /// Offset of the record after the one at `offset`, or of the first.
    fn step(&mut self, next: ActivityGetNextRecord, offset: Option<usize>) -> Option<usize> {
        let bytes = size_of_val(self.buffer.as_ref());
        let base: *mut u8 = self.buffer.as_mut_ptr().cast();
        let mut record = offset.map_or(ptr::null_mut(), |offset| base.wrapping_add(offset));
        // SAFETY: the buffer is `bytes` long, and `record` is null or in it.
        let result = unsafe { next(base, bytes, &raw mut record) };
        if !result.is_success() {
            self.last_refusal = result;
            return None;
        }
        (record as usize).checked_sub(base as usize).filter(|offset| *offset < bytes)
    }
}
