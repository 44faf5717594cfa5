//! One log while it is written: what its session, its writer and its sealer share.

use crate::clock::Timeline;
use crate::entry::Entry;
use crate::error::RecordError;
use crate::form::{Encoder, Form, Piece};
use crate::lines;
use crate::missing::Missing;
use crate::progress::Progress;
use crate::sealer::Seals;
use crate::shared::Shared;
use crate::spool::Spool;
use crate::sync::lock;
use crate::syncer::Dirty;
use auditssh_log::extension::{ClockStep, Continued};
use auditssh_log::message::{Event, Extra};
use auditssh_log::tail::{self, MAX_MESSAGE};
use auditssh_log::{Message, codec};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

/// How many bytes of events may wait for their writer, besides one message, what a tap tells of it,
/// and how the session ends.
const WAITING: usize = 1 << 20;

/// The state of one log.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) id: String,
    pub(crate) shared: Arc<Shared>,
    pub(crate) progress: Progress,
    order: Mutex<Order>,
    /// Touched by the log's writer alone, but for looks at it.
    pub(crate) spool: Mutex<Spool>,
    /// Touched by the log's sealer alone.
    pub(crate) seals: Mutex<Seals>,
    /// How many chunks are sealed, and as safe as `sync` demands.
    pub(crate) safe: AtomicU32,
    /// Its first tail is on the disk, so that the log can be told from a forged one.
    pub(crate) rooted: AtomicBool,
    /// Sealing does not work at present.
    pub(crate) blocked: AtomicBool,
    /// Its files are not trusted again: a sync of one failed, or someone changed them.
    condemned: OnceLock<RecordError>,
    /// Which of its files were seen to be changed by others: a bit for the log, one for each tail.
    pub(crate) changed: AtomicU8,
    /// Tickets below this are on the disk.
    pub(crate) forced: AtomicU64,
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
    /// The log in which the session goes on.
    heir: Option<Arc<Log>>,
    /// What was told of the connection so far: a log in which the session goes on says it again.
    known: Continued,
    /// Makes lines of events, if the log consists of those.
    encoder: Option<Box<dyn Encoder>>,
}

/// Events on their way to the writer.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// Frames without their place (`tail::open`).
    pub(crate) frames: Vec<u8>,
    /// One for each frame, and one for each run of events that found no room.
    pub(crate) tickets: VecDeque<Ticket>,
    /// One for each run of events that found no room: what lines they had.
    pub(crate) lost: VecDeque<lines::Lost>,
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
    /// It stands for events that found no room, and has no frame.
    pub(crate) missing: Option<Missing>,
}

/// An event on its way into a log, after the interception policy.
#[derive(Debug)]
struct Item {
    event: Event,
    channel_id: Option<u64>,
    extra: Extra,
    /// Bytes of input or output in it.
    bytes: u64,
    /// It has room wherever the one before had.
    follows: bool,
}

impl Log {
    pub(crate) fn new(id: String, shared: Arc<Shared>, spool: Spool, seals: Seals) -> Self {
        let line = Timeline::new(shared.clock.now());
        let encoder = match &shared.settings.form {
            Form::Messages(_) => None,
            Form::Lines(encoders) => Some(encoders.begin(&id)),
        };
        Self {
            id,
            shared,
            progress: Progress::new(),
            order: Mutex::new(Order {
                line,
                waiting: Waiting::default(),
                ticket: 0,
                scheduled: false,
                ended: false,
                failed: None,
                heir: None,
                known: Continued::default(),
                encoder,
            }),
            spool: Mutex::new(spool),
            seals: Mutex::new(seals),
            safe: AtomicU32::new(0),
            rooted: AtomicBool::new(false),
            blocked: AtomicBool::new(false),
            condemned: OnceLock::new(),
            changed: AtomicU8::new(0),
            forced: AtomicU64::new(0),
            gapped: AtomicBool::new(false),
            since: AtomicU64::new(0),
            dirty: Mutex::new(Vec::new()),
        }
    }

