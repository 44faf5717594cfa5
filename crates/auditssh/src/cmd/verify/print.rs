//! A report as a line of text and as JSON.

use auditssh_archive::key::to_openssh;
use auditssh_archive::verify::{Checked, Demand, Report, Verdict};
use auditssh_log::codec::HEADER_LENGTH;
use auditssh_log::seal::Kind;
use auditssh_view::Visible;
use serde_json::Value;
use std::io::{self, Write};
use std::path::Path;

pub(super) fn text(out: &mut impl Write, log: &Checked, demand: &Demand) -> io::Result<()> {
    let path = printable(&log.path);
    let report = match &log.report {
        Ok(report) => report,
        Err(failure) => return writeln!(out, "unchecked  {path}  {}", failure.source),
    };
    write!(out, "{:<9}  {path}  ", report.verdict.word())?;
    match report.verdict {
        Verdict::Altered(damage) if damage.kind == Kind::Name => {
            return writeln!(out, "{}", damage.kind);
        }
        Verdict::Altered(damage) => write!(
            out,
            "member {} at byte {}: {}; before it, ",
            damage.member, damage.offset, damage.kind
        )?,
        Verdict::Cut => write!(out, "{}; before it, ", cut(report))?,
        _ => {}
    }
    write!(out, "{}", proven(report))?;
    if let Some(shortfall) = demand.shortfall(report) {
        write!(out, "; LESS THAN REQUIRED: {shortfall}")?;
    }
    if report.verdict == Verdict::Cut && log.tails {
        write!(
            out,
            "; `auditssh recover` completes it from its tails \
             (with --signing-key, if the server signs)"
        )?;
    }
    if !log.damaged.is_empty() {
        write!(
            out,
            "; SET ASIDE by its recovery, since nothing vouches for it: {} (see `auditssh salvage`)",
            log.damaged.join(", ")
        )?;
    }
    writeln!(out)
}

fn cut(report: &Report) -> String {
    let header = HEADER_LENGTH as u64;
    let holds = if report.bytes < header {
        0
    } else {
        report.proven.max(header)
    };
    match report.bytes - holds {
        0 if report.bytes == 0 => "it is empty or missing".into(),
        0 => format!(
            "it ends at byte {}, where a member should follow",
            report.bytes
        ),
        _ => format!(
            "it ends at byte {}, inside what begins at byte {}",
            report.bytes, holds
        ),
    }
}

fn proven(report: &Report) -> String {
    if report.verdict == Verdict::Foreign {
        return "no chain: nothing is proven".into();
    }
    let mut parts = vec![format!(
        "{} messages in {} bytes proven",
        report.messages, report.proven
    )];
    if let Some((first, last)) = report.range {
        parts.push(format!("from {} to {}", time(first), time(last)));
    }
    if report.recovered.happened {
        let recovered = report.recovered;
        parts.push(format!(
            "{} of them ({} bytes) by CRC only until they were recovered",
            recovered.messages, recovered.content
        ));
    }
    if report.gaps > 0 {
        parts.push("messages are missing (GAP)".into());
    }
    if let Some(key) = &report.signer {
        parts.push(format!("signed by {}", to_openssh(key)));
    }
    parts.join(", ")
}

pub(super) fn json(out: &mut impl Write, log: &Checked, demand: &Demand) -> io::Result<()> {
    let mut object = log.json();
    object.insert("path".into(), log.path.to_string_lossy().into());
    object.insert("exitCode".into(), log.exit_code(demand).into());
    if let Ok(report) = &log.report {
        let shortfall = demand.shortfall(report).map(|less| less.to_string());
        object.insert("shortfall".into(), shortfall.into());
    }
    writeln!(out, "{}", Value::Object(object))
}

fn time(nanoseconds: i64) -> String {
    jiff::Timestamp::from_nanosecond(nanoseconds.into())
        .map_or_else(|_| nanoseconds.to_string(), |time| time.to_string())
}

/// A path that cannot do anything to a terminal.
fn printable(path: &Path) -> Visible<'_> {
    Visible(path.as_os_str().as_encoded_bytes())
}
