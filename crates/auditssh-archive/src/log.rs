//! One log while it is written: what its session, its writer and its sealer share.

use crate::clock::Timeline;
use crate::disk::DiskFile;
use crate::entry::Entry;
use crate::error::RecordError;
use crate::progress::Progress;
use crate::sealer::Seals;
use crate::shared::Shared;
use crate::spool::Spool;
use crate::sync::lock;
use crate::syncer::Dirty;
use auditssh_log::extension::ClockStep;
use auditssh_log::message::{Event, Extra};
use auditssh_log::tail::{self, MAX_MESSAGE};
use auditssh_log::{Message, codec};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// How many bytes of events may wait for their writer, besides one message and how the session
/// ends.
const WAITING: usize = 1 << 20;

/// The state of one log.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) id: String,
    pub(crate) shared: Arc<Shared>,
    pub(crate) progress: Progress,
    pub(crate) file: Arc<dyn DiskFile>,
    order: Mutex<Order>,
    /// Touched by the log's writer alone, but for looks at it.
    pub(crate) spool: Mutex<Spool>,
    /// Touched by the log's sealer alone.
    pub(crate) seals: Mutex<Seals>,
    /// How many chunks are sealed, and as safe as `sync` demands.
    pub(crate) safe: AtomicU32,
    /// Sealing does not work at present.
    pub(crate) blocked: AtomicBool,
    /// A sync of one of its files failed: they are not trusted again.
    pub(crate) poisoned: AtomicBool,
    /// Messages are missing, and that is not recorded yet.
    pub(crate) gapped: AtomicBool,
    /// Monotonic time in nanoseconds at which the first message of the open chunk came; 0 for none.
    pub(crate) since: AtomicU64,
    /// Tails that were written since they were last synced.
    pub(crate) dirty: Mutex<Vec<Dirty>>,
}

/// Where events get their place.
#[derive(Debug)]
struct Order {
    line: Timeline,
    waiting: Waiting,
    /// Number of the next event.
    ticket: u64,
    /// The log is in its writer's queue, or waits for a tail.
    scheduled: bool,
    /// The disconnect is in it.
    ended: bool,
    /// The session cannot be recorded any more: only how it ends still is.
    failed: Option<RecordError>,
}

/// Events on their way to the writer.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// Frames without their place (`tail::open`).
    pub(crate) frames: Vec<u8>,
    /// One for each frame.
    pub(crate) tickets: VecDeque<Ticket>,
    /// The last frame is the last of the log.
    pub(crate) ended: bool,
}

/// What a frame in the queue stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    /// Tickets below this are settled by it.
    pub(crate) end: u64,
    /// Bytes of input or output in it.
    pub(crate) bytes: u64,
    /// It tells how the session ends.
    pub(crate) closes: bool,
}

impl Log {
    pub(crate) fn new(
        id: String,
        shared: Arc<Shared>,
        file: Arc<dyn DiskFile>,
        spool: Spool,
        seals: Seals,
    ) -> Self {
        let line = Timeline::new(shared.clock.now());
        Self {
            id,
            shared,
            progress: Progress::new(),
            file,
            order: Mutex::new(Order {
                line,
                waiting: Waiting::default(),
                ticket: 0,
                scheduled: false,
                ended: false,
                failed: None,
            }),
            spool: Mutex::new(spool),
            seals: Mutex::new(seals),
            safe: AtomicU32::new(0),
            blocked: AtomicBool::new(false),
            poisoned: AtomicBool::new(false),
            gapped: AtomicBool::new(false),
            since: AtomicU64::new(0),
            dirty: Mutex::new(Vec::new()),
        }
    }

    /// Gives an event its place and its time; returns its ticket, or `None` if policy drops it.
    pub(crate) fn append(self: &Arc<Self>, entry: Entry) -> Result<Option<u64>, RecordError> {
        let bytes = match &entry.event {
            Event::Io(io) => io.data.len() as u64,
            _ => 0,
        };
        let Entry {
            event,
            channel_id,
            extra,
            origin,
        } = entry;
        let ends = event == Event::Disconnect;
        let verdict = self.shared.settings.intercept.apply(event, origin);
        let Some((event, more)) = verdict.into_event() else {
            return Ok(None);
        };
        let extra = if more.is_empty() { extra } else { more };
        let mut order = lock(&self.order);
        if order.ended {
            return Err(RecordError::Ended);
        }
        if let Some(error) = &order.failed
            && !closes(&event)
        {
            return Err(error.clone());
        }
        if order.waiting.frames.len() > WAITING && !closes(&event) {
            return Err(RecordError::Behind);
        }
        let ticket = order.ticket;
        self.stamp(&mut order, event, channel_id, extra, bytes)?;
        order.ended = ends;
        order.waiting.ended = ends;
        self.schedule(&mut order);
        Ok(Some(ticket))
    }