    /// Gives an event its place and its time. Returns the log that took it, which is another one if
    /// the session goes on there, and its ticket; `None` if policy drops it, or nothing is to be written of it.
    pub(crate) fn append(
        self: &Arc<Self>,
        entry: Entry,
    ) -> Result<Option<(Arc<Self>, u64)>, RecordError> {
        let bytes = match &entry.event {
            Event::Io(io) => io.data.len() as u64,
            _ => 0,
        };
        let verdict = (self.shared.settings.intercept).apply(entry.event, entry.origin);
        let Some((event, more)) = verdict.into_event() else {
            return Ok(None);
        };
        let item = Item {
            event,
            channel_id: entry.channel_id,
            extra: if more.is_empty() { entry.extra } else { more },
            bytes,
            follows: entry.follows,
        };
        let mut log = Arc::clone(self);
        loop {
            let mut order = lock(&log.order);
            let Some(heir) = order.heir.clone() else {
                let ticket = log.take_in(&mut order, item)?;
                drop(order);
                return Ok(ticket.map(|ticket| (log, ticket)));
            };
            drop(order);
            log = heir;
        }
    }

    fn take_in(
        self: &Arc<Self>,
        order: &mut Order,
        item: Item,
    ) -> Result<Option<u64>, RecordError> {
        let (ends, closes) = (item.event == Event::Disconnect, closes(&item.event));
        if order.ended {
            return Err(RecordError::Ended);
        }
        if let Some(error) = &order.failed
            && !closes
        {
            return Err(error.clone());
        }
        let ticket = order.ticket;
        order.known.learn(&item.event);
        if order.waiting.frames.len() > WAITING && !closes && !item.follows {
            if !self.shared.goes_on() {
                return Err(RecordError::Behind);
            }
            self.miss(order, item);
        } else {
            self.stamp(order, item)?;
        }
        order.ended = ends;
        order.waiting.ended = ends;
        if order.ticket == ticket {
            return Ok(None); // it adds no line
        }
        self.schedule(order);
        Ok(Some(ticket))
    }

    /// Counts an event that finds no room. It is as far as those before it when they are. Of lines it
    /// is kept what is to stand in their place: without the beginning of a file, what follows would
    /// belong to none.
    fn miss(&self, order: &mut Order, item: Item) {
        let mut line = order.line; // a jump of the clock is still to be told
        let (stamp, _) = line.stamp(self.shared.clock.now());
        let missing = Missing::one(item.bytes, stamp.wall);
        let (form, mut lost) = (&self.shared.settings.form, Vec::new());
        if let Some(encoder) = &mut order.encoder {
            let message = self.message(stamp, (item.event, item.channel_id, item.extra));
            let mut pieces = encoder.push(&message, stamp.mono);
            if pieces.is_empty() {
                return;
            }
            lost.append(&mut pieces);
        }
        order.ticket += 1;
        let Waiting {
            tickets,
            lost: runs,
            ..
        } = &mut order.waiting;
        if let Some(last) = tickets.back_mut()
            && let Some(run) = &mut last.missing
        {
            run.add(&missing);
            last.end = order.ticket;
            if let (Some(run), Form::Lines(encoders)) = (runs.back_mut(), form) {
                run.add(lost, &**encoders);
            }
            return;
        }
        let mut run = lines::Lost::default();
        if let Form::Lines(encoders) = form {
            run.add(lost, &**encoders);
        }
        runs.push_back(run);
        tickets.push_back(Ticket {
            end: order.ticket,
            bytes: 0,
            closes: false,
            missing: Some(missing),
        });
    }

    /// Puts a message in the queue, and before it a jump of the clock, if there was one. Lines have
    /// times that do not jump.
    fn stamp(&self, order: &mut Order, item: Item) -> Result<(), RecordError> {
        let (stamp, step) = order.line.stamp(self.shared.clock.now());
        order.known.connected.get_or_insert(stamp.wall);
        let waiting = &mut order.waiting;
        if let Some(nanoseconds) = step
            && order.encoder.is_none()
        {
            let (event, extra) = ClockStep { nanoseconds }.record();
            self.encode(
                None,
                &mut waiting.frames,
                stamp,
                false,
                (event, None, extra),
            );
            waiting.tickets.push_back(Ticket {
                end: order.ticket,
                bytes: 0,
                closes: false,
                missing: None,
            });
        }
        let (start, closes) = (waiting.frames.len(), closes(&item.event));
        let message = (item.event, item.channel_id, item.extra);
        let encoder = order.encoder.as_deref_mut();
        self.encode(encoder, &mut waiting.frames, stamp, false, message);
        let Some(length) = (waiting.frames.len() - start).checked_sub(tail::FRAME) else {
            return Ok(());
        };
        if length > MAX_MESSAGE {
            waiting.frames.truncate(start);
            return Err(RecordError::TooLong(length));
        }
        order.ticket += 1;
        waiting.tickets.push_back(Ticket {
            end: order.ticket,
            bytes: item.bytes,
            closes,
            missing: None,
        });
        Ok(())
    }

