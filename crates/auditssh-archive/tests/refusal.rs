//! That connections are refused, and let in again, is known without any of them.

#![expect(clippy::unwrap_used, reason = "a test")]

use auditssh_archive::disk::{Disk, DiskFile, LocalDisk, Space};
use auditssh_archive::testing::{Fault, FaultyDisk, Plan};
use auditssh_archive::{Archive, Refusal, Settings, Status, SystemClock};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const EIO: i32 = 5;

fn settings(home: &Path) -> Settings {
    Settings {
        tick: Duration::from_millis(10),
        ..Settings::new(home)
    }
}

async fn until(archive: &Archive, what: impl Fn(&Status) -> bool) -> Status {
    for _ in 0..3000 {
        let status = archive.status().unwrap();
        if what(&status) {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    unreachable!("not within 30 s: {:?}", archive.status())
}

fn says(status: &Status, reason: &str) -> bool {
    let told = status.refusal.as_ref();
    told.is_some_and(|refusal| refusal.to_string().contains(reason))
}

#[tokio::test]
async fn a_disk_that_fails_is_noticed_without_a_connection_and_so_is_its_cure() {
    let home = tempfile::tempdir().unwrap();
    let plan = Arc::new(Plan::new(Fault::Error(EIO), 0, true));
    let local = LocalDisk::new(File::open(home.path()).unwrap().into(), None);
    let disk = FaultyDisk::new(Arc::new(local), Arc::clone(&plan));
    let settings = settings(home.path());
    let archive = Archive::open_on(settings, Arc::new(disk), Arc::new(SystemClock)).unwrap();
    // The plan begins with the first operation.
    assert!(archive.create().await.is_err());
    let status = until(&archive, |status| status.refusal.is_some()).await;
    assert!(matches!(status.refusal, Some(Refusal::Storage(_))));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(
        archive.status().unwrap().refusal.is_some(),
        "it still fails"
    );
    plan.heal();
    until(&archive, |status| status.refusal.is_none()).await;
    assert_eq!(archive.counters().unwrap().begun.load(Ordering::Relaxed), 0);
    archive.shutdown(Duration::from_secs(5)).await;
    drop(archive);
    let left = std::fs::read_dir(home.path()).unwrap().count();
    assert_eq!(left, 0, "nothing is left of the trials");
}

#[tokio::test]
async fn a_directory_that_is_gone_is_noticed() {
    let home = tempfile::tempdir().unwrap();
    let logs = home.path().join("logs");
    let archive = Archive::open(settings(&logs)).unwrap();
    let status = until(&archive, |status| status.refusal.is_none()).await;
    let space = status.space.unwrap();
    assert!(space.free > 0 && space.free <= space.total);
    std::fs::remove_dir(&logs).unwrap();
    // A machine that is busy may keep the thread that looks from looking, which is told, too.
    until(&archive, |status| says(status, "No such file")).await;
}

/// A disk that gives no answer for a while, like one whose network is gone.
#[derive(Debug)]
struct Mute {
    disk: LocalDisk,
    mute: AtomicBool,
}

impl Disk for Mute {
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.create(name)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(name)
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
        self.disk.sync_all()
    }

    fn space(&self) -> io::Result<Space> {
        while self.mute.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.disk.space()
    }
}

#[tokio::test]
async fn a_disk_that_gives_no_answer_is_noticed() {
    let home = tempfile::tempdir().unwrap();
    let disk = Arc::new(Mute {
        disk: LocalDisk::new(File::open(home.path()).unwrap().into(), None),
        mute: AtomicBool::new(false),
    });
    let (settings, clock) = (settings(home.path()), Arc::new(SystemClock));
    let archive = Archive::open_on(settings, Arc::clone(&disk) as Arc<dyn Disk>, clock).unwrap();
    until(&archive, |status| status.refusal.is_none()).await;
    disk.mute.store(true, Ordering::SeqCst);
    until(&archive, |status| says(status, "no answer for")).await;
    disk.mute.store(false, Ordering::SeqCst);
    until(&archive, |status| status.refusal.is_none()).await;
}
