//! Which connections are looked at.

use crate::index::State;
use crate::{Network, Pattern};
use auditssh_view::survey::{Exit, Facts};

/// Which connections are looked at: those that are like all of it. Each may be left out.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Whose: the whole name, in which `*` stands for any characters and `?` for one.
    pub user: Option<String>,
    /// From where.
    pub address: Option<Network>,
    /// That were not over at this Unix time in nanoseconds.
    pub from: Option<i64>,
    /// That had begun at this Unix time in nanoseconds.
    pub to: Option<i64>,
    /// In which a program ran whose command line has this; of very long ones the beginning counts.
    pub command: Option<Pattern>,
    /// In which a program ended so.
    pub exit: Option<Exit>,
    /// In which something happened to files.
    pub files: bool,
    /// In which something was refused.
    pub failed: bool,
    /// Whether they still go on.
    pub live: Option<bool>,
}

impl Filter {
    /// Whether a connection is one of these.
    pub fn passes(&self, facts: &Facts, state: State) -> bool {
        self.is_by_whom(facts)
            && self.is_of_time(facts)
            && self.has_run(facts)
            && (!self.files || facts.files() > 0)
            && (!self.failed || facts.failed())
            && self.live.is_none_or(|live| live == (state == State::Open))
    }

    fn is_by_whom(&self, facts: &Facts) -> bool {
        let is_user = self.user.as_ref().is_none_or(|user| {
            let name = facts.user.as_deref();
            name.is_some_and(|name| is_like(name.as_bytes(), user.as_bytes()))
        });
        let is_from = self.address.is_none_or(|network| {
            let address = facts.address.as_ref().and_then(|text| text.parse().ok());
            address.is_some_and(|address| network.contains(address))
        });
        is_user && is_from
    }

    fn is_of_time(&self, facts: &Facts) -> bool {
        let is_after = self
            .from
            .is_none_or(|from| facts.end.is_some_and(|end| end >= from));
        let is_before = self
            .to
            .is_none_or(|to| facts.start.is_some_and(|start| start <= to));
        is_after && is_before
    }

    fn has_run(&self, facts: &Facts) -> bool {
        let programs = &facts.programs;
        let is_command = self.command.as_ref().is_none_or(|wanted| {
            let mut commands = programs
                .iter()
                .filter_map(|program| program.command.as_ref());
            commands.any(|command| wanted.is_in(command))
        });
        let is_exit = self.exit.as_ref().is_none_or(|wanted| {
            let mut exits = programs.iter().filter_map(|program| program.exit.as_ref());
            exits.any(|exit| exit == wanted)
        });
        is_command && is_exit
    }
}

/// Whether a name is like a pattern with `*` and `?`.
fn is_like(name: &[u8], pattern: &[u8]) -> bool {
    let (mut at, mut of) = (0, 0);
    // Where to go on if what followed the last `*` was not it.
    let mut retry = None;
    loop {
        match (name.get(at), pattern.get(of)) {
            (_, Some(b'*')) => {
                of += 1;
                retry = Some((at, of));
            }
            (Some(_), Some(b'?')) => (at, of) = (at + 1, of + 1),
            (Some(byte), Some(wanted)) if byte == wanted => (at, of) = (at + 1, of + 1),
            (None, None) => return true,
            _ => match retry {
                Some((from, behind)) if from < name.len() => {
                    retry = Some((from + 1, behind));
                    (at, of) = (from + 1, behind);
                }
                _ => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_as_a_whole() {
        for (name, pattern, expected) in [
            ("alice", "alice", true),
            ("alice", "ali", false),
            ("alice", "ali*", true),
            ("alice", "*c*", true),
            ("alice", "a?ice", true),
            ("alice", "*x*", false),
            ("", "*", true),
            ("aab", "*ab", true),
            ("", "?", false),
            ("abcabd", "*abd", true),
        ] {
            let found = is_like(name.as_bytes(), pattern.as_bytes());
            assert_eq!(found, expected, "{name} {pattern}");
        }
    }
}