    /// Puts a message in the queue, and before it a jump of the clock, if there was one.
    fn stamp(
        &self,
        order: &mut Order,
        event: Event,
        channel_id: Option<u64>,
        extra: Extra,
        bytes: u64,
    ) -> Result<(), RecordError> {
        let (stamp, step) = order.line.stamp(self.shared.clock.now());
        let (ticket, closes) = (order.ticket, closes(&event));
        if let Some(nanoseconds) = step {
            let (event, extra) = ClockStep { nanoseconds }.record();
            self.encode(
                &mut order.waiting.frames,
                stamp,
                false,
                (event, None, extra),
            );
            order.waiting.tickets.push_back(Ticket {
                end: ticket,
                bytes: 0,
                closes: false,
            });
        }
        let start = order.waiting.frames.len();
        self.encode(
            &mut order.waiting.frames,
            stamp,
            false,
            (event, channel_id, extra),
        );
        let length = order.waiting.frames.len() - start - tail::FRAME;
        if length > MAX_MESSAGE {
            order.waiting.frames.truncate(start);
            return Err(RecordError::TooLong(length));
        }
        order.waiting.tickets.push_back(Ticket {
            end: ticket + 1,
            bytes,
            closes,
        });
        order.ticket += 1;
        Ok(())
    }

    /// Appends a frame without its place.
    pub(crate) fn encode(
        &self,
        frames: &mut Vec<u8>,
        stamp: tail::Stamp,
        gap: bool,
        (event, channel_id, extra): (Event, Option<u64>, Extra),
    ) {
        let message = Message {
            connection_id: self.id.as_str().into(),
            timestamp: stamp.wall,
            channel_id,
            event,
            extra,
            envelope_extra: Extra::new(),
        };
        tail::open(frames, stamp, gap, |out| codec::encode(&message, out));
    }

    /// The time at which the writer itself has something to say.
    pub(crate) fn now(&self) -> tail::Stamp {
        lock(&self.order).line.stamp(self.shared.clock.now()).0
    }

    fn schedule(self: &Arc<Self>, order: &mut Order) {
        if !order.scheduled {
            order.scheduled = true;
            self.shared.write(self);
        }
    }

    /// Has the writer look at the log: because of its age, or to try again.
    pub(crate) fn wake(self: &Arc<Self>) {
        self.schedule(&mut lock(&self.order));
    }

    /// Has the writer go on that stopped for want of a tail.
    pub(crate) fn resume(self: &Arc<Self>) {
        lock(&self.order).scheduled = true;
        self.shared.write(self);
    }

    /// Out of the writer's queue until the next [`Self::wake`].
    pub(crate) fn rest(&self) {
        lock(&self.order).scheduled = false;
    }

    /// What waits for the writer; `None` if nothing does, and then the log is out of its queue.
    pub(crate) fn take(&self) -> Option<Waiting> {
        let mut order = lock(&self.order);
        if order.waiting.tickets.is_empty() {
            order.scheduled = false;
            return None;
        }
        Some(std::mem::take(&mut order.waiting))
    }

    /// The session cannot be recorded any more: it is told so.
    pub(crate) fn fail(&self, error: &RecordError) {
        lock(&self.order).failed.get_or_insert(error.clone());
        self.progress.fail(error);
    }

    /// Whether the session was told that it cannot be recorded.
    pub(crate) fn has_failed(&self) -> Option<RecordError> {
        lock(&self.order).failed.clone()
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Acquire)
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }
}

/// What may still be recorded when the log has failed: how the session ends.
fn closes(event: &Event) -> bool {
    matches!(
        event,
        Event::Disconnect
            | Event::CloseWrite
            | Event::Close
            | Event::ExitStatus(_)
            | Event::ExitSignal(_)
            | Event::HandshakeFailed(_)
            | Event::NewChannelFailed(_)
            | Event::RequestFailed(_)
    )
}
