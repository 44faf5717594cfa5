//! Clocks that jump: order holds, times never run backwards, and each jump is told.

#![expect(clippy::unwrap_used, reason = "a test")]

use auditssh_archive::disk::LocalDisk;
use auditssh_archive::reader::LogReader;
use auditssh_archive::testing::ManualClock;
use auditssh_archive::{Archive, Settings, Sync};
use auditssh_log::codec::Decoder;
use auditssh_log::extension::ClockStep;
use auditssh_log::message::{Event, Io, Message, Stream};
use auditssh_log::policy::Intercept;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3600 * SECOND;

/// Records an event a second, with a jump of the wall clock before each.
async fn record(jumps: &[i64]) -> Vec<Message> {
    let home = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let disk = LocalDisk::new(File::open(home.path()).unwrap().into(), None);
    let settings = Settings {
        sync: Sync::None,
        intercept: Intercept::ALL,
        ..Settings::new(home.path())
    };
    let archive = Archive::open_on(settings, Arc::new(disk), Arc::clone(&clock) as _).unwrap();
    let recorder = archive.create().await.unwrap();
    for (number, &jump) in jumps.iter().enumerate() {
        clock.advance(Duration::from_secs(1));
        clock.jump(jump);
        let data = number.to_le_bytes().to_vec();
        let stream = Stream::Stdout;
        let event = Event::Io(Io { stream, data });
        recorder.append(event).await.unwrap();
    }
    recorder.finish().await.unwrap();
    let path = home.path().join(recorder.connection_id());
    Decoder::new(LogReader::open(&path, false).unwrap())
        .map(Result::unwrap)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn order_holds_and_every_jump_is_recorded() {
    let jumps = [
        0,
        -HOUR,
        0,
        SECOND / 2,
        HOUR,
        2_100_000_000 * SECOND, // 1970 to 2036
        -2_000_000_000 * SECOND,
        0,
    ];
    let messages = record(&jumps).await;
    let times: Vec<_> = messages.iter().map(|message| message.timestamp).collect();
    assert!(times.is_sorted(), "{times:?}");

    let events: Vec<_> = messages
        .iter()
        .filter_map(|message| match &message.event {
            Event::Io(io) => Some(usize::from_le_bytes(io.data.clone().try_into().unwrap())),
            _ => None,
        })
        .collect();
    assert_eq!(events, (0..jumps.len()).collect::<Vec<_>>());

    let told: Vec<_> = messages
        .iter()
        .filter_map(ClockStep::read)
        .map(|step| step.nanoseconds)
        .collect();
    let expected: Vec<_> = jumps
        .into_iter()
        .filter(|jump| jump.abs() > SECOND)
        .collect();
    assert_eq!(told, expected);
    assert_eq!(messages.last().unwrap().event, Event::Disconnect);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_jump_back_time_still_passes() {
    let messages = record(&[0, -HOUR, 0, 0]).await;
    let times: Vec<_> = messages
        .iter()
        .filter(|message| matches!(message.event, Event::Io(_)))
        .map(|message| message.timestamp)
        .collect();
    let steps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(steps, [SECOND; 3]);
}
