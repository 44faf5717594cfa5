//! What becomes of logs whose disk is slow or fails at the wrong moment: nothing stays behind,
//! nothing is acknowledged before its time, and every end is an end.

#![expect(clippy::unwrap_used, reason = "a test")]

use auditssh_archive::disk::{Disk, DiskFile, LocalDisk, Space, Status};
use auditssh_archive::{Archive, OnFailure, RecordError, Recorder, Settings, Sync, SystemClock};
use auditssh_log::codec::Decoder;
use auditssh_log::extension::{Continued, Gap};
use auditssh_log::message::{Connect, Event, HandshakeSuccessful, Io, Message, Stream};
use auditssh_log::policy::Intercept;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// What an operation on a file does, by the file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sluice {
    Open,
    /// A sync waits.
    Shut,
    /// A sync fails.
    Broken,
    /// A write does, but for the first bytes of the file.
    Full,
}

/// A directory of files some of which can be held up.
#[derive(Debug)]
struct Canal {
    disk: LocalDisk,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    /// The rule for files whose names end like this.
    rules: Mutex<Vec<(&'static str, Sluice)>>,
    change: Condvar,
}

#[derive(Debug)]
struct Barge {
    name: String,
    file: Arc<dyn DiskFile>,
    gate: Arc<Gate>,
}

impl Gate {
    fn set(&self, rules: &[(&'static str, Sluice)]) {
        *self.rules.lock().unwrap() = rules.to_vec();
        self.change.notify_all();
    }

    fn rule(rules: &[(&'static str, Sluice)], name: &str) -> Sluice {
        let rule = rules.iter().find(|(end, _)| name.ends_with(end));
        rule.map_or(Sluice::Open, |(_, sluice)| *sluice)
    }

    fn write(&self, name: &str, offset: u64) -> io::Result<()> {
        let rule = Self::rule(&self.rules.lock().unwrap(), name);
        if rule == Sluice::Full && offset > 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn pass(&self, name: &str) -> io::Result<()> {
        let mut rules = self.rules.lock().unwrap();
        loop {
            match Self::rule(&rules, name) {
                Sluice::Open | Sluice::Full => return Ok(()),
                Sluice::Broken => return Err(io::Error::from_raw_os_error(5)),
                Sluice::Shut => rules = self.change.wait(rules).unwrap(),
            }
        }
    }
}

impl Canal {
    fn file(&self, name: &str, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(Barge {
            name: name.to_owned(),
            file,
            gate: Arc::clone(&self.gate),
        })
    }
}

impl Disk for Canal {
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(name, self.disk.create(name)?))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(name, self.disk.open(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn list(&self, each: &mut dyn FnMut(&str)) -> io::Result<()> {
        self.disk.list(each)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.sync()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.gate.pass("*")?;
        self.disk.sync_all()
    }

    fn space(&self) -> io::Result<Space> {
        self.disk.space()
    }
}

impl DiskFile for Barge {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.gate.write(&self.name, offset)?;
        self.file.write_at(bytes, offset)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.file.allocate(length)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.truncate(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.gate.pass(&self.name)?;
        self.file.sync()
    }

    fn status(&self) -> io::Result<Status> {
        self.file.status()
    }
}

/// Opens the gate when a test ends, so that one that fails does not hang.
struct Keeper(Arc<Gate>);

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.set(&[]);
    }
}

impl std::ops::Deref for Keeper {
    type Target = Gate;

    fn deref(&self) -> &Gate {
        &self.0
    }
}

/// An archive in `home`, and what holds up its syncs.
fn archive(home: &Path, sync: Sync, on_failure: OnFailure) -> (Archive, Keeper) {
    let gate = Arc::new(Gate::default());
    let canal = Canal {
        disk: LocalDisk::new(File::open(home).unwrap().into(), None),
        gate: Arc::clone(&gate),
    };
    let settings = Settings {
        sync,
        on_failure,
        intercept: Intercept::ALL,
        tick: Duration::from_millis(20),
        ..Settings::new(home)
    };
    let archive = Archive::open_on(settings, Arc::new(canal), Arc::new(SystemClock)).unwrap();
    (archive, Keeper(gate))
}

fn output(length: usize) -> Event {
    output_of(vec![b'x'; length])
}

fn output_of(data: Vec<u8>) -> Event {
    let stream = Stream::Stdout;
    Event::Io(Io { stream, data })
}

/// Waits up to five seconds for something to become so.
async fn until(what: &str, is: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(5);
    while !is() {
        assert!(Instant::now() < end, "{what} does not come");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Open descriptors of this process that lead into `home`.
fn descriptors(home: &Path) -> usize {
    std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .filter(|target| target.starts_with(home) && target != home)
        .count()
}

fn open_logs(archive: &Archive) -> usize {
    archive.status().unwrap().open
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_closed_log_stays_in_memory() {
    for sync in [
        Sync::None,
        Sync::Interval(Duration::from_mins(10)),
        Sync::Always,
    ] {
        let home = tempfile::tempdir().unwrap();
        let (archive, _) = archive(home.path(), sync, OnFailure::Terminate);
        for _ in 0..20 {
            let recorder = archive.create().await.unwrap();
            recorder.append(output(10)).await.unwrap();
            recorder.finish().await.unwrap();
        }
        until("the end of every log", || open_logs(&archive) == 0).await;
        until("the release of every file", || {
            descriptors(home.path()) == 0
        })
        .await;
    }
}

/// Fills the first tail so that the next message goes to the second.
async fn fill_chunk(recorder: &Recorder) {
    for _ in 0..9 {
        recorder.append(output(32 << 10)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_always_no_commit_overtakes_one_before_it() {
    let home = tempfile::tempdir().unwrap();
    let (archive, gate) = archive(home.path(), Sync::Always, OnFailure::Terminate);
    let recorder = archive.create().await.unwrap();
    for _ in 0..7 {
        recorder.append(output(32 << 10)).await.unwrap();
    }
    gate.set(&[(".tail0", Sluice::Shut)]);
    // The chunk becomes full with a message whose sync is held up; the next one has a tail of its
    // own, whose sync is not.
    let first = recorder.append(output(64 << 10));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let second = recorder.append(output(10));
    let overtaken = tokio::time::timeout(Duration::from_millis(500), second).await;
    assert!(
        overtaken.is_err(),
        "a later event counts as recorded before an earlier one is synced"
    );
    gate.set(&[]);
    first.await.unwrap();
    recorder.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_disk_does_not_keep_up_still_ends() {
    let home = tempfile::tempdir().unwrap();
    let (archive, gate) = archive(home.path(), Sync::Always, OnFailure::Terminate);
    let recorder = archive.create().await.unwrap();
    fill_chunk(&recorder).await;
    gate.set(&[("", Sluice::Shut)]);
    let behind = async {
        loop {
            let mut commit = Box::pin(recorder.append(output(32 << 10)));
            if let Ok(Err(RecordError::Behind)) =
                tokio::time::timeout(Duration::from_millis(1), &mut commit).await
            {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), behind)
        .await
        .expect("the queue has a bound");
    let end = {
        let recorder = recorder.clone();
        tokio::spawn(async move { recorder.finish().await })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    gate.set(&[]);
    let end = tokio::time::timeout(Duration::from_secs(5), end)
        .await
        .unwrap()
        .unwrap();
    end.expect("the disconnect has a place however much waits");
    until("the end of the log", || open_logs(&archive) == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_goes_on_is_not_ended_by_a_disk_that_does_not_keep_up() {
    const EVENTS: usize = 100;
    let numbered = |number: usize| output_of(vec![u8::try_from(number).unwrap(); 32 << 10]);
    let home = tempfile::tempdir().unwrap();
    let (archive, gate) = archive(home.path(), Sync::Always, OnFailure::Continue);
    let recorder = archive.create().await.unwrap();
    gate.set(&[("", Sluice::Shut)]);
    let commits: Vec<_> = (0..EVENTS)
        .map(|number| recorder.append(numbered(number)))
        .collect();
    let close = recorder.append(Event::Close);
    gate.set(&[]);
    for commit in commits {
        commit.await.unwrap();
    }
    close.await.unwrap();
    recorder.finish().await.unwrap();
    let mut messages = decode(home.path(), recorder.connection_id());
    let end: Vec<_> = messages.drain(messages.len() - 2..).collect();
    assert_eq!(end[0].event, Event::Close);
    assert_eq!(end[1].event, Event::Disconnect);
    // Each gap stands where its events would.
    let (mut next, mut missing) = (0, 0);
    for message in messages {
        if let Some(gap) = Gap::read(&message) {
            assert_eq!(gap.bytes, gap.messages * (32 << 10));
            missing += gap.messages;
            next += usize::try_from(gap.messages).unwrap();
        } else {
            assert_eq!(message.event, numbered(next));
            next += 1;
        }
    }
    assert_eq!(next, EVENTS);
    assert!(missing > 0, "everything found room");
}

fn connect() -> Event {
    Event::Connect(Connect {
        remote_addr: "192.0.2.7".into(),
        country: "CH".into(),
    })
}

fn login() -> Event {
    Event::HandshakeSuccessful(HandshakeSuccessful {
        username: "alice".into(),
    })
}

/// The logs of a directory but for one, by name.
fn others(directory: &Path, id: &str) -> Vec<String> {
    let names = logs(directory).into_iter();
    names.filter(|name| name != id).collect()
}

/// A session whose log is not trusted in the middle of its login, and the log of it that comes then.
#[tokio::test(flavor = "multi_thread")]
async fn who_logs_in_while_no_log_is_trusted_is_told_by_the_next() {
    let home = tempfile::tempdir().unwrap();
    let (archive, gate) = archive(home.path(), Sync::Always, OnFailure::Continue);
    let recorder = archive.create().await.unwrap();
    let id = recorder.connection_id().to_owned();
    recorder.append(connect()).await.unwrap();
    gate.set(&[("", Sluice::Broken)]);
    recorder.append(output(1)).await.unwrap(); // this is when it is noticed
    recorder.append(login()).await.unwrap();
    gate.set(&[]);
    // Its files are there before it is known to reach the disk.
    let begun = || archive.counters().unwrap().begun.load(Ordering::Relaxed);
    until("another log", || begun() == 2).await;
    recorder.append(output(10)).await.unwrap();
    recorder.finish().await.unwrap();
    until("the end of every log", || {
        std::fs::read_dir(home.path()).unwrap().count() == 2
    })
    .await;
    let heir = others(home.path(), &id).remove(0);
    let messages = decode(home.path(), &heir);
    let told = Continued::read(&messages[0]).expect("first, a gap");
    assert_eq!(
        (told.log, told.username),
        (id.as_str().into(), Some("alice".into()))
    );
    let gaps = messages
        .iter()
        .filter(|message| Gap::read(message).is_some());
    assert_eq!(gaps.count(), 1, "it is told once: {messages:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_goes_on_in_another_log_when_its_own_is_not_trusted() {
    let home = tempfile::tempdir().unwrap();
    let (archive, gate) = archive(home.path(), Sync::Always, OnFailure::Continue);
    let recorder = archive.create().await.unwrap();
    let id: &'static str = Box::leak(recorder.connection_id().to_owned().into_boxed_str());
    let tail: &'static str = Box::leak(format!(".{id}.tail0").into_boxed_str());
    recorder.append(connect()).await.unwrap();
    recorder.append(login()).await.unwrap();
    recorder.append(output(1)).await.unwrap();
    // Nothing reaches the disk: the session goes on all the same.
    gate.set(&[("", Sluice::Broken)]);
    for length in 2..10 {
        recorder.append(output(length)).await.unwrap();
    }
    // Everything does but the old tail.
    gate.set(&[(tail, Sluice::Broken)]);
    let begun = || archive.counters().unwrap().begun.load(Ordering::Relaxed);
    until("another log", || begun() == 2 && open_logs(&archive) == 1).await;
    gate.set(&[]);
    recorder.append(output(10)).await.unwrap();
    recorder.finish().await.unwrap();
    until("the old log's recovery", || {
        std::fs::read_dir(home.path()).unwrap().count() == 2
    })
    .await;
    let heir = others(home.path(), id).remove(0);
    let messages = decode(home.path(), &heir);
    let gap = Gap::read(&messages[0]).expect("first, a gap");
    assert_eq!(
        gap.messages, 8,
        "those that are not known to be on the disk"
    );
    let old = decode(home.path(), id);
    let known = Continued {
        log: id.into(),
        connected: Some(old[0].timestamp),
        remote_addr: Some("192.0.2.7".into()),
        country: Some("CH".into()),
        username: Some("alice".into()),
    };
    assert_eq!(Continued::read(&messages[0]), Some(known));
    let events: Vec<_> = messages[1..].iter().map(|message| &message.event).collect();
    assert_eq!(events, [&output(10), &Event::Disconnect]);
    assert_eq!(old[2].event, output(1));
    assert!(old.last().unwrap().timestamp <= messages[0].timestamp);
    drop(recorder);
    until("the release of every file", || {
        descriptors(home.path()) == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn not_ever_more_logs_wait_to_be_sealed() {
    let home = tempfile::tempdir().unwrap();
    let (archive, gate) = archive(home.path(), Sync::None, OnFailure::Terminate);
    gate.set(&[
        (".tail0", Sluice::Open),
        (".tail1", Sluice::Open),
        ("", Sluice::Full),
    ]);
    let mut begun = 0;
    let refusal = loop {
        match archive.create().await {
            Ok(recorder) => {
                recorder.append(output(10)).await.unwrap();
                let end = recorder.finish().await;
                assert!(matches!(end, Err(RecordError::Deferred(_))), "{end:?}");
                begun += 1;
            }
            Err(refusal) => break refusal.to_string(),
        }
        assert!(begun < 400, "there is no bound");
    };
    assert!(refusal.contains("wait to be sealed"), "{refusal}");
    gate.set(&[]);
    until("the end of every log", || open_logs(&archive) == 0).await;
    for id in logs(home.path()) {
        assert_eq!(decode(home.path(), &id).len(), 2);
    }
    archive.create().await.unwrap();
}

/// The tail of the open chunk is emptied by someone: its messages are nowhere else.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_tail_was_cut_is_let_go() {
    let home = tempfile::tempdir().unwrap();
    let (archive, _) = archive(home.path(), Sync::None, OnFailure::Terminate);
    let recorder = archive.create().await.unwrap();
    recorder.append(output(1000)).await.unwrap();
    let tail = format!(".{}.tail0", recorder.connection_id());
    let file = File::options()
        .write(true)
        .open(home.path().join(tail))
        .unwrap();
    file.set_len(64).unwrap();
    drop(file);
    tokio::time::timeout(Duration::from_secs(5), recorder.finish())
        .await
        .expect("the end does not hang")
        .unwrap_err();
    drop(recorder);
    until("the end of the log", || open_logs(&archive) == 0).await;
    until("the release of every file", || {
        descriptors(home.path()) == 0
    })
    .await;
}

/// The messages of a log that is closed.
fn decode(home: &Path, id: &str) -> Vec<Message> {
    let log = File::open(home.join(id)).unwrap();
    Decoder::new(log).map(Result::unwrap).collect()
}

/// The names of all logs.
fn logs(home: &Path) -> Vec<String> {
    std::fs::read_dir(home)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.'))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_sync_fails_while_its_writer_waits_is_let_go() {
    let home = tempfile::tempdir().unwrap();
    let interval = Sync::Interval(Duration::from_mins(10));
    let (archive, gate) = archive(home.path(), interval, OnFailure::Terminate);
    let recorder = archive.create().await.unwrap();
    let name: &'static str = Box::leak(recorder.connection_id().to_owned().into_boxed_str());
    gate.set(&[(name, Sluice::Shut)]);
    // Two chunks are full, the second of them grown, and neither is safe: the writer waits for a tail.
    let mut commits = Vec::new();
    for _ in 0..48 {
        commits.push(recorder.append(output(32 << 10)));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    gate.set(&[(name, Sluice::Broken)]);
    let last = tokio::time::timeout(Duration::from_secs(5), commits.pop().unwrap()).await;
    last.expect("no commit waits for ever").unwrap_err();
    tokio::time::timeout(Duration::from_secs(5), recorder.failed())
        .await
        .unwrap();
    let end = tokio::time::timeout(Duration::from_secs(5), recorder.finish()).await;
    end.expect("the end does not hang").unwrap_err();
    drop((commits, recorder));
    until("the end of the log", || open_logs(&archive) == 0).await;
    until("the release of every file", || {
        descriptors(home.path()) == 0
    })
    .await;
}

/// Resident memory of this process, in bytes.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = status.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_session_takes_little_memory() {
    const SESSIONS: usize = 400;
    let home = tempfile::tempdir().unwrap();
    let (archive, _) = archive(home.path(), Sync::None, OnFailure::Terminate);
    let before = memory();
    let mut recorders = Vec::new();
    for _ in 0..SESSIONS {
        let recorder = archive.create().await.unwrap();
        recorder.append(output(4 << 10)).await.unwrap();
        recorders.push(recorder);
    }
    let each = memory().saturating_sub(before) / SESSIONS;
    assert!(each < 64 << 10, "{each} bytes for each idle session");
}
