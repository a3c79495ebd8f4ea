//! The timeline: minimap, axis, titles and the canvas of rows.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use egui::{
    Align2, Color32, FontId, Modifiers, Pos2, Rect, Response, Sense, Shape, Ui, UiBuilder, pos2,
    vec2,
};

use super::{arrows, minimap, titles};
use crate::document::{BarMeaning, DerivedBar, RowKind, full_name};
use crate::paint::{
    CanvasInput, GalleyCache, MeshSink, Theme, font_texture_size, paint_axis, paint_rows,
};
use crate::state::{Command, EventRef, Reveal, Session};
use crate::timeline::{
    DrawCell, PlacedRow, RowHeights, TimeRange, count_text, duration_text, moment_text,
};

const TITLES: f32 = 210.0;
const MINIMAP: f32 = 26.0;
const AXIS: f32 = 22.0;
/// Events that are named to assistive technology and to tests, the widest first by row.
const MAX_NODES: usize = 400;

/// What the timeline needs and gives beside its session.
pub(crate) struct TimelineContext<'a> {
    pub(crate) galleys: &'a mut GalleyCache,
    pub(crate) theme: Theme,
    /// Rows in sight and pixels of the canvas, for which tiles are wanted.
    pub(crate) wanted: Option<(Vec<usize>, u32)>,
}

pub(super) fn timeline_ui(
    ui: &mut Ui,
    session: &mut Session,
    context: &mut TimelineContext<'_>,
    commands: &mut Vec<Command>,
) {
    titles::toolbar_ui(ui, session, commands);
    let all = ui.available_rect_before_wrap();
    if all.width() < TITLES + 80.0 || all.height() < 120.0 {
        ui.weak("Make the timeline larger to see it");
        return;
    }
    let right = all.left() + TITLES;
    let map = Rect::from_min_max(pos2(right, all.top()), pos2(all.right(), all.top() + MINIMAP));
    let axis = Rect::from_min_max(map.left_bottom(), pos2(all.right(), map.bottom() + AXIS));
    let canvas = Rect::from_min_max(axis.left_bottom(), all.right_bottom());
    ui.painter().rect_filled(all, 0.0, context.theme.background);
    session.canvas_width = canvas.width();
    minimap::minimap_ui(ui, map, session, context.theme, commands);

    let placed = session.placed();
    let pinned_height = placed.iter().filter(|row| row.is_pinned).map(|row| row.height).sum();
    let content = placed.last().map_or(0.0, |row| row.top + row.height);
    if let Some(Reveal { row, n_frames, is_from_top }) = session.reveal.take() {
        if is_from_top {
            session.scroll = 0.0;
        }
        scroll_to(session, &placed, row, canvas.height(), pinned_height);
        // Rows above it may grow once their tiles are there: then it is scrolled to again.
        let is_settled = n_frames >= 2 && session.tiles_generation == session.generation;
        if !is_settled {
            let n_frames = n_frames.saturating_add(1);
            session.reveal = Some(Reveal { row, n_frames, is_from_top });
            if n_frames < 2 {
                ui.ctx().request_repaint();
            }
        }
    }
    session.scroll = session.scroll.clamp(0.0, (content - canvas.height() + 8.0).max(0.0));

    let response = ui.interact(canvas, ui.scope_id().with("canvas"), Sense::click_and_drag());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Canvas, true, "Timeline"));
    gestures(ui, &response, session, commands);

    let painter = ui.painter_at(all);
    let slot = painter.add(Shape::Noop);
    let tile = |row: usize| session.tiles.get(&row);
    let is_collapsed = |id: &str| session.collapsed.contains(id);
    let highlight = session.highlight.clone();
    let pixel = 1.0 / ui.ctx().pixels_per_point();
    let input = CanvasInput {
        document: &session.document,
        view: session.view,
        area: canvas,
        scroll: session.scroll,
        placed: &placed,
        pinned_height,
        tile: &tile,
        is_collapsed: &is_collapsed,
        colour_by: session.colour_by,
        membership: session.analyses.as_ref().map(|analyses| &analyses.membership),
        highlight: &highlight,
        theme: context.theme,
        heights: RowHeights::default(),
        selected: session.event.and_then(|event| Some((event.kind()?, event.row))),
        pixel,
    };
    let n_pixels = (canvas.width() / pixel).round() as u32;
    let in_sight: Vec<usize> =
        placed.iter().filter(|row| input.row_rect(row).is_some()).map(|row| row.row).collect();
    context.wanted = Some((in_sight, n_pixels));

    let key = mesh_key(ui, session, canvas, &placed, context.theme.is_dark);
    let drawn = match &session.drawn {
        Some(drawn) if drawn.key == key => drawn.clone(),
        _ => {
            let font = FontId::proportional(11.0);
            let mut sink = MeshSink::new(ui.ctx(), context.galleys, font);
            let origin = session.document.bounds().start_ns();
            paint_axis(axis, canvas.bottom(), session.view, origin, context.theme, &mut sink);
            let stats = paint_rows(&input, &mut sink);
            Drawn {
                key,
                mesh: Arc::new(sink.finish()),
                stats,
                font_size: font_texture_size(ui.ctx()),
            }
        }
    };
    painter.set(slot, Shape::Mesh(drawn.mesh.clone()));
    if font_texture_size(ui.ctx()) != drawn.font_size {
        ui.ctx().request_repaint();
    }
    let overlay = ui.painter_at(Rect::from_min_max(pos2(right, all.top()), all.right_bottom()));
    overlays(&overlay, &input, session, axis, &response);
    let hovered = response.hover_pos().and_then(|at| hit(&input, at));
    nodes(ui, &input, commands);
    if response.clicked_by(egui::PointerButton::Primary) {
        click(&response, &input, session, commands);
    }
    if let Some((cell, row)) = hovered {
        tooltip(response, &input, row, &cell);
    }
    let area = Rect::from_min_max(pos2(all.left(), canvas.top()), pos2(right, canvas.bottom()));
    let corner = Rect::from_min_max(all.left_top(), pos2(right, canvas.top()));
    titles::titles_ui(ui, corner, area, &input, session, commands);
    session.shown = (drawn.stats.n_events, drawn.stats.n_left_out);
    session.drawn = Some(drawn);
}

