//! A store that is away for an hour, with the workers of a server, in time that passes by itself.

use super::*;
use crate::error::Kind;
use crate::testing::Fate;
use crate::uploader::{Inbox, Uploads};
use auditssh_archive::Observer as _;
use std::sync::Mutex;
use tokio::time::Instant;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata as About, Subscriber};

const OUTAGE: Duration = Duration::from_hours(1);

/// When something was told as an error.
#[derive(Clone, Default)]
struct Alerts(Arc<Mutex<Vec<Instant>>>);

impl Subscriber for Alerts {
    fn enabled(&self, about: &About<'_>) -> bool {
        *about.level() == Level::ERROR
    }

    fn event(&self, _: &Event<'_>) {
        lock(&self.0).push(Instant::now());
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// What came of an outage.
struct Outcome {
    store: MemoryStore,
    directory: TempDir,
    lengths: Vec<u64>,
    /// After the begin of the outage.
    alerts: Vec<Duration>,
    asked: Vec<Duration>,
    /// After its end, until the bucket had everything.
    late: Duration,
}

/// Four logs are there at the begin, and every minute another session ends.
async fn outage(fate: Fate) -> Outcome {
    let alerts = Alerts::default();
    let _told = tracing::subscriber::set_default(alerts.clone());
    let mut lengths = vec![10, 250, 30, 120];
    let directory = left(&lengths);
    let begun = Instant::now();
    let asked: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let seen = Arc::clone(&asked);
    let store = MemoryStore::new(move |_, _, _| {
        lock(&seen).push(begun.elapsed());
        if begun.elapsed() < OUTAGE {
            fate
        } else {
            Fate::Good
        }
    });
    let inbox = Inbox::new(PART);
    let uploads = Uploads::start(&settings(directory.path()), &inbox, store.clone());
    for number in 4..64 {
        tokio::time::sleep(Duration::from_mins(1)).await;
        let length = u64::from(number) * 7;
        std::fs::write(directory.path().join(id(number)), content(number, length)).unwrap();
        inbox.closed(&id(number));
        lengths.push(length);
    }
    while uploads.status().staged > 0 {
        assert!(begun.elapsed() < OUTAGE * 2, "{fate:?}: it takes for ever");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let told = lock(&alerts.0).iter().map(|at| *at - begun).collect();
    let asked = lock(&asked).clone();
    Outcome {
        store,
        directory,
        lengths,
        alerts: told,
        asked,
        late: begun.elapsed().saturating_sub(OUTAGE),
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_an_hour_costs_no_log_and_is_told_in_time() {
    for (fate, alert) in [
        (Fate::Fails(Kind::Unanswered), 120),
        (Fate::Fails(Kind::Busy), 120),
        (Fate::BlackHole, 600),
        // Those that someone must mend.
        (Fate::Fails(Kind::Denied), 10),
        (Fate::Fails(Kind::Credentials), 10),
        (Fate::Fails(Kind::NoBucket), 10),
        (Fate::Fails(Kind::Clock), 10),
        (Fate::Fails(Kind::Refused), 10),
    ] {
        let found = outage(fate).await;
        holds(
            found.directory.path(),
            &found.store,
            &found.lengths,
            &format!("{fate:?}"),
        );
        once(&found.store, &format!("{fate:?}"));
        let first = found.alerts.first().expect("nobody was told");
        assert!(first.as_secs() < alert, "{fate:?}: {first:?}");
        assert!(found.alerts.len() <= 3, "{fate:?}: {:?}", found.alerts);
        // Never given up, never hammered.
        let answered = if fate == Fate::BlackHole { 140 } else { 0 };
        let during = found.asked.iter().filter(|at| **at < OUTAGE);
        let pauses = found
            .asked
            .windows(2)
            .map(|two| two[1].saturating_sub(two[0]));
        let longest = pauses.max().unwrap_or_default();
        assert!(longest.as_secs() <= 31 + answered, "{fate:?}: {longest:?}");
        assert!(during.count() < 300, "{fate:?}: {}", found.asked.len());
        assert!(
            found.late.as_secs() < 60 + 2 * answered,
            "{fate:?}: {:?}",
            found.late
        );
    }
}
