//! Bookmarks with notes, kept beside the capture.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Largest file that is read back, in bytes.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// A bookmark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// When, in nanoseconds of the capture's clock.
    pub at_ns: i64,
    /// What it says.
    pub text: String,
}

/// What is kept of a view: bookmarks and what the user did with the rows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SavedView {
    pub(crate) notes: Vec<Note>,
    pub(crate) pinned: Vec<String>,
    pub(crate) collapsed: Vec<String>,
    pub(crate) hidden: Vec<String>,
    pub(crate) order: Vec<String>,
}

impl SavedView {
    /// Where the view of a capture is kept: beside it, as `<capture>.view.json`.
    pub(crate) fn path_for(capture: &Path) -> PathBuf {
        let mut name = capture.file_name().unwrap_or_default().to_os_string();
        name.push(".view.json");
        capture.with_file_name(name)
    }

    /// Reads what was kept; nothing when there is nothing to be read.
    pub(crate) fn load(capture: &Path) -> Self {
        let path = Self::path_for(capture);
        let is_small = std::fs::metadata(&path).is_ok_and(|of| of.len() <= MAX_FILE_BYTES);
        let text = is_small.then(|| std::fs::read_to_string(&path).ok()).flatten();
        text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    /// Keeps it.
    ///
    /// # Errors
    /// In words, when the file beside the capture cannot be written.
    pub(crate) fn save(&self, capture: &Path) -> Result<(), String> {
        let path = Self::path_for(capture);
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        std::fs::write(&path, text)
            .map_err(|error| format!("the notes cannot be saved as {}: {error}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_read_back_and_rubbish_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let capture = folder.path().join("cap.uspan");
        let view = SavedView {
            notes: vec![Note { at_ns: -3, text: "here".to_owned() }],
            pinned: vec!["kernel/0".to_owned()],
            ..SavedView::default()
        };
        view.save(&capture).unwrap();
        assert_eq!(SavedView::load(&capture), view);
        std::fs::write(SavedView::path_for(&capture), "{").unwrap();
        assert_eq!(SavedView::load(&capture), SavedView::default());
    }
}
