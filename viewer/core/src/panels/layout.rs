//! Panels in a tree of tabs and splits that the user may rearrange.

use egui::{Ui, WidgetText};
use egui_tiles::{
    Behavior, Container, SimplificationOptions, Tile, TileId, Tiles, Tree, UiResponse,
};

use super::timeline::TimelineContext;
use super::{compare, details, notes, problems, requests, statistics, timeline, verdict};
use crate::state::{Command, Panel, Session};

/// Where every panel is.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Layout {
    tree: Tree<Panel>,
}

impl Default for Layout {
    fn default() -> Self {
        let mut tiles = Tiles::default();
        let mut tabs = |panels: &[Panel]| {
            let panes = panels.iter().map(|panel| tiles.insert_pane(*panel)).collect();
            tiles.insert_tab_tile(panes)
        };
        let requests = tabs(&[Panel::Requests]);
        let timeline = tabs(&[Panel::Timeline]);
        let below = tabs(&[Panel::Statistics, Panel::Problems, Panel::Notes, Panel::Compare]);
        let why = tabs(&[Panel::Verdict]);
        let details = tabs(&[Panel::Details]);
        let centre =
            split(&mut tiles, egui_tiles::LinearDir::Vertical, &[(timeline, 4.0), (below, 1.0)]);
        let right =
            split(&mut tiles, egui_tiles::LinearDir::Vertical, &[(why, 1.2), (details, 1.0)]);
        let root = split(
            &mut tiles,
            egui_tiles::LinearDir::Horizontal,
            &[(requests, 0.95), (centre, 3.3), (right, 1.0)],
        );
        Self { tree: Tree::new(egui::Id::unique("panels"), root, tiles) }
    }
}

fn split(tiles: &mut Tiles<Panel>, dir: egui_tiles::LinearDir, shares: &[(TileId, f32)]) -> TileId {
    let mut linear = egui_tiles::Linear::new(dir, shares.iter().map(|(tile, _)| *tile).collect());
    for (tile, share) in shares {
        linear.shares.set_share(*tile, *share);
    }
    tiles.insert_container(linear)
}

impl Layout {
    /// Brings a panel to the front of its tabs.
    pub(crate) fn show(&mut self, panel: Panel) {
        self.tree.make_active(|_, tile| matches!(tile, Tile::Pane(of) if *of == panel));
    }

    /// Makes a panel nearly as high as all above and below it are together.
    pub(crate) fn enlarge(&mut self, panel: Panel) {
        let tiles = &mut self.tree.tiles;
        let pane = tiles.iter().find(|(_, tile)| matches!(tile, Tile::Pane(of) if *of == panel));
        let Some(tabs) = pane.map(|(id, _)| *id).and_then(|id| tiles.parent_of(id)) else { return };
        let Some(split) = tiles.parent_of(tabs) else { return };
        if let Some(Tile::Container(Container::Linear(split))) = tiles.get_mut(split) {
            let others = split.children.iter().filter(|child| **child != tabs);
            let others: f32 = others.map(|child| split.shares[*child]).sum();
            let share = split.shares[tabs].max(others * 0.8);
            split.shares.set_share(tabs, share);
        }
    }

    /// Whether every panel is in it: one that was kept by another version may lack some.
    pub(crate) fn is_whole(&self) -> bool {
        let has = |panel: &Panel| {
            self.tree.tiles.tiles().any(|tile| matches!(tile, Tile::Pane(of) if of == panel))
        };
        Panel::ALL.iter().all(has)
    }

    pub(crate) fn ui(
        &mut self,
        ui: &mut Ui,
        session: &mut Session,
        context: &mut TimelineContext<'_>,
        commands: &mut Vec<Command>,
    ) {
        let mut docked = Docked { session, context, commands };
        self.tree.ui(&mut docked, ui);
    }
}

struct Docked<'a, 'b> {
    session: &'a mut Session,
    context: &'a mut TimelineContext<'b>,
    commands: &'a mut Vec<Command>,
}

impl Behavior<Panel> for Docked<'_, '_> {
    fn pane_ui(&mut self, ui: &mut Ui, _tile: TileId, panel: &mut Panel) -> UiResponse {
        let Self { session, context, commands } = self;
        let margin = if *panel == Panel::Timeline { 0 } else { 8 };
        egui::Frame::new().inner_margin(margin).show(ui, |ui| match panel {
            Panel::Timeline => timeline::timeline_ui(ui, session, context, commands),
            Panel::Requests => requests::requests_ui(ui, session, commands),
            Panel::Verdict => verdict::verdict_ui(ui, session, commands),
            Panel::Details => details::details_ui(ui, session, commands),
            Panel::Statistics => statistics::statistics_ui(ui, session, commands),
            Panel::Problems => problems::problems_ui(ui, session),
            Panel::Notes => notes::notes_ui(ui, session, commands),
            Panel::Compare => compare::compare_ui(ui, session, commands),
        });
        UiResponse::None
    }

    fn tab_title_for_pane(&mut self, panel: &Panel) -> WidgetText {
        panel.title().into()
    }

    fn simplification_options(&self) -> SimplificationOptions {
        SimplificationOptions { all_panes_must_have_tabs: true, ..SimplificationOptions::default() }
    }
}