/// What was drawn last, and from what.
#[derive(Debug, Clone)]
pub(crate) struct Drawn {
    key: u64,
    mesh: Arc<egui::Mesh>,
    pub(crate) stats: crate::paint::CanvasStats,
    font_size: [usize; 2],
}

/// Everything the mesh depends on, as one number.
fn mesh_key(ui: &Ui, session: &Session, area: Rect, placed: &[PlacedRow], is_dark: bool) -> u64 {
    let mut hasher = DefaultHasher::new();
    let bits = |value: f32| value.to_bits();
    (session.view.start_ns(), session.view.end_ns(), bits(session.scroll)).hash(&mut hasher);
    [area.left(), area.top(), area.right(), area.bottom()].map(bits).hash(&mut hasher);
    for row in placed {
        (row.row, bits(row.top), bits(row.height), row.is_pinned).hash(&mut hasher);
    }
    (session.tiles_version, session.generation, is_dark).hash(&mut hasher);
    (session.colour_by.title(), session.analyses.is_some()).hash(&mut hasher);
    session.event.map(|event| (event.table, event.row)).hash(&mut hasher);
    (session.requests.selected, &session.search.text).hash(&mut hasher);
    (font_texture_size(ui.ctx()), bits(ui.ctx().pixels_per_point())).hash(&mut hasher);
    hasher.finish()
}

fn scroll_to(session: &mut Session, placed: &[PlacedRow], row: usize, height: f32, pinned: f32) {
    let Some(at) = placed.iter().find(|of| of.row == row && !of.is_pinned) else { return };
    let (top, bottom) = (at.top - pinned, at.top + at.height);
    if top < session.scroll {
        session.scroll = (top - 20.0).max(0.0);
    } else if bottom > session.scroll + height {
        session.scroll = bottom - height + 20.0;
    }
}

fn time_at(session: &Session, canvas: Rect, x: f32) -> i64 {
    session.view.at_fraction(f64::from((x - canvas.left()) / canvas.width()))
}

