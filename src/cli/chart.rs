//! The footprint of applications as a drawing: what both styles request, by the number of pods.

use std::fmt::Write as _;

use super::sheet::{RESOURCES, counted, sentence};
use crate::api::quantity::Quantity;
use crate::api::style::Style;
use crate::api::wiring::Requests;
use crate::engine::{Crossing, Footprint};

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 220.0;
/// Around what is drawn: room for the words.
const MARGIN: [f64; 2] = [70.0, 56.0];
/// A colour for each style, which differ without colour vision too.
const STYLES: [(Style, &str); 2] = [(Style::Sidecar, "#d95f02"), (Style::Broker, "#1b6ca8")];

/// A drawing with a part for CPU and one for memory, of the workloads that can be in both styles.
pub(super) fn svg(footprint: &Footprint) -> String {
    let footprint = &footprint.movable();
    let (width, height) = (2.0 * (WIDTH + MARGIN[0]) + 40.0, HEIGHT + 2.0 * MARGIN[1] + 24.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n<title>What {} request in each style</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
        counted(footprint.pods())
    );
    for (at, (style, colour)) in STYLES.iter().enumerate() {
        let (x, origin) =
            (MARGIN[0] + at as f64 * (WIDTH + MARGIN[0]), footprint.platforms.get(style).map_or("", |platform| &platform.origin));
        let word = escaped(&format!("{} style; shared there: {origin}", style.word()));
        let _ = writeln!(svg, "<text x=\"{x}\" y=\"20\" fill=\"{colour}\">{word}</text>");
    }
    for (at, (what, of)) in RESOURCES.into_iter().enumerate() {
        let _ = writeln!(svg, "<g transform=\"translate({},{})\">", MARGIN[0] + at as f64 * (WIDTH + MARGIN[0]), MARGIN[1]);
        part(&mut svg, footprint, what, of);
        svg.push_str("</g>\n");
    }
    svg + "</svg>\n"
}

/// One resource: two lines, where they cross, and the pods of today.
fn part(svg: &mut String, footprint: &Footprint, what: &str, of: fn(Requests) -> Quantity) {
    let (pods, crossing) = (footprint.pods(), footprint.crossing(of));
    let crosses = if let Some(Crossing::From(pods)) = crossing { pods } else { 0 };
    let most = (2 * pods).max(crosses + crosses / 2).max(4);
    let value = |style: Style, count: f64| {
        let each = number(of(footprint.applications(style))) / pods.max(1) as f64;
        number(of(footprint.platform(style))) + each * count
    };
    let top = STYLES.iter().map(|(style, _)| value(*style, most as f64)).fold(1e-9, f64::max);
    let (x, y) = (|count: f64| count / most as f64 * WIDTH, |value: f64| HEIGHT - value / top * HEIGHT);
    let _ = writeln!(svg, "<path d=\"M0,0V{HEIGHT}H{WIDTH}\" fill=\"none\" stroke=\"#555555\"/>");
    let _ = writeln!(svg, "<text x=\"-8\" y=\"10\" text-anchor=\"end\">{}</text>", amount(what, top));
    let _ = writeln!(svg, "<text x=\"-8\" y=\"{HEIGHT}\" text-anchor=\"end\">0</text>");
    let _ = writeln!(svg, "<text x=\"{WIDTH}\" y=\"{}\" text-anchor=\"end\">{most} pods</text>", HEIGHT + 16.0);
    for (style, colour) in STYLES {
        let (from, to) = (y(value(style, 0.0)), y(value(style, most as f64)));
        let dash = if style == Style::Broker { " stroke-dasharray=\"6 3\"" } else { "" };
        let _ = writeln!(svg, "<path d=\"M0,{from:.1}L{WIDTH},{to:.1}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dash}/>");
        let _ =
            writeln!(svg, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"{colour}\"/>", x(pods as f64), y(value(style, pods as f64)));
    }
    let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{} now</text>", x(pods as f64), HEIGHT + 16.0, counted(pods));
    let said = crossing.map_or_else(|| "no pods".to_owned(), sentence);
    let _ = writeln!(svg, "<text x=\"0\" y=\"{}\">{what}: {said}</text>", HEIGHT + 36.0);
}

/// In cores, or in bytes.
fn number(quantity: Quantity) -> f64 {
    quantity.many(1000).units() as f64 / 1000.0
}

fn amount(what: &str, value: f64) -> String {
    if what == "CPU" { format!("{value:.1} cores") } else { format!("{:.0}Mi", value / f64::from(1 << 20)) }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
