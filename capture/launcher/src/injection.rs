//! The environment that has a process load the collector and its hook.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use crate::{Files, LaunchError, RecordOptions, Session};

/// What to change in the environment of the command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Injection {
    /// Variables to set.
    pub variables: Vec<(&'static str, OsString)>,
    /// What a person should know about it, in one line each.
    pub notes: Vec<String>,
}

const CUDA: &str = "CUDA_INJECTION64_PATH";
const NVTX: &str = "NVTX_INJECTION64_PATH";

/// The variables that make `options` happen, given the variables that are set already.
///
/// # Errors
/// When another tool's library is to be injected and [`RecordOptions::chain`] is not set.
pub fn injection(
    existing: impl Fn(&str) -> Option<OsString>,
    options: &RecordOptions,
    files: &Files,
    session: &Session,
) -> Result<Injection, LaunchError> {
    let existing = |name: &str| existing(name).filter(|value| !value.is_empty());
    let collector = files.collector.as_os_str();
    let mut injection = Injection::default();
    let other = |name: &str| existing(name).filter(|value| value != "none" && value != collector);
    for variable in [CUDA, NVTX] {
        if let Some(value) = other(variable).filter(|_| !options.chain) {
            return Err(LaunchError::OtherTool { variable, value });
        }
    }
    if let Some(value) = other(CUDA) {
        // CUDA loads one library, which then loads the other.
        injection.variables.push(("UNDERSPAN_CHAIN", value));
    }
    injection.variables.push((CUDA, collector.to_owned()));
    match other(NVTX) {
        // A program's annotations go to one library.
        Some(value) => injection.notes.push(format!(
            "annotations are not recorded: {NVTX} stays {}, which gets them",
            value.display()
        )),
        None => injection.variables.push((NVTX, collector.to_owned())),
    }
    let mut set = |name, value: &OsStr| injection.variables.push((name, value.to_owned()));
    set("UNDERSPAN_COLLECTOR", collector);
    let waits = options.delay.is_some_and(|delay| !delay.is_zero());
    let mode = if waits && options.mode == crate::Mode::Stream {
        crate::Mode::Dormant
    } else {
        options.mode
    };
    set("UNDERSPAN_MODE", mode.word().as_ref());
    set("UNDERSPAN_KINDS", options.kinds.word().as_ref());
    set("UNDERSPAN_OUTPUT", &session.output_pattern(mode));
    set("UNDERSPAN_SOCKET", &session.socket_pattern());
    if let Some(percent) = options.overhead_budget_percent {
        set("UNDERSPAN_OVERHEAD_BUDGET", percent.to_string().as_ref());
    }
    if let Some(window) = options.ring_window {
        set("UNDERSPAN_RING_MS", window.as_millis().to_string().as_ref());
    }
    if let Some(hook) = files.hook.as_deref().filter(|_| !options.without_hook) {
        set("UNDERSPAN_HOOK_DIR", session.hook_dir().as_os_str());
        set("PYTHONPATH", &prepended(hook, existing("PYTHONPATH")));
        if let Some(plugins) = existing("VLLM_PLUGINS") {
            set("VLLM_PLUGINS", &with_plugin(&plugins));
        }
    }
    injection.variables.extend(options.extra_variables.iter().cloned());
    Ok(injection)
}

/// `folder` in front of a search path.
fn prepended(folder: &Path, path: Option<OsString>) -> OsString {
    let mut joined = folder.as_os_str().to_owned();
    if let Some(path) = path {
        joined.push(":");
        joined.push(path);
    }
    joined
}

/// vLLM loads the plugins of this list only.
fn with_plugin(plugins: &OsStr) -> OsString {
    let is_listed = plugins.as_bytes().split(|byte| *byte == b',').any(|name| name == b"underspan");
    let mut plugins = plugins.to_owned();
    if !is_listed {
        plugins.push(",underspan");
    }
    plugins
}

