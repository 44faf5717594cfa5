/// Reads the fields of a packet, in order. Whatever is missing ends it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

/// What is set of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) size: Option<u64>,
    pub(super) permissions: Option<u32>,
}

const SIZE: u32 = 1;
const OWNER: u32 = 2;
const PERMISSIONS: u32 = 4;
const OWNER_NAMES: u32 = 0x80;
const ALLOCATED: u32 = 0x400;

impl<'a> Fields<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*bytes))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*bytes))
    }

    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    /// Attributes as the version has them; what is missing is not set.
    pub(super) fn attributes(&mut self, version: u32) -> Attributes {
        let mut found = Attributes::default();
        let _ = self.read_attributes(version, &mut found);
        found
    }

    fn read_attributes(&mut self, version: u32, found: &mut Attributes) -> Option<()> {
        let flags = self.u32()?;
        if version > 3 {
            self.byte()?;
        }
        if flags & SIZE != 0 {
            found.size = Some(self.u64()?);
        }
        if version > 5 && flags & ALLOCATED != 0 {
            self.u64()?;
        }
        if version > 3 && flags & OWNER_NAMES != 0 {
            self.string()?;
            self.string()?;
        }
        if version <= 3 && flags & OWNER != 0 {
            self.u64()?;
        }
        if flags & PERMISSIONS != 0 {
            found.permissions = Some(self.u32()?);
        }
        Some(())
    }
}
