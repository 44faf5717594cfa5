use super::*;
use auditssh_archive::{Archive, Entry, Settings};
use auditssh_log::message::{Connect, Event};
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

/// A directory that names its logs otherwise, as a bucket does.
#[derive(Debug)]
struct Shelf {
    directory: Directory,
    is_gone: AtomicBool,
    listings: AtomicUsize,
}

const PREFIX: &str = "kept/";

fn plain(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap()
}

impl Place for Shelf {
    fn list(&self) -> io::Result<Vec<Listed>> {
        self.listings.fetch_add(1, Ordering::Relaxed);
        if self.is_gone.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let mut logs = self.directory.list()?;
        for log in &mut logs {
            log.name.insert_str(0, PREFIX);
        }
        Ok(logs)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        self.directory.open(plain(name))
    }

    fn end(&self, name: &str, length: u64) -> io::Result<Vec<u8>> {
        self.directory.end(plain(name), length)
    }

    fn index(&self, name: &str) -> io::Result<Option<Box<dyn Read + Send>>> {
        self.directory.index(plain(name))
    }

    fn keep(&self, name: &str, index: &[u8]) -> io::Result<()> {
        self.directory.keep(plain(name), index)
    }

    fn path(&self, name: &str) -> String {
        name.to_owned()
    }
}

impl Kept for Shelf {
    fn id<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix(PREFIX)?.get(..32)
    }

    fn is_own(&self, name: &str) -> bool {
        name.len() == PREFIX.len() + 32
    }

    fn set_aside(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}

struct World {
    directory: tempfile::TempDir,
    shelf: Arc<Shelf>,
    gathered: Gathered,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["near", "far"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        let shelf = Arc::new(Shelf {
            directory: Directory::new(directory.path().join("far")),
            is_gone: AtomicBool::new(false),
            listings: AtomicUsize::new(0),
        });
        let far = Arc::clone(&shelf) as Arc<dyn Kept>;
        Self {
            gathered: Gathered::new(directory.path().join("near"), far),
            directory,
            shelf,
        }
    }

    fn near(&self, id: &str) -> PathBuf {
        self.directory.path().join("near").join(id)
    }

    fn far(&self, id: &str) -> PathBuf {
        self.directory.path().join("far").join(id)
    }

    fn names(&self) -> Vec<String> {
        let logs = self.gathered.list().unwrap();
        logs.into_iter().map(|log| log.name).collect()
    }

    /// The same, once the other place is listed as well.
    fn all(&self) -> Vec<String> {
        self.gathered.far.list(Instant::now()).unwrap();
        self.names()
    }

    fn listings(&self) -> usize {
        self.shelf.listings.load(Ordering::Relaxed)
    }
}

/// Records a connection and puts its log there; returns its id.
async fn record(place: impl Fn(&str) -> PathBuf) -> String {
    let directory = tempfile::tempdir().unwrap();
    let audit = directory.path().join("audit");
    let archive = Archive::open(Settings::new(&audit)).unwrap();
    let recorder = archive.create().await.unwrap();
    let id = recorder.connection_id().to_owned();
    let event = Event::Connect(Connect::default());
    recorder.append(Entry::from(event)).await.unwrap();
    drop(recorder);
    archive.shutdown(Duration::from_mins(1)).await;
    fs::copy(audit.join(&id), place(&id)).unwrap();
    id
}

fn bytes(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}

#[tokio::test]
async fn logs_of_both_places_are_listed_once() {
    let world = World::new();
    let here = record(|id| world.near(id)).await;
    let there = record(|id| world.far(id)).await;
    fs::copy(world.near(&here), world.far(&here)).unwrap();
    let mut expected = [here.clone(), there.clone()];
    expected.sort();
    assert_eq!(world.all(), expected);
    assert!(world.gathered.is_near(&here) && !world.gathered.is_near(&there));
    let (mut log, name) = world.gathered.open_far(&there).unwrap();
    let mut read = Vec::new();
    log.read_to_end(&mut read).unwrap();
    assert_eq!(read, bytes(&world.far(&there)));
    assert_eq!(name, format!("{PREFIX}{there}"));
    for log in world.gathered.list().unwrap() {
        let gathered = &world.gathered;
        assert!(gathered.facts(&log).unwrap().facts.start.is_some());
        assert_eq!(
            gathered.end(&log.name, log.size).unwrap().len() as u64,
            log.size
        );
    }
}