/// A path as the collector's patterns have it: it reads `%%` as a percent sign.
pub(crate) fn escaped(path: &Path) -> OsString {
    let mut bytes = Vec::with_capacity(path.as_os_str().len());
    for &byte in path.as_os_str().as_bytes() {
        bytes.push(byte);
        if byte == b'%' {
            bytes.push(b'%');
        }
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kinds, Mode};
    use std::time::Duration;

    fn of(existing: &[(&str, &str)], options: &RecordOptions) -> Result<Injection, LaunchError> {
        let files = Files { collector: "/lib/c.so".into(), hook: Some("/hook".into()) };
        let session = Session::at("/out/cap.uspan.parts".into(), "/run/us".into());
        let find = |name: &str| {
            existing.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
        };
        injection(find, options, &files, &session)
    }

    fn value(injection: &Injection, name: &str) -> Option<String> {
        let found = injection.variables.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| value.to_string_lossy().into_owned())
    }

    #[test]
    fn both_loaders_get_the_collector_and_python_the_hook() {
        let options = RecordOptions { kinds: Kinds::Node, ..RecordOptions::default() };
        let existing = [("PYTHONPATH", "/a:/b"), ("VLLM_PLUGINS", "mine")];
        let injection = of(&existing, &options).expect("nothing in the way");
        let value = |name| value(&injection, name);
        assert_eq!(value(CUDA).as_deref(), Some("/lib/c.so"));
        assert_eq!(value(NVTX).as_deref(), Some("/lib/c.so"));
        assert_eq!(value("PYTHONPATH").as_deref(), Some("/hook:/a:/b"));
        assert_eq!(value("VLLM_PLUGINS").as_deref(), Some("mine,underspan"));
        assert_eq!(value("UNDERSPAN_MODE").as_deref(), Some("stream"));
        assert_eq!(value("UNDERSPAN_KINDS").as_deref(), Some("node"));
        assert_eq!(value("UNDERSPAN_OUTPUT").as_deref(), Some("/out/cap.uspan.parts/%p.uspan"));
        assert_eq!(value("UNDERSPAN_SOCKET").as_deref(), Some("/run/us/%p.sock"));
        assert_eq!(value("UNDERSPAN_HOOK_DIR").as_deref(), Some("/out/cap.uspan.parts/hook"));
    }

    #[test]
    fn a_delay_starts_dormant_and_python_can_be_left_alone() {
        let options = RecordOptions {
            delay: Some(Duration::from_secs(3)),
            without_hook: true,
            ..RecordOptions::default()
        };
        let injection = of(&[("VLLM_PLUGINS", "mine")], &options).expect("nothing in the way");
        assert_eq!(value(&injection, "UNDERSPAN_MODE").as_deref(), Some("dormant"));
        assert_eq!(value(&injection, "PYTHONPATH"), None);
        assert_eq!(value(&injection, "VLLM_PLUGINS"), None);
        let ring = RecordOptions { mode: Mode::Ring, ..options };
        let injection = of(&[], &ring).expect("nothing in the way");
        assert_eq!(value(&injection, "UNDERSPAN_MODE").as_deref(), Some("ring"));
        assert_eq!(
            value(&injection, "UNDERSPAN_OUTPUT").as_deref(),
            Some("/out/cap.uspan.parts/%p")
        );
    }

    #[test]
    fn another_tool_is_not_pushed_aside() {
        let nsys = [(CUDA, "/opt/nsys/inject.so")];
        let refused = of(&nsys, &RecordOptions::default()).expect_err("another tool");
        assert!(refused.to_string().contains("/opt/nsys/inject.so"), "{refused}");
        let chain = RecordOptions { chain: true, ..RecordOptions::default() };
        let injection = of(&nsys, &chain).expect("both");
        assert_eq!(value(&injection, "UNDERSPAN_CHAIN").as_deref(), Some("/opt/nsys/inject.so"));
        assert_eq!(value(&injection, CUDA).as_deref(), Some("/lib/c.so"));
        let nvtx = [(NVTX, "/opt/nsys/nvtx.so")];
        assert!(of(&nvtx, &RecordOptions::default()).is_err());
        let injection = of(&nvtx, &chain).expect("theirs stays");
        assert_eq!((value(&injection, NVTX), injection.notes.len()), (None, 1));
        for fine in ["", "none", "/lib/c.so"] {
            assert!(of(&[(CUDA, fine)], &RecordOptions::default()).is_ok(), "{fine:?}");
        }
    }

    #[test]
    fn percent_signs_of_a_path_stay_what_they_are() {
        assert_eq!(escaped(Path::new("/a%p/b")), "/a%%p/b");
    }
}
