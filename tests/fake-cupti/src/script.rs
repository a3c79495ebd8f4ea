//! What the double shall do wrong.
//!
//! A script is a list of commands, one a line; `#` starts a comment. It comes from the variable
//! [`SCRIPT_VARIABLE`] (the text itself, or `@` and a file), or from `fake_cupti_script`.
//!
//! | command | effect |
//! |---|---|
//! | `profile 12.4` | play this release; only before the first CUPTI call |
//! | `driver absent` | answer as that release does on a machine without a driver; 13.2 crashes |
//! | `subscriber NAME` | another profiler is subscribed already |
//! | `fail FUNCTION CODE [after N] [times N]` | return CODE from FUNCTION |
//! | `lie stride KIND BYTES` | the iterator steps this much too far |
//! | `lie size KIND BYTES` | `cuptiActivityGetStructSize` says this much too much |
//! | `times zero every N` | every Nth record has no times |
//! | `times zero after N` | all records after the first N have no times |
//! | `times inverted every N` | every Nth record ends before it starts |
//! | `deliver worker` | buffers come back on the library's own thread (the default) |
//! | `deliver inline` | buffers come back on the thread that filled them |
//! | `deliver flush` | buffers come back when flushed only |
//! | `order fifo`, `order lifo`, `order shuffle SEED` | in which order they do |
//! | `overfull BYTES` | completed buffers claim this much more than their capacity |
//! | `truncate BYTES` | completed buffers lack this much at their end |

use std::time::Duration;

use cupti_sys::{ActivityKind, CUptiResult, Toolkit};

use crate::faults::{Delivery, Failure, Faults, Order};
use crate::profile::Profile;

/// Holds the script that a process starts with.
pub const SCRIPT_VARIABLE: &str = "FAKE_CUPTI_SCRIPT";

/// Names the release to play, for a library that was not made for one.
pub const PROFILE_VARIABLE: &str = "FAKE_CUPTI_PROFILE";

/// How long the worker sleeps when there is nothing to do.
pub(crate) const WORKER_NAP: Duration = Duration::from_millis(20);

/// A line that is not a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("script line {line}: {text:?} is not a command")]
pub struct ScriptError {
    /// Counting from 1.
    pub line: usize,
    /// The line.
    pub text: String,
}

/// What a script changes.
#[derive(Debug, Default)]
pub(crate) struct Effects<'a> {
    /// The release to play.
    pub(crate) profile: Option<Profile>,
    /// What to do wrong.
    pub(crate) faults: Option<&'a mut Faults>,
}

/// Carries out `script` on `effects`.
pub(crate) fn run(script: &str, effects: &mut Effects<'_>) -> Result<(), ScriptError> {
    for (index, text) in script.lines().enumerate() {
        let command = text.split('#').next().unwrap_or_default();
        let words: Vec<&str> = command.split_whitespace().collect();
        if !words.is_empty() && step(&words, effects).is_none() {
            return Err(ScriptError { line: index + 1, text: text.to_owned() });
        }
    }
    Ok(())
}

fn step(words: &[&str], effects: &mut Effects<'_>) -> Option<()> {
    if let ["profile", release] = words {
        effects.profile = Some(Profile::of(Toolkit::parse(release)?)?);
        return Some(());
    }
    let faults = effects.faults.as_deref_mut()?;
    match *words {
        ["driver", "absent"] => faults.driver_absent = true,
        ["driver", "present"] => faults.driver_absent = false,
        ["subscriber", name] => faults.subscriber = Some(name.to_owned()),
        ["subscriber"] => faults.subscriber = None,
        ["fail", function, code, ref rest @ ..] => {
            faults.failures.push(failure(function, code, rest)?);
        }
        ["lie", "stride", kind, bytes] => {
            faults.stride_lies.push((ActivityKind(kind.parse().ok()?), bytes.parse().ok()?));
        }
        ["lie", "size", kind, bytes] => {
            faults.size_lies.push((ActivityKind(kind.parse().ok()?), bytes.parse().ok()?));
        }
        ["times", "zero", "every", n] => faults.zero_every = n.parse().ok()?,
        ["times", "zero", "after", n] => faults.zero_after = Some(n.parse().ok()?),
        ["times", "inverted", "every", n] => faults.inverted_every = n.parse().ok()?,
        ["deliver", "worker"] => faults.delivery = Delivery::Worker,
        ["deliver", "inline"] => faults.delivery = Delivery::Inline,
        ["deliver", "flush"] => faults.delivery = Delivery::Flush,
        ["order", "fifo"] => faults.order = Order::Fifo,
        ["order", "lifo"] => faults.order = Order::Lifo,
        ["order", "shuffle", seed] => faults.order = Order::Shuffle(seed.parse().ok()?),
        ["overfull", bytes] => faults.overfull_bytes = bytes.parse().ok()?,
        ["truncate", bytes] => faults.truncate_bytes = bytes.parse().ok()?,
        _ => return None,
    }
    Some(())
}

fn failure(function: &str, code: &str, mut rest: &[&str]) -> Option<Failure> {
    let mut failure = Failure {
        function: function.to_owned(),
        result: CUptiResult(code.parse().ok()?),
        after: 0,
        times: u64::MAX,
    };
    while let [word, n, tail @ ..] = rest {
        match *word {
            "after" => failure.after = n.parse().ok()?,
            "times" => failure.times = n.parse().ok()?,
            _ => return None,
        }
        rest = tail;
    }
    rest.is_empty().then_some(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_take_effect_and_strangers_are_named() {
        let mut faults = Faults::default();
        let mut effects = Effects { profile: None, faults: Some(&mut faults) };
        run("# nothing\nprofile 12.4\nfail cuptiSubscribe 39 after 2 times 1\n", &mut effects)
            .expect("a good script");
        assert_eq!(effects.profile.map(|profile| profile.api_version), Some(22));
        let error = run("order fifo\norder sideways", &mut effects).expect_err("a bad script");
        assert_eq!(error.to_string(), "script line 2: \"order sideways\" is not a command");
        assert_eq!(faults.failures[0].after, 2);
    }
}
