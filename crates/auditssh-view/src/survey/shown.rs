use super::line::{LONGEST_LINE, OVERLAP};
use crate::runs::{Did, Start, Step};
use crate::screen::{Screen, shown};
use avt::parser::{EdScope, Function};
use avt::{Line, Observation, Observer, Operation, ScreenKind, Terminal};
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

/// A screen that stands still for so many nanoseconds is looked at.
const STILL: u64 = 10_000_000;

/// How much may be looked at and told, in characters: so much, and so much more for each byte of
/// the recording. A few bytes can fill a screen.
const FREE: u64 = 64 << 20;
const PER_BYTE: u64 = 256;

/// The longest line that is put together of what scrolled off, in bytes.
const LONGEST: usize = 4 * LONGEST_LINE;

/// Where lines go: the time since which they stood there, and the text.
type Tell<'a> = dyn FnMut(u64, &str) + 'a;

/// What stood on the screen of a program.
///
/// A line is told when it goes: off the screen, or because something else stands in its place, but
/// for what only grew, or shrank after it was told. So what is typed is told as a whole, and what was
/// typed before a correction as well.
#[derive(Debug)]
pub(super) struct Shown {
    screen: Screen,
    rows: Rows,
}

#[derive(Debug)]
struct Rows {
    /// When the screen was changed last.
    now: u64,
    /// When what is written now came.
    step: u64,
    /// The rows of the screen as they were when it was looked at.
    visible: Vec<Row>,
    /// Those that may have changed since.
    changed: Changed,
    primary: Vec<Seen>,
    alternate: Vec<Seen>,
    /// The beginning of a line that scrolled off, and goes on in the first one of the screen.
    leaving: Option<String>,
    left: u64,
    incomplete: bool,
}

/// A row of the screen.
#[derive(Debug, Default)]
struct Row {
    text: String,
    /// Whether it goes on in the next row.
    goes_on: bool,
    /// Whether it begins with a wide character.
    is_wide: bool,
}

/// Which rows may have changed.
#[derive(Debug, Default)]
struct Changed {
    rows: BTreeSet<usize>,
    all: bool,
}

/// A line of the screen.
#[derive(Debug)]
struct Seen {
    text: String,
    /// Since when it stands there.
    since: u64,
    /// Whether it is the beginning of a line that was told and then shortened.
    shrunk: bool,
}

impl Shown {
    pub(super) fn new(start: &Start) -> Self {
        Self {
            screen: Screen::new(start),
            rows: Rows {
                now: 0,
                step: 0,
                visible: Vec::new(),
                changed: Changed::default(),
                primary: Vec::new(),
                alternate: Vec::new(),
                leaving: None,
                left: FREE,
                incomplete: false,
            },
        }
    }

    /// Whether something may have stood there that was not told.
    pub(super) const fn is_incomplete(&self) -> bool {
        self.rows.incomplete
    }

    /// Shows what a step writes, and tells the lines that go.
    pub(super) fn push(&mut self, step: &Step<'_>, tell: &mut Tell<'_>) {
        let bytes = match step.what {
            Did::Output(data) | Did::Errors(data) => data.len(),
            Did::Resize(_) | Did::End => 0,
            Did::Begin(_) | Did::Input(_) | Did::Exit(_) => return,
        };
        let rows = &mut self.rows;
        rows.left = rows
            .left
            .saturating_add((bytes as u64).saturating_mul(PER_BYTE));
        if step.at.saturating_sub(rows.now) >= STILL {
            rows.look(self.screen.terminal(), tell);
        }
        rows.step = step.at;
        let mut watch = Watch { rows, tell };
        self.screen.push_with(step, &mut watch);
        if matches!(step.what, Did::End) {
            self.rows.look(self.screen.terminal(), tell);
            self.rows.end(tell);
        }
    }
}

