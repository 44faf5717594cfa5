use super::*;
use crate::runs::{Size, Terminal as Kind};
use crate::summary::What;
use crate::view::View;
use proptest::prelude::*;
use std::io;

fn start(columns: u16, rows: u16) -> Start {
    Start {
        time: 1_700_000_000_000_000_000,
        what: Some(What::Shell),
        forced: None,
        terminal: Some(Kind {
            term: "xterm".into(),
            size: Size { columns, rows },
        }),
        environment: Vec::new(),
    }
}

fn step(what: Did<'_>) -> Step<'_> {
    Step {
        channel: 0,
        at: 0,
        what,
    }
}

fn plain(start: &Start, pieces: &[&[u8]]) -> io::Result<String> {
    let mut out = Vec::new();
    let mut view = Plain::new(start, &mut out)?;
    for piece in pieces {
        view.push(&step(Did::Output(piece)), &mut out)?;
    }
    view.push(&step(Did::End), &mut out)?;
    Ok(String::from_utf8(out).expect("UTF-8"))
}

fn html(start: &Start, text: &[u8]) -> String {
    let mut out = Vec::new();
    let mut view = Html::new(start, &mut out).expect("memory");
    view.push(&step(Did::Output(text)), &mut out)
        .expect("memory");
    view.push(&step(Did::End), &mut out).expect("memory");
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn text_is_what_stood_on_the_screen() {
    let shell = start(10, 3);
    for (written, expected) in [
        (&b"wxrkd\x1b[4Do\x1b[Cl"[..], "world\n"),
        (b"1\r\n2\r\n3\r\n4\r\n\r\n5", "1\n2\n3\n4\n\n5\n"),
        (b"a\r\nb\x1b[H\x1b[2J\x1b[3Jc", "a\nb\nc\n"),
        (b"a\r\nb\x1b[H\x1b[Jc", "a\nb\nc\n"),
        (b"a\x1b[?1049hvim\x1b[?1049lb", "ab\n"),
        (b"a\x1b[?1049h\x1b[Hvim", "a\nvim\n"),
        (b"0123456789abc\r\n   x   \r\n", "0123456789abc\n   x\n"),
        ("漢字\r\n€\u{202e}".as_bytes(), "漢字\n€\u{fffd}\n"),
        (
            b"\x1b]0;title\x07\x1b]52;c;AAAA\x07\x1b[6n\x1bPq#\x1b\\a",
            "a\n",
        ),
        (b"", ""),
    ] {
        let text = plain(&shell, &[written]).expect("memory");
        assert_eq!(text, expected, "{}", written.escape_ascii());
    }
}

#[test]
fn a_program_without_a_terminal_has_plain_lines() {
    let mut exec = start(10, 3);
    exec.terminal = None;
    exec.what = Some(What::Exec("x".into()));
    let text = plain(&exec, &[b"a\nb", b"\xe2", b"\x82\xacc\n", b"\xff"]).expect("memory");
    assert_eq!(text, "a\nb€c\n\u{fffd}\n");
}

#[test]
fn a_resize_keeps_the_text() {
    let mut out = Vec::new();
    let mut view = Plain::new(&start(20, 4), &mut out).expect("memory");
    let size = Size {
        columns: 8,
        rows: 2,
    };
    for what in [
        Did::Output(b"\x1b[31m0123456789abcdef\r\n\x1b[Kx\r\n"),
        Did::Resize(size),
        Did::Output(b"y"),
        Did::End,
    ] {
        view.push(&step(what), &mut out).expect("memory");
    }
    assert_eq!(String::from_utf8_lossy(&out), "0123456789abcdef\nx\ny\n");
}

#[test]
fn pages_have_colours_and_no_markup_of_the_program() {
    let page = html(
        &start(40, 3),
        b"\x1b[1;31m<b>&'\x1b[0m \x1b[48;5;196;7mx\x1b[0m\x1b[38;2;1;2;3my",
    );
    let line = page.split("<pre>").nth(1).expect("text");
    assert_eq!(
        line,
        "<span class=\"b\" style=\"color:#cd3131;\">&lt;b&gt;&amp;&#39;</span> \
         <span style=\"color:#ff0000;background:#d0d0d0;\">x</span>\
         <span style=\"color:#010203;\">y</span>\n</pre></body></html>\n"
    );
    assert!(
        page.contains("<h1>2023-11-14T22:13:20Z  shell</h1>"),
        "{page}"
    );
}

#[test]
fn a_command_is_no_markup_either() {
    let mut exec = start(10, 3);
    exec.what = Some(What::Exec("</title><script>\x1b".into()));
    let page = html(&exec, b"");
    assert!(!page.contains("<script"), "{page}");
    assert!(page.contains("&lt;script&gt;\\x1b"), "{page}");
}

#[test]
fn a_screen_that_is_filled_again_and_again_is_no_bomb() {
    let start = start(Size::WIDEST, 131);
    for fill in [&b"\x1b#8\x1b[2J"[..], b" \x1b[65535b"] {
        let fill = [&fill.repeat(1200), &b"x"[..]].concat();
        let error = plain(&start, &[&fill]).expect_err("too much");
        assert!(error.to_string().contains("far larger"), "{error}");
    }
}

/// Pieces of what terminals understand.
fn sequence() -> impl Strategy<Value = Vec<u8>> {
    let number = || prop_oneof![0u32..12, Just(65535), Just(4_000_000_000)];
    prop_oneof![
        (number(), number(), "[@-~]")
            .prop_map(|(a, b, end)| format!("\x1b[{a};{b}{end}").into_bytes()),
        (number(), "[hl]").prop_map(|(a, end)| format!("\x1b[?{a}{end}").into_bytes()),
        Just(b"\x1b[?1049h".to_vec()),
        Just(b"\x1b[?1049l".to_vec()),
        Just(b"\x1b#8".to_vec()),
        Just("漢e\u{301}\u{200d}🦀".as_bytes().to_vec()),
        "\x1b[A-Z()\\]P^_c78=>#]".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..8),
        "[a-z\r\n\t\x08 ]{1,12}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn no_bytes_get_beyond_the_screen(
        parts in proptest::collection::vec((sequence(), 0u16..30, 0u16..12), 0..60)
    ) {
        let mut out = Vec::new();
        let mut view = Plain::new(&start(7, 4), &mut out).expect("memory");
        for (bytes, columns, rows) in &parts {
            view.push(&step(Did::Output(bytes)), &mut out).expect("memory");
            if *columns < 3 {
                let size = Size { columns: columns + 1, rows: rows + 1 };
                view.push(&step(Did::Resize(size)), &mut out).expect("memory");
            }
        }
        view.push(&step(Did::End), &mut out).expect("memory");
        let text = String::from_utf8(out).expect("UTF-8");
        prop_assert!(text.chars().all(|c| c == '\n' || c != '\t' && is_visible(c)), "{:?}", text);
    }
}

/// A picture of what was written, at these times in milliseconds.
fn svg(from: u64, until: u64, written: &[(u64, &[u8])]) -> io::Result<String> {
    let (mut view, mut out) = (Svg::new(&start(10, 3), from, until), Vec::new());
    let end = written.last().map_or(0, |(at, _)| *at) * 1_000_000;
    for (at, text) in written {
        let at = at * 1_000_000;
        let what = Did::Output(text);
        view.push(&Step { at, ..step(what) }, &mut out)?;
    }
    let what = Did::End;
    view.push(
        &Step {
            at: end,
            ..step(what)
        },
        &mut out,
    )?;
    Ok(String::from_utf8(out).expect("UTF-8"))
}

const SECOND: u64 = 1_000_000_000;
/// What begins a picture.
const SHOT: &str = "<svg x=";

#[test]
fn a_picture_shows_a_stretch() {
    let written: [(u64, &[u8]); 5] = [
        (0, b"<one>"),
        (500, b"\r\n\x1b[1;31mtwo"),
        (510, b"\x1b[0m\r\n&three"),
        (2000, b"\x1b[?25l"),
        (3000, b"!"),
    ];
    let all = svg(0, u64::MAX, &written).expect("memory");
    assert_eq!(all.matches(SHOT).count(), 4, "{all}");
    assert!(all.contains("&lt;one&gt;") && all.contains("&amp;three!"));
    assert!(all.contains("class=\"b\" style=\"fill:#cd3131\">two</text>"));
    // 3 seconds, and the last picture for a while.
    assert!(
        all.contains("animation:film 4.500s step-end infinite"),
        "{all}"
    );
    assert_eq!(all.matches("<g id=\"r").count(), 4);
    assert_eq!(all.matches("class=\"c\"").count(), 2);

    let still = svg(SECOND, SECOND, &written).expect("memory");
    assert_eq!(still.matches(SHOT).count(), 1);
    assert!(!still.contains("animation") && still.contains("three<"));
    let middle = svg(SECOND, 5 * SECOND / 2, &written).expect("memory");
    assert_eq!(middle.matches(SHOT).count(), 2);
    assert!(!middle.contains("three!"));
    let late = svg(9 * SECOND, 10 * SECOND, &written).expect("memory");
    assert_eq!(late.matches(SHOT).count(), 1);
    assert!(late.contains("three!"));
}

#[test]
fn a_moment_is_what_stood_on_the_screen_then() {
    let shown = |moment: u64| {
        let (mut text, mut page) = (Vec::new(), Vec::new());
        let shell = start(10, 3);
        let mut plain = Plain::new(&shell, &mut text).expect("memory").at(moment);
        let mut html = Html::new(&shell, &mut page).expect("memory").at(moment);
        let written = [
            &b"1\r\n2\r\n3\r\n4"[..],
            b"\x1b[?1049h\x1b[Hvim",
            b"\x1b[?1049l!",
        ];
        let steps = (1..).zip(written).map(|(at, data)| (at, Did::Output(data)));
        for (at, what) in steps.chain([(9, Did::End)]) {
            let step = Step { at, ..step(what) };
            plain.push(&step, &mut text).expect("memory");
            html.push(&step, &mut page).expect("memory");
        }
        let page = String::from_utf8(page).expect("UTF-8");
        let (_, lines) = page.split_once("<pre>").expect("a page");
        let lines = lines
            .strip_suffix("</pre></body></html>\n")
            .expect("its end");
        let text = String::from_utf8(text).expect("UTF-8");
        assert_eq!(lines, text);
        text
    };
    for (moment, expected) in [
        (0, ""),
        (1, "2\n3\n4\n"),
        (2, "vim\n"),
        (3, "2\n3\n4!\n"),
        (u64::MAX, "2\n3\n4!\n"),
    ] {
        assert_eq!(shown(moment), expected, "{moment}");
    }
}

#[test]
fn a_picture_does_not_grow_without_end() {
    let texts: Vec<Vec<u8>> = (0..60_000)
        .map(|n| format!("\x1b[H{n} a b c d e f g").into_bytes())
        .collect();
    let times = (0..).map(|n| n * 100);
    let written: Vec<(u64, &[u8])> = times.zip(texts.iter().map(Vec::as_slice)).collect();
    let error = svg(0, u64::MAX, &written).expect_err("too large");
    assert!(error.to_string().contains("--until"));
    let part = svg(0, 100 * SECOND, &written).expect("memory");
    assert!(part.len() < 16 << 20 && part.matches(SHOT).count() > 900);
}

proptest! {
    #[test]
    fn nothing_that_is_written_gets_out_of_a_picture(
        text in prop::collection::vec(prop_oneof![
            any::<u8>(), prop::sample::select(&b"<>&\"'/!-[]\x1b;m0123456789"[..]),
        ], 0..200)
    ) {
        let picture = svg(0, u64::MAX, &[(0, &text), (100, &text)]).expect("memory");
        // Tags are ours, and nothing but them has their signs.
        let tags = picture.split('<').skip(1).map(|tag| tag.split([' ', '>', '/']).find(|name| !name.is_empty()));
        for tag in tags {
            let ours = ["svg", "style", "rect", "defs", "g", "text", "use"];
            prop_assert!(tag.is_some_and(|name| ours.contains(&name)), "{:?}", tag);
        }
        let may = |c: char| crate::is_visible(c) && !matches!(c, '\u{fffe}' | '\u{ffff}');
        let safe = picture.chars().all(|c| c == '\n' || may(c));
        prop_assert!(safe, "{}", picture);
    }
}
