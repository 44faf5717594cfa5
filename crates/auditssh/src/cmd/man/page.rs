//! One manual page.

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::fs;
use std::io;
use std::path::Path;

/// Writes the page of a command, and one for each of its own.
pub(super) fn write(command: &clap::Command, directory: &Path) -> io::Result<()> {
    let shown = |command: &&clap::Command| !command.is_hide_set();
    for each in command.get_subcommands().filter(shown) {
        write(each, directory)?;
    }
    let after = command.get_after_long_help().map(ToString::to_string);
    let page = Man::new(command.clone().after_long_help(None::<&str>));
    let mut text = Vec::new();
    page.render(&mut text)?;
    text.extend(sections(&after.unwrap_or_default()).into_bytes());
    fs::write(directory.join(page.get_filename()), text)
}

/// What a command's help says at its end: a paragraph under a title of its own, such as
/// `Exit status:`, is a section, the others are notes.
fn sections(after: &str) -> String {
    let mut roff = Roff::new();
    let mut last = String::new();
    for paragraph in after.split("\n\n").filter(|text| !text.is_empty()) {
        let (title, body) = titled(paragraph);
        if title == last {
            roff.control("PP", []);
        } else {
            roff.control("SH", [title.as_str()]);
        }
        for line in body.lines() {
            entry(line, &mut roff);
        }
        last = title;
    }
    roff.to_roff()
}

fn titled(paragraph: &str) -> (String, &str) {
    let first = paragraph.split_once('\n');
    let own = first.and_then(|(line, body)| Some((line.strip_suffix(':')?, body)));
    match own {
        Some((title, body)) => (title.to_uppercase(), body),
        None => ("NOTES".to_owned(), paragraph),
    }
}

/// A line, or `  TERM  what it means`.
fn entry(line: &str, roff: &mut Roff) {
    let term = line
        .strip_prefix("  ")
        .filter(|rest| !rest.starts_with(' '));
    match term.and_then(|rest| rest.split_once("  ")) {
        Some((term, meaning)) => {
            roff.control("TP", []);
            roff.text([bold(term)]);
            roff.text([roman(meaning.trim_start())]);
        }
        None => {
            roff.text([roman(line.trim_start())]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_title_is_a_section_and_the_rest_are_notes() {
        let after = "Times are RFC 3339.\n\nBytes are\nbase64.\n\n\
                     Exit status:\n  0  well\n  1  wrong usage, or\n     no file";
        let expected = ".SH NOTES\nTimes are RFC 3339.\n.PP\nBytes are\nbase64.\n\
                        .SH \"EXIT STATUS\"\n.TP\n\\fB0\\fR\nwell\n\
                        .TP\n\\fB1\\fR\nwrong usage, or\nno file\n";
        assert_eq!(sections(after), expected);
        assert_eq!(sections(""), "");
    }
}