    /// Has the session go on in `heir`, unless something waits for this log's writer. What comes
    /// from now on goes there; what ended here ends there. Returns what `heir` is to say of it.
    /// What its files begin with, if it consists of lines, is added to `begun`; `ended` are those that
    /// have ended and miss something.
    pub(crate) fn leave_to(
        &self,
        heir: &Arc<Self>,
        ended: &[u64],
        begun: &mut Vec<Piece>,
    ) -> Option<Continued> {
        let mut order = lock(&self.order);
        if !order.waiting.tickets.is_empty() {
            return None;
        }
        let mut next = lock(&heir.order);
        next.line = order.line;
        next.known = order.known.clone();
        next.known.log = self.id.as_str().into();
        next.encoder = order.encoder.take();
        if let Some(encoder) = &mut next.encoder {
            begun.extend(encoder.restart(&heir.id, ended));
        }
        let continued = next.known.clone();
        order.heir = Some(Arc::clone(heir));
        if order.ended {
            let item = Item {
                event: Event::Disconnect,
                channel_id: None,
                extra: Extra::new(),
                bytes: 0,
                follows: false,
            };
            next.ended = heir.stamp(&mut next, item).is_ok();
            next.waiting.ended = next.ended;
        }
        heir.schedule(&mut next);
        Some(continued)
    }

    /// Appends a frame without its place; none if nothing is to be written.
    fn encode(
        &self,
        encoder: Option<&mut (dyn Encoder + 'static)>,
        frames: &mut Vec<u8>,
        stamp: tail::Stamp,
        gap: bool,
        what: (Event, Option<u64>, Extra),
    ) {
        let message = self.message(stamp, what);
        let Some(encoder) = encoder else {
            if matches!(self.shared.settings.form, Form::Messages(_)) {
                tail::open(frames, stamp, gap, |out| codec::encode(&message, out));
            }
            return;
        };
        let pieces = encoder.push(&message, stamp.mono);
        // The end of the session is to be seen to be written, too.
        if !pieces.is_empty() || message.event == Event::Disconnect {
            tail::open(frames, stamp, gap, |out| lines::encode(&pieces, out));
        }
    }

    /// Appends a frame that tells of a gap, without its place: the message, or what stands in the
    /// place of lines.
    pub(crate) fn encode_gap(&self, frames: &mut Vec<u8>, gap: (Event, Extra), lost: &lines::Lost) {
        let stamp = self.now();
        match self.shared.settings.form {
            Form::Messages(_) => self.encode(None, frames, stamp, true, (gap.0, None, gap.1)),
            Form::Lines(_) => {
                let pieces = lost.pieces();
                tail::open(frames, stamp, true, |out| lines::encode(&pieces, out));
            }
        }
    }

    fn message(
        &self,
        stamp: tail::Stamp,
        (event, channel_id, extra): (Event, Option<u64>, Extra),
    ) -> Message {
        Message {
            connection_id: self.id.as_str().into(),
            timestamp: stamp.wall,
            channel_id,
            event,
            extra,
            envelope_extra: Extra::new(),
        }
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

    /// Its files are not trusted again. Whether that is news.
    pub(crate) fn condemn(&self, error: &RecordError) -> bool {
        self.condemned.set(error.clone()).is_ok()
    }

    /// Why its files are not trusted, if so.
    pub(crate) fn condemned(&self) -> Option<&RecordError> {
        self.condemned.get()
    }

    pub(crate) fn is_condemned(&self) -> bool {
        self.condemned().is_some()
    }
}

/// What may still be recorded when the log has failed: how the session ends.
pub(crate) fn closes(event: &Event) -> bool {
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
