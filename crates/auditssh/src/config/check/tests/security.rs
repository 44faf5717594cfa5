use super::{faults, loaded, warnings};
use auditssh_gateway::security::{Filter, Forwarding, GatewayPorts, Mode, Security};

fn security(text: &str) -> Security {
    loaded(text).config.security
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|&text| text.to_owned()).collect()
}

#[test]
fn the_documented_block_is_taken() {
    let text = "\
security:
  maxSessions: 10
  forceCommand: /run/this/command
  defaultMode: disable
  env: {mode: filter, allow: [LANG], deny: [LD_PRELOAD]}
  command: {mode: filter, allow: [/allow/this/command]}
  shell: {mode: enable}
  subsystem: {mode: enable, deny: [x]}
  forwarding:
    reverseForwardingMode: disable
    forwardingMode: disable
    socketForwardingMode: disable
    socketListenMode: disable
    x11ForwardingMode: disable
  tty: {mode: filter}
  signal: {allow: [TERM], deny: [KILL], mode: filter}
";
    let filter = |mode, allow: &[&str], deny: &[&str]| Filter {
        mode,
        allow: texts(allow),
        deny: texts(deny),
    };
    let expected = Security {
        forwarding: Forwarding::default(),
        force_command: Some("/run/this/command".to_owned()),
        max_sessions: Some(10),
        env: filter(Mode::Filter, &["LANG"], &["LD_PRELOAD"]),
        command: filter(Mode::Filter, &["/allow/this/command"], &[]),
        shell: Mode::Enable,
        subsystem: filter(Mode::Enable, &[], &["x"]),
        tty: Mode::Filter,
        signal: filter(Mode::Filter, &["TERM"], &["KILL"]),
    };
    assert_eq!(security(text), expected);
    assert!(!warnings(text).contains("security"));
}

#[test]
fn without_the_block_everything_is_allowed() {
    for text in [
        "",
        "security: {}",
        "security: {defaultMode: \"\", forceCommand: \"\", maxSessions: -1, tty: {mode: ''}}",
    ] {
        assert_eq!(security(text), Security::default(), "{text}");
    }
}

