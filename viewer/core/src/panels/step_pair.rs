//! Two steps of one kind, one above the other on a common scale of time.

use egui::{Pos2, Rect, Sense, Stroke, Ui, pos2, vec2};

use crate::analysis::{StepKernel, StepPair, StepSide};
use crate::paint::{Theme, role_colour};
use crate::state::Command;
use crate::timeline::{count_text, duration_text};

/// Height of a step's bar, in points.
const BAR: f32 = 22.0;

/// Draws the chosen pair and the choice. A click on a kernel of the open capture selects it.
pub(super) fn step_pairs_ui(
    ui: &mut Ui,
    pairs: &[StepPair],
    chosen: usize,
    commands: &mut Vec<Command>,
) {
    let Some(pair) = pairs.get(chosen).or(pairs.first()) else { return };
    ui.horizontal(|ui| {
        ui.strong("The typical");
        egui::ComboBox::from_id_salt("step pair").width(320.0).selected_text(&pair.title).show_ui(
            ui,
            |ui| {
                for (at, of) in pairs.iter().enumerate() {
                    if ui.selectable_label(at == chosen, &of.title).clicked() {
                        commands.push(Command::CompareStep(at));
                    }
                }
            },
        );
        ui.weak("before (above) and after, on one scale");
    });
    let longest = pair.sides.iter().map(|side| side.len_ns).max().unwrap_or(1).max(1);
    for (name, side) in ["before", "after"].into_iter().zip(&pair.sides) {
        ui.horizontal(|ui| {
            ui.add_sized(
                vec2(150.0, BAR),
                egui::Label::new(format!(
                    "{name} {} · {} steps",
                    duration_text(side.len_ns),
                    count_text(side.n_steps as u64)
                )),
            );
            if let Some(kernel) = bar_ui(ui, name, side, longest)
                && name == "after"
            {
                commands.push(Command::Select(kernel.event));
            }
        });
    }
    ui.separator();
}

/// Draws a step; returns the kernel that was clicked.
fn bar_ui<'a>(
    ui: &mut Ui,
    name: &str,
    side: &'a StepSide,
    longest_ns: u64,
) -> Option<&'a StepKernel> {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), BAR), Sense::click());
    response.widget_info(|| {
        let text = format!("Kernels of the step {name}, {}", duration_text(side.len_ns));
        egui::WidgetInfo::labeled(egui::Role::Button, true, text)
    });
    let theme = Theme::of(ui.visuals().dark_mode);
    let painter = ui.painter_at(rect);
    let per_ns = f64::from(rect.width()) / longest_ns as f64;
    let at = |ns: u64| rect.left() + (ns as f64 * per_ns) as f32;
    painter.rect_filled(rect, 0.0, theme.band);
    let bar_of = |kernel: &StepKernel| {
        let (left, len) = (at(kernel.from_ns), kernel.event.len_ns() as f64 * per_ns);
        Rect::from_min_size(pos2(left, rect.top()), vec2((len as f32).max(1.0), BAR))
    };
    for kernel in &side.kernels {
        painter.rect_filled(bar_of(kernel), 0.0, role_colour(kernel.role));
    }
    let end = at(side.len_ns);
    painter.line_segment(
        [pos2(end, rect.top()), pos2(end, rect.bottom())],
        Stroke::new(1.0, theme.text),
    );
    let under = |pointer: Pos2| side.kernels.iter().rev().find(|of| bar_of(of).contains(pointer));
    let hovered = response.hover_pos().and_then(under);
    let response = match hovered {
        Some(kernel) => response.on_hover_text(format!(
            "{} · {}",
            kernel.name,
            duration_text(kernel.event.len_ns())
        )),
        None => response,
    };
    if response.clicked() { hovered } else { None }
}
