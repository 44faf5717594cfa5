//! Members taken out of their place: what can be had of a damaged log.

use super::chain::Hasher;
use super::fields::{Hash, MAX_CONTENT, MAX_MEMBER, PLAIN, SIGNED, Seal};
use flate2::{Decompress, FlushDecompress, Status};
use std::io::{self, BufRead, Read};

/// How many bytes [`Seal::read`] needs at most.
pub const SEAL_LENGTH: usize = SIGNED;

const BLOCK: usize = 8 << 10;

/// What every member begins with; to search for members.
pub const MEMBER_START: [u8; 10] = super::fields::GZIP;

impl Seal {
    /// Reads the seal of the member at the start of `bytes`, wherever that stands; `None` if none
    /// is there, or its lengths are not possible. Says nothing of what follows it: see
    /// [`Seal::holds`].
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let prefix = Self::prefix(bytes.first_chunk()?)?;
        let seal = Self::decode(bytes.get(..prefix)?)?;
        let possible = seal.length as usize > prefix
            && seal.length <= MAX_MEMBER
            && seal.content <= MAX_CONTENT;
        possible.then_some(seal)
    }

    /// Whether `member`, all of it, has the hash that this seal, read from it, names.
    pub fn holds(&self, member: &[u8]) -> bool {
        self.holds_for(member).unwrap_or(false)
    }

    /// The same of a member that is read, from its first byte; what follows it is not.
    pub fn holds_for(&self, member: impl Read) -> io::Result<bool> {
        let mut data = member.take(self.length.into());
        io::copy(
            &mut (&mut data).take(self.data_start() as u64),
            &mut io::sink(),
        )?;
        let mut hash = Hasher::new(self);
        let mut block = [0; BLOCK];
        let mut length = self.data_start();
        loop {
            match data.read(&mut block) {
                Ok(0) => break,
                Ok(read) => {
                    hash.update(block.get(..read).unwrap_or_default());
                    length += read;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let this: Hash = hash.finish();
        Ok(length == self.length as usize && this == self.this)
    }

    /// Where the deflate data of a member with this seal begins.
    pub fn data_start(&self) -> usize {
        if self.signed.is_some() { SIGNED } else { PLAIN }
    }
}

/// The content of a member as a stream, from where its deflate data begins: up to the end of the
/// stream or of the input, to damage, or to [`MAX_CONTENT`]. All that precedes damage comes.
pub struct Inflated<R> {
    input: R,
    inflate: Decompress,
    /// Bytes that may still come.
    left: usize,
    ended: bool,
}

impl<R: BufRead> Inflated<R> {
    /// Begins with the first byte of the deflate data.
    pub fn new(input: R) -> Self {
        Self {
            input,
            inflate: Decompress::new(false),
            left: MAX_CONTENT as usize,
            ended: false,
        }
    }
}

impl<R: BufRead> Read for Inflated<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let most = to.len().min(self.left);
        let to = to.get_mut(..most).unwrap_or_default();
        while !self.ended && !to.is_empty() {
            let data = self.input.fill_buf()?;
            let is_last = data.is_empty();
            let (taken, made) = (self.inflate.total_in(), self.inflate.total_out());
            let result = self.inflate.decompress(data, to, FlushDecompress::None);
            let taken = usize::try_from(self.inflate.total_in() - taken).unwrap_or(usize::MAX);
            let made = usize::try_from(self.inflate.total_out() - made).unwrap_or(usize::MAX);
            self.input.consume(taken);
            let goes_on = matches!(result, Ok(Status::Ok | Status::BufError));
            self.ended = !goes_on || made == 0 && (is_last || taken == 0);
            if made > 0 {
                self.left -= made;
                return Ok(made);
            }
        }
        Ok(0)
    }
}

impl<R> std::fmt::Debug for Inflated<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflated").finish_non_exhaustive()
    }
}
