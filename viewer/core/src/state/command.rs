//! Everything that can be done to a view, as data: what keys, menus, the palette, macros and tests
//! send.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::EventRef;
use crate::paint::ColourBy;
use crate::timeline::TimeRange;

/// One thing to do. The names are stable: macros hold them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Command {
    /// Open files as one capture.
    Open(Vec<PathBuf>),
    /// Ask for files to open.
    AskForFiles,
    /// Ask for files to compare the open capture with.
    AskForComparison,
    /// Compare the open capture with these files.
    CompareWith(Vec<PathBuf>),
    /// Stop what is being opened.
    CancelOpening,
    /// Read the open files again and stay where the view is; a view that reached the end of the
    /// capture goes on reaching it.
    Reload,
    /// Close the capture.
    Close,
    /// Show a line of text at the bottom.
    Say(String),

    /// Move by so many widths of the view; to the right when positive.
    Pan(f64),
    /// Scroll the rows by so many points.
    Scroll(f32),
    /// Make the view so many times as long, around a time or around its middle.
    Zoom {
        /// Below one zooms in.
        factor: f64,
        /// Time that stays where it is on the screen.
        anchor_ns: Option<i64>,
    },
    /// Show a range of time.
    Show(TimeRange),
    /// Show the whole capture.
    ShowAll,
    /// Show what is selected: the range, the event, or the request.
    ZoomToSelection,
    /// Go back to the view before.
    Back,
    /// Undo a [`Command::Back`].
    Forward,

    /// Select an event; show it when it is out of sight.
    Select(EventRef),
    /// Select a range of time, for statistics.
    SelectRange(TimeRange),
    /// Show another kind of step of the comparison, by its position in the list.
    CompareStep(usize),
    /// Select nothing.
    ClearSelection,
    /// Go to the next event of the row.
    NextInRow,
    /// Go to the event before in the row.
    PreviousInRow,
    /// Go to the next event of the same name, or that the search matches.
    NextOccurrence,
    /// Go to the event before of the same name, or that the search matches.
    PreviousOccurrence,
    /// Go to what launched the selected work, or to what the selected call launched.
    FollowLaunch,

    /// Select a request by its position in the capture.
    SelectRequest(usize),
    /// Select a request by its engine's id, or its trace or span id in hexadecimal.
    SelectRequestById(String),
    /// Select the next request of the list as it is sorted.
    NextRequest,
    /// Select the request before in the list as it is sorted.
    PreviousRequest,
    /// Select the slowest request.
    SelectSlowest,
    /// Sort the requests.
    SortRequests {
        /// By what.
        by: RequestColumn,
        /// Largest first.
        is_descending: bool,
    },
    /// Show only requests whose id, trace or model holds this text.
    FilterRequests(String),
    /// Show only requests that took from so many to so many nanoseconds.
    BrushRequests(Option<(u64, u64)>),
    /// Go to the evidence of a finding about the selected request, by its position in the list.
    ShowFinding(usize),
    /// Go to the evidence of a cause of the verdict, by its position in the list.
    ShowCause(usize),

    /// Highlight events whose name matches a regular expression.
    Search(String),
    /// Highlight events with exactly this name.
    SearchExactly(String),
    /// Select the longest event of a table on one stream (thread, process, service) in a range.
    SelectLongest {
        /// Code of the table.
        table: u16,
        /// Stream, thread, process or service.
        key: u32,
        /// The range.
        range: TimeRange,
    },
    /// Put the cursor in the search field.
    FocusSearch,
    /// Colour bars by something else.
    ColourBy(ColourBy),
    /// Fold or unfold a row, by its id.
    ToggleCollapsed(String),
    /// Hide a row, by its id.
    Hide(String),
    /// Show every hidden row.
    ShowHidden,
    /// Hold a row at the top, or let it go.
    TogglePinned(String),
    /// Move a row up (negative) or down among its neighbours.
    MoveRow {
        /// The row's id.
        row: String,
        /// Places to move it.
        by: i32,
    },
    /// Show only rows whose title matches a regular expression.
    FilterRows(String),

    /// Put a bookmark with a note at a time, or in the middle of the view.
    AddNote {
        /// When.
        at_ns: Option<i64>,
        /// What it says.
        text: String,
    },
    /// Remove a bookmark, by its position.
    RemoveNote(usize),
    /// Go to the next bookmark.
    NextNote,

    /// Open or close the command palette.
    TogglePalette,
    /// Open or close the list of keys.
    ToggleHelp,
    /// Bring a panel to the front.
    ShowPanel(Panel),
    /// Put all panels back where they were at first.
    ResetPanels,
    /// Dark or light colours.
    SetDark(bool),
    /// Size of everything; 1 is the system's.
    SetScale(f32),
    /// Show how long frames take.
    ToggleOverlay,

    /// Copy a link to this view.
    CopyLink,
    /// Save the view as a PNG file.
    ExportImage(Option<PathBuf>),
    /// Save the statistics of the selection as CSV or JSON, by the file's name.
    ExportSelection(Option<PathBuf>),
    /// Close what is open on top, then clear the search, the range, the selection.
    Escape,
}

/// A column of the request list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestColumn {
    /// Its id.
    Request,
    /// When it began.
    Start,
    /// How long it took.
    #[default]
    Duration,
    /// Time to first token.
    Ttft,
    /// Mean time per token.
    Tpot,
    /// Time in the queue.
    Queue,
    /// Time it waited on the device.
    Gpu,
}

/// A panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Panel {
    /// The rows of the capture.
    Timeline,
    /// The requests.
    Requests,
    /// Where the selected request's time went, and what shows it.
    Verdict,
    /// The selected event.
    Details,
    /// Statistics of the selected range.
    Statistics,
    /// What was lost or doubted.
    Problems,
    /// Bookmarks.
    Notes,
    /// Two captures side by side.
    Compare,
}

impl Panel {
    /// Every panel.
    pub const ALL: [Self; 8] = [
        Self::Timeline,
        Self::Requests,
        Self::Verdict,
        Self::Details,
        Self::Statistics,
        Self::Problems,
        Self::Notes,
        Self::Compare,
    ];

    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Self::Timeline => "Timeline",
            Self::Requests => "Requests",
            Self::Verdict => "Why",
            Self::Details => "Details",
            Self::Statistics => "Statistics",
            Self::Problems => "Data",
            Self::Notes => "Notes",
            Self::Compare => "Compare",
        }
    }
}

impl Command {
    /// Whether it jumps to another part of the capture, so that [`Command::Back`] undoes it.
    pub(crate) fn is_jump(&self) -> bool {
        matches!(
            self,
            Self::Show(_)
                | Self::ShowAll
                | Self::ZoomToSelection
                | Self::Select(_)
                | Self::SelectRequest(_)
                | Self::NextNote
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_survive_being_written_down() {
        let commands = vec![
            Command::Pan(-0.25),
            Command::Zoom { factor: 0.5, anchor_ns: Some(7) },
            Command::SelectRequestById("req-1".to_owned()),
            Command::ShowPanel(Panel::Verdict),
            Command::Escape,
        ];
        let text = serde_json::to_string(&commands).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Command>>(&text).unwrap(), commands);
        assert!(text.starts_with(r#"[{"pan":-0.25},{"zoom":{"factor":0.5,"anchor_ns":7}}"#));
    }
}
