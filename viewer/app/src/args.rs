//! Arguments as typed. The doc comments are the help.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

/// Look at what a GPU did: from a slow request to the kernel that caused it.
///
/// Opens .uspan captures, PyTorch profiler (Kineto) traces, Nsight Systems exports, span files and
/// whatever else `underspan import` reads; several files are joined into one capture. Press ? in the
/// window for its keys.
#[derive(Debug, Parser)]
#[command(
    name = "underspan-viewer",
    version,
    max_term_width = 100,
    after_help = VIEW_EXAMPLES,
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) view: ViewArgs,
}

const VIEW_EXAMPLES: &str = "\
EXAMPLES
  underspan view cap.uspan                           open a capture
  underspan view 'cap.uspan#t=0..5000000&sel=1:42'   go where a copied link points
  underspan view trace.json.gz otlp.json             a trace and the spans of its requests
  underspan view after.uspan --compare before.uspan  two captures side by side
  underspan view --live 4711                         what process 4711 records right now";

/// What to do instead of opening a window.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Render(RenderArgs),
}

/// The window.
#[derive(Debug, ClapArgs)]
pub(crate) struct ViewArgs {
    /// Files to open as one capture; a link may follow the last one's name
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<String>,

    /// Capture to compare with
    #[arg(long, value_name = "FILE")]
    pub(crate) compare: Vec<PathBuf>,

    /// Do the commands in this JSON file once the capture is open
    #[arg(long, value_name = "FILE")]
    pub(crate) exec: Option<PathBuf>,

    /// Read the file again whenever its recorder has added to it
    #[arg(long)]
    pub(crate) follow: bool,

    /// Follow what a running recorder writes: a process id, or a collector's socket
    /// (`underspan view` finds the files)
    #[arg(long, value_name = "PID|SOCKET")]
    pub(crate) live: Option<String>,

    /// Show how long frames take
    #[arg(long)]
    pub(crate) fps: bool,

    /// Save a picture of the window to this PNG file once the capture is drawn, and close
    #[arg(long, value_name = "FILE")]
    pub(crate) screenshot: Option<PathBuf>,

    /// Size of the window in points
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = size)]
    pub(crate) size: Option<(f32, f32)>,

    /// Size of everything, this time; 2 doubles it
    #[arg(long, value_name = "FACTOR")]
    pub(crate) scale: Option<f32>,

    /// Colours of the window, this time
    #[arg(long, value_enum)]
    pub(crate) theme: Option<Theme>,
}

/// Draw a capture to a file, without a display.
///
/// Writes PNG or SVG, by the ending of the output's name.
#[derive(Debug, ClapArgs)]
#[command(after_help = RENDER_EXAMPLES)]
pub(crate) struct RenderArgs {
    /// Files to draw as one capture
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Where the picture goes: FILE.png or FILE.svg
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,

    /// Part of the time since the first event, such as 1.5ms..2ms or 0..3s
    #[arg(long, value_name = "A..B", conflicts_with = "request", value_parser = range)]
    pub(crate) range: Option<(i64, i64)>,

    /// A request: its engine's id, or its trace or span id
    #[arg(long, value_name = "ID")]
    pub(crate) request: Option<String>,

    /// Width in points
    #[arg(long, default_value_t = 1600.0, value_name = "POINTS")]
    pub(crate) width: f32,

    /// Height in points [default: what the rows need]
    #[arg(long, value_name = "POINTS")]
    pub(crate) height: Option<f32>,

    /// Pixels per point
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR")]
    pub(crate) scale: f32,

    /// Colours of the picture
    #[arg(long, value_enum, default_value_t = Theme::Light)]
    pub(crate) theme: Theme,

    /// What the colour of a bar says
    #[arg(long, value_enum, default_value_t = Colour::Role)]
    pub(crate) colour: Colour,
}

const RENDER_EXAMPLES: &str = "\
EXAMPLES
  underspan render cap.uspan -o overview.png
  underspan render cap.uspan --range 1.2ms..1.9ms -o steps.svg
  underspan render cap.uspan --request cmpl-7 --theme dark --scale 2 -o slow.png";

/// Dark or light.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Theme {
    /// Light on dark
    Dark,
    /// Dark on light
    Light,
}

/// What the colour of a bar says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// What a kernel does
    Role,
    /// What a kernel computes in
    Precision,
    /// What an event is called
    Name,
    /// The stream or thread it ran on
    Stream,
    /// The request it was done for
    Request,
}

fn size(text: &str) -> Result<(f32, f32), String> {
    let parsed = text.split_once('x').and_then(|(width, height)| {
        Some((width.trim().parse().ok()?, height.trim().parse().ok()?))
    });
    match parsed {
        Some((width, height))
            if (200.0..=16_000.0).contains(&width) && (200.0..=16_000.0).contains(&height) =>
        {
            Ok((width, height))
        }
        _ => Err("expected WIDTHxHEIGHT, each from 200 to 16000".to_owned()),
    }
}

fn range(text: &str) -> Result<(i64, i64), String> {
    let (start, end) = text.split_once("..").ok_or("expected A..B, such as 0..3ms")?;
    let (start, end) = (moment(start)?, moment(end)?);
    if start < end { Ok((start, end)) } else { Err("the range ends before it starts".to_owned()) }
}

/// `1.5ms` in nanoseconds; without a unit it is nanoseconds.
fn moment(text: &str) -> Result<i64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| c.is_ascii_alphabetic() || c == 'µ').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "" | "ns" => 1.0,
        "us" | "µs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        _ => return Err(format!("unknown unit {unit:?}: use ns, us, ms or s")),
    };
    let number: f64 = number.trim().parse().map_err(|_| format!("{text:?} is no time"))?;
    Ok((number * factor).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn times_have_units() {
        assert_eq!(range("1.5ms..2ms"), Ok((1_500_000, 2_000_000)));
        assert_eq!(range("0..3s"), Ok((0, 3_000_000_000)));
        assert_eq!(range("7..9us"), Ok((7, 9_000)));
        assert!(range("2..1").is_err());
        assert!(range("1h..2h").is_err());
        assert!(range("5").is_err());
    }
}
