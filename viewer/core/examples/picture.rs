//! Draws the viewer's whole window to a PNG file, without a display:
//! `picture OUT.png WIDTH HEIGHT SCALE dark|light COMMANDS.json FILE…`

use std::fs::File;
use std::path::PathBuf;

use underspan_viewer_core::{Command, Stage, Viewer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [out, width, height, scale, theme, script, files @ ..] = arguments.as_slice() else {
        return Err("expected OUT.png WIDTH HEIGHT SCALE dark|light COMMANDS.json|- FILE…".into());
    };
    let mut stage = Stage::new([width.parse()?, height.parse()?], scale.parse()?);
    let mut viewer = Viewer::inline();
    viewer.apply(Command::SetDark(theme == "dark"));
    viewer.apply(Command::Open(files.iter().map(PathBuf::from).collect()));
    stage.settle(&mut viewer);
    let commands: Vec<Command> = match script.as_str() {
        "-" => Vec::new(),
        path if path.starts_with('[') => serde_json::from_str(path)?,
        path => serde_json::from_str(&std::fs::read_to_string(path)?)?,
    };
    for command in commands {
        viewer.apply(command);
        stage.settle(&mut viewer);
    }
    stage.image().write_png(File::create(out)?)?;
    Ok(())
}
