//! The selected event: everything that is known about it.

use egui::{Grid, ScrollArea, Ui};

use crate::document::full_name;
use crate::state::{Command, Session};
use crate::timeline::{duration_text, moment_text};

/// Requests of a step that are named.
const MOST_MEMBERS: usize = 12;

pub(super) fn details_ui(ui: &mut Ui, session: &Session, commands: &mut Vec<Command>) {
    let Some(event) = session.event else {
        ui.weak("Click an event in the timeline to see what it was, what launched it, and in which precision it ran.");
        return;
    };
    let Some(table) = event.kind() else { return };
    let document = &session.document;
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        ui.strong(document.label(table, event.name));
        ui.label(format!(
            "{} · {} at {}",
            table.name().replace('_', " "),
            duration_text(event.len_ns()),
            moment_text(event.start_ns, document.bounds().start_ns())
        ));
        ui.horizontal_wrapped(|ui| {
            for (text, command) in [
                ("Zoom to it", Command::ZoomToSelection),
                ("Previous of the name", Command::PreviousOccurrence),
                ("Next of the name", Command::NextOccurrence),
            ] {
                if ui.button(text).clicked() {
                    commands.push(command);
                }
            }
        });
        members_ui(ui, session, commands);
        ui.separator();
        match &session.details {
            None => {
                ui.spinner();
            }
            Some(Err(error)) => {
                ui.colored_label(ui.visuals().error_fg_color, error);
            }
            Some(Ok(details)) => {
                if let Some(partner) = details.partner
                    && let Some(kind) = partner.kind()
                {
                    let name = full_name(document.timeline(), kind, partner.name);
                    let name: String = name.chars().take(60).collect();
                    let (words, between) = match kind {
                        underspan_model::tables::TableKind::ApiCall => {
                            ("Launched by", event.start_ns.saturating_sub(partner.start_ns))
                        }
                        _ => ("Launched", partner.start_ns.saturating_sub(event.start_ns)),
                    };
                    ui.horizontal_wrapped(|ui| {
                        ui.label(words);
                        if ui.link(name).clicked() {
                            commands.push(Command::FollowLaunch);
                        }
                    });
                    if between >= 0 {
                        ui.weak(format!(
                            "launch latency {}",
                            duration_text(between.unsigned_abs())
                        ));
                    }
                    ui.separator();
                }
                Grid::new("facts").num_columns(2).striped(true).show(ui, |ui| {
                    for fact in &details.facts {
                        ui.weak(&fact.name);
                        ui.add(egui::Label::new(&fact.value).wrap());
                        ui.end_row();
                    }
                });
            }
        }
    });
}

/// The requests that the engine step was for, in which the event ran.
fn members_ui(ui: &mut Ui, session: &Session, commands: &mut Vec<Command>) {
    let (Some(event), Some(analyses)) = (session.event, &session.analyses) else { return };
    let Some(table) = event.kind() else { return };
    let timeline = session.document.timeline();
    let middle = event.start_ns.midpoint(event.end_ns);
    let Some(step) = analyses.membership.step_of(timeline, table, event.key, middle) else {
        return;
    };
    ui.horizontal_wrapped(|ui| {
        match step.members.len() {
            1 => ui.label("In a step of one request:"),
            n => ui.label(format!("In a step of {n} requests:")),
        };
        for member in step.members.iter().take(MOST_MEMBERS) {
            let Some(request) = analyses.requests.get(*member as usize) else { continue };
            let id: String = request.id.chars().take(16).collect();
            if ui.link(id).on_hover_text(&request.id).clicked() {
                commands.push(Command::SelectRequest(*member as usize));
            }
        }
        if step.members.len() > MOST_MEMBERS {
            ui.label(format!("and {} more", step.members.len() - MOST_MEMBERS));
        }
    });
}
