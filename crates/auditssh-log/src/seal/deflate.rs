//! Deflate data in one go, stored where compressing is not worth its time.

use libdeflater::{CompressionLvl, Compressor};

/// Content longer than this is sampled before it is compressed.
const SAMPLED_FROM: usize = 64 << 10;
const SAMPLE: usize = 4 << 10;
const SAMPLES: usize = 4;

/// A compressor that is used for one member after another. It holds some 100 KiB, so a worker
/// owns one, not a session.
pub struct Deflate {
    compressor: Compressor,
    sample: Vec<u8>,
    shrunk: Vec<u8>,
}

impl std::fmt::Debug for Deflate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deflate").finish_non_exhaustive()
    }
}

impl Default for Deflate {
    fn default() -> Self {
        Self::new()
    }
}

impl Deflate {
    /// A compressor of level 1, the fastest that compresses: a log costs more processor time than disk.
    pub fn new() -> Self {
        Self {
            compressor: Compressor::new(CompressionLvl::new(1).unwrap_or_default()),
            sample: Vec::new(),
            shrunk: Vec::new(),
        }
    }

    /// Appends the deflate data of `content` to `out`: compressed if that takes off a twentieth,
    /// else stored.
    pub(super) fn append(&mut self, content: &[u8], out: &mut Vec<u8>) {
        if self.looks_dense(content) || !compress(&mut self.compressor, content, out) {
            store(content, out);
        }
    }

    /// Whether parts from all over the content do not shrink, so that the whole hardly will.
    fn looks_dense(&mut self, content: &[u8]) -> bool {
        if content.len() < SAMPLED_FROM {
            return false;
        }
        self.sample.clear();
        for stretch in content.chunks(content.len().div_ceil(SAMPLES)) {
            self.sample.extend(stretch.iter().take(SAMPLE));
        }
        self.shrunk.clear();
        !compress(&mut self.compressor, &self.sample, &mut self.shrunk)
    }
}

/// Appends the compressed content; false, and nothing, if less than a twentieth would be gained.
fn compress(compressor: &mut Compressor, content: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.resize(start + content.len() - content.len() / 20, 0);
    let place = out.get_mut(start..).unwrap_or_default();
    let made = compressor.deflate_compress(content, place);
    out.truncate(start + made.as_ref().map_or(0, |length| *length));
    made.is_ok()
}

/// Appends `content` as stored blocks (RFC 1951, 3.2.4).
pub(super) fn store(content: &[u8], out: &mut Vec<u8>) {
    let mut rest = content;
    loop {
        let (block, after) = rest.split_at(rest.len().min(0xffff));
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(u8::from(after.is_empty()));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend_from_slice(block);
        rest = after;
        if rest.is_empty() {
            return;
        }
    }
}
