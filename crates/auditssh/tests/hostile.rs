//! Hostile logs: whatever is read, by whichever command, takes at most 64 MiB of memory and 2 s of
//! processor time for each MB begun. Memory is what the kernel counted for the programs that ran.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use auditssh_log::codec::{Format, encode};
use auditssh_log::message::{AuthPassword, Event, Exec, Io, Message, NewChannel};
use auditssh_log::seal::{Chain, Chunk, Deflate, Ending, Flags};
use auditssh_log::tail;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

const ID: &str = "00112233445566778899aabbccddeeff";
const GZIP: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
const MIB: usize = 1 << 20;
/// A little less than the longest message.
const LONGEST: usize = 16 * MIB - 400;

const MEMORY_KIB: i64 = 64 << 10;
/// An unoptimised build takes so much longer.
const SLOWER: i64 = if cfg!(debug_assertions) { 4 } else { 1 };

/// A directory with one log in it.
struct Place {
    directory: tempfile::TempDir,
    log: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join(ID);
        Self { directory, log }
    }

    /// A gzip stream that never ends, as ContainerSSH leaves it, with what `fill` writes.
    fn stream(fill: impl FnOnce(&mut dyn Write)) -> Self {
        let place = Self::new();
        let mut out = BufWriter::new(File::create(&place.log).unwrap());
        out.write_all(&Format::Binary.header()).unwrap();
        out.write_all(&GZIP).unwrap();
        let mut deflate = DeflateEncoder::new(out, Compression::best());
        fill(&mut deflate);
        deflate.flush().unwrap();
        // It would end the stream.
        std::mem::forget(deflate);
        place
    }

    /// The same of so many times the same bytes.
    fn repeated(bytes: &[u8], count: usize) -> Self {
        Self::stream(|out| (0..count).for_each(|_| out.write_all(bytes).unwrap()))
    }

    /// The bytes as they are.
    fn plain(parts: &[&[u8]], last: &[u8], count: usize) -> Self {
        let place = Self::new();
        let mut file = BufWriter::new(File::create(&place.log).unwrap());
        for part in parts {
            file.write_all(part).unwrap();
        }
        for _ in 0..count {
            file.write_all(last).unwrap();
        }
        file.flush().unwrap();
        place
    }

    /// Our own members with these contents and counts of messages.
    fn sealed(members: impl Iterator<Item = (Vec<u8>, u32)>, finish: bool) -> Self {
        let place = Self::new();
        let mut file = BufWriter::new(File::create(&place.log).unwrap());
        let mut chain = Chain::new(&Format::Audit.header());
        file.write_all(&Format::Audit.header()).unwrap();
        let mut deflate = Deflate::new();
        for (mut content, count) in members {
            if chain.number() == 0 {
                content.insert(0, 0x9f);
            }
            let chunk = Chunk {
                count,
                ..Chunk::default()
            };
            let member = chain.seal(&content, &chunk, &mut deflate).unwrap();
            file.write_all(&member).unwrap();
        }
        if finish {
            let last = chain.finish(Ending::Array, Flags::NONE, None).unwrap();
            file.write_all(&last).unwrap();
        }
        file.flush().unwrap();
        place
    }

    /// A tail beside it, with so many frames of chunk 0 that hold `message`.
    fn with_tail(self, index: u32, first: u64, count: u64, message: &[u8]) -> Self {
        let name = format!(".{ID}.tail{index}");
        let mut file = BufWriter::new(File::create(self.log.with_file_name(name)).unwrap());
        let header = tail::Header {
            id: ID.as_bytes().try_into().unwrap(),
            version: 1,
            nonce: [1; 8],
        };
        file.write_all(&header.encode()).unwrap();
        let mut frame = Vec::with_capacity(message.len() + tail::FRAME);
        for number in first..first + count {
            frame.clear();
            tail::open(&mut frame, tail::Stamp::default(), false, |out| {
                out.extend_from_slice(message);
            });
            tail::place(&mut frame, header.seed(), index, number).unwrap();
            file.write_all(&frame).unwrap();
        }
        file.flush().unwrap();
        self
    }

    fn bytes(&self) -> u64 {
        let entries = std::fs::read_dir(self.directory.path()).unwrap();
        entries
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .sum()
    }

    /// Runs each command in its other ways.
    fn is_read_in_other_ways(&self, what: &str) {
        let log = self.log.to_str().unwrap();
        let directory = self.directory.path().to_str().unwrap();
        let auditssh = env!("CARGO_BIN_EXE_auditssh");
        let size = self.bytes();
        for arguments in [
            &["decode", "--text", "--raw", log][..],
            &["decode", "--since", "1s", "--type", "exec", log],
            &["list", "--json", directory],
            &["show", log],
            &["files", log],
            &["convert", "--to", "asciicast-v2", log],
            &["convert", "--to", "html", log],
            &["verify", "--json", directory],
            &["search", "-E", ".", directory],
            &["search", "", log],
            &["index", "--force", directory],
            &["search", "-E", "x", directory],
        ] {
            within_bounds(what, size, auditssh, arguments, None);
        }
        for arguments in [&["decode", "-"], &["verify", "-"]] {
            within_bounds(what, size, auditssh, arguments, Some(&self.log));
        }
    }

    /// Runs every command that reads logs.
    fn is_read_within_bounds(&self, what: &str) {
        let log = self.log.to_str().unwrap();
        let directory = self.directory.path().to_str().unwrap();
        let auditssh = env!("CARGO_BIN_EXE_auditssh");
        let size = self.bytes();
        for arguments in [
            &["decode", log][..],
            &["decode", "--text", log],
            &["list", directory],
            &["verify", directory],
            &["salvage", log],
            &["search", "-E", ".", log],
            &["index", "--force", directory],
        ] {
            within_bounds(what, size, auditssh, arguments, None);
        }
        let decoder = env!("CARGO_BIN_EXE_containerssh-auditlog-decoder");
        within_bounds(what, size, decoder, &["-file", log], None);
        // It changes what it finds, so it comes last but for a look at what it made.
        within_bounds(what, size, auditssh, &["recover", directory], None);
        within_bounds(what, size, auditssh, &["decode", "--follow", log], None);
    }
}

