//! `metrics`, `health` and what ContainerSSH has in `log`.

use super::*;

#[test]
fn nothing_is_served_unless_it_is_asked_for() {
    let monitor = loaded("").config.monitor;
    assert!(monitor.metrics.is_none() && monitor.health.is_none());
    let text =
        "metrics: {enable: true, path: /numbers}\nhealth: {enable: yes, listen: '[::1]:7001'}";
    let monitor = loaded(text).config.monitor;
    let metrics = monitor.metrics.unwrap();
    assert_eq!(metrics.listen.to_string(), "127.0.0.1:9100");
    assert_eq!(metrics.key, "`metrics.listen`");
    assert_eq!(monitor.path, "/numbers");
    let health = monitor.health.unwrap();
    assert_eq!(health.listen.to_string(), "[::1]:7001");
    assert!(
        health.key.ends_with("config.yaml:2:31: `health.listen`"),
        "{}",
        health.key
    );
    assert!(health.tls.is_none());
}

#[test]
fn one_address_serves_one_thing() {
    for text in [
        "ssh: {listen: '127.0.0.1:9100'}\nmetrics: {enable: true}",
        "metrics: {enable: true, listen: '127.0.0.1:7000'}\nhealth: {enable: true}",
    ] {
        let said = faults(text).join("\n");
        assert!(said.contains("something else listens on"), "{said}");
    }
    loaded("ssh: {listen: '127.0.0.1:9100'}");
}

#[test]
fn a_key_is_never_shown() {
    let key = "-----BEGIN PRIVATE KEY-----\\nc2VjcmV0\\n-----END PRIVATE KEY-----\\n";
    let text = format!("metrics: {{key: \"{key}\", cert: /nonexistent}}");
    let said = faults(&text).join("\n");
    assert!(
        said.contains("`metrics.cert`: the file that `cert` names cannot be read"),
        "{said}"
    );
    assert!(!said.contains("c2VjcmV0"), "{said}");
    // Its first line is missing.
    let said = faults("health: {key: c2VjcmV0, cert: '-----BEGIN CERTIFICATE-----'}").join("\n");
    assert!(said.contains("`health.key`"), "{said}");
    assert!(!said.contains("c2VjcmV0"), "{said}");
}

#[test]
fn what_does_not_go_together_is_named() {
    for (text, expected) in [
        (
            "metrics: {path: x}",
            "1:17: `metrics.path` must begin with /",
        ),
        (
            "metrics: {path: '/a b'}",
            "1:17: `metrics.path` must begin with /",
        ),
        ("metrics: {cert: /x}", "1:17: `metrics.cert` has no `key`"),
        ("metrics: {key: /x}", "1:16: `metrics.key` has no `cert`"),
        (
            "health: {clientcacert: /x}",
            "1:24: `health.clientcacert` needs",
        ),
        (
            "health: {tlsVersion: 1.0}",
            "1:22: `health.tlsVersion` must be 1.3 or 1.2",
        ),
        (
            "health: {client: {url: x}}",
            "1:18: `health.client`: AuditSSH has no client",
        ),
        (
            "log: {destination: file}",
            "1:20: `log.destination`: files are not in this version",
        ),
        (
            "log: {destination: syslog}",
            "1:20: `log.destination`: the system's log is not",
        ),
    ] {
        let said = faults(text).join("\n");
        assert!(said.contains(expected), "{expected}\nis not in\n{said}");
    }
}

#[test]
fn the_log_of_containerssh_is_read() {
    for (text, level) in [
        (
            "{level: notice, format: ljson, destination: stdout}",
            "info",
        ),
        ("{level: crit}", "error"),
        ("{level: warning}", "warn"),
    ] {
        let log = loaded(&format!("log: {text}")).config.log;
        assert_eq!(log.level.name(), level, "{text}");
    }
    let said = warnings("log: {file: /var/log/x, syslog: {destination: /dev/log, pid: false}}");
    assert!(said.contains("`log.file` has no effect"), "{said}");
    assert!(said.contains("`log.syslog` has no effect"), "{said}");
}
