//! Formats of a whole log.

use super::Args;
use super::gzip::Gzip;
use super::output::Target;
use crate::cmd::log::Which;
use auditssh_log::Message;
use auditssh_log::codec::json::{self, Style};
use auditssh_log::codec::{Format, encode};
use std::io::Write as _;

/// Writes JSON lines.
pub(super) fn json(args: &Args, log: &Which, target: &Target) -> anyhow::Result<u8> {
    let mut out = target.open()?;
    let read = log.opened(args.follow)?.read(|message| {
        if is_wanted(args, message) {
            json::write(message, Style::FULL, &mut out)?;
            out.write_all(b"\n")?;
            if args.follow {
                out.flush()?;
            }
        }
        Ok(())
    })?;
    if let Some(error) = &read.error {
        json::error(error, &mut out)?;
        out.write_all(b"\n")?;
    }
    out.finish()?;
    read.tell()?;
    Ok(read.code)
}

/// Writes a log as a stock server does: one gzip stream that has no end.
pub(super) fn binary(
    args: &Args,
    log: &Which,
    target: &Target,
    format: Format,
) -> anyhow::Result<u8> {
    let mut out = target.open()?;
    out.write_all(&format.header())?;
    let mut gzip = Gzip::new(out)?;
    gzip.write_all(format.prologue())?;
    let mut bytes = Vec::new();
    let read = log.opened(args.follow)?.read(|message| {
        if is_wanted(args, message) {
            bytes.clear();
            encode(message, &mut bytes);
            gzip.write_all(&bytes)?;
        }
        Ok(())
    })?;
    // What has no end gets none: a reader is to see that there was more.
    if read.closed {
        gzip.write_all(format.epilogue())?;
    }
    gzip.leave()?.finish()?;
    read.tell()?;
    Ok(read.code)
}

/// Whether a message is of a channel that is wanted, or of no channel.
fn is_wanted(args: &Args, message: &Message) -> bool {
    let channels = &args.channel;
    channels.is_empty() || message.channel_id.is_none_or(|id| channels.contains(&id))
}
