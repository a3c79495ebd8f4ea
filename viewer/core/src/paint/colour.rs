//! Colours: the palette of Okabe and Ito (2008), which people who confuse red and green tell apart
//! too, for what things are; never the only sign, since every bar names its event.

use egui::Color32;
use serde::{Deserialize, Serialize};
use underspan_classifier::{Dtype, Role};
use underspan_model::tables::{MemcpyKind, StepKind, TableKind};

use crate::analysis::{Owner, Tone};
use crate::document::{Document, Labels};
use crate::timeline::DrawCell;

const ORANGE: Color32 = Color32::from_rgb(0xE6, 0x9F, 0x00);
const SKY: Color32 = Color32::from_rgb(0x56, 0xB4, 0xE9);
const GREEN: Color32 = Color32::from_rgb(0x00, 0x9E, 0x73);
const YELLOW: Color32 = Color32::from_rgb(0xF0, 0xE4, 0x42);
const BLUE: Color32 = Color32::from_rgb(0x3A, 0x86, 0xC8);
const VERMILLION: Color32 = Color32::from_rgb(0xD5, 0x5E, 0x00);
const PURPLE: Color32 = Color32::from_rgb(0xCC, 0x79, 0xA7);
const GREY: Color32 = Color32::from_rgb(0x8C, 0x93, 0x9D);
const PALE: Color32 = Color32::from_rgb(0xB9, 0xC4, 0xD0);

/// Colours for things that have no meaning of their own, such as names.
const SERIES: [Color32; 11] = [
    BLUE,
    ORANGE,
    GREEN,
    PURPLE,
    SKY,
    VERMILLION,
    YELLOW,
    Color32::from_rgb(0x7A, 0x6F, 0xC4),
    Color32::from_rgb(0x9C, 0xC9, 0x7D),
    Color32::from_rgb(0xB0, 0x8B, 0x5A),
    Color32::from_rgb(0x5F, 0xA8, 0xA0),
];

/// What the colour of a bar says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColourBy {
    /// What a kernel does: multiply, attention, communication, …
    #[default]
    Role,
    /// What a kernel computes in.
    Dtype,
    /// What an event is called.
    Name,
    /// The stream or thread it ran on.
    Track,
    /// The request it was done for.
    Request,
}

impl ColourBy {
    /// Every choice, in the order of menus.
    pub const ALL: [Self; 5] = [Self::Role, Self::Dtype, Self::Name, Self::Track, Self::Request];

    /// What menus call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Dtype => "precision",
            Self::Name => "name",
            Self::Track => "stream",
            Self::Request => "request",
        }
    }
}

/// Colours of everything that is not an event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Theme {
    pub(crate) is_dark: bool,
    pub(crate) background: Color32,
    pub(crate) band: Color32,
    pub(crate) group: Color32,
    pub(crate) grid: Color32,
    pub(crate) text: Color32,
    pub(crate) weak_text: Color32,
    pub(crate) selection: Color32,
    pub(crate) range: Color32,
    pub(crate) accent: Color32,
    pub(crate) error: Color32,
}

impl Theme {
    pub(crate) fn of(is_dark: bool) -> Self {
        if is_dark {
            Self {
                is_dark,
                background: Color32::from_rgb(0x16, 0x18, 0x1C),
                band: Color32::from_rgb(0x1C, 0x1F, 0x24),
                group: Color32::from_rgb(0x25, 0x29, 0x30),
                grid: Color32::from_rgb(0x2B, 0x30, 0x38),
                text: Color32::from_rgb(0xE4, 0xE7, 0xEB),
                weak_text: Color32::from_rgb(0x9A, 0xA3, 0xAF),
                selection: Color32::WHITE,
                range: Color32::from_rgba_premultiplied(0x16, 0x22, 0x30, 0x40),
                accent: SKY,
                error: Color32::from_rgb(0xFF, 0x8A, 0x50),
            }
        } else {
            Self {
                is_dark,
                background: Color32::from_rgb(0xFF, 0xFF, 0xFF),
                band: Color32::from_rgb(0xF6, 0xF7, 0xF9),
                group: Color32::from_rgb(0xE9, 0xEC, 0xF0),
                grid: Color32::from_rgb(0xDF, 0xE3, 0xE8),
                text: Color32::from_rgb(0x1B, 0x1F, 0x24),
                weak_text: Color32::from_rgb(0x5B, 0x64, 0x70),
                selection: Color32::BLACK,
                range: Color32::from_rgba_premultiplied(0x16, 0x30, 0x4A, 0x50),
                accent: Color32::from_rgb(0x00, 0x62, 0xA3),
                error: Color32::from_rgb(0xB0, 0x45, 0x00),
            }
        }
    }
}

