//! The whole viewer, driven as a person drives it: clicks on what has a name, and keys.

mod support;

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use support::{CULPRIT, SLOW_REQUEST, planted_file};
use underspan_model::tables::TableKind;
use underspan_viewer_core::{ColourBy, Command, Document, EventRef, Link, Panel, Viewer};

fn harness(viewer: Viewer) -> Harness<'static, Viewer> {
    let mut harness = Harness::builder()
        .with_size([1600.0, 950.0])
        .with_max_steps(64)
        .build_ui_state(|ui, viewer: &mut Viewer| viewer.ui(ui), viewer);
    settle(&mut harness);
    harness
}

/// Runs until nothing is opened or computed any more and the panels have found their sizes.
fn settle(harness: &mut Harness<'static, Viewer>) {
    for _ in 0..8 {
        harness.step();
    }
    assert!(!harness.state().is_busy(), "everything is done at once in a viewer without threads");
}

fn opened() -> (tempfile::TempDir, Harness<'static, Viewer>) {
    let (folder, path) = planted_file();
    let mut viewer = Viewer::inline();
    viewer.apply(Command::Open(vec![path]));
    (folder, harness(viewer))
}

fn kernel_name(document: &Document, event: EventRef) -> String {
    assert_eq!(event.kind(), Some(TableKind::Kernel));
    let timeline = document.timeline();
    let shape = timeline.shapes.as_slice()[event.name as usize];
    timeline.strings.resolve_or_empty(shape.name).to_owned()
}

fn assert_culprit_is_selected_and_visible(harness: &Harness<'static, Viewer>) {
    let viewer = harness.state();
    let event = viewer.selected_event().expect("an event is selected");
    assert_eq!(kernel_name(viewer.document().expect("a document"), event), CULPRIT);
    let view = viewer.view().expect("a view");
    assert!(view.encloses(event.range()), "{view:?} {event:?}");
    // It has a node of its own on the canvas: it is drawn wide enough to be read.
    harness.get_by_label_contains(&format!("{CULPRIT}, "));
}

#[test]
fn three_clicks_lead_from_a_slow_request_to_the_kernel_that_caused_it() {
    let (_folder, mut harness) = opened();
    // One: the list is sorted by duration, the slowest is on top. The second click is on the first
    // finding; it has already selected the kernel. A third one opens it on the canvas.
    let mut clicks = 0;
    harness.get_by_label_contains(&format!("Request {SLOW_REQUEST},")).click();
    clicks += 1;
    settle(&mut harness);
    assert_eq!(harness.state().selected_request(), Some(7));
    harness.get_by_label_contains("Finding 1:").click();
    clicks += 1;
    settle(&mut harness);
    assert_culprit_is_selected_and_visible(&harness);
    assert!(clicks <= 3);
}

#[test]
fn the_cause_of_the_verdict_leads_to_a_kernel_that_shows_it() {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sample-traces/d04-precision-fallback");
    let mut viewer = Viewer::inline();
    viewer.apply(Command::Open(vec![sample.into()]));
    let mut harness = harness(viewer);
    harness.get_by_label_contains("It is the serving runtime: precision fallback (D4).");
    harness.get_by_label_contains("Cause 1: D4").click();
    settle(&mut harness);
    let viewer = harness.state();
    assert!(viewer.selected_request().is_some(), "a request that it touched");
    let event = viewer.selected_event().expect("an event is selected");
    let name = kernel_name(viewer.document().expect("a document"), event);
    assert!(name.contains("gemm_f16f16"), "a multiply in a wider type than INT8, not {name}");
    assert!(viewer.view().expect("a view").encloses(event.range()));
}

#[test]
fn the_kernel_that_shows_a_cause_ran_while_the_selected_request_was_served() {
    let sample =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../sample-traces/d03-prefill-interference");
    let mut viewer = Viewer::inline();
    viewer.apply(Command::Open(vec![sample.into()]));
    let mut harness = harness(viewer);
    harness.key_press(egui::Key::C);
    settle(&mut harness);
    let viewer = harness.state();
    let event = viewer.selected_event().expect("an event is selected");
    let request = viewer.selected_request_range().expect("a request is selected");
    assert!(request.encloses(event.range()), "{request:?} {event:?}");
}