fn gestures(ui: &Ui, response: &Response, session: &mut Session, commands: &mut Vec<Command>) {
    let canvas = response.rect;
    let modifiers = ui.input(|input| input.modifiers);
    if response.drag_started() {
        let origin = ui.input(|input| input.pointer.press_origin());
        session.drag_range =
            modifiers.shift.then(|| origin.map(|at| snapped(session, canvas, at.x))).flatten();
    }
    if response.dragged() {
        match (session.drag_range, response.interact_pointer_pos()) {
            (Some(from), Some(at)) => {
                let range = TimeRange::from_ns(from, snapped(session, canvas, at.x));
                if session.range != Some(range) {
                    commands.push(Command::SelectRange(range));
                }
            }
            _ => {
                let by = response.drag_delta();
                if by.x != 0.0 {
                    commands.push(Command::Pan(-f64::from(by.x / canvas.width())));
                }
                if by.y != 0.0 {
                    commands.push(Command::Scroll(-by.y));
                }
            }
        }
    }
    if response.drag_stopped() {
        session.drag_range = None;
    }
    let Some(pointer) = response.hover_pos() else { return };
    let (scroll, zoom) = ui.input(|input| (input.smooth_scroll_delta(), input.zoom_delta()));
    if zoom != 1.0 {
        let anchor_ns = Some(time_at(session, canvas, pointer.x));
        commands.push(Command::Zoom { factor: 1.0 / f64::from(zoom), anchor_ns });
        return;
    }
    if scroll.x != 0.0 {
        commands.push(Command::Pan(-f64::from(scroll.x / canvas.width())));
    }
    if scroll.y != 0.0 {
        commands.push(match modifiers == Modifiers::SHIFT {
            true => Command::Pan(-f64::from(scroll.y / canvas.width())),
            false => Command::Scroll(-scroll.y),
        });
    }
}

/// The time at `x`, drawn to the edge of an event within five points.
fn snapped(session: &Session, canvas: Rect, x: f32) -> i64 {
    let at = time_at(session, canvas, x);
    let reach = session.view.len_ns() as f64 * f64::from(5.0 / canvas.width());
    let edges = session
        .tiles
        .values()
        .flat_map(|tile| tile.cells())
        .filter(|cell| cell.row.is_some())
        .flat_map(|cell| [cell.start_ns, cell.end_ns]);
    let nearest = edges.min_by_key(|edge| edge.abs_diff(at));
    nearest.filter(|edge| edge.abs_diff(at) as f64 <= reach).unwrap_or(at)
}

/// The cell at a point of the canvas, and the row it is in.
fn hit(input: &CanvasInput<'_>, at: Pos2) -> Option<(DrawCell, usize)> {
    let slack = input.pixel * 2.0;
    for placed in input.placed {
        let Some(rect) = input.row_rect(placed).filter(|rect| rect.contains(at)) else { continue };
        let row = input.document.rows.get(placed.row)?;
        let tile = (input.tile)(placed.row)?;
        let is_collapsed = (input.is_collapsed)(&row.id);
        let found = tile.cells().iter().rev().find(|cell| {
            let bar = input.cell_rect(rect, cell, is_collapsed);
            // The whole height of the lane counts, also where the bar is lower.
            let lane = Rect::from_min_max(
                pos2(bar.left() - slack, bar.bottom() - input.heights.lane),
                pos2(bar.right() + slack, bar.bottom()),
            );
            lane.contains(at)
        });
        return found.map(|cell| (*cell, placed.row));
    }
    None
}

fn event_of(input: &CanvasInput<'_>, row: usize, cell: &DrawCell) -> Option<EventRef> {
    let RowKind::Events { track, .. } = input.document.rows.get(row)?.kind else { return None };
    let key = input.document.tracks.get(track)?.key;
    Some(EventRef {
        table: cell.table.code(),
        row: cell.row?,
        key,
        name: cell.name,
        start_ns: cell.start_ns,
        end_ns: cell.end_ns,
    })
}

/// The bar that a cell stands for in a row that the analysis fills.
fn bar_of<'a>(input: &CanvasInput<'a>, row: usize, cell: &DrawCell) -> Option<&'a DerivedBar> {
    let RowKind::Derived(derived) = input.document.rows.get(row)?.kind else { return None };
    input.document.derived_bars(derived).get(cell.name as usize)
}

/// What a click on such a bar does.
fn bar_command(bar: &DerivedBar) -> Command {
    match bar.meaning {
        BarMeaning::Request(request) => Command::SelectRequest(request as usize),
        BarMeaning::Step(_) => Command::Show(bar.range.padded(0.2)),
    }
}

