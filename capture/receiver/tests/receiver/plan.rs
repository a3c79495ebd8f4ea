//! What a server is told, from its command line and environment.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use underspan_receiver::{
    Environment, Installed, PythonLaunch, PythonRequirement, Signal, SystemInstalled,
    TelemetryPlan, Upstream, UpstreamProtocol,
};

/// Answers every question alike.
struct Answers(Option<bool>);

impl Installed for Answers {
    fn python_has(&self, _: &PythonLaunch, _: &PythonRequirement<'_>) -> Option<bool> {
        self.0
    }

    fn program_mentions(&self, _: &OsStr, _: &str) -> Option<bool> {
        self.0
    }
}

const ABLE: Answers = Answers(Some(true));

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn plan(line: &str, variables: &[(&str, &str)], installed: &Answers) -> TelemetryPlan {
    let argv: Vec<OsString> = line.split(' ').map(OsString::from).collect();
    TelemetryPlan::of(&argv, &environment(variables), installed)
}

/// The command line with ports 1 (gRPC) and 2 (HTTP).
fn line(plan: &TelemetryPlan) -> String {
    let argv = plan.child(1, 2).argv;
    argv.iter().map(|argument| argument.to_str().expect("text")).collect::<Vec<_>>().join(" ")
}

fn variable(plan: &TelemetryPlan, name: &str) -> Option<String> {
    let mut variables = plan.child(1, 2).variables.into_iter();
    variables.find(|(set, _)| set == name).map(|(_, value)| value.into_string().expect("text"))
}

fn url(plan: &TelemetryPlan, signal: Signal) -> Option<&str> {
    plan.upstreams().of(signal).map(|upstream| upstream.url.as_str())
}

const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const GENERAL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

#[test]
fn a_plain_server_is_led_here_and_its_metrics_are_left_alone() {
    let plan = plan("python app.py", &[("PATH", "/bin")], &ABLE);
    assert_eq!(line(&plan), "python app.py");
    assert_eq!(variable(&plan, TRACES).as_deref(), Some("http://127.0.0.1:1"));
    assert_eq!(variable(&plan, "OTEL_EXPORTER_OTLP_TRACES_INSECURE").as_deref(), Some("true"));
    assert_eq!(variable(&plan, GENERAL), None);
    assert_eq!(variable(&plan, "NO_PROXY"), None);
    for signal in Signal::ALL {
        assert_eq!(plan.upstreams().of(signal), None);
    }
    assert!(plan.notes().is_empty());
}

#[test]
fn the_general_endpoint_is_led_here_whole() {
    let plan = plan(
        "python app.py",
        &[
            (GENERAL, "https://otlp.example:4318/base/"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%2Cb,X-T=1"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/etc/ca.pem"),
        ],
        &ABLE,
    );
    let upstream = plan.upstreams().of(Signal::Traces).expect("an endpoint");
    let headers = [("api-key", "a,b"), ("x-t", "1")];
    let expected = Upstream {
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        certificate: Some("/etc/ca.pem".into()),
        ..Upstream::new("https://otlp.example:4318/base/v1/traces").speaking(UpstreamProtocol::Http)
    };
    assert_eq!(upstream, &expected);
    assert_eq!(url(&plan, Signal::Logs), Some("https://otlp.example:4318/base/v1/logs"));
    assert_eq!(variable(&plan, GENERAL).as_deref(), Some("http://127.0.0.1:1"));
    assert_eq!(variable(&plan, "OTEL_EXPORTER_OTLP_LOGS_INSECURE").as_deref(), Some("true"));
}

