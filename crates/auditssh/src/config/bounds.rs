//! Between which values what is counted, takes time or has a size must lie: bounds that keep a
//! typing error from making a server that serves nobody, or one without limits. The schema tells
//! them, and the check holds to them.

use super::duration::Span;
use super::size::Size;
use schemars::Schema;
use schemars::transform::Transform;
use serde_json::{Value, json};
use std::fmt::Display;

const MANY: usize = 1_000_000;
const NO_TIME: Span = Span::from_secs(0);
const SECOND: Span = Span::from_secs(1);
const MINUTE: Span = Span::from_secs(60);
const HOUR: Span = Span::from_secs(3600);
const DAY: Span = Span::from_secs(24 * 3600);

pub(crate) const SYNC_INTERVAL: Bounds<Span> = Bounds::new(Span::from_millis(10), HOUR);
pub(crate) const SEAL_INTERVAL: Bounds<Span> = Bounds::new(SECOND, DAY);

pub(crate) const UPLOAD_PART_SIZE: Bounds<Size> =
    Bounds::new(Size::mebibytes(5), Size::gibibytes(5));
pub(crate) const PARALLEL_UPLOADS: Bounds<u32> = Bounds::new(1, 1000);
pub(crate) const SHUTDOWN_TIMEOUT: Bounds<Span> = Bounds::new(NO_TIME, HOUR);
/// For 100 years.
pub(crate) const RETAINED_DAYS: Bounds<u32> = Bounds::new(0, 36_500);

pub(crate) const HTTP_TIMEOUT: Bounds<Span> = Bounds::new(Span::from_millis(100), MINUTE);
pub(crate) const AUTH_TIMEOUT: Bounds<Span> = Bounds::new(Span::from_millis(100), HOUR);

pub(crate) const CLIENT_ALIVE_INTERVAL: Bounds<Span> = Bounds::new(SECOND, DAY).or_zero();
pub(crate) const CLIENT_ALIVE_COUNT_MAX: Bounds<usize> = Bounds::new(1, 1000);
pub(crate) const REKEY_LIMIT: Bounds<Size> = Bounds::new(Size::mebibytes(1), Size::gibibytes(1));

pub(crate) const CERTIFICATE_LIFETIME: Bounds<Span> = Bounds::new(Span::from_secs(10), DAY);
/// Of one user, to a host.
pub(crate) const HOST_CONNECTIONS: Bounds<usize> = Bounds::new(1, 100);
/// Of asciicast.
pub(crate) const CAST_VERSION: Bounds<u16> = Bounds::new(2, 3);
pub(crate) const PORT: Bounds<u16> = Bounds::new(1, u16::MAX);

pub(crate) const UNAUTHENTICATED: Bounds<usize> = Bounds::new(1, MANY);
pub(crate) const UNAUTHENTICATED_WAIT: Bounds<Span> = Bounds::new(NO_TIME, MINUTE);
pub(crate) const LOGIN_GRACE_TIME: Bounds<Span> = Bounds::new(SECOND, HOUR);
pub(crate) const AUTH_ATTEMPTS: Bounds<usize> = Bounds::new(1, 100);
pub(crate) const REJECTION_TIME: Bounds<Span> = Bounds::new(NO_TIME, Span::from_secs(10));
pub(crate) const CONNECTIONS: Bounds<usize> = Bounds::new(0, MANY);
/// `-1` for no bound of its own.
pub(crate) const MAX_SESSIONS: Bounds<i64> = Bounds::new(-1, 1_000_000);
pub(crate) const SESSION_CHANNELS: Bounds<usize> = Bounds::new(1, 1000);
pub(crate) const CHANNELS: Bounds<u64> = Bounds::new(1, 1_000_000_000);
pub(crate) const FORWARDED_CHANNELS: Bounds<usize> = Bounds::new(1, 100_000);
/// `spec.containers` of a pod.
pub(crate) const CONSOLE_CONTAINER: Bounds<usize> = Bounds::new(0, 1000);
pub(crate) const LISTENERS: Bounds<usize> = Bounds::new(1, 10_000);
pub(crate) const ENVIRONMENT_VARIABLES: Bounds<usize> = Bounds::new(0, 10_000);
pub(crate) const ENVIRONMENT_BYTES: Bounds<Size> = Bounds::new(Size::bytes(0), Size::mebibytes(1));
pub(crate) const NAME_BYTES: Bounds<Size> = Bounds::new(Size::bytes(1), Size::kibibytes(64));
pub(crate) const COMMAND_BYTES: Bounds<Size> = Bounds::new(Size::kibibytes(1), Size::mebibytes(1));
pub(crate) const CHANNEL_BUFFER: Bounds<Size> =
    Bounds::new(Size::kibibytes(256), Size::gibibytes(1));