/// The colour of a cell.
pub(crate) fn cell_colour(
    document: &Document,
    colour_by: ColourBy,
    track: u32,
    cell: &DrawCell,
) -> Color32 {
    match (colour_by, cell.table) {
        (ColourBy::Track, _) => series(track),
        (ColourBy::Name, _) => series(hash(cell.name)),
        (ColourBy::Role, TableKind::Kernel) => role_colour(document.labels.role(cell.name)),
        (ColourBy::Dtype, TableKind::Kernel) => dtype_colour(document.labels.dtype(cell.name)),
        (_, table) => table_colour(table, cell.name),
    }
}

/// The colour of whose an event is.
pub(crate) fn owner_colour(owner: Owner) -> Color32 {
    match owner {
        Owner::One(request) => series(request),
        Owner::Several => PALE,
        Owner::Unknown => GREY,
    }
}

/// The colour of spans.
pub(crate) fn span_colour() -> Color32 {
    GREEN
}

fn table_colour(table: TableKind, name: u32) -> Color32 {
    match table {
        TableKind::Memcpy => match MemcpyKind::from_code(name as u8) {
            MemcpyKind::HtoD => SKY,
            MemcpyKind::DtoH => PURPLE,
            _ => PALE,
        },
        TableKind::Memset => PALE,
        TableKind::GraphLaunch => BLUE,
        TableKind::Sync => YELLOW,
        TableKind::Overhead => VERMILLION,
        TableKind::Span => span_colour(),
        // The host's calls are many and nested: quieter than what devices did.
        _ => quiet(series(hash(name))),
    }
}

fn quiet(colour: Color32) -> Color32 {
    let mix = |a: u8, b: u8| ((u16::from(a) + u16::from(b)) / 2) as u8;
    Color32::from_rgb(mix(colour.r(), 0xA6), mix(colour.g(), 0xAE), mix(colour.b(), 0xB8))
}

/// The colour of a part of a request's time.
pub(crate) fn tone_colour(tone: Tone) -> Color32 {
    match tone {
        Tone::Work => BLUE,
        Tone::Waiting => YELLOW,
        Tone::Excess => VERMILLION,
        Tone::Outside => PALE,
        Tone::Unknown => GREY,
    }
}

/// The colour of an engine step by what it did.
pub(crate) fn step_colour(kind: StepKind) -> Color32 {
    match kind {
        StepKind::Prefill => ORANGE,
        StepKind::Decode => BLUE,
        StepKind::Mixed => PURPLE,
        StepKind::Speculative => GREEN,
        StepKind::Batch => SKY,
        _ => GREY,
    }
}

pub(crate) fn role_colour(role: Role) -> Color32 {
    match role_group(role) {
        RoleGroup::Multiply => BLUE,
        RoleGroup::Attention => ORANGE,
        RoleGroup::KvCache => YELLOW,
        RoleGroup::Pointwise => GREEN,
        RoleGroup::Sampling => PURPLE,
        RoleGroup::Precision => Color32::from_rgb(0x7A, 0x6F, 0xC4),
        RoleGroup::Movement => SKY,
        RoleGroup::Communication => VERMILLION,
        RoleGroup::Other => GREY,
    }
}

/// Roles that share a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RoleGroup {
    Multiply,
    Attention,
    KvCache,
    Pointwise,
    Sampling,
    Precision,
    Movement,
    Communication,
    Other,
}

fn role_group(role: Role) -> RoleGroup {
    match role {
        Role::Gemm | Role::Conv => RoleGroup::Multiply,
        Role::Attention | Role::AttentionPrefill | Role::AttentionDecode => RoleGroup::Attention,
        Role::KvCacheWrite | Role::KvCacheRead => RoleGroup::KvCache,
        Role::Norm | Role::Activation | Role::Rope | Role::Elementwise | Role::Softmax => {
            RoleGroup::Pointwise
        }
        Role::Sampling | Role::Reduce | Role::Scan | Role::Sort | Role::MoeRouting => {
            RoleGroup::Sampling
        }
        Role::Quantize | Role::Dequantize | Role::Cast => RoleGroup::Precision,
        Role::Copy | Role::Index | Role::Fill | Role::Embedding => RoleGroup::Movement,
        Role::Collective => RoleGroup::Communication,
        _ => RoleGroup::Other,
    }
}