fn within_bounds(what: &str, size: u64, program: &str, arguments: &[&str], input: Option<&Path>) {
    let input = input.map_or_else(Stdio::null, |path| File::open(path).unwrap().into());
    let line = [&[program], arguments].concat().join("\n");
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "launcher"])
        .env(LAUNCH, line)
        .stdin(input)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {arguments:?}: {said}");
    assert!(!said.contains("panicked"), "{what}: {arguments:?}: {said}");
    assert!(said.len() < 4096, "{what}: {arguments:?}: says too much");
    let told = String::from_utf8_lossy(&output.stdout);
    let (_, figures) = told.split_once("used ").unwrap();
    let mut figures = figures.split_whitespace().map(str::parse::<i64>);
    let (took, memory) = (
        figures.next().unwrap().unwrap(),
        figures.next().unwrap().unwrap(),
    );
    let allowed = 2000 * SLOWER * i64::try_from(size / 1_000_000 + 1).unwrap();
    assert!(
        took <= allowed,
        "{what}: {arguments:?} took {took} ms for {size} bytes"
    );
    assert!(
        memory <= MEMORY_KIB,
        "{what}: {arguments:?} took {memory} KiB"
    );
}

/// What the launcher is to run, an argument a line.
const LAUNCH: &str = "AUDITSSH_TEST_LAUNCH";

/// Runs a program from a process that is small itself: what a program takes, as the kernel counts,
/// includes what the process took that began it.
#[test]
#[ignore = "run by the other tests"]
fn launcher() {
    let line = std::env::var(LAUNCH).unwrap();
    let mut words = line.split('\n');
    let status = Command::new(words.next().unwrap())
        .args(words)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.code().is_some(), "{status}");
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let time = used.user_time() + used.system_time();
    println!("used {} {}", time.num_milliseconds(), used.max_rss());
}

fn encoded(channel: u64, event: Event) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&Message::new(ID, 1, Some(channel), event), &mut bytes);
    bytes
}

fn io(data: Vec<u8>) -> Vec<u8> {
    let stream = 1.into();
    encoded(0, Event::Io(Io { stream, data }))
}

fn exec(channel: u64, program: &[u8]) -> Vec<u8> {
    let request_id = 0;
    let program = program.into();
    encoded(
        channel,
        Event::Exec(Exec {
            request_id,
            program,
        }),
    )
}

/// One of the longest messages, made without need of more memory than it takes.
fn longest(noisy: bool) -> Vec<u8> {
    let short = io(vec![0xab; 24]);
    let at = short.windows(24).position(|bytes| bytes == [0xab; 24]);
    let (before, after) = short.split_at(at.unwrap());
    let mut message = Vec::with_capacity(LONGEST + short.len() + 8);
    message.extend(&before[..before.len() - 2]);
    message.push(0x5a);
    message.extend(u32::try_from(LONGEST).unwrap().to_be_bytes());
    if noisy {
        noise(LONGEST, &mut message);
    } else {
        message.resize(message.len() + LONGEST, 1);
    }
    message.extend(&after[24..]);
    message
}

/// Bytes that do not shrink, always the same.
fn noise(length: usize, to: &mut Vec<u8>) {
    let mut state = 1u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    };
    to.extend((0..length).map(|_| next()));
}

/// One at a time, for the time that they take.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn what_expands() {
    let _alone = ALONE.lock();
    Place::repeated(&io(vec![0; 4 * MIB]), 30).is_read_within_bounds("zeros");
    Place::repeated(&[0xf6; 4096], 25_000).is_read_within_bounds("empty messages");
    Place::repeated(&io(vec![b'\n'; MIB]), 16).is_read_within_bounds("empty lines");
    let empty = || (vec![0xf6; 10 * MIB], 10 << 20);
    Place::sealed((0..3).map(|_| empty()), true).is_read_within_bounds("sealed empty messages");
}

