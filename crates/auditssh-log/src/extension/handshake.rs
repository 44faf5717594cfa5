use super::{array, find, text, texts};
use crate::message::{Extra, Text, Value};

/// Further keys of 199 (handshake successful). What is `None` or empty is not written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handshake {
    /// Identification string of the client.
    pub client_version: Option<Text>,
    /// Identification string of the server.
    pub server_version: Option<Text>,
    /// Key exchange method.
    pub kex: Option<Text>,
    /// Host key algorithm.
    pub host_key: Option<Text>,
    /// Cipher for what the client sends.
    pub cipher_client_to_server: Option<Text>,
    /// Cipher for what the server sends.
    pub cipher_server_to_client: Option<Text>,
    /// MAC for what the client sends; none where the cipher brings its own.
    pub mac_client_to_server: Option<Text>,
    /// MAC for what the server sends; none where the cipher brings its own.
    pub mac_server_to_client: Option<Text>,
    /// Compression of what the client sends.
    pub compression_client_to_server: Option<Text>,
    /// Compression of what the server sends.
    pub compression_server_to_client: Option<Text>,
    /// The name that was proven, never one that was only offered.
    pub authenticated_username: Option<Text>,
    /// Method by which it was proven (RFC 4250, 4.8).
    pub auth_method: Option<Text>,
    /// `SHA256:…` of the key that was proven.
    pub key_fingerprint: Option<Text>,
    /// The certificate that was proven.
    pub certificate: Option<Certificate>,
}

/// An OpenSSH user certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// Serial number given by the authority.
    pub serial: u64,
    /// Identity given by the authority.
    pub key_id: Text,
    /// `SHA256:…` of the authority's key.
    pub authority: Text,
    /// Names that it is valid for.
    pub principals: Vec<Text>,
}

/// Further keys of 198 (handshake failed).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailedHandshake {
    /// Identification string of the client.
    pub client_version: Option<Text>,
    /// Identification string of the server.
    pub server_version: Option<Text>,
    /// What the client offered.
    pub client_offer: Option<Offer>,
    /// What the server offered.
    pub server_offer: Option<Offer>,
}

/// The name-lists of a KEXINIT message (RFC 4253, 7.1), each in order of preference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// Key exchange methods (and markers such as `ext-info-c`).
    pub kex: Vec<Text>,
    /// Host key algorithms.
    pub host_key: Vec<Text>,
    /// Ciphers, client to server.
    pub cipher_client_to_server: Vec<Text>,
    /// Ciphers, server to client.
    pub cipher_server_to_client: Vec<Text>,
    /// MACs, client to server.
    pub mac_client_to_server: Vec<Text>,
    /// MACs, server to client.
    pub mac_server_to_client: Vec<Text>,
    /// Compression, client to server.
    pub compression_client_to_server: Vec<Text>,
    /// Compression, server to client.
    pub compression_server_to_client: Vec<Text>,
    /// Languages, client to server.
    pub language_client_to_server: Vec<Text>,
    /// Languages, server to client.
    pub language_server_to_client: Vec<Text>,
}

impl Handshake {
    /// As keys of a payload.
    pub fn to_extra(&self) -> Extra {
        let mut extra = Extra::new();
        for (key, value) in self.texts() {
            if let Some(value) = value {
                extra.push((key.into(), Value::Text(value.clone())));
            }
        }
        if let Some(certificate) = &self.certificate {
            certificate.write(&mut extra);
        }
        extra
    }

    /// Reads the keys of a payload; what is missing stays `None`.
    pub fn from_extra(extra: &Extra) -> Self {
        Self {
            client_version: text(extra, "clientVersion"),
            server_version: text(extra, "serverVersion"),
            kex: text(extra, "kex"),
            host_key: text(extra, "hostKey"),
            cipher_client_to_server: text(extra, "cipherClientToServer"),
            cipher_server_to_client: text(extra, "cipherServerToClient"),
            mac_client_to_server: text(extra, "macClientToServer"),
            mac_server_to_client: text(extra, "macServerToClient"),
            compression_client_to_server: text(extra, "compressionClientToServer"),
            compression_server_to_client: text(extra, "compressionServerToClient"),
            authenticated_username: text(extra, "authenticatedUsername"),
            auth_method: text(extra, "authMethod"),
            key_fingerprint: text(extra, "keyFingerprint"),
            certificate: Certificate::read(extra),
        }
    }

