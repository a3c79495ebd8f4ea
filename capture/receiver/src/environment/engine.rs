//! Which server a command line starts.

use std::ffi::{OsStr, OsString};

use super::base_name;
use super::installed::PythonLaunch;

/// A server that traces only when its command line says so.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Engine {
    /// `first` is the first argument of the server itself, in all of them.
    Vllm {
        launch: PythonLaunch,
        first: usize,
    },
    Sglang {
        launch: PythonLaunch,
        first: usize,
    },
    Triton {
        program: OsString,
        first: usize,
    },
}

const SHELLS: &[&str] = &["ash", "bash", "dash", "ksh", "sh", "zsh"];

impl Engine {
    /// The server that `argv` starts, also behind other programs (`env`, `numactl`, `uv run`).
    ///
    /// # Errors
    /// A line for a person when the server stands in a shell's text, where nothing can be added.
    pub(super) fn of(argv: &[OsString]) -> Result<Option<Self>, String> {
        for (at, argument) in argv.iter().enumerate() {
            let next = |n: usize| argv.get(at + n).and_then(|argument| argument.to_str());
            let name = base_name(argument);
            if SHELLS.contains(&name) && next(1).is_some_and(is_command_flag) {
                return shell(next(2).unwrap_or_default());
            }
            let script = || PythonLaunch::Script(argument.clone());
            match (argument.to_str().unwrap_or_default(), name, next(1)) {
                (_, "vllm", Some("serve")) => {
                    return Ok(Some(Self::Vllm { launch: script(), first: at + 2 }));
                }
                (_, "sglang", Some("serve")) => {
                    return Ok(Some(Self::Sglang { launch: script(), first: at + 2 }));
                }
                (_, "tritonserver", _) => {
                    let program = argument.clone();
                    return Ok(Some(Self::Triton { program, first: at + 1 }));
                }
                ("-m", _, Some(module)) => {
                    let Some(launch) = interpreter(&argv[..at]) else { continue };
                    let is_serve = next(2) == Some("serve");
                    return Ok(match module {
                        "vllm.entrypoints.openai.api_server" => {
                            Some(Self::Vllm { launch, first: at + 2 })
                        }
                        "vllm.entrypoints.cli.main" | "vllm" if is_serve => {
                            Some(Self::Vllm { launch, first: at + 3 })
                        }
                        "sglang.launch_server" => Some(Self::Sglang { launch, first: at + 2 }),
                        "sglang.cli.main" | "sglang" if is_serve => {
                            Some(Self::Sglang { launch, first: at + 3 })
                        }
                        _ => None,
                    });
                }
                (path, _, _) if path.ends_with("vllm/entrypoints/openai/api_server.py") => {
                    let launch = interpreter(&argv[..at]).unwrap_or_else(script);
                    return Ok(Some(Self::Vllm { launch, first: at + 1 }));
                }
                (path, _, _) if path.ends_with("sglang/launch_server.py") => {
                    let launch = interpreter(&argv[..at]).unwrap_or_else(script);
                    return Ok(Some(Self::Sglang { launch, first: at + 1 }));
                }
                _ => {}
            }
        }
        Ok(None)
    }
}

/// `-c`, `-lc`, `-ec`, …
fn is_command_flag(flag: &str) -> bool {
    flag.strip_prefix('-').is_some_and(|letters| {
        letters.ends_with('c') && letters.bytes().all(|letter| letter.is_ascii_alphabetic())
    })
}

fn shell(text: &str) -> Result<Option<Engine>, String> {
    let (server, flag) = if text.contains("vllm serve") || text.contains("vllm.entrypoints") {
        ("vLLM", "--otlp-traces-endpoint $OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    } else if text.contains("sglang.launch_server") || text.contains("sglang serve") {
        ("SGLang", "--enable-trace --otlp-traces-endpoint $OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    } else if text.contains("tritonserver") {
        (
            "Triton",
            "--trace-config mode=opentelemetry \
             --trace-config opentelemetry,url=$OTEL_EXPORTER_OTLP_TRACES_ENDPOINT \
             --trace-config level=TIMESTAMPS --trace-config rate=1",
        )
    } else {
        return Ok(None);
    };
    Err(format!("{server} is started by a shell's text: for its spans, add {flag} to it"))
}

/// The Python that the arguments before `-m` or a script name.
fn interpreter(before: &[OsString]) -> Option<PythonLaunch> {
    let python = before.iter().rev().find(|argument| {
        let name = base_name(argument);
        let version = name.strip_prefix("python").or_else(|| name.strip_prefix("pypy"));
        version.is_some_and(|version| version.bytes().all(|c| c.is_ascii_digit() || c == b'.'))
    })?;
    Some(PythonLaunch::Interpreter(OsStr::to_owned(python)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Result<Option<Engine>, String> {
        Engine::of(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    fn interpreter(program: &str) -> PythonLaunch {
        PythonLaunch::Interpreter(program.into())
    }

    #[test]
    fn servers_are_found_behind_other_programs() {
        let script = |program: &str| PythonLaunch::Script(program.into());
        for (line, engine) in [
            ("vllm serve m", Engine::Vllm { launch: script("vllm"), first: 2 }),
            (
                "numactl -N 0 /v/bin/vllm serve m",
                Engine::Vllm { launch: script("/v/bin/vllm"), first: 5 },
            ),
            (
                "python3.11 -u -m vllm.entrypoints.openai.api_server --model m",
                Engine::Vllm { launch: interpreter("python3.11"), first: 4 },
            ),
            (
                "env A=1 python -m sglang.launch_server --port 1",
                Engine::Sglang { launch: interpreter("python"), first: 5 },
            ),
            ("sglang serve --port 1", Engine::Sglang { launch: script("sglang"), first: 2 }),
            (
                "/opt/tritonserver/bin/tritonserver --model-repository m",
                Engine::Triton { program: "/opt/tritonserver/bin/tritonserver".into(), first: 1 },
            ),
        ] {
            assert_eq!(of(line), Ok(Some(engine)), "{line}");
        }
        for line in ["vllm bench", "python -m http.server", "cat vllm serve.txt", "tritonserver.py"]
        {
            assert_eq!(of(line), Ok(None), "{line}");
        }
    }

    #[test]
    fn a_server_in_a_shells_text_is_left_alone_and_said() {
        let argv = ["bash", "-lc", "exec vllm serve m"].map(OsString::from);
        let note = Engine::of(&argv).expect_err("a note");
        assert!(note.contains("--otlp-traces-endpoint"), "{note}");
        assert_eq!(Engine::of(&["sh", "-c", "true"].map(OsString::from)), Ok(None));
    }
}