#[test]
fn endpoints_of_one_signal_win_and_those_of_others_stay() {
    let plan = plan(
        "python app.py",
        &[
            (GENERAL, "collector:4317"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            (TRACES, "http://tempo:9999/in"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=1"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "metrics:4317"),
            ("OTEL_EXPORTER_OTLP_METRICS_INSECURE", "True"),
        ],
        &ABLE,
    );
    let traces = plan.upstreams().of(Signal::Traces).expect("an endpoint");
    assert_eq!(
        (traces.url.as_str(), traces.protocol),
        ("http://tempo:9999/in", UpstreamProtocol::Http)
    );
    assert_eq!(traces.headers, [("a".to_owned(), "1".to_owned())]);
    let logs = plan.upstreams().of(Signal::Logs).expect("an endpoint");
    assert_eq!(
        (logs.url.as_str(), logs.protocol),
        ("https://collector:4317", UpstreamProtocol::Grpc)
    );
    assert_eq!(url(&plan, Signal::Metrics), Some("http://metrics:4317"));
    assert_eq!(variable(&plan, TRACES).as_deref(), Some("http://127.0.0.1:2/v1/traces"));
    assert_eq!(variable(&plan, GENERAL).as_deref(), Some("http://127.0.0.1:1"));
    assert_eq!(variable(&plan, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"), None);
    assert_eq!(variable(&plan, "OTEL_EXPORTER_OTLP_METRICS_INSECURE"), None);
}

#[test]
fn spans_that_went_to_the_default_endpoint_still_do() {
    for (command, variables, upstream) in [
        ("app", &[("OTEL_TRACES_EXPORTER", "otlp,console")][..], Some("http://localhost:4317")),
        ("opentelemetry-instrument python app.py", &[], Some("http://localhost:4317")),
        (
            "app",
            &[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")],
            Some("http://localhost:4318/v1/traces"),
        ),
        ("opentelemetry-instrument app", &[("OTEL_TRACES_EXPORTER", "console")], None),
        ("app", &[("OTEL_SERVICE_NAME", "a")], None),
    ] {
        let plan = plan(command, variables, &ABLE);
        assert_eq!(url(&plan, Signal::Traces), upstream, "{command} {variables:?}");
        assert_eq!(url(&plan, Signal::Metrics), None);
    }
}

#[test]
fn propagators_and_proxies_are_extended() {
    let plan = plan(
        "app",
        &[
            ("OTEL_PROPAGATORS", "b3"),
            ("HTTPS_PROXY", "http://proxy:3128"),
            ("NO_PROXY", "internal"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
        ],
        &ABLE,
    );
    assert_eq!(variable(&plan, "OTEL_PROPAGATORS").as_deref(), Some("b3,tracecontext"));
    assert_eq!(variable(&plan, "NO_PROXY").as_deref(), Some("internal,127.0.0.1"));
    assert_eq!(variable(&plan, "no_proxy").as_deref(), Some("internal,127.0.0.1"));
    assert_eq!(variable(&plan, "OTEL_BSP_MAX_QUEUE_SIZE"), None, "the user's own");
}

#[test]
fn a_server_without_tracing_is_told_nothing_about_flags() {
    let disabled = [("OTEL_SDK_DISABLED", "true"), (GENERAL, "http://a:4317")];
    let plan = plan("vllm serve m", &disabled, &ABLE);
    assert_eq!(line(&plan), "vllm serve m");
    assert_eq!(plan.notes().len(), 1);
}

#[test]
fn vllm_gets_its_flag_when_it_can_use_it() {
    for (before, variables, after) in [
        ("vllm serve m", &[][..], "vllm serve m --otlp-traces-endpoint http://127.0.0.1:1"),
        (
            "python -m vllm.entrypoints.openai.api_server --model m",
            &[("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf")],
            "python -m vllm.entrypoints.openai.api_server --model m \
             --otlp-traces-endpoint http://127.0.0.1:2/v1/traces",
        ),
        // vLLM does not read the general variable.
        (
            "vllm serve m",
            &[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")],
            "vllm serve m --otlp-traces-endpoint http://127.0.0.1:1",
        ),
    ] {
        let plan = plan(before, variables, &ABLE);
        assert_eq!(line(&plan), after);
        assert_eq!(plan.notes().len(), 1, "{:?}", plan.notes());
    }
    for installed in [Answers(None), Answers(Some(false))] {
        let plan = plan("vllm serve m", &[], &installed);
        assert_eq!(line(&plan), "vllm serve m", "an unknown flag would keep it from starting");
        assert_eq!(plan.notes().len(), 1);
    }
    let plan = plan("vllm serve m", &[("VLLM_USE_RUST_FRONTEND", "1")], &ABLE);
    assert_eq!(line(&plan), "vllm serve m");
}

#[test]
fn vllms_own_endpoint_is_replaced_and_served() {
    for (before, after) in [
        (
            "vllm serve m --otlp-traces-endpoint a:7 -x",
            "vllm serve m --otlp-traces-endpoint http://127.0.0.1:1 -x",
        ),
        (
            "vllm serve m --otlp_traces_endpoint=a:7",
            "vllm serve m --otlp-traces-endpoint=http://127.0.0.1:1",
        ),
    ] {
        let insecure = [("OTEL_EXPORTER_OTLP_TRACES_INSECURE", "true")];
        let plan = plan(before, &insecure, &Answers(None));
        assert_eq!(line(&plan), after);
        let upstream = plan.upstreams().of(Signal::Traces).expect("an endpoint");
        assert_eq!(
            (upstream.url.as_str(), upstream.protocol),
            ("http://a:7", UpstreamProtocol::Grpc)
        );
    }
    // A flag without a value is the server's to complain about.
    let plan = plan("vllm serve m --otlp-traces-endpoint", &[], &ABLE);
    assert_eq!(line(&plan), "vllm serve m --otlp-traces-endpoint");
}

#[test]
fn sglang_needs_two_flags() {
    let server = "python3 -m sglang.launch_server --port 1";
    for (before, after, upstream) in [
        ("", " --enable-trace --otlp-traces-endpoint 127.0.0.1:1", None),
        (
            " --enable-trace",
            " --enable-trace --otlp-traces-endpoint 127.0.0.1:1",
            Some("http://localhost:4317"),
        ),
        (
            " --otlp-traces-endpoint a:7 --enable-trace",
            " --otlp-traces-endpoint 127.0.0.1:1 --enable-trace",
            Some("http://a:7"),
        ),
    ] {
        let plan = plan(&format!("{server}{before}"), &[], &ABLE);
        assert_eq!(line(&plan), format!("{server}{after}"));
        assert_eq!(url(&plan, Signal::Traces), upstream);
    }
    let plan = plan(server, &[], &Answers(Some(false)));
    assert_eq!(line(&plan), server);
}

#[test]
fn triton_is_set_up_or_led_here() {
    for (before, after, upstream) in [
        (
            "tritonserver",
            "tritonserver --trace-config mode=opentelemetry --trace-config level=TIMESTAMPS \
             --trace-config rate=1 --trace-config opentelemetry,url=http://127.0.0.1:2/v1/traces",
            None,
        ),
        (
            "tritonserver --trace-config=mode=opentelemetry --trace-config=opentelemetry,url=a:4318/v1/traces",
            "tritonserver --trace-config=mode=opentelemetry \
             --trace-config=opentelemetry,url=http://127.0.0.1:2/v1/traces",
            Some("http://a:4318/v1/traces"),
        ),
        (
            "tritonserver --trace-config mode=opentelemetry --trace-config rate=1",
            "tritonserver --trace-config mode=opentelemetry --trace-config rate=1 \
             --trace-config opentelemetry,url=http://127.0.0.1:2/v1/traces",
            Some("http://localhost:4318/v1/traces"),
        ),
        (
            "tritonserver --trace-config triton,file=/tmp/t.json --trace-config rate=1",
            "tritonserver --trace-config triton,file=/tmp/t.json --trace-config rate=1",
            None,
        ),
        ("tritonserver --trace-file /tmp/t.json", "tritonserver --trace-file /tmp/t.json", None),
    ] {
        let plan = plan(before, &[], &ABLE);
        assert_eq!(line(&plan), after);
        assert_eq!(url(&plan, Signal::Traces), upstream, "{before}");
    }
    let plan = plan("tritonserver", &[], &Answers(Some(false)));
    assert_eq!(line(&plan), "tritonserver");
    assert_eq!(plan.notes().len(), 1);
}

fn write(path: &Path, text: &str, mode: u32) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, text).expect("a file");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("its mode");
}

/// A Python, a server of its own and its packages, as they lie on a disk.
#[test]
fn what_is_installed_is_found_without_starting_the_server() {
    let Some(python) =
        ["/usr/bin/python3", "/usr/local/bin/python3"].iter().find(|path| Path::new(path).exists())
    else {
        return eprintln!("skipped: there is no Python here");
    };
    let folder = tempfile::tempdir().expect("a folder");
    let packages = folder.path().join("packages");
    // The package must not be imported for the question.
    write(&packages.join("sglang/__init__.py"), "raise SystemExit('imported')", 0o644);
    write(&packages.join("sglang/srt/server_args.py"), "add('--otlp-traces-endpoint')", 0o644);
    write(&folder.path().join("bin/sglang"), &format!("#!{python}\n"), 0o755);
    let variables = environment(&[
        ("PATH", folder.path().join("bin").to_str().expect("text")),
        ("PYTHONPATH", packages.to_str().expect("text")),
    ]);
    let installed = SystemInstalled::new(&variables);
    let argv = ["sglang", "serve"].map(OsString::from);
    let has_flag = |installed: &SystemInstalled| {
        let plan = TelemetryPlan::of(&argv, &variables, installed);
        plan.child(1, 2).argv.len() > argv.len()
    };
    assert!(!has_flag(&installed), "no exporter is installed");
    write(&packages.join("opentelemetry/sdk/__init__.py"), "", 0o644);
    write(&packages.join("opentelemetry/exporter/otlp/proto/grpc/__init__.py"), "", 0o644);
    assert!(has_flag(&installed));
    write(&packages.join("sglang/srt/server_args.py"), "add('--oltp-traces-endpoint')", 0o644);
    assert!(!has_flag(&installed), "a version that does not know the flag");

    let binary = folder.path().join("bin/tritonserver");
    let filler = "x".repeat((1 << 20) - 5);
    write(&binary, &format!("{filler}opentelemetry{filler}"), 0o755);
    assert_eq!(installed.program_mentions(OsStr::new("tritonserver"), "opentelemetry"), Some(true));
    assert_eq!(installed.program_mentions(OsStr::new("tritonserver"), "opentracing"), Some(false));
    assert_eq!(installed.program_mentions(OsStr::new("absent"), "opentelemetry"), None);
}