#[tokio::test]
async fn a_log_that_moves_is_never_missing() {
    let world = World::new();
    let id = record(|id| world.near(id)).await;
    assert_eq!(world.all(), [id.as_str()]);
    let content = bytes(&world.near(&id));
    fs::rename(world.near(&id), world.far(&id)).unwrap();
    // The other place is not listed again so soon: it is shown as it was.
    let before = world.listings();
    assert_eq!(world.names(), [id.as_str()]);
    assert_eq!(world.listings(), before);
    // Whoever opens it has it found there.
    let mut read = Vec::new();
    let (mut log, _) = world.gathered.open_far(&id).unwrap();
    log.read_to_end(&mut read).unwrap();
    assert_eq!(read, content);
    assert_eq!(world.names(), [id.as_str()]);
    assert_eq!(world.listings(), before + 1);
    // One that was removed is gone with the next listing.
    fs::remove_file(world.far(&id)).unwrap();
    assert_eq!(world.all(), [""; 0]);
}

#[tokio::test]
async fn one_that_was_removed_here_is_gone_once_it_is_not_there_either() {
    let world = World::new();
    let id = record(|id| world.near(id)).await;
    assert_eq!(world.all(), [id.as_str()]);
    fs::remove_file(world.near(&id)).unwrap();
    assert_eq!(world.names(), [id.as_str()]);
    let failure = world.gathered.open_far(&id).err().unwrap();
    assert_eq!(failure.kind(), io::ErrorKind::NotFound);
    assert_eq!(world.names(), [""; 0]);
}

#[tokio::test]
async fn without_the_other_place_the_directory_is_shown() {
    let world = World::new();
    world.shelf.is_gone.store(true, Ordering::Relaxed);
    let id = record(|id| world.near(id)).await;
    assert_eq!(world.names(), [id.as_str()]);
    world.gathered.far.refresh();
    assert_eq!(world.names(), [id.as_str()]);
    assert!(world.gathered.problem().is_some());
    // After a failure it is tried again as soon as usual.
    let now = Instant::now();
    let known = world.gathered.far.lock();
    assert!(!known.is_due(now) && known.is_due(now + EVERY));
    drop(known);
    world.shelf.is_gone.store(false, Ordering::Relaxed);
    world.gathered.far.refresh();
    assert_eq!(world.names(), [id.as_str()]);
    assert!(world.gathered.problem().is_none());
}

#[tokio::test]
async fn the_other_place_keeps_nobody_waiting() {
    let world = World::new();
    let id = record(|id| world.near(id)).await;
    // As if somebody listed it, and it did not answer.
    let listing = world.gathered.far.listing.lock().unwrap();
    assert_eq!(world.names(), [id.as_str()]);
    assert_eq!(world.names(), [id.as_str()]);
    drop(listing);
}

#[tokio::test]
async fn a_directory_that_cannot_be_read_hides_nothing_of_the_other_place() {
    let world = World::new();
    let id = record(|id| world.far(id)).await;
    let near = world.directory.path().join("near");
    fs::remove_dir(&near).unwrap();
    assert_eq!(world.all(), [id.as_str()]);
    assert!(world.gathered.problem().is_none());
    fs::write(&near, "no directory").unwrap();
    assert_eq!(world.all(), [id.as_str()]);
    assert!(world.gathered.problem().is_some());
}

#[tokio::test]
async fn what_nobody_knows_is_not_asked_for() {
    let world = World::new();
    record(|id| world.far(id)).await;
    assert_eq!(world.all().len(), 1);
    let before = world.listings();
    for _ in 0..3 {
        let failure = world.gathered.open_far(&"0".repeat(32)).err().unwrap();
        assert_eq!(failure.kind(), io::ErrorKind::NotFound);
    }
    assert_eq!(world.listings(), before);
}

#[test]
fn no_other_object_takes_the_place_of_a_log() {
    let world = World::new();
    let id = "0".repeat(32);
    let log = |name: String, modified| Listed {
        name,
        size: 1,
        modified,
        writer: Writer::None,
    };
    let own = format!("{PREFIX}{id}");
    let note = format!("{PREFIX}{id}.note.txt");
    for modified in [1, 9] {
        let logs = vec![log(note.clone(), modified), log(own.clone(), 5)];
        assert_eq!(by_id(&*world.shelf, logs)[&id].name, own);
    }
    let logs = vec![log(own.clone(), 5), log(own, 4)];
    assert_eq!(by_id(&*world.shelf, logs)[&id].modified, 4);
}