/// Every mode of a kind under every default.
#[test]
fn a_kind_without_a_mode_has_the_default() {
    let (enable, filter, disable) = (Mode::Enable, Mode::Filter, Mode::Disable);
    for (own, expected) in [
        ("\"\"", [enable, enable, filter, disable]),
        ("enable", [enable; 4]),
        ("filter", [filter; 4]),
        ("disable", [disable; 4]),
    ] {
        for (default, expected) in ["\"\"", "enable", "filter", "disable"].iter().zip(expected) {
            let kinds = ["env", "command", "shell", "subsystem", "tty", "signal"];
            let kinds = kinds
                .map(|kind| format!("  {kind}: {{mode: {own}}}\n"))
                .concat();
            let taken = security(&format!("security:\n  defaultMode: {default}\n{kinds}"));
            let modes = [
                taken.env.mode,
                taken.command.mode,
                taken.shell,
                taken.subsystem.mode,
                taken.tty,
                taken.signal.mode,
            ];
            assert_eq!(modes, [expected; 6], "{own} under {default}");
        }
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_place_and_remedy() {
    for (text, expected) in [
        (
            "security: {shell: {mode: always}}",
            "1:26: `security.shell.mode`: unknown value `always`; known here: \"\", enable, filter, disable",
        ),
        (
            "security: {maxSessions: -2}",
            "1:25: `security.maxSessions`: -2 is out of bounds: it must lie between -1 and 1000000",
        ),
        (
            "security: {maxSessions: ten}",
            "1:25: `security.maxSessions`: a text stands here where a whole number from -1 to 1000000 is wanted",
        ),
        (
            "security: {tty: {mode: [enable]}}",
            "1:24: `security.tty.mode`: a list stands here where one of \"\", enable, filter, disable is wanted",
        ),
        (
            "security: {shell: {allow: [sh]}}",
            "1:20: unknown key `security.shell.allow`; known here: mode",
        ),
        (
            "security: {command: {deny: [rm]}}",
            "1:22: unknown key `security.command.deny`; known here: allow, mode",
        ),
        (
            "security: {signal: {deny: [KILL, SIGTERM]}}",
            "1:34: `security.signal.deny[2]`: not a signal that a client can send: ABRT, ALRM, FPE, HUP, ILL, INT, KILL, PIPE, QUIT, SEGV, TERM, USR1 and USR2 are, without `SIG`",
        ),
        (
            "security: {env: {allow: ['LC_*']}}",
            "1:26: `security.env.allow[1]`: names are compared exactly here, `*` and `?` stand for nothing else: name each",
        ),
        (
            "security: {env: {deny: [A=1]}}",
            "1:25: `security.env.deny[1]`: the name of a variable is wanted here, without `=` and a value",
        ),
        (
            "security: {subsystem: {allow: ['']}}",
            "1:32: `security.subsystem.allow[1]`: empty, or with a zero byte: no request can be meant by that",
        ),
        (
            r#"security: {forceCommand: "a\0b"}"#,
            "1:26: `security.forceCommand`: the command holds a zero byte, which no program can be given",
        ),
    ] {
        assert_eq!(faults(text), [expected], "{text}");
    }
    let long = format!("security: {{forceCommand: {}}}", "x".repeat(128 * 1024));
    assert!(faults(&long)[0].contains("longer than 128 KiB"));
}

/// A host behind the gateway would not hear of them, and be written to.
#[test]
fn arguments_of_internal_sftp_are_for_programs_on_the_machine_itself() {
    let told = |text: &str| faults(text).join("\n").contains("`security.forceCommand`");
    let text = "backend: sshproxy\nsecurity: {forceCommand: internal-sftp -R}";
    assert!(told(text));
    assert!(!told(&text.replace(" -R", "")));
    assert_eq!(
        security("security: {forceCommand: internal-sftp -R}")
            .force_command
            .as_deref(),
        Some("internal-sftp -R")
    );
}

#[test]
fn forwarding_has_the_modes_of_containerssh_and_lists() {
    let said = |text: &str| security(&format!("security:\n  {text}\n")).forwarding;
    assert_eq!(said("defaultMode: enable"), Forwarding::default());
    for (mode, default, expected) in [
        ("enable", "disable", Mode::Enable),
        ("filter", "enable", Mode::Filter),
        ("disable", "enable", Mode::Disable),
        ("\"\"", "enable", Mode::Enable),
        ("\"\"", "filter", Mode::Filter),
    ] {
        let text = format!("defaultMode: {default}\n  forwarding: {{x11ForwardingMode: {mode}}}");
        assert_eq!(said(&text).x11, expected, "{text}");
    }
    let listed = said(
        "forwarding: {forwardingMode: filter, permitOpen: ['db:5432', '*:443'], \
         reverseForwardingMode: filter, permitListen: ['8080'], gatewayPorts: clientspecified}",
    );
    assert_eq!(
        (listed.open.permit.len(), listed.listen.permit.len()),
        (2, 1)
    );
    assert_eq!(listed.gateway_ports, GatewayPorts::ClientSpecified);
}

#[test]
fn a_list_of_places_without_its_mode_is_no_list() {
    let forwarding = |text: &str| format!("security: {{forwarding: {{{text}}}}}");
    let said = faults(&forwarding("forwardingMode: enable, permitOpen: ['db:1']")).join("\n");
    assert!(
        said.contains("counts with `forwardingMode: filter` only"),
        "{said}"
    );
    let said = warnings(&forwarding("permitListen: ['1']"));
    assert!(said.contains("nothing is allowed"), "{said}");
    let said = faults(&forwarding("forwardingMode: filter, permitOpen: [db]")).join("\n");
    assert!(said.contains("`host:port` is meant"), "{said}");
}

#[test]
fn what_has_no_effect_is_warned_about() {
    for (text, expected) in [
        (
            "security: {command: {allow: [ls]}}",
            "1:30: `security.command.allow[1]`: `allow` counts with `mode: filter` only; as it is, everything is allowed",
        ),
        (
            "security: {subsystem: {mode: disable, allow: [sftp]}}",
            "1:47: `security.subsystem.allow[1]`: `allow` counts with `mode: filter` only; as it is, nothing is",
        ),
        (
            "security: {maxSessions: 100}",
            "1:25: `security.maxSessions`: `limits.sessionChannels` allows 10 only: raise that, or lower this",
        ),
    ] {
        let said = warnings(text);
        assert!(said.contains(expected), "{expected}\nis not in\n{said}");
    }
    assert!(
        !warnings("security: {maxSessions: 100}\nlimits: {sessionChannels: 100}")
            .contains("maxSessions")
    );
    assert!(!warnings("security: {defaultMode: filter, env: {allow: [A]}}").contains("allow"));
}
