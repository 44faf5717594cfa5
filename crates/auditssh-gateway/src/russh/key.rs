//! Private keys as people have them.

use super::PrivateKey;

/// Reads a private key: OpenSSH's format, PKCS#1 or PKCS#8, in PEM, without passphrase. The error
/// shows nothing of it.
pub(crate) fn read_private_key(text: &str) -> Result<PrivateKey, String> {
    let read = PrivateKey::from_openssh(text).ok();
    let read = read.or_else(|| ::russh::keys::decode_secret_key(text, None).ok());
    let encrypted = || text.contains("ENCRYPTED");
    match read {
        Some(key) if key.is_encrypted() => Err(PASSPHRASE.to_owned()),
        Some(key) => Ok(key),
        None if encrypted() => Err(PASSPHRASE.to_owned()),
        None => {
            Err("not a private key; `ssh-keygen -t ed25519 -N '' -f FILE` makes one".to_owned())
        }
    }
}

const PASSPHRASE: &str =
    "the key is protected by a passphrase; remove it with `ssh-keygen -p -N '' -f FILE`";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::russh::{LineEnding, generate_ed25519};

    #[test]
    fn a_key_is_read_and_anything_else_told_apart() {
        let key = generate_ed25519().unwrap();
        let text = key.to_openssh(LineEnding::LF).unwrap();
        assert_eq!(
            read_private_key(&text).unwrap().public_key(),
            key.public_key()
        );
        let cut = &text[..text.len() / 2];
        assert!(
            read_private_key(cut)
                .unwrap_err()
                .contains("not a private key")
        );
        assert!(read_private_key("").is_err());
        let locked =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n";
        assert!(read_private_key(locked).unwrap_err().contains("passphrase"));
    }
}