    fn texts(&self) -> [(&'static str, &Option<Text>); 13] {
        [
            ("clientVersion", &self.client_version),
            ("serverVersion", &self.server_version),
            ("kex", &self.kex),
            ("hostKey", &self.host_key),
            ("cipherClientToServer", &self.cipher_client_to_server),
            ("cipherServerToClient", &self.cipher_server_to_client),
            ("macClientToServer", &self.mac_client_to_server),
            ("macServerToClient", &self.mac_server_to_client),
            (
                "compressionClientToServer",
                &self.compression_client_to_server,
            ),
            (
                "compressionServerToClient",
                &self.compression_server_to_client,
            ),
            ("authenticatedUsername", &self.authenticated_username),
            ("authMethod", &self.auth_method),
            ("keyFingerprint", &self.key_fingerprint),
        ]
    }
}

impl Certificate {
    fn write(&self, extra: &mut Extra) {
        extra.push(("certificateSerial".into(), self.serial.into()));
        extra.push(("certificateKeyId".into(), self.key_id.clone().into()));
        extra.push(("certificateAuthority".into(), self.authority.clone().into()));
        extra.push(("certificatePrincipals".into(), array(&self.principals)));
    }

    fn read(extra: &Extra) -> Option<Self> {
        Some(Self {
            serial: find(extra, "certificateSerial")?.as_u64()?,
            key_id: text(extra, "certificateKeyId").unwrap_or_default(),
            authority: text(extra, "certificateAuthority").unwrap_or_default(),
            principals: texts(extra, "certificatePrincipals").unwrap_or_default(),
        })
    }
}

impl FailedHandshake {
    /// As keys of a payload.
    pub fn to_extra(&self) -> Extra {
        let mut extra = Extra::new();
        let versions = [
            ("clientVersion", &self.client_version),
            ("serverVersion", &self.server_version),
        ];
        for (key, version) in versions {
            if let Some(version) = version {
                extra.push((key.into(), Value::Text(version.clone())));
            }
        }
        let offers = [
            ("clientOffer", &self.client_offer),
            ("serverOffer", &self.server_offer),
        ];
        for (key, offer) in offers {
            if let Some(offer) = offer {
                extra.push((key.into(), offer.to_value()));
            }
        }
        extra
    }

    /// Reads the keys of a payload; what is missing stays `None`.
    pub fn from_extra(extra: &Extra) -> Self {
        Self {
            client_version: text(extra, "clientVersion"),
            server_version: text(extra, "serverVersion"),
            client_offer: find(extra, "clientOffer").and_then(Offer::from_value),
            server_offer: find(extra, "serverOffer").and_then(Offer::from_value),
        }
    }
}

impl Offer {
    fn to_value(&self) -> Value {
        let lists = self.lists();
        Value::Map(
            lists
                .iter()
                .map(|(key, names)| (Value::from(*key), array(names)))
                .collect(),
        )
    }

    fn from_value(value: &Value) -> Option<Self> {
        let Value::Map(entries) = value else {
            return None;
        };
        let mut offer = Self::default();
        for (key, names) in offer.lists_mut() {
            let found = entries
                .iter()
                .find(|(name, _)| name.as_text().is_some_and(|name| name == key));
            if let Some(values) = found.and_then(|(_, values)| values.as_array()) {
                *names = values.iter().filter_map(Value::as_text).cloned().collect();
            }
        }
        Some(offer)
    }

    fn lists(&self) -> [(&'static str, &Vec<Text>); 10] {
        [
            ("kex", &self.kex),
            ("hostKey", &self.host_key),
            ("cipherClientToServer", &self.cipher_client_to_server),
            ("cipherServerToClient", &self.cipher_server_to_client),
            ("macClientToServer", &self.mac_client_to_server),
            ("macServerToClient", &self.mac_server_to_client),
            (
                "compressionClientToServer",
                &self.compression_client_to_server,
            ),
            (
                "compressionServerToClient",
                &self.compression_server_to_client,
            ),
            ("languageClientToServer", &self.language_client_to_server),
            ("languageServerToClient", &self.language_server_to_client),
        ]
    }

    fn lists_mut(&mut self) -> [(&'static str, &mut Vec<Text>); 10] {
        [
            ("kex", &mut self.kex),
            ("hostKey", &mut self.host_key),
            ("cipherClientToServer", &mut self.cipher_client_to_server),
            ("cipherServerToClient", &mut self.cipher_server_to_client),
            ("macClientToServer", &mut self.mac_client_to_server),
            ("macServerToClient", &mut self.mac_server_to_client),
            (
                "compressionClientToServer",
                &mut self.compression_client_to_server,
            ),
            (
                "compressionServerToClient",
                &mut self.compression_server_to_client,
            ),
            (
                "languageClientToServer",
                &mut self.language_client_to_server,
            ),
            (
                "languageServerToClient",
                &mut self.language_server_to_client,
            ),
        ]
    }
}
