use super::*;
use crate::logging::connection::Connections;
use std::io::Write;
use std::sync::{Arc, Mutex};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl MakeWriter<'_> for Kept {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The lines that are logged meanwhile.
fn lines(form: Form, journal: bool, log: impl FnOnce()) -> Vec<String> {
    let kept = Kept::default();
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(kept.clone())
        .with_ansi(false)
        .event_format(Line { form, journal });
    let subscriber = tracing_subscriber::registry().with(Connections).with(layer);
    tracing::subscriber::with_default(subscriber, log);
    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn three() {
    let span = tracing::error_span!("connection", connection = "abc");
    span.in_scope(|| tracing::debug!(number = 7, "in the span"));
    span.in_scope(|| tracing::warn!(connection = "def", "of another"));
    tracing::error!(error = %"x", yes = true, "of none");
}

#[test]
fn text_has_the_connection_of_the_span_unless_it_has_its_own() {
    let lines = lines(Form::Text, false, three);
    let [first, second, third] = lines.as_slice() else {
        unreachable!("{lines:?}")
    };
    let target = "auditssh::logging::line::tests";
    let end = format!("Z DEBUG {target}: in the span number=7 connection=abc");
    assert!(first.ends_with(&end), "{first}");
    assert!(first.starts_with("20"), "{first}");
    assert!(second.contains("Z  WARN "), "{second}");
    assert!(
        second.ends_with("of another connection=\"def\""),
        "{second}"
    );
    assert!(third.ends_with("of none error=x yes=true"), "{third}");
}

#[test]
fn json_has_it_at_the_top() {
    let lines = lines(Form::Json, false, three);
    let lines: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |name: &str| -> Vec<&Value> { lines.iter().map(|line| &line[name]).collect() };
    assert_eq!(
        of("connection"),
        ["abc", "def"]
            .map(Value::from)
            .iter()
            .chain([&Value::Null])
            .collect::<Vec<_>>()
    );
    assert_eq!(of("level"), ["DEBUG", "WARN", "ERROR"]);
    assert_eq!(of("message"), ["in the span", "of another", "of none"]);
    assert_eq!(
        (&lines[0]["number"], &lines[2]["yes"]),
        (&7.into(), &true.into())
    );
    assert!(
        of("timestamp")
            .iter()
            .all(|time| time.as_str().unwrap().ends_with('Z'))
    );
    assert!(
        of("target")
            .iter()
            .all(|target| target.as_str().unwrap().starts_with("auditssh::"))
    );
}

#[test]
fn the_journal_gets_a_priority_and_no_time() {
    let text = lines(Form::Text, true, three);
    let target = "auditssh::logging::line::tests";
    assert_eq!(
        text[0],
        format!("<7>{target}: in the span number=7 connection=abc")
    );
    assert!(
        text[1].starts_with("<4>") && text[2].starts_with("<3>"),
        "{text:?}"
    );
    let json = lines(Form::Json, true, three);
    assert!(json[2].starts_with("<3>{"), "{json:?}");
}
