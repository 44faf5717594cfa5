//! Every key of ContainerSSH 0.5 in the blocks that are read here is honoured, or refused with what to
//! write instead.

use super::written;
use crate::config::Config;

/// Nothing is said.
const HONOURED: &str = "";

/// What may stand there, and what is said of it.
const KEYS: &[(&str, &str)] = &[
    ("ssh: {listen: '0.0.0.0:2222'}", HONOURED),
    (
        "listen: '0.0.0.0:2222'",
        "unknown key `listen`: write `ssh: {listen: …}`",
    ),
    ("ssh: {serverVersion: SSH-2.0-ContainerSSH}", HONOURED),
    ("ssh: {banner: 'Welcome'}", HONOURED),
    (
        "ssh: {hostkeys: [/etc/containerssh/ssh_host_rsa_key]}",
        HONOURED,
    ),
    (
        "ssh: {hostkeys: ['-----BEGIN RSA PRIVATE KEY-----']}",
        "give its path",
    ),
    (
        "ssh: {clientAliveInterval: 60s, clientAliveCountMax: 3}",
        HONOURED,
    ),
    ("ssh: {clientAliveInterval: 60000000000}", HONOURED),
    (
        "ssh: {ciphers: [chacha20-poly1305@openssh.com, aes256-gcm@openssh.com, \
             aes128-gcm@openssh.com, aes256-ctr, aes192-ctr, aes128-ctr]}",
        HONOURED,
    ),
    (
        "ssh: {kex: [curve25519-sha256@libssh.org, ecdh-sha2-nistp521, ecdh-sha2-nistp384, \
             ecdh-sha2-nistp256]}",
        HONOURED,
    ),
    (
        "ssh: {macs: [hmac-sha2-256-etm@openssh.com, hmac-sha2-256]}",
        HONOURED,
    ),
    (
        "ssh: {hostKeyAlgorithms: [ssh-rsa, ssh-ed25519-cert-v01@openssh.com]}",
        HONOURED,
    ),
    (
        "ssh: {ciphers: [aes128-cbc]}",
        "`ssh.ciphers`: `aes128-cbc` is not supported; these are: aes256-gcm@openssh.com",
    ),
    (
        "ssh: {kex: [diffie-hellman-group14-sha1]}",
        "`ssh.kex`: `diffie-hellman-group14-sha1` is not supported; these are: mlkem768x25519-sha256",
    ),
    (
        "ssh: {macs: [hmac-sha1]}",
        "`ssh.macs`: `hmac-sha1` is not supported; these are: hmac-sha2-512-etm@openssh.com",
    ),
    (
        "ssh: {hostKeyAlgorithms: [ssh-dss]}",
        "`ssh.hostKeyAlgorithms`: `ssh-dss` is not supported",
    ),
    (
        "ssh: {keyboardInteractiveName: ''}",
        "bears no name; remove this key",
    ),
    ("log: {level: debug}", HONOURED),
    ("log: {level: info}", HONOURED),
    ("log: {level: notice}", HONOURED),
    ("log: {level: warning}", HONOURED),
    ("log: {level: error}", HONOURED),
    ("log: {level: crit}", HONOURED),
    ("log: {level: alert}", HONOURED),
    ("log: {level: emerg}", HONOURED),
    ("log: {level: 5}", "write `info`"),
    ("log: {level: '7'}", "write `debug`"),
    ("log: {format: ljson}", HONOURED),
    ("log: {format: text}", HONOURED),
    ("log: {destination: stdout}", HONOURED),
    (
        "log: {destination: file, file: /var/log/containerssh.log}",
        "start the server with `2>> FILE`",
    ),
    (
        "log: {destination: syslog, syslog: {destination: /dev/log}}",
        "`2>&1 | logger`",
    ),
    (
        "audit: {enable: true, format: none, storage: none}",
        HONOURED,
    ),
    (
        "audit: {format: binary, storage: file, file: {directory: /tmp/logs}}",
        HONOURED,
    ),
    ("audit: {format: audit, type: file}", HONOURED),
    ("audit: {format: asciinema, storage: file}", HONOURED),
    (
        "audit: {intercept: {stdin: true, stdout: true, stderr: true, passwords: true, forwarding: true}}",
        HONOURED,
    ),
    (
        "audit: {s3: {local: /tmp/audit, accessKey: a, secretKey: s, bucket: b, region: r, \
             endpoint: 'https://s3.example.org', acl: private, cacert: '', pathStyleAccess: true, \
             uploadPartSize: 5242880, parallelUploads: 20, metadata: {username: true, ip: true}}}",
        HONOURED,
    ),
    ("backend: docker", HONOURED),
    (
        "backend: dockerrun",
        "unknown value `dockerrun`; write `docker`",
    ),
    (
        "dockerrun: {host: 'tcp://127.0.0.1:2375', config: {container: {image: a}}}",
        "unknown key `dockerrun`: write `backend: docker` and",
    ),
    (
        "{backend: docker, docker: {connection: {host: 'tcp://127.0.0.1:2375', cacert: '', cert: '', key: ''}}}",
        HONOURED,
    ),
    (
        "{backend: docker, docker: {connection: {host: 'npipe:////./pipe/docker_engine'}}}",
        "`docker.connection.host`: an engine is reached by",
    ),
    (
        "{backend: docker, docker: {execution: {container: {image: a, hostname: b, domainname: c, user: root, \
             attachstdin: false, tty: false, env: ['A=b'], healthcheck: {test: [NONE], interval: 1000000000}, \
             volumes: {/data: {}}, workingdir: /home, entrypoint: [], labels: {a.b: c}, stopsignal: TERM, \
             stoptimeout: 60, shell: [/bin/sh, -c]}}}}",
        HONOURED,
    ),
    (
        "{backend: docker, docker: {execution: {host: {binds: ['/a:/b'], networkmode: host, portbindings: \
             {80/tcp: [{hostip: 127.0.0.1, hostport: '80'}]}, restartpolicy: {name: no}, autoremove: true, \
             volumesfrom: [c], capadd: [SYS_TIME], capdrop: [NET_RAW], dns: [192.0.2.1], extrahosts: ['a:192.0.2.1'], \
             privileged: false, readonlyrootfs: true, securityopt: ['no-new-privileges'], tmpfs: {/tmp: 'size=1m'}, \
             shmsize: 1048576, runtime: runc, mounts: [{type: tmpfs, target: /t}], \
             resources: {memory: 1048576, nanocpus: 1000, pidslimit: 100, ulimits: [{name: nofile, hard: 1, soft: 1}]}}}}}",
        HONOURED,
    ),
    (
        "{backend: docker, docker: {execution: {network: {endpointsconfig: {net: {aliases: [a], ipamconfig: \
             {ipv4address: 192.0.2.9}}}}, platform: {os: linux, architecture: amd64}, containername: one}}}",
        HONOURED,
    ),
    (
        "{backend: docker, docker: {execution: {mode: session, idleCommand: [/bin/sh], shellCommand: [/bin/bash], \
             agentPath: /usr/bin/containerssh-agent, disableAgent: false, subsystems: {sftp: /usr/bin/sftp-server}, \
             imagePullPolicy: Always, exposeAuthMetadataAsEnv: true, \
             auth: {username: a, password: b, serveraddress: c}}}}",
        HONOURED,
    ),
    (
        "docker: {timeouts: {containerStart: 60s, containerStop: 60s, commandStart: 60s, signal: 60s, window: 60s, http: 15s}}",
        HONOURED,
    ),
    (
        "docker: {execution: {mode: persistent}}",
        "unknown value `persistent`",
    ),
    (
        "docker: {execution: {auth: {auth: abc}}}",
        "unknown key `docker.execution.auth.auth`: write `username` and `password`",
    ),
    (
        "docker: {execution: {host: {bind: ['/a:/b']}}}",
        "`docker.execution.host`: `host.bind`: the engine's API has no such key",
    ),
    (
        "docker: {execution: {container: {hostname: a}}}",
        "names no image",
    ),
    (
        "docker: {execution: {mode: session, host: {restartpolicy: {name: always}}}}",
        "remove the policy",
    ),
    ("geoip: {provider: dummy}", HONOURED),
    (
        "geoip: {maxmind-geoip2-file: /var/lib/GeoIP/GeoIP2-Country.mmdb}",
        HONOURED,
    ),
    (
        "security: {defaultMode: enable, forceCommand: /bin/true, maxSessions: -1}",
        HONOURED,
    ),
    (
        "security: {env: {mode: filter, allow: [A], deny: [B]}}",
        HONOURED,
    ),
    ("security: {command: {mode: filter, allow: [ls]}}", HONOURED),
    (
        "security: {shell: {mode: filter}, tty: {mode: disable}}",
        HONOURED,
    ),
    (
        "security: {subsystem: {mode: filter, allow: [sftp], deny: [x]}}",
        HONOURED,
    ),
    (
        "security: {signal: {mode: filter, allow: [TERM], deny: [KILL]}}",
        HONOURED,
    ),
    (
        "security: {defaultMode: allow}",
        "unknown value `allow`; write `enable`",
    ),
    (
        "security: {tty: {mode: deny}}",
        "unknown value `deny`; write `disable`",
    ),
    (
        "security: {forwarding: {reverseForwardingMode: disable, forwardingMode: disable, \
             socketForwardingMode: disable, socketListenMode: disable, x11ForwardingMode: disable}}",
        HONOURED,
    ),
    (
        "security: {forwarding: {forwardingMode: enable, reverseForwardingMode: filter, \
             socketForwardingMode: '', socketListenMode: enable}}",
        HONOURED,
    ),
    (
        "security: {forwarding: {x11ForwardingMode: allow}}",
        "unknown value `allow`; write `enable`",
    ),
];

