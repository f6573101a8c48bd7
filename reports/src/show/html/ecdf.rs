//! Distributions as pictures: which share of the runs was done after how long.

use maud::{Markup, html};

use crate::report::distribution::Distribution;
use crate::report::words::duration;

/// The size of the drawing's inner part, and of its edges, in CSS pixels.
const WIDE: f64 = 300.0;
const HIGH: f64 = 120.0;
const LEFT: f64 = 36.0;
const TOP: f64 = 8.0;
const BELOW: f64 = 22.0;
const RIGHT: f64 = 14.0;

/// One line of a picture.
pub(super) struct Line<'a> {
    /// What it is of.
    pub(super) name: String,
    /// The class that gives it its colour.
    pub(super) class: &'static str,
    pub(super) of: &'a Distribution,
}

/// Lines and what nobody can beat, in one picture.
pub(super) fn picture(title: &str, lines: &[Line<'_>], bound_ms: Option<u64>) -> Markup {
    let longest = lines.iter().filter_map(|line| line.of.max_ms).max().unwrap_or(0);
    // One run that was never done should not press all the others against the axis.
    let usual = lines.iter().filter_map(|line| line.of.percentile(90)).max().unwrap_or(0);
    let usual = usual.max(bound_ms.unwrap_or(0)).saturating_mul(3) / 2;
    let to_ms = longest.min(usual.max(1)).max(bound_ms.unwrap_or(0)).max(1);
    let x = |ms: u64| LEFT + share(ms.min(to_ms), to_ms) * WIDE;
    let (bottom, width, height) = (TOP + HIGH, LEFT + WIDE + RIGHT, TOP + HIGH + BELOW);
    html! {
        figure {
            figcaption { (title) }
            svg.ecdf viewBox={ "0 0 " (width) " " (height) } role="img" aria-label={ (title) ": share of the runs over time" } {
                @for percent in [0_u64, 50, 100] {
                    @let y = bottom - share(percent, 100) * HIGH;
                    line.grid x1=(LEFT) y1=(y) x2=(LEFT + WIDE) y2=(y) {}
                    text x=(LEFT - 4.0) y=(y + 4.0) text-anchor="end" { (percent) " %" }
                }
                @for ms in ticks(to_ms) {
                    line.grid x1=(round(x(ms))) y1=(TOP) x2=(round(x(ms))) y2=(bottom) {}
                    text x=(round(x(ms))) y=(bottom + 15.0) text-anchor="middle" { (ms / 1_000) " s" }
                }
                @if let Some(bound) = bound_ms {
                    line.bound x1=(round(x(bound))) y1=(TOP) x2=(round(x(bound))) y2=(bottom) { title { "bound: " (duration(bound)) } }
                }
                @for line in lines.iter().filter(|line| line.of.samples > 0) {
                    path class={ "curve " (line.class) } d=(steps(line.of, to_ms, &x)) {
                        title { (line.name) ": " (line.of.samples) " runs" }
                    }
                }
            }
            p.legend {
                @for line in lines { span.{ "key " (line.class) } { (line.name) ": " (summary(line.of)) } }
                @if let Some(bound) = bound_ms { span.key.bound { "bound " (duration(bound)) } }
            }
        }
    }
}

/// The class that gives a design its colour.
pub(super) fn class(design: &str, policy: Option<&str>) -> &'static str {
    match (design, policy) {
        ("published", _) => "of-published",
        (_, Some("majority" | "split-lite")) => "of-third",
        _ => "of-hardened",
    }
}

/// What a distribution says in words: its percentiles where there are runs enough, or the runs themselves.
pub(super) fn summary(of: &Distribution) -> String {
    let known: Vec<_> =
        of.percentiles().into_iter().map(|(percent, ms)| format!("p{percent} {}", duration(ms))).collect();
    match (of.samples, known.is_empty()) {
        (0, _) => "nothing measured".to_owned(),
        (samples, false) => format!("{} ({samples} runs)", known.join(", ")),
        (_, true) => {
            let each = of.seen.iter().flat_map(|(ms, times)| (0..*times).map(|_| duration(*ms)));
            each.collect::<Vec<_>>().join(", ")
        }
    }
}

/// Up a step at each run.
fn steps(of: &Distribution, to_ms: u64, x: &impl Fn(u64) -> f64) -> String {
    let mut path = format!("M{} {}", LEFT, TOP + HIGH);
    let mut below = 0;
    for (ms, times) in &of.seen {
        if *ms > to_ms {
            break;
        }
        path.push_str(&format!("H{}", round(x(*ms))));
        below += times;
        path.push_str(&format!("V{}", round(TOP + HIGH - share(below, of.samples) * HIGH)));
    }
    path.push_str(&format!("H{}", LEFT + WIDE));
    path
}

/// Round moments, five at the most.
fn ticks(to_ms: u64) -> impl Iterator<Item = u64> {
    const STEPS_S: [u64; 14] = [1, 2, 5, 10, 20, 30, 60, 100, 200, 300, 600, 1_200, 1_800, 3_600];
    let to_s = to_ms / 1_000;
    let step_s = STEPS_S.into_iter().find(|step| to_s / step <= 5).unwrap_or(to_s.max(5) / 5);
    (0..=to_s / step_s).map(move |at| at * step_s * 1_000)
}

#[expect(clippy::cast_precision_loss, reason = "a place in a drawing")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

fn round(place: f64) -> f64 {
    (place * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_runs_are_told_one_by_one_and_many_by_percentiles() {
        assert_eq!(summary(&Distribution::of(&[1_000, 1_000, 3_000])), "1.0 s, 1.0 s, 3.0 s");
        let many: Vec<u64> = (1..=100).map(|n| n * 1_000).collect();
        assert_eq!(summary(&Distribution::of(&many)), "p50 50.0 s, p90 90.0 s (100 runs)");
        assert_eq!(summary(&Distribution::of(&[])), "nothing measured");
    }

    #[test]
    fn a_line_goes_up_to_all_runs() {
        let of = Distribution::of(&[1_000, 2_000]);
        let path = steps(&of, 2_000, &|ms| LEFT + share(ms, 2_000) * WIDE);
        assert_eq!(path, "M36 128H186V68H336V8H336");
        assert_eq!(ticks(12_000).collect::<Vec<_>>(), [0, 5_000, 10_000]);
    }
}