fn dtype_colour(dtype: Dtype) -> Color32 {
    match dtype {
        Dtype::Fp64 => VERMILLION,
        Dtype::Fp32 => ORANGE,
        Dtype::Tf32 => YELLOW,
        Dtype::Fp16 => BLUE,
        Dtype::Bf16 => SKY,
        Dtype::Fp8 | Dtype::Fp8E4m3 | Dtype::Fp8E5m2 | Dtype::MixedFp8Fp4 => GREEN,
        Dtype::Fp6 | Dtype::Fp4 => Color32::from_rgb(0x9C, 0xC9, 0x7D),
        Dtype::Int8 | Dtype::Uint8 | Dtype::Int4 => PURPLE,
        Dtype::Mixed => Color32::from_rgb(0x7A, 0x6F, 0xC4),
        Dtype::Unknown => GREY,
        _ => PALE,
    }
}

/// What the colours mean that occur in a document.
pub(crate) fn legend(
    labels: &Labels,
    n_shapes: usize,
    by: ColourBy,
) -> Vec<(&'static str, Color32)> {
    let mut legend: Vec<(&'static str, Color32)> = Vec::new();
    let mut put = |name: &'static str, colour: Color32| {
        if !legend.iter().any(|(known, _)| *known == name) {
            legend.push((name, colour));
        }
    };
    for shape in 0..n_shapes.min(100_000) as u32 {
        match by {
            ColourBy::Role => {
                let role = labels.role(shape);
                let name = match role_group(role) {
                    RoleGroup::Multiply => "multiply",
                    RoleGroup::Attention => "attention",
                    RoleGroup::KvCache => "KV cache",
                    RoleGroup::Pointwise => "norm, pointwise",
                    RoleGroup::Sampling => "sampling, routing, reduce",
                    RoleGroup::Precision => "cast, quantise",
                    RoleGroup::Movement => "copy, index",
                    RoleGroup::Communication => "communication",
                    RoleGroup::Other => "other",
                };
                put(name, role_colour(role));
            }
            ColourBy::Dtype => {
                let dtype = labels.dtype(shape);
                put(dtype.as_str(), dtype_colour(dtype));
            }
            ColourBy::Name | ColourBy::Track | ColourBy::Request => break,
        }
    }
    if by == ColourBy::Request {
        put("several requests", owner_colour(Owner::Several));
        put("no request known", owner_colour(Owner::Unknown));
    }
    legend
}

fn series(of: u32) -> Color32 {
    SERIES[of as usize % SERIES.len()]
}

/// Spreads neighbouring numbers over the colours.
fn hash(number: u32) -> u32 {
    (number.wrapping_add(1).wrapping_mul(0x9E37_79B9)) >> 16
}

/// Black or white, whichever can be read on `colour`.
pub(crate) fn text_on(colour: Color32) -> Color32 {
    let luma = 0.299 * f32::from(colour.r())
        + 0.587 * f32::from(colour.g())
        + 0.114 * f32::from(colour.b());
    if luma > 100.0 { Color32::from_rgb(0x10, 0x12, 0x15) } else { Color32::WHITE }
}

/// Pushed towards the background, for what is beside the point.
pub(crate) fn dimmed(colour: Color32, background: Color32) -> Color32 {
    let mix = |a: u8, b: u8| ((u16::from(a) + 4 * u16::from(b)) / 5) as u8;
    Color32::from_rgb(
        mix(colour.r(), background.r()),
        mix(colour.g(), background.g()),
        mix(colour.b(), background.b()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contrast of two colours by WCAG 2.1, from 1 to 21.
    fn contrast(a: Color32, b: Color32) -> f64 {
        let channel = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let luminance = |c: Color32| {
            0.2126 * channel(c.r()) + 0.7152 * channel(c.g()) + 0.0722 * channel(c.b())
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn names_can_be_read_on_every_bar() {
        let quiet = SERIES.into_iter().map(quiet);
        for colour in SERIES.into_iter().chain([PALE]).chain(quiet) {
            let contrast = contrast(colour, text_on(colour));
            assert!(contrast >= 3.8, "{colour:?}: {contrast:.1}");
        }
    }

    #[test]
    fn text_can_be_read_on_both_themes() {
        for theme in [Theme::of(true), Theme::of(false)] {
            for background in [theme.background, theme.band, theme.group] {
                assert!(contrast(theme.text, background) >= 7.0);
                assert!(contrast(theme.weak_text, background) >= 4.5);
                assert!(contrast(theme.error, background) >= 4.0);
            }
        }
    }
}
