//! What is kept between one start and the next.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::panels::Layout;
use crate::state::Viewer;

/// What is kept between one start and the next: colours, size, recent files, where panels are.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    is_dark: bool,
    scale: f32,
    recent: Vec<PathBuf>,
    layout: Option<Layout>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { is_dark: true, scale: 1.0, recent: Vec::new(), layout: None }
    }
}

impl Viewer {
    /// What is to be kept.
    pub fn settings(&self) -> Settings {
        Settings {
            is_dark: self.is_dark,
            scale: self.scale,
            recent: self.recent.clone(),
            layout: Some(self.layout.clone()),
        }
    }

    /// Takes over what was kept.
    pub fn use_settings(&mut self, settings: Settings) {
        self.is_dark = settings.is_dark;
        self.scale = if settings.scale.is_finite() { settings.scale.clamp(0.5, 4.0) } else { 1.0 };
        self.recent = settings.recent;
        // A layout of another version may lack a panel.
        if let Some(layout) = settings.layout.filter(Layout::is_whole) {
            self.layout = layout;
        }
    }
}
