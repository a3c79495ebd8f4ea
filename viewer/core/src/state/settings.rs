//! What is kept between one start and the next.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::panels::Layout;
use crate::state::Viewer;

/// What is kept between one start and the next: colours, size, recent files, where panels are.
#[derive(Debug, Clone, Serialize, Deserialize)]
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

impl Settings {
    /// The colours and the size that were `given` for one start are not for the next: where they
    /// are still the same, they are again as they were `kept` before.
    pub fn forget_given(&mut self, given: &Self, kept: &Self) {
        if self.is_dark == given.is_dark {
            self.is_dark = kept.is_dark;
        }
        if self.scale.total_cmp(&given.scale).is_eq() {
            self.scale = kept.scale;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_for_one_start_is_not_for_the_next() {
        let of = |is_dark, scale| Settings { is_dark, scale, ..Settings::default() };
        let after = |mut now: Settings, given: &Settings| {
            now.forget_given(given, &of(true, 1.0));
            (now.is_dark, now.scale)
        };
        let given = of(false, 2.0);
        assert_eq!(after(of(false, 2.0), &given), (true, 1.0));
        // What was chosen since is kept.
        assert_eq!(after(of(false, 3.0), &given), (true, 3.0));
        assert_eq!(after(of(false, 1.0), &of(true, 1.0)), (false, 1.0), "nothing was given");
    }
}
