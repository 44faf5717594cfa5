//! Keys that sign logs, read from text.

use auditssh_log::seal::{SigningKey, VerifyingKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey};

const OPENSSH: &str = "ssh-ed25519";

/// What precedes the key in OpenSSH's form: two lengths and the name.
const BLOB_START: &[u8] = b"\0\0\0\x0bssh-ed25519\0\0\0\x20";

/// Why text is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing that could be a private key.
    #[error(
        "not an Ed25519 private key in PEM (PKCS #8); make one with `openssl genpkey -algorithm ed25519`"
    )]
    Private,
    /// Nothing that could be a public key.
    #[error(
        "not an Ed25519 public key; PEM (`openssl pkey -pubout`) and OpenSSH's `ssh-ed25519 ...` are taken"
    )]
    Public,
}

/// Reads the private key that signs logs: PEM, PKCS #8 (RFC 8410).
pub fn signing_key(text: &str) -> Result<SigningKey, KeyError> {
    SigningKey::from_pkcs8_pem(text.trim()).map_err(|_| KeyError::Private)
}

/// Reads the public key to check signatures with: PEM, a line as OpenSSH writes it, or the
/// public half of what [`signing_key`] reads.
pub fn public_key(text: &str) -> Result<VerifyingKey, KeyError> {
    let text = text.trim();
    openssh(text)
        .or_else(|| VerifyingKey::from_public_key_pem(text).ok())
        .or_else(|| signing_key(text).ok().map(|key| key.verifying_key()))
        .ok_or(KeyError::Public)
}

/// A public key in the form that OpenSSH writes, which [`public_key`] reads.
pub fn to_openssh(key: &[u8; 32]) -> String {
    let blob = [BLOB_START, key].concat();
    format!("{OPENSSH} {}", STANDARD.encode(blob))
}

/// `ssh-ed25519`, then in base64 the name and the key as strings (RFC 8709, RFC 4251 section 5).
fn openssh(line: &str) -> Option<VerifyingKey> {
    let mut words = line.split_ascii_whitespace();
    (words.next()? == OPENSSH).then_some(())?;
    let blob = STANDARD.decode(words.next()?).ok()?;
    let key = blob.strip_prefix(BLOB_START)?;
    VerifyingKey::from_bytes(key.try_into().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\n\
        -----END PRIVATE KEY-----\n";

    #[test]
    fn each_form_of_a_key_is_the_same_key() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let public = key.verifying_key();
        assert_eq!(signing_key(PRIVATE).unwrap(), key);
        assert_eq!(public_key(PRIVATE).unwrap(), public);
        let der = [
            &[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0][..],
            public.as_bytes(),
        ]
        .concat();
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            STANDARD.encode(der)
        );
        assert_eq!(public_key(&pem).unwrap(), public);
        let line = "ssh-ed25519 \
            AAAAC3NzaC1lZDI1NTE5AAAAIOpKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs audit@host\n";
        assert!(line.starts_with(&to_openssh(public.as_bytes())));
        assert_eq!(public_key(line).unwrap(), public);
    }

    #[test]
    fn other_text_is_no_key() {
        for text in [
            "",
            "ssh-ed25519",
            "ssh-ed25519 AAAA",
            "ssh-rsa AAAA",
            "-----BEGIN",
        ] {
            assert_eq!(public_key(text), Err(KeyError::Public));
            assert_eq!(signing_key(text).err(), Some(KeyError::Private));
        }
    }
}