pub(crate) const TOTAL_BUFFER: Bounds<Size> =
    Bounds::new(Size::mebibytes(1), Size::gibibytes(1024));
pub(crate) const BACKEND_TIME: Bounds<Span> = Bounds::new(SECOND, HOUR);
/// To an API server.
pub(crate) const REQUESTS: Bounds<u32> = Bounds::new(1, 10_000);
pub(crate) const DISCONNECT_GRACE: Bounds<Span> = Bounds::new(NO_TIME, MINUTE);
pub(crate) const SHUTDOWN_GRACE: Bounds<Span> = Bounds::new(NO_TIME, DAY);

pub(crate) const VIEW_IDLE: Bounds<Span> = Bounds::new(MINUTE, DAY);
pub(crate) const VIEW_LIFETIME: Bounds<Span> = Bounds::new(MINUTE, Span::from_secs(30 * 24 * 3600));
pub(crate) const VIEW_SESSIONS: Bounds<usize> = Bounds::new(1, 100_000);

/// The least and the greatest value, both included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds<T> {
    least: T,
    most: T,
    or_zero: bool,
}

/// What has bounds.
pub(crate) trait Number: Copy + Default + PartialOrd + Display {
    /// In the unit of a number that stands alone: nanoseconds, bytes.
    fn plain(self) -> Value;
}

impl<T> Bounds<T> {
    const fn new(least: T, most: T) -> Self {
        Self {
            least,
            most,
            or_zero: false,
        }
    }

    const fn or_zero(mut self) -> Self {
        self.or_zero = true;
        self
    }
}

impl<T: Number> Bounds<T> {
    /// What is wrong with a value.
    pub(crate) fn refusal(&self, value: T) -> Option<String> {
        let Self { least, most, .. } = self;
        let is_zero = self.or_zero && value == T::default();
        if is_zero || (*least..=*most).contains(&value) {
            return None;
        }
        let zero = self.zero(T::default());
        Some(format!(
            "{value} is out of bounds: it must lie between {least} and {most}{zero}"
        ))
    }

    fn zero(&self, zero: impl Display) -> String {
        if self.or_zero {
            format!(", or be {zero}")
        } else {
            String::new()
        }
    }

    /// Tells the bounds in the schema of a key.
    pub(crate) fn told(self) -> impl Transform {
        move |schema: &mut Schema| {
            let Self { least, most, .. } = self;
            if self.or_zero {
                schema.insert("minimum".into(), T::default().plain());
                let between = json!({
                    "type": "integer",
                    "exclusiveMinimum": T::default().plain(),
                    "exclusiveMaximum": least.plain(),
                });
                schema.insert("not".into(), between);
            } else {
                schema.insert("minimum".into(), least.plain());
            }
            schema.insert("maximum".into(), most.plain());
            if let Some(Value::String(text)) = schema.get_mut("description") {
                let zero = self.zero(format_args!("`{}`", T::default()));
                *text = format!("{text} It must lie between `{least}` and `{most}`{zero}.");
            }
        }
    }
}

impl Number for u16 {
    fn plain(self) -> Value {
        self.into()
    }
}

impl Number for u32 {
    fn plain(self) -> Value {
        self.into()
    }
}

impl Number for i64 {
    fn plain(self) -> Value {
        self.into()
    }
}

impl Number for u64 {
    fn plain(self) -> Value {
        self.into()
    }
}

impl Number for usize {
    fn plain(self) -> Value {
        self.into()
    }
}

impl Number for Size {
    fn plain(self) -> Value {
        usize::from(self).into()
    }
}

impl Number for Span {
    fn plain(self) -> Value {
        u64::try_from(std::time::Duration::from(self).as_nanos()).map_or(Value::Null, Value::from)
    }
}
