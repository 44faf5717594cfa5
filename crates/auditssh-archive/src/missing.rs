/// Events that are in no log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Missing {
    /// How many.
    pub(crate) events: u64,
    /// Bytes of input and output in them.
    pub(crate) bytes: u64,
    /// When the first and the last of them came: Unix time in nanoseconds.
    pub(crate) span: Option<(i64, i64)>,
}

impl Missing {
    /// One event.
    pub(crate) const fn one(bytes: u64, wall: i64) -> Self {
        Self {
            events: 1,
            bytes,
            span: Some((wall, wall)),
        }
    }

    /// Counts those that came after.
    pub(crate) fn add(&mut self, later: &Self) {
        self.events += later.events;
        self.bytes += later.bytes;
        self.span = match (self.span, later.span) {
            (Some((from, _)), Some((_, to))) => Some((from, to)),
            (one, other) => one.or(other),
        };
    }
}
