//! What is there when nothing is open.

use std::path::PathBuf;

use egui::{TextEdit, Ui};

use crate::state::{Command, Viewer};

pub(super) fn welcome_ui(ui: &mut Ui, viewer: &mut Viewer, commands: &mut Vec<Command>) {
    let top = (ui.available_height() * 0.22).max(20.0);
    ui.vertical_centered(|ui| {
        ui.add_space(top);
        ui.set_max_width(620.0);
        ui.heading("underspan");
        ui.weak("Open a capture to see what the GPU did, and why a request was slow.");
        ui.add_space(24.0);
        if ui.button("Open files …").clicked() {
            commands.push(Command::AskForFiles);
        }
        ui.add_space(8.0);
        ui.weak("or drop them here, or type a path:");
        let field = TextEdit::singleline(&mut viewer.typed_path)
            .hint_text("/path/to/capture.uspan")
            .desired_width(420.0);
        let response = ui.add(field);
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Path"));
        let is_done =
            response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
        if is_done && !viewer.typed_path.is_empty() {
            commands.push(Command::Open(vec![PathBuf::from(&viewer.typed_path)]));
        }
        ui.add_space(24.0);
        if !viewer.recent.is_empty() {
            ui.label("Recent");
            for path in &viewer.recent {
                if ui.link(path.display().to_string()).clicked() {
                    commands.push(Command::Open(vec![path.clone()]));
                }
            }
            ui.add_space(24.0);
        }
        ui.weak(
            ".uspan captures · PyTorch profiler traces · Nsight Systems sqlite · OTLP spans · \
             Triton, Jaeger, Zipkin, SigNoz … — several files are joined",
        );
    });
}
