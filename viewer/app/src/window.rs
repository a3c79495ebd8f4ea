//! The window: what only the system can give, around the viewer.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use eframe::egui;
use underspan_viewer_core::{Command, Effect, Image, Link, Settings, Viewer};

use crate::args::{Theme, ViewArgs};
use crate::follow::Follow;
use crate::{crash, settings};

/// Frames drawn after nothing is computed any more, before a screenshot is taken.
const SETTLING_FRAMES: usize = 6;

/// Opens the window and runs until it is closed.
pub(crate) fn run(args: &ViewArgs) -> Result<()> {
    if let Some(target) = &args.live {
        bail!(
            "--live is for `underspan view`, which finds the recorder: `underspan view --live {target}`"
        );
    }
    let script = match &args.exec {
        Some(path) => read_script(path)?,
        None => Vec::new(),
    };
    let (width, height) = args.size.unwrap_or((1600.0, 950.0));
    let options = eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_title("underspan")
            .with_app_id("underspan")
            .with_drag_and_drop(true)
            .with_inner_size([width, height])
            .with_min_inner_size([480.0, 320.0]),
        renderer: eframe::Renderer::Glow,
        ..eframe::NativeOptions::default()
    };
    let create = |creation: &eframe::CreationContext<'_>| -> Box<dyn eframe::App> {
        Box::new(Window::new(args, script, &creation.egui_ctx))
    };
    eframe::run_native("underspan", options, Box::new(|creation| Ok(create(creation)))).map_err(
        |error| {
            anyhow!("no window can be opened: {error}. On a machine without a display use `underspan render`, or `xvfb-run underspan view …`")
        },
    )
}

fn read_script(path: &PathBuf) -> Result<Vec<Command>> {
    let cannot = || format!("cannot read the commands in {}", path.display());
    let text = std::fs::read_to_string(path).with_context(cannot)?;
    serde_json::from_str(&text).with_context(cannot)
}

struct Window {
    viewer: Viewer,
    answers: Receiver<Command>,
    answer: Sender<Command>,
    follow: Option<Follow>,
    screenshot: Option<PathBuf>,
    /// The settings that were kept before, and those that this start was given.
    settings: (Settings, Settings),
    n_quiet: usize,
    title: String,
}

impl Window {
    fn new(args: &ViewArgs, mut script: Vec<Command>, context: &egui::Context) -> Self {
        let wake = context.clone();
        let mut viewer = Viewer::new(move || wake.request_repaint());
        let kept = settings::load();
        viewer.use_settings(kept.clone());
        if args.screenshot.is_some() {
            context.all_styles_mut(|style| style.animation_time = 0.0);
        }
        if let Some(theme) = args.theme {
            viewer.apply(Command::SetDark(theme == Theme::Dark));
        }
        if let Some(scale) = args.scale {
            viewer.apply(Command::SetScale(scale));
        }
        let settings = (kept, viewer.settings());
        if args.fps {
            viewer.apply(Command::ToggleOverlay);
        }
        let mut paths: Vec<PathBuf> = Vec::new();
        for argument in &args.files {
            // A file that is there is meant, whatever its name looks like.
            let is_file = PathBuf::from(argument).exists();
            let (path, link) =
                if is_file { (argument.as_str(), Link::default()) } else { Link::split(argument) };
            paths.push(path.into());
            viewer.go_to_when_open(link);
        }
        if !args.compare.is_empty() {
            script.insert(0, Command::CompareWith(args.compare.clone()));
        }
        viewer.run_when_open(script);
        let follow = args.follow.then(|| Follow::new(paths.clone()));
        if !paths.is_empty() {
            viewer.apply(Command::Open(paths));
        }
        let (answer, answers) = channel();
        Self {
            viewer,
            answers,
            answer,
            follow,
            screenshot: args.screenshot.clone(),
            settings,
            n_quiet: 0,
            title: String::new(),
        }
    }

    fn do_effects(&mut self, context: &egui::Context) {
        for effect in self.viewer.take_effects() {
            match effect {
                Effect::CopyText(text) => context.copy_text(text),
                Effect::AskForFiles { to_compare } => self.ask(context, move || {
                    let paths = rfd::FileDialog::new().pick_files()?;
                    Some(if to_compare {
                        Command::CompareWith(paths)
                    } else {
                        Command::Open(paths)
                    })
                }),
                Effect::AskWhereToSave { name, is_image } => self.ask(context, move || {
                    let path = rfd::FileDialog::new().set_file_name(name).save_file()?;
                    Some(match is_image {
                        true => Command::ExportImage(Some(path)),
                        false => Command::ExportSelection(Some(path)),
                    })
                }),
                Effect::SaveScreenshot(path) => save_screenshot(context, path, false),
                _ => {}
            }
        }
    }

    /// Asks in a thread of its own: the window goes on while the dialog is open.
    fn ask(&self, context: &egui::Context, ask: impl FnOnce() -> Option<Command> + Send + 'static) {
        let (answer, context) = (self.answer.clone(), context.clone());
        std::thread::spawn(move || {
            let command = ask().unwrap_or_else(|| {
                Command::Say("nothing was chosen; where no dialog comes up, drop files on the window or name them on the command line".to_owned())
            });
            // The window may be gone by now.
            if answer.send(command).is_ok() {
                context.request_repaint();
            }
        });
    }

    fn use_title(&mut self, context: &egui::Context) {
        let title = match self.viewer.document() {
            Some(document) => format!("{} – underspan", document.name()),
            None => "underspan".to_owned(),
        };
        if title != self.title {
            context.send_viewport_cmd(egui::ViewportCommand::Title(title.clone()));
            self.title = title;
        }
    }

    fn take_screenshot(&mut self, context: &egui::Context) {
        if self.screenshot.is_none() {
            return;
        }
        self.n_quiet = if self.viewer.is_busy() { 0 } else { self.n_quiet + 1 };
        if self.n_quiet == SETTLING_FRAMES
            && let Some(path) = self.screenshot.take()
        {
            save_screenshot(context, path, true);
        }
        context.request_repaint_after(Duration::from_millis(15));
    }
}

fn save_screenshot(context: &egui::Context, path: PathBuf, then_close: bool) {
    let window = context.clone();
    context.request_screenshot(move |picture| {
        let [width, height] = picture.size;
        let rgb = picture.pixels.iter().flat_map(|of| [of.r(), of.g(), of.b()]).collect();
        let image = Image { width, height, rgb };
        let written = std::fs::File::create(&path)
            .and_then(|file| image.write_png(std::io::BufWriter::new(file)));
        if let Err(error) = written {
            crash::complain(&format!("cannot write {}: {error}", path.display()));
        }
        if then_close {
            window.send_viewport_cmd(egui::ViewportCommand::Close);
        }
    });
}

impl eframe::App for Window {
    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        while let Ok(command) = self.answers.try_recv() {
            self.viewer.apply(command);
        }
        if let Some(follow) = &mut self.follow {
            if follow.has_grown() {
                self.viewer.apply(Command::Reload);
            }
            ui.ctx().request_repaint_after(Follow::INTERVAL);
        }
        self.viewer.ui(ui);
        let context = ui.ctx().clone();
        self.do_effects(&context);
        self.use_title(&context);
        self.take_screenshot(&context);
        crash::remember(&self.viewer);
    }

    fn on_exit(&mut self, _gl: Option<&eframe::glow::Context>) {
        let mut settings = self.viewer.settings();
        let (kept, given) = &self.settings;
        settings.forget_given(given, kept);
        if let Err(error) = settings::save(&settings) {
            crash::complain(&format!("the settings cannot be kept: {error:#}"));
        }
    }
}
