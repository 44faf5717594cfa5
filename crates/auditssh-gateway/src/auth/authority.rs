//! Files of trusted certificate authorities (OpenSSH's `TrustedUserCAKeys`).

use crate::russh::PublicKey;

/// A line that is no public key; the text begins with its number, from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}: not a public key; `TYPE BASE64 [COMMENT]` is meant, as in a .pub file")]
pub struct AuthorityError {
    /// The number of the line.
    pub line: usize,
}

/// The public keys of a file, one a line; empty lines and those that begin with `#` are passed
/// over. One line that is not understood makes the file unusable, since an authority less is an
/// error that would otherwise show only at a login.
pub fn authorities(text: &str) -> Result<Vec<PublicKey>, AuthorityError> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(line, text)| PublicKey::from_openssh(text).map_err(|_| AuthorityError { line }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ a comment";

    #[test]
    fn keys_are_read_and_comments_passed_over() {
        let text = format!("# authorities\n\n  {KEY}\r\n{KEY}\n");
        assert_eq!(authorities(&text).unwrap().len(), 2);
        assert_eq!(authorities("").unwrap().len(), 0);
    }

    #[test]
    fn a_bad_line_is_named() {
        let text = format!("{KEY}\nssh-ed25519 AAAA\n");
        let error = authorities(&text).unwrap_err();
        assert_eq!(error, AuthorityError { line: 2 });
        assert!(error.to_string().starts_with("2: not a public key"));
    }
}
