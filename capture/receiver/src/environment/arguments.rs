//! A command line with places in it for what is known later.

use std::ffi::{OsStr, OsString};

use super::Ports;

/// One argument of the command line that is planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Argument {
    /// As it was written.
    Kept(OsString),
    /// Text with an endpoint of the receiver behind it.
    Endpoint(&'static str, Endpoint),
}

/// How an endpoint of the receiver is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// `http://127.0.0.1:4317`
    Grpc,
    /// `127.0.0.1:4317`
    GrpcBare,
    /// `http://127.0.0.1:4318/v1/traces`
    HttpTraces,
}

impl Argument {
    pub(super) fn text(text: &str) -> Self {
        Self::Kept(text.into())
    }

    pub(super) fn written(&self, ports: Ports) -> OsString {
        match self {
            Self::Kept(text) => text.clone(),
            Self::Endpoint(before, endpoint) => {
                let endpoint = match endpoint {
                    Endpoint::Grpc => format!("http://127.0.0.1:{}", ports.grpc),
                    Endpoint::GrpcBare => format!("127.0.0.1:{}", ports.grpc),
                    Endpoint::HttpTraces => format!("http://127.0.0.1:{}/v1/traces", ports.http),
                };
                format!("{before}{endpoint}").into()
            }
        }
    }
}

/// A flag that was found on a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flag<'a> {
    /// Its value; `None` when it has none or is not text.
    pub(super) value: Option<&'a str>,
    /// The argument with the value in it.
    pub(super) value_at: usize,
    /// Whether that argument is the flag too (`--flag=value`).
    pub(super) is_joined: bool,
}

/// The flags named `name` from the argument `first` on. Python's servers take `_` for `-`.
pub(super) fn flags<'a>(
    argv: &'a [OsString],
    first: usize,
    name: &'a str,
) -> impl Iterator<Item = Flag<'a>> {
    let arguments = argv.iter().enumerate().skip(first);
    arguments.filter_map(move |(at, argument)| {
        let argument = argument.to_str()?;
        let (written, value) = match argument.split_once('=') {
            Some((written, value)) => (written, Some(value)),
            None => (argument, None),
        };
        if written.replace('_', "-") != name {
            return None;
        }
        Some(match value {
            Some(_) => Flag { value, value_at: at, is_joined: true },
            None => {
                let value = argv.get(at + 1).map(OsString::as_os_str).and_then(OsStr::to_str);
                Flag { value, value_at: at + 1, is_joined: false }
            }
        })
    })
}