fn click(
    response: &Response,
    input: &CanvasInput<'_>,
    session: &Session,
    commands: &mut Vec<Command>,
) {
    let Some(at) = response.interact_pointer_pos() else { return };
    let Some((cell, row)) = hit(input, at) else {
        commands.push(Command::ClearSelection);
        return;
    };
    if let Some(bar) = bar_of(input, row, &cell) {
        commands.push(bar_command(bar));
        return;
    }
    match event_of(input, row, &cell) {
        Some(event) => commands.push(Command::Select(event)),
        None => {
            let key = match session.document.rows.get(row).map(|row| row.kind) {
                Some(RowKind::Events { track, .. }) => session.document.tracks.get(track),
                _ => None,
            };
            if let Some(track) = key {
                let range = TimeRange::from_ns(cell.start_ns, cell.end_ns);
                commands.push(Command::SelectLongest {
                    table: track.kind.code(),
                    key: track.key,
                    range,
                });
            }
        }
    }
    if response.double_clicked() {
        commands.push(Command::ZoomToSelection);
    }
}

fn tooltip(response: Response, input: &CanvasInput<'_>, row: usize, cell: &DrawCell) {
    let document = input.document;
    response.on_hover_ui_at_pointer(|ui| {
        ui.set_max_width(420.0);
        let name = match bar_of(input, row, cell) {
            Some(bar) => bar.label.clone(),
            None => full_name(document.timeline(), cell.table, cell.name),
        };
        let name: String = name.chars().take(300).collect();
        if cell.row.is_some() {
            ui.strong(name);
            ui.label(duration_text(cell.end_ns.abs_diff(cell.start_ns)));
        } else {
            ui.strong(format!("{} events", count_text(cell.events)));
            ui.label(format!(
                "in {}, busy {:.0} %",
                duration_text(cell.end_ns.abs_diff(cell.start_ns)),
                cell.busy * 100.0
            ));
            ui.label(format!("most time: {name}"));
        }
        ui.weak(format!("at {}", moment_text(cell.start_ns, document.bounds().start_ns())));
    });
}

/// Names what is wide enough to read, for assistive technology and tests; each can be clicked.
fn nodes(ui: &mut Ui, input: &CanvasInput<'_>, commands: &mut Vec<Command>) {
    let mut n_nodes = 0;
    let canvas = input.area.with_min_y(input.area.top() + input.pinned_height);
    let mut ui = ui.new_child(UiBuilder::new().max_rect(input.area));
    ui.set_clip_rect(input.area);
    for placed in input.placed {
        let Some(rect) = input.row_rect(placed) else { continue };
        let Some(row) = input.document.rows.get(placed.row) else { continue };
        let Some(tile) = (input.tile)(placed.row) else { continue };
        let is_collapsed = (input.is_collapsed)(&row.id);
        let clip = if placed.is_pinned { input.area } else { canvas };
        for cell in tile.cells() {
            let Some(number) = cell.row else { continue };
            if n_nodes >= MAX_NODES || !input.view.touches(cell.start_ns, cell.end_ns) {
                continue;
            }
            let bar = input.cell_rect(rect, cell, is_collapsed).intersect(clip);
            if bar.width() < 26.0 || bar.height() < 6.0 {
                continue;
            }
            n_nodes += 1;
            let id = ui.scope_id().with(("event", placed.row, number));
            let response = ui.interact(bar, id, Sense::click());
            response.widget_info(|| {
                let name = match bar_of(input, placed.row, cell) {
                    Some(bar) => bar.label.clone(),
                    None => input.document.label(cell.table, cell.name),
                };
                let len = duration_text(cell.end_ns.abs_diff(cell.start_ns));
                let text = format!("{name}, {len}, {}", row.title);
                egui::WidgetInfo::labeled(egui::Role::Button, true, text)
            });
            if response.clicked() {
                commands.extend(bar_of(input, placed.row, cell).map(bar_command));
                commands.extend(event_of(input, placed.row, cell).map(Command::Select));
                if response.double_clicked() {
                    commands.push(Command::ZoomToSelection);
                }
            }
            if response.hovered() {
                tooltip(response, input, placed.row, cell);
            }
        }
    }
}

