//! What was found of a log as JSON, for programs.

use super::{Checked, Report, Verdict};
use crate::key::to_openssh;
use auditssh_log::codec::Format;
use serde_json::{Map, Value, json};

impl Checked {
    /// The verdict, what is proven, and what stands beside the log; of one that could not be checked,
    /// why. Sizes are bytes, times RFC 3339 in UTC.
    pub fn json(&self) -> Map<String, Value> {
        let object = match &self.report {
            Ok(report) => found(self, report),
            Err(failure) => json!({
                "verdict": "unchecked",
                "error": failure.source.to_string(),
            }),
        };
        match object {
            Value::Object(object) => object,
            _ => Map::new(),
        }
    }
}

fn found(log: &Checked, report: &Report) -> Value {
    let damage = match report.verdict {
        Verdict::Altered(damage) => json!({
            "member": damage.member,
            "offset": damage.offset,
            "kind": damage.kind.word(),
            "text": damage.kind.to_string(),
        }),
        _ => Value::Null,
    };
    json!({
        "verdict": report.verdict.word(),
        "formatVersion": report.format.map(Format::version),
        "bytes": report.bytes,
        "tails": log.tails,
        "setAside": log.damaged,
        "proven": {
            "bytes": report.proven,
            "members": report.members,
            "messages": report.messages,
            "contentBytes": report.content,
            "from": report.range.map(|(first, _)| time(first)),
            "to": report.range.map(|(_, last)| time(last)),
        },
        "recovered": report.recovered.happened.then(|| json!({
            "messages": report.recovered.messages,
            "contentBytes": report.recovered.content,
        })),
        "gaps": report.gaps,
        "signer": report.signer.as_ref().map(to_openssh),
        "damage": damage,
    })
}

/// A time in UTC (RFC 3339), or the number if it is none.
fn time(nanoseconds: i64) -> String {
    jiff::Timestamp::from_nanosecond(nanoseconds.into())
        .map_or_else(|_| nanoseconds.to_string(), |time| time.to_string())
}
