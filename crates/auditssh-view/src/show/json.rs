//! The page for programs.

use super::channel::{Channel, Program};
use super::{Connection, Lines};
use crate::json::{text, time};
use crate::summary::{Exit, What};
use serde_json::{Value, json};

impl Connection {
    /// The page as a JSON value. Texts that are not UTF-8 have U+FFFD in them.
    pub fn json(&self) -> Value {
        let summary = &self.summary;
        let channels = self.channels.iter();
        let channels: Vec<Value> = channels.map(|(id, channel)| channel.json(*id)).collect();
        let transfers = |(files, bytes): (u64, u64)| json!({"files": files, "bytes": bytes});
        json!({
            "connectionId": text(&summary.connection_id),
            "address": summary.address.as_ref().map(text),
            "country": self.country.as_ref().map(text),
            "start": summary.start.map(time),
            "end": summary.end.map(time),
            "disconnected": summary.disconnected,
            "user": summary.user.as_ref().map(text),
            "authenticated": summary.authenticated,
            "failure": summary.failure.as_ref().map(text),
            "clientVersion": summary.client_version.as_ref().map(text),
            "serverVersion": self.server_version.as_ref().map(text),
            "handshake": self.handshake(),
            "messages": summary.messages,
            "bytesIn": summary.bytes_in,
            "bytesOut": summary.bytes_out,
            "channels": channels,
            "channelCount": self.channel_count.max(self.channels.len() as u64),
            "logins": self.logins.json(),
            "forwards": self.forwards.json(),
            "files": self.files.json(),
            "uploads": transfers(self.transfers.up),
            "downloads": transfers(self.transfers.down),
            "odd": self.odd.json(),
            "maskedBytes": self.masked,
        })
    }

    fn handshake(&self) -> Value {
        let Some(handshake) = &self.handshake else {
            return Value::Null;
        };
        let named = [
            ("authMethod", &handshake.auth_method),
            ("keyFingerprint", &handshake.key_fingerprint),
            ("kex", &handshake.kex),
            ("hostKey", &handshake.host_key),
            ("cipherClientToServer", &handshake.cipher_client_to_server),
            ("cipherServerToClient", &handshake.cipher_server_to_client),
            ("macClientToServer", &handshake.mac_client_to_server),
            ("macServerToClient", &handshake.mac_server_to_client),
            (
                "compressionClientToServer",
                &handshake.compression_client_to_server,
            ),
            (
                "compressionServerToClient",
                &handshake.compression_server_to_client,
            ),
        ];
        let named = named.into_iter();
        let mut object: serde_json::Map<String, Value> = named
            .filter_map(|(key, value)| Some((key.to_owned(), text(value.as_ref()?))))
            .collect();
        if let Some(certificate) = &handshake.certificate {
            let principals: Vec<Value> = certificate.principals.iter().map(text).collect();
            let certificate = json!({
                "serial": certificate.serial,
                "keyId": text(&certificate.key_id),
                "authority": text(&certificate.authority),
                "principals": principals,
            });
            object.insert("certificate".to_owned(), certificate);
        }
        Value::Object(object)
    }
}

impl Channel {
    fn json(&self, id: u64) -> Value {
        let programs: Vec<Value> = self.programs.iter().map(Program::json).collect();
        json!({
            "channel": id,
            "type": self.kind.as_ref().map(text),
            "purpose": self.purpose,
            "refused": self.refused,
            "start": time(self.begun),
            "end": self.ended.map(time),
            "programs": programs,
            "bytesIn": self.bytes_in,
            "bytesOut": self.bytes_out,
            "bytesErr": self.bytes_err,
            "resizes": self.resizes,
        })
    }
}

impl Program {
    fn json(&self) -> Value {
        let start = &self.start;
        let what = match &start.what {
            Some(What::Shell) => json!({"shell": true}),
            Some(What::Exec(command)) => json!({"exec": text(command)}),
            Some(What::Subsystem(name)) => json!({"subsystem": text(name)}),
            None => Value::Null,
        };
        let forced = start.forced.as_ref();
        let forced =
            forced.map(|forced| json!({"command": text(&forced.command), "by": text(&forced.by)}));
        let terminal = start.terminal.as_ref().map(|terminal| {
            let size = terminal.size;
            json!({"term": text(&terminal.term), "columns": size.columns, "rows": size.rows})
        });
        let exit = match &self.exit {
            Some(Exit::Status(status)) => json!({"status": status}),
            Some(Exit::Signal(signal)) => json!({"signal": text(signal)}),
            None => Value::Null,
        };
        json!({
            "ran": what,
            "forced": forced,
            "terminal": terminal,
            "start": time(start.time),
            "nanoseconds": self.lasted,
            "exit": exit,
        })
    }
}

impl Lines {
    fn json(&self) -> Value {
        let lines = self.kept.iter();
        let lines: Vec<Value> = lines
            .map(
                |line| json!({"time": time(line.time), "channel": line.channel, "what": line.what}),
            )
            .collect();
        json!({"lines": lines, "more": self.more})
    }
}
