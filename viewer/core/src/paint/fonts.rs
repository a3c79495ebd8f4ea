//! The fonts: egui's own, with the arrows and triangles of its monospaced one for all texts.

use egui::{Context, FontDefinitions, FontFamily};

/// Name egui gives to its monospaced font.
const MONOSPACED: &str = "Hack";

/// Has the context use the viewer's fonts from the next frame on.
pub(crate) fn use_fonts(context: &Context) {
    let mut fonts = FontDefinitions::default();
    if fonts.font_data.contains_key(MONOSPACED)
        && let Some(family) = fonts.families.get_mut(&FontFamily::Proportional)
        && !family.iter().any(|name| name == MONOSPACED)
    {
        family.push(MONOSPACED.to_owned());
    }
    context.set_fonts(fonts);
}
