//! Keys and words of ContainerSSH's configuration that are not ours, and what to write instead.

/// By the whole path of the key.
const KEYS: [(&str, &str); 8] = [
    (
        "dockerrun",
        "write `backend: docker` and `docker: {connection: {host: …}, execution: {container: …}}`",
    ),
    (
        "docker.execution.auth.auth",
        "write `username` and `password` in its place",
    ),
    (
        "docker.execution.auth.email",
        "no registry asks for it; remove this key",
    ),
    ("listen", "write `ssh: {listen: …}`"),
    (
        "ssh.keyboardInteractiveName",
        "the prompt of keyboard-interactive bears no name; remove this key",
    ),
    (
        "kuberun",
        "it is named `kubernetes` since ContainerSSH 0.4: move `connection` and `pod` there, and \
         `timeout` to `kubernetes.timeouts`",
    ),
    (
        "kubernetes.connection.insecure",
        "the API server is always checked; give its authority in `cacertFile`",
    ),
    (
        "kubernetes.pod.metadata.finalizers",
        "pods that are deleted must be able to go; remove this key",
    ),
];

/// By the whole path of the key and the word that stands there.
const WORDS: [(&str, &str, &str); 10] = [
    ("backend", "dockerrun", "docker"),
    ("backend", "kuberun", "kubernetes"),
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
    let mode = path.starts_with("security.") && path.to_ascii_lowercase().ends_with("mode");
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
