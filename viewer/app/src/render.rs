//! `underspan render`.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use anyhow::{Context, Result, bail};
use underspan_viewer_core::{
    ColourBy, Document, OpenProgress, RenderOptions, TimeRange, render_image, render_svg,
};

use crate::args::{Colour, RenderArgs, Theme};

pub(crate) fn run(args: &RenderArgs) -> Result<()> {
    let document = underspan_viewer_core::open(&args.files, &OpenProgress::default())?;
    let mut options = RenderOptions::default();
    options.range = args.range.map(|(start, end)| {
        let origin = document.bounds().start_ns();
        TimeRange::from_ns(origin.saturating_add(start), origin.saturating_add(end))
    });
    if let Some(id) = &args.request {
        let span = request_range(&document, id)?;
        options.range = Some(span.padded(0.1));
        options.highlight = vec![span];
    }
    options.width = args.width;
    options.height = args.height;
    options.scale = args.scale;
    options.is_dark = args.theme == Theme::Dark;
    options.colour_by = match args.colour {
        Colour::Role => ColourBy::Role,
        Colour::Precision => ColourBy::Dtype,
        Colour::Name => ColourBy::Name,
        Colour::Stream => ColourBy::Track,
        Colour::Request => ColourBy::Request,
    };
    write(&args.output, &document, &options)
}

fn request_range(document: &Document, id: &str) -> Result<TimeRange> {
    document.request_range(id).with_context(|| {
        format!("no request of {} has the id {id:?} (engine, trace or span id)", document.name())
    })
}

fn write(output: &Path, document: &Document, options: &RenderOptions) -> Result<()> {
    let cannot_write = || format!("cannot write {}", output.display());
    match output.extension().and_then(|ending| ending.to_str()) {
        Some("png") => {
            let image = render_image(document, options);
            let file = File::create(output).with_context(cannot_write)?;
            image.write_png(BufWriter::new(file)).with_context(cannot_write)
        }
        Some("svg") => {
            std::fs::write(output, render_svg(document, options)).with_context(cannot_write)
        }
        _ => bail!("{} ends neither in .png nor in .svg", output.display()),
    }
}
