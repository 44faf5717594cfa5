//! How fast the recorder is: `cargo bench -p auditssh-archive`.
//!
//! For 1, 64 and 1,000 sessions and each sync mode: messages and bytes a second, and how long a
//! commit takes. Then how many bytes a log takes beside one plain gzip stream of the same messages.
//! Logs go to a directory below `AUDITSSH_BENCH_DIR`, or the current one: the disk is what is
//! measured, so it should be the one that logs will be on.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a benchmark prints figures"
)]

use auditssh_archive::{Archive, Settings, Sync};
use auditssh_log::codec::{self, Format};
use auditssh_log::message::{Event, Io, Message, Stream};
use auditssh_log::policy::Intercept;
use rand::{RngExt, SeedableRng};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long each row is measured.
const TIME: Duration = Duration::from_secs(2);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    println!("| sessions | sync | event | messages/s | MB/s | commit median | commit p99 |");
    println!("|---|---|---|---|---|---|---|");
    for sessions in [1, 64, 1000] {
        for sync in [
            Sync::None,
            Sync::Interval(Duration::from_secs(1)),
            Sync::Always,
        ] {
            for size in [40, 32 << 10] {
                runtime.block_on(speed(sessions, sync, size));
            }
        }
    }
    println!();
    println!("| session | recorded | log | per byte | one gzip stream, level 1 | per byte |");
    println!("|---|---|---|---|---|---|");
    for kind in [Kind::Interactive, Kind::Text, Kind::Random] {
        runtime.block_on(size(kind));
    }
}

fn home() -> tempfile::TempDir {
    let parent = std::env::var_os("AUDITSSH_BENCH_DIR").unwrap_or(".".into());
    tempfile::tempdir_in(parent).unwrap()
}

fn archive(home: &Path, sync: Sync) -> Archive {
    Archive::open(Settings {
        sync,
        intercept: Intercept::ALL,
        ..Settings::new(home.join("audit"))
    })
    .unwrap()
}

fn output(data: Vec<u8>) -> Event {
    Event::Io(Io {
        stream: Stream::Stdout,
        data,
    })
}

/// Each session records one event after the other, as one that waits for its commits does.
async fn speed(sessions: usize, sync: Sync, size: usize) {
    let home = home();
    let archive = archive(home.path(), sync);
    let mut recorders = Vec::new();
    for _ in 0..sessions {
        recorders.push(archive.create().await.unwrap());
    }
    let data = Kind::Text.data(size);
    let begin = Instant::now();
    let tasks: Vec<_> = recorders
        .into_iter()
        .map(|recorder| {
            let data = data.clone();
            tokio::spawn(async move {
                let mut times = Vec::new();
                while begin.elapsed() < TIME {
                    let start = Instant::now();
                    recorder.append(output(data.clone())).await.unwrap();
                    times.push(start.elapsed());
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    let seconds = begin.elapsed().as_secs_f64();
    times.sort_unstable();
    let rate = times.len() as f64 / seconds;
    println!(
        "| {sessions} | {} | {size} B | {rate:.0} | {:.1} | {:.0} µs | {:.0} µs |",
        name(sync),
        rate * size as f64 / 1e6,
        share(&times, 50).as_secs_f64() * 1e6,
        share(&times, 99).as_secs_f64() * 1e6,
    );
    archive.shutdown(Duration::from_mins(1)).await;
}

fn name(sync: Sync) -> &'static str {
    match sync {
        Sync::None => "none",
        Sync::Interval(_) => "interval",
        Sync::Always => "always",
    }
}

fn share(sorted: &[Duration], percent: usize) -> Duration {
    let at = sorted.len() * percent / 100;
    sorted
        .get(at)
        .or(sorted.last())
        .copied()
        .unwrap_or_default()
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Key by key, each echoed.
    Interactive,
    /// What a program prints, in blocks of 32 KiB.
    Text,
    /// What does not shrink, in blocks of 32 KiB.
    Random,
}

impl Kind {
    fn data(self, size: usize) -> Vec<u8> {
        let mut random = rand::rngs::StdRng::seed_from_u64(7);
        if matches!(self, Self::Random) {
            let mut data = vec![0; size];
            random.fill(data.as_mut_slice());
            return data;
        }
        let mut text = Vec::new();
        while text.len() < size {
            let (number, code) = (
                random.random_range(0..100_000),
                random.random_range(200..504),
            );
            let line = format!(
                "10.0.{}.7 GET /item/{number} {code} {}\r\n",
                number % 256,
                number * 3
            );
            text.extend(line.into_bytes());
        }
        text.truncate(size);
        text
    }

    fn events(self) -> Vec<Event> {
        let piece = match self {
            Self::Interactive => 1,
            Self::Text | Self::Random => 32 << 10,
        };
        let total = if piece == 1 { 20_000 } else { 16 << 20 };
        self.data(total)
            .chunks(piece)
            .map(|data| output(data.to_vec()))
            .collect()
    }
}

async fn size(kind: Kind) {
    let home = home();
    let archive = archive(home.path(), Sync::None);
    let recorder = archive.create().await.unwrap();
    let (mut total, mut plain) = (0, Format::Audit.prologue().to_vec());
    for event in kind.events() {
        if let Event::Io(io) = &event {
            total += io.data.len();
        }
        let message = Message {
            connection_id: recorder.connection_id().into(),
            timestamp: 1_800_000_000_000_000_000 + i64::try_from(plain.len()).unwrap(),
            channel_id: Some(0),
            event: event.clone(),
            extra: Vec::new(),
            envelope_extra: Vec::new(),
        };
        codec::encode(&message, &mut plain);
        let entry = auditssh_archive::Entry::from(event).on(0);
        recorder.append(entry).await.unwrap();
    }
    let path = home.path().join("audit").join(recorder.connection_id());
    recorder.finish().await.unwrap();
    let log = std::fs::metadata(path).unwrap().len();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let gzip = gzip.finish().unwrap().len();
    println!(
        "| {} | {total} B | {log} B | {:.3} | {gzip} B | {:.3} |",
        format!("{kind:?}").to_lowercase(),
        log as f64 / total as f64,
        gzip as f64 / total as f64,
    );
    archive.shutdown(Duration::from_mins(1)).await;
}
