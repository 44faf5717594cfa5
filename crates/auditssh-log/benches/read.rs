//! How fast logs are verified and decoded on one core: `cargo bench -p auditssh-log --bench read`.
//!
//! Verifying is counted in bytes of the file, which it hashes and does not inflate; decoding in
//! bytes of the messages, too.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]

use auditssh_log::Message;
use auditssh_log::codec::{Decoder, Format, encode};
use auditssh_log::message::{Event, Io, Stream};
use auditssh_log::seal::{Chain, Chunk, Deflate, End, Ending, Flags, Members, Step};
use std::hint::black_box;
use std::time::Duration;

const CONTENT: usize = 64 << 20;
const CHUNK: usize = 256 << 10;
const LEAST: Duration = Duration::from_secs(1);

fn main() {
    println!("log          file MB  content MB  verify MB/s  decode MB/s  decode messages/s");
    for (name, data) in [
        ("interactive", &interactive as &dyn Fn(u64) -> Vec<u8>),
        ("text", &text),
        ("random", &random),
    ] {
        let (log, content, messages) = log(data);
        let verify = rate(|| assert_eq!(walk(&log), End::Final));
        let decode = rate(|| assert_eq!(Decoder::new(&log[..]).flatten().count(), messages));
        let megabytes = |bytes: usize| f64::from(u32::try_from(bytes).unwrap()) / 1e6;
        println!(
            "{name:<11} {:>8.1} {:>11.1} {:>12.0} {:>12.0} {:>18.0}",
            megabytes(log.len()),
            megabytes(content),
            megabytes(log.len()) * verify,
            megabytes(content) * decode,
            megabytes(messages) * 1e6 * decode,
        );
    }
}

/// How often a second of one core's time this can be done, whatever else the machine does.
fn rate(mut work: impl FnMut()) -> f64 {
    let start = spent();
    let mut times = 0_u32;
    while spent().saturating_sub(start) < LEAST {
        work();
        times += 1;
    }
    f64::from(times) / spent().saturating_sub(start).as_secs_f64()
}

/// The time that this thread has run so far (proc(5), schedstat).
fn spent() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanoseconds = text.split(' ').next().unwrap().parse().unwrap();
    Duration::from_nanos(nanoseconds)
}

fn walk(log: &[u8]) -> End {
    let mut members = Members::open(log).unwrap();
    loop {
        match members.step().unwrap() {
            Step::Member(member) => drop(black_box(member)),
            Step::End(end) => return end,
        }
    }
}

/// A log of output, its content's length and how many messages it holds.
fn log(data: &dyn Fn(u64) -> Vec<u8>) -> (Vec<u8>, usize, usize) {
    let header = Format::Audit.header();
    let mut log = header.to_vec();
    let mut chain = Chain::new(&header);
    let mut deflate = Deflate::new();
    let (mut content, mut total, mut messages) = (vec![0x9f], 0, 0);
    let mut count = 0;
    while total < CONTENT {
        encode(&output(messages, data(messages)), &mut content);
        messages += 1;
        count += 1;
        if content.len() >= CHUNK {
            let chunk = Chunk {
                count,
                ..Chunk::default()
            };
            log.extend(chain.seal(&content, &chunk, &mut deflate).unwrap());
            total += content.len();
            content.clear();
            count = 0;
        }
    }
    log.extend(chain.finish(Ending::Array, Flags::NONE, None).unwrap());
    (log, total, usize::try_from(messages).unwrap())
}

fn output(number: u64, data: Vec<u8>) -> Message {
    Message {
        connection_id: "00112233445566778899aabbccddeeff".into(),
        timestamp: i64::try_from(number).unwrap() * 1_000_000,
        channel_id: Some(0),
        event: Event::Io(Io {
            stream: Stream::Stdout,
            data,
        }),
        extra: Vec::new(),
        envelope_extra: Vec::new(),
    }
}

fn interactive(number: u64) -> Vec<u8> {
    format!("{number}").into_bytes()
}

fn text(number: u64) -> Vec<u8> {
    (0..100)
        .flat_map(|line| format!("-rw-r--r-- 1 demo demo {number} file{line}\r\n").into_bytes())
        .collect()
}

fn random(number: u64) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .take(4096)
    .flatten()
    .collect()
}