impl Rows {
    /// Looks at the screen: what is not there any more is told.
    fn look(&mut self, terminal: &Terminal, tell: &mut Tell<'_>) {
        if self.changed.is_nothing() {
            return;
        }
        let (columns, rows) = terminal.size();
        let changed = self.changed.count(rows);
        if !self.may_take(columns.saturating_mul(changed) as u64) {
            return;
        }
        self.see(terminal);
        let is_primary = terminal.active_screen_kind() == ScreenKind::Primary;
        let head = self.leaving.clone().filter(|_| is_primary);
        let found = lines(&self.visible, head);
        let seen = if is_primary {
            &mut self.primary
        } else {
            &mut self.alternate
        };
        let before = std::mem::take(seen);
        let (now, gone) = compare(before, found, self.now);
        *seen = now;
        for line in gone {
            self.tell(line.since, &line.text, tell);
        }
    }

    /// Takes the rows that changed as they are now.
    fn see(&mut self, terminal: &Terminal) {
        let changed = std::mem::take(&mut self.changed);
        let rows = terminal.screen().visible_lines();
        let all = changed.all || rows.len() != self.visible.len();
        self.visible.resize_with(rows.len(), Row::default);
        for (number, (row, line)) in self.visible.iter_mut().zip(rows).enumerate() {
            if all || changed.rows.contains(&number) {
                row.take(line);
            }
            // That changes without a change of its cells.
            row.goes_on = line.is_wrapped();
        }
    }

    /// A line scrolls off.
    fn leave(&mut self, line: &Line, tell: &mut Tell<'_>) {
        let mut text = self.leaving.take().unwrap_or_default();
        let mut row = Row::default();
        row.take(line);
        row.append(&mut text);
        if row.goes_on {
            if text.len() > LONGEST {
                self.tell(self.now, &text, tell);
                text.drain(..text.floor_char_boundary(text.len() - OVERLAP));
            }
            self.leaving = Some(text);
            return;
        }
        let text = text.trim_end();
        let known = self.primary.iter().position(|seen| seen.text == text);
        let since = known.map(|at| self.primary.remove(at).since);
        // The first of those that were seen is the one that goes, if it grew since.
        let first = self.primary.first();
        if since.is_none() && first.is_some_and(|seen| text.starts_with(&seen.text)) {
            self.primary.remove(0);
        }
        self.tell(since.unwrap_or(self.now), text, tell);
    }

    /// The lines of the alternate screen go with it.
    fn close_alternate(&mut self, tell: &mut Tell<'_>) {
        for line in std::mem::take(&mut self.alternate) {
            self.tell(line.since, &line.text, tell);
        }
    }

    fn end(&mut self, tell: &mut Tell<'_>) {
        for line in std::mem::take(&mut self.primary) {
            self.tell(line.since, &line.text, tell);
        }
        self.close_alternate(tell);
    }

    fn tell(&mut self, since: u64, text: &str, tell: &mut Tell<'_>) {
        if !text.trim().is_empty() && self.may_take(text.len() as u64) {
            tell(since, text);
        }
    }

    fn may_take(&mut self, characters: u64) -> bool {
        let left = self.left.checked_sub(characters);
        self.incomplete |= left.is_none();
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }
}

/// What the lines of a screen are now, and which of those before are gone.
fn compare(mut before: Vec<Seen>, mut found: Vec<String>, time: u64) -> (Vec<Seen>, Vec<Seen>) {
    // Mostly little has changed: what is equal at both ends stays.
    let equal = |(seen, text): &(&Seen, &String)| seen.text == **text;
    let pairs = before.iter().zip(&found);
    let head = pairs.take_while(equal).count();
    let ends = (before.iter().skip(head).rev()).zip(found.iter().skip(head).rev());
    let tail = ends.take_while(equal).count();
    let last = before.split_off(before.len() - tail);
    found.truncate(found.len() - tail);
    let old = before.split_off(head);
    let (mut now, mut arrived) = (before, Vec::new());

    let mut known: HashMap<String, Vec<Seen>> = HashMap::with_capacity(old.len());
    let mut order = Vec::with_capacity(old.len());
    for line in old.into_iter().rev() {
        order.push(line.text.clone());
        known.entry(line.text.clone()).or_default().push(line);
    }
    for text in found.into_iter().skip(head) {
        // Of equal lines the one that is there longest.
        if let Some(line) = known.get_mut(&text).and_then(Vec::pop) {
            now.push(line);
        } else {
            arrived.push(now.len());
            now.push(Seen {
                text,
                since: time,
                shrunk: false,
            });
        }
    }
    now.extend(last);
    let mut gone = Vec::new();
    while let Some(text) = order.pop() {
        let Some(line) = known.get_mut(&text).and_then(Vec::pop) else {
            continue;
        };
        if !goes_on(&line, &arrived, &mut now) {
            gone.push(line);
        }
    }
    (now, gone)
}

