//! Why the selected request was slow: its time by parts, what shows each, and the steps it was in.

use egui::{Rect, ScrollArea, Sense, Ui, pos2, vec2};

use crate::analysis::{CauseItem, PartItem, RequestItem, Tone};
use crate::paint::tone_colour;
use crate::state::{Command, Session};
use crate::timeline::{duration_text, moment_text};

/// Findings shown at once.
const MAX_FINDINGS: usize = 4;

pub(super) fn verdict_ui(ui: &mut Ui, session: &Session, commands: &mut Vec<Command>) {
    let Some(request) = session.request() else {
        ScrollArea::vertical().auto_shrink([false, true]).show(ui, |ui| {
            capture_ui(ui, session, commands);
        });
        ui.weak("Select a request in the list to see where its time went.");
        if session.analyses.as_ref().is_some_and(|of| !of.requests.is_empty())
            && ui.button("Select the slowest request").clicked()
        {
            commands.push(Command::SelectSlowest);
        }
        return;
    };
    let origin = session.document.bounds().start_ns();
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        capture_ui(ui, session, commands);
        ui.strong(format!("Request {}", request.id));
        ui.label(format!(
            "{} from {}",
            duration_text(request.range.len_ns()),
            moment_text(request.range.start_ns(), origin)
        ));
        facts_ui(ui, request);
        if ui.button("Zoom to it").clicked() {
            commands.push(Command::Show(request.range.padded(0.08)));
        }
        ui.separator();
        if request.parts.is_empty() {
            ui.weak("Nothing in the capture says what its time went to.");
        } else {
            bar_ui(ui, request);
            findings_ui(ui, session, commands);
            parts_ui(ui, request);
        }
        steps_ui(ui, request, commands);
    });
}

/// What is to blame over all requests.
fn capture_ui(ui: &mut Ui, session: &Session, commands: &mut Vec<Command>) {
    let verdict = session.analyses.as_ref().and_then(|of| of.verdict.as_ref());
    let Some(verdict) = verdict else { return };
    ui.heading(&verdict.headline);
    ui.label(&verdict.latency);
    for reason in &verdict.reasons {
        ui.label(reason);
    }
    for (at, cause) in verdict.causes.iter().enumerate() {
        cause_ui(ui, at, cause, commands);
    }
    if let Some(without) = &verdict.without {
        ui.label(without);
    }
    ui.separator();
}

fn cause_ui(ui: &mut Ui, at: usize, cause: &CauseItem, commands: &mut Vec<Command>) {
    let text = format!("{} {} · {} of p95", cause.id, cause.title, duration_text(cause.p95_ns));
    let button = egui::Button::new(&text).wrap().min_size(vec2(ui.available_width(), 0.0));
    let response = ui.add(button);
    response.widget_info(|| {
        egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Cause {}: {text}", at + 1))
    });
    let hover = match cause.evidence.len() {
        0 => "No row of the capture shows it".to_owned(),
        n => format!("Go to the first of {n} events that show it"),
    };
    if response.on_hover_text(hover).clicked() {
        commands.push(Command::ShowCause(at));
    }
    ui.label(&cause.summary);
    if cause.n_requests > 0 {
        ui.weak(format!("It touched {} requests.", cause.n_requests));
    }
    if !cause.remedy.is_empty() {
        ui.label(&cause.remedy);
    }
    if let Some(setting) = &cause.setting {
        ui.monospace(setting);
    }
    if !cause.confirm.is_empty() {
        ui.weak(format!("To make sure: {}", cause.confirm));
    }
}

fn facts_ui(ui: &mut Ui, request: &RequestItem) {
    ui.horizontal_wrapped(|ui| {
        if !request.model.is_empty() {
            ui.weak(&*request.model);
        }
        for (name, ns) in [
            ("ttft", request.ttft_ns),
            ("tpot", request.tpot_ns),
            ("queue", request.queue_ns),
            ("on GPU", request.gpu_ns),
        ] {
            if let Some(ns) = ns {
                ui.weak(format!("{name} {}", duration_text(ns)));
            }
        }
        if request.is_error {
            ui.colored_label(ui.visuals().error_fg_color, "failed");
        }
    });
    if let Some(trace) = request.trace_id {
        ui.weak(format!("trace {trace:032x}"));
    }
}

