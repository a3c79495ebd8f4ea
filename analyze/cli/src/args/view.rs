use std::ffi::OsString;

use clap::Args;

/// Look at captures in a window: from a slow request to the kernel that caused it
///
/// Starts the viewer (`underspan-viewer`, beside this program or on PATH) with what follows;
/// `underspan view --help` shows its options. `--live PID|SOCKET` finds the files that a running
/// recorder writes and has the viewer follow them.
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "\
EXAMPLES
  underspan view cap.uspan
  underspan view trace.json.gz otlp.json
  underspan view after.uspan --compare before.uspan
  underspan view --live 4711"
)]
pub(crate) struct ViewArgs {
    /// Files, and options of the viewer
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FILE")]
    pub(crate) rest: Vec<OsString>,
}

/// Draw a capture to a PNG or SVG file, without a display
///
/// Starts the viewer (`underspan-viewer`, beside this program or on PATH) with what follows;
/// `underspan render --help` shows its options.
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "\
EXAMPLES
  underspan render cap.uspan -o overview.png
  underspan render cap.uspan --range 1.2ms..1.9ms -o steps.svg
  underspan render cap.uspan --request cmpl-7 -o slow.png"
)]
pub(crate) struct RenderArgs {
    /// Files, and options of the picture
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FILE")]
    pub(crate) rest: Vec<OsString>,
}