#[test]
fn three_keys_do_the_same() {
    let (_folder, mut harness) = opened();
    harness.key_press(egui::Key::R);
    settle(&mut harness);
    assert_eq!(harness.state().selected_request(), Some(7));
    harness.key_press(egui::Key::E);
    settle(&mut harness);
    assert_culprit_is_selected_and_visible(&harness);
    // From the kernel to the call that launched it, and back.
    harness.key_press(egui::Key::L);
    settle(&mut harness);
    let event = harness.state().selected_event().unwrap();
    assert_eq!(event.kind(), Some(TableKind::ApiCall));
    harness.key_press(egui::Key::L);
    settle(&mut harness);
    assert_culprit_is_selected_and_visible(&harness);
}

#[test]
fn keys_move_the_view_and_going_back_undoes_jumps() {
    let (_folder, mut harness) = opened();
    let whole = harness.state().view().unwrap();
    harness.key_press(egui::Key::W);
    settle(&mut harness);
    let closer = harness.state().view().unwrap();
    assert!(closer.len_ns() < whole.len_ns());
    harness.key_press(egui::Key::D);
    settle(&mut harness);
    assert!(harness.state().view().unwrap().start_ns() > closer.start_ns());
    harness.key_press(egui::Key::Num0);
    settle(&mut harness);
    assert_eq!(harness.state().view(), Some(whole));
    harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::Z);
    settle(&mut harness);
    assert_ne!(harness.state().view(), Some(whole));
}

#[test]
fn a_search_finds_the_culprit_and_every_other_key_is_typed() {
    let (_folder, mut harness) = opened();
    harness.key_press(egui::Key::Slash);
    settle(&mut harness);
    harness.get_by_label("Search names").type_text("sgemm_1.*nn");
    settle(&mut harness);
    harness.key_press(egui::Key::Enter);
    settle(&mut harness);
    assert_culprit_is_selected_and_visible(&harness);
    harness.key_press(egui::Key::CloseBracket);
    settle(&mut harness);
    assert_culprit_is_selected_and_visible(&harness);
}

#[test]
fn the_palette_does_what_is_chosen() {
    let (_folder, mut harness) = opened();
    harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::K);
    settle(&mut harness);
    harness.get_by_label("Command").type_text("slowest");
    settle(&mut harness);
    harness.key_press(egui::Key::Enter);
    settle(&mut harness);
    assert_eq!(harness.state().selected_request(), Some(7));
}

#[test]
fn a_link_leads_back_to_the_same_view_and_selection() {
    let (_folder, mut harness) = opened();
    for key in [egui::Key::R, egui::Key::E, egui::Key::F] {
        harness.key_press(key);
        settle(&mut harness);
    }
    let link = harness.state().link_here().unwrap();
    let argument = link.strip_prefix("underspan view ").unwrap().replace('\'', "");
    let (path, link) = Link::split(&argument);
    let mut other = Viewer::inline();
    other.go_to_when_open(link);
    other.apply(Command::Open(vec![path.into()]));
    let other = crate::harness(other);
    assert_eq!(other.state().view(), harness.state().view());
    assert_eq!(other.state().selected_event(), harness.state().selected_event());
    assert_eq!(other.state().selected_request(), Some(7));
}

#[test]
fn what_cannot_be_opened_is_said_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let hostile: [(&str, Vec<u8>); 4] = [
        ("empty.uspan", Vec::new()),
        ("text.json", b"{\"traceEvents\": [".to_vec()),
        ("header.uspan", [b"\x89USPAN\r\n".as_slice(), &[0xff; 200]].concat()),
        (
            "noise.sqlite",
            (0..5000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect(),
        ),
    ];
    for (name, bytes) in hostile {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let mut viewer = Viewer::inline();
        viewer.apply(Command::Open(vec![path]));
        let mut harness = harness(viewer);
        let trouble = harness.state().trouble_text().expect(name);
        assert!(trouble.contains(name), "{trouble}");
        harness.get_by_label("Close").click();
        settle(&mut harness);
        assert_eq!(harness.state().trouble_text(), None);
        let (_folder, path) = planted_file();
        harness.state_mut().apply(Command::Open(vec![path]));
        settle(&mut harness);
        assert!(harness.state().document().is_some());
    }
}

#[test]
fn a_file_that_is_cut_under_the_viewer_does_not_end_it() {
    let (_folder, path) = planted_file();
    let mut viewer = Viewer::inline();
    viewer.apply(Command::Open(vec![path.clone()]));
    let mut harness = harness(viewer);
    std::fs::write(&path, b"gone").unwrap();
    for command in [
        Command::SelectSlowest,
        Command::ShowFinding(0),
        Command::Reload,
        Command::Zoom { factor: 0.01, anchor_ns: None },
        Command::SelectRange(harness.state().view().unwrap()),
    ] {
        harness.state_mut().apply(command);
        settle(&mut harness);
    }
    assert!(harness.state().document().is_some());
}

