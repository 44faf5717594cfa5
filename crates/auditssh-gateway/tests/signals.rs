//! How programs in containers are signalled, in the shells that images have.

use auditssh_gateway::backend::container::Helper;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::Command;

/// How they are called: dash here is what `/bin/sh` is on Debian.
const SHELLS: [&[&str]; 4] = [&["sh"], &["dash"], &["bash"], &["busybox", "sh"]];
const SIGTERM: i32 = 15;

/// The group of a leader, or the process alone; never both, or it would hear of it twice.
#[test]
fn every_shell_sends_a_signal_once() {
    for shell in SHELLS {
        for leads in [true, false] {
            let mut program = Command::new("sleep");
            program.arg("100");
            if leads {
                program.process_group(0);
            }
            let mut running = program.spawn().unwrap();
            let words = Helper::Shell.signal("TERM", running.id()).unwrap();
            let (own, options) = shell.split_first().unwrap();
            let mut sending = Command::new(own);
            sending.args(options).arg("-x").args(&words[1..]);
            let done = sending.output().unwrap();
            let said = String::from_utf8(done.stderr).unwrap();
            assert!(done.status.success(), "{shell:?}: {said}");
            let tries = said.lines().filter(|line| line.starts_with("+ kill "));
            // The group of one that does not lead is not there: nobody hears of the first.
            let expected = if leads { 1 } else { 2 };
            assert_eq!(tries.count(), expected, "{shell:?}: {said}");
            assert_eq!(running.wait().unwrap().signal(), Some(SIGTERM));
        }
    }
}
