//! `auth`, in ContainerSSH's words.

use super::http::{TlsVersion, http_block};
use super::oauth2::Oauth2;
use crate::config::at::At;
use crate::config::bounds;
use crate::config::duration::Span;
use crate::config::ignored::Ignored;
use crate::config::one_or_many::OneOrMany;
use crate::config::secret::Secret;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;
use std::fmt;

http_block! {
    /// Who is asked about users that do not stand in `users`, and who of all may come in: webhooks in
    /// ContainerSSH's form, see [webhooks.md](webhooks.md). Without any, only `users` log in.
    Auth, see "With `url`: see `password.webhook`.", timeout 2 {
        /// Who is asked about passwords, those typed at the prompt of keyboard-interactive included.
        /// `true` and `false` belong to the older form, see `url`.
        password: Password = Password::default(),
        /// Who is asked about public keys. A key that is good still has to be proven by a signature.
        public_key: WebhookMethod = WebhookMethod::default(),
        /// Who is asked, once a user is proven by whatever means, whether the user may come in.
        authz: WebhookMethod = WebhookMethod::default(),
        /// Keyboard-interactive: asks for the password, or has users prove themselves on a web page.
        keyboard_interactive: KeyboardInteractive = KeyboardInteractive::default(),
        /// GSSAPI, which is not in this version.
        gssapi: Gssapi = Gssapi::default(),
        /// The older form, that of ContainerSSH 0.4: one webhook for passwords and keys. It stands here,
        /// with its settings beside it.
        url: At<String> = At::default(),
        /// With `url`: whether keys are asked about; passwords are unless `password` is `false`.
        pubkey: Option<bool> = None,
        /// With `url`: see `password.webhook`.
        allow_redirects: At<bool> = At::default(),
        /// With `url`: see `password.webhook`.
        #[serde(rename = "authTimeout")]
        #[schemars(transform = bounds::AUTH_TIMEOUT.told())]
        within: At<Span> = Webhook::default().within,
    }
}

impl Auth {
    /// Whether anybody is asked who a user is.
    pub(crate) fn is_asked(&self) -> bool {
        let password = match &self.password {
            Password::Method(method) => method.method.value == PasswordMeans::Webhook,
            Password::Asked(_) => false,
        };
        password || self.public_key.method == WebhookMeans::Webhook || !self.url.value.is_empty()
    }
}

/// A webhook and what its connections are like.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Webhook {
    /// Where it is: `https://HOST[:PORT][/PATH]`, or `http://`. `/password`, `/pubkey` or `/authz`
    /// is put behind it.
    pub(crate) url: At<String>,
    /// Whether redirects are followed, which they are not in this version.
    pub(crate) allow_redirects: At<bool>,
    /// How long one request may take.
    #[schemars(transform = bounds::HTTP_TIMEOUT.told())]
    pub(crate) timeout: At<Span>,
    /// The certificates of the authorities that the server is known by, and no others: PEM, or the
    /// path of a file. Without it those of the system are trusted.
    pub(crate) cacert: At<String>,
    /// The certificate that the server knows us by: PEM, or the path of a file.
    pub(crate) cert: At<String>,
    /// The private key of `cert`: PEM, or the path of a file.
    pub(crate) key: Option<At<Secret>>,
    /// The lowest version of TLS that is spoken.
    pub(crate) tls_version: TlsVersion,
    /// Elliptic curves; only ContainerSSH's default is taken, since the choice is made here.
    pub(crate) curves: Option<At<OneOrMany<String>>>,
    /// Cipher suites; only ContainerSSH's default is taken, since the choice is made here.
    pub(crate) cipher: Option<At<OneOrMany<String>>>,
    /// For how long one question is asked again if it gets no answer; then it counts as refused.
    #[serde(rename = "authTimeout")]
    #[schemars(transform = bounds::AUTH_TIMEOUT.told())]
    pub(crate) within: At<Span>,
}

impl Default for Webhook {
    fn default() -> Self {
        let nothing = || At::unplaced(String::new());
        Self {
            url: nothing(),
            allow_redirects: At::unplaced(false),
            timeout: At::unplaced(Span::from_secs(2)),
            cacert: nothing(),
            cert: nothing(),
            key: None,
            tls_version: TlsVersion::default(),
            curves: None,
            cipher: None,
            within: At::unplaced(Span::from_secs(60)),
        }
    }
}

/// Who is asked about passwords, or, in the older form, whether anybody is.
#[derive(Debug)]
pub(crate) enum Password {
    Method(Box<PasswordMethod>),
    /// The older form.
    Asked(bool),
}

/// Who is asked about passwords.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct PasswordMethod {
    /// By which means.
    pub(crate) method: At<PasswordMeans>,
    /// For the method `webhook`.
    pub(crate) webhook: Webhook,
    /// Settings of ContainerSSH for a method that is not in this version.
    pub(crate) kerberos: Ignored,
}

/// By which means passwords are judged.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PasswordMeans {
    /// Nobody is asked.
    #[default]
    #[serde(rename = "")]
    None,
    /// A webhook is asked.
    Webhook,
    /// Not in this version.
    Kerberos,
}

/// Who is asked.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct WebhookMethod {
    /// By which means.
    pub(crate) method: WebhookMeans,
    /// For the method `webhook`.
    pub(crate) webhook: Webhook,
}

/// By which means it is judged.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WebhookMeans {
    /// Nobody is asked.
    #[default]
    #[serde(rename = "")]
    None,
    /// A webhook is asked.
    Webhook,
}

/// Keyboard-interactive.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct KeyboardInteractive {
    /// By which means.
    pub(crate) method: At<KeyboardInteractiveMeans>,
    /// For the method `oauth2`.
    pub(crate) oauth2: Oauth2,
}

/// By which means the answers of keyboard-interactive are judged.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeyboardInteractiveMeans {
    /// As passwords.
    #[default]
    #[serde(rename = "")]
    Password,
    /// On a web page, by the device flow of OAuth 2.0; names in `users` are asked for the password.
    Oauth2,
}

/// GSSAPI.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Gssapi {
    /// By which means.
    pub(crate) method: At<GssapiMeans>,
    /// Settings of ContainerSSH for a method that is not in this version.
    pub(crate) kerberos: Ignored,
}

/// By which means GSSAPI is judged.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GssapiMeans {
    /// Not at all.
    #[default]
    #[serde(rename = "")]
    None,
    /// Not in this version.
    Kerberos,
}

impl Default for Password {
    fn default() -> Self {
        Self::Method(Box::default())
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Password;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map, or true or false")
            }
            fn visit_bool<E: Error>(self, asked: bool) -> Result<Password, E> {
                Ok(Password::Asked(asked))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Password, E> {
                match text.to_ascii_lowercase().as_str() {
                    "true" | "yes" | "y" | "on" => Ok(Password::Asked(true)),
                    "false" | "no" | "n" | "off" => Ok(Password::Asked(false)),
                    _ => Err(E::invalid_type(Unexpected::Other("a text"), &self)),
                }
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Password, A::Error> {
                let method = PasswordMethod::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Password::Method(Box::new(method)))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl Serialize for Password {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Method(method) => method.serialize(serializer),
            Self::Asked(asked) => asked.serialize(serializer),
        }
    }
}

impl JsonSchema for Password {
    fn schema_name() -> Cow<'static, str> {
        "Password".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = PasswordMethod::json_schema(generator);
        schema.insert("type".into(), serde_json::json!(["object", "boolean"]));
        schema
    }
}
