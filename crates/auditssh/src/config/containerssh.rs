//! Keys and words of ContainerSSH's configuration that are not ours, and what to write instead.

/// By the whole path of the key.
const KEYS: [(&str, &str); 8] = [
    ("listen", "write `ssh: {listen: …}`"),
    ("ssh.ciphers", ALGORITHMS),
    ("ssh.kex", ALGORITHMS),
    ("ssh.macs", ALGORITHMS),
    (
        "ssh.keyboardInteractiveName",
        "the prompt of keyboard-interactive bears no name; remove this key",
    ),
    (
        "log.destination",
        "the log goes to standard error, from where systemd takes it; remove this key",
    ),
    (
        "log.file",
        "the log goes to standard error; remove this key, and start the server with `2>> FILE` or under \
         systemd",
    ),
    (
        "log.syslog",
        "the log goes to standard error; remove this key, and start the server under systemd, which \
         passes it on, or with `2>&1 | logger`",
    ),
];

const ALGORITHMS: &str =
    "which algorithms are offered is fixed, and none of them is weak; remove this key";

/// By the whole path of the key and the word that stands there.
const WORDS: [(&str, &str, &str); 13] = [
    ("log.format", "ljson", "json"),
    ("log.level", "notice", "info"),
    ("log.level", "crit", "error"),
    ("log.level", "alert", "error"),
    ("log.level", "emerg", "error"),
    ("log.level", "0", "error"),
    ("log.level", "1", "error"),
    ("log.level", "2", "error"),
    ("log.level", "3", "error"),
    ("log.level", "4", "warning"),
    ("log.level", "5", "info"),
    ("log.level", "6", "info"),
    ("log.level", "7", "debug"),
];

/// What to do about a key that only ContainerSSH knows.
pub(super) fn key(path: &str) -> Option<&'static str> {
    let found = KEYS.iter().find(|(known, _)| *known == path);
    found.map(|(_, remedy)| *remedy)
}

/// The word of ours for one that only ContainerSSH knows, or that its documents use for another.
pub(super) fn word(path: &str, word: &str) -> Option<&'static str> {
    let mode = path.starts_with("security.")
        && !path.starts_with("security.forwarding.")
        && path.to_ascii_lowercase().ends_with("mode");
    match word {
        "allow" if mode => return Some("enable"),
        "deny" if mode => return Some("disable"),
        _ => {}
    }
    let found = WORDS
        .iter()
        .find(|(key, known, _)| (*key, *known) == (path, word));
    found.map(|(.., ours)| *ours)
}