/// Whether a line that is gone need not be told: it grew, or shrank after what it was before was
/// told.
fn goes_on(line: &Seen, arrived: &[usize], now: &mut [Seen]) -> bool {
    let mut is_kept = false;
    for at in arrived {
        let Some(new) = now.get_mut(*at) else {
            continue;
        };
        if new.text.starts_with(&line.text) {
            return true;
        }
        if line.text.starts_with(&new.text) {
            new.shrunk = true;
            is_kept |= line.shrunk;
        }
    }
    is_kept
}

/// The lines of a screen; what goes on in the next row is one line. `head` is what precedes the
/// first. Blank ones are left out.
fn lines(rows: &[Row], head: Option<String>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut text = head.unwrap_or_default();
    let mut end = |text: &mut String| {
        let length = text.trim_end().len();
        text.truncate(length);
        if !text.is_empty() {
            lines.push(std::mem::take(text));
        }
    };
    for row in rows {
        row.append(&mut text);
        if !row.goes_on {
            end(&mut text);
        }
    }
    end(&mut text);
    lines
}

impl Row {
    /// Is as that line is now.
    fn take(&mut self, line: &Line) {
        self.text.clear();
        self.text.extend(line.chars().map(shown));
        self.goes_on = line.is_wrapped();
        self.is_wide = line.cells().first().is_some_and(|cell| cell.width() == 2);
    }

    /// Appends itself to what goes on in it. A wide character for which one cell was left at the end
    /// of the row before leaves that blank.
    fn append(&self, text: &mut String) {
        if self.is_wide && text.ends_with(' ') {
            text.pop();
        }
        text.push_str(&self.text);
    }
}

impl Changed {
    fn is_nothing(&self) -> bool {
        !self.all && self.rows.is_empty()
    }

    fn count(&self, rows: usize) -> usize {
        if self.all { rows } else { self.rows.len() }
    }

    fn add(&mut self, rows: Range<usize>) {
        // More than a few are as good as all.
        self.all |= rows.len() + self.rows.len() > 8;
        if !self.all {
            self.rows.extend(rows);
        }
    }
}

/// Sees lines go.
struct Watch<'a, 'b> {
    rows: &'a mut Rows,
    tell: &'a mut Tell<'b>,
}

impl Observer for Watch<'_, '_> {
    type Output = ();

    fn before(&mut self, context: &mut Observation<'_>, operation: &Operation) {
        let Operation::Function(function) = operation else {
            return;
        };
        // What is cleared, and what is behind another screen from now on.
        let goes = matches!(
            function,
            Function::Ris
                | Function::Ed(EdScope::Below | EdScope::Above | EdScope::All)
                | Function::Decset(_)
                | Function::Decrst(_)
        );
        if goes {
            self.rows.look(context.terminal(), self.tell);
        }
    }

    fn resized(&mut self, _: usize, _: usize) {
        self.rows.now = self.rows.step;
        self.rows.changed.all = true;
    }

    // What is cleared first stood there as it was changed last, not as it goes.
    fn dirty(&mut self, rows: Range<usize>) {
        self.rows.now = self.rows.step;
        self.rows.changed.add(rows);
    }

    fn after(&mut self, context: &mut Observation<'_>, operation: &Operation) {
        let may_switch = matches!(
            operation,
            Operation::Function(Function::Decrst(_) | Function::Ris)
        );
        let is_primary = context.terminal().active_screen_kind() == ScreenKind::Primary;
        if may_switch && is_primary && !self.rows.alternate.is_empty() {
            self.rows.close_alternate(self.tell);
        }
    }

    fn evicted(&mut self, _: &mut Observation<'_>, line: &Line) {
        self.rows.now = self.rows.step;
        self.rows.leave(line, self.tell);
    }

    fn end(&mut self, _: &mut Observation<'_>) {}
}