fn said(text: &str) -> String {
    let (_directory, file) = written(text);
    match Config::load(&file) {
        Ok(_) => HONOURED.to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_key_is_honoured_or_refused_with_a_remedy() {
    for (text, expected) in KEYS {
        let said = said(text);
        if *expected == HONOURED {
            assert_eq!(said, HONOURED, "{text}");
        } else {
            assert!(
                said.contains(expected) && !said.contains('\n'),
                "{text}\n{said}"
            );
        }
    }
}

/// The forms of the documented examples, as far as the blocks are ours.
#[test]
fn documented_examples_are_taken() {
    for text in [
        "---\nssh:\n  banner: \"Welcome!\\n\"\n  hostkeys:\n    - /var/secrets/ssh_host_rsa_key\nlog:\n  level: debug\n",
        "\
log:
  level: warning
ssh:
  banner: |

    Everything here is recorded.

  hostkeys:
    - /etc/containerssh/ssh_host_rsa_key
audit:
  enable: true
  format: binary
  storage: s3
  intercept:
    stdin: true
    stdout: true
    stderr: true
    passwords: true
  s3:
    local: /var/log/containerssh/audit/
    accessKey: YOUR-ACCESS-KEY
    secretKey: YOUR-SECRET-KEY
    region: YOUR-REGION
    bucket: your-bucket
    endpoint: https://s3.example.org
    pathStyleAccess: true
    metadata:
      username: true
      ip: false
",
        "audit:\n  format: audit\n  type: file\n  file:\n    directory: /var/log/audit\n",
        "\
ssh:
  hostkeys:
    - /etc/containerssh/ssh_host_rsa_key
backend: docker
docker:
  connection:
    host: unix:///var/run/docker.sock
  execution:
    imagePullPolicy: IfNotPresent
    mode: connection
    container:
      image: containerssh/containerssh-guest-image
      hostname: shell
      user: ubuntu
      env:
        - TEAM=blue
      labels:
        com.example.team: blue
    host:
      autoremove: true
      binds:
        - /srv/share:/mnt/share:ro
      networkmode: none
      resources:
        memory: 536870912
    idleCommand: [/usr/bin/containerssh-agent, wait-signal, --signal, INT, --signal, TERM]
    shellCommand: [/bin/bash]
    agentPath: /usr/bin/containerssh-agent
    subsystems:
      sftp: /usr/lib/openssh/sftp-server
  timeouts:
    containerStart: 60s
    http: 15s
",
    ] {
        assert_eq!(said(text), HONOURED, "{text}");
    }
}