/// The range, bookmarks, the pointer's time, and the arrow to the launch.
fn overlays(
    painter: &egui::Painter,
    input: &CanvasInput<'_>,
    session: &Session,
    axis: Rect,
    response: &Response,
) {
    let theme = input.theme;
    let canvas = input.area;
    let x_of = |ns: i64| {
        let x = input.view.fraction_of(ns) * f64::from(canvas.width());
        canvas.left() + x.clamp(-20.0, f64::from(canvas.width()) + 20.0) as f32
    };
    let line = |x: f32, top: f32, colour: Color32| {
        let rect = Rect::from_min_max(pos2(x, top), pos2(x + 1.0, canvas.bottom()));
        painter.rect_filled(rect, 0.0, colour);
    };
    if let Some(request) = session.request() {
        let (left, right) = (x_of(request.range.start_ns()), x_of(request.range.end_ns()));
        let top = axis.bottom() - 4.0;
        let bar = Rect::from_min_max(pos2(left, top), pos2(right, axis.bottom()));
        painter.rect_filled(bar, 0.0, theme.accent);
        line(left, top, theme.accent);
        line(right, top, theme.accent);
    }
    if let Some(range) = session.range {
        let (left, right) = (x_of(range.start_ns()), x_of(range.end_ns()));
        let band = Rect::from_min_max(pos2(left, axis.top()), pos2(right, canvas.bottom()));
        painter.rect_filled(band, 0.0, theme.range);
        line(left, axis.top(), theme.accent);
        line(right, axis.top(), theme.accent);
        label(
            painter,
            pos2((left + right) / 2.0, axis.bottom() + 8.0),
            &duration_text(range.len_ns()),
            theme,
            canvas,
        );
    }
    for note in &session.notes {
        let x = x_of(note.at_ns);
        line(x, axis.top(), theme.error);
        let flag = Rect::from_min_size(pos2(x, axis.top()), vec2(7.0, 7.0));
        painter.rect_filled(flag, 1.0, theme.error);
        if !note.text.is_empty() {
            let font = FontId::proportional(11.0);
            painter.text(
                pos2(x + 10.0, axis.top() + 4.0),
                Align2::LEFT_CENTER,
                &note.text,
                font,
                theme.text,
            );
        }
    }
    arrows::arrows(painter, input, session);
    if let Some(at) = response.hover_pos() {
        counter_value(painter, input, at);
        line(at.x, axis.bottom(), theme.weak_text.gamma_multiply(0.6));
        let ns = input.view.at_fraction(f64::from((at.x - canvas.left()) / canvas.width()));
        let text = moment_text(ns, input.document.bounds().start_ns());
        label(painter, pos2(at.x, axis.top() + 9.0), &text, theme, canvas);
    }
}

/// The value of the counter under the pointer.
fn counter_value(painter: &egui::Painter, input: &CanvasInput<'_>, at: Pos2) {
    let under = input.placed.iter().find_map(|placed| {
        let rect = input.row_rect(placed).filter(|rect| rect.contains(at))?;
        match input.document.rows.get(placed.row)?.kind {
            RowKind::Counter(series) => Some((rect, input.document.counters.get(series)?)),
            _ => None,
        }
    });
    let Some((rect, series)) = under else { return };
    let fraction = f64::from((at.x - input.area.left()) / input.area.width());
    if let Some(value) = series.value_at(input.view.at_fraction(fraction)) {
        let text = format!("{value:.3} {}", series.unit);
        label(painter, pos2(at.x, rect.top() + 8.0), &text, input.theme, input.area);
    }
}

/// A text on a plate, kept within the canvas.
fn label(painter: &egui::Painter, centre: Pos2, text: &str, theme: Theme, canvas: Rect) {
    let galley = painter.layout_no_wrap(text.to_owned(), FontId::proportional(11.0), theme.text);
    let half = galley.size() / 2.0;
    let left = canvas.left() + half.x + 4.0;
    let right = (canvas.right() - half.x - 4.0).max(left);
    let centre = pos2(centre.x.clamp(left, right), centre.y);
    let plate = Rect::from_center_size(centre, galley.size() + vec2(8.0, 2.0));
    painter.rect_filled(plate, 3.0, theme.group);
    painter.galley(centre - half, galley, theme.text);
}
