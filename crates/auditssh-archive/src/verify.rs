//! Whether logs are whole and unaltered.
//!
//! [`verify`] reads one log to its end and reports how far it holds ([`Report`]), [`verify_as`] also
//! whether it is the log of the connection that its name says; [`check`] does so for everything
//! under a path, with what stands beside a log and who writes it. What is asked of a log beyond that
//! is a [`Demand`].

mod demand;
mod files;
mod json;
mod owner;
#[cfg(test)]
mod tests;

pub use demand::{Demand, Level, Shortfall};
pub use files::{Checked, Failure, check, check_listed, check_log, is_written, logs};

use auditssh_log::codec::{Format, HEADER_LENGTH};
use auditssh_log::seal::{Damage, End, Flags, Kind, Member, Members, Seal, Step};
use owner::Start;
use std::io::{self, Read};

/// What is to be said of a log as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every byte belongs to the header or to a member that holds; the last is final, nothing
    /// follows.
    Intact,
    /// As intact, but completed after a crash.
    Recovered,
    /// What is there holds, it has no end, and a live server is writing it.
    Open,
    /// ContainerSSH's own: no chain, nothing to be proven.
    Foreign,
    /// What is there holds, it has no end, and no one is writing it.
    Cut,
    /// It is not as it was written.
    Altered(Damage),
}

impl Verdict {
    /// The verdict as one word, for programs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Intact => "intact",
            Self::Recovered => "recovered",
            Self::Open => "open",
            Self::Foreign => "foreign",
            Self::Cut => "cut",
            Self::Altered(_) => "altered",
        }
    }
}

/// What is known of a log after reading it. Whatever is counted here is proven: it stands in
/// members that hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The verdict.
    pub verdict: Verdict,
    /// The format, if the header names one.
    pub format: Option<Format>,
    /// Bytes of the file that were read.
    pub bytes: u64,
    /// Bytes of the file that are proven, from its beginning.
    pub proven: u64,
    /// Members that hold.
    pub members: u32,
    /// Messages in them.
    pub messages: u64,
    /// Bytes of their content, inflated.
    pub content: u64,
    /// Wall clock of the first and the last message: Unix time in nanoseconds.
    pub range: Option<(i64, i64)>,
    /// What of this only a CRC-32C protected until a recovery sealed it.
    pub recovered: Recovered,
    /// Members that say that messages are missing in or before them.
    pub gaps: u32,
    /// Ed25519 public key that the final member is signed with; the signature holds.
    pub signer: Option<[u8; 32]>,
}

/// What a recovery sealed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Whether there was one.
    pub happened: bool,
    /// Messages that it sealed.
    pub messages: u64,
    /// Bytes of their content, inflated.
    pub content: u64,
}

/// Reads a log to its end. Nothing is known of who writes it, so one without an end is
/// [`Verdict::Cut`].
pub fn verify(input: impl Read) -> io::Result<Report> {
    let mut members = Members::open(input)?;
    let mut report = Report::new(Format::from_header(members.header()).ok());
    let end = loop {
        match members.step()? {
            Step::Member(member) => report.add(&member),
            Step::End(end) => break end,
        }
    };
    report.bytes = members.read();
    // The header is proven by the first member, whose chain begins with it.
    if report.members > 0 {
        report.proven = members.proven();
    }
    report.verdict = match end {
        End::Final if report.recovered.happened => Verdict::Recovered,
        End::Final => Verdict::Intact,
        End::Prefix { .. } => Verdict::Cut,
        End::Foreign => {
            report.proven = 0;
            Verdict::Foreign
        }
        End::Altered(damage) => Verdict::Altered(damage),
    };
    Ok(report)
}

/// The same of a log that is kept under the id of a connection: it must be that one's log.
pub fn verify_as(input: impl Read, id: &str) -> io::Result<Report> {
    let mut start = Start::of(input);
    let mut report = verify(&mut start)?;
    if report.holds() && start.owner().is_some_and(|owner| owner != *id) {
        let damage = Damage {
            member: 0,
            offset: HEADER_LENGTH as u64,
            kind: Kind::Name,
        };
        report = Report {
            verdict: Verdict::Altered(damage),
            bytes: report.bytes,
            proven: damage.offset,
            ..Report::new(report.format)
        };
    }
    Ok(report)
}

impl Report {
    /// Whether all that is there is as it was written.
    fn holds(&self) -> bool {
        !matches!(self.verdict, Verdict::Altered(_) | Verdict::Foreign)
    }

    fn new(format: Option<Format>) -> Self {
        Self {
            verdict: Verdict::Cut,
            format,
            bytes: 0,
            proven: 0,
            members: 0,
            messages: 0,
            content: 0,
            range: None,
            recovered: Recovered::default(),
            gaps: 0,
            signer: None,
        }
    }

    fn add(&mut self, member: &Member) {
        let Seal {
            flags,
            count,
            content,
            span,
            signed,
            ..
        } = &member.seal;
        self.members += 1;
        self.messages += u64::from(*count);
        self.content += u64::from(*content);
        if *count > 0 {
            let first = self.range.map_or(span.first_wall, |(first, _)| first);
            self.range = Some((first, span.last_wall));
        }
        if flags.contains(Flags::RECOVERED) {
            self.recovered.happened = true;
            self.recovered.messages += u64::from(*count);
            if *count > 0 {
                self.recovered.content += u64::from(*content);
            }
        }
        self.gaps += u32::from(flags.contains(Flags::GAP));
        self.signer = signed.map(|signed| signed.key);
    }

    /// 0 intact; 1 open, recovered or foreign; 2 cut or altered, or less than is demanded.
    pub fn exit_code(&self, demand: &Demand) -> u8 {
        match self.verdict {
            Verdict::Cut | Verdict::Altered(_) => 2,
            _ if demand.shortfall(self).is_some() => 2,
            Verdict::Open | Verdict::Recovered | Verdict::Foreign => 1,
            Verdict::Intact => 0,
        }
    }
}
