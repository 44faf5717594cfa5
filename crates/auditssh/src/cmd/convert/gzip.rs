use flate2::{Compress, Compression, FlushCompress};
use std::io::{self, Write};

/// A gzip stream without an end, as stock logs are.
pub(super) struct Gzip<W> {
    out: W,
    compress: Compress,
    buffer: Vec<u8>,
}

const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
const BUFFER: usize = 64 << 10;

impl<W: Write> Gzip<W> {
    pub(super) fn new(mut out: W) -> io::Result<Self> {
        out.write_all(&HEADER)?;
        Ok(Self {
            out,
            compress: Compress::new(Compression::default(), false),
            buffer: Vec::with_capacity(BUFFER),
        })
    }

    /// Writes everything, and leaves the stream open.
    pub(super) fn leave(mut self) -> io::Result<W> {
        self.pass(&[], FlushCompress::Sync)?;
        Ok(self.out)
    }

    fn pass(&mut self, bytes: &[u8], flush: FlushCompress) -> io::Result<()> {
        let mut rest = bytes;
        loop {
            self.buffer.clear();
            let before = self.compress.total_in();
            self.compress
                .compress_vec(rest, &mut self.buffer, flush)
                .map_err(io::Error::other)?;
            let taken = usize::try_from(self.compress.total_in() - before).unwrap_or(usize::MAX);
            rest = rest.get(taken..).unwrap_or_default();
            self.out.write_all(&self.buffer)?;
            let is_full = self.buffer.len() == self.buffer.capacity();
            if rest.is_empty() && !is_full {
                return Ok(());
            }
        }
    }
}

impl<W: Write> Write for Gzip<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pass(bytes, FlushCompress::None)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::MultiGzDecoder;
    use std::io::Read as _;

    #[test]
    fn everything_can_be_read_from_a_stream_that_stays_open() {
        let data: Vec<u8> = (0..300_000_u32)
            .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
            .collect();
        let mut gzip = Gzip::new(Vec::new()).expect("memory");
        for piece in data.chunks(70_001) {
            gzip.write_all(piece).expect("memory");
        }
        let bytes = gzip.leave().expect("memory");
        let mut read = Vec::new();
        let result = MultiGzDecoder::new(&*bytes).read_to_end(&mut read);
        assert!(result.is_err());
        assert_eq!(read, data);
    }
}