#[test]
fn nesting_and_lengths_that_are_only_declared() {
    let _alone = ALONE.lock();
    Place::repeated(&[0x81; 4096], 2000).is_read_within_bounds("nested arrays");
    Place::repeated(&[0xc1; 4096], 2000).is_read_within_bounds("nested tags");
    Place::repeated(&[0x7f; 4096], 2000).is_read_within_bounds("nested strings");
    let declared = |length: u32| [&b"\xa5\x6cconnectionId\x7a"[..], &length.to_be_bytes()].concat();
    Place::repeated(&declared(u32::MAX), 1).is_read_within_bounds("a declared text");
    Place::repeated(&declared(16 << 20), 1).is_read_within_bounds("a declared text that fits");
    Place::repeated(&[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 1)
        .is_read_within_bounds("a declared map");
}

#[test]
fn the_longest_messages() {
    let _alone = ALONE.lock();
    let long = Place::repeated(&longest(true), 3);
    long.is_read_in_other_ways("long messages");
    long.is_read_within_bounds("long messages");
    let text = |byte| {
        Place::stream(|out| {
            for _ in 0..2 {
                out.write_all(b"\xa1\x67payload\xa1\x67program\x7a")
                    .unwrap();
                out.write_all(&u32::try_from(LONGEST).unwrap().to_be_bytes())
                    .unwrap();
                for _ in 0..LONGEST / 8 {
                    out.write_all(&[byte; 8]).unwrap();
                }
            }
        })
    };
    text(b'x').is_read_within_bounds("long text");
    text(0xff).is_read_within_bounds("long text that is none");
    let sealed = || [true, false].into_iter().map(|noisy| (longest(noisy), 1));
    Place::sealed(sealed(), true).is_read_within_bounds("long sealed messages");
    Place::sealed(sealed(), false).is_read_within_bounds("a cut log of long messages");
}

#[test]
fn a_great_many_of_something() {
    let _alone = ALONE.lock();
    let channel = |n: u64| {
        let channel_type = "session".into();
        let opened = Event::NewChannelSuccessful(NewChannel { channel_type });
        [
            encoded(n, opened),
            exec(n, b"x"),
            encoded(
                n,
                Event::Io(Io {
                    stream: 1.into(),
                    data: vec![b'x'],
                }),
            ),
        ]
        .concat()
    };
    Place::stream(|out| (0..30_000).for_each(|n| out.write_all(&channel(n)).unwrap()))
        .is_read_within_bounds("channels");
    Place::stream(|out| {
        (0..1000).for_each(|n| out.write_all(&exec(n, &vec![b'p'; 20_000])).unwrap());
    })
    .is_read_within_bounds("programs that do not end");
    let username = "u".repeat(4 * MIB).into();
    let password = AuthPassword {
        username,
        password: None,
    };
    Place::repeated(&encoded(0, Event::AuthPassword(password)), 30)
        .is_read_within_bounds("long names");
}

#[test]
fn a_great_many_members_and_what_looks_like_some() {
    let _alone = ALONE.lock();
    let nothing = [&GZIP[..], &[3, 0], &[0; 8]].concat();
    Place::plain(&[&Format::Binary.header()], &nothing, 200_000)
        .is_read_within_bounds("empty members");
    Place::sealed((0..10_000).map(|_| (Vec::new(), 0)), true)
        .is_read_within_bounds("empty sealed members");
    Place::plain(
        &[&Format::Audit.header()],
        &[0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff],
        300_000,
    )
    .is_read_within_bounds("beginnings of members");
    let claims = Place::sealed(std::iter::once((exec(0, b"x"), 1)), false);
    let mut seal = std::fs::read(&claims.log).unwrap()[40..180].to_vec();
    seal[24..28].copy_from_slice(&3_000_000u32.to_le_bytes());
    Place::plain(&[&Format::Audit.header()], &seal, 20_000)
        .is_read_within_bounds("members in members");
}

#[test]
fn tails() {
    let _alone = ALONE.lock();
    let open = || Place::plain(&[&Format::Audit.header()], b"", 0);
    let message = longest(true);
    open()
        .with_tail(0, 0, 3, &message)
        .with_tail(1, 1, 3, &message)
        .is_read_within_bounds("long frames");
    drop(message);
    open()
        .with_tail(0, 0, 100_000, &exec(0, b"x"))
        .is_read_within_bounds("many frames");
    open()
        .with_tail(0, 0, 300_000, &[0xf6])
        .is_read_within_bounds("many small frames");
    let frames = [0, 0, 16, 0].repeat(MIB);
    open()
        .with_tail(0, 0, 1, &frames)
        .is_read_within_bounds("what looks like frames");
}
