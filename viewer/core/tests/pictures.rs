//! Pictures of the whole window and of a capture alone, drawn on the CPU, against those that are
//! kept in `pictures/`. After a wanted change look at the new ones before keeping them:
//! `UNDERSPAN_BLESS=1 cargo test -p underspan-viewer-core --test pictures`.

mod support;

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};

use support::planted_file;
use underspan_viewer_core::{
    ColourBy, Command, Image, OpenProgress, RenderOptions, Stage, Viewer, open, render_image,
};

/// How far a colour may be off: text is smoothed a little differently on other processors.
const TOLERANCE: u8 = 12;
/// Most pixels that may be further off, of a thousand.
const MOST_DIFFERENT: usize = 4;

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures").join(format!("{name}.png"))
}

fn write(path: &Path, image: &Image) {
    let file = File::create(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    image.write_png(BufWriter::new(file)).expect("a picture that can be written");
}

fn read(path: &Path) -> Image {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut reader = png::Decoder::new(BufReader::new(file)).read_info().expect("a PNG file");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut pixels).expect("a frame");
    Image { width: info.width as usize, height: info.height as usize, rgb: pixels }
}

/// Holds a picture to the one that is kept; the new one of a difference is left beside the test's
/// other output.
fn assert_is_as_kept(name: &str, image: &Image) {
    let path = kept(name);
    if std::env::var_os("UNDERSPAN_BLESS").is_some() {
        write(&path, image);
        return;
    }
    let expected = read(&path);
    assert_eq!((image.width, image.height), (expected.width, expected.height), "{name}");
    let n_different = image.n_different(&expected, TOLERANCE);
    let n_pixels = image.width * image.height;
    if n_different * 1000 > n_pixels * MOST_DIFFERENT {
        let new = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
        write(&new, image);
        panic!("{name}: {n_different} of {n_pixels} pixels differ, see {}", new.display());
    }
}

fn window(is_dark: bool, commands: &[Command]) -> Image {
    let (_folder, path) = planted_file();
    let mut viewer = Viewer::inline();
    viewer.apply(Command::SetDark(is_dark));
    let mut stage = Stage::new([1280.0, 800.0], 1.0);
    viewer.apply(Command::Open(vec![path]));
    stage.settle(&mut viewer);
    for command in commands {
        viewer.apply(command.clone());
        stage.settle(&mut viewer);
    }
    stage.image()
}

#[test]
fn the_window_with_a_capture_looks_as_it_did() {
    assert_is_as_kept("overview-dark", &window(true, &[]));
    assert_is_as_kept("overview-light", &window(false, &[]));
}

#[test]
fn a_slow_request_and_its_culprit_look_as_they_did() {
    let to_culprit = [Command::SelectSlowest, Command::ShowFinding(0)];
    assert_is_as_kept("culprit-dark", &window(true, &to_culprit));
    assert_is_as_kept("culprit-light", &window(false, &to_culprit));
}

#[test]
fn a_capture_alone_looks_as_it_did() {
    let (_folder, path) = planted_file();
    let document = open(&[path], &OpenProgress::default()).expect("a capture");
    let mut options = RenderOptions::default();
    options.width = 900.0;
    assert_is_as_kept("render", &render_image(&document, &options));
}

#[test]
fn a_picture_that_differs_is_told() {
    let (dark, light) = (window(true, &[]), window(false, &[]));
    let n_pixels = dark.width * dark.height;
    assert!(dark.n_different(&light, TOLERANCE) * 2 > n_pixels, "dark is not light");
    assert_eq!(dark.n_different(&window(true, &[]), 0), 0, "the same is the same");
}

#[test]
fn every_request_has_its_colour() {
    let (_folder, path) = planted_file();
    let document = open(&[path], &OpenProgress::default()).unwrap();
    let n_colours = |colour_by| {
        let mut options = RenderOptions::default();
        options.colour_by = colour_by;
        let image = render_image(&document, &options);
        // Those of bars: text has many, each on few pixels.
        let mut counts = std::collections::HashMap::new();
        for pixel in image.rgb.chunks_exact(3) {
            *counts.entry(pixel.to_vec()).or_insert(0) += 1;
        }
        counts.values().filter(|count| **count > 300).count()
    };
    // Twelve requests one after the other have the eleven colours there are.
    assert!(n_colours(ColourBy::Request) >= n_colours(ColourBy::Role) + 6);
}
