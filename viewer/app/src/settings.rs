//! The settings file: `underspan/viewer.json` in the user's configuration folder.

use std::path::PathBuf;

use anyhow::{Context, Result};
use underspan_viewer_core::Settings;

/// The folder for configuration (`XDG_CONFIG_HOME`, else `~/.config`); `None` without a home.
fn folder() -> Option<PathBuf> {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let base = of("XDG_CONFIG_HOME").or_else(|| of("APPDATA")).map(PathBuf::from);
    let base = base.or_else(|| Some(PathBuf::from(of("HOME")?).join(".config")))?;
    Some(base.join("underspan"))
}

/// The settings that were kept; the defaults when there are none that can be read.
pub(crate) fn load() -> Settings {
    let text = folder().and_then(|folder| std::fs::read_to_string(folder.join("viewer.json")).ok());
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// Keeps the settings.
pub(crate) fn save(settings: &Settings) -> Result<()> {
    let Some(folder) = folder() else { return Ok(()) };
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let path = folder.join("viewer.json");
    let text = serde_json::to_string_pretty(settings)?;
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Where the report of a crash goes.
pub(crate) fn crash_report() -> Option<PathBuf> {
    folder().map(|folder| folder.join("viewer-crash.txt"))
}