/// One bar of all parts, in the order of the list below it.
fn bar_ui(ui: &mut Ui, request: &RequestItem) {
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 22.0), Sense::hover());
    let whole = request.range.len_ns().max(1) as f64;
    let mut left = f64::from(rect.left());
    let painter = ui.painter_at(rect);
    for part in &request.parts {
        let right = left + part.ns as f64 / whole * f64::from(rect.width());
        let bar = Rect::from_min_max(
            pos2(left as f32, rect.top()),
            pos2((right as f32 - 1.0).max(left as f32 + 1.0), rect.bottom()),
        );
        painter.rect_filled(bar, 1.0, tone_colour(part.tone()));
        let response = ui.interact(bar, ui.scope_id().with(("part", part.kind)), Sense::hover());
        response.on_hover_text(part_text(part, whole));
        left = right;
    }
}

fn part_text(part: &PartItem, whole: f64) -> String {
    format!("{}: {} ({:.1} %)", part.name(), duration_text(part.ns), part.ns as f64 / whole * 100.0)
}

fn parts_ui(ui: &mut Ui, request: &RequestItem) {
    ui.separator();
    ui.strong("Where its time went");
    let whole = request.range.len_ns().max(1) as f64;
    egui::Grid::new("parts").num_columns(3).striped(true).show(ui, |ui| {
        for part in &request.parts {
            ui.label(duration_text(part.ns));
            ui.weak(format!("{:.1} %", part.ns as f64 / whole * 100.0));
            ui.horizontal(|ui| {
                let (rect, _) = ui.allocate_exact_size(vec2(10.0, 10.0), Sense::hover());
                ui.painter().rect_filled(rect, 2.0, tone_colour(part.tone()));
                ui.label(part.name());
            });
            ui.end_row();
        }
    });
    ui.horizontal_wrapped(|ui| {
        for tone in [Tone::Work, Tone::Waiting, Tone::Excess, Tone::Outside, Tone::Unknown] {
            if request.parts.iter().any(|part| part.tone() == tone) {
                let (rect, _) = ui.allocate_exact_size(vec2(8.0, 8.0), Sense::hover());
                ui.painter().rect_filled(rect, 2.0, tone_colour(tone));
                ui.weak(tone.words());
            }
        }
    });
}

fn findings_ui(ui: &mut Ui, session: &Session, commands: &mut Vec<Command>) {
    let Some(analyses) = &session.analyses else { return };
    let Some(request) = session.requests.selected else { return };
    let findings = analyses.findings_of(request);
    if findings.is_empty() {
        return;
    }
    ui.strong("Findings");
    for (at, finding) in findings.iter().take(MAX_FINDINGS).enumerate() {
        let more = if analyses.requests.len() > 1 { " more than usual" } else { "" };
        let text = format!("{} · {}{more}", finding.title, duration_text(finding.excess_ns));
        let button = egui::Button::new(&text).wrap().min_size(vec2(ui.available_width(), 0.0));
        let response = ui.add(button);
        response.widget_info(|| {
            egui::WidgetInfo::labeled(
                egui::Role::Button,
                true,
                format!("Finding {}: {text}", at + 1),
            )
        });
        let hover = match finding.evidence.len() {
            0 => "No row of the capture shows it".to_owned(),
            n => format!("Go to the first of {n} events that show it"),
        };
        if response.on_hover_text(hover).clicked() {
            commands.push(Command::ShowFinding(at));
        }
        if !finding.remedy.is_empty() {
            ui.weak(finding.remedy);
        }
    }
}

fn steps_ui(ui: &mut Ui, request: &RequestItem, commands: &mut Vec<Command>) {
    if request.steps.is_empty() {
        return;
    }
    ui.separator();
    ui.strong(format!("In {} steps", request.steps.len()));
    ui.push_id("steps", |ui| {
        ScrollArea::vertical().max_height(180.0).auto_shrink([false, true]).show_rows(
            ui,
            18.0,
            request.steps.len(),
            |ui, rows| {
                for step in request.steps.get(rows).unwrap_or_default() {
                    ui.horizontal(|ui| {
                        let text = format!("{} {}", step.phase, duration_text(step.range.len_ns()));
                        if ui.link(text).clicked() {
                            commands.push(Command::Show(step.range.padded(0.1)));
                        }
                        if let Some(members) = step.n_members {
                            ui.weak(format!("{members} in the batch"));
                        }
                        if let Some(tokens) = step.own_tokens {
                            ui.weak(format!("{tokens} tokens"));
                        }
                    });
                }
            },
        );
    });
}
