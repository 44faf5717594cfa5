//! Telling a client why it is not let in, before anything is negotiated.

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long a refused client may take to read why.
const TIME: Duration = Duration::from_secs(1);
/// Bytes of a refused client that are read, so that closing the socket does not reset it before
/// the client has read why.
const DRAIN: u64 = 64 * 1024;
/// The message (RFC 4253, 11.1).
const DISCONNECT: u8 = 1;
/// Too many connections (RFC 4253, 11.1).
pub(super) const TOO_MANY: u32 = 12;
/// Service not available (RFC 4253, 11.1).
pub(super) const UNAVAILABLE: u32 = 7;

/// A version string and, as is allowed before the key exchange, a disconnect in clear.
pub(super) fn message(version: &str, reason: u32, text: &str) -> Vec<u8> {
    let mut payload = vec![DISCONNECT];
    payload.extend(reason.to_be_bytes());
    for text in [text, ""] {
        payload.extend(u32::try_from(text.len()).unwrap_or(0).to_be_bytes());
        payload.extend(text.as_bytes());
    }
    // Length, length of padding, payload and at least four bytes of padding fill blocks of eight.
    let padding = 4 + (8 - (payload.len() + 9) % 8) % 8;
    let length = 1 + payload.len() + padding;
    let mut bytes = format!("{version}\r\n").into_bytes();
    bytes.extend(u32::try_from(length).unwrap_or(0).to_be_bytes());
    bytes.push(u8::try_from(padding).unwrap_or(0));
    bytes.extend(payload);
    bytes.resize(bytes.len() + padding, 0);
    bytes
}

/// Sends it, hangs up, and listens for a moment.
pub(super) async fn send(mut tcp: TcpStream, message: &[u8]) {
    let telling = async {
        tcp.write_all(message).await?;
        tcp.shutdown().await?;
        tokio::io::copy(&mut (&mut tcp).take(DRAIN), &mut tokio::io::sink()).await
    };
    // Whether it arrives is the client's affair.
    let _ = tokio::time::timeout(TIME, telling).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_fill_blocks() {
        for length in 0..40 {
            let text = "x".repeat(length);
            let bytes = message("SSH-2.0-T", TOO_MANY, &text);
            let packet = bytes.strip_prefix(b"SSH-2.0-T\r\n").unwrap();
            let (size, rest) = packet.split_first_chunk::<4>().unwrap();
            assert_eq!(u32::from_be_bytes(*size) as usize, rest.len());
            assert_eq!(packet.len() % 8, 0);
            assert!(rest[0] >= 4 && usize::from(rest[0]) == rest.len() - 1 - 13 - length);
        }
    }
}