#[test]
fn a_kernel_leads_back_to_the_request_it_was_for() {
    let (_folder, mut harness) = opened();
    for command in [
        Command::SelectRequestById(support::SLOW_REQUEST.to_owned()),
        Command::ShowFinding(0),
        Command::ColourBy(ColourBy::Request),
    ] {
        harness.state_mut().apply(command);
        settle(&mut harness);
    }
    harness.get_by_label("In a step of one request:");
    let slow = harness.state().selected_request();
    harness.state_mut().apply(Command::SelectRequest(0));
    settle(&mut harness);
    harness.get_by_role_and_label(egui::accesskit::Role::Link, support::SLOW_REQUEST).click();
    settle(&mut harness);
    assert_eq!(harness.state().selected_request(), slow);
}

#[test]
fn two_captures_are_compared() {
    let (_folder, before) = planted_file();
    let (_other, mut harness) = opened();
    harness.state_mut().apply(Command::CompareWith(vec![before]));
    settle(&mut harness);
    harness.get_by_label_contains("planted.uspan → planted.uspan");
    harness.get_by_label_contains("kernel time");
    // A typical step of each, one above the other; a click on the later one selects its kernel.
    harness.get_by_label_contains("Kernels of the step before");
    harness.get_by_label_contains("Kernels of the step after").click();
    settle(&mut harness);
    let event = harness.state().selected_event().expect("a kernel of the step");
    assert_eq!(event.kind(), Some(TableKind::Kernel));
}

#[test]
fn every_panel_draws_with_and_without_a_capture() {
    let (_folder, mut harness) = opened();
    for panel in Panel::ALL {
        harness.state_mut().apply(Command::ShowPanel(panel));
        settle(&mut harness);
    }
    for command in
        [Command::ToggleHelp, Command::ToggleOverlay, Command::SetDark(false), Command::Close]
    {
        harness.state_mut().apply(command);
        settle(&mut harness);
    }
    assert!(harness.state().document().is_none());
}

#[test]
fn statistics_of_a_range_count_every_event_in_it() {
    let (_folder, mut harness) = opened();
    let bounds = harness.state().document().unwrap().bounds();
    harness.state_mut().apply(Command::SelectRange(bounds));
    settle(&mut harness);
    let statistics = harness.state().range_statistics().unwrap();
    // 48 steps with two kernels and two calls each, 48 steps, 12 spans.
    assert_eq!(statistics.n_events, 48 * 5 + 12);
    let culprit = statistics.names.iter().find(|of| of.text == CULPRIT).unwrap();
    assert_eq!((culprit.count, culprit.total_ns), (1, 20_000_000));
}

fn opened_sample(name: &str) -> Harness<'static, Viewer> {
    let samples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sample-traces");
    let mut viewer = Viewer::inline();
    viewer.apply(Command::Open(vec![samples.join(name)]));
    harness(viewer)
}

#[test]
fn steps_that_labels_tell_of_have_a_row() {
    let mut harness = opened_sample("continuous-batching.json.gz");
    harness.get_by_label("steps, by their labels");
    let before = harness.state().view();
    harness.state_mut().apply(Command::Zoom { factor: 0.1, anchor_ns: None });
    settle(&mut harness);
    harness
        .query_all_by_label_contains(", steps, by their labels")
        .next()
        .expect("a step in view")
        .click();
    settle(&mut harness);
    let view = harness.state().view().unwrap();
    assert!(before.unwrap().len_ns() > 2 * view.len_ns(), "a click on a step shows it");
}

#[test]
fn slow_requests_have_a_row() {
    let mut harness = opened_sample("healthy-vllm");
    harness.state_mut().apply(Command::SelectSlowest);
    settle(&mut harness);
    let slowest = harness.state().selected_request();
    harness.state_mut().apply(Command::ClearSelection);
    harness.state_mut().apply(Command::FilterRows("slowest|median".to_owned()));
    settle(&mut harness);
    assert_eq!(harness.state().selected_request(), None);
    // It fills the view, and so its bar is the widest of the row.
    harness
        .query_all_by_label_contains(", the slowest 5 %")
        .max_by(|a, b| a.rect().width().total_cmp(&b.rect().width()))
        .expect("the row has bars")
        .click();
    settle(&mut harness);
    assert_eq!(harness.state().selected_request(), slowest);
}
